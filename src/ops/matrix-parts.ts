// Parts of matrices: triangles, diagonals, quarter turns, one-hot rows.

import { ShapeError } from "../base/errors.ts";
import { checkShape, normalizeDim, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { filled, insertDim } from "./arguments.ts";
import { eq, ge, le, sub, where } from "./arithmetic.ts";
import { cast, checkWhole, constant, expectTensor, same } from "./define.ts";
import { isOutside, unless } from "./gathering.ts";
import { checkIndex, hostRange } from "./host-values.ts";
import { iota } from "./iota.ts";
import { flip, movedim, transpose } from "./movement.ts";
import { diagonalOf, embedDiagonal, permute, reshape } from "./views.ts";

function checkMatrix(op: string, x: Tensor): void {
  if (x.ndim < 2) throw shapeError`${op}: needs at least 2 dims, got ${x.shape}.`;
}

function whole(op: string, name: string, value: number): number {
  return checkWhole(op, name, value, Number.MIN_SAFE_INTEGER);
}

function triangle(op: string, x: Tensor, options: { diagonal?: number }, compare: typeof le): Tensor {
  expectTensor(op, x);
  const diagonal = whole(op, "diagonal", filled(op, options, { diagonal: 0 }).diagonal);
  checkMatrix(op, x);
  checkShape(op, x.shape);
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const distance = sub(iota(columns), reshape(iota(rows), [rows, 1]));
  return where(compare(distance, diagonal), x, constant(0, x.dtype));
}

/**
 * Keeps the lower triangle of the last two dims, with zeros above: element (i, j) stays if j - i ≤ `diagonal` (default
 * 0).
 */
export function tril(x: Tensor, options: { diagonal?: number } = {}): Tensor {
  return triangle("tril", x, options, le);
}

/**
 * Keeps the upper triangle of the last two dims, with zeros below: element (i, j) stays if j - i ≥ `diagonal` (default
 * 0).
 */
export function triu(x: Tensor, options: { diagonal?: number } = {}): Tensor {
  return triangle("triu", x, options, ge);
}

/** Takes the elements (i, i + offset) of dims `dim1` and `dim2` (default 0 and 1), as a new last dim. */
export function diagonal(x: Tensor, options: { offset?: number; dim1?: number; dim2?: number } = {}): Tensor {
  const op = "diagonal";
  expectTensor(op, x);
  const given = filled(op, options, { offset: 0, dim1: 0, dim2: 1 });
  checkMatrix(op, x);
  const offset = whole(op, "offset", given.offset);
  const dim1 = normalizeDim(op, given.dim1, x.ndim);
  const dim2 = normalizeDim(op, given.dim2, x.ndim);
  if (dim1 === dim2) throw new RangeError(`${op}: dim1 and dim2 must differ, got ${dim1} twice.`);
  const rest = [...x.shape.keys()].filter((d) => d !== dim1 && d !== dim2);
  const matrix = permute(x, [...rest, dim1, dim2]);
  const row = Math.max(-offset, 0);
  const column = Math.max(offset, 0);
  const length = Math.max(0, Math.min((x.shape[dim1] as number) - row, (x.shape[dim2] as number) - column));
  return diagonalOf(matrix, row, column, length);
}

/**
 * Makes zeros with the last dim of `x` as the diagonal `offset` (default 0) of two new dims at `dim1` and `dim2`
 * (default: the last).
 */
export function diagEmbed(x: Tensor, options: { offset?: number; dim1?: number; dim2?: number } = {}): Tensor {
  const op = "diagEmbed";
  expectTensor(op, x);
  const given = filled(op, options, { offset: 0, dim1: -2, dim2: -1 });
  if (x.ndim < 1) throw new ShapeError(`${op}: needs at least 1 dim, got a scalar.`, { op, shapes: [x.shape] });
  const offset = whole(op, "offset", given.offset);
  const rank = x.ndim + 1;
  const dim1 = normalizeDim(op, given.dim1, rank);
  const dim2 = normalizeDim(op, given.dim2, rank);
  if (dim1 === dim2) throw new RangeError(`${op}: dim1 and dim2 must differ, got ${dim1} twice.`);
  const size = (x.shape[x.ndim - 1] as number) + Math.abs(offset);
  const matrix = embedDiagonal(x, [...x.shape.slice(0, -1), size, size], Math.max(-offset, 0), Math.max(offset, 0));
  return movedim(matrix, [-2, -1], [dim1, dim2]);
}

/**
 * Makes the matrix with a vector on its diagonal, or takes the diagonal of a matrix as a vector. `diagonal` says which
 * (default 0).
 */
export function diag(x: Tensor, options: { diagonal?: number } = {}): Tensor {
  expectTensor("diag", x);
  const offset = whole("diag", "diagonal", filled("diag", options, { diagonal: 0 }).diagonal);
  if (x.ndim === 1) return diagEmbed(x, { offset });
  if (x.ndim === 2) return diagonal(x, { offset });
  throw shapeError`diag: needs a vector or a matrix, got ${x.shape}. diagonal and diagEmbed take batches.`;
}

/**
 * Turns by `k` (default 1) quarter turns in the plane of `dims` (default [0, 1]), from the first towards the second.
 */
export function rot90(x: Tensor, options: { k?: number; dims?: readonly [number, number] } = {}): Tensor {
  expectTensor("rot90", x);
  const { k: turns, dims } = filled("rot90", options, { k: 1, dims: [0, 1] });
  const k = whole("rot90", "k", turns);
  checkMatrix("rot90", x);
  if (!Array.isArray(dims) || dims.length !== 2)
    throw new RangeError(`rot90: dims must name two dims, got ${String(dims)}.`);
  const [a, b] = dims.map((d: number) => normalizeDim("rot90", d, x.ndim)) as [number, number];
  if (a === b) throw new RangeError(`rot90: dims must differ, got ${a} twice.`);
  switch (((k % 4) + 4) % 4) {
    case 1:
      return flip(transpose(x, a, b), [a]);
    case 2:
      return flip(x, [a, b]);
    case 3:
      return flip(transpose(x, a, b), [b]);
    default:
      return same(x);
  }
}

/**
 * Turns classes into rows with a 1 at the class: [*] → [*, numClasses], i32. -1 takes as many classes as occur, which
 * works for host data only. Throws a DTypeError unless `x` is integer, and a RangeError for classes out of range; if
 * only the device knows them, their rows are all -2^31.
 */
export function oneHot(x: Tensor, numClasses: number): Tensor {
  expectTensor("oneHot", x);
  if (numClasses === -1) {
    const largest = hostRange(x)?.[1] ?? -1;
    if (largest >= 0) return oneHot(x, largest + 1);
  }
  checkWhole("oneHot", "numClasses", numClasses, 1);
  checkIndex("oneHot", x, numClasses);
  checkShape("oneHot", [...x.shape, numClasses]);
  const classes = insertDim(x, x.ndim);
  return unless(isOutside(classes, numClasses), cast(eq(classes, iota(numClasses)), "i32"));
}
