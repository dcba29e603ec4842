// Writing by index, as sums over what an index sends to each place: no atomics, so the same result every time.

import { castNumber, isFloat } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { formatShape, sameShape } from "../shape.ts";
import { alongDim, checkChoice, checkRank, dimOf, insertDim } from "./arguments.ts";
import { add, eq, ge, mul, trueDivide, where } from "./arithmetic.ts";
import { maximum, minimum } from "./comparison.ts";
import { cast, checkIndex, checkNumber, checkOptions, constant, expectTensor } from "./define.ts";
import { floorDivide } from "./division.ts";
import { gatherAlong, scatterRows, scatterSum } from "./gathering.ts";
import { checkIndexShape, narrowTo } from "./indexing.ts";
import { iota } from "./iota.ts";
import { productOver } from "./product.ts";
import { highest, lowest, maxOver, minOver, sumOver } from "./reductions.ts";
import { padded, reshape, strided } from "./views.ts";

/** Checks what scatter ops have in common; returns the dim and src cut to the index's shape. */
function checkScatter(op: string, x: Tensor, dim: number, index: Tensor, src: Tensor): { at: number; part: Tensor } {
  const at = dimOf(op, expectTensor(op, x), dim);
  expectTensor(op, index, "the index");
  expectTensor(op, src, "the source");
  checkIndexShape(op, x, at, index, "the input");
  checkIndex(op, index, x.shape[at] as number);
  if (src.ndim !== index.ndim || index.shape.some((n, i) => n > (src.shape[i] as number))) {
    throw new ShapeError(
      `${op}: the source must be at least as large as the index, got ${formatShape(src.shape)} for ${formatShape(index.shape)}.`,
      {
        op,
        shapes: [src.shape, index.shape],
      },
    );
  }
  const zeros = index.shape.map(() => 0);
  return {
    at,
    part: strided(
      src,
      zeros,
      zeros.map(() => 1),
      index.shape,
    ),
  };
}

/** Demands numbers to add or compare. */
function checkNumeric(op: string, x: Tensor): void {
  if (expectTensor(op, x).dtype === "bool")
    throw new DTypeError(`${op}: needs numbers, got bool. x.to("i32") makes numbers of it.`, { op });
}

/** `part`, which covers the first elements in each dim, filled up with `fill` to the shape of `x`. */
function grown(part: Tensor, x: Tensor, fill: number): Tensor {
  const zeros = x.shape.map(() => 0);
  return padded(
    part,
    zeros,
    x.shape.map((n, i) => n - (part.shape[i] as number)),
    zeros,
    fill,
  );
}

/** Which sources (dim + 1) go to each place (dim). */
function arrivals(x: Tensor, dim: number, index: Tensor): Tensor {
  const size = x.shape[dim] as number;
  return eq(insertDim(index, dim), reshape(iota(size), alongDim(index.ndim + 1, dim, size)));
}

/** `total` [.., size, 1, ..] without the dim of the sources. */
function perPlace(total: Tensor, dim: number): Tensor {
  return reshape(
    total,
    total.shape.filter((_, i) => i !== dim + 1),
  );
}

/** A scalar counts as a vector of one element: `x`, `index` and `src` as vectors for `scattered`, and its result as a scalar. */
function asVectors(index: Tensor, src: Tensor, scattered: (index: Tensor, src: Tensor) => Tensor): Tensor {
  const vector = (t: Tensor): Tensor => (t.ndim === 0 ? reshape(t, [1]) : t);
  return reshape(scattered(vector(index), vector(src)), []);
}

/** x plus src at the indexed places: out[index[i][j]][j] += src[i][j] for dim 0. Throws as `gather`. */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, src: Tensor): Tensor {
  checkNumeric("scatterAdd", x);
  if (x.ndim === 0) return asVectors(index, src, (i, s) => scatterAdd(reshape(x, [1]), dim, i, s));
  const { at, part } = checkScatter("scatterAdd", x, dim, index, src);
  return add(x, grown(scatterSum(cast(part, x.dtype), index, at, x.shape[at] as number), x, 0));
}

/**
 * x with src (a tensor or a number) written to the indexed places: out[index[i][j]][j] = src[i][j] for dim 0. Where several go to one
 * place, the last along `dim` wins. Throws as `gather`.
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
      ? constant(castNumber(src, expectTensor(op, x).dtype), x.dtype)
      : cast(expectTensor(op, src, "the source"), x.dtype);
  const from = typeof src === "number" ? index : value;
  const { at, part } = checkScatter(op, x, dim, index, from);
  const count = index.shape[at] as number;
  if (count === 0) return x;
  const position = reshape(iota(count), alongDim(index.ndim + 1, at + 1, count));
  const last = perPlace(maxOver(where(arrivals(x, at, index), position, -1), [at + 1]), at);
  const written = ge(last, 0);
  if (typeof src === "number") return where(grown(written, x, 0), value, x);
  const found = gatherAlong(part, at, maximum(last, 0));
  return where(grown(written, x, 0), grown(found, x, 0), x);
}

/** How `scatterReduce` joins what goes to one place. */
export type ScatterReduction = "sum" | "prod" | "mean" | "amax" | "amin";

/**
 * As `scatterAdd`, joined by `reduce`: "sum", "prod", "mean", "amax" or "amin". Places that something goes to count their old value too,
 * unless `includeSelf` is false (default true). Means of integers are rounded down. Throws as `gather`.
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
  checkOptions(op, options, ["includeSelf"]);
  checkNumeric(op, x);
  checkChoice(op, "reduce", reduce, ["sum", "prod", "mean", "amax", "amin"]);
  if (x.ndim === 0) return asVectors(index, src, (i, s) => scatterReduce(reshape(x, [1]), dim, i, s, reduce, options));
  const { at, part } = checkScatter(op, x, dim, index, src);
  if (index.numel === 0) return x;
  const includeSelf = options.includeSelf ?? true;
  const own = narrowTo(x, at, index);
  const hit = arrivals(x, at, index);
  const count = reshape(sumOver(cast(hit, "i32"), [at + 1]), own.shape);
  const sources = insertDim(cast(part, x.dtype), at);
  const chosen = (neutral: number): Tensor => where(hit, sources, constant(neutral, x.dtype));
  const joined = (): Tensor => {
    switch (reduce) {
      case "sum":
      case "mean": {
        const total = perPlace(sumOver(chosen(0), [at + 1]), at);
        const all = includeSelf ? add(total, own) : total;
        if (reduce === "sum") return all;
        const divisor = cast(maximum(includeSelf ? add(count, 1) : count, 1), x.dtype);
        return isFloat(x.dtype) ? trueDivide(all, divisor) : floorDivide(all, divisor);
      }
      case "prod": {
        const total = perPlace(productOver(chosen(1), [at + 1]), at);
        return includeSelf ? mul(total, own) : total;
      }
      case "amax": {
        const total = perPlace(maxOver(chosen(lowest[x.dtype]), [at + 1]), at);
        return includeSelf ? maximum(total, own) : total;
      }
      case "amin": {
        const total = perPlace(minOver(chosen(highest[x.dtype]), [at + 1]), at);
        return includeSelf ? minimum(total, own) : total;
      }
      default:
        return reduce satisfies never;
    }
  };
  const written = ge(count, 1);
  return where(grown(written, x, 0), grown(cast(joined(), x.dtype), x, 0), x);
}

/** x plus alpha (default 1) times src, slice by slice: slice i of src goes to slice index[i] along `dim`. Throws as `gather`. */
export function indexAdd(x: Tensor, dim: number, index: Tensor, src: Tensor, options: { alpha?: number } = {}): Tensor {
  const op = "indexAdd";
  checkOptions(op, options, ["alpha"]);
  const alpha = checkNumber(op, "alpha", options.alpha ?? 1);
  checkNumeric(op, x);
  if (x.ndim === 0) return asVectors(index, src, (i, s) => indexAdd(reshape(x, [1]), dim, i, s, options));
  const at = dimOf(op, x, dim);
  checkRank(op, index, [0, 1], "a vector", "the index");
  expectTensor(op, src, "the source");
  checkIndex(op, index, x.shape[at] as number);
  const wanted = x.shape.map((n, i) => (i === at ? index.numel : n));
  if (!sameShape(src.shape, wanted)) {
    throw new ShapeError(
      `${op}: the source must be ${formatShape(wanted)} for ${formatShape(x.shape)} and ${index.numel} indices, got ${formatShape(src.shape)}.`,
      {
        op,
        shapes: [x.shape, src.shape],
      },
    );
  }
  const values = cast(src, x.dtype);
  const total = scatterRows(values, reshape(index, [index.numel]), at, x.shape[at] as number);
  return add(x, alpha === 1 ? total : mul(total, alpha));
}
