// The logistic function and its logarithms.

import type { Tensor } from "../graph/tensor.ts";
import { filled } from "./arguments.ts";
import { gt, mul, neg, realFunction, sub, where } from "./arithmetic.ts";
import { elementwise, expectTensor, floating, type Unary, unary } from "./define.ts";
import { EXP, EXP_BOUNDED, LOG1P } from "./exponential.ts";

// e^-|x| cannot overflow, and 1 + e^-|x| loses nothing.
const SIGMOID_TEXT = `fn sigmoid_f32(x: F) -> F {
  let a = abs(x);
  let e = exp_bounded(-select(a, F(88.0), a > F(88.0)));
  return select(e, F(1.0), x >= F(0.0)) / (1.0 + e);
}`;

/** WGSL: sigmoid_f32(x). */
export const SIGMOID: readonly string[] = [...EXP_BOUNDED, SIGMOID_TEXT];

const SOFTPLUS_TEXT = `fn softplus_f32(x: F) -> F { return select(x, F(0.0), x < F(0.0)) + log1p_f32(exp_f32(-abs(x))); }
fn log_sigmoid(x: F) -> F { return -softplus_f32(-x); }
fn softplus_scaled(x: F, beta: F, threshold: F) -> F {
  return select(softplus_f32(x * beta) / beta, x, x * beta > threshold);
}`;

/** WGSL: softplus_f32(x) = log(1 + eˣ). */
export const SOFTPLUS: readonly string[] = [...EXP, ...LOG1P, SOFTPLUS_TEXT];

/** 1 / (1 + e^-x) in float64. */
export function sigmoidReference(x: number): number {
  return x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
}

/** log(1 + eˣ) in float64. */
export function softplusReference(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** Logistic function, 1 / (1 + e^-x). */
export const sigmoid: Unary = realFunction("sigmoid", {
  helpers: SIGMOID,
  reference: (x) => sigmoidReference(x as number),
  derivative: (g, out) => [mul(g, mul(out, sub(1, out)))],
  cost: 22,
});

/** log(1 / (1 + e^-x)), without overflow. */
export const logSigmoid: Unary = unary("logSigmoid", {
  dtype: floating,
  wgsl: (t, x) => t.call("log_sigmoid", x),
  helpers: SOFTPLUS,
  reference: (x) => -softplusReference(-(x as number)),
  derivative: (g, _out, [x]) => [mul(g, sigmoid(neg(x as Tensor)))],
  cost: 44,
});

const scaledSoftplus = elementwise("softplus", {
  wide: true,
  dtype: floating,
  wgsl: (t, x, beta, threshold) => t.call("softplus_scaled", x as string, beta as string, threshold as string),
  helpers: SOFTPLUS,
  reference: (x, beta, threshold) => {
    const scaled = (x as number) * (beta as number);
    return scaled > (threshold as number) ? (x as number) : softplusReference(scaled) / (beta as number);
  },
  derivative: (g, _out, inputs) => {
    const [x, beta, threshold] = inputs as [Tensor, Tensor, Tensor];
    const scaled = mul(x, beta);
    const slope = mul(g, sigmoid(scaled));
    // From 17 on the sigmoid is 1 in f32 anyway.
    const limit = threshold.node.attributes[0] ?? 0;
    return [limit >= 17 ? slope : where(gt(scaled, threshold), g, slope), null, null];
  },
  cost: 48,
});

/** log(1 + e^(βx)) / β, and x itself where βx > threshold (default β 1, threshold 20). */
export function softplus(x: Tensor, options: { beta?: number; threshold?: number } = {}): Tensor {
  expectTensor("softplus", x);
  const { beta, threshold } = filled("softplus", options, { beta: 1, threshold: 20 });
  if (beta === 0) throw new RangeError("softplus: beta must not be 0.");
  return scaledSoftplus(x, beta, threshold);
}
