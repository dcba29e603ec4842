// Ops against plain loops, without a device: values in float64, derivatives by central differences in float64.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Node } from "../../src/graph/node.ts";
import { grad, type Shape, type Tensor, tensor } from "../../src/tensor.ts";
import { interpret } from "./reference.ts";

/** Numbers with a shape, row-major: what the loops compute with. */
export class Grid {
  readonly shape: Shape;
  readonly data: Float64Array;

  constructor(shape: Shape, data?: ArrayLike<number>) {
    this.shape = shape;
    this.data = new Float64Array(shape.reduce((n, size) => n * size, 1));
    if (data !== undefined) this.data.set(Float64Array.from(data));
  }

  #offset(place: readonly number[]): number {
    return place.reduce((offset, i, d) => offset * (this.shape[d] as number) + i, 0);
  }

  /** The element there; `outside` where that is beyond the edges. */
  at(place: readonly number[], outside = 0): number {
    const inside = place.every((i, d) => i >= 0 && i < (this.shape[d] as number));
    return inside ? (this.data[this.#offset(place)] as number) : outside;
  }

  set(place: readonly number[], value: number): void {
    this.data[this.#offset(place)] = value;
  }

  add(place: readonly number[], value: number): void {
    if (place.every((i, d) => i >= 0 && i < (this.shape[d] as number))) this.set(place, this.at(place) + value);
  }
}

/** All places of a shape, in row-major order. */
export function* places(shape: Shape): Generator<number[]> {
  const total = shape.reduce((n, size) => n * size, 1);
  for (let i = 0; i < total; i++) {
    let rest = i;
    const place = new Array<number>(shape.length).fill(0);
    for (let d = shape.length - 1; d >= 0; d--) {
      place[d] = rest % (shape[d] as number);
      rest = Math.floor(rest / (shape[d] as number));
    }
    yield place;
  }
}

/** A grid by a formula of the place. */
export function grid(shape: Shape, value: (...place: number[]) => number): Grid {
  const result = new Grid(shape);
  for (const place of places(shape)) result.set(place, value(...place));
  return result;
}

/** Σ value(0 … n - 1). */
export function total(n: number, value: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += value(i);
  return sum;
}

/** Distinct numbers without order in low … high, exact in float32. */
export function numbers(count: number, seed = 1, low = -2, high = 2): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    const turn = (i + 1) * 0.6180339887498949 + seed * 0.4142135623730951;
    return low + (high - low) * (turn - Math.floor(turn));
  });
}

export interface Options {
  /** Range of the inputs; -2 … 2 unless told. */
  readonly range?: readonly [low: number, high: number];
  /** false: there is no gradient. */
  readonly gradient?: boolean;
  /** false: the derivative is not differentiated again. */
  readonly second?: boolean;
}

const STEP = 1e-5;

/** Demands equal shapes and numbers; NaN and infinity must be where they are expected. */
export function same(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.is(got.length, expected.length, `${what}: number of elements`);
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [got[i] as number, expected[i] as number];
    const fits = Number.isFinite(e) ? Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e)) : Object.is(a, e);
    assert.ok(fits, `${what}: element ${i} is ${a} instead of ${e}`);
  }
}

/** Demands that `x` has this shape and these values. */
export function expectValues(x: Tensor, shape: Shape, expected: ArrayLike<number>, what = "values"): void {
  assert.equal([...x.shape], [...shape], `${what}: shape`);
  // Constants of a graph are float32.
  same(interpret([x])[0] as Float64Array, expected, 1e-6, what);
}

function dotProduct(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, v, i) => sum + v * (b[i] as number), 0);
}

/** Demands that `derivatives` are those of Σ weights · output by `inputs`. */
function compareDifferences(
  output: Tensor,
  weights: Float64Array,
  inputs: readonly Tensor[],
  derivatives: readonly Float64Array[],
  what: string,
): void {
  const points = interpret(inputs);
  inputs.forEach((x, k) => {
    const point = points[k] as Float64Array;
    for (let i = 0; i < point.length; i += Math.ceil(point.length / 24)) {
      const side = (sign: number): number => {
        const moved = new Map<Node, Float64Array>(inputs.map((t, n) => [t.node, points[n] as Float64Array]));
        moved.set(
          x.node,
          point.map((v, n) => (n === i ? v + sign * STEP : v)),
        );
        return dotProduct(interpret([output], moved)[0] as Float64Array, weights);
      };
      const numeric = (side(1) - side(-1)) / (2 * STEP);
      const analytic = (derivatives[k] as Float64Array)[i] as number;
      const fits = Math.abs(numeric - analytic) <= 1e-6 * Math.max(1, Math.abs(numeric));
      assert.ok(fits, `${what} of input ${k}, element ${i}: ${analytic}, by central differences ${numeric}`);
    }
  });
}

/** Demands that the gradients of `output` by `inputs` are what central differences say, and theirs again. */
export function checkDerivatives(output: Tensor, inputs: readonly Tensor[], second: boolean): void {
  const weights = tensor(numbers(output.numel, 5, 0.5, 1.5), { shape: output.shape });
  const gradients = grad(output, inputs, { gradOutputs: weights });
  gradients.forEach((g, i) => {
    assert.equal([...g.shape], [...(inputs[i] as Tensor).shape], "shape of the gradient");
  });
  const [w, ...values] = interpret([weights, ...gradients]) as [Float64Array, ...Float64Array[]];
  compareDifferences(output, w, inputs, values, "gradient");
  if (!second) return;
  for (const [i, g] of gradients.entries()) {
    if (!g.requiresGrad) continue;
    const factors = tensor(numbers(g.numel, 9 + i, 0.5, 1.5), { shape: g.shape });
    const seconds = grad(g, inputs, { gradOutputs: factors });
    const [f, ...found] = interpret([factors, ...seconds]) as [Float64Array, ...Float64Array[]];
    compareDifferences(g, f, inputs, found, `derivative of gradient ${i}`);
  }
}

/**
 * Registers a test: `call` of tensors of these shapes must give what `loop` computes, and its derivatives what central differences
 * say.
 */
export function checkLoops(
  name: string,
  shapes: readonly Shape[],
  call: (...inputs: Tensor[]) => Tensor,
  loop: (...inputs: Grid[]) => Grid,
  options: Options = {},
): void {
  test(name, () => {
    const [low, high] = options.range ?? [-2, 2];
    const data = shapes.map((shape, i) => numbers(new Grid(shape).data.length, i + 1, low, high));
    const differentiable = options.gradient !== false;
    const inputs = shapes.map((shape, i) => tensor(data[i] as Float32Array, { shape, requiresGrad: differentiable }));
    const output = call(...inputs);
    const expected = loop(...shapes.map((shape, i) => new Grid(shape, data[i])));
    expectValues(output, expected.shape, expected.data, name);
    if (differentiable) checkDerivatives(output, inputs, options.second ?? true);
    else assert.not.ok(output.requiresGrad, "there should be no gradient");
  });
}
