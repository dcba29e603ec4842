// The error function in WGSL: what erf and gelu share.

import { EXP } from "./exponential.ts";

// Minimax polynomials after N. Juffa; the second one is log(1 - erf a).
const ERF_TEXT = `fn erf_f32(x: F) -> F {
  let a = abs(x);
  let s = x * x;
  let near = (((((-5.96761703e-4 * s + 4.99119423e-3) * s - 2.67681349e-2) * s + 1.12819925e-1) * s - 3.76125336e-1) * s + 1.28379166e-1) * x + x;
  let b = select(a, F(4.5), a > F(4.5));
  let p = ((-1.72853470e-5 * b + 3.83197126e-4) * b * b + (-3.88396438e-3 * b + 2.42546219e-2)) * b - 1.06777877e-1;
  let y = 1.0 - exp_f32(((p * b - 6.34846687e-1) * b - 1.28717512e-1) * b - b);
  return select(select(y, -y, x < F(0.0)), near, a <= F(0.927734375));
}`;

/** WGSL: erf_f32(x). */
export const ERF: readonly string[] = [...EXP, ERF_TEXT];
