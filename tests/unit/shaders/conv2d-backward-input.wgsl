// conv2d backward f32[8,16,30,30,1]
// in0: f32[8,32,28,28]
// in1: conv.weight f32[32,16,3,3]
// out0: conv2d backward f32[8,16,30,30,1]
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(2) var<storage, read_write> out0: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let tile = i32(group_id.x + group_id.y * groups.x);
  let column = tile % 225 * 8 + i32(local) % 8;
  let row = tile / 225 * 8 + i32(local) / 8;
  var sum = vec4<f32>(0.0);
  let n = column / 225;
  let n_2 = n * 25088;
  let n_3 = column * 2;
  let n_4 = (n_3 / 15) % 30;
  let n_5 = n_3 % 15;
  let n_6 = n_5 * 2;
  let n_7 = n_3 + 1;
  let n_8 = (n_7 / 15) % 30;
  let n_9 = n_7 % 15;
  let n_10 = n_9 * 2;
  let n_11 = row * 9;
  for (var k0 = 0; k0 < 3; k0++) {
    let n_12 = n_4 - k0;
    let n_13 = n_2 + (n_12 % 28) * 28;
    let n_14 = n_8 - k0;
    let n_15 = n_2 + (n_14 % 28) * 28;
    let inside = u32(n_12) < 28u;
    let inside_2 = u32(n_14) < 28u;
    let n_16 = n_11 + k0 * 3;
    for (var k1 = 0; k1 < 3; k1++) {
      let n_17 = n_6 - k1;
      let n_18 = n_13 + (n_17 % 28);
      let n_19 = n_17 + 1;
      let n_20 = n_13 + (n_19 % 28);
      let n_21 = n_10 - k1;
      let n_22 = n_15 + (n_21 % 28);
      let n_23 = n_21 + 1;
      let n_24 = n_15 + (n_23 % 28);
      let inside_3 = u32(n_17) < 28u;
      let inside_4 = u32(n_19) < 28u;
      let inside_5 = u32(n_21) < 28u;
      let inside_6 = u32(n_23) < 28u;
      let inside_7 = vec4<bool>(inside & inside_3, inside & inside_4, inside_2 & inside_5, inside_2 & inside_6);
      let n_25 = n_16 + k1;
      for (var k2 = 0; k2 < 8; k2++) {
        let n_26 = n_18 + k2 * 3136;
        let n_27 = n_20 + k2 * 3136;
        let n_28 = n_22 + k2 * 3136;
        let n_29 = n_24 + k2 * 3136;
        let x0 = vec4<f32>(in0[n_26], in0[n_27], in0[n_28], in0[n_29]);
        let masked = select(vec4<f32>(0.0), x0, inside_7);
        let n_30 = n_25 + k2 * 576;
        let x1 = in1[n_30];
        sum = fma(vec4<f32>(x1), masked, sum);
        let x0_2 = vec4<f32>(in0[n_26 + 784], in0[n_27 + 784], in0[n_28 + 784], in0[n_29 + 784]);
        let masked_2 = select(vec4<f32>(0.0), x0_2, inside_7);
        let x1_2 = in1[n_30 + 144];
        sum = fma(vec4<f32>(x1_2), masked_2, sum);
        let x0_3 = vec4<f32>(in0[n_26 + 1568], in0[n_27 + 1568], in0[n_28 + 1568], in0[n_29 + 1568]);
        let masked_3 = select(vec4<f32>(0.0), x0_3, inside_7);
        let x1_3 = in1[n_30 + 288];
        sum = fma(vec4<f32>(x1_3), masked_3, sum);
        let x0_4 = vec4<f32>(in0[n_26 + 2352], in0[n_27 + 2352], in0[n_28 + 2352], in0[n_29 + 2352]);
        let masked_4 = select(vec4<f32>(0.0), x0_4, inside_7);
        let x1_4 = in1[n_30 + 432];
        sum = fma(vec4<f32>(x1_4), masked_4, sum);
      }
    }
  }
  let n_12 = n * 14400 + row * 900 + n_4 * 30 + n_5 * 2;
  let n_13 = n * 14400 + row * 900 + n_8 * 30 + n_9 * 2;
  out0[n_12] = sum.x;
  out0[n_12 + 1] = sum.y;
  out0[n_13] = sum.z;
  out0[n_13 + 1] = sum.w;
}
