// conv2d backward f32[2,32,16,3,3]
// in0: x f32[8,16,28,28]
// in1: f32[8,32,28,28]
// out0: conv2d backward f32[2,32,16,3,3]
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out0: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let tile = i32(group_id.x + group_id.y * groups.x);
  let column = tile % 5 * 8 + i32(local) % 8;
  let row = tile / 5 % 4 * 8 + i32(local) / 8;
  let batch = min(tile / 20, 1);
  var total_sum = vec4<f32>(0.0);
  let n = column * 4;
  let n_2 = n / 3;
  let n_3 = n_2 % 3;
  let n_4 = n % 3;
  let n_5 = n + 1;
  let n_6 = (n_5 / 3) % 3;
  let n_7 = n_5 % 3;
  let n_8 = n + 2;
  let n_9 = (n_8 / 3) % 3;
  let n_10 = n_8 % 3;
  let n_11 = (n_2 + 1) % 3;
  let n_12 = (n / 9) % 16;
  let n_13 = batch * 50176 + n_12 * 784 + n_3 * 28 + n_4;
  let n_14 = (n_5 / 9) % 16;
  let n_15 = batch * 50176 + n_14 * 784 + n_6 * 28 + n_7;
  let n_16 = (n_8 / 9) % 16;
  let n_17 = batch * 50176 + n_16 * 784 + n_9 * 28 + n_10;
  let n_18 = ((n + 3) / 9) % 16;
  let n_19 = batch * 50176 + n_18 * 784 + n_11 * 28 + n_4;
  let n_20 = batch * 25088 + row * 196;
  for (var k0 = 0; k0 < 4; k0++) {
    let n_21 = n_13 + k0 * 12544;
    let n_22 = n_15 + k0 * 12544;
    let n_23 = n_17 + k0 * 12544;
    let n_24 = n_19 + k0 * 12544;
    let n_25 = n_20 + k0 * 6272;
    for (var block = 0; block < 28; block += 2) {
      let end = min(block + 2, 28);
      var sum = vec4<f32>(0.0);
      for (var k1 = block; k1 < end; k1++) {
        let inside = u32(n_3 + k1 - 1) < 28u;
        let inside_2 = u32(n_6 + k1 - 1) < 28u;
        let inside_3 = u32(n_9 + k1 - 1) < 28u;
        let inside_4 = u32(n_11 + k1 - 1) < 28u;
        let n_26 = n_21 + k1 * 28;
        let n_27 = n_22 + k1 * 28;
        let n_28 = n_23 + k1 * 28;
        let n_29 = n_24 + k1 * 28;
        let n_30 = n_25 + k1 * 7;
        let inside_5 = vec4<bool>(inside, inside_2, inside_3, inside_4);
        for (var k2 = 0; k2 < 7; k2++) {
          let n_31 = n_4 + k2 * 4;
          let inside_6 = n_31 - 1 >= 0;
          let n_32 = n_7 + k2 * 4;
          let inside_7 = n_32 - 1 >= 0;
          let n_33 = n_10 + k2 * 4;
          let inside_8 = n_33 - 1 >= 0;
          let inside_9 = vec4<bool>(inside & inside_6, inside_2 & inside_7, inside_3 & inside_8, inside_4 & inside_6);
          let n_34 = n_26 + k2 * 4;
          let n_35 = n_27 + k2 * 4;
          let n_36 = n_28 + k2 * 4;
          let n_37 = n_29 + k2 * 4;
          let x0 = vec4<f32>(in0[n_34 - 29], in0[n_35 - 29], in0[n_36 - 29], in0[n_37 - 29]);
          let masked = select(vec4<f32>(0.0), x0, inside_9);
          let x1 = in1[n_30 + k2];
          sum = fma(vec4<f32>(x1.x), masked, sum);
          let x0_2 = vec4<f32>(in0[n_34 - 28], in0[n_35 - 28], in0[n_36 - 28], in0[n_37 - 28]);
          let masked_2 = select(vec4<f32>(0.0), x0_2, inside_5);
          sum = fma(vec4<f32>(x1.y), masked_2, sum);
          let x0_3 = vec4<f32>(in0[n_34 - 27], in0[n_35 - 27], in0[n_36 - 27], in0[n_37 - 27]);
          let masked_3 = select(vec4<f32>(0.0), x0_3, inside_5);
          sum = fma(vec4<f32>(x1.z), masked_3, sum);
          let inside_10 = n_31 + 2 < 28;
          let inside_11 = n_32 + 2 < 28;
          let inside_12 = n_33 + 2 < 28;
          let inside_13 = vec4<bool>(inside & inside_10, inside_2 & inside_11, inside_3 & inside_12, inside_4 & inside_10);
          let x0_4 = vec4<f32>(in0[n_34 - 26], in0[n_35 - 26], in0[n_36 - 26], in0[n_37 - 26]);
          let masked_4 = select(vec4<f32>(0.0), x0_4, inside_13);
          sum = fma(vec4<f32>(x1.w), masked_4, sum);
        }
      }
      total_sum += sum;
    }
  }
  let n_21 = batch * 4608 + row * 144 + n_12 * 9 + n_3 * 3 + n_4;
  let n_22 = batch * 4608 + row * 144 + n_14 * 9 + n_6 * 3 + n_7;
  let n_23 = batch * 4608 + row * 144 + n_16 * 9 + n_9 * 3 + n_10;
  let n_24 = batch * 4608 + row * 144 + n_18 * 9 + n_11 * 3 + n_4;
  if (column * 4 < 144) {
    out0[n_21] = total_sum.x;
    out0[n_22] = total_sum.y;
    out0[n_23] = total_sum.z;
    out0[n_24] = total_sum.w;
  }
}
