// Inputs of metrics: tensors, which are read once, or numbers that are on the host already.

import { DTypeError } from "../base/errors.ts";
import { flattened } from "../data/column.ts";
import { misfit, printed, sameShape, sizeOf } from "../ops/check.ts";
import { type Shape, Tensor, type TypedArray } from "../tensor.ts";

/** Nested arrays of numbers, all branches of one length. */
export type NestedNumbers = readonly number[] | readonly NestedNumbers[];

/** Numbers as a tensor, a typed array (1-D), a nested array, or a typed array with its shape. */
export type MetricInput =
  | Tensor
  | TypedArray
  | NestedNumbers
  | { readonly data: ArrayLike<number>; readonly shape: Shape };

/** Numbers on the host, row-major. */
export interface HostValues {
  readonly data: ArrayLike<number>;
  readonly shape: Shape;
}

/** Reads both inputs; tensors together. @throws ShapeError when a nested array is ragged. */
export function read(metric: string, a: MetricInput, b: MetricInput): Promise<[HostValues, HostValues]> {
  return Promise.all([readOne(metric, a), readOne(metric, b)]);
}

async function readOne(metric: string, input: MetricInput): Promise<HostValues> {
  if (input instanceof Tensor) return { data: await input.data(), shape: input.shape };
  if (ArrayBuffer.isView(input)) return { data: input, shape: [input.length] };
  if (Array.isArray(input)) {
    const { data, shape, regular } = flattened(input);
    if (regular && data.every((value) => typeof value === "number" || typeof value === "boolean")) {
      return { data: data.map(Number), shape };
    }
    throw misfit(metric, `a nested array of numbers must be regular, got one that does not fit [${shape}].`);
  }
  if (typeof input === "object" && input !== null && "data" in input && "shape" in input) return input;
  throw new TypeError(`${metric}: expected a Tensor or an array of numbers, got ${printed(input)}.`);
}

/** Demands equal shapes and at least one element. */
export function checkEqualShapes(metric: string, predictions: HostValues, targets: HostValues): void {
  if (!sameShape(predictions.shape, targets.shape) || sizeOf(targets.shape) === 0) {
    const rule = "predictions and targets need the same shape with at least one element";
    const got = `[${predictions.shape}] and [${targets.shape}]`;
    throw misfit(metric, `${rule}, got ${got}.`, predictions, targets);
  }
}

/** Demands class numbers: whole and at least 0 (and below `classes`). */
export function checkClasses(metric: string, values: HostValues, classes: number = Number.POSITIVE_INFINITY): void {
  const { data } = values;
  for (let i = 0; i < data.length; i++) {
    const value = data[i] as number;
    if (Number.isInteger(value) && value >= 0 && value < classes) continue;
    const upper = classes === Number.POSITIVE_INFINITY ? "" : ` and below ${classes}`;
    if (Number.isInteger(value))
      throw new RangeError(`${metric}: class numbers must be at least 0${upper}, got ${value} at ${i}.`);
    throw new DTypeError(
      `${metric}: class numbers must be whole, got ${value} at ${i}. Are these scores of another shape?`,
      {
        op: metric,
      },
    );
  }
}

/** Scores with a class dim beside targets without one. */
export interface Scores {
  readonly data: ArrayLike<number>;
  /** Number of classes, of samples, and how far apart the scores of a sample's classes lie. */
  readonly classes: number;
  readonly samples: number;
  readonly stride: number;
}

/**
 * Finds the class dim of scores: it is dim 1 (`[n, classes, …]` for targets `[n, …]`), or the last (`[n, …, classes]`);
 * where both would fit, dim 1. @throws ShapeError when neither fits.
 */
export function scoresOf(metric: string, scores: HostValues, targets: HostValues, classDim?: "last"): Scores {
  const { shape } = scores;
  const candidates = classDim === "last" ? [shape.length - 1] : [1, shape.length - 1];
  const dim = candidates.find((d) => d >= 0 && d < shape.length && sameShape(shape.toSpliced(d, 1), targets.shape));
  const samples = sizeOf(targets.shape);
  const classes = dim === undefined ? 0 : (shape[dim] ?? 0);
  if (dim === undefined || classes === 0 || samples === 0) {
    const got = `[${shape}] and [${targets.shape}]`;
    throw misfit(metric, `scores [n, classes] need targets [n] with n ≥ 1, got ${got}.`, scores, targets);
  }
  return { data: scores.data, classes, samples, stride: sizeOf(shape.slice(dim + 1)) };
}

/** Where the scores of a sample start. */
function startOf({ stride, classes }: Scores, sample: number): number {
  return Math.floor(sample / stride) * stride * classes + (sample % stride);
}

/** A sample's score of a class. */
export function scoreOf(scores: Scores, sample: number, label: number): number {
  return scores.data[startOf(scores, sample) + label * scores.stride] as number;
}

/** Class of the highest score of a sample; the lower class of equal ones. @throws RangeError on NaN. */
export function bestClass(metric: string, scores: Scores, sample: number): number {
  const start = startOf(scores, sample);
  let best = 0;
  let highest = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < scores.classes; c++) {
    const score = scores.data[start + c * scores.stride] as number;
    if (Number.isNaN(score))
      throw new RangeError(`${metric}: the scores hold NaN, in sample ${sample}. Has the training diverged?`);
    if (score > highest) {
      highest = score;
      best = c;
    }
  }
  return best;
}

/** Class numbers of both: as given where the shapes are equal, else each sample's best class. */
export function classesOf(
  metric: string,
  predictions: HostValues,
  targets: HostValues,
): { predicted: ArrayLike<number>; classes: number | undefined } {
  checkClasses(metric, targets);
  if (sameShape(predictions.shape, targets.shape)) {
    checkEqualShapes(metric, predictions, targets);
    checkClasses(metric, predictions);
    return { predicted: predictions.data, classes: undefined };
  }
  const scores = scoresOf(metric, predictions, targets);
  checkClasses(metric, targets, scores.classes);
  return {
    predicted: Int32Array.from({ length: scores.samples }, (_, sample) => bestClass(metric, scores, sample)),
    classes: scores.classes,
  };
}
