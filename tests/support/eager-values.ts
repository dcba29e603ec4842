// Values of the eager model: immutable float64 arrays, computed at once, with the derivatives that a tape needs.

import type { EagerTensor } from "./eager-model.ts";

type Shape = readonly number[];

/** How a value was computed: gradients by the inputs, themselves made of values, so that they can be differentiated again. */
interface Source {
  readonly inputs: readonly Value[];
  readonly derivative: (gradient: Value) => readonly (Value | null)[];
}

/** A program that float32 cannot decide the result of, such as a step function right at its step. */
export class Undecidable extends Error {}

let rounding: ((x: number) => number) | null = null;
let recording = true;
let made = 0;

/** Rounds every result in that way from here on, or not at all: how far results move says how far an engine's may. */
export function setRounding(how: ((x: number) => number) | null): void {
  rounding = how;
}

/** Runs `run` with recording for gradients on or off. */
export function withRecording<T>(on: boolean, run: () => T): T {
  const before = recording;
  recording = on;
  try {
    return run();
  } finally {
    recording = before;
  }
}

export class Value {
  /** A value is younger than what it was made of. */
  readonly id: number = made++;
  readonly data: Float64Array;
  readonly shape: Shape;
  readonly dtype: string;
  readonly source: Source | null;
  requiresGrad: boolean;
  /** The tensor whose gradient this value's gradient is. */
  leaf: EagerTensor | null = null;

  constructor(data: Float64Array, shape: Shape, dtype: string, source: Source | null = null) {
    this.data = rounding === null || dtype !== "f32" ? data : data.map(rounding);
    this.shape = shape;
    this.dtype = dtype;
    this.source = source;
    this.requiresGrad = source !== null;
  }
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

function record(
  data: Float64Array,
  shape: Shape,
  inputs: readonly Value[],
  derivative: Source["derivative"],
  dtype = "f32",
): Value {
  const wanted = recording && inputs.some(({ requiresGrad }) => requiresGrad);
  return new Value(data, shape, dtype, wanted ? { inputs, derivative } : null);
}

/** A value that nothing depends on. */
export function constant(numbers: ArrayLike<number>, shape: Shape, dtype = "f32"): Value {
  return new Value(Float64Array.from(numbers), shape, dtype);
}

export function full(shape: Shape, number: number): Value {
  return constant(new Float64Array(sizeOf(shape)).fill(number), shape);
}

/** Element i is element `positions[i]` of `x`: every view, repetition and lookup. */
export function take(x: Value, positions: readonly number[], shape: Shape): Value {
  const data = Float64Array.from(positions, (p) => x.data[p] as number);
  return record(data, shape, [x], (g) => [put(g, positions, x.shape)], x.dtype);
}

/** Element i is added to element `positions[i]` of zeros: the transpose of `take`, and every sum. */
export function put(x: Value, positions: readonly number[], shape: Shape): Value {
  const data = new Float64Array(sizeOf(shape));
  positions.forEach((p, i) => {
    data[p] = (data[p] as number) + (x.data[i] as number);
  });
  return record(data, shape, [x], (g) => [take(g, positions, x.shape)]);
}

/** The coordinates of each element, row-major. */
export function coordinatesOf(shape: Shape): number[][] {
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    const coordinates: number[] = [];
    let rest = i;
    for (const n of [...shape].reverse()) {
      coordinates.unshift(rest % n);
      rest = Math.floor(rest / n);
    }
    return coordinates;
  });
}

export function positionOf(coordinates: readonly number[], shape: Shape): number {
  return coordinates.reduce((position, c, i) => position * (shape[i] as number) + c, 0);
}

/** For each element of `shape` the element of a tensor of shape `from` that broadcasting puts there. */
function broadcastPositions(from: Shape, shape: Shape): number[] {
  const offset = shape.length - from.length;
  return coordinatesOf(shape).map((c) =>
    positionOf(
      from.map((n, i) => (n === 1 ? 0 : (c[offset + i] as number))),
      from,
    ),
  );
}

/** The shape that both broadcast to; null where there is none. */
export function broadcastShape(a: Shape, b: Shape): number[] | null {
  const shape: number[] = [];
  for (let i = 1; i <= Math.max(a.length, b.length); i++) {
    const [m, n] = [a[a.length - i] ?? 1, b[b.length - i] ?? 1];
    if (m !== n && m !== 1 && n !== 1) return null;
    shape.unshift(m === 1 ? n : m);
  }
  return shape;
}

export function expandTo(x: Value, shape: Shape): Value {
  return sameShape(x.shape, shape) ? x : take(x, broadcastPositions(x.shape, shape), shape);
}

function together(a: Value, b: Value): [Value, Value] {
  const shape = broadcastShape(a.shape, b.shape);
  if (shape === null) throw new Error("the caller has checked the shapes");
  return [expandTo(a, shape), expandTo(b, shape)];
}

export function add(x: Value, y: Value): Value {
  const [a, b] = together(x, y);
  const data = a.data.map((n, i) => n + (b.data[i] as number));
  return record(data, a.shape, [a, b], (g) => [g, g]);
}

export function mul(x: Value, y: Value): Value {
  const [a, b] = together(x, y);
  const data = a.data.map((n, i) => n * (b.data[i] as number));
  return record(data, a.shape, [a, b], (g) => [mul(g, b), mul(g, a)]);
}

export function scale(x: Value, factor: number): Value {
  return mul(x, full([], factor));
}

export function sub(a: Value, b: Value): Value {
  return add(a, scale(b, -1));
}

export function div(a: Value, b: Value): Value {
  return mul(a, reciprocal(b));
}

/** A function of each element; its derivative is made of the result and the input. */
function each(f: (x: number) => number, slope: (y: Value, x: Value) => Value): (x: Value) => Value {
  const apply = (x: Value): Value => {
    const y: Value = record(x.data.map(f), x.shape, [x], (g) => [mul(g, slope(y, x))]);
    return y;
  };
  return apply;
}

export const exp: (x: Value) => Value = each(Math.exp, (y) => y);
export const log: (x: Value) => Value = each(Math.log, (_y, x) => reciprocal(x));
export const tanh: (x: Value) => Value = each(Math.tanh, (y) => sub(full([], 1), mul(y, y)));
export const sqrt: (x: Value) => Value = each(Math.sqrt, (y) => scale(reciprocal(y), 0.5));
export const reciprocal: (x: Value) => Value = each(
  (x) => 1 / x,
  (y) => scale(mul(y, y), -1),
);
export const sigmoid: (x: Value) => Value = each(
  (x) => 1 / (1 + Math.exp(-x)),
  (y) => mul(y, sub(full([], 1), y)),
);

export function relu(x: Value): Value {
  if (x.data.some((n) => n !== 0 && Math.abs(n) < 1e-5)) throw new Undecidable("relu near its bend");
  const open = constant(
    x.data.map((n) => (n > 0 ? 1 : 0)),
    x.shape,
  );
  return mul(x, open);
}

export function sum(x: Value, dims: readonly number[], keepdim: boolean): Value {
  const kept = x.shape.map((n, i) => (dims.includes(i) ? 1 : n));
  const positions = broadcastPositions(kept, x.shape);
  return put(
    x,
    positions,
    kept.filter((_, i) => keepdim || !dims.includes(i)),
  );
}

export function mean(x: Value, dims: readonly number[], keepdim: boolean): Value {
  const count = dims.reduce((product, dim) => product * (x.shape[dim] as number), 1);
  return scale(sum(x, dims, keepdim), 1 / count);
}

export function matmul(a: Value, b: Value): Value {
  const [m, k, n] = [a.shape[0] as number, a.shape[1] as number, b.shape[1] as number];
  const cells = coordinatesOf([m, k, n]) as [number, number, number][];
  const left = take(
    a,
    cells.map(([i, j]) => i * k + j),
    [m, k, n],
  );
  const right = take(
    b,
    cells.map(([, j, c]) => j * n + c),
    [m, k, n],
  );
  return sum(mul(left, right), [1], false);
}

/** The largest numbers along a dim, which only keep `exp` within its range. */
function largest(x: Value, dim: number): Value {
  const kept = x.shape.map((n, i) => (i === dim ? 1 : n));
  const data = new Float64Array(sizeOf(kept)).fill(Number.NEGATIVE_INFINITY);
  broadcastPositions(kept, x.shape).forEach((p, i) => {
    data[p] = Math.max(data[p] as number, x.data[i] as number);
  });
  return constant(data, kept);
}

export function softmax(x: Value, dim: number): Value {
  const e = exp(sub(x, largest(x, dim)));
  return div(e, sum(e, [dim], true));
}

export function logSoftmax(x: Value, dim: number): Value {
  const shifted = sub(x, largest(x, dim));
  return sub(shifted, log(sum(exp(shifted), [dim], true)));
}

export function normalize(x: Value, dim: number): Value {
  const length = sqrt(sum(mul(x, x), [dim], true));
  if (length.data.some((n) => n < 1e-2)) throw new Undecidable("normalize near zero");
  return div(x, length);
}

/** The gradient of Σ outputs · seeds at every value that they depend on; `again`: as values that can be differentiated. */
export function propagate(outputs: readonly Value[], seeds: readonly Value[], again: boolean): Map<Value, Value> {
  return withRecording(again, () => {
    const gradients = new Map<Value, Value>();
    const arrive = (value: Value, gradient: Value): void => {
      if (!value.requiresGrad) return;
      const known = gradients.get(value);
      gradients.set(value, known === undefined ? gradient : add(known, gradient));
    };
    const found = new Set<Value>();
    const open = outputs.filter(({ requiresGrad }) => requiresGrad);
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      if (found.has(value)) continue;
      found.add(value);
      open.push(...(value.source?.inputs ?? []).filter(({ requiresGrad }) => requiresGrad));
    }
    outputs.forEach((output, i) => {
      arrive(output, seeds[i] as Value);
    });
    for (const value of [...found].sort((a, b) => b.id - a.id)) {
      const gradient = gradients.get(value);
      if (gradient === undefined || value.source === null) continue;
      const parts = value.source.derivative(gradient);
      value.source.inputs.forEach((input, i) => {
        const part = parts[i];
        if (part && input.requiresGrad) arrive(input, part);
      });
    }
    return gradients;
  });
}
