// mul+softmax f32[32,1000]
// in0: f32[32,1000]
// out0: softmax f32[32,1000]
@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out0: array<vec4<f32>>;
var<private> special_bits: vec3<u32> = vec3<u32>(0x7fc00000u, 0x7f800000u, 0xff800000u);
var<workgroup> scratch_f32: array<f32, 128>;
fn is_nan_x4(x: vec4<f32>) -> vec4<bool> { return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u); }
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & u32(0x7fffffffu)) > u32(0x7f800000u); }
fn power_of_two_x4(n: vec4<f32>) -> vec4<f32> { return bitcast<vec4<f32>>((bitcast<vec4<u32>>(n + 12582912.0) << vec4<u32>(23u)) + 0x3f800000u); }
fn exp_core_x4(r: vec4<f32>) -> vec4<f32> {
  return ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
}
fn exp_f32_x4(x: vec4<f32>) -> vec4<f32> {
  let y = select(select(x, vec4<f32>(89.0), x > vec4<f32>(89.0)), vec4<f32>(-87.5), x < vec4<f32>(-87.5));
  let n = round(y * 1.44269504);
  let r = (y - n * 0.693359375) + n * 2.12194440e-4;
  let p = exp_core_x4(r) * r * r + r + 1.0;
  return (p + p) * power_of_two_x4(n - 1.0);
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = i32(group_id.x + group_id.y * groups.x);
  let share = i32(local);
  var max = vec4<f32>(bitcast<f32>(special_bits.z));
  let n = row * 250;
  for (var k = share; k < 250; k += 128) {
    let x0 = in0[n + k];
    let mul = x0 * 0.5;
    max = select(mul, max, (max > mul) | is_nan_x4(max));
  }
  let low = select(max.y, max.x, (max.x > max.y) | is_nan(max.x));
  let high = select(max.w, max.z, (max.z > max.w) | is_nan(max.z));
  let max_2 = select(high, low, (low > high) | is_nan(low));
  scratch_f32[local] = max_2;
  workgroupBarrier();
  for (var half = 64; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = select(other, mine, (mine > other) | is_nan(mine));
    }
    workgroupBarrier();
  }
  let max_3 = scratch_f32[0];
  workgroupBarrier();
  var sum = vec4<f32>(0.0);
  for (var k = share; k < 250; k += 128) {
    let x0 = in0[n + k];
    let mul = x0 * 0.5;
    let sub = mul - max_3;
    let exp = exp_f32_x4(sub);
    sum = sum + exp;
  }
  let low_2 = sum.x + sum.y;
  let high_2 = sum.z + sum.w;
  let sum_2 = low_2 + high_2;
  scratch_f32[local] = sum_2;
  workgroupBarrier();
  for (var half = 64; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_3 = scratch_f32[0];
  workgroupBarrier();
  for (var k = share; k < 250; k += 128) {
    let n_2 = n + k;
    let x0 = in0[n_2];
    let mul = x0 * 0.5;
    let sub = mul - max_3;
    let exp = exp_f32_x4(sub);
    let div = exp / sum_3;
    out0[n_2] = div;
  }
}
