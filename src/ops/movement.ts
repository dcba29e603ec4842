// Movement by views alone: shapes, order of dims, slices, flips, rolls.

import {
  checkShape,
  formatShape,
  inferShape,
  normalizeDim,
  normalizeDims,
  type Shape,
  shapeError,
} from "../base/shape.ts";
import { Tensor } from "../graph/tensor.ts";
import { dimOf, dropDims, filled, insertDim, listOf, range, withSize } from "./arguments.ts";
import { add, lt, where } from "./arithmetic.ts";
import { checkOptions, checkWhole, expectTensor, same } from "./define.ts";
import { pickRows } from "./gathering.ts";
import { checkIndex } from "./host-values.ts";
import { iota } from "./iota.ts";
import { expandTo, permute, reshape, rolled, strided, windows } from "./views.ts";

/** The same elements, row-major, in another shape; one size may be -1. The same as `reshape`. */
export function view(x: Tensor, shape: Shape): Tensor {
  return reshape(x, shape);
}

/** Joins the dims from `startDim` (default 0) to `endDim` (default -1) into one. A scalar becomes [1]. */
export function flatten(x: Tensor, options: { startDim?: number; endDim?: number } = {}): Tensor {
  const { startDim, endDim } = filled("flatten", options, { startDim: 0, endDim: -1 });
  expectTensor("flatten", x);
  const start = normalizeDim("flatten", startDim, x.ndim);
  const end = normalizeDim("flatten", endDim, x.ndim);
  if (start > end) throw new RangeError(`flatten: startDim must not come after endDim, got ${start} and ${end}.`);
  const joined = x.shape.slice(start, end + 1).reduce((n, size) => n * size, 1);
  return reshape(x, [...x.shape.slice(0, start), joined, ...x.shape.slice(end + 1)]);
}

/**
 * Splits `dim` into several of `sizes`, one of which may be -1. Throws a ShapeError if they do not multiply to its
 * size.
 */
export function unflatten(x: Tensor, dim: number, sizes: readonly number[]): Tensor {
  const at = dimOf("unflatten", x, dim);
  if (!Array.isArray(sizes) || sizes.length === 0) {
    throw shapeError`unflatten: the sizes are a list with at least one, got ${String(sizes)}. x.unflatten(1, [2, -1]) is the form.`;
  }
  const inner = inferShape("unflatten", [x.shape[at] as number], sizes);
  return reshape(x, [...x.shape.slice(0, at), ...inner, ...x.shape.slice(at + 1)]);
}

/** Drops the dims of size 1; with `dim` (one or several) only those. */
export function squeeze(x: Tensor, options: { dim?: number | readonly number[] } = {}): Tensor {
  checkOptions("squeeze", options, ["dim"]);
  expectTensor("squeeze", x);
  const dims = normalizeDims("squeeze", options.dim, x.ndim).filter((d) => x.shape[d] === 1);
  return dropDims(x, dims);
}

/** Adds a dim of size 1 at `dim` (-1: the last). */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  return insertDim(x, normalizeDim("unsqueeze", dim, expectTensor("unsqueeze", x).ndim + 1));
}

/** Exchanges the dims `a` and `b`. */
export function transpose(x: Tensor, a: number, b: number): Tensor {
  expectTensor("transpose", x);
  const [from, to] = [normalizeDim("transpose", a, x.ndim), normalizeDim("transpose", b, x.ndim)];
  const order = [...x.shape.keys()];
  if (x.ndim === 0 || from === to) return same(x);
  order[from] = to;
  order[to] = from;
  return permute(x, order);
}

/** Transposes a matrix; vectors and scalars stay. Throws a ShapeError for more than two dims. */
export function t(x: Tensor): Tensor {
  expectTensor("t", x);
  if (x.ndim > 2) {
    throw shapeError`t: the tensor must have at most 2 dims, got ${x.shape}. x.transpose(-2, -1) exchanges the last two.`;
  }
  return x.ndim === 2 ? permute(x, [1, 0]) : same(x);
}

/** Moves the dims `source` to the places `destination`. The others keep their order. */
export function movedim(
  x: Tensor,
  source: number | readonly number[],
  destination: number | readonly number[],
): Tensor {
  expectTensor("movedim", x);
  const list = (dims: number | readonly number[]): number[] => {
    const result = listOf("movedim", "dims", dims).map((d) => normalizeDim("movedim", d, x.ndim));
    if (new Set(result).size === result.length) return result;
    throw new RangeError(`movedim: each dim may be named once, got [${result.join(", ")}].`);
  };
  const [from, to] = [list(source), list(destination)];
  if (from.length !== to.length) {
    throw new RangeError(`movedim: source and destination must be equally many, got ${from.length} and ${to.length}.`);
  }
  if (x.ndim === 0) return same(x);
  const order = new Array<number>(x.ndim).fill(-1);
  from.forEach((d, i) => {
    order[to[i] as number] = d;
  });
  const rest = [...x.shape.keys()].filter((d) => !from.includes(d));
  return permute(
    x,
    order.map((d) => (d >= 0 ? d : (rest.shift() as number))),
  );
}

/** Repeats sizes of 1 to `shape`. The same as `expand`, which also takes -1. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return expandTo("broadcastTo", x, shape);
}

/** Reverses the order of elements along `dims`. */
export function flip(x: Tensor, dims: number | readonly number[]): Tensor {
  const reversed = normalizeDims("flip", dims, expectTensor("flip", x).ndim);
  return strided(
    x,
    x.shape.map((n, i) => (reversed.includes(i) ? Math.max(n - 1, 0) : 0)),
    x.shape.map((_, i) => (reversed.includes(i) ? -1 : 1)),
    x.shape,
  );
}

/** Shifts elements around along `dims`, one shift each. Without `dims`, along the flattened tensor. */
export function roll(
  x: Tensor,
  shifts: number | readonly number[],
  options: { dims?: number | readonly number[] } = {},
): Tensor {
  checkOptions("roll", options, ["dims"]);
  expectTensor("roll", x);
  const amounts = listOf("roll", "shifts", shifts);
  for (const shift of amounts) {
    if (!Number.isInteger(shift)) throw new RangeError(`roll: shifts must be whole numbers, got ${String(shift)}.`);
  }
  if (options.dims === undefined) {
    if (amounts.length !== 1)
      throw new RangeError(`roll: without dims there is one shift, got ${amounts.length}. { dims } takes one each.`);
    return reshape(roll(reshape(x, [x.numel]), amounts, { dims: 0 }), x.shape);
  }
  const dims = (typeof options.dims === "number" ? [options.dims] : options.dims).map((d) =>
    normalizeDim("roll", d, x.ndim),
  );
  if (dims.length !== amounts.length)
    throw new RangeError(`roll: shifts and dims must be equally many, got ${amounts.length} and ${dims.length}.`);
  const total = x.shape.map(() => 0);
  if (x.numel === 0 || x.ndim === 0) return same(x);
  dims.forEach((d, i) => {
    const size = x.shape[d] as number;
    total[d] = ((((total[d] as number) + (amounts[i] as number)) % size) + size) % size;
  });
  return rolled(x, total);
}

/**
 * Takes `length` elements along `dim` from `start` on; a negative start counts from the end. A start that is an integer
 * scalar is read on the device. Throws a RangeError if it goes beyond the ends; if only the device knows, what lies
 * beyond is as in `gather`.
 */
export function narrow(x: Tensor, dim: number, start: number | Tensor, length: number): Tensor {
  const at = dimOf("narrow", x, dim);
  const size = x.shape[at] as number;
  if (start instanceof Tensor) {
    checkWhole("narrow", "length", length, 0);
    if (start.ndim !== 0) {
      throw shapeError`narrow: start must be a number or a scalar, got ${start.shape}.`;
    }
    checkIndex("narrow", start, size - length + 1, -size);
    return pickRows(x, at, add(iota(length), where(lt(start, 0), add(start, size), start)));
  }
  if (!Number.isInteger(start)) throw new RangeError(`narrow: start must be a whole number, got ${String(start)}.`);
  checkWhole("narrow", "length", length, 0);
  const first = start < 0 ? start + size : start;
  if (first < 0 || first + length > size) {
    throw new RangeError(
      `narrow: start ${start} with length ${length} goes beyond dim ${at} of ${formatShape(x.shape)}.`,
    );
  }
  return range(x, at, first, length);
}

/**
 * Takes the part at `index` of `dim`, which disappears; a negative index counts from the end. Throws a RangeError
 * beyond the ends.
 */
export function select(x: Tensor, dim: number, index: number): Tensor {
  const at = dimOf("select", x, dim);
  return dropDims(range(x, at, checkPosition("select", index, x.shape[at] as number, at), 1), [at]);
}

function checkPosition(op: string, index: number, size: number, dim: number): number {
  if (!Number.isInteger(index) || index < -size || index >= size) {
    throw new RangeError(`${op}: index ${String(index)} is out of range for dim ${dim} of size ${size}.`);
  }
  return index < 0 ? index + size : index;
}

/** The range of `slice` for one dim: an index (drops the dim), null (all of it) or [start?, end?, step?]. */
export type SliceRange =
  | number
  | null
  | readonly [start?: number | null | undefined, end?: number | null | undefined, step?: number | null | undefined];

/**
 * Takes x[ranges]: per dim a number (that index; the dim disappears), null (all) or `[start?, end?, step?]`, in which
 * negative and too large ends mean what they do in Python. Dims that are not named are taken whole. Throws a RangeError
 * for a step < 1 (`flip` reverses).
 */
export function slice(x: Tensor, ...ranges: SliceRange[]): Tensor {
  expectTensor("slice", x);
  if (ranges.length > x.ndim) {
    throw shapeError`slice: more ranges than dims, got ${ranges.length} for ${x.shape}.`;
  }
  const starts = x.shape.map(() => 0);
  const steps = x.shape.map(() => 1);
  const shape = [...x.shape];
  const dropped: number[] = [];
  ranges.forEach((part, i) => {
    const size = x.shape[i] as number;
    if (part === null || part === undefined) return;
    if (typeof part === "number") {
      starts[i] = checkPosition("slice", part, size, i);
      shape[i] = 1;
      dropped.push(i);
      return;
    }
    if (!Array.isArray(part) || part.length > 3) {
      throw new TypeError(
        `slice: a range is a number, null or [start?, end?, step?], got ${String(part)} for dim ${i}.`,
      );
    }
    const [start, end, step] = part as readonly (number | null | undefined)[];
    const stride = checkWhole("slice", `the step of dim ${i}`, step ?? 1, 1);
    const first = clampEnd(start ?? 0, size, i);
    const last = clampEnd(end ?? size, size, i);
    starts[i] = first;
    steps[i] = stride;
    shape[i] = Math.max(0, Math.ceil((last - first) / stride));
  });
  return dropDims(strided(x, starts, steps, shape), dropped);
}

function clampEnd(value: number, size: number, dim: number): number {
  if (!Number.isInteger(value) && Math.abs(value) !== Number.POSITIVE_INFINITY) {
    throw new RangeError(`slice: ends must be whole numbers, got ${String(value)} for dim ${dim}.`);
  }
  return Math.min(Math.max(value < 0 ? value + size : value, 0), size);
}

/**
 * Takes windows of `size` elements along `dim`, `step` apart, as a new last dim. A scalar counts as one element:
 * [size].
 */
export function unfold(x: Tensor, dim: number, size: number, step: number): Tensor {
  if (expectTensor("unfold", x).ndim === 0) return reshape(unfold(reshape(x, [1]), dim, size, step), [size]);
  const at = dimOf("unfold", x, dim);
  checkWhole("unfold", "size", size, 0);
  checkWhole("unfold", "step", step, 1);
  if (size > (x.shape[at] as number)) {
    throw new RangeError(`unfold: a window must fit into dim ${at} of ${formatShape(x.shape)}, got size ${size}.`);
  }
  if (size === 0)
    return reshape(range(x, at, 0, 0), [...withSize(x.shape, at, Math.floor((x.shape[at] as number) / step) + 1), 0]);
  const result = windows(x, at, size, step, 1);
  checkShape("unfold", result.shape);
  return result;
}
