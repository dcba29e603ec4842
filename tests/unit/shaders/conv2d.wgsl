// conv2d f32[8,32,1,28,28,1,1]
// in0: f32[8,16,28,28]
// in1: conv.weight f32[32,16,3,3]
// out0: conv2d f32[8,32,1,28,28,1,1]
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(2) var<storage, read_write> out0: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let tile = i32(group_id.x + group_id.y * groups.x);
  let column = tile % 196 * 8 + i32(local) % 8;
  let row = tile / 196 * 8 + i32(local) / 8;
  var sum = vec4<f32>(0.0);
  let n = (column / 7) % 28;
  let n_2 = column % 7;
  let n_3 = n_2 * 4;
  let n_4 = column / 196;
  let n_5 = n_4 * 12544 + n * 28 + n_2 * 4;
  let n_6 = row * 144;
  for (var k1 = 0; k1 < 3; k1++) {
    let inside = u32(n + k1 - 1) < 28u;
    let n_7 = n_5 + k1 * 28;
    let n_8 = n_6 + k1 * 3;
    for (var k2 = 0; k2 < 3; k2++) {
      let n_9 = n_3 + k2;
      let inside_2 = n_9 - 1 >= 0;
      let inside_3 = n_9 + 2 < 28;
      let inside_4 = vec4<bool>(inside & inside_2, inside, inside, inside & inside_3);
      let n_10 = n_7 + k2;
      let n_11 = n_8 + k2;
      for (var k0 = 0; k0 < 4; k0++) {
        let n_12 = n_10 + k0 * 3136;
        let x0 = vec4<f32>(in0[n_12 - 29], in0[n_12 - 28], in0[n_12 - 27], in0[n_12 - 26]);
        let masked = select(vec4<f32>(0.0), x0, inside_4);
        let n_13 = n_11 + k0 * 36;
        let x1 = in1[n_13];
        sum = fma(vec4<f32>(x1), masked, sum);
        let x0_2 = vec4<f32>(in0[n_12 + 755], in0[n_12 + 756], in0[n_12 + 757], in0[n_12 + 758]);
        let masked_2 = select(vec4<f32>(0.0), x0_2, inside_4);
        let x1_2 = in1[n_13 + 9];
        sum = fma(vec4<f32>(x1_2), masked_2, sum);
        let x0_3 = vec4<f32>(in0[n_12 + 1539], in0[n_12 + 1540], in0[n_12 + 1541], in0[n_12 + 1542]);
        let masked_3 = select(vec4<f32>(0.0), x0_3, inside_4);
        let x1_3 = in1[n_13 + 18];
        sum = fma(vec4<f32>(x1_3), masked_3, sum);
        let x0_4 = vec4<f32>(in0[n_12 + 2323], in0[n_12 + 2324], in0[n_12 + 2325], in0[n_12 + 2326]);
        let masked_4 = select(vec4<f32>(0.0), x0_4, inside_4);
        let x1_4 = in1[n_13 + 27];
        sum = fma(vec4<f32>(x1_4), masked_4, sum);
      }
    }
  }
  out0[n_4 * 6272 + row * 196 + n * 7 + n_2] = sum;
}
