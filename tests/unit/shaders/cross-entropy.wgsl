// crossEntropy f32[32]
// in0: f32[32,10]
// in1: i32[32]
// out0: crossEntropy f32[32]
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<i32>;
@group(0) @binding(2) var<storage, read_write> out0: array<f32>;
var<private> special_bits: vec3<u32> = vec3<u32>(0x7fc00000u, 0x7f800000u, 0xff800000u);
var<workgroup> scratch_f32: array<f32, 64>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & u32(0x7fffffffu)) > u32(0x7f800000u); }
fn power_of_two(n: f32) -> f32 { return bitcast<f32>((bitcast<u32>(n + 12582912.0) << u32(23u)) + 0x3f800000u); }
fn exp_core(r: f32) -> f32 {
  return ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
}
fn exp_f32(x: f32) -> f32 {
  let y = select(select(x, f32(89.0), x > f32(89.0)), f32(-87.5), x < f32(-87.5));
  let n = round(y * 1.44269504);
  let r = (y - n * 0.693359375) + n * 2.12194440e-4;
  let p = exp_core(r) * r * r + r + 1.0;
  return (p + p) * power_of_two(n - 1.0);
}
fn infinity() -> f32 { let bits = u32(0x7f800000u); return bitcast<f32>(bits); }
fn not_a_number() -> f32 { let bits = u32(0x7fc00000u); return bitcast<f32>(bits); }
fn log_core(f: f32) -> f32 {
  let p = (((((((7.0376836292e-2 * f - 1.1514610310e-1) * f + 1.1676998740e-1) * f - 1.2420140846e-1) * f + 1.4249322787e-1) * f
    - 1.6668057665e-1) * f + 2.0000714765e-1) * f - 2.4999993993e-1) * f + 3.3333331174e-1;
  let z = f * f;
  return f + (p * f * z - 0.5 * z);
}
fn log_bits(x: f32) -> u32 { return bitcast<u32>(select(x, x * 33554432.0, x < f32(1.17549435e-38))) + 0x004afb0du; }
fn log_fraction(x: f32) -> f32 { return bitcast<f32>((log_bits(x) & u32(0x007fffffu)) + 0x3f3504f3u) - 1.0; }
fn log_exponent(x: f32) -> f32 { return f32(i32(log_bits(x) >> u32(23u)) - 127) - select(f32(0.0), f32(25.0), x < f32(1.17549435e-38)); }
fn log_limits(x: f32, y: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let above = select(select(y, x, bits == u32(0x7f800000u)), not_a_number(), bits > u32(0x7f800000u));
  return select(above, -infinity(), x == f32(0.0));
}
fn log_f32(x: f32) -> f32 {
  let e = log_exponent(x);
  return log_limits(x, (log_core(log_fraction(x)) - e * 2.12194440e-4) + e * 0.693359375);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = i32(group_id.x + group_id.y * groups.x) * 8 + i32(local) / 8;
  let share = i32(local) % 8;
  var max = bitcast<f32>(special_bits.z);
  let n = row * 10;
  for (var k = share; k < 10; k += 8) {
    let x0 = in0[n + k];
    max = select(x0, max, (max > x0) | is_nan(max));
  }
  scratch_f32[local] = max;
  workgroupBarrier();
  for (var half = 4; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = select(other, mine, (mine > other) | is_nan(mine));
    }
    workgroupBarrier();
  }
  let max_2 = scratch_f32[i32(local) - share];
  workgroupBarrier();
  var sum = 0.0;
  for (var k = share; k < 10; k += 8) {
    let x0 = in0[n + k];
    let sub = x0 - max_2;
    let exp = exp_f32(sub);
    sum = sum + exp;
  }
  scratch_f32[local] = sum;
  workgroupBarrier();
  for (var half = 4; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_2 = scratch_f32[i32(local) - share];
  workgroupBarrier();
  var sum_3 = 0.0;
  let log = log_f32(sum_2);
  let x1 = in1[row];
  for (var k = share; k < 10; k += 8) {
    let x0 = in0[n + k];
    let sub = x0 - max_2;
    let sub_2 = sub - log;
    let eq = (k == x1);
    let where_1 = select(0.0, sub_2, eq);
    sum_3 = sum_3 + where_1;
  }
  scratch_f32[local] = sum_3;
  workgroupBarrier();
  for (var half = 4; half > 0; half /= 2) {
    if (share < half) {
      let mine = scratch_f32[local];
      let other = scratch_f32[i32(local) + half];
      scratch_f32[local] = mine + other;
    }
    workgroupBarrier();
  }
  let sum_4 = scratch_f32[i32(local) - share];
  workgroupBarrier();
  let neg = -(sum_4);
  if (share == 0) { out0[row] = neg; }
}
