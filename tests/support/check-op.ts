// One line per op: values, gradients and second derivatives on the device against float64, over layouts, sizes and dtypes.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type DType, isFloat } from "../../src/base/dtype.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "../../src/base/shape.ts";
import type { Node } from "../../src/graph/node.ts";
import * as functions from "../../src/ops/functions.ts";
import * as methods from "../../src/ops/methods.ts";
import { grad, init, realize, setOptimize, Tensor, tensor } from "../../src/tensor.ts";
import { interpret } from "./reference.ts";

/** Anything that makes tensors of tensors. */
export type Op = (...args: never[]) => unknown;

/** An input: its shape, or more about it. */
export interface InputForm {
  readonly shape: Shape;
  /** f32 unless told. */
  readonly dtype?: DType;
  /** Random numbers come from here: floats from low … high, integers from low … high - 1. */
  readonly range?: readonly [low: number, high: number];
  /** Just these numbers. */
  readonly values?: readonly number[];
  /** false: no gradient is asked for. */
  readonly gradient?: boolean;
}

export type Input = Shape | InputForm;

/** What a line says about its op. */
export interface Check {
  /** The tensor arguments, in order. */
  readonly shapes: readonly Input[];
  /** The arguments after them. */
  readonly args?: readonly unknown[];
  /** The call, where it isn't op(...tensors, ...args). */
  readonly call?: (...inputs: Tensor[]) => unknown;
  /** Where float inputs come from; -2 … 2 unless told. */
  readonly range?: readonly [low: number, high: number];
  /** Numbers that float inputs keep away from: kinks and poles. */
  readonly avoid?: readonly number[];
  /** Relative error that values may have (1e-6), and their gradients ten times of that. */
  readonly tolerance?: number;
  /** Error that may be added to that, as a part of the largest number of the result. 1e-6. */
  readonly absolute?: number;
  /** false: the op has no gradient, and none is recorded. */
  readonly gradient?: boolean;
  /** false: the derivative is not differentiated again. */
  readonly second?: boolean;
  /**
   * Layouts that the first input is seen through besides the contiguous one (the next input takes the next of `VIEWS`, and so on): two
   * of the three, in turn, unless told.
   */
  readonly layouts?: readonly Layout[];
  /** More sets of shapes: small ones, larger ones, with 0 or without dims. Values and gradients, optimized. */
  readonly more?: readonly (readonly Input[])[];
  /** All float32 inputs in these dtypes: values only. */
  readonly dtypes?: readonly DType[];
  /** false: f16 is left out where the device has it. Values only. */
  readonly f16?: boolean;
  /** For elementwise ops: all inputs take these numbers, combined in every way; values, and gradients unless they are off. */
  readonly points?: readonly number[];
  /** Error that values at the points may have besides the relative one, where terms cancel; none unless told. */
  readonly pointError?: number;
  /** false: no gradients at the points. */
  readonly pointGradients?: boolean;
}

/** How an input lies in memory: as it is, as a permuted, strided or repeated view of something else. */
export type Layout = "contiguous" | "transposed" | "sliced" | "broadcast";

/** The layouts that are no plain memory. */
export const VIEWS: readonly Layout[] = ["transposed", "sliced", "broadcast"];

const STEP = 1e-5;
/** Gradients that f32 rounds to 0 at special points, as PyTorch's do: 1 - tanh² of 17, say. */
const POINT_GRADIENT_ERROR = 1e-7;

/** Devices may flush smaller numbers to 0. */
const SUBNORMAL = 1.2e-38;

let lines = 0;

/** A leaf with host data, and the view of it that the op gets. */
interface Leaf {
  readonly data: Float64Array;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly gradient: boolean;
  readonly view: (leaf: Tensor) => Tensor;
}

/** Whole numbers below 2^32 by a hash of seed and index. */
function hash(seed: number, index: number): number {
  let h = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b) >>> 0;
  return (h ^ (h >>> 16)) >>> 0;
}

function uniform(seed: number, count: number, low: number, high: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) =>
    Math.fround(low + ((high - low) * (hash(seed, i) >>> 8)) / 2 ** 24),
  );
}

function formOf(input: Input): InputForm {
  return "shape" in input ? input : { shape: input };
}

function numbersFor(form: InputForm, dtype: DType, check: Check, seed: number): Float64Array {
  const count = sizeOf(form.shape);
  if (form.values !== undefined) return Float64Array.from({ length: count }, (_, i) => form.values?.[i] ?? Number.NaN);
  if (dtype === "bool") return uniform(seed, count, 0, 2).map(Math.floor);
  if (!isFloat(dtype)) {
    const [low, high] = form.range ?? (dtype === "i32" ? [-6, 7] : [0, 9]);
    return uniform(seed, count, low, high).map(Math.floor);
  }
  const [low, high] = form.range ?? check.range ?? [-2, 2];
  const room = (high - low) / 40;
  const values = uniform(seed, count, low, high).map((v) => {
    const near = check.avoid?.find((a) => Math.abs(v - a) < room);
    return Math.fround(
      near === undefined ? v : near + (near + 2 * room <= high ? 2 * room : -2 * room) + (v - near) / 2,
    );
  });
  // Multiples of 1/256 of a small range are exact in f16.
  return dtype === "f16" ? values.map((v) => Math.round(v * 64) / 64) : values;
}

/** Row-major numbers of `shape`, picked from numbers of another shape by coordinates. */
function rearranged(shape: Shape, pick: (coordinates: readonly number[]) => number): Float64Array {
  const strides = stridesOf(shape);
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) =>
    pick(shape.map((n, d) => Math.floor(i / (strides[d] as number)) % n)),
  );
}

function at(data: Float64Array, shape: Shape, coordinates: readonly number[]): number {
  const strides = stridesOf(shape);
  return data[coordinates.reduce((sum, c, d) => sum + c * (strides[d] as number), 0)] as number;
}

/** A leaf and a view of it that shows `data` in `shape` ("broadcast": a part of it, repeated). */
function layOut(layout: Layout, data: Float64Array, form: InputForm, dtype: DType): Leaf {
  const { shape } = form;
  const rest = { dtype, gradient: isFloat(dtype) && form.gradient !== false };
  if (layout === "transposed" && shape.length >= 2) {
    const order = [...shape.keys()].reverse();
    const turned = [...shape].reverse();
    return {
      ...rest,
      shape: turned,
      data: rearranged(turned, (c) => at(data, shape, [...c].reverse())),
      view: (x) => x.permute(order),
    };
  }
  if (layout === "transposed" && shape.length === 1) {
    return { ...rest, shape, data: data.slice().reverse(), view: (x) => x.flip([0]) };
  }
  if (layout === "broadcast" && shape.length > 0 && form.values === undefined) {
    const largest = shape.indexOf(Math.max(...shape));
    const small = shape.map((n, d) => (d === largest ? 1 : n));
    return { ...rest, shape: small, data: rearranged(small, (c) => at(data, shape, c)), view: (x) => x.expand(shape) };
  }
  if (layout !== "contiguous") {
    // Every second element of a larger tensor, from the second on.
    const outer = shape.length === 0 ? [3] : shape.map((n) => 2 * n + 1);
    const fill = (c: readonly number[]): number => {
      if (shape.length === 0) return c[0] === 1 ? (data[0] as number) : 0;
      const inside = c.map((v) => (v - 1) / 2);
      return inside.every((v, d) => Number.isInteger(v) && v >= 0 && v < (shape[d] as number))
        ? at(data, shape, inside)
        : 0;
    };
    const view = (x: Tensor): Tensor =>
      shape.length === 0 ? x.select(0, 1) : x.slice(...shape.map((n) => [1, 2 * n + 1, 2] as const));
    return { ...rest, shape: outer, data: rearranged(outer, fill), view };
  }
  return { ...rest, shape, data, view: (x) => x };
}

/** Tensors in whatever an op returns. */
function tensorsIn(result: unknown): Tensor[] {
  if (result instanceof Tensor) return [result];
  if (Array.isArray(result)) return result.flatMap(tensorsIn);
  if (result !== null && typeof result === "object") return Object.values(result).flatMap(tensorsIn);
  throw new TypeError(`an op returned ${String(result)}`);
}

/** One recording of an op over leaves: its values, gradients and second derivatives, with what they are taken by. */
interface Recording {
  readonly leaves: readonly Tensor[];
  readonly values: readonly Tensor[];
  /** Leaves that gradients are asked for; weights of the outputs that have gradients. */
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly weights: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  readonly secondOutputs: readonly Tensor[];
  readonly secondInputs: readonly Tensor[];
  readonly secondWeights: readonly Tensor[];
  readonly seconds: readonly Tensor[];
}

function leafTensor(data: Float64Array, shape: Shape, dtype: DType, requiresGrad: boolean): Tensor {
  return tensor(data, { shape, dtype, requiresGrad });
}

function record(run: (...inputs: Tensor[]) => unknown, leaves: readonly Leaf[], depth: 0 | 1 | 2): Recording {
  const tensors = leaves.map((leaf) => leafTensor(leaf.data, leaf.shape, leaf.dtype, depth > 0 && leaf.gradient));
  const values = tensorsIn(run(...tensors.map((x, i) => (leaves[i] as Leaf).view(x))));
  const none = { secondOutputs: [], secondInputs: [], secondWeights: [], seconds: [] };
  const inputs = tensors.filter((x) => x.requiresGrad);
  const outputs = values.filter((y) => isFloat(y.dtype) && y.requiresGrad);
  if (depth === 0 || outputs.length === 0)
    return { leaves: tensors, values, inputs, outputs: [], weights: [], gradients: [], ...none };
  const weights = outputs.map((y, i) => leafTensor(uniform(90 + i, y.numel, -1, 1), y.shape, y.dtype, depth === 2));
  const gradients = grad(outputs, inputs, { gradOutputs: weights });
  const secondOutputs = depth === 2 ? gradients.filter((g) => g.requiresGrad) : [];
  if (secondOutputs.length === 0) return { leaves: tensors, values, inputs, outputs, weights, gradients, ...none };
  const secondInputs = [...inputs, ...weights];
  const secondWeights = secondOutputs.map((g, i) =>
    leafTensor(uniform(70 + i, g.numel, -1, 1), g.shape, g.dtype, false),
  );
  const seconds = grad(secondOutputs, secondInputs, { gradOutputs: secondWeights });
  return {
    leaves: tensors,
    values,
    inputs,
    outputs,
    weights,
    gradients,
    secondOutputs,
    secondInputs,
    secondWeights,
    seconds,
  };
}

/** How far a result may be from the float64 one: relative to each number, and `absolute` for all of them. */
interface Allowed {
  readonly relative: number;
  readonly absolute: number;
}

/** `absolute` as a part of the largest number expected, or of 0.02: terms may have cancelled. */
function scaled({ relative, absolute }: Allowed, expected: ArrayLike<number>): Allowed {
  let largest = 0.02;
  for (let i = 0; i < expected.length; i++) {
    const size = Math.abs(expected[i] as number);
    if (Number.isFinite(size) && size > largest) largest = size;
  }
  return { relative, absolute: absolute * largest };
}

/** Where two results differ too much, in words; null where they agree. NaN and infinity must be where they are expected. */
function difference(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  { relative, absolute }: Allowed,
  round: (value: number) => number,
): string | null {
  if (got.length !== expected.length) return `${got.length} elements instead of ${expected.length}`;
  let worst: string | null = null;
  let worstExcess = 0;
  let count = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, exact] = [got[i] as number, expected[i] as number];
    const e = round(exact);
    const allowed = relative * Math.abs(e) + absolute + SUBNORMAL;
    if (Number.isNaN(e) ? Number.isNaN(a) : Number.isFinite(e) ? Math.abs(a - e) <= allowed : a === e) continue;
    count++;
    const excess = Number.isFinite(a) && Number.isFinite(e) ? Math.abs(a - e) / allowed : Number.POSITIVE_INFINITY;
    if (worst !== null && !(excess > worstExcess)) continue;
    worstExcess = excess;
    worst = `element ${i} is ${a} instead of ${exact} (allowed: ±${allowed.toExponential(2)})`;
  }
  return worst === null ? null : `${worst}; ${count} of ${expected.length} are wrong`;
}

const inner = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
};

/**
 * Compares derivatives with central differences of Σ weights · outputs, all in float64: along random directions and single elements
 * of `inputs`. Throws where they differ.
 */
function checkAgainstDifferences(
  what: string,
  outputs: readonly Tensor[],
  weights: readonly Tensor[],
  inputs: readonly Tensor[],
  derivatives: readonly Float64Array[],
): void {
  const base = interpret([...inputs, ...weights]);
  const points = base.slice(0, inputs.length);
  if (points.every((p) => p.length === 0)) return;
  const factors = base.slice(inputs.length);
  const along = (directions: readonly Float64Array[]): number => {
    const total = (sign: number): number => {
      const moved = new Map<Node, Float64Array>();
      inputs.forEach((x, i) => {
        moved.set(
          x.node,
          (points[i] as Float64Array).map((v, k) => v + sign * STEP * ((directions[i] as Float64Array)[k] as number)),
        );
      });
      return interpret(outputs, moved).reduce((sum, y, k) => sum + inner(y, factors[k] as Float64Array), 0);
    };
    return (total(1) - total(-1)) / (2 * STEP);
  };
  const compare = (directions: readonly Float64Array[], where: string): void => {
    const numeric = along(directions);
    const analytic = derivatives.reduce((sum, d, i) => sum + inner(d, directions[i] as Float64Array), 0);
    const scale = derivatives.reduce(
      (sum, d, i) => sum + inner(d.map(Math.abs), (directions[i] as Float64Array).map(Math.abs)),
      0,
    );
    const ok = Math.abs(numeric - analytic) <= 1e-5 * Math.max(scale, Math.abs(numeric)) + 1e-7;
    if (!ok) assert.unreachable(`${what} ${where}: ${analytic}, by central differences ${numeric}`);
  };
  for (let seed = 0; seed < 2; seed++) {
    compare(
      points.map((p, i) => uniform(40 + seed * 16 + i, p.length, -1, 1)),
      "in a random direction",
    );
  }
  points.forEach((p, i) => {
    for (let k = 0; k < Math.min(4, p.length); k++) {
      const element = hash(7 + i, k) % p.length;
      const directions = points.map((q) => new Float64Array(q.length));
      (directions[i] as Float64Array)[element] = 1;
      compare(directions, `of input ${i} at element ${element}`);
    }
  });
}

/** Everything of a recording that has a value to compare, with its name. */
function results(recording: Recording): { name: string; tensor: Tensor; level: 0 | 1 | 2 }[] {
  const many = recording.values.length > 1;
  return [
    ...recording.values.map((t, i) => ({ name: many ? `result ${i}` : "result", tensor: t, level: 0 as const })),
    ...recording.gradients.map((t, i) => ({ name: `gradient of input ${i}`, tensor: t, level: 1 as const })),
    ...recording.seconds.map((t, i) => ({ name: `second derivative by input ${i}`, tensor: t, level: 2 as const })),
  ];
}

interface Variant {
  readonly title: string;
  readonly leaves: readonly Leaf[];
  readonly depth: 0 | 1 | 2;
  /** Once more with every op a kernel of its own; second derivatives are left out there. */
  readonly naive?: boolean;
  /** Compares derivatives with central differences. */
  readonly differences?: boolean;
  readonly allowed: (expected: ArrayLike<number>, level: 0 | 1 | 2) => Allowed;
}

/** Values, gradients and second derivatives are the further from exact the more arithmetic is in them. */
function allowing(relative: number, absolute: number): Variant["allowed"] {
  return (expected, level) => {
    const factor = [1, 10, 30][level] as number;
    return scaled({ relative: factor * relative, absolute: factor * absolute }, expected);
  };
}

async function runVariant(run: (...inputs: Tensor[]) => unknown, variant: Variant): Promise<void> {
  const { title, leaves, depth, allowed } = variant;
  let expected: Float64Array[] | null = null;
  for (const optimize of variant.naive === true ? [true, false] : [true]) {
    const where = `${title}${optimize ? "" : ", naive"}`;
    setOptimize(optimize);
    try {
      const recording = record(run, leaves, optimize || depth === 0 ? depth : 1);
      const compared = results(recording);
      const tensors = compared.map((r) => r.tensor);
      if (expected === null) {
        expected = interpret(tensors);
        if (variant.differences === true) checkRecording(where, recording, expected);
      }
      await named(where, realize(...tensors));
      for (const [i, { name, tensor: found, level }] of compared.entries()) {
        const wanted = expected[i] as Float64Array;
        const exact = !isFloat(found.dtype);
        const got = await found.data();
        const problem = exact
          ? difference(got, wanted, { relative: 0, absolute: 0 }, (v) => v)
          : difference(got, wanted, allowed(wanted, level), Math.fround);
        if (problem !== null)
          assert.unreachable(`${where}: ${name} ${found.dtype}${formatShape(found.shape)}: ${problem}`);
      }
    } finally {
      setOptimize(true);
    }
  }
}

/** Says where an error of the engine came up. */
async function named<T>(where: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error) error.message = `${where}: ${error.message}`;
    throw error;
  }
}

function checkRecording(where: string, recording: Recording, expected: readonly Float64Array[]): void {
  const { values, gradients } = recording;
  const first = expected.slice(values.length, values.length + gradients.length);
  const second = expected.slice(values.length + gradients.length);
  if (gradients.length > 0)
    checkAgainstDifferences(`${where}: gradient`, recording.outputs, recording.weights, recording.inputs, first);
  if (second.length > 0) {
    checkAgainstDifferences(
      `${where}: second derivative`,
      recording.secondOutputs,
      recording.secondWeights,
      recording.secondInputs,
      second,
    );
  }
}

/** All combinations of `points` for `count` operands, as columns. */
function combinations(points: readonly number[], count: number): Float64Array[] {
  const total = points.length ** count;
  return Array.from({ length: count }, (_, k) =>
    Float64Array.from(
      { length: total },
      (_, i) => points[Math.floor(i / points.length ** (count - 1 - k)) % points.length] as number,
    ),
  );
}

/** Whether the device has f16. */
export const hasHalf: boolean = (await init()).gpu.features.has("shader-f16");

const names = new Map<unknown, string>(
  [...Object.entries(functions), ...Object.entries(methods)].map(([name, op]) => [op, name]),
);

function describe(value: unknown): string {
  if (value instanceof Tensor) return formatShape(value.shape);
  if (Array.isArray(value)) return `[${value.map(describe).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{ ${Object.entries(value)
      .map(([key, v]) => `${key}: ${describe(v)}`)
      .join(", ")} }`;
  }
  return String(value);
}

/**
 * Registers one test of an op. Values, gradients (by random weights of the results) and second derivatives on the device are
 * compared with the float64 interpreter, optimized and naive; in float64, derivatives with central differences. Then other
 * layouts, sizes and dtypes. Values in f16 are a test of their own, skipped where the device has no f16.
 */
export function checkOp(op: Op, check: Check): void {
  const name = names.get(op) ?? op.name;
  const apply = op as unknown as (...args: unknown[]) => unknown;
  const run = check.call ?? ((...inputs: Tensor[]) => apply(...inputs, ...(check.args ?? [])));
  const forms = check.shapes.map(formOf);
  const call =
    check.call === undefined
      ? (check.args ?? []).map(describe)
      : [/=>\s*([\s\S]*)$/.exec(String(check.call))?.[1] ?? ""];
  const title = [name, ...forms.map((f) => `${f.dtype ?? "f32"}${formatShape(f.shape)}`), ...call]
    .join(" ")
    .replace(/\s+/g, " ");
  const turn = lines++;
  const leavesOf = (inputs: readonly InputForm[], layouts: readonly Layout[], dtype?: DType): Leaf[] =>
    inputs.map((form, i) => {
      const own = form.dtype ?? "f32";
      const chosen = own === "f32" && dtype !== undefined ? dtype : own;
      return layOut(layouts[i % layouts.length] as Layout, numbersFor(form, chosen, check, 11 + i), form, chosen);
    });
  test(title, async () => {
    const tolerance = check.tolerance ?? 1e-6;
    const allowed = allowing(tolerance, check.absolute ?? 1e-6);
    const depth = check.gradient === false ? 0 : check.second === false ? 1 : 2;
    const shallow = depth === 0 ? 0 : 1;
    const plain = leavesOf(forms, ["contiguous"]);
    await runVariant(run, { title: "contiguous", leaves: plain, depth, naive: true, differences: true, allowed });
    const layouts = check.layouts ?? [0, 1].map((k) => VIEWS[(turn + k) % VIEWS.length] as Layout);
    for (const layout of layouts) {
      const first = VIEWS.indexOf(layout);
      const turned = forms.map((_, k) => VIEWS[(first + k) % VIEWS.length] as Layout);
      const shown = forms.length > 1 ? turned.join(" and ") : layout;
      await runVariant(run, { title: shown, leaves: leavesOf(forms, turned), depth: shallow, allowed });
    }
    for (const inputs of check.more ?? []) {
      const others = inputs.map(formOf);
      const shown = others.map((f) => formatShape(f.shape)).join(" and ");
      // Differences take an evaluation per element: the small shapes are enough for them.
      const differences = others.every((f) => sizeOf(f.shape) <= 64);
      await runVariant(run, {
        title: shown,
        leaves: leavesOf(others, ["contiguous"]),
        depth: shallow,
        differences,
        allowed,
      });
    }
    for (const dtype of check.dtypes ?? []) {
      await runVariant(run, { title: dtype, leaves: leavesOf(forms, ["contiguous"], dtype), depth: 0, allowed });
    }
    if (check.points !== undefined) {
      const leaves = combinations(check.points, forms.length).map((data, i) => {
        const form = { ...(forms[i] as InputForm), shape: [data.length] };
        return layOut("contiguous", data, form, "f32");
      });
      const errors = [check.pointError ?? 0, POINT_GRADIENT_ERROR];
      await runVariant(run, {
        title: "at special points",
        leaves,
        depth: check.pointGradients === false ? 0 : shallow,
        allowed: (_, level) => ({
          relative: Math.max(tolerance, 2e-6) * (1 + 9 * level),
          absolute: errors[level] ?? 0,
        }),
      });
    }
  });
  const floats = forms.some((f) => (f.dtype ?? "f32") === "f32");
  if (!floats || check.f16 === false) return;
  (hasHalf ? test : test.skip)(`${title}, f16`, () => {
    const leaves = leavesOf(forms, ["contiguous"], "f16");
    return runVariant(run, { title: "f16", leaves, depth: 0, allowed: allowing(2e-3, 1e-3) });
  });
}
