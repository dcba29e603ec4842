// layerNorm backward f32[1,512]
// in0: layerNorm backward f32[32,512]
// in1: f32[32,512]
// out0: layerNorm backward f32[1,512]
// out1: layerNorm backward f32[1,512]
@group(0) @binding(0) var<storage, read_write> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out0: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out1: array<vec4<f32>>;
var<workgroup> scratch_vec4_f32: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = i32(group_id.x + group_id.y * groups.x) * 4 + i32(local) % 4;
  let share = i32(local) / 4;
  var sum = vec4<f32>(0.0);
  var sum_2 = vec4<f32>(0.0);
  let n = share * 128 + row;
  let x0 = in0[n];
  sum = sum + x0;
  let x1 = in1[n];
  sum_2 = sum_2 + x1;
  let n_2 = n + 2048;
  let x0_2 = in0[n_2];
  sum = sum + x0_2;
  let x1_2 = in1[n_2];
  sum_2 = sum_2 + x1_2;
  scratch_vec4_f32[local] = sum;
  workgroupBarrier();
  for (var half = 8; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_vec4_f32[local];
      let other = scratch_vec4_f32[i32(local) + half * 4];
      scratch_vec4_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_3 = scratch_vec4_f32[i32(local) % 4];
  workgroupBarrier();
  scratch_vec4_f32[local] = sum_2;
  workgroupBarrier();
  for (var half = 8; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_vec4_f32[local];
      let other = scratch_vec4_f32[i32(local) + half * 4];
      scratch_vec4_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_4 = scratch_vec4_f32[i32(local) % 4];
  workgroupBarrier();
  if (share == 0) { out0[row] = sum_3; }
  if (share == 0) { out1[row] = sum_4; }
}
