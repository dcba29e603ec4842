// Softmax and its kin: exponentials of a row, normalized.

import { normalizeDim } from "../base/shape.ts";
import { asking } from "../graph/asked.ts";
import { type Tensor, withGrad } from "../graph/tensor.ts";
import { neg, sub, trueDivide } from "./arithmetic.ts";
import { asSingleFloat } from "./autocast.ts";
import { expectTensor } from "./define.ts";
import { exp, log } from "./exponential.ts";
import { maxOver, sumOver } from "./reductions.ts";

/** x minus its maximum over `dims`, which the result of a softmax doesn't depend on: a constant of the derivative. */
function shifted(x: Tensor, dims: readonly number[]): Tensor {
  return sub(
    x,
    withGrad(false, () => maxOver(x, dims)),
  );
}

function rowDims(op: string, x: Tensor, dim: number): number[] {
  expectTensor(op, x);
  if (dim === undefined) throw new RangeError(`${op}: the dim is missing. x.${op}(-1) takes the last one.`);
  const normalized = normalizeDim(op, dim, x.ndim);
  return x.ndim === 0 ? [] : [normalized];
}

/** Computes eˣ / Σ eˣ over `dim`, without overflow. */
export function softmax(x: Tensor, dim: number): Tensor {
  const dims = rowDims("softmax", x, dim);
  return asking("softmax", () => {
    const powers = exp(shifted(asSingleFloat(x), dims));
    return trueDivide(powers, sumOver(powers, dims));
  });
}

/** Computes x - log Σ eˣ over `dim`, without overflow. */
export function logSoftmax(x: Tensor, dim: number): Tensor {
  const dims = rowDims("logSoftmax", x, dim);
  return asking("logSoftmax", () => {
    const values = shifted(asSingleFloat(x), dims);
    return sub(values, log(sumOver(exp(values), dims)));
  });
}

/** Computes softmax(-x, dim). */
export function softmin(x: Tensor, dim: number): Tensor {
  expectTensor("softmin", x);
  return softmax(neg(asSingleFloat(x)), dim);
}
