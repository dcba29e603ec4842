// Sums and what is made of them: sum, mean, prod, any, all, counts, variance, logsumexp.

import { isFloat } from "../base/dtype.ts";
import { type Tensor, withGrad } from "../graph/tensor.ts";
import { checkKeepdim, type Dims, filled, finishReduction, reducedDims } from "./arguments.ts";
import { add, logicalNot, mul, ne, sub, trueDivide, where } from "./arithmetic.ts";
import { asSingle, asSingleFloat } from "./autocast.ts";
import { isinf, isnan } from "./comparison.ts";
import { cast, expectTensor } from "./define.ts";
import { exp, log, sqrt, square } from "./exponential.ts";
import { productOver } from "./product.ts";
import { maxOver, minOver, summable, sumOver } from "./reductions.ts";

/** Number of elements that a reduction of `x` over `dims` joins. */
function countOf(x: Tensor, dims: readonly number[]): number {
  return dims.reduce((n, d) => n * (x.shape[d] as number), 1);
}

/** x / n for a count n: a product where that is exact; by 0 it is what 1 / 0 makes of it (0 → NaN). */
export function divideByCount(x: Tensor, n: number): Tensor {
  if (n === 1) return x;
  // 0 / 0, spelled out: drivers may take 0 · ∞ for 0.
  if (n <= 0) return mul(x, Number.NaN);
  return Number.isInteger(Math.log2(n)) ? mul(x, 1 / n) : trueDivide(x, n);
}

/** Mean over `dims`, which stay with size 1. */
export function meanOver(x: Tensor, dims: readonly number[]): Tensor {
  return divideByCount(sumOver(x, dims), countOf(x, dims));
}

/** x minus its mean over `dims`, and the mean of the squares of that: the biased variance, in two passes. */
export function centered(x: Tensor, dims: readonly number[]): { deviation: Tensor; mean: Tensor; variance: Tensor } {
  const mean = meanOver(x, dims);
  const deviation = sub(x, mean);
  return { deviation, mean, variance: meanOver(square(deviation), dims) };
}

/** A reduction over `dim` (one, several, all). */
type Reducing = (x: Tensor, dim?: Dims, keepdim?: boolean) => Tensor;

/** Makes a reduction of what `over` computes with the reduced dims kept. */
function reducing(op: string, over: (x: Tensor, dims: readonly number[]) => Tensor): Reducing {
  return (x, dim, keepdim = false) => {
    const dims = reducedDims(op, dim, expectTensor(op, x).ndim);
    checkKeepdim(op, keepdim);
    return finishReduction(over(x, dims), dims, keepdim);
  };
}

/** Sums over `dim` (one, several, all). bool is counted in i32. The sum of nothing is 0. */
export const sum: Reducing = reducing("sum", (x, dims) => sumOver(asSingle(summable(x)), dims));

/** Takes the mean over `dim` (one, several, all), of integers in f32. The mean of nothing is NaN. */
export const mean: Reducing = reducing("mean", (x, dims) => meanOver(asSingleFloat(x), dims));

/** Multiplies over `dim` (one, several, all), bool in i32. The product of nothing is 1. */
export const prod: Reducing = reducing("prod", (x, dims) => productOver(asSingle(summable(x)), dims));

/** Truth values as numbers. */
const truth = (x: Tensor): Tensor => cast(cast(x, "bool"), "u32");

/** Tells whether all elements over `dim` (one, several, all) are true (not 0), as bool. Of nothing, it is true. */
export const all: Reducing = reducing("all", (x, dims) => cast(minOver(truth(x), dims), "bool"));

/** Tells whether any element over `dim` (one, several, all) is true (not 0), as bool. Of nothing, it is false. */
export const any: Reducing = reducing("any", (x, dims) => cast(maxOver(truth(x), dims), "bool"));

/** Counts the elements that are not 0 over `dim` (one, several, all), in i32. */
export const countNonzero: Reducing = reducing("countNonzero", (x, dims) => sumOver(cast(ne(x, 0), "i32"), dims));

/** Sums over `dim` (one, several, all) what is not NaN. */
export const nansum: Reducing = reducing("nansum", (x, dims) => {
  const values = asSingle(summable(x));
  return sumOver(isFloat(x.dtype) ? where(isnan(x), 0, values) : values, dims);
});

/** Takes the mean over `dim` (one, several, all) of what is not NaN; NaN if nothing is left. */
export const nanmean: Reducing = reducing("nanmean", (x, dims) => {
  const values = asSingleFloat(x);
  const missing = isnan(values);
  const count = sumOver(cast(logicalNot(missing), values.dtype), dims);
  return trueDivide(sumOver(where(missing, 0, values), dims), count);
});

/**
 * Computes the variance over `dim` (one, several, all): Σ (x - mean)² / (n - correction), in two passes. NaN if n ≤
 * correction.
 */
export function variance(x: Tensor, dim?: Dims, keepdim = false, options: { correction?: number } = {}): Tensor {
  return varianceOf("variance", x, dim, keepdim, options);
}

/** Computes the standard deviation over `dim` (one, several, all): √variance. */
export function std(x: Tensor, dim?: Dims, keepdim = false, options: { correction?: number } = {}): Tensor {
  return sqrt(varianceOf("std", x, dim, keepdim, options));
}

function varianceOf(
  op: string,
  x: Tensor,
  dim: Dims | undefined,
  keepdim: boolean,
  options: { correction?: number },
): Tensor {
  const { correction } = filled(op, options, { correction: 1 });
  const values = asSingleFloat(expectTensor(op, x));
  const dims = reducedDims(op, dim, x.ndim);
  checkKeepdim(op, keepdim);
  const squares = sumOver(square(sub(values, meanOver(values, dims))), dims);
  return finishReduction(divideByCount(squares, Math.max(0, countOf(x, dims) - correction)), dims, keepdim);
}

/** The maximum over `dims` as a constant of the derivative, and 0 where it is infinite: what exponentials are shifted by. */
function shiftOver(x: Tensor, dims: readonly number[]): Tensor {
  return withGrad(false, () => {
    const highest = maxOver(x, dims);
    return where(isinf(highest), 0, highest);
  });
}

/** Computes log Σ eˣ over `dim` (one, several, all), without overflow. Of nothing, it is -∞. */
export const logsumexp: Reducing = reducing("logsumexp", (x, dims) => {
  const values = asSingleFloat(x);
  const shift = shiftOver(values, dims);
  return add(log(sumOver(exp(sub(values, shift)), dims)), shift);
});
