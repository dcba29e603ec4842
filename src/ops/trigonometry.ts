// Circular functions and their inverses, exact over the whole range of f32.

import type { Tensor } from "../graph/tensor.ts";
import { add, IS_NAN, mul, neg, realFunction, realFunction2, sub, trueDivide } from "./arithmetic.ts";
import { type Binary, expectTensor, type Unary } from "./define.ts";
import { rsqrt, SPECIAL_VALUES, square } from "./exponential.ts";

// WGSL grants sin and cos an error of 2^-11 and that only up to π, atan one of 4096 ulp. Polynomials: S. L. Moshier, Cephes (single
// precision). Range reduction: Cody and Waite below 8192, above it Payne and Hanek with 192 bits of 2/π.

const MULTIPLY_WIDE = `fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
  return vec2<u32>((other << 16u) | (low & 0xffffu), (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u));
}`;

/** WGSL: the 64-bit product of two u32, as (low, high) word. */
export const WIDE_PRODUCT: readonly string[] = [MULTIPLY_WIDE];

// |x| ≥ 8192: x·2/π in fixed point, with just the words of 2/π that matter for this exponent.
const REDUCE_LARGE = `fn reduce_large_angle(x: f32) -> vec2<f32> {
  var two_over_pi = array<u32, 8>(0u, 0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau);
  let bits = bitcast<u32>(x);
  let mantissa = ((bits & 0x007fffffu) << 8u) | 0x80000000u;
  let exponent = ((bits >> 23u) & 0xffu) - 126u;
  let word = exponent >> 5u;
  let shift = exponent & 31u;
  var high = two_over_pi[word];
  var middle = two_over_pi[word + 1u];
  var low = two_over_pi[word + 2u];
  if (shift > 0u) {
    high = (high << shift) | (middle >> (32u - shift));
    middle = (middle << shift) | (low >> (32u - shift));
    low = (low << shift) | (two_over_pi[word + 3u] >> (32u - shift));
  }
  let product = multiply_wide(mantissa, middle);
  let carry = product.x + multiply_wide(mantissa, low).y;
  var upper = mantissa * high + product.y + select(0u, 1u, carry < product.x);
  var lower = carry;
  var quadrant = upper >> 30u;
  upper = upper & 0x3fffffffu;
  var sign = 1.0;
  if ((upper & 0x20000000u) != 0u) {
    quadrant = quadrant + 1u;
    sign = -1.0;
    upper = (0x40000000u - upper) - select(0u, 1u, lower != 0u);
    lower = 0u - lower;
  }
  var scale = 1.5707963268 / 1073741824.0;
  var zeros = countLeadingZeros(upper);
  if (zeros >= 32u) {
    upper = lower;
    lower = 0u;
    scale = scale / 65536.0 / 65536.0;
    zeros = countLeadingZeros(upper);
  }
  if (zeros > 0u && zeros < 32u) { upper = (upper << zeros) | (lower >> (32u - zeros)); }
  let r = sign * f32(upper) * (scale / f32(1u << (zeros & 31u)));
  return select(vec2<f32>(r, f32(quadrant & 3u)), vec2<f32>(-r, f32((4u - (quadrant & 3u)) & 3u)), x < 0.0);
}`;

// (r, quadrant): x = r + quadrant·π/2 (mod 2π) with |r| ≤ π/4.
const REDUCE = `fn reduce_angle(x: f32) -> vec2<f32> {
  if ((bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u) { return vec2<f32>(not_a_number(), 0.0); }
  if (abs(x) > 8192.0) { return reduce_large_angle(x); }
  let n = round(x * 0.636619772);
  let r = ((x - n * 1.5703125) - n * 4.837512969970703125e-4) - n * 7.549533620476722717e-8;
  return vec2<f32>(r - n * 2.56334415159e-12, f32(i32(n) & 3));
}`;

const CORES = `fn sin_core(r: f32) -> f32 {
  let z = r * r;
  return ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
}
fn cos_core(r: f32) -> f32 {
  let z = r * r;
  return ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
}
fn sin_quadrant(r: f32, quadrant: i32) -> f32 {
  let y = select(sin_core(r), cos_core(r), (quadrant & 1) != 0);
  return select(y, -y, (quadrant & 2) != 0);
}`;

const REDUCTION: readonly string[] = [SPECIAL_VALUES, MULTIPLY_WIDE, REDUCE_LARGE, REDUCE];
const SIN_TEXT =
  "fn sin_f32(x: f32) -> f32 { let s = reduce_angle(x); return select(sin_quadrant(s.x, i32(s.y)), x, x == 0.0); }";
const COS_TEXT = "fn cos_f32(x: f32) -> f32 { let s = reduce_angle(x); return sin_quadrant(s.x, i32(s.y) + 1); }";

const PI_TEXT = `fn reduce_turns(x: f32) -> vec2<f32> {
  if (abs(x) >= 8388608.0) {
    if (abs(x) > 3.4028234e38) { return vec2<f32>(not_a_number(), 0.0); }
    return vec2<f32>(0.0, 2.0 * (x - 2.0 * floor(x * 0.5)));
  }
  let n = round(x + x);
  return vec2<f32>((x - 0.5 * n) * 3.14159265, n - 4.0 * floor(n * 0.25));
}
fn sin_pi(x: f32) -> f32 { let s = reduce_turns(x); return sin_quadrant(s.x, i32(s.y)); }
fn cos_pi(x: f32) -> f32 { let s = reduce_turns(x); return sin_quadrant(s.x, i32(s.y) + 1); }`;

/** WGSL: sin_pi(x) = sin(πx) and cos_pi(x) = cos(πx). */
export const SIN_PI: readonly string[] = [SPECIAL_VALUES, CORES, PI_TEXT];

const TAN_TEXT = `fn tan_f32(x: f32) -> f32 {
  let s = reduce_angle(x);
  let z = s.x * s.x;
  let p = ((((9.38540185543e-3 * z + 3.11992232697e-3) * z + 2.44301354525e-2) * z + 5.34112807005e-2) * z + 1.33387994085e-1) * z + 3.33331568548e-1;
  let y = p * z * s.x + s.x;
  return select(select(y, -1.0 / y, (i32(s.y) & 1) != 0), x, x == 0.0);
}`;

const ASIN_TEXT = `fn asin_core(x: f32) -> f32 {
  let z = x * x;
  return ((((4.2163199048e-2 * z + 2.4181311049e-2) * z + 4.5470025998e-2) * z + 7.4953002686e-2) * z + 1.6666752422e-1) * z * x + x;
}
fn asin_f32(x: f32) -> f32 {
  let a = abs(x);
  if (a > 1.0) { return not_a_number(); }
  if (a <= 0.5) { return asin_core(x); }
  let y = 1.57079633 - 2.0 * asin_core(sqrt(0.5 * (1.0 - a)));
  return select(y, -y, x < 0.0);
}
fn acos_f32(x: f32) -> f32 {
  let a = abs(x);
  if (a > 1.0) { return not_a_number(); }
  if (a <= 0.5) { return 1.57079633 - asin_core(x); }
  let y = 2.0 * asin_core(sqrt(0.5 * (1.0 - a)));
  return select(y, 3.14159265 - y, x < 0.0);
}`;

// Where |x| is large, 1/x is small: π/2 minus it.
const ATAN_TEXT = `fn atan_core(x: f32) -> f32 {
  let z = x * x;
  return (((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1) * z * x + x;
}
fn atan_f32(x: f32) -> f32 {
  let a = abs(x);
  var y = 0.0;
  if (a > 2.41421356) { y = 1.57079633 + atan_core(-1.0 / a); }
  else if (a > 0.414213562) { y = 0.785398163 + atan_core((a - 1.0) / (a + 1.0)); }
  else { y = atan_core(a); }
  return select(y, -y, x < 0.0);
}`;

const ATAN2_TEXT = `fn atan2_f32(y: f32, x: f32) -> f32 {
  if (is_nan(x) || is_nan(y)) { return not_a_number(); }
  let a = abs(x);
  let b = abs(y);
  let large = max(a, b);
  let small = min(a, b);
  var r = atan_f32(select(select(small / large, 1.0, small == large), 0.0, large == 0.0));
  r = select(r, 1.57079633 - r, b > a);
  r = select(r, 3.14159265 - r, (bitcast<u32>(x) >> 31u) != 0u);
  return select(r, -r, (bitcast<u32>(y) >> 31u) != 0u);
}`;

/** Sine; x in radians. */
export const sin: Unary = realFunction("sin", {
  helpers: [...REDUCTION, CORES, SIN_TEXT],
  reference: (x) => Math.sin(x as number),
  derivative: (g, _out, [x]) => [mul(g, cos(x as Tensor))],
  cost: 30,
});

/** Cosine; x in radians. */
export const cos: Unary = realFunction("cos", {
  helpers: [...REDUCTION, CORES, COS_TEXT],
  reference: (x) => Math.cos(x as number),
  derivative: (g, _out, [x]) => [neg(mul(g, sin(x as Tensor)))],
  cost: 30,
});

/** Tangent; x in radians. */
export const tan: Unary = realFunction("tan", {
  helpers: [...REDUCTION, TAN_TEXT],
  reference: (x) => Math.tan(x as number),
  derivative: (g, out) => [mul(g, add(square(out), 1))],
  cost: 32,
});

/** Inverse sine, in -π/2 … π/2; NaN beyond ±1. */
export const asin: Unary = realFunction("asin", {
  helpers: [SPECIAL_VALUES, ASIN_TEXT],
  reference: (x) => Math.asin(x as number),
  derivative: (g, _out, [x]) => [mul(g, rsqrt(sub(1, square(x as Tensor))))],
  cost: 20,
});

/** Inverse cosine, in 0 … π; NaN beyond ±1. */
export const acos: Unary = realFunction("acos", {
  helpers: [SPECIAL_VALUES, ASIN_TEXT],
  reference: (x) => Math.acos(x as number),
  derivative: (g, _out, [x]) => [neg(mul(g, rsqrt(sub(1, square(x as Tensor)))))],
  cost: 20,
});

/** Inverse tangent, in -π/2 … π/2. */
export const atan: Unary = realFunction("atan", {
  helpers: [ATAN_TEXT],
  reference: (x) => Math.atan(x as number),
  derivative: (g, _out, [x]) => [trueDivide(g, add(square(x as Tensor), 1))],
  cost: 20,
});

/** Angle of the point (x, y), in -π … π: `atan2(y, x)`. */
export const atan2: Binary = realFunction2("atan2", {
  helpers: [SPECIAL_VALUES, IS_NAN, ATAN_TEXT, ATAN2_TEXT],
  reference: (y, x) => Math.atan2(y as number, x as number),
  derivative: (g, _out, [y, x]) => {
    const scaled = trueDivide(g, add(square(y as Tensor), square(x as Tensor)));
    return [mul(scaled, x as Tensor), neg(mul(scaled, y as Tensor))];
  },
  cost: 30,
});

/** Degrees to radians. */
export function deg2rad(x: Tensor): Tensor {
  return mul(expectTensor("deg2rad", x), Math.PI / 180);
}

/** Radians to degrees. */
export function rad2deg(x: Tensor): Tensor {
  return mul(expectTensor("rad2deg", x), 180 / Math.PI);
}
