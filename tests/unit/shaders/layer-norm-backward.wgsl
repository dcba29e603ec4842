// layerNorm, layerNorm backward f32[32,512]
// in0: x f32[32,512]
// in1: f32[32,512]
// in2: norm.weight f32[512]
// out0: layerNorm backward f32[32,512]
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
  var sum_5 = vec4<f32>(0.0);
  let mul = sum_3 * 0.001953125;
  let sub = x0 - mul;
  let square = sub * sub;
  sum_4 = sum_4 + square;
  let x1 = in1[n];
  let x2 = in2[share];
  let mul_2 = x1 * x2;
  let mul_3 = mul_2 * sub;
  sum_5 = sum_5 + mul_3;
  let sub_2 = x0_2 - mul;
  let square_2 = sub_2 * sub_2;
  sum_4 = sum_4 + square_2;
  let x1_2 = in1[n_2];
  let x2_2 = in2[share + 64];
  let mul_4 = x1_2 * x2_2;
  let mul_5 = mul_4 * sub_2;
  sum_5 = sum_5 + mul_5;
  let low_2 = sum_4.x + sum_4.y;
  let high_2 = sum_4.z + sum_4.w;
  let sum_6 = low_2 + high_2;
  scratch_f32[local] = sum_6;
  workgroupBarrier();
  for (var half = 32; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_7 = scratch_f32[0];
  workgroupBarrier();
  let low_3 = sum_5.x + sum_5.y;
  let high_3 = sum_5.z + sum_5.w;
  let sum_8 = low_3 + high_3;
  scratch_f32[local] = sum_8;
  workgroupBarrier();
  for (var half = 32; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_9 = scratch_f32[0];
  workgroupBarrier();
  var sum_10 = vec4<f32>(0.0);
  let mul_6 = sum_7 * 0.001953125;
  let add = mul_6 + 0.00001;
  let rsqrt = inverseSqrt(add);
  let mul_7 = mul_2 * rsqrt;
  let mul_8 = sum_9 * -0.5;
  let cube = rsqrt * rsqrt * rsqrt;
  let mul_9 = mul_8 * cube;
  let mul_10 = mul_9 * 0.001953125;
  let mul_11 = mul_10 * 2.0;
  let mul_12 = mul_11 * sub;
  let add_2 = mul_7 + mul_12;
  let neg = -(add_2);
  sum_10 = sum_10 + neg;
  let mul_13 = mul_4 * rsqrt;
  let mul_14 = mul_11 * sub_2;
  let add_3 = mul_13 + mul_14;
  let neg_2 = -(add_3);
  sum_10 = sum_10 + neg_2;
  let low_4 = sum_10.x + sum_10.y;
  let high_4 = sum_10.z + sum_10.w;
  let sum_11 = low_4 + high_4;
  scratch_f32[local] = sum_11;
  workgroupBarrier();
  for (var half = 32; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_12 = scratch_f32[0];
  workgroupBarrier();
  let mul_15 = sum_12 * 0.001953125;
  let add_4 = add_2 + mul_15;
  out0[n] = add_4;
  let add_5 = add_3 + mul_15;
  out0[n_2] = add_5;
}
