// The error function in WGSL: what erf and gelu share.

import { EXPM1_BOUNDED } from "./exponential.ts";

// erf a = 1 - e^q with q(a) = log(1 - erf a): a polynomial for 0 ≤ a ≤ 4.1, fitted so that the relative error of the result is least (2e-7).
const ERF_TEXT = `fn erf_f32(x: F) -> F {
  let a = abs(x);
  let b = select(a, F(4.1), a > F(4.1));
  let q = (((((((-4.070796422e-5 * b + 3.810008930e-4) * b - 1.251747250e-3) * b - 2.057151869e-4) * b + 1.932171546e-2) * b
    - 1.028144136e-1) * b - 6.366164684e-1) * b - 1.128379226) * b;
  let y = -expm1_bounded(q);
  return select(y, -y, x < F(0.0));
}`;

/** WGSL: erf_f32(x). */
export const ERF: readonly string[] = [...EXPM1_BOUNDED, ERF_TEXT];
