// mul+add+square+sqrt+div+sub f32[128,64]
// in0: f32[128,64]
// in1: f32[128,64]
// in2: f32[128,64]
// in3: fc.weight f32[128,64]
// out0: add f32[128,64]
// out1: add f32[128,64]
// out2: sub f32[128,64]
@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> in2: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> in3: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> out0: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> out1: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out2: array<vec4<f32>>;
struct Scalars { s0: f32, s1: f32, s2: f32, s3: f32, s4: f32, s5: f32 }
@group(0) @binding(7) var<uniform> scalars: Scalars;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let t = i32(group_id.x + group_id.y * groups.x) * 64 + i32(local);
  if (t < i32(arrayLength(&out0))) {
    let x0 = in0[t];
    let mul = x0 * scalars.s0;
    let x1 = in1[t];
    let mul_2 = x1 * scalars.s1;
    let add = mul + mul_2;
    let x2 = in2[t];
    let mul_3 = x2 * scalars.s2;
    let square = x1 * x1;
    let mul_4 = square * scalars.s3;
    let add_2 = mul_3 + mul_4;
    let x3 = in3[t];
    let sqrt_2 = sqrt(add_2);
    let mul_5 = sqrt_2 * scalars.s4;
    let add_3 = mul_5 + 1e-8;
    let div = add / add_3;
    let mul_6 = div * scalars.s5;
    let sub = x3 - mul_6;
    out0[t] = add;
    out1[t] = add_2;
    out2[t] = sub;
  }
}
