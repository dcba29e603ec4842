// cumsum f32[64,1000]
// x0: f32[64,1000]
// y0: result f32[64,1000]
@group(0) @binding(0) var<storage, read> x0: array<f32>;
@group(0) @binding(1) var<storage, read_write> y0: array<f32>;
struct State { a: f32 }
fn identity() -> State { return State(0.0); }
fn combine(x: State, y: State) -> State { return State(x.a + y.a); }
fn load(at: u32, i: u32) -> State { return State(f32(x0[at])); }
var<workgroup> parts: array<State, 128>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let group = group_id.x + group_id.y * groups.x;
  if (group >= 64u) { return; }
  let row = group;
  let base = row * 1000u;
  let first = 0u;
  let end = 1000u;
  var carry = identity();
  for (var start = first; start < end; start += 1024u) {
    let begin = start + local * 8u;
    let until = min(begin + 8u, end);
    var sum = identity();
    for (var p = begin; p < until; p++) {
      let i = p;
      sum = combine(sum, load(base + i, i));
    }
    parts[local] = sum;
    workgroupBarrier();
    for (var step = 1u; step < 128u; step *= 2u) {
      var before = identity();
      if (local >= step) { before = parts[local - step]; }
      workgroupBarrier();
      sum = combine(before, sum);
      parts[local] = sum;
      workgroupBarrier();
    }
    var running = carry;
    if (local > 0u) { running = combine(carry, parts[local - 1u]); }
    for (var p = begin; p < until; p++) {
      let i = p;
      let at = base + i;
      running = combine(running, load(at, i));
      y0[at] = running.a;
    }
    carry = combine(carry, parts[127u]);
    workgroupBarrier();
  }
}
