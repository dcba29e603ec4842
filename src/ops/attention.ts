// Attention in one pass over the keys, with no matrix of weights in memory; few queries take a composition of ops instead.

import { promote } from "../base/dtype.ts";
import { broadcastShapes, opError, type Shape, sameShape, shapeError, sizeOf } from "../base/shape.ts";
import { asking } from "../graph/asked.ts";
import { nextKey } from "../graph/generator.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkFloat, filled } from "./arguments.ts";
import { type AttentionInputs, composedAttention } from "./attention-composed.ts";
import { attentionKernels } from "./attention-kernels.ts";
import { cast, checkNumber, expectTensor } from "./define.ts";
import { dropProbability, type Probability } from "./dropout.ts";
import { expand, expandTo } from "./views.ts";

/** Options of `scaledDotProductAttention`. */
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
 * Computes attention, softmax(query · keyᵀ · scale + mask) · value: [..., L, E], [..., S, E], [..., S, V] → [..., L, V]
 * (Vaswani et al. 2017). A query that may attend to nothing gives zeros and gets no gradient. From 8 queries on, the
 * weights are computed on the way and not stored (Dao et al. 2022), unless the mask needs a gradient or heads are wider
 * than 128. Throws a ShapeError if sizes differ.
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const op = "scaledDotProductAttention";
  const {
    attnMask: mask,
    dropoutP,
    isCausal,
    scale: given,
  } = filled(op, options, {
    attnMask: null,
    dropoutP: null,
    isCausal: false,
    scale: null,
  });
  checkFloat(op, query, "the query");
  checkFloat(op, key, "the key");
  checkFloat(op, value, "the value");
  const last = (x: Tensor, back: number): number => x.shape[x.ndim - back] as number;
  if (
    query.ndim < 2 ||
    key.ndim < 2 ||
    value.ndim < 2 ||
    last(query, 1) !== last(key, 1) ||
    last(key, 2) !== last(value, 2)
  ) {
    throw shapeError`${op}: needs [..., L, E], [..., S, E] and [..., S, V], got ${query.shape}, ${key.shape}, ${value.shape}.`;
  }
  const [l, s] = [last(query, 2), last(key, 2)];
  if (mask !== null && isCausal)
    throw opError`${op}: either attnMask or isCausal, not both. Put the causal part into the mask.`;
  const scale = checkNumber(op, "scale", given ?? 1 / Math.sqrt(last(query, 1)));
  const batch = broadcastShapes(op, ...[query, key, value].map((x) => x.shape.slice(0, -2)));
  if (mask !== null) {
    expectTensor(op, mask, "attnMask");
    broadcastShapes(op, [...batch, l, s], mask.shape);
  }
  const dtype = [key, value].reduce((d, x) => promote(d, x.dtype), query.dtype);
  const p = dropProbability(op, query, dropoutP ?? 0, { training: true });
  const inputs: AttentionInputs = {
    q: cast(query, dtype),
    k: cast(key, dtype),
    v: cast(value, dtype),
    mask: mask === null || mask.dtype === "bool" ? mask : cast(mask, dtype),
    isCausal,
    scale,
    dropout: p === null ? null : [nextKey(), p],
  };
  if (!suitsKernels(inputs, batch)) return asking("attention", () => composedAttention(inputs));
  const whole = (x: Tensor): Tensor => expand(x, [...batch, ...x.shape.slice(-2)]);
  return attentionKernels({
    ...inputs,
    q: whole(inputs.q),
    k: whole(inputs.k),
    v: whole(inputs.v),
    mask: inputs.mask === null ? null : expandTo(op, inputs.mask, [...batch, l, s], false),
  });
}

/** Below this many queries a workgroup's rows are mostly idle. */
const FEW_QUERIES = 8;
/** Widths of heads, queries' and values' together, whose rows fit in registers. */
const WIDEST = 256;

/** Whether one pass is possible and the better choice. */
function suitsKernels({ q, v, mask, scale }: AttentionInputs, batch: Shape): boolean {
  const [l, e] = q.shape.slice(-2) as [number, number];
  const [s, d] = v.shape.slice(-2) as [number, number];
  const pairs = [...batch, l, s];
  if (mask !== null && (mask.requiresGrad || !sameShape(broadcastShapes("attnMask", pairs, mask.shape), pairs)))
    return false;
  if (!Number.isFinite(scale) || sizeOf([...pairs, e, d]) === 0) return false;
  return l >= FEW_QUERIES && e + d <= WIDEST;
}
