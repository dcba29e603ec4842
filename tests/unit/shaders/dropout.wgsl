// dropout+mul f32[64,128]
// in0: f32[64,128]
// out0: mul f32[64,128]
@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out0: array<vec4<f32>>;
struct Scalars { s0: u32, s1: f32 }
@group(0) @binding(2) var<uniform> scalars: Scalars;
struct Words_x4 { x: vec4<u32>, y: vec4<u32> }
fn threefry_round_x4(w: Words_x4, r: u32) -> Words_x4 {
  let a = w.x + w.y;
  return Words_x4(a, ((w.y << vec4<u32>(r)) | (w.y >> vec4<u32>(32u - r))) ^ a);
}
fn threefry_rounds_x4(w: Words_x4, r: vec4<u32>, a: vec4<u32>, b: vec4<u32>) -> Words_x4 {
  let mixed = threefry_round_x4(threefry_round_x4(threefry_round_x4(threefry_round_x4(w, r.x), r.y), r.z), r.w);
  return Words_x4(mixed.x + a, mixed.y + b);
}
fn threefry_x4(counter: vec4<u32>, key: vec4<u32>) -> Words_x4 {
  let even = vec4<u32>(13u, 15u, 26u, 6u);
  let odd = vec4<u32>(17u, 29u, 16u, 24u);
  let last = key ^ vec4<u32>(0x1bd11bdau);
  var w = Words_x4(counter + key, vec4<u32>(0u));
  w = threefry_rounds_x4(w, even, vec4<u32>(0u), last + 1u);
  w = threefry_rounds_x4(w, odd, last, key + 2u);
  w = threefry_rounds_x4(w, even, key, vec4<u32>(3u));
  w = threefry_rounds_x4(w, odd, vec4<u32>(0u), last + 4u);
  return threefry_rounds_x4(w, even, last, key + 5u);
}
fn random_uniform_x4(counter: vec4<u32>, key: vec4<u32>) -> vec4<f32> { return vec4<f32>(threefry_x4(counter, key).x >> vec4<u32>(8u)) * 5.9604644775390625e-8; }
fn dropout_factor_x4(counter: vec4<u32>, key: vec4<u32>, p: vec4<f32>) -> vec4<f32> { return select(1.0 / (1.0 - p), vec4<f32>(0.0), random_uniform_x4(counter, key) < p); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let t = i32(group_id.x + group_id.y * groups.x) * 64 + i32(local);
  if (t < i32(arrayLength(&out0))) {
    let x0 = in0[t];
    let n = t * 4;
    let at = vec4<u32>(u32(n), u32(n + 1), u32(n + 2), u32(n + 3));
    let dropout = dropout_factor_x4(at, vec4<u32>(scalars.s0), vec4<f32>(scalars.s1));
    let mul = x0 * dropout;
    out0[t] = mul;
  }
}
