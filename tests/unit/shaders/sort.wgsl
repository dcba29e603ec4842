// sort f32[64,1000]
// x: f32[64,1000]
// y: result f32[64,1000]
// indices: result i32[64,1000]
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read_write> indices: array<i32>;
fn key_of(x: u32) -> u32 {
  let magnitude = x & 0x7fffffffu;
  var key = select(x | 0x80000000u, ~x, x > 0x7fffffffu);
  if (magnitude == 0u) { key = 0x80000000u; }
  if (magnitude > 0x7f800000u) { key = 0xffffffffu; }
  return key;
}
var<workgroup> keys: array<u32, 2048>;
var<workgroup> orders: array<u32, 2048>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let group = group_id.x + group_id.y * groups.x;
  if (group >= 64u) { return; }
  for (var step = local; step < 1024u * groups.z; step += 128u) {
    let slot = step;
    let q = step % 1024u;
    let row = group + slot / 1024u;
    let p = q;
    var key = 0xffffffffu;
    var order = 0u;
    if (row < 64u && p < 1000u) {
      let at = row * 1000u + p;
      key = key_of(x[at]);
      order = p;
    }
    keys[slot] = key;
    orders[slot] = order;
  }
  workgroupBarrier();
  let first = local * 8u;
  let until = first + 8u * groups.z;
  var k0 = keys[first];
  var o0 = orders[first];
  var k1 = keys[first + 1u];
  var o1 = orders[first + 1u];
  var k2 = keys[first + 2u];
  var o2 = orders[first + 2u];
  var k3 = keys[first + 3u];
  var o3 = orders[first + 3u];
  var k4 = keys[first + 4u];
  var o4 = orders[first + 4u];
  var k5 = keys[first + 5u];
  var o5 = orders[first + 5u];
  var k6 = keys[first + 6u];
  var o6 = orders[first + 6u];
  var k7 = keys[first + 7u];
  var o7 = orders[first + 7u];
  for (var round = 0u; round < 4u * groups.z; round++) {
    {
      let swap = k0 > k1;
      let k = min(k0, k1);
      k1 = max(k0, k1);
      k0 = k;
      let o = select(o0, o1, swap);
      o1 = select(o1, o0, swap);
      o0 = o;
    }
    {
      let swap = k2 > k3;
      let k = min(k2, k3);
      k3 = max(k2, k3);
      k2 = k;
      let o = select(o2, o3, swap);
      o3 = select(o3, o2, swap);
      o2 = o;
    }
    {
      let swap = k4 > k5;
      let k = min(k4, k5);
      k5 = max(k4, k5);
      k4 = k;
      let o = select(o4, o5, swap);
      o5 = select(o5, o4, swap);
      o4 = o;
    }
    {
      let swap = k6 > k7;
      let k = min(k6, k7);
      k7 = max(k6, k7);
      k6 = k;
      let o = select(o6, o7, swap);
      o7 = select(o7, o6, swap);
      o6 = o;
    }
    {
      let swap = k1 > k2;
      let k = min(k1, k2);
      k2 = max(k1, k2);
      k1 = k;
      let o = select(o1, o2, swap);
      o2 = select(o2, o1, swap);
      o1 = o;
    }
    {
      let swap = k3 > k4;
      let k = min(k3, k4);
      k4 = max(k3, k4);
      k3 = k;
      let o = select(o3, o4, swap);
      o4 = select(o4, o3, swap);
      o3 = o;
    }
    {
      let swap = k5 > k6;
      let k = min(k5, k6);
      k6 = max(k5, k6);
      k5 = k;
      let o = select(o5, o6, swap);
      o6 = select(o6, o5, swap);
      o5 = o;
    }
  }
  keys[first] = k0;
  orders[first] = o0;
  keys[first + 1u] = k1;
  orders[first + 1u] = o1;
  keys[first + 2u] = k2;
  orders[first + 2u] = o2;
  keys[first + 3u] = k3;
  orders[first + 3u] = o3;
  keys[first + 4u] = k4;
  orders[first + 4u] = o4;
  keys[first + 5u] = k5;
  orders[first + 5u] = o5;
  keys[first + 6u] = k6;
  orders[first + 6u] = o6;
  keys[first + 7u] = k7;
  orders[first + 7u] = o7;
  workgroupBarrier();
  var here = 0u;
  for (var run = 8u * groups.z; run < 1024u; run *= 2u) {
    let there = 1024u - here;
    let start = first / (2u * run) * (2u * run);
    let middle = start + run;
    let end = middle + run;
    let before = first - start;
    var low = max(before, end - middle) - (end - middle);
    var high = min(before, middle - start);
    while (low < high) {
      let half = (low + high) / 2u;
      let behind = keys[here + start + half] > keys[here + middle + before - 1u - half];
      low = select(half + 1u, low, behind);
      high = select(high, half, behind);
    }
    var a = here + start + low;
    var b = here + middle + before - low;
    let last = here + end - 1u;
    var left = keys[min(a, last)];
    var right = keys[min(b, last)];
    for (var to = there + first; to < there + until; to++) {
      let second = b < here + end && (a >= here + middle || left > right);
      let taken = select(a, b, second);
      keys[to] = select(left, right, second);
      orders[to] = orders[taken];
      let next = keys[min(taken + 1u, last)];
      a += select(1u, 0u, second);
      b += select(0u, 1u, second);
      left = select(next, left, second);
      right = select(right, next, second);
    }
    workgroupBarrier();
    here = there;
  }
  for (var step = local; step < 1024u * groups.z; step += 128u) {
    let slot = step;
    let q = step % 1024u;
    let row = group + slot / 1024u;
    let p = q;
    if (row < 64u && q < 1000u && p < 1000u) {
      let key = keys[here + slot];
      let order = orders[here + slot];
      let to = row * 1000u + q;
      y[to] = x[row * 1000u + order];
      indices[to] = i32(order);
    }
  }
}
