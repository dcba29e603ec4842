// Writing by index: scatter, scatterAdd, scatterReduce, indexAdd. Nothing depends on the order of invocations, so results are the same every time.

import { isFloat } from "../base/dtype.ts";
import { dtypeError, formatShape, type Shape, sameShape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkChoice, checkRank, corner, dimOf, filled, surrounded, withSize } from "./arguments.ts";
import { add, ge, mul, trueDivide, where } from "./arithmetic.ts";
import { arrivingExtreme, arrivingProduct, countArrivals, lastArrivals, takeLast } from "./arrivals.ts";
import { maximum } from "./comparison.ts";
import { cast, convert, expectTensor, same } from "./define.ts";
import { floorDivide } from "./division.ts";
import { isAnyOutside, scatterRows, scatterSum, unless } from "./gathering.ts";
import { checkIndex } from "./host-values.ts";
import { checkIndexShape, narrowTo } from "./indexing.ts";
import { reshape } from "./views.ts";

/** Checks what scatter ops have in common; returns the dim and src cut to the index's shape. */
function checkScatter(op: string, x: Tensor, dim: number, index: Tensor, src: Tensor): { at: number; part: Tensor } {
  const at = dimOf(op, x, dim);
  expectTensor(op, index, "the index");
  expectTensor(op, src, "the source");
  checkIndexShape(op, x, at, index, "the input");
  checkIndex(op, index, x.shape[at] as number);
  if (src.ndim !== index.ndim || index.shape.some((n, i) => n > (src.shape[i] as number))) {
    throw shapeError`${op}: the source must be at least as large as the index, got ${src.shape} for ${index.shape}.`;
  }
  return { at, part: corner(src, index.shape) };
}

/** Demands numbers to add or compare. */
function checkNumeric(op: string, x: Tensor): void {
  if (expectTensor(op, x).dtype === "bool")
    throw dtypeError`${op}: needs numbers, got bool. x.to("i32") makes numbers of it.`;
}

/** `part`, which covers the first elements in each dim, filled up with `fill` to `shape`. */
function grown(part: Tensor, shape: Shape, fill: number): Tensor {
  const none = shape.map(() => 0);
  const missing = shape.map((n, i) => n - (part.shape[i] as number));
  return surrounded(part, none, missing, fill);
}

/** `x`, which was written to by an index along `dim`, or no value in all of a line where that is out of range. */
function unlessStray(x: Tensor, dim: number, index: Tensor): Tensor {
  const wrong = isAnyOutside(index, dim, x.shape[dim] as number);
  return unless(wrong && grown(wrong, withSize(x.shape, dim, 1), 0), x);
}

/** A scalar counts as a vector of one element: `x`, `index` and `src` as vectors for `scattered`, and its result as a scalar. */
function asVectors(index: Tensor, src: Tensor, scattered: (index: Tensor, src: Tensor) => Tensor): Tensor {
  const vector = (t: Tensor): Tensor => (t.ndim === 0 ? reshape(t, [1]) : t);
  return reshape(scattered(vector(index), vector(src)), []);
}

/**
 * Adds src at the indexed places of x: out[index[i][j]][j] += src[i][j] for dim 0. Throws as `gather`. If only the
 * device knows that an index is out of range, the whole line along `dim` that it would write to is NaN, and so are
 * gradients through it (of integers the numbers of `gather`).
 */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, src: Tensor): Tensor {
  checkNumeric("scatterAdd", x);
  if (x.ndim === 0) return asVectors(index, src, (i, s) => scatterAdd(reshape(x, [1]), dim, i, s));
  const { at, part } = checkScatter("scatterAdd", x, dim, index, src);
  const total = scatterSum(cast(part, x.dtype), index, at, x.shape[at] as number);
  return unlessStray(add(x, grown(total, x.shape, 0)), at, index);
}

/**
 * Writes src (a tensor or a number) to the indexed places of x: out[index[i][j]][j] = src[i][j] for dim 0. If several
 * go to one place, the last along `dim` wins. Indices are checked as in `scatterAdd`.
 */
export function scatter(x: Tensor, dim: number, index: Tensor, src: Tensor | number): Tensor {
  const op = "scatter";
  if (expectTensor(op, x).ndim === 0) {
    const number = typeof src === "number" ? src : null;
    return asVectors(index, number === null ? (src as Tensor) : index, (i, s) =>
      scatter(reshape(x, [1]), dim, i, number ?? s),
    );
  }
  const value =
    typeof src === "number"
      ? convert(op, src, expectTensor(op, x).dtype)
      : cast(expectTensor(op, src, "the source"), x.dtype);
  const from = typeof src === "number" ? index : value;
  const { at, part } = checkScatter(op, x, dim, index, from);
  if (index.numel === 0 || x.numel === 0) return same(x);
  const last = lastArrivals(index, at, x.shape[at] as number);
  const written = grown(ge(last, 0), x.shape, 0);
  const values = typeof src === "number" ? value : grown(takeLast(part, index, last, at), x.shape, 0);
  return unlessStray(where(written, values, x), at, index);
}

/** How `scatterReduce` joins what goes to one place. */
export type ScatterReduction = "sum" | "prod" | "mean" | "amax" | "amin";

/**
 * Joins src to the indexed places of x by `reduce`: "sum", "prod", "mean", "amax" or "amin". The old value of a place
 * counts too, unless `includeSelf` is false (default true). Means of integers are rounded down. Indices are checked as
 * in `scatterAdd`.
 */
export function scatterReduce(
  x: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
  reduce: ScatterReduction,
  options: { includeSelf?: boolean } = {},
): Tensor {
  const op = "scatterReduce";
  const { includeSelf } = filled(op, options, { includeSelf: true });
  checkNumeric(op, x);
  checkChoice(op, "reduce", reduce, ["sum", "prod", "mean", "amax", "amin"]);
  if (x.ndim === 0) return asVectors(index, src, (i, s) => scatterReduce(reshape(x, [1]), dim, i, s, reduce, options));
  const { at, part } = checkScatter(op, x, dim, index, src);
  if (index.numel === 0) return same(x);
  const own = narrowTo(x, at, index);
  const size = x.shape[at] as number;
  const sources = cast(part, x.dtype);
  const count = countArrivals(index, at, size);
  const joined = (): Tensor => {
    switch (reduce) {
      case "sum":
      case "mean": {
        const total = scatterSum(sources, index, at, size);
        const all = includeSelf ? add(total, own) : total;
        if (reduce === "sum") return all;
        const divisor = cast(maximum(includeSelf ? add(count, 1) : count, 1), x.dtype);
        return isFloat(x.dtype) ? trueDivide(all, divisor) : floorDivide(all, divisor);
      }
      case "prod": {
        const total = arrivingProduct(sources, index, at, size);
        return includeSelf ? mul(total, own) : total;
      }
      case "amax":
      case "amin":
        return arrivingExtreme(reduce, sources, index, at, own, includeSelf);
      default:
        return reduce satisfies never;
    }
  };
  const result = where(grown(ge(count, 1), x.shape, 0), grown(cast(joined(), x.dtype), x.shape, 0), x);
  return unlessStray(result, at, index);
}

/**
 * Adds alpha (default 1) times src to x, slice by slice: slice i of src goes to slice index[i] along `dim`. Throws as
 * `gather`. If only the device knows that an index is out of range, all of the result is NaN.
 */
export function indexAdd(x: Tensor, dim: number, index: Tensor, src: Tensor, options: { alpha?: number } = {}): Tensor {
  const op = "indexAdd";
  const { alpha } = filled(op, options, { alpha: 1 });
  checkNumeric(op, x);
  if (x.ndim === 0) return asVectors(index, src, (i, s) => indexAdd(reshape(x, [1]), dim, i, s, options));
  const at = dimOf(op, x, dim);
  checkRank(op, index, [0, 1], "a vector", "the index");
  expectTensor(op, src, "the source");
  checkIndex(op, index, x.shape[at] as number);
  const wanted = withSize(x.shape, at, index.numel);
  if (!sameShape(src.shape, wanted)) {
    throw shapeError`${op}: the source must be ${formatShape(wanted)} for ${x.shape} and ${index.numel} indices, got ${src.shape}.`;
  }
  const values = cast(src, x.dtype);
  const size = x.shape[at] as number;
  const list = reshape(index, [index.numel]);
  const total = scatterRows(values, list, at, size);
  return unless(isAnyOutside(list, 0, size), add(x, alpha === 1 ? total : mul(total, alpha)));
}
