// Circular functions and their inverses, exact over the whole range of f32.

import type { Tensor } from "../graph/tensor.ts";
import { add, IS_NAN, mul, neg, realFunction, realFunction2, sub, trueDivide } from "./arithmetic.ts";
import { type Binary, expectTensor, type Unary } from "./define.ts";
import { rsqrt, SPECIAL_VALUES, square } from "./exponential.ts";

// WGSL grants sin and cos an error of 2^-11 and that only up to π, atan one of 4096 ulp. Polynomials: S. L. Moshier, Cephes (single
// precision). Range reduction: Cody and Waite below 8192, above it Payne and Hanek with 192 bits of 2/π.

const MULTIPLY_WIDE = `struct Wide { low: U, high: U }
fn multiply_wide(a: U, b: U) -> Wide {
  let low = (a & U(0xffffu)) * (b & U(0xffffu));
  let cross = (a >> U(16u)) * (b & U(0xffffu)) + (low >> U(16u));
  let other = (a & U(0xffffu)) * (b >> U(16u)) + (cross & U(0xffffu));
  return Wide((other << U(16u)) | (low & U(0xffffu)), (a >> U(16u)) * (b >> U(16u)) + (cross >> U(16u)) + (other >> U(16u)));
}`;

/** WGSL: the 64-bit product of two u32, as its low and high word. */
export const WIDE_PRODUCT: readonly string[] = [MULTIPLY_WIDE];

// |x| ≥ 8192: x·2/π in fixed point, with just the words of 2/π that matter for this exponent.
const REDUCE_LARGE = `struct Angle { r: F, quadrant: I }
fn word_of(i: U, a: u32, b: u32, c: u32, d: u32, e: u32) -> U {
  let low = select(select(U(a), U(b), i == U(1u)), U(c), i == U(2u));
  return select(select(low, U(d), i == U(3u)), U(e), i == U(4u));
}
fn reduce_large_angle(x: F) -> Angle {
  let bits = bitcast<U>(x);
  let mantissa = ((bits & U(0x007fffffu)) << U(8u)) | U(0x80000000u);
  let exponent = ((bits >> U(23u)) & U(0xffu)) - U(126u);
  let word = exponent >> U(5u);
  let shift = exponent & U(31u);
  let back = U(32u) - shift;
  let whole = shift == U(0u);
  let first = word_of(word, 0u, 0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u);
  let second = word_of(word, 0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u);
  let third = word_of(word, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u);
  let fourth = word_of(word, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau);
  let high = (first << shift) | select(second >> back, U(0u), whole);
  let middle = (second << shift) | select(third >> back, U(0u), whole);
  let low = (third << shift) | select(fourth >> back, U(0u), whole);
  let product = multiply_wide(mantissa, middle);
  var lower = product.low + multiply_wide(mantissa, low).high;
  let sum = mantissa * high + product.high + select(U(0u), U(1u), lower < product.low);
  var upper = sum & U(0x3fffffffu);
  let odd = (upper & U(0x20000000u)) != U(0u);
  let quadrant = I((sum >> U(30u)) + select(U(0u), U(1u), odd));
  upper = select(upper, U(0x40000000u) - upper - select(U(0u), U(1u), lower != U(0u)), odd);
  lower = select(lower, U(0u) - lower, odd);
  let tiny = upper == U(0u);
  upper = select(upper, lower, tiny);
  lower = select(lower, U(0u), tiny);
  let zeros = countLeadingZeros(upper);
  upper = select((upper << zeros) | (lower >> (U(32u) - zeros)), upper, (zeros == U(0u)) | (zeros == U(32u)));
  let scale = select(F(1.5707963268 / 1073741824.0), F(1.5707963268 / 1073741824.0 / 4294967296.0), tiny);
  let r = F(upper) * (scale / F(U(1u) << (zeros & U(31u))));
  let below = x < F(0.0);
  return Angle(select(r, -r, odd != below), select(quadrant, -quadrant, below));
}`;

// x = r + quadrant·π/2 (mod 2π) with |r| ≤ π/4. Only the low two bits of a quadrant count, which adding 3·2²² brings out.
const REDUCE = `fn reduce_angle(x: F) -> Angle {
  let n = round(x * 0.636619772);
  let near = ((x - n * 1.5703125) - n * 4.837512969970703125e-4) - n * 7.549533620476722717e-8;
  var angle = Angle(near - n * 2.56334415159e-12, bitcast<I>(n + 12582912.0));
  let large = abs(x) > F(8192.0);
  if (any(large)) {
    let far = reduce_large_angle(x);
    angle = Angle(select(angle.r, far.r, large), select(angle.quadrant, far.quadrant, large));
  }
  angle.r = select(angle.r, not_a_number(), (bitcast<U>(x) & U(0x7fffffffu)) >= U(0x7f800000u));
  return angle;
}`;

const CORES = `fn sin_core(r: F) -> F {
  let z = r * r;
  return ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
}
fn cos_core(r: F) -> F {
  let z = r * r;
  return ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
}
fn sin_quadrant(r: F, quadrant: I) -> F {
  let y = select(sin_core(r), cos_core(r), (quadrant & I(1)) != I(0));
  return select(y, -y, (quadrant & I(2)) != I(0));
}`;

const REDUCTION: readonly string[] = [SPECIAL_VALUES, MULTIPLY_WIDE, REDUCE_LARGE, REDUCE];
const SIN_TEXT = `fn sin_f32(x: F) -> F {
  let s = reduce_angle(x);
  return select(sin_quadrant(s.r, s.quadrant), x, x == F(0.0));
}`;
const COS_TEXT = `fn cos_f32(x: F) -> F {
  let s = reduce_angle(x);
  return sin_quadrant(s.r, s.quadrant + 1);
}`;

// Beyond 2²³ every x is whole. 2x modulo 4 is exact.
const PI_TEXT = `struct Turns { r: F, quadrant: I }
fn reduce_turns(x: F) -> Turns {
  let n = round(x + x);
  let large = abs(x) >= F(8388608.0);
  let r = select((x - 0.5 * n) * 3.14159265, F(0.0), large);
  let quadrant = select(n - 4.0 * floor(n * 0.25), 2.0 * (x - 2.0 * floor(x * 0.5)), large);
  return Turns(select(r, not_a_number(), abs(x) > F(3.4028234e38)), bitcast<I>(quadrant + 12582912.0));
}
fn sin_pi(x: F) -> F { let s = reduce_turns(x); return sin_quadrant(s.r, s.quadrant); }
fn cos_pi(x: F) -> F { let s = reduce_turns(x); return sin_quadrant(s.r, s.quadrant + 1); }`;

/** WGSL: sin_pi(x) = sin(πx) and cos_pi(x) = cos(πx). */
export const SIN_PI: readonly string[] = [SPECIAL_VALUES, CORES, PI_TEXT];

const TAN_TEXT = `fn tan_f32(x: F) -> F {
  let s = reduce_angle(x);
  let z = s.r * s.r;
  let p = ((((9.38540185543e-3 * z + 3.11992232697e-3) * z + 2.44301354525e-2) * z + 5.34112807005e-2) * z + 1.33387994085e-1) * z + 3.33331568548e-1;
  let y = p * z * s.r + s.r;
  return select(select(y, -1.0 / y, (s.quadrant & I(1)) != I(0)), x, x == F(0.0));
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
  wide: true,
  helpers: [...REDUCTION, TAN_TEXT],
  reference: (x) => Math.tan(x as number),
  derivative: (g, out) => [mul(g, add(square(out), 1))],
  cost: 32,
});

/** Inverse sine, in -π/2 … π/2; NaN beyond ±1. */
export const asin: Unary = realFunction("asin", {
  wide: true,
  helpers: [SPECIAL_VALUES, ASIN_TEXT],
  reference: (x) => Math.asin(x as number),
  derivative: (g, _out, [x]) => [mul(g, rsqrt(sub(1, square(x as Tensor))))],
  cost: 20,
});

/** Inverse cosine, in 0 … π; NaN beyond ±1. */
export const acos: Unary = realFunction("acos", {
  wide: true,
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
