// Attention as a composition of ops: the reference, the choice for few queries, and what second derivatives go through.

import type { Tensor } from "../graph/tensor.ts";
import { insertDim } from "./arguments.ts";
import { add, le, mul, sub, where } from "./arithmetic.ts";
import type { AttentionInputs } from "./attention-kernels.ts";
import { cast, constant } from "./define.ts";
import { dropFactors } from "./dropout.ts";
import { iota } from "./iota.ts";
import { matmul } from "./linear-algebra.ts";
import { sumOver } from "./reductions.ts";
import { seenSoftmax } from "./softmax.ts";
import { permute } from "./views.ts";

/** The last two dims exchanged. */
function turned(x: Tensor): Tensor {
  const dims = [...x.shape.keys()];
  return permute(x, [...dims.slice(0, -2), x.ndim - 1, x.ndim - 2]);
}

/** `scores` where a query may attend to a key, elsewhere `value`. */
function whereVisible(scores: Tensor, value: number, { mask, isCausal }: AttentionInputs): Tensor {
  const [l, s] = scores.shape.slice(-2) as [number, number];
  const hidden = constant(value, scores.dtype);
  let result = scores;
  if (isCausal) result = where(le(sub(iota(s), insertDim(iota(l), 1)), 0), result, hidden);
  return mask?.dtype === "bool" ? where(mask, result, hidden) : result;
}

/** Weights of the keys, 0 for a query that sees none. */
function weightsOf(inputs: AttentionInputs): Tensor {
  const { q, k, mask, scale } = inputs;
  const scores = whereVisible(mul(matmul(q, turned(k)), scale), Number.NEGATIVE_INFINITY, inputs);
  return seenSoftmax(mask === null || mask.dtype === "bool" ? scores : add(scores, mask), -1);
}

/** softmax(q·kᵀ·scale + mask)·v, its weights stored. */
export function composedAttention(inputs: AttentionInputs): Tensor {
  const { v, dropout } = inputs;
  const weights = weightsOf(inputs);
  if (dropout === null) return matmul(weights, v);
  return matmul(mul(weights, cast(dropFactors(weights.shape, ...dropout), weights.dtype)), v);
}

/** Gradients of q, k and v, from that of the result: with P the weights and D the factors of dropout, dS = P∘(D∘(g·vᵀ) - Σ P∘D∘(g·vᵀ)). */
export function composedGradients(inputs: AttentionInputs, g: Tensor): [Tensor, Tensor, Tensor] {
  const { q, k, v, scale, dropout } = inputs;
  const weights = weightsOf(inputs);
  const factors = dropout === null ? null : cast(dropFactors(weights.shape, ...dropout), weights.dtype);
  const dropped = (x: Tensor): Tensor => (factors === null ? x : mul(x, factors));
  const changes = mul(weights, dropped(matmul(g, turned(v))));
  const total = sumOver(changes, [changes.ndim - 1]);
  const ds = mul(whereVisible(sub(changes, mul(weights, total)), 0, inputs), scale);
  return [matmul(ds, k), matmul(turned(ds), q), matmul(turned(dropped(weights)), g)];
}
