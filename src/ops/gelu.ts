// The smooth relatives of relu that need slopes of their own: silu and both forms of gelu.

import type { Tensor } from "../graph/tensor.ts";
import { checkChoice, filled } from "./arguments.ts";
import { add, mul, realFunction, sub } from "./arithmetic.ts";
import { expectTensor, floating, type Unary, unary } from "./define.ts";
import { ERF } from "./error-function.ts";
import { EXP, exp, square } from "./exponential.ts";
import { TANH, tanh } from "./hyperbolic.ts";
import { SIGMOID, sigmoid, sigmoidReference } from "./sigmoid.ts";
import { erfcReference } from "./special-reference.ts";

const SILU_TEXT = `fn silu_slope(x: F) -> F {
  let s = sigmoid_f32(x);
  return s + x * s * (1.0 - s);
}`;

/** x·sigmoid(x), also called swish. */
export const silu: Unary = unary("silu", {
  dtype: floating,
  wgsl: (t, x) => `${x} * ${t.call("sigmoid_f32", x)}`,
  helpers: SIGMOID,
  reference: (x) => (x as number) * sigmoidReference(x as number),
  derivative: (g, _out, [x]) => [mul(g, siluSlope(x as Tensor))],
  cost: 23,
});

const siluSlope: Unary = unary("siluSlope", {
  dtype: floating,
  wgsl: (t, x) => t.call("silu_slope", x),
  helpers: [...SIGMOID, SILU_TEXT],
  reference: (x) => {
    const s = sigmoidReference(x as number);
    return s + (x as number) * s * (1 - s);
  },
  // s′ = s·(1 - s); slope′ = s′·(2 + x·(1 - 2s)).
  derivative: (g, _out, [x]) => {
    const s = sigmoid(x as Tensor);
    return [mul(g, mul(mul(s, sub(1, s)), add(2, mul(x as Tensor, sub(1, mul(s, 2))))))];
  },
  cost: 26,
});

const GELU_TEXT = `fn gelu_f32(x: F) -> F { return 0.5 * x * (1.0 + erf_f32(x * 0.707106781)); }
fn gelu_slope(x: F) -> F {
  return 0.5 * (1.0 + erf_f32(x * 0.707106781)) + x * 0.398942280 * exp_f32(-0.5 * x * x);
}`;

const normalCdf = (x: number): number => 0.5 * erfcReference(-x * Math.SQRT1_2);
const normalPdf = (x: number): number => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

const exactGelu: Unary = realFunction("gelu", {
  helpers: [...EXP, ...ERF, GELU_TEXT],
  reference: (x) => (x as number) * normalCdf(x as number),
  derivative: (g, _out, [x]) => [mul(g, geluSlope(x as Tensor))],
  cost: 34,
});

const geluSlope: Unary = unary("geluSlope", {
  dtype: floating,
  wgsl: (t, x) => t.call("gelu_slope", x),
  helpers: [...EXP, ...ERF, GELU_TEXT],
  reference: (x) => normalCdf(x as number) + (x as number) * normalPdf(x as number),
  // slope′ = φ(x)·(2 - x²).
  derivative: (g, _out, [x]) => {
    const z = square(x as Tensor);
    return [mul(g, mul(mul(exp(mul(z, -0.5)), 1 / Math.sqrt(2 * Math.PI)), sub(2, z)))];
  },
  cost: 52,
});

const SCALE = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

// Far out the tanh is ±1 and its slope 0; x² would overflow.
const GELU_TANH_TEXT = `fn gelu_tanh(x: F) -> F { return 0.5 * x * (1.0 + tanh_f32(0.797884561 * (x + 0.044715 * x * x * x))); }
fn gelu_tanh_slope(x: F) -> F {
  let t = tanh_f32(0.797884561 * (x + 0.044715 * x * x * x));
  let slope = 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.797884561 * (1.0 + 0.134145 * x * x);
  return select(slope, select(F(0.0), F(1.0), x > F(0.0)), (abs(x) > F(20.0)) & (abs(x) < F(3.4e38)));
}`;

const inner = (x: number): number => Math.tanh(SCALE * (x + CUBIC * x ** 3));

const tanhGelu: Unary = unary("gelu", {
  dtype: floating,
  wgsl: (t, x) => t.call("gelu_tanh", x),
  helpers: [...TANH, GELU_TANH_TEXT],
  reference: (x) => 0.5 * (x as number) * (1 + inner(x as number)),
  derivative: (g, _out, [x]) => [mul(g, tanhGeluSlope(x as Tensor))],
  cost: 32,
});

const tanhGeluSlope: Unary = unary("geluSlope", {
  dtype: floating,
  wgsl: (t, x) => t.call("gelu_tanh_slope", x),
  helpers: [...TANH, GELU_TANH_TEXT],
  reference: (x) => {
    const a = x as number;
    const t = inner(a);
    return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * SCALE * (1 + 3 * CUBIC * a * a);
  },
  // With u = SCALE·(x + CUBIC·x³), t = tanh u: slope′ = (1 - t²)·(u′ + ½x·u″ - x·t·u′²).
  derivative: (g, _out, [operand]) => {
    const x = operand as Tensor;
    const z = square(x);
    const t = tanh(mul(mul(x, add(mul(z, CUBIC), 1)), SCALE));
    const rate = mul(add(mul(z, 3 * CUBIC), 1), SCALE);
    const bend = mul(z, 3 * CUBIC * SCALE);
    const sum = sub(add(rate, bend), mul(mul(x, t), square(rate)));
    return [mul(g, mul(sub(1, square(t)), sum))];
  },
  cost: 40,
});

/** x·Φ(x) with the normal distribution function Φ; `approximate: "tanh"` takes the tanh form of Hendrycks and Gimpel (2016). */
export function gelu(x: Tensor, options: { approximate?: "none" | "tanh" } = {}): Tensor {
  expectTensor("gelu", x);
  const { approximate } = filled("gelu", options, { approximate: "none" });
  return checkChoice("gelu", "approximate", approximate, ["none", "tanh"]) === "tanh" ? tanhGelu(x) : exactGelu(x);
}
