// layerNorm f32[32,512]
// in0: f32[32,512]
// in1: norm.weight f32[512]
// in2: norm.bias f32[512]
// out0: layerNorm f32[32,512]
@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> in2: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out0: array<vec4<f32>>;
var<workgroup> scratch_f32: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = i32(group_id.x + group_id.y * groups.x);
  let share = i32(local);
  var sum = vec4<f32>(0.0);
  let n = row * 128 + share;
  let x0 = in0[n];
  sum = sum + x0;
  let n_2 = n + 64;
  let x0_2 = in0[n_2];
  sum = sum + x0_2;
  let low = sum.x + sum.y;
  let high = sum.z + sum.w;
  let sum_2 = low + high;
  scratch_f32[local] = sum_2;
  workgroupBarrier();
  for (var half = 32; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_3 = scratch_f32[0];
  workgroupBarrier();
  var sum_4 = vec4<f32>(0.0);
  let mul = sum_3 * 0.001953125;
  let sub = x0 - mul;
  let square = sub * sub;
  sum_4 = sum_4 + square;
  let sub_2 = x0_2 - mul;
  let square_2 = sub_2 * sub_2;
  sum_4 = sum_4 + square_2;
  let low_2 = sum_4.x + sum_4.y;
  let high_2 = sum_4.z + sum_4.w;
  let sum_5 = low_2 + high_2;
  scratch_f32[local] = sum_5;
  workgroupBarrier();
  for (var half = 32; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_6 = scratch_f32[0];
  workgroupBarrier();
  let mul_2 = sum_6 * 0.001953125;
  let add = mul_2 + 0.00001;
  let rsqrt = inverseSqrt(add);
  let mul_3 = sub * rsqrt;
  let x1 = in1[share];
  let mul_4 = mul_3 * x1;
  let x2 = in2[share];
  let add_2 = mul_4 + x2;
  out0[n] = add_2;
  let mul_5 = sub_2 * rsqrt;
  let n_3 = share + 64;
  let x1_2 = in1[n_3];
  let mul_6 = mul_5 * x1_2;
  let x2_2 = in2[n_3];
  let add_3 = mul_6 + x2_2;
  out0[n_2] = add_3;
}
