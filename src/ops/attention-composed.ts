// Attention as a composition of ops: the reference, the choice for few queries, and what second derivatives go through.

import { type Tensor, withGrad } from "../graph/tensor.ts";
import { insertDim } from "./arguments.ts";
import { add, eq, le, mul, sub, trueDivide, where } from "./arithmetic.ts";
import { asSingleFloat } from "./autocast.ts";
import { cast, constant } from "./define.ts";
import { dropFactors } from "./dropout.ts";
import { exp } from "./exponential.ts";
import { iota } from "./iota.ts";
import { matmul } from "./linear-algebra.ts";
import { maxOver, sumOver } from "./reductions.ts";
import { permute } from "./views.ts";

/** Everything that attention is computed of. Batch dims are those of the result, and dtypes are one. */
export interface AttentionInputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  /** bool, or numbers to add to the scores. */
  readonly mask: Tensor | null;
  readonly isCausal: boolean;
  readonly scale: number;
  /** Key and probability, 0-dim. */
  readonly dropout: readonly [Tensor, Tensor] | null;
}

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

/** softmax of the last dim, where rows of -∞ give zeros and have no gradient. */
function seenSoftmax(x: Tensor): Tensor {
  const dims = [x.ndim - 1];
  const scores = asSingleFloat(x);
  const most = withGrad(false, () => maxOver(scores, dims));
  const blind = eq(most, Number.NEGATIVE_INFINITY);
  const powers = exp(sub(scores, where(blind, 0, most)));
  return trueDivide(powers, where(blind, 1, sumOver(powers, dims)));
}

function weightsOf(inputs: AttentionInputs): Tensor {
  const { q, k, mask, scale } = inputs;
  const scores = whereVisible(mul(matmul(q, turned(k)), scale), Number.NEGATIVE_INFINITY, inputs);
  return seenSoftmax(mask === null || mask.dtype === "bool" ? scores : add(scores, mask));
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
