// matmul+add+relu f32[128,256]
// in0: fc1.weight f32[256,784]
// in1: f32[128,784]
// in2: fc1.bias f32[256]
// out0: relu f32[128,256]
@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> in2: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out0: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let tile = i32(group_id.x + group_id.y * groups.x);
  let column = tile % 8 * 8 + i32(local) % 8;
  let row = tile / 8 * 8 + i32(local) / 8;
  var sum = vec4<f32>(0.0);
  let n = column * 784;
  let n_2 = row * 196;
  for (var k = 0; k < 196; k++) {
    let n_3 = n + k;
    let x0 = in0[n_3];
    let x0_2 = in0[n_3 + 196];
    let x0_3 = in0[n_3 + 392];
    let x0_4 = in0[n_3 + 588];
    let x0_5 = vec4<f32>(x0.x, x0_2.x, x0_3.x, x0_4.x);
    let x1 = in1[n_2 + k];
    sum = fma(vec4<f32>(x1.x), x0_5, sum);
    let x0_6 = vec4<f32>(x0.y, x0_2.y, x0_3.y, x0_4.y);
    sum = fma(vec4<f32>(x1.y), x0_6, sum);
    let x0_7 = vec4<f32>(x0.z, x0_2.z, x0_3.z, x0_4.z);
    sum = fma(vec4<f32>(x1.z), x0_7, sum);
    let x0_8 = vec4<f32>(x0.w, x0_2.w, x0_3.w, x0_4.w);
    sum = fma(vec4<f32>(x1.w), x0_8, sum);
  }
  let x2 = in2[column];
  let add = sum + x2;
  let relu = select(add, vec4<f32>(0.0), add < vec4<f32>(0.0));
  out0[row * 64 + column] = relu;
}
