// Extremes and where they are: amax, amin, max, min, argmax, argmin.

import { isFloat } from "../base/dtype.ts";
import { shapeError, sizeOf } from "../base/shape.ts";
import type { Derivative, ReduceDefinition } from "../graph/definition.ts";
import { type Tensor, withGrad } from "../graph/tensor.ts";
import { checkKeepdim, type Dims, dimOf, finishReduction, reducedDims } from "./arguments.ts";
import { eq, logicalOr, where } from "./arithmetic.ts";
import { isnan } from "./comparison.ts";
import { cast, constant, expectTensor } from "./define.ts";
import { iota } from "./iota.ts";
import { maxOver, maxReduction, minOver, minReduction, reduce } from "./reductions.ts";
import { reshape } from "./views.ts";

/** Row-major position of each element within the reduced `dims`. */
function positions(x: Tensor, dims: readonly number[]): Tensor {
  const shape = x.shape.map((n, i) => (dims.includes(i) ? n : 1));
  return reshape(iota(sizeOf(shape)), shape);
}

/** Position of the first element of `x` that is the extreme `out` (or NaN, which wins); dims stay with size 1. */
function firstPosition(x: Tensor, out: Tensor, position: Tensor, dims: readonly number[]): Tensor {
  const same = eq(x, out);
  const hit = isFloat(x.dtype) ? logicalOr(same, isnan(x)) : same;
  return minOver(where(hit, position, Math.max(sizeOf(position.shape) - 1, 0)), dims);
}

const toFirst: Derivative<Tensor> = (g, out, [x], dims) => {
  const position = positions(x as Tensor, dims);
  return [where(eq(position, firstPosition(x as Tensor, out, position, dims)), g, 0)];
};

// The same kernels as amax and amin; only the gradient differs.
const firstMaxReduction: ReduceDefinition<Tensor> = { ...maxReduction, derivative: toFirst };
const firstMinReduction: ReduceDefinition<Tensor> = { ...minReduction, derivative: toFirst };

function orderable(x: Tensor): Tensor {
  return x.dtype === "bool" ? cast(x, "i32") : x;
}

/** Maximum over `dims`, which stay with size 1; NaN wins; the gradient goes to the first (row-major) of the equals. */
export function firstMaxOver(x: Tensor, dims: readonly number[]): Tensor {
  return cast(reduce(firstMaxReduction, orderable(x), dims), x.dtype);
}

/** Demands elements to choose from. */
export function checkNotEmpty(op: string, x: Tensor, dims: readonly number[]): void {
  if (dims.some((d) => x.shape[d] === 0)) {
    throw shapeError`${op}: nothing to choose from where a reduced dim has size 0, got ${x.shape}.`;
  }
}

function extreme(
  op: string,
  over: (x: Tensor, dims: readonly number[]) => Tensor,
  x: Tensor,
  dim: Dims | undefined,
  keepdim: boolean,
): Tensor {
  const dims = reducedDims(op, dim, expectTensor(op, x).ndim);
  checkKeepdim(op, keepdim);
  checkNotEmpty(op, x, dims);
  return finishReduction(cast(over(orderable(x), dims), x.dtype), dims, keepdim);
}

/**
 * Takes the maximum over `dim` (one, several, all). NaN wins. The gradient is shared evenly among equals. Throws a
 * ShapeError if there is nothing to choose from.
 */
export function amax(x: Tensor, dim?: Dims, keepdim = false): Tensor {
  return extreme("amax", maxOver, x, dim, keepdim);
}

/**
 * Takes the minimum over `dim` (one, several, all). NaN wins. The gradient is shared evenly among equals. Throws as
 * `amax`.
 */
export function amin(x: Tensor, dim?: Dims, keepdim = false): Tensor {
  return extreme("amin", minOver, x, dim, keepdim);
}

function firstExtreme(
  op: string,
  definition: ReduceDefinition<Tensor>,
  x: Tensor,
  dim: Dims | undefined,
  keepdim: boolean,
): Tensor {
  expectTensor(op, x);
  if (typeof dim !== "number")
    return extreme(op, definition === firstMaxReduction ? maxOver : minOver, x, dim, keepdim);
  return extreme(op, (values, dims) => reduce(definition, values, dims), x, dim, keepdim);
}

/**
 * Takes the maximum over `dim`: the values only (`argmax` tells where). The gradient goes to the first of the equals.
 * Without `dim`, takes it over all elements; equals share the gradient. NaN wins. Throws a ShapeError if there is
 * nothing to choose from.
 */
export function max(x: Tensor, dim?: Dims, keepdim = false): Tensor {
  return firstExtreme("max", firstMaxReduction, x, dim, keepdim);
}

/** Takes the minimum over `dim`, as `max` takes the maximum. */
export function min(x: Tensor, dim?: Dims, keepdim = false): Tensor {
  return firstExtreme("min", firstMinReduction, x, dim, keepdim);
}

function argExtreme(
  op: string,
  over: (x: Tensor, dims: readonly number[]) => Tensor,
  x: Tensor,
  dim: number | null | undefined,
  keepdim: boolean,
): Tensor {
  expectTensor(op, x);
  const dims =
    dim === undefined || dim === null
      ? [...x.shape.keys()]
      : x.ndim === 0
        ? reducedDims(op, dim, 0)
        : [dimOf(op, x, dim)];
  checkKeepdim(op, keepdim);
  checkNotEmpty(op, x, dims);
  return withGrad(false, () => {
    if (dims.length === 0) return constant(0, "i32");
    const values = orderable(x);
    const first = firstPosition(values, over(values, dims), positions(values, dims), dims);
    return finishReduction(first, dims, keepdim);
  });
}

/**
 * Finds the index of the first maximum along `dim`, or of all elements in row-major order; i32. NaN counts as the
 * largest. Throws a ShapeError if there is nothing to choose from.
 */
export function argmax(x: Tensor, dim?: number | null, keepdim = false): Tensor {
  return argExtreme("argmax", maxOver, x, dim, keepdim);
}

/**
 * Finds the index of the first minimum along `dim`, or of all elements in row-major order; i32. NaN counts as the
 * smallest.
 */
export function argmin(x: Tensor, dim?: number | null, keepdim = false): Tensor {
  return argExtreme("argmin", minOver, x, dim, keepdim);
}
