// Norms of vectors and distances between them.

import { broadcastShapes, checkShape, normalizeDim, shapeError } from "../base/shape.ts";
import type { ElementwiseDefinition } from "../graph/definition.ts";
import { record, type Tensor } from "../graph/tensor.ts";
import { type Dims, filled, finishReduction, insertDim, reducedDims, withSize } from "./arguments.ts";
import { add, eq, mul, sub, trueDivide, where } from "./arithmetic.ts";
import { asSingleFloat } from "./autocast.ts";
import { maximum } from "./comparison.ts";
import { expectTensor, floating, unary } from "./define.ts";
import { square } from "./exponential.ts";
import { checkNotEmpty } from "./extremes.ts";
import { pow } from "./power.ts";
import { maxOver, minOver, sumOver } from "./reductions.ts";
import { abs } from "./rounding.ts";
import { expand, reshape } from "./views.ts";

const rootDefinition: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "root",
  wgsl: (_t, x) => `sqrt(${x})`,
  reference: (x) => Math.sqrt(x as number),
  // The norm of 0 has the gradient 0 by convention; √'s own would be infinite.
  derivative: (g, out) => {
    const zero = eq(out, 0);
    return [trueDivide(where(zero, 0, g), where(zero, 1, mul(out, 2)))];
  },
  cost: 4,
};

/** 1 where x is not 0: what p = 0 counts. */
const isSomething = unary("isSomething", {
  dtype: floating,
  wgsl: (t, x) => `select(${t.float(1)}, ${t.float(0)}, ${x} == ${t.float(0)})`,
  reference: (x) => (x === 0 ? 0 : 1),
  derivative: (g) => [mul(g, 0)],
});

/** xᵖ of x ≥ 0, whose gradient at 0 is 0, too. */
function powerBelow1(x: Tensor, p: number): Tensor {
  const zero = eq(x, 0);
  return where(zero, p > 0 ? 0 : Number.POSITIVE_INFINITY, pow(where(zero, 1, x), p));
}

/** p-norm over `dims`, which stay with size 1. */
function normOver(x: Tensor, p: number, dims: readonly number[]): Tensor {
  if (p === 2) {
    const squares = sumOver(square(x), dims);
    return record(rootDefinition, [squares], squares.shape, squares.dtype);
  }
  if (p === 0) return sumOver(isSomething(x), dims);
  const magnitudes = abs(x);
  if (p === 1 || dims.some((d) => x.shape[d] === 0)) return sumOver(magnitudes, dims);
  if (p === Number.POSITIVE_INFINITY) return maxOver(magnitudes, dims);
  if (p === Number.NEGATIVE_INFINITY) return minOver(magnitudes, dims);
  const total = sumOver(p < 1 ? powerBelow1(magnitudes, p) : pow(magnitudes, p), dims);
  // d(total^(1/p)) is infinite at 0, where the gradient 0 is meant.
  const zero = eq(total, 0);
  return where(zero, 0, pow(where(zero, 1, total), 1 / p));
}

/**
 * Computes the p-norm (Σ |x|ᵖ)^(1/p) over `dim` (one, several, all). p = ∞ is the largest |x|, p = -∞ the smallest, p =
 * 0 counts what is not 0. The gradient at 0 is 0. Throws a ShapeError if there is no largest or smallest.
 */
export function norm(x: Tensor, options: { p?: number; dim?: Dims; keepdim?: boolean } = {}): Tensor {
  const { p, dim, keepdim } = filled("norm", options, { p: 2, dim: null, keepdim: false });
  const dims = reducedDims("norm", dim, expectTensor("norm", x).ndim);
  if (Math.abs(p) === Number.POSITIVE_INFINITY) checkNotEmpty("norm", x, dims);
  return finishReduction(normOver(asSingleFloat(x), p, dims), dims, keepdim);
}

/** Divides by the p-norm along `dim`: x / max(‖x‖ₚ, eps) (default p 2, dim 1, eps 1e-12). */
export function normalize(x: Tensor, options: { p?: number; dim?: Dims; eps?: number } = {}): Tensor {
  const { p, dim, eps } = filled("normalize", options, { p: 2, dim: null, eps: 1e-12 });
  const values = asSingleFloat(expectTensor("normalize", x));
  const dims = reducedDims("normalize", dim ?? 1, x.ndim);
  const length = normOver(values, p, dims);
  return trueDivide(values, maximum(length, eps));
}

/**
 * Computes the cosine of the angle between vectors along `dim`: Σ a·b / (max(‖a‖, eps) · max(‖b‖, eps)) (default dim 1,
 * eps 1e-8). The shapes broadcast.
 */
export function cosineSimilarity(x: Tensor, y: Tensor, options: { dim?: number; eps?: number } = {}): Tensor {
  const op = "cosineSimilarity";
  const { dim: given, eps } = filled(op, options, { dim: 1, eps: 1e-8 });
  expectTensor(op, x);
  expectTensor(op, y, "the second argument");
  const rank = broadcastShapes(op, x.shape, y.shape).length;
  const dim = normalizeDim(op, given, rank);
  const ones = new Array<number>(Math.max(rank, 1)).fill(1);
  const [a, b] = [x, y].map((t) => reshape(asSingleFloat(t), [...ones.slice(t.ndim), ...t.shape])) as [Tensor, Tensor];
  const size = Math.max(a.shape[dim] as number, b.shape[dim] as number);
  const lengths = [a, b].map((t) => maximum(normOver(expand(t, withSize(t.shape, dim, size)), 2, [dim]), eps));
  const dot = sumOver(mul(a, b), [dim]);
  return finishReduction(trueDivide(dot, mul(...(lengths as [Tensor, Tensor]))), [dim], false);
}

/** ‖x - y + eps‖ₚ along the last dim (default p 2, eps 1e-6). The shapes broadcast. */
export function pairwiseDistance(
  x: Tensor,
  y: Tensor,
  options: { p?: number; eps?: number; keepdim?: boolean } = {},
): Tensor {
  const op = "pairwiseDistance";
  const { p, eps, keepdim } = filled(op, options, { p: 2, eps: 1e-6, keepdim: false });
  expectTensor(op, y, "the second argument");
  broadcastShapes(op, expectTensor(op, x).shape, y.shape);
  const difference = add(sub(asSingleFloat(x), asSingleFloat(y)), eps);
  const dims = difference.ndim === 0 ? [] : [difference.ndim - 1];
  return finishReduction(normOver(difference, p, dims), dims, keepdim);
}

/**
 * Computes the p-norm distance between every row of x [..., P, M] and every row of y [..., R, M]: [..., P, R] (default
 * p 2). It uses the differences, so near rows keep their digits. Throws a ShapeError if the row lengths differ.
 */
export function cdist(x: Tensor, y: Tensor, options: { p?: number } = {}): Tensor {
  const { p } = filled("cdist", options, { p: 2 });
  if (p < 0) throw new RangeError(`cdist: p must be ≥ 0, got ${p}.`);
  expectTensor("cdist", x);
  expectTensor("cdist", y, "the second argument");
  if (x.ndim < 2 || y.ndim < 2 || x.shape[x.ndim - 1] !== y.shape[y.ndim - 1]) {
    throw shapeError`cdist: needs [..., P, M] and [..., R, M] with equal M, got ${x.shape} and ${y.shape}.`;
  }
  const difference = sub(insertDim(asSingleFloat(x), x.ndim - 1), insertDim(asSingleFloat(y), y.ndim - 2));
  checkShape("cdist", difference.shape.slice(0, -1));
  const dims = [difference.ndim - 1];
  return finishReduction(normOver(difference, p, dims), dims, false);
}
