// Special functions: error functions, gamma functions, sinc, logit and sums of logarithms.

import { opError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { eq, ge, IS_NAN, le, logicalAnd, mul, neg, realFunction, sub, trueDivide, where } from "./arithmetic.ts";
import { clamp } from "./comparison.ts";
import {
  type Binary,
  binary,
  checkNumber,
  checkOptions,
  elementwise,
  expectTensor,
  floating,
  type Unary,
  unary,
} from "./define.ts";
import { ERF } from "./error-function.ts";
import { EXP, exp, LOG, LOG1P, log, SPECIAL_VALUES, square } from "./exponential.ts";
import { sigmoid } from "./sigmoid.ts";
import {
  digammaReference,
  erfcReference,
  erfinvReference,
  erfReference,
  lgammaReference,
  tetragammaReference,
  trigammaReference,
} from "./special-reference.ts";
import { SIN_PI } from "./trigonometry.ts";

// (1 + 2a)·e^(a²)·erfc a is smooth in (a - 2) / (a + 2): M. Shepherd and J. Laframboise (1981). a² as an exact part and a small one.
const ERFC_TEXT = `fn erfc_f32(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let a = min(abs(x), 11.0);
  let q = (a - 2.0) / (a + 2.0);
  var p = ((((-4.01139259e-4 * q - 1.23075210e-3) * q + 1.31355342e-3) * q + 8.63227434e-3) * q - 8.05991981e-3) * q - 5.42046614e-2;
  p = (((p * q + 1.64055392e-1) * q - 1.66031361e-1) * q - 9.27639827e-2) * q + 2.76978403e-1;
  let high = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
  let y = (1.0 + p) / (1.0 + 2.0 * a) * (exp_f32(-high * high) * exp_f32((high - a) * (high + a)));
  return select(y, 2.0 - y, x < 0.0);
}`;

// M. Giles, "Approximating the erfinv function", GPU Computing Gems (2012).
const ERFINV_TEXT = `fn erfinv_f32(x: f32) -> f32 {
  let a = abs(x);
  if (a >= 1.0) { return select(not_a_number(), x * infinity(), a == 1.0); }
  var w = -log_f32((1.0 - a) * (1.0 + a));
  if (a < 0.25) { w = -log1p_f32(-a * a); }
  if (w < 5.0) {
    w = w - 2.5;
    let p = (((2.81022636e-8 * w + 3.43273939e-7) * w - 3.5233877e-6) * w - 4.39150654e-6) * w + 2.1858087e-4;
    return ((((p * w - 1.25372503e-3) * w - 4.17768164e-3) * w + 2.46640727e-1) * w + 1.50140941) * x;
  }
  w = sqrt(w) - 3.0;
  let p = (((-2.00214257e-4 * w + 1.00950558e-4) * w + 1.34934322e-3) * w - 3.67342844e-3) * w + 5.73950773e-3;
  return ((((p * w - 7.6224613e-3) * w + 9.43887047e-3) * w + 1.00167406) * w + 2.83297682) * x;
}`;

// On 1 … 2 a polynomial times (x - 1)(x - 2), which keeps both zeros exact; elsewhere recurrence, Stirling's series or reflection.
// u = r - 1 and v = r - 2 for the r in 1 … 2 that differs from a by a whole number. Two logarithms in the end: a·sin πa could underflow.
const LGAMMA_TEXT = `fn lgamma_f32(x: f32) -> f32 {
  let a = abs(x);
  if (is_nan(x)) { return x; }
  // Where 1 / a would overflow. Subnormal numbers, which devices may take for 0, by their bits: multiples of 2^-149.
  let steps = bitcast<u32>(x) & 0x7fffffffu;
  if (steps < 0x00800000u) { return 103.278929903 - log_f32(f32(steps)); }
  if (a < 1e-10) { return -log_f32(a); }
  if (a > 3.4e38 || (x <= 0.0 && a == floor(a))) { return infinity(); }
  var y = 0.0;
  if (a >= 8.0) {
    let s = 1.0 / a;
    let z = s * s;
    y = (a - 0.5) * (log_f32(a) - 1.0) + (((7.9365079e-4 * z - 2.7777778e-3) * z + 8.3333333e-2) * s + 0.418938533);
  } else {
    var u = a;
    var factor = 1.0;
    if (a < 1.0) { factor = 1.0 / a; }
    else {
      u = a - 1.0;
      for (var k = 0; k < 7 && u > 1.0; k = k + 1) {
        factor = factor * u;
        u = u - 1.0;
      }
    }
    let v = u - 1.0;
    let t = u - 0.5;
    var p = (((9.349331278e-4 * t - 1.524485835e-3) * t + 1.863884949e-3) * t - 3.11698206e-3) * t + 5.453080503e-3;
    p = (((((p * t - 9.436288269e-3) * t + 1.679679922e-2) * t - 3.130800535e-2) * t + 6.291140484e-2) * t - 0.145959902) * t + 0.4831289505;
    y = u * v * p + log_f32(factor);
  }
  if (x > 0.0) { return y; }
  return log_f32(3.14159265 / abs(sin_pi(a))) - log_f32(a) - y;
}`;

// Recurrence up to 6, then the asymptotic series; reflection for negative x.
const DIGAMMA_TEXT = `fn digamma_f32(x: f32) -> f32 {
  if (x == 0.0) { return select(-infinity(), infinity(), (bitcast<u32>(x) >> 31u) != 0u); }
  if (x < 0.0 && x == floor(x)) { return not_a_number(); }
  var a = select(x, 1.0 - x, x < 0.0);
  var y = 0.0;
  for (var k = 0; k < 6 && a < 6.0; k = k + 1) {
    y = y - 1.0 / a;
    a = a + 1.0;
  }
  let z = 1.0 / (a * a);
  y = y + (log_f32(a) - 0.5 / a - ((3.9682540e-3 * z - 8.3333333e-3) * z + 8.3333333e-2) * z);
  if (x < 0.0) { y = y - 3.14159265 * cos_pi(x) / sin_pi(x); }
  return y;
}`;

const TRIGAMMA_TEXT = `fn trigamma_f32(x: f32) -> f32 {
  if (x < -0x1.fffffep+127f) { return not_a_number(); }
  if (x <= 0.0 && x == floor(x)) { return infinity(); }
  var a = select(x, 1.0 - x, x < 0.0);
  var y = 0.0;
  for (var k = 0; k < 6 && a < 6.0; k = k + 1) {
    y = y + 1.0 / (a * a);
    a = a + 1.0;
  }
  let s = 1.0 / a;
  let z = s * s;
  y = y + (s + 0.5 * z + (((2.3809524e-2 * z - 3.3333333e-2) * z + 0.166666667) * z) * s);
  if (x < 0.0) {
    let r = 3.14159265 / sin_pi(x);
    y = r * r - y;
  }
  return y;
}`;

const TETRAGAMMA_TEXT = `fn tetragamma_f32(x: f32) -> f32 {
  if (x <= 0.0 && x == floor(x)) { return not_a_number(); }
  var a = select(x, 1.0 - x, x < 0.0);
  var y = 0.0;
  for (var k = 0; k < 8 && a < 8.0; k = k + 1) {
    y = y - 2.0 / (a * a * a);
    a = a + 1.0;
  }
  let s = 1.0 / a;
  let z = s * s;
  y = y - (z + z * s + ((0.166666667 * z - 0.166666667) * z + 0.5) * z * z);
  if (x < 0.0) {
    let r = 3.14159265 / sin_pi(x);
    y = y - 2.0 * r * r * r * cos_pi(x);
  }
  return y;
}`;

const GAMMA: readonly string[] = [...LOG, ...SIN_PI];

/** Error function, 2 / √π · ∫₀ˣ e^(-t²) dt. */
export const erf: Unary = realFunction("erf", {
  helpers: ERF,
  reference: (x) => erfReference(x as number),
  derivative: (g, _out, [x]) => [mul(mul(g, 2 / Math.sqrt(Math.PI)), exp(neg(square(x as Tensor))))],
  cost: 30,
});

/** 1 - erf(x), exact where that is tiny. */
export const erfc: Unary = realFunction("erfc", {
  helpers: [...EXP, IS_NAN, ERFC_TEXT],
  reference: (x) => erfcReference(x as number),
  derivative: (g, _out, [x]) => [mul(mul(g, -2 / Math.sqrt(Math.PI)), exp(neg(square(x as Tensor))))],
  cost: 60,
});

/** Inverse of erf on -1 … 1; ±∞ at the ends, NaN beyond. */
export const erfinv: Unary = realFunction("erfinv", {
  wide: true,
  helpers: [...LOG1P, ERFINV_TEXT],
  reference: (x) => erfinvReference(x as number),
  derivative: (g, out) => [mul(mul(g, Math.sqrt(Math.PI) / 2), exp(square(out)))],
  cost: 50,
});

/** Logarithm of |Γ(x)|; ∞ at 0 and the negative whole numbers. */
export const lgamma: Unary = realFunction("lgamma", {
  helpers: [...GAMMA, IS_NAN, LGAMMA_TEXT],
  reference: (x) => lgammaReference(x as number),
  derivative: (g, _out, [x]) => [mul(g, digamma(x as Tensor))],
  cost: 80,
});

/** ψ(x), the derivative of ln Γ; ∓∞ at ±0, NaN at the negative whole numbers. It can be differentiated twice. */
export const digamma: Unary = realFunction("digamma", {
  helpers: [...GAMMA, DIGAMMA_TEXT],
  reference: (x) => digammaReference(x as number),
  derivative: (g, _out, [x]) => [mul(g, trigamma(x as Tensor))],
  cost: 70,
});

const trigamma: Unary = realFunction("trigamma", {
  helpers: [SPECIAL_VALUES, ...SIN_PI, TRIGAMMA_TEXT],
  reference: (x) => trigammaReference(x as number),
  derivative: (g, _out, [x]) => [mul(g, tetragamma(x as Tensor))],
  cost: 60,
});

const tetragamma: Unary = realFunction("tetragamma", {
  helpers: [SPECIAL_VALUES, ...SIN_PI, TETRAGAMMA_TEXT],
  reference: (x) => tetragammaReference(x as number),
  derivative: () => {
    throw opError`digamma: only two derivatives of digamma (three of lgamma) are known.`;
  },
  cost: 60,
});

// Near 0 the quotients would cancel; their series do not.
const SINC_TEXT = `fn sinc_f32(x: f32) -> f32 {
  if (abs(x) < 1e-3) { return 1.0 - 1.64493407 * x * x; }
  return sin_pi(x) / (3.14159265 * x);
}
fn sinc_slope(x: f32) -> f32 {
  let z = x * x;
  if (z < 0.25) { return ((((((-9.76622313e-05 * z + 0.00178114552) * z - 0.0234608104) * z + 0.209182783) * z - 1.14451094) * z + 3.2469697) * z - 3.28986813) * x; }
  return (cos_pi(x) - sinc_f32(x)) / x;
}`;

// The part of x that sin πx depends on.
const turns = (x: number): number => x - 2 * Math.round(x / 2);
const sinPi = (x: number): number => (Number.isInteger(x) ? 0 : Math.sin(Math.PI * turns(x)));

/** sin(πx) / (πx), 1 at 0. */
export const sinc: Unary = realFunction("sinc", {
  helpers: [...SIN_PI, SINC_TEXT],
  reference: (x) => (x === 0 ? 1 : sinPi(x as number) / (Math.PI * (x as number))),
  derivative: (g, _out, [x]) => [mul(g, sincSlope(x as Tensor))],
  cost: 30,
});

const sincSlope: Unary = unary("sincSlope", {
  dtype: floating,
  wgsl: (t, x) => t.call("sinc_slope", x),
  helpers: [...SIN_PI, SINC_TEXT],
  reference: (x) => {
    const a = Math.PI * (x as number);
    if (Math.abs(a) < 1e-2) return Math.PI * a * ((a * a) / 30 - 1 / 3);
    const angle = Math.PI * turns(x as number);
    return (Math.cos(angle) - sinPi(x as number) / a) / (x as number);
  },
  // sinc″ = -π²·sinc - 2·sinc′ / x.
  derivative: (g, out, [x]) => {
    const atZero = eq(x as Tensor, 0);
    const quotient = trueDivide(out, where(atZero, 1, x as Tensor));
    return [mul(g, where(atZero, -(Math.PI ** 2) / 3, sub(mul(sinc(x as Tensor), -(Math.PI ** 2)), mul(quotient, 2))))];
  },
  cost: 40,
});

// Near ½ the odds are near 1: the logarithm of their difference from 1 keeps the digits.
const LOGIT_TEXT = `fn logit_f32(x: F) -> F {
  return select(log_f32(x / (1.0 - x)), log1p_f32((2.0 * x - 1.0) / (1.0 - x)), abs(x - 0.5) < F(0.1));
}`;

const logOdds: Unary = realFunction("logit", {
  helpers: [...LOG1P, LOGIT_TEXT],
  reference: (x) => {
    const p = x as number;
    return Math.abs(p - 0.5) < 0.1 ? Math.log1p((2 * p - 1) / (1 - p)) : Math.log(p / (1 - p));
  },
  derivative: (g, _out, [x]) => {
    const spread = mul(x as Tensor, sub(1, x as Tensor));
    return [where(ge(spread, 0), trueDivide(g, spread), Number.NaN)];
  },
  cost: 36,
});

/** Logarithm of the odds, log(x / (1 - x)); with `eps`, x is first clamped to eps … 1 - eps. NaN outside 0 … 1, and its gradient, too. */
export function logit(x: Tensor, options: { eps?: number | null } = {}): Tensor {
  expectTensor("logit", x);
  checkOptions("logit", options, ["eps"]);
  const eps = options.eps ?? null;
  if (eps === null) return logOdds(x);
  checkNumber("logit", "eps", eps);
  return logOdds(clamp(x, { min: eps, max: 1 - eps }));
}

const LOG_SUM_TEXT = `fn log_sum(x: F, y: F, rate: F) -> F {
  let difference = select(abs(x - y), F(0.0), x == y);
  return select(select(x, y, x < y), x, is_nan(x)) + log1p_f32(exp_f32(-difference * rate)) / rate;
}`;

/** log(e^(rate·x) + e^(rate·y)) / rate. */
function logSum(name: string, rate: number): Binary {
  return binary(name, {
    dtype: floating,
    wgsl: (t, x, y) => t.call("log_sum", x, y, t.float(rate)),
    helpers: [...EXP, ...LOG1P, IS_NAN, LOG_SUM_TEXT],
    reference: (x, y) => {
      const difference = x === y ? 0 : Math.abs((x as number) - (y as number));
      return Math.max(x as number, y as number) + Math.log1p(Math.exp(-difference * rate)) / rate;
    },
    derivative: (g, _out, inputs) => {
      const apart = sub(inputs[0] as Tensor, inputs[1] as Tensor);
      const difference = rate === 1 ? apart : mul(apart, rate);
      return inputs.map((operand, i) =>
        operand.requiresGrad ? mul(g, sigmoid(i === 0 ? difference : neg(difference))) : null,
      );
    },
    cost: 48,
  });
}

/** log(eˣ + eʸ), without overflow. */
export const logaddexp: Binary = logSum("logaddexp", 1);
/** log₂(2ˣ + 2ʸ), without overflow. */
export const logaddexp2: Binary = logSum("logaddexp2", Math.LN2);

const XLOGY_TEXT =
  "fn xlogy_f32(x: F, y: F) -> F { return select(x * log_f32(y), F(0.0), (x == F(0.0)) & !is_nan(y)); }";

/** x·log y, and 0 where x is 0 (unless y is NaN). */
export const xlogy: (x: Tensor | number, y: Tensor | number) => Tensor = elementwise("xlogy", {
  dtype: floating,
  wgsl: (t, x, y) => t.call("xlogy_f32", x, y),
  helpers: [...LOG, IS_NAN, XLOGY_TEXT],
  reference: (x, y) => (x === 0 && !Number.isNaN(y) ? 0 : (x as number) * Math.log(y as number)),
  derivative: (g, _out, inputs) => {
    const [x, y] = inputs as [Tensor, Tensor];
    return [
      x.requiresGrad ? where(logicalAnd(eq(x, 0), le(y, 0)), 0, mul(g, log(y))) : null,
      y.requiresGrad ? trueDivide(mul(g, x), y) : null,
    ];
  },
  cost: 28,
});
