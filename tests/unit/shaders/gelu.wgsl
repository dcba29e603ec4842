// add+gelu f32[64,128]
// in0: f32[64,128]
// in1: f32[128]
// out0: gelu f32[64,128]
@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out0: array<vec4<f32>>;
fn power_of_two_x4(n: vec4<f32>) -> vec4<f32> { return bitcast<vec4<f32>>((bitcast<vec4<u32>>(n + 12582912.0) << vec4<u32>(23u)) + 0x3f800000u); }
fn exp_core_x4(r: vec4<f32>) -> vec4<f32> {
  return ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
}
fn expm1_bounded_x4(x: vec4<f32>) -> vec4<f32> {
  let n = round(x * 1.44269504);
  let r = (x - n * 0.693359375) + n * 2.12194440e-4;
  let two = power_of_two_x4(n);
  return two * (exp_core_x4(r) * r * r + r) + (two - 1.0);
}
fn erf_f32_x4(x: vec4<f32>) -> vec4<f32> {
  let a = abs(x);
  let b = select(a, vec4<f32>(4.1), a > vec4<f32>(4.1));
  let q = (((((((-4.070796422e-5 * b + 3.810008930e-4) * b - 1.251747250e-3) * b - 2.057151869e-4) * b + 1.932171546e-2) * b
    - 1.028144136e-1) * b - 6.366164684e-1) * b - 1.128379226) * b;
  let y = -expm1_bounded_x4(q);
  return select(y, -y, x < vec4<f32>(0.0));
}
fn gelu_f32_x4(x: vec4<f32>) -> vec4<f32> { return 0.5 * x * (1.0 + erf_f32_x4(x * 0.707106781)); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let t = i32(group_id.x + group_id.y * groups.x) * 64 + i32(local);
  if (t < i32(arrayLength(&out0))) {
    let x0 = in0[t];
    let x1 = in1[t % 32];
    let add = x0 + x1;
    let gelu = gelu_f32_x4(add);
    out0[t] = gelu;
  }
}
