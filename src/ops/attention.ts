// Attention as a composition.

import { ShapeError, WgradError } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { broadcastShapes, formatShape } from "../shape.ts";
import { checkFloat, insertDim } from "./arguments.ts";
import { add, le, mul, sub, where } from "./arithmetic.ts";
import { checkNumber, checkOptions, constant, expectTensor } from "./define.ts";
import { dropout, type Probability } from "./dropout.ts";
import { iota } from "./iota.ts";
import { matmul } from "./linear-algebra.ts";
import { softmax } from "./softmax.ts";
import { permute } from "./views.ts";

export interface AttentionOptions {
  /** Broadcasts to [..., L, S]: bool is true where attention is allowed, floats are added to the scores. */
  readonly attnMask?: Tensor | null;
  /** Probability with which a weight is dropped; give 0 in evaluation. Default 0. */
  readonly dropoutP?: Probability;
  /** Query i attends to keys 0 … i only. Default false. */
  readonly isCausal?: boolean;
  /** Factor of the scores. Default 1 / √E. */
  readonly scale?: number | null;
}

/**
 * softmax(query · keyᵀ · scale + mask) · value: [..., L, E], [..., S, E], [..., S, V] → [..., L, V]. A query that may attend to nothing
 * gives NaN. Throws a ShapeError where sizes differ (Vaswani et al. 2017).
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const op = "scaledDotProductAttention";
  checkOptions(op, options, ["attnMask", "dropoutP", "isCausal", "scale"]);
  checkFloat(op, query, "the query");
  checkFloat(op, key, "the key");
  checkFloat(op, value, "the value");
  const shapes = [query.shape, key.shape, value.shape];
  const last = (x: Tensor, back: number): number => x.shape[x.ndim - back] as number;
  if (
    query.ndim < 2 ||
    key.ndim < 2 ||
    value.ndim < 2 ||
    last(query, 1) !== last(key, 1) ||
    last(key, 2) !== last(value, 2)
  ) {
    throw new ShapeError(
      `${op}: needs [..., L, E], [..., S, E] and [..., S, V], got ${shapes.map(formatShape).join(", ")}.`,
      { op, shapes },
    );
  }
  const [l, s] = [last(query, 2), last(key, 2)];
  const mask = options.attnMask ?? null;
  const isCausal = options.isCausal ?? false;
  if (mask !== null && isCausal)
    throw new WgradError(`${op}: either attnMask or isCausal, not both. Put the causal part into the mask.`, { op });
  const scale = checkNumber(op, "scale", options.scale ?? 1 / Math.sqrt(last(query, 1)));
  const order = [...Array.from({ length: key.ndim - 2 }, (_, i) => i), key.ndim - 1, key.ndim - 2];
  let scores = mul(matmul(query, permute(key, order)), scale);
  const hidden = constant(Number.NEGATIVE_INFINITY, scores.dtype);
  if (isCausal) scores = where(le(sub(iota(s), insertDim(iota(l), 1)), 0), scores, hidden);
  if (mask !== null) {
    expectTensor(op, mask, "attnMask");
    broadcastShapes(op, scores.shape, mask.shape);
    scores = mask.dtype === "bool" ? where(mask, scores, hidden) : add(scores, mask);
  }
  const weights = softmax(scores, -1);
  return matmul(dropout(weights, options.dropoutP ?? 0, { training: true }), value);
}
