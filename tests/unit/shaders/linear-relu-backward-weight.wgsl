// matmul+add backward f32[1,256,784]
// in0: relu backward f32[128,256]
// in1: f32[128,784]
// out0: matmul backward f32[1,256,784]
// out1: add backward f32[1,256]
@group(0) @binding(0) var<storage, read_write> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out0: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out1: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let tile = i32(group_id.x + group_id.y * groups.x);
  let column = tile % 25 * 8 + i32(local) % 8;
  let row = tile / 25 * 8 + i32(local) / 8;
  var sum = vec4<f32>(0.0);
  var row_sum = 0.0;
  let n = column % 196;
  for (var k = 0; k < 32; k++) {
    let n_2 = row + k * 1024;
    let x0 = in0[n_2];
    row_sum += x0;
    let x0_2 = in0[n_2 + 256];
    row_sum += x0_2;
    let x0_3 = in0[n_2 + 512];
    row_sum += x0_3;
    let x0_4 = in0[n_2 + 768];
    row_sum += x0_4;
    let n_3 = n + k * 784;
    let x1 = in1[n_3];
    sum = fma(vec4<f32>(x0), x1, sum);
    let x1_2 = in1[n_3 + 196];
    sum = fma(vec4<f32>(x0_2), x1_2, sum);
    let x1_3 = in1[n_3 + 392];
    sum = fma(vec4<f32>(x0_3), x1_3, sum);
    let x1_4 = in1[n_3 + 588];
    sum = fma(vec4<f32>(x0_4), x1_4, sum);
  }
  if (column * 4 < 784) { out0[row * 196 + n] = sum; }
  if (column == 0) { out1[row] = row_sum; }
}
