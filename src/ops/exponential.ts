// Exponentials, logarithms, roots and powers of fixed exponent, with WGSL that is as exact as a C library's.

import type { Tensor } from "../graph/tensor.ts";
import { add, IS_NAN, mul, neg, realFunction, realFunction2, trueDivide } from "./arithmetic.ts";
import { arithmetic, type Binary, floating, type Unary, unary } from "./define.ts";

// WGSL's own exp may be off by 3 + 2|x| ulp and log by 2^-21 near 1, and no device says how its results look at the limits. The
// functions here are within about 2 ulp everywhere and alike on all devices: range reduction and the minimax polynomials of
// S. L. Moshier's Cephes library (netlib.org/cephes, single precision).

/** WGSL: infinity and NaN, from bits that are no constant expressions (WGSL has no literals for them). */
export const SPECIAL_VALUES = `fn infinity() -> F { let bits = U(0x7f800000u); return bitcast<F>(bits); }
fn not_a_number() -> F { let bits = U(0x7fc00000u); return bitcast<F>(bits); }`;

/**
 * WGSL: 2^n for whole n, -126 ≤ n ≤ 127 (0 for n = -127), and p·2^n for |n| ≤ 252. Adding 3·2²² leaves n in the low bits; a conversion
 * to i32 must saturate and costs more than all the rest.
 */
export const SCALE = `fn power_of_two(n: F) -> F { return bitcast<F>((bitcast<U>(n + 12582912.0) << U(23u)) + 0x3f800000u); }
fn scale_by_power(p: F, n: F) -> F { let k = round(n * 0.5); return p * power_of_two(k) * power_of_two(n - k); }`;

// exp_core: (e^r - 1 - r) / r² on |r| ≤ ln 2 / 2.
const EXP_CORE = `fn exp_core(r: F) -> F {
  return ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
}`;

// 0 from x < -87 on, where results are hardly normal numbers.
const EXP_TEXT = `fn exp_f32(x: F) -> F {
  let y = select(select(x, F(89.0), x > F(89.0)), F(-87.5), x < F(-87.5));
  let n = round(y * 1.44269504);
  let r = (y - n * 0.693359375) + n * 2.12194440e-4;
  let p = exp_core(r) * r * r + r + 1.0;
  return (p + p) * power_of_two(n - 1.0);
}`;

/** WGSL: exp_f32(x). */
export const EXP: readonly string[] = [SCALE, EXP_CORE, EXP_TEXT];

const EXP_BOUNDED_TEXT = `fn exp_bounded(x: F) -> F {
  let n = round(x * 1.44269504);
  let r = (x - n * 0.693359375) + n * 2.12194440e-4;
  return (exp_core(r) * r * r + r + 1.0) * power_of_two(n);
}`;

/** WGSL: exp_bounded(x) for -88 ≤ x ≤ 88 (0 at -88) or NaN: exp_f32 without a look at what lies beyond. */
export const EXP_BOUNDED: readonly string[] = [SCALE, EXP_CORE, EXP_BOUNDED_TEXT];

const EXPM1_BOUNDED_TEXT = `fn expm1_bounded(x: F) -> F {
  let n = round(x * 1.44269504);
  let r = (x - n * 0.693359375) + n * 2.12194440e-4;
  let two = power_of_two(n);
  return two * (exp_core(r) * r * r + r) + (two - 1.0);
}`;

/** WGSL: expm1_bounded(x) for |x| ≤ 88 or NaN. */
export const EXPM1_BOUNDED: readonly string[] = [SCALE, EXP_CORE, EXPM1_BOUNDED_TEXT];

const EXPM1_TEXT = `fn expm1_f32(x: F) -> F {
  let y = select(select(x, F(17.5), x > F(17.5)), F(-18.0), x < F(-18.0));
  return select(expm1_bounded(y), exp_f32(x), x > F(17.5));
}`;

/** WGSL: expm1_f32(x). */
export const EXPM1: readonly string[] = [...EXP, EXPM1_BOUNDED_TEXT, EXPM1_TEXT];

const EXP2_TEXT = `fn exp2_f32(x: F) -> F {
  let y = select(select(x, F(129.0), x > F(129.0)), F(-151.0), x < F(-151.0));
  let n = round(y);
  let r = (y - n) * 0.693147181;
  return scale_by_power(exp_core(r) * r * r + r + 1.0, n);
}`;

// log_core: log(1 + f) for √½ - 1 ≤ f ≤ √2 - 1.
const LOG_CORE = `fn log_core(f: F) -> F {
  let p = (((((((7.0376836292e-2 * f - 1.1514610310e-1) * f + 1.1676998740e-1) * f - 1.2420140846e-1) * f + 1.4249322787e-1) * f
    - 1.6668057665e-1) * f + 2.0000714765e-1) * f - 2.4999993993e-1) * f + 3.3333331174e-1;
  let z = f * f;
  return f + (p * f * z - 0.5 * z);
}`;

/** WGSL: x = (1 + log_fraction(x))·2^log_exponent(x) with a fraction as log_core wants it; for x > 0. */
export const LOG_SPLIT = `fn log_bits(x: F) -> U { return bitcast<U>(select(x, x * 33554432.0, x < F(1.17549435e-38))) + 0x004afb0du; }
fn log_fraction(x: F) -> F { return bitcast<F>((log_bits(x) & U(0x007fffffu)) + 0x3f3504f3u) - 1.0; }
fn log_exponent(x: F) -> F { return F(I(log_bits(x) >> U(23u)) - 127) - select(F(0.0), F(25.0), x < F(1.17549435e-38)); }`;

// A logarithm's value y where x is a positive number, and what it is elsewhere.
const LOG_LIMITS = `fn log_limits(x: F, y: F) -> F {
  let bits = bitcast<U>(x);
  let above = select(select(y, x, bits == U(0x7f800000u)), not_a_number(), bits > U(0x7f800000u));
  return select(above, -infinity(), x == F(0.0));
}`;

const LOG_TEXT = `fn log_f32(x: F) -> F {
  let e = log_exponent(x);
  return log_limits(x, (log_core(log_fraction(x)) - e * 2.12194440e-4) + e * 0.693359375);
}`;

const LOG_PARTS: readonly string[] = [SPECIAL_VALUES, LOG_CORE, LOG_SPLIT, LOG_LIMITS];

/** WGSL: log_f32(x). */
export const LOG: readonly string[] = [...LOG_PARTS, LOG_TEXT];

const LOG2_TEXT = `fn log2_f32(x: F) -> F {
  return log_limits(x, log_core(log_fraction(x)) * 1.44269504 + log_exponent(x));
}`;

const LOG10_TEXT = `fn log10_f32(x: F) -> F {
  let e = log_exponent(x);
  return log_limits(x, (log_core(log_fraction(x)) * 0.434294482 + e * 2.48745663981195e-4) + e * 0.30078125);
}`;

const LOG1P_TEXT = `fn log1p_f32(x: F) -> F {
  return select(log_f32(1.0 + x), log_core(x), (x > F(-0.29)) & (x < F(0.414)));
}`;

/** WGSL: log1p_f32(x). */
export const LOG1P: readonly string[] = [...LOG, LOG1P_TEXT];

/** Natural exponential, eˣ. */
export const exp: Unary = realFunction("exp", {
  wide: true,
  helpers: EXP,
  reference: (x) => Math.exp(x as number),
  derivative: (g, out) => [mul(g, out)],
  cost: 16,
});

/** 2ˣ; exact for whole x. */
export const exp2: Unary = realFunction("exp2", {
  wide: true,
  helpers: [SCALE, EXP_CORE, EXP2_TEXT],
  reference: (x) => 2 ** (x as number),
  derivative: (g, out) => [mul(g, mul(out, Math.LN2))],
  cost: 16,
});

/** eˣ - 1, exact for small x. */
export const expm1: Unary = realFunction("expm1", {
  wide: true,
  helpers: EXPM1,
  reference: (x) => Math.expm1(x as number),
  // Not out + 1, which has lost its digits where out is near -1.
  derivative: (g, _out, [x]) => [mul(g, exp(x as Tensor))],
  cost: 20,
});

/** Natural logarithm; -∞ at 0, NaN below. */
export const log: Unary = realFunction("log", {
  wide: true,
  helpers: LOG,
  reference: (x) => Math.log(x as number),
  derivative: (g, _out, [x]) => [trueDivide(g, x as Tensor)],
  cost: 24,
});

/** Binary logarithm; exact for powers of two. */
export const log2: Unary = realFunction("log2", {
  wide: true,
  helpers: [...LOG_PARTS, LOG2_TEXT],
  reference: (x) => Math.log2(x as number),
  derivative: (g, _out, [x]) => [trueDivide(mul(g, Math.LOG2E), x as Tensor)],
  cost: 24,
});

/** Decimal logarithm. */
export const log10: Unary = realFunction("log10", {
  wide: true,
  helpers: [...LOG_PARTS, LOG10_TEXT],
  reference: (x) => Math.log10(x as number),
  derivative: (g, _out, [x]) => [trueDivide(mul(g, Math.LOG10E), x as Tensor)],
  cost: 24,
});

/** log(1 + x), exact for small x. */
export const log1p: Unary = realFunction("log1p", {
  wide: true,
  helpers: LOG1P,
  reference: (x) => Math.log1p(x as number),
  derivative: (g, _out, [x]) => [trueDivide(g, add(x as Tensor, 1))],
  cost: 26,
});

/** Square root; NaN below 0. */
export const sqrt: Unary = unary("sqrt", {
  dtype: floating,
  wgsl: (_t, x) => `sqrt(${x})`,
  reference: (x) => Math.sqrt(x as number),
  derivative: (g, out) => [trueDivide(g, mul(out, 2))],
  cost: 4,
});

/** 1 / √x. */
export const rsqrt: Unary = unary("rsqrt", {
  wide: true,
  dtype: floating,
  wgsl: (_t, x) => `inverseSqrt(${x})`,
  reference: (x) => 1 / Math.sqrt(x as number),
  derivative: (g, out) => [mul(mul(g, -0.5), cube(out))],
  cost: 4,
});

/** x². Integers stay integers. */
export const square: Unary = unary("square", {
  wide: true,
  dtype: arithmetic,
  wgsl: (_t, x) => `${x} * ${x}`,
  reference: (x) => (x as number) * (x as number),
  derivative: (g, _out, [x]) => [mul(mul(g, 2), x as Tensor)],
});

/** x³; what `pow(x, 3)` records. */
export const cube: Unary = unary("cube", {
  dtype: arithmetic,
  wgsl: (_t, x) => `${x} * ${x} * ${x}`,
  reference: (x) => (x as number) ** 3,
  derivative: (g, _out, [x]) => [mul(mul(g, 3), square(x as Tensor))],
  cost: 2,
});

/** 1 / x. */
export const reciprocal: Unary = unary("reciprocal", {
  wide: true,
  dtype: floating,
  wgsl: (t, x) => `${t.float(1)} / ${x}`,
  reference: (x) => 1 / (x as number),
  derivative: (g, out) => [neg(mul(g, square(out)))],
  cost: 4,
});

// Scaled by the larger leg, so that no square overflows.
const HYPOT_TEXT = `fn hypot_f32(x: f32, y: f32) -> f32 {
  let a = max(abs(x), abs(y));
  if ((bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u || (bitcast<u32>(y) & 0x7fffffffu) == 0x7f800000u) { return infinity(); }
  if (is_nan(x) || is_nan(y)) { return not_a_number(); }
  if (a == 0.0) { return 0.0; }
  let r = min(abs(x), abs(y)) / a;
  return a * sqrt(1.0 + r * r);
}`;

/** Length of the hypotenuse, √(x² + y²), without overflow. */
export const hypot: Binary = realFunction2("hypot", {
  helpers: [SPECIAL_VALUES, IS_NAN, HYPOT_TEXT],
  reference: (x, y) => Math.hypot(x as number, y as number),
  derivative: (g, out, inputs) =>
    inputs.map((operand) => (operand.requiresGrad ? mul(g, trueDivide(operand, out)) : null)),
  cost: 14,
});
