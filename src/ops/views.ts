// The views: index functions that move no data. Every movement op is a composition of these.

import { checkShape, inferShape, normalizeDim, type Shape, sameShape, shapeError, stridesOf } from "../base/shape.ts";
import {
  addIndex,
  type Condition,
  constantIndex,
  delinearize,
  linearIndex,
  quotientIndex,
  remainderIndex,
  scaleIndex,
} from "../graph/index-expression.ts";
import { PartSums } from "../graph/parts.ts";
import { record, type Tensor } from "../graph/tensor.ts";
import { expectTensor, printed, same, view } from "./define.ts";
import { sumOver } from "./reductions.ts";

/** Dims of `from` and `to` in groups of equal size, so that a reshape only mixes what it must. */
function matchDims(from: Shape, to: Shape): { from: [number, number]; to: [number, number] }[] {
  const groups: { from: [number, number]; to: [number, number] }[] = [];
  let i = 0;
  let j = 0;
  while (i < from.length || j < to.length) {
    const start = { i, j };
    let a = i < from.length ? (from[i++] as number) : 1;
    let b = j < to.length ? (to[j++] as number) : 1;
    while (a !== b) {
      if (a < b) {
        if (i >= from.length) break;
        a *= from[i++] as number;
      } else {
        if (j >= to.length) break;
        b *= to[j++] as number;
      }
    }
    groups.push({ from: [start.i, i], to: [start.j, j] });
  }
  return groups;
}

const reshapeView = view("reshape", {
  complete: true,
  inOrder: true,
  index: (coordinates, _attributes, input, output) => {
    const result = input.map(() => constantIndex(0));
    if (input.includes(0)) return { coordinates: result };
    for (const group of matchDims(input, output)) {
      const sizes = output.slice(...group.to);
      const linear = linearIndex(coordinates.slice(...group.to), stridesOf(sizes));
      delinearize(linear, input.slice(...group.from)).forEach((c, k) => {
        result[group.from[0] + k] = c;
      });
    }
    return { coordinates: result };
  },
  derivative: (g, _out, [x]) => [reshape(g, (x as Tensor).shape)],
});

/** Arranges the same elements, row-major, in another shape. One size may be -1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  expectTensor("reshape", x);
  if (!Array.isArray(shape))
    throw shapeError`reshape: the shape is an array, got ${String(shape)}. x.reshape([2, -1]) is the form.`;
  if (shape.filter((n) => n === -1).length > 1) throw shapeError`reshape: one size can be -1 at most, got ${shape}.`;
  const target = inferShape("reshape", x.shape, shape);
  return sameShape(target, x.shape) ? same(x) : record(reshapeView, [x], target, x.dtype);
}

const permuteView = view("permute", {
  complete: true,
  index: (coordinates, permutation, input) => {
    const result = input.map(() => constantIndex(0));
    permutation.forEach((from, to) => {
      result[from] = coordinates[to] ?? constantIndex(0);
    });
    return { coordinates: result };
  },
  derivative: (g, _out, _inputs, permutation) => {
    const inverse = new Array<number>(permutation.length);
    permutation.forEach((from, to) => {
      inverse[from] = to;
    });
    return [permute(g, inverse)];
  },
});

/** Puts the dims in another order: dim i of the result is dim `dims[i]` of `x`. */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  expectTensor("permute", x);
  if (!Array.isArray(dims))
    throw shapeError`permute: the dims are an array, got ${printed(dims)}. x.permute([1, 0]) is the form.`;
  const permutation = dims.map((d) => normalizeDim("permute", d, x.ndim));
  if (permutation.length !== x.ndim || new Set(permutation).size !== x.ndim) {
    throw shapeError`permute: dims must name each of the ${x.ndim} dims once, got [${dims.join(", ")}] for ${x.shape}.`;
  }
  if (permutation.every((d, i) => d === i)) return same(x);
  const shape = permutation.map((d) => x.shape[d] as number);
  return record(permuteView, [x], shape, x.dtype, permutation);
}

const expandView = view("expand", {
  complete: true,
  inOrder: true,
  index: (coordinates, _attributes, input, output) => {
    const offset = output.length - input.length;
    return {
      coordinates: input.map((n, i) => (n === 1 ? constantIndex(0) : (coordinates[offset + i] ?? constantIndex(0)))),
    };
  },
  // The backward walk sums what broadcasting repeated.
  derivative: (g) => [g],
});

/** Repeats sizes of 1 to `shape` (-1 keeps a size). New dims come in front. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return expandTo("expand", x, shape);
}

/** `expand` for an op of another name; what is nowhere stored as it is may be of any size. */
export function expandTo(op: string, x: Tensor, shape: Shape, stored = true): Tensor {
  expectTensor(op, x);
  if (!Array.isArray(shape))
    throw shapeError`${op}: the shape is an array, got ${printed(shape)}. x.${op}([2, 3]) is the form.`;
  const offset = shape.length - x.ndim;
  const target = shape.map((n, i) => (n === -1 && i >= offset ? (x.shape[i - offset] as number) : n));
  const fits = offset >= 0 && x.shape.every((n, i) => n === 1 || n === target[offset + i]);
  if (!fits) {
    throw shapeError`${op}: only sizes of 1 can grow, got ${x.shape} → ${shape}.`;
  }
  if (stored) checkShape(op, target);
  return sameShape(target, x.shape) ? same(x) : record(expandView, [x], target, x.dtype);
}

/** Sums what broadcasting has repeated, back to `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const offset = x.ndim - shape.length;
  const dims = x.shape.flatMap((n, i) => (i < offset || (shape[i - offset] === 1 && n !== 1) ? [i] : []));
  const summed = sumOver(x, dims);
  return sameShape(summed.shape, shape) ? summed : reshape(summed, shape);
}

const sliceView = view("slice", {
  // attributes: starts, then steps
  index: (coordinates, attributes) => {
    const rank = coordinates.length;
    return {
      coordinates: coordinates.map((c, i) =>
        addIndex(scaleIndex(c, attributes[rank + i] as number), constantIndex(attributes[i] as number)),
      ),
    };
  },
  derivative: (g, _out, [x], attributes) => {
    const input = (x as Tensor).shape;
    const rank = input.length;
    const reversed = input.map((_, i) => (attributes[rank + i] as number) < 0);
    const forward = reversed.includes(true)
      ? strided(
          g,
          g.shape.map((n, i) => (reversed[i] ? n - 1 : 0)),
          g.shape.map((_, i) => (reversed[i] ? -1 : 1)),
          g.shape,
        )
      : g;
    const low = input.map((_, i) => {
      const start = attributes[i] as number;
      const n = g.shape[i] as number;
      return reversed[i] ? start + (n - 1) * (attributes[rank + i] as number) : start;
    });
    const interior = input.map((_, i) => Math.abs(attributes[rank + i] as number) - 1);
    const high = input.map((size, i) => {
      const n = g.shape[i] as number;
      return size - (low[i] as number) - (n + Math.max(n - 1, 0) * (interior[i] as number));
    });
    return [padded(forward, low, high, interior, 0)];
  },
});

/** Element i of each dim is element start + i·step of the input: the caller has checked the ranges. */
export function strided(x: Tensor, starts: readonly number[], steps: readonly number[], shape: Shape): Tensor {
  if (sameShape(shape, x.shape) && starts.every((s) => s === 0) && steps.every((s) => s === 1)) return same(x);
  return record(sliceView, [x], shape, x.dtype, [...starts, ...steps]);
}

const padView = view("pad", {
  sums: () => new PartSums(),
  // attributes: low, high, interior per dim, then the fill value
  index: (coordinates, attributes, input) => {
    const rank = input.length;
    const conditions: Condition[] = [];
    const result = coordinates.map((c, i) => {
      const low = attributes[i] as number;
      const step = (attributes[2 * rank + i] as number) + 1;
      const size = input[i] as number;
      const shifted = addIndex(c, constantIndex(-low));
      conditions.push({ kind: "range", index: shifted, low: 0, high: (size - 1) * step + 1 });
      if (step > 1) conditions.push({ kind: "divisible", index: shifted, divisor: step });
      return quotientIndex(shifted, step);
    });
    return { coordinates: result, conditions, fill: attributes[3 * rank] as number };
  },
  derivative: (g, _out, [x], attributes) => {
    const input = (x as Tensor).shape;
    const rank = input.length;
    const steps = input.map((_, i) => (attributes[2 * rank + i] as number) + 1);
    // Elements that a negative pad cropped have no gradient: take those that are there and put zeros around them.
    const low = input.map((_, i) => attributes[i] as number);
    const first = low.map((l, i) => (l >= 0 ? 0 : Math.ceil(-l / (steps[i] as number))));
    const count = input.map((n, i) => {
      const last = Math.min(
        n - 1,
        Math.floor(((g.shape[i] as number) - 1 - (low[i] as number)) / (steps[i] as number)),
      );
      return Math.max(last - (first[i] as number) + 1, 0);
    });
    const starts = first.map((f, i) => (count[i] === 0 ? 0 : (low[i] as number) + f * (steps[i] as number)));
    const inside = strided(g, starts, steps, count);
    const after = input.map((n, i) => n - (first[i] as number) - (count[i] as number));
    return [
      padded(
        inside,
        first,
        after,
        input.map(() => 0),
        0,
      ),
    ];
  },
});

/** Adds `low` elements before, `high` after and `interior` between those of each dim, all `fill`; negative ones crop. */
export function padded(
  x: Tensor,
  low: readonly number[],
  high: readonly number[],
  interior: readonly number[],
  fill: number,
): Tensor {
  if ([...low, ...high, ...interior].every((n) => n === 0)) return same(x);
  const shape = x.shape.map(
    (n, i) => n + Math.max(n - 1, 0) * (interior[i] as number) + (low[i] as number) + (high[i] as number),
  );
  if (shape.some((n) => n < 0)) {
    throw shapeError`pad: negative pads crop more than there is, got ${x.shape} → ${shape}.`;
  }
  return record(padView, [x], shape, x.dtype, [...low, ...high, ...interior, fill]);
}

const windowView = view("window", {
  // attributes: dim, step, dilation; the window's taps are the last dim
  index: (coordinates, attributes) => {
    const [dim, step, dilation] = attributes as [number, number, number];
    const tap = coordinates[coordinates.length - 1] ?? constantIndex(0);
    return {
      coordinates: coordinates
        .slice(0, -1)
        .map((c, i) => (i === dim ? addIndex(scaleIndex(c, step), scaleIndex(tap, dilation)) : c)),
    };
  },
  derivative: (g, _out, [x], attributes) => [
    fromWindows(
      g,
      attributes[0] as number,
      (x as Tensor).shape[attributes[0] as number] as number,
      attributes[1] as number,
      attributes[2] as number,
    ),
  ],
});

/** Number of windows of `size` taps that fit into `length`. */
export function windowCount(length: number, size: number, step: number, dilation: number): number {
  return Math.floor((length - (size - 1) * dilation - 1) / step) + 1;
}

/** Sliding windows over `dim`: [..., n, ...] → [..., windows, ..., size]; element (o, k) is o·step + k·dilation. */
export function windows(x: Tensor, dim: number, size: number, step: number, dilation: number): Tensor {
  const shape = [...x.shape, size];
  shape[dim] = Math.max(windowCount(x.shape[dim] as number, size, step, dilation), 0);
  return record(windowView, [x], shape, x.dtype, [dim, step, dilation]);
}

const unwindowView = view("unwindow", {
  // attributes: dim, step, dilation; element (p, k) comes from window (p - k·dilation) / step, where there is one
  index: (coordinates, attributes, input) => {
    const [dim, step, dilation] = attributes as [number, number, number];
    const tap = coordinates[coordinates.length - 1] ?? constantIndex(0);
    const shifted = addIndex(coordinates[dim] ?? constantIndex(0), scaleIndex(tap, -dilation));
    const count = input[dim] as number;
    const conditions: Condition[] = [{ kind: "range", index: shifted, low: 0, high: (count - 1) * step + 1 }];
    if (step > 1) conditions.push({ kind: "divisible", index: shifted, divisor: step });
    return {
      coordinates: coordinates.map((c, i) => (i === dim ? quotientIndex(shifted, step) : c)),
      conditions,
      fill: 0,
    };
  },
  derivative: (g, _out, [x], attributes) => {
    const [dim, step, dilation] = attributes as [number, number, number];
    return [gatherWindows(g, dim, (x as Tensor).shape[dim] as number, step, dilation)];
  },
});

/** The transpose of `windows`: every element sums what the windows that cover it hold. */
export function fromWindows(x: Tensor, dim: number, length: number, step: number, dilation: number): Tensor {
  const shape = [...x.shape];
  shape[dim] = length;
  const spread = record(unwindowView, [x], shape, x.dtype, [dim, step, dilation]);
  return reshape(sumOver(spread, [shape.length - 1]), shape.slice(0, -1));
}

const tapView = view("taps", {
  // attributes: dim, step, dilation; window (o, k) reads element (o·step + k·dilation, k)
  index: (coordinates, attributes) => {
    const [dim, step, dilation] = attributes as [number, number, number];
    const tap = coordinates[coordinates.length - 1] ?? constantIndex(0);
    return {
      coordinates: coordinates.map((c, i) =>
        i === dim ? addIndex(scaleIndex(c, step), scaleIndex(tap, dilation)) : c,
      ),
    };
  },
  derivative: (g, _out, [x], attributes) => {
    const [dim, step, dilation] = attributes as [number, number, number];
    const shape = (x as Tensor).shape;
    return [record(unwindowView, [g], shape, g.dtype, [dim, step, dilation])];
  },
});

function gatherWindows(x: Tensor, dim: number, count: number, step: number, dilation: number): Tensor {
  const shape = [...x.shape];
  shape[dim] = count;
  return record(tapView, [x], shape, x.dtype, [dim, step, dilation]);
}

const rollView = view("roll", {
  complete: true,
  // attributes: shift per dim, in 0 … size - 1
  index: (coordinates, shifts, input) => ({
    coordinates: coordinates.map((c, i) => {
      const size = input[i] as number;
      const shift = shifts[i] as number;
      return shift === 0 ? c : remainderIndex(addIndex(c, constantIndex(size - shift)), size);
    }),
  }),
  derivative: (g, _out, [x], shifts) => {
    const shape = (x as Tensor).shape;
    return [
      rolled(
        g,
        shifts.map((s, i) => (s === 0 ? 0 : (shape[i] as number) - s)),
      ),
    ];
  },
});

/** Each dim rotated by a shift in 0 … size - 1. */
export function rolled(x: Tensor, shifts: readonly number[]): Tensor {
  return shifts.every((s) => s === 0) ? same(x) : record(rollView, [x], x.shape, x.dtype, shifts);
}

const diagonalView = view("diagonal", {
  // attributes: row start, column start; the matrix dims are the last two, the diagonal the last of the result
  index: (coordinates, attributes) => {
    const i = coordinates[coordinates.length - 1] ?? constantIndex(0);
    return {
      coordinates: [
        ...coordinates.slice(0, -1),
        addIndex(i, constantIndex(attributes[0] as number)),
        addIndex(i, constantIndex(attributes[1] as number)),
      ],
    };
  },
  derivative: (g, _out, [x], attributes) => [
    embedDiagonal(g, (x as Tensor).shape, attributes[0] as number, attributes[1] as number),
  ],
});

/** Elements (row + i, column + i) of the last two dims. */
export function diagonalOf(x: Tensor, row: number, column: number, length: number): Tensor {
  return record(diagonalView, [x], [...x.shape.slice(0, -2), length], x.dtype, [row, column]);
}

const embedView = view("diagEmbed", {
  // attributes: row start, column start
  index: (coordinates, attributes, input) => {
    const r = coordinates[coordinates.length - 2] ?? constantIndex(0);
    const c = coordinates[coordinates.length - 1] ?? constantIndex(0);
    const i = addIndex(r, constantIndex(-(attributes[0] as number)));
    const j = addIndex(c, constantIndex(-(attributes[1] as number)));
    return {
      coordinates: [...coordinates.slice(0, -2), i],
      conditions: [
        { kind: "range", index: i, low: 0, high: input[input.length - 1] as number },
        { kind: "range", index: addIndex(i, scaleIndex(j, -1)), low: 0, high: 1 },
      ],
      fill: 0,
    };
  },
  derivative: (g, _out, [x], attributes) => {
    const shape = (x as Tensor).shape;
    return [diagonalOf(g, attributes[0] as number, attributes[1] as number, shape[shape.length - 1] as number)];
  },
});

/** Zeros with the last dim of `x` on the diagonal that starts at (row, column) of the last two dims of `shape`. */
export function embedDiagonal(x: Tensor, shape: Shape, row: number, column: number): Tensor {
  return record(embedView, [x], checkShape("diagEmbed", shape), x.dtype, [row, column]);
}
