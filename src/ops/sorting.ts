// Sorting and what is made of it: sort, argsort, topk, kthvalue, median.

import { isFloat } from "../base/dtype.ts";
import { normalizeDim, shapeError } from "../base/shape.ts";
import { type Tensor, withGrad } from "../graph/tensor.ts";
import { checkKeepdim, dropDims, filled, range } from "./arguments.ts";
import { eq, gt, logicalOr, mul, sub, trueDivide, where } from "./arithmetic.ts";
import { isnan } from "./comparison.ts";
import { cast, checkWhole, constant, expectTensor, same } from "./define.ts";
import { pickDistinct } from "./distinct.ts";
import { derivativeOf, detach, withDerivative } from "./memory.ts";
import { sumOver } from "./reductions.ts";
import { sortAlong } from "./sort-kernels.ts";
import { expand, reshape } from "./views.ts";

/** Elements and where they were found (i32). */
export interface Found {
  /** The elements. */
  readonly values: Tensor;
  /** Where they were along the dim (i32). */
  readonly indices: Tensor;
}

/** The first `keep` of a dim in order, where there may be nothing to sort. */
function sorted(x: Tensor, dim: number, descending: boolean, keep: number): Found {
  if (x.ndim > 0 && (x.shape[dim] as number) > 1 && keep > 0 && x.numel > 0) return sortAlong(x, dim, descending, keep);
  const values = range(x, dim, 0, keep);
  return { values, indices: expand(constant(0, "i32"), values.shape) };
}

/** Options of `sort` and `argsort`. */
export interface SortOptions {
  /** The dim to sort along. Default: the last. */
  readonly dim?: number;
  readonly descending?: boolean;
  /** Equals always keep their order; there for those who say so. */
  readonly stable?: boolean;
}

function sortOf(op: string, x: Tensor, options: SortOptions): Found {
  const { dim: given, descending } = filled(op, options, { dim: -1, descending: false, stable: true });
  const dim = normalizeDim(op, given, expectTensor(op, x).ndim);
  return sorted(x, dim, descending, x.ndim === 0 ? 1 : (x.shape[dim] as number));
}

/**
 * Sorts along `dim` (default: the last). Returns the values and where they were (i32). Equals keep their order; NaN
 * counts as larger than all others. The gradient goes back to where elements came from.
 */
export function sort(x: Tensor, options: SortOptions = {}): Found {
  return sortOf("sort", x, options);
}

/**
 * Returns the indices (i32) that sort `x` along `dim` (default: the last): `x.takeAlongDim(indices, { dim })` is
 * sorted. Otherwise as `sort`.
 */
export function argsort(x: Tensor, options: SortOptions = {}): Tensor {
  expectTensor("argsort", x);
  return withGrad(false, () => sortOf("argsort", x, options).indices);
}

/** Sorts along the first dim, without indices. */
export function msort(x: Tensor): Tensor {
  return sorted(expectTensor("msort", x), 0, false, x.shape[0] ?? 1).values;
}

/**
 * Returns the `k` largest (or smallest) elements along `dim` (default: the last) in order, and where they are (i32); of
 * equals the first. NaN counts as larger than all others. `sorted: false` allows any order. Throws a RangeError if
 * there are fewer than `k`.
 */
export function topk(
  x: Tensor,
  k: number,
  options: { readonly dim?: number; readonly largest?: boolean; readonly sorted?: boolean } = {},
): Found {
  const op = "topk";
  const { dim: given, largest } = filled(op, options, { dim: -1, largest: true, sorted: true });
  const dim = normalizeDim(op, given, expectTensor(op, x).ndim);
  checkCount(op, x, dim, checkWhole(op, "k", k, 0));
  return sorted(x, dim, largest, k);
}

function checkCount(op: string, x: Tensor, dim: number, k: number): void {
  const size = x.ndim === 0 ? 1 : (x.shape[dim] as number);
  if (k > size) throw new RangeError(`${op}: k must be at most the size ${size} of dim ${dim}, got ${k}.`);
}

/** Returns the sorted elements at a position along `dim`: a number, or a tensor with size 1 there. */
function pickSorted(x: Tensor, indices: Tensor, dim: number, position: number | Tensor, keepdim: boolean): Found {
  const finish = (found: Tensor): Tensor => (keepdim || x.ndim === 0 ? found : dropDims(found, [dim]));
  if (x.ndim === 0) return { values: same(x), indices };
  const at = typeof position === "number" ? range(indices, dim, position, 1) : pickDistinct(indices, dim, position);
  return { values: finish(pickDistinct(x, dim, at)), indices: finish(at) };
}

/** Positions in order along `dim`, the first `keep`; no gradient flows through them. */
function orderOf(x: Tensor, dim: number, keep: number): Tensor {
  return withGrad(false, () => sorted(x, dim, false, keep).indices);
}

/**
 * Returns the k-th smallest element along `dim` (default: the last), counted from 1, and where it is (i32); of equals
 * any. NaN counts as larger than all others. The gradient goes to that element. Throws a RangeError unless k is from 1
 * to the size.
 */
export function kthvalue(
  x: Tensor,
  k: number,
  options: { readonly dim?: number; readonly keepdim?: boolean } = {},
): Found {
  const op = "kthvalue";
  const { dim: given, keepdim } = filled(op, options, { dim: -1, keepdim: false });
  const dim = normalizeDim(op, given, expectTensor(op, x).ndim);
  checkCount(op, x, dim, checkWhole(op, "k", k, 1));
  return pickSorted(x, orderOf(x, dim, k), dim, k - 1, keepdim);
}

/** Median along a dim: the middle one in order, of two the lower; NaN where there is one. */
function medianAlong(x: Tensor, dim: number, keepdim: boolean): Found {
  const size = x.ndim === 0 ? 1 : (x.shape[dim] as number);
  if (size === 0) {
    throw shapeError`median: nothing to choose from where the dim has size 0, got ${x.shape}.`;
  }
  const middle = (size - 1) >> 1;
  const given = detach(x);
  if (!isFloat(x.dtype) || x.ndim === 0) return pickSorted(x, orderOf(given, dim, middle + 1), dim, middle, keepdim);
  // NaN are last in order: the first of them is as many places from the end as there are.
  const missing = sumOver(cast(isnan(given), "i32"), [dim]);
  const position = where(gt(missing, 0), sub(size, missing), middle);
  return pickSorted(x, orderOf(given, dim, size), dim, position, keepdim);
}

/** The gradient is shared among all that equal the median. */
const amongEquals = derivativeOf("median", (g, out, [, x]) => {
  const same = eq(x as Tensor, out);
  const hit = cast(logicalOr(same, isnan(x as Tensor)), g.dtype);
  const chosen = where(isnan(out), hit, cast(same, g.dtype));
  return [null, mul(g, trueDivide(chosen, sumOver(chosen, [0])))];
});

/**
 * Median: the middle one in order, of two in the middle the lower; NaN where there is one. Along `dim` values and indices (i32), the
 * gradient goes to that element; without `dim` the median of all elements, which shares its gradient among equals. Throws a ShapeError
 * where there is nothing to choose from.
 */
export function median(x: Tensor, dim: number, keepdim?: boolean): Found;
export function median(x: Tensor): Tensor;
export function median(x: Tensor, dim?: number | null, keepdim?: boolean): Tensor | Found;
export function median(x: Tensor, dim?: number | null, keepdim = false): Tensor | Found {
  expectTensor("median", x);
  checkKeepdim("median", keepdim);
  if (dim !== undefined && dim !== null) return medianAlong(x, normalizeDim("median", dim, x.ndim), keepdim);
  const flat = reshape(x, [x.numel]);
  const { values } = withGrad(false, () => medianAlong(flat, 0, true));
  const found = isFloat(x.dtype) ? withDerivative(amongEquals, values, [flat], []) : values;
  return reshape(found, []);
}
