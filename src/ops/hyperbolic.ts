// Hyperbolic functions and their inverses.

import type { Tensor } from "../graph/tensor.ts";
import { add, mul, realFunction, sub, trueDivide } from "./arithmetic.ts";
import type { Unary } from "./define.ts";
import { EXP, EXPM1_BOUNDED, LOG, LOG1P, rsqrt, SPECIAL_VALUES, square } from "./exponential.ts";

// Where eˣ alone would overflow, e^(x/2) is squared. Small arguments: S. L. Moshier, Cephes.
const SINH_TEXT = `fn sinh_f32(x: f32) -> f32 {
  let a = abs(x);
  if (a <= 1.0) {
    let z = x * x;
    return ((2.03721912945e-4 * z + 8.33028376239e-3) * z + 1.66667160211e-1) * z * x + x;
  }
  let part = exp_f32(select(a, 0.5 * a, a > 80.0));
  let y = select(0.5 * part - 0.5 / part, (0.5 * part) * part, a > 80.0);
  return select(y, -y, x < 0.0);
}`;

const COSH_TEXT = `fn cosh_f32(x: f32) -> f32 {
  let a = abs(x);
  if (a > 80.0) { let half = exp_f32(0.5 * a); return (0.5 * half) * half; }
  let y = exp_f32(a);
  return 0.5 * y + 0.5 / y;
}`;

// tanh a = e / (e + 2) with e = e^2a - 1: no cancellation near 0, and 1 from 10 on. The sign of x is that of -0, too.
const TANH_TEXT = `fn tanh_f32(x: F) -> F {
  let a = abs(x);
  let e = expm1_bounded(2.0 * select(a, F(10.0), a > F(10.0)));
  return bitcast<F>(bitcast<U>(e / (e + 2.0)) | (bitcast<U>(x) & U(0x80000000u)));
}`;

/** WGSL: tanh_f32(x). */
export const TANH: readonly string[] = [...EXPM1_BOUNDED, TANH_TEXT];

// W. Kahan's forms, as in the C libraries: no cancellation near 0 or 1, no overflow of x².
const ASINH_TEXT = `fn asinh_f32(x: f32) -> f32 {
  let a = abs(x);
  var y = 0.0;
  if (a > 1e8) { y = log_f32(a) + 0.693147181; }
  else { y = log1p_f32(a + a * a / (1.0 + sqrt(a * a + 1.0))); }
  return select(select(y, -y, x < 0.0), x, x == 0.0);
}`;

const ACOSH_TEXT = `fn acosh_f32(x: f32) -> f32 {
  if (x < 1.0) { return not_a_number(); }
  if (x > 1e8) { return log_f32(x) + 0.693147181; }
  let t = x - 1.0;
  return log1p_f32(t + sqrt(2.0 * t + t * t));
}`;

const ATANH_TEXT = `fn atanh_f32(x: f32) -> f32 {
  let a = abs(x);
  if (a < 0.3) {
    let z = x * x;
    return ((((1.81740078349e-1 * z + 8.24370301058e-2) * z + 1.46691431730e-1) * z + 1.99782164500e-1) * z + 3.33337300303e-1) * z * x + x;
  }
  let y = 0.5 * log_f32((1.0 + a) / (1.0 - a));
  return select(y, -y, x < 0.0);
}`;

/** Hyperbolic sine. */
export const sinh: Unary = realFunction("sinh", {
  wide: true,
  helpers: [...EXP, SINH_TEXT],
  reference: (x) => Math.sinh(x as number),
  derivative: (g, _out, [x]) => [mul(g, cosh(x as Tensor))],
  cost: 30,
});

/** Hyperbolic cosine. */
export const cosh: Unary = realFunction("cosh", {
  wide: true,
  helpers: [...EXP, COSH_TEXT],
  reference: (x) => Math.cosh(x as number),
  derivative: (g, _out, [x]) => [mul(g, sinh(x as Tensor))],
  cost: 24,
});

/** Hyperbolic tangent. */
export const tanh: Unary = realFunction("tanh", {
  helpers: TANH,
  reference: (x) => Math.tanh(x as number),
  derivative: (g, out) => [mul(g, sub(1, square(out)))],
  cost: 24,
});

/** Inverse hyperbolic sine. */
export const asinh: Unary = realFunction("asinh", {
  helpers: [...LOG1P, ASINH_TEXT],
  reference: (x) => Math.asinh(x as number),
  derivative: (g, _out, [x]) => [mul(g, rsqrt(add(square(x as Tensor), 1)))],
  cost: 36,
});

/** Inverse hyperbolic cosine; NaN below 1. */
export const acosh: Unary = realFunction("acosh", {
  helpers: [...LOG1P, SPECIAL_VALUES, ACOSH_TEXT],
  reference: (x) => Math.acosh(x as number),
  derivative: (g, _out, [x]) => [mul(g, rsqrt(sub(square(x as Tensor), 1)))],
  cost: 36,
});

/** Inverse hyperbolic tangent; ±∞ at ±1, NaN beyond. */
export const atanh: Unary = realFunction("atanh", {
  helpers: [...LOG, ATANH_TEXT],
  reference: (x) => Math.atanh(x as number),
  derivative: (g, _out, [x]) => [trueDivide(g, sub(1, square(x as Tensor)))],
  cost: 34,
});
