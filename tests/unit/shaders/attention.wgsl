// attention f32[4,8,256,32]
// q: f32[4,8,256,32]
// k: f32[4,8,256,32]
// v: f32[4,8,256,32]
// out: result f32[4,8,256,32]
// logs: result f32[4,8,256]
@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> logs: array<f32>;
fn read_q(at: i32, d: i32) -> vec4<f32> {
  return vec4<f32>(q[at + d]);
}
var<workgroup> tile_k: array<vec4<f32>, 256>;
fn read_k(at: i32, d: i32) -> vec4<f32> {
  return vec4<f32>(k[at + d]);
}
var<workgroup> tile_v: array<vec4<f32>, 256>;
fn read_v(at: i32, d: i32) -> vec4<f32> {
  return vec4<f32>(v[at + d]);
}
fn write_out(at: i32, d: i32, value: vec4<f32>) {
  out[at + d] = vec4<f32>(value);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let group = group_id.x + group_id.y * groups.x;
  if (group >= 128u) { return; }
  let batch = i32(group) / 4;
  let block = i32(group) % 4;
  let q_base = batch * 2048;
  let k_base = batch * 2048;
  let v_base = batch * 2048;
  let out_base = batch * 2048;
  let first = block * 64 + i32(local);
  let row_0 = first;
  var stage: array<vec4<f32>, 8>;
  for (var i = 0; i < 8; i++) {
    stage[i] = read_q(q_base + min(first + i / 8 * 64, 255) * 8, i % 8) * 0.1767766922712326;
  }
  let q0_0 = stage[0];
  let q0_1 = stage[1];
  let q0_2 = stage[2];
  let q0_3 = stage[3];
  let q0_4 = stage[4];
  let q0_5 = stage[5];
  let q0_6 = stage[6];
  let q0_7 = stage[7];
  var max_0 = -0x1.fffffep+127f;
  var sum_0 = 0.0;
  var o0_0 = vec4<f32>(0.0);
  var o0_1 = vec4<f32>(0.0);
  var o0_2 = vec4<f32>(0.0);
  var o0_3 = vec4<f32>(0.0);
  var o0_4 = vec4<f32>(0.0);
  var o0_5 = vec4<f32>(0.0);
  var o0_6 = vec4<f32>(0.0);
  var o0_7 = vec4<f32>(0.0);
  for (var start = 0; start < min((block + 1) * 64, 256); start += 32) {
    workgroupBarrier();
    for (var i = i32(local); i < 256; i += 64) {
      tile_k[i] = read_k(k_base + min(start + i / 8, 255) * 8, i % 8);
    }
    for (var i = i32(local); i < 256; i += 64) {
      tile_v[i] = read_v(v_base + min(start + i / 8, 255) * 8, i % 8);
    }
    workgroupBarrier();
    for (var at = 0; at < min(32, min((block + 1) * 64, 256) - start); at++) {
      let j = start + at;
      var s_0 = 0.0;
      s_0 += dot(q0_0, tile_k[at * 8]);
      s_0 += dot(q0_1, tile_k[at * 8 + 1]);
      s_0 += dot(q0_2, tile_k[at * 8 + 2]);
      s_0 += dot(q0_3, tile_k[at * 8 + 3]);
      s_0 += dot(q0_4, tile_k[at * 8 + 4]);
      s_0 += dot(q0_5, tile_k[at * 8 + 5]);
      s_0 += dot(q0_6, tile_k[at * 8 + 6]);
      s_0 += dot(q0_7, tile_k[at * 8 + 7]);
      let visible_0 = (j <= row_0);
      s_0 = select(-0x1.fffffep+127f, s_0, visible_0);
      while ((s_0 > max_0 + 20.0)) {
        let m_0 = select(max_0, s_0, s_0 > max_0 + 20.0);
        let f_0 = exp(max_0 - m_0);
        max_0 = m_0;
        sum_0 *= f_0;
        o0_0 *= f_0;
        o0_1 *= f_0;
        o0_2 *= f_0;
        o0_3 *= f_0;
        o0_4 *= f_0;
        o0_5 *= f_0;
        o0_6 *= f_0;
        o0_7 *= f_0;
      }
      s_0 = select(0.0, exp(s_0 - max_0), visible_0);
      sum_0 += s_0;
      o0_0 = fma(vec4<f32>(s_0), tile_v[at * 8], o0_0);
      o0_1 = fma(vec4<f32>(s_0), tile_v[at * 8 + 1], o0_1);
      o0_2 = fma(vec4<f32>(s_0), tile_v[at * 8 + 2], o0_2);
      o0_3 = fma(vec4<f32>(s_0), tile_v[at * 8 + 3], o0_3);
      o0_4 = fma(vec4<f32>(s_0), tile_v[at * 8 + 4], o0_4);
      o0_5 = fma(vec4<f32>(s_0), tile_v[at * 8 + 5], o0_5);
      o0_6 = fma(vec4<f32>(s_0), tile_v[at * 8 + 6], o0_6);
      o0_7 = fma(vec4<f32>(s_0), tile_v[at * 8 + 7], o0_7);
    }
  }
  let scale_0 = select(1.0 / sum_0, 0.0, sum_0 == 0.0);
  if (row_0 < 256) {
    logs[batch * 256 + row_0] = select(max_0 + log(sum_0), -(-0x1.fffffep+127f), sum_0 == 0.0);
  }
  stage[0] = o0_0 * scale_0;
  stage[1] = o0_1 * scale_0;
  stage[2] = o0_2 * scale_0;
  stage[3] = o0_3 * scale_0;
  stage[4] = o0_4 * scale_0;
  stage[5] = o0_5 * scale_0;
  stage[6] = o0_6 * scale_0;
  stage[7] = o0_7 * scale_0;
  for (var i = 0; i < 8; i++) {
    let row = first + i / 8 * 64;
    if (row < 256) { write_out(out_base + row * 8, i % 8, stage[i]); }
  }
}
