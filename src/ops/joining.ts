// Joining, splitting and repeating: cat, stack, split, chunk, unbind, repeat, tile, repeatInterleave, meshgrid.

import { type DType, isFloat, promote } from "../base/dtype.ts";
import { checkShape, formatShape, normalizeDim, type Shape, sameShape, shapeError } from "../base/shape.ts";
import type { ElementwiseDefinition } from "../graph/definition.ts";
import { record, Tensor } from "../graph/tensor.ts";
import {
  alongDim,
  checkChoice,
  dimOf,
  dropDims,
  filled,
  insertDim,
  listOf,
  range,
  surroundedAlong,
  withSize,
} from "./arguments.ts";
import { lt } from "./arithmetic.ts";
import { cast, checkOptions, checkWhole, expectTensor, printed, same } from "./define.ts";
import { hostNumbers } from "./host-values.ts";
import { iota } from "./iota.ts";
import { flatten } from "./movement.ts";
import { expand, expandTo, permute, reshape } from "./views.ts";

const joinDefinition: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "cat",
  wgsl: (_t, x, y, c) => `select(${y}, ${x}, ${c})`,
  reference: (x, y, c) => (c !== 0 ? (x as number) : (y as number)),
  // Each side is padded outside its own part, and the gradient of padding takes just that part: no mask is needed here.
  derivative: (g) => [g, g, null],
  cost: 1,
};

/** The default of ops that join and split. */
const FIRST = { dim: 0 };

/** Most tensors that one kernel joins: each is a buffer of its own, and devices guarantee few. */
const GROUP = 6;

function join(parts: readonly Tensor[], dim: number): Tensor {
  if (parts.length === 1) return same(parts[0] as Tensor);
  if (parts.length > GROUP) {
    const groups = Math.ceil(parts.length / GROUP);
    const size = Math.ceil(parts.length / Math.min(groups, GROUP));
    const joined: Tensor[] = [];
    for (let i = 0; i < parts.length; i += size) joined.push(join(parts.slice(i, i + size), dim));
    return join(joined, dim);
  }
  const sizes = parts.map((p) => p.shape[dim] as number);
  const total = sizes.reduce((a, b) => a + b, 0);
  const rank = (parts[0] as Tensor).ndim;
  const position = reshape(iota(total), alongDim(rank, dim, total));
  let end = total;
  let result: Tensor | null = null;
  for (let i = parts.length - 1; i >= 0; i--) {
    const part = parts[i] as Tensor;
    const start = end - (sizes[i] as number);
    const placed = surroundedAlong(part, dim, start, total - end, 0);
    result =
      result === null
        ? placed
        : record(joinDefinition, [placed, result, lt(position, end)], placed.shape, placed.dtype);
    end = start;
  }
  return result as Tensor;
}

function checkList(op: string, tensors: readonly Tensor[]): DType {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new TypeError(`${op}: needs a list of at least one tensor. ${op}([a, b], { dim: 0 }) is the form.`);
  }
  tensors.forEach((x: Tensor, i: number) => {
    expectTensor(op, x, `element ${i}`);
  });
  return tensors.map((x: Tensor) => x.dtype).reduce(promote);
}

/**
 * Joins tensors one after the other along `dim` (default 0). Throws a ShapeError if other dims differ. As in PyTorch,
 * empty vectors ([0]) fit to anything.
 */
export function cat(tensors: readonly Tensor[], options: { dim?: number } = {}): Tensor {
  const dtype = checkList("cat", tensors);
  const counted = tensors.filter((x) => x.ndim !== 1 || x.shape[0] !== 0);
  const first = (counted[0] ?? tensors[0]) as Tensor;
  const dim = dimOf("cat", first, filled("cat", options, FIRST).dim);
  counted.forEach((x, i) => {
    if (x.ndim !== first.ndim || x.shape.some((n, d) => d !== dim && n !== first.shape[d])) {
      throw shapeError`cat: sizes must be equal but along dim ${dim}, got ${formatShape(first.shape)} and ${formatShape(x.shape)} (tensor ${i}).`;
    }
  });
  const parts = counted.filter((x) => x.shape[dim] !== 0).map((x) => cast(x, dtype));
  checkShape(
    "cat",
    withSize(
      first.shape,
      dim,
      parts.reduce((sum, x) => sum + (x.shape[dim] as number), 0),
    ),
  );
  return join(parts.length === 0 ? [cast(first, dtype)] : parts, dim);
}

/** Joins tensors of one shape along a new dim (default 0). Throws a ShapeError if shapes differ. */
export function stack(tensors: readonly Tensor[], options: { dim?: number } = {}): Tensor {
  const dtype = checkList("stack", tensors);
  const first = tensors[0] as Tensor;
  const dim = normalizeDim("stack", filled("stack", options, FIRST).dim, first.ndim + 1);
  for (const x of tensors) {
    if (!sameShape(x.shape, first.shape)) {
      throw shapeError`stack: shapes must be equal, got ${formatShape(first.shape)} and ${formatShape(x.shape)}. cat joins along a dim that is there.`;
    }
  }
  checkShape("stack", [tensors.length, ...first.shape]);
  return join(
    tensors.map((x) => insertDim(cast(x, dtype), dim)),
    dim,
  );
}

/**
 * Splits along `dim` (default 0) into parts of `size` elements (the last may be smaller), or of the listed sizes.
 * Throws a ShapeError if listed sizes do not add up.
 */
export function split(x: Tensor, size: number | readonly number[], options: { dim?: number } = {}): Tensor[] {
  const dim = dimOf("split", x, filled("split", options, FIRST).dim);
  const total = x.shape[dim] as number;
  if (typeof size === "number") {
    checkWhole("split", "size", size, total === 0 ? 0 : 1);
    const count = total === 0 ? 1 : Math.ceil(total / size);
    return Array.from({ length: count }, (_, i) => range(x, dim, i * size, Math.min(size, total - i * size)));
  }
  if (!Array.isArray(size))
    throw new TypeError(`split: size must be a whole number or a list of them, got ${printed(size)}.`);
  for (const n of size) checkWhole("split", "each size", n, 0);
  const sum = size.reduce((a, b) => a + b, 0);
  if (sum !== total) {
    throw shapeError`split: sizes must add up to dim ${dim} of ${x.shape}, got ${size} (${sum} ≠ ${total}).`;
  }
  let start = 0;
  return size.map((n) => {
    start += n;
    return range(x, dim, start - n, n);
  });
}

/** Splits into at most `chunks` parts of equal size along `dim` (default 0); the last may be smaller. */
export function chunk(x: Tensor, chunks: number, options: { dim?: number } = {}): Tensor[] {
  const dim = dimOf("chunk", x, filled("chunk", options, FIRST).dim);
  checkWhole("chunk", "chunks", chunks, 1);
  const total = x.shape[dim] as number;
  if (total === 0) return Array.from({ length: chunks }, () => same(x));
  return split(x, Math.ceil(total / chunks), { dim });
}

/** Splits into the parts at each index of `dim` (default 0). The dim disappears. */
export function unbind(x: Tensor, options: { dim?: number } = {}): Tensor[] {
  const dim = dimOf("unbind", x, filled("unbind", options, FIRST).dim);
  return Array.from({ length: x.shape[dim] as number }, (_, i) => dropDims(range(x, dim, i, 1), [dim]));
}

/** Repeats the whole tensor `reps[i]` times along each dim. More reps than dims add dims in front. */
export function repeat(x: Tensor, reps: number | readonly number[]): Tensor {
  return repeatAs("repeat", x, typeof reps === "number" ? [reps] : reps);
}

function repeatAs(op: string, x: Tensor, reps: readonly number[]): Tensor {
  expectTensor(op, x);
  if (!Array.isArray(reps)) throw new TypeError(`${op}: the repetitions are a list of numbers, got ${String(reps)}.`);
  for (const n of reps) checkWhole(op, "each repetition", n, 0);
  const extra = reps.length - x.ndim;
  if (extra < 0) {
    throw shapeError`${op}: needs a repetition for each dim, got ${reps} for ${x.shape}. tile takes fewer.`;
  }
  const split: number[] = [];
  const grown: number[] = [];
  const shape = reps.map((n: number, i: number) => {
    const size = i < extra ? 1 : (x.shape[i - extra] as number);
    if (n !== 1) {
      split.push(1);
      grown.push(n);
    }
    split.push(size);
    grown.push(size);
    return n * size;
  });
  checkShape(op, shape);
  return reshape(expand(reshape(x, split), grown), shape);
}

/** Repeats as `repeat` does; fewer reps than dims count for the last dims. */
export function tile(x: Tensor, reps: number | readonly number[]): Tensor {
  const list = listOf("tile", "the repetitions", reps);
  const missing = Math.max(0, expectTensor("tile", x).ndim - list.length);
  return repeatAs("tile", x, [...new Array<number>(missing).fill(1), ...list]);
}

/**
 * Repeats every element along `dim` `repeats` times in a row; a list gives each its own count. Without `dim`, flattens
 * first. Counts may be a tensor of host data only, because the shape of the result depends on them.
 */
export function repeatInterleave(
  x: Tensor,
  repeats: number | readonly number[] | Tensor,
  options: { dim?: number } = {},
): Tensor {
  const op = "repeatInterleave";
  checkOptions(op, options, ["dim"]);
  if (options.dim === undefined) return repeatInterleave(flatten(expectTensor(op, x)), repeats, { dim: 0 });
  const dim = dimOf(op, x, options.dim);
  const size = x.shape[dim] as number;
  if (repeats instanceof Tensor) return repeatInterleave(x, hostCounts(op, repeats, size), { dim });
  if (typeof repeats === "number") {
    checkShape(op, withSize(x.shape, dim, size * checkWhole(op, "repeats", repeats, 0)));
    return repeatedAlong(x, dim, repeats);
  }
  if (!Array.isArray(repeats) || repeats.length !== size) {
    throw new RangeError(
      `${op}: repeats are a number or a list of ${size} for dim ${dim} of ${formatShape(x.shape)}, got ${String(repeats)}.`,
    );
  }
  const total = repeats.reduce((sum: number, n: number) => sum + checkWhole(op, "each count", n, 0), 0);
  checkShape(op, withSize(x.shape, dim, total));
  const parts = repeats.flatMap((n: number, i: number) =>
    n === 0 ? [] : [repeatedAlong(range(x, dim, i, 1), dim, n)],
  );
  return parts.length === 0 ? range(x, dim, 0, 0) : join(parts, dim);
}

/** Every element along `dim` so many times in a row. */
export function repeatedAlong(x: Tensor, dim: number, times: number): Tensor {
  const apart = insertDim(x, dim + 1);
  const wide = expand(apart, withSize(apart.shape, dim + 1, times));
  return reshape(wide, withSize(x.shape, dim, (x.shape[dim] as number) * times));
}

/** The counts in a tensor of host data, one for all or one each. */
function hostCounts(op: string, counts: Tensor, size: number): number[] {
  const values = isFloat(counts.dtype) || counts.dtype === "bool" ? null : hostNumbers(counts);
  if (values === null) {
    throw new TypeError(
      `${op}: counts must be numbers, a list or an integer tensor of host data, got ${printed(counts)}. await counts.tolist() gives a list.`,
    );
  }
  return values.length === 1 ? new Array<number>(size).fill(values[0] as number) : values;
}

/**
 * Makes coordinate grids of vectors: result i holds vector i along dim i of the grid. A last argument `{ indexing: "xy"
 * }` exchanges the first two dims of the grid (default "ij").
 */
export function meshgrid(x: Tensor, ...rest: (Tensor | { indexing?: "ij" | "xy" })[]): Tensor[] {
  const last = rest[rest.length - 1];
  const options = last === undefined || last instanceof Tensor ? {} : last;
  const { indexing } = filled("meshgrid", options, { indexing: "ij" });
  checkChoice("meshgrid", "indexing", indexing, ["ij", "xy"]);
  const vectors = [x, ...rest.filter((v) => v !== options)].map((v, i) => {
    const vector = expectTensor("meshgrid", v, `argument ${i}`);
    if (vector.ndim > 1) {
      throw shapeError`meshgrid: needs vectors, got ${vector.shape}.`;
    }
    return flatten(vector);
  });
  const shape: Shape = vectors.map((v) => v.shape[0] as number);
  return vectors.map((v, i) => {
    const grid = expandTo("meshgrid", reshape(v, alongDim(shape.length, i, shape[i] as number)), shape);
    if (indexing === "ij" || shape.length < 2) return grid;
    return permute(grid, [1, 0, ...Array.from({ length: shape.length - 2 }, (_, k) => k + 2)]);
  });
}
