// Normalization: by batch, layer, group, instance, root mean square and neighbouring channels.

import { type Shape, shapeError, sizeOf } from "../base/shape.ts";
import { asking } from "../graph/asked.ts";
import { type Tensor, withGrad } from "../graph/tensor.ts";
import { alongDim, checkFloat, filled, optionalTensor, surroundedAlong } from "./arguments.ts";
import { add, mul, sub, trueDivide } from "./arithmetic.ts";
import { asSingle } from "./autocast.ts";
import { checkWhole, expectTensor, same } from "./define.ts";
import { rsqrt, square } from "./exponential.ts";
import { pow } from "./power.ts";
import { centered, divideByCount, meanOver } from "./reduction-ops.ts";
import { sumOver } from "./reductions.ts";
import { reshape, windows } from "./views.ts";

/** Scale (`weight`) and shift (`bias`) of normalized values; both are optional. */
export interface Affine {
  /** Scale of the normalized values. Default: none. */
  readonly weight?: Tensor | null;
  /** Shift of the normalized values. Default: none. */
  readonly bias?: Tensor | null;
}

/** x · weight + bias, where each is there; the vectors of `shape` are reshaped to `broadcast`. */
function affine(op: string, x: Tensor, options: Affine, shape: Shape, broadcast: Shape): Tensor {
  const weight = optionalTensor(op, "weight", options.weight, shape);
  const bias = optionalTensor(op, "bias", options.bias, shape);
  const scaled = weight === null ? x : mul(x, reshape(weight, broadcast));
  return bias === null ? scaled : add(scaled, reshape(bias, broadcast));
}

/** (x - mean) / √(variance + eps) over `dims`, with the biased variance. */
function standardized(x: Tensor, dims: readonly number[], eps: number): Tensor {
  const { deviation, variance } = centered(x, dims);
  return mul(deviation, rsqrt(add(variance, eps)));
}

/** The last dims, after checking that their sizes are `shape`. */
function lastDims(
  op: string,
  x: Tensor,
  shape: number | readonly number[],
): { sizes: readonly number[]; dims: number[] } {
  checkFloat(op, x);
  const sizes = typeof shape === "number" ? [shape] : shape;
  if (!Array.isArray(sizes) || sizes.length === 0) {
    throw shapeError`${op}: the normalized shape is a list of at least one size, got ${String(shape)}.`;
  }
  const first = x.ndim - sizes.length;
  if (first < 0 || sizes.some((n: number, i: number) => x.shape[first + i] !== n)) {
    throw shapeError`${op}: the last dims must be ${sizes}, got ${x.shape}.`;
  }
  return { sizes, dims: sizes.map((_: number, i: number) => first + i) };
}

/** Demands [N, C, *] and returns C. */
function channelsOf(op: string, x: Tensor, least: number): number {
  checkFloat(op, x);
  if (x.ndim < least) {
    throw shapeError`${op}: the input must be [N, C${least > 2 ? ", L, …" : ", …"}], got ${x.shape}.`;
  }
  return x.shape[1] as number;
}

/**
 * Normalizes over the last dims, whose sizes are `shape`: (x - mean) / √(variance + eps) · weight + bias (default eps
 * 1e-5). Throws a ShapeError if they differ.
 */
export function layerNorm(
  x: Tensor,
  shape: number | readonly number[],
  options: Affine & { readonly eps?: number } = {},
): Tensor {
  const op = "layerNorm";
  const { eps, ...vectors } = filled(op, options, { weight: null, bias: null, eps: 1e-5 });
  const { sizes, dims } = lastDims(op, x, shape);
  return asking(op, () => affine(op, standardized(asSingle(x), dims, eps), vectors, sizes, sizes));
}

/**
 * Divides by the root mean square of the last dims, whose sizes are `shape`: x / √(mean(x²) + eps) · weight (default
 * eps 2⁻²³, the precision of f32). Throws a ShapeError if they differ.
 */
export function rmsNorm(
  x: Tensor,
  shape: number | readonly number[],
  options: { readonly weight?: Tensor | null; readonly eps?: number | null } = {},
): Tensor {
  const op = "rmsNorm";
  const { weight, eps } = filled(op, options, { weight: null, eps: 2 ** -23 });
  const { sizes, dims } = lastDims(op, x, shape);
  return asking(op, () => {
    const values = asSingle(x);
    const scaled = mul(values, rsqrt(add(meanOver(square(values), dims), eps)));
    return affine(op, scaled, { weight }, sizes, sizes);
  });
}

/**
 * Normalizes [N, C, *] in `numGroups` groups of channels, each example by itself, to mean 0 and variance 1; weight and
 * bias are [C] (default eps 1e-5). Throws a ShapeError unless C is a multiple of numGroups.
 */
export function groupNorm(x: Tensor, numGroups: number, options: Affine & { readonly eps?: number } = {}): Tensor {
  const op = "groupNorm";
  const { eps, ...vectors } = filled(op, options, { weight: null, bias: null, eps: 1e-5 });
  const channels = channelsOf(op, x, 2);
  checkWhole(op, "numGroups", numGroups, 1);
  if (channels % numGroups !== 0) {
    throw shapeError`${op}: the channels must be a multiple of ${numGroups} groups, got ${x.shape}.`;
  }
  const batch = x.shape[0] as number;
  const grouped = reshape(asSingle(x), [batch, numGroups, (channels / numGroups) * sizeOf(x.shape.slice(2))]);
  const normalized = reshape(standardized(grouped, [2], eps), x.shape);
  return affine(op, normalized, vectors, [channels], alongDim(x.ndim, 1, channels));
}

/** Running statistics of batch and instance norm. */
interface Running {
  readonly mean: Tensor;
  readonly variance: Tensor;
}

function runningOf(
  op: string,
  mean: Tensor | null | undefined,
  variance: Tensor | null | undefined,
  channels: number,
): Running | null {
  const [m, v] = [
    optionalTensor(op, "runningMean", mean, [channels]),
    optionalTensor(op, "runningVar", variance, [channels]),
  ];
  if ((m === null) !== (v === null))
    throw new TypeError(`${op}: runningMean and runningVar are given both or not at all.`);
  return m === null || v === null ? null : { mean: m, variance: v };
}

/** running ← (1 - momentum) running + momentum · batch, in place; the variance without bias. */
function track(running: Running, mean: Tensor, variance: Tensor, count: number, momentum: number): void {
  withGrad(false, () => {
    const update = (old: Tensor, batch: Tensor, factor: number): void => {
      old.assign(add(mul(old, 1 - momentum), mul(reshape(batch, old.shape), factor)));
    };
    update(running.mean, mean, momentum);
    update(running.variance, variance, (momentum * count) / (count - 1));
  });
}

function normalizedBy(x: Tensor, running: Running, eps: number): Tensor {
  const shape = alongDim(x.ndim, 1, x.shape[1] as number);
  return mul(sub(x, reshape(running.mean, shape)), rsqrt(add(reshape(running.variance, shape), eps)));
}

function checkCount(op: string, x: Tensor, count: number): void {
  if (count > 1) return;
  throw shapeError`${op}: needs more than one value per channel, got ${x.shape}. A larger batch or the running statistics would do.`;
}

/**
 * Normalizes each channel of [N, C, *]: (x - mean) / √(variance + eps) · weight + bias. With `training`, or without
 * running statistics, mean and biased variance are those of the batch, and the running ones are updated in place: (1 -
 * momentum) running + momentum · batch, with the unbiased variance. Defaults: training false, momentum 0.1, eps 1e-5.
 * Throws a ShapeError for one value per channel in training.
 */
export function batchNorm(
  x: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  options: Affine & { readonly training?: boolean; readonly momentum?: number; readonly eps?: number } = {},
): Tensor {
  const op = "batchNorm";
  const { training, momentum, eps, ...vectors } = filled(op, options, {
    weight: null,
    bias: null,
    training: false,
    momentum: 0.1,
    eps: 1e-5,
  });
  // PyTorch takes an empty vector too.
  if (expectTensor(op, x).ndim === 1 && x.numel === 0) return same(x);
  const channels = channelsOf(op, x, 2);
  const running = runningOf(op, runningMean, runningVar, channels);
  const perChannel = alongDim(x.ndim, 1, channels);
  if (running !== null && !training)
    return asking(op, () => affine(op, normalizedBy(asSingle(x), running, eps), vectors, [channels], perChannel));
  const dims = [...x.shape.keys()].filter((d) => d !== 1);
  const count = dims.reduce((n, d) => n * (x.shape[d] as number), 1);
  // Of nothing, PyTorch makes nothing: the running statistics stay.
  if (training && count > 0) checkCount(op, x, count);
  return asking(op, () => {
    const { deviation, mean, variance } = centered(asSingle(x), dims);
    if (training && count > 0 && running !== null) track(running, mean, variance, count, momentum);
    return affine(op, mul(deviation, rsqrt(add(variance, eps))), vectors, [channels], perChannel);
  });
}

/** Options of `instanceNorm`. */
export interface InstanceNormOptions extends Affine {
  /** Running mean per channel; used if `useInputStats` is false, else updated. */
  readonly runningMean?: Tensor | null;
  /** Running variance per channel, likewise. */
  readonly runningVar?: Tensor | null;
  /** Normalizes by the input's own statistics (and updates the running ones), not by the running ones. Default true. */
  readonly useInputStats?: boolean;
  /** Default 0.1. */
  readonly momentum?: number;
  /** Default 1e-5. */
  readonly eps?: number;
}

/**
 * Normalizes each channel of each example by itself: [N, C, L, …]; weight and bias are [C]. Throws a ShapeError for one
 * value per channel.
 */
export function instanceNorm(x: Tensor, options: InstanceNormOptions = {}): Tensor {
  const op = "instanceNorm";
  const { runningMean, runningVar, useInputStats, momentum, eps, ...vectors } = filled(op, options, {
    weight: null,
    bias: null,
    runningMean: null,
    runningVar: null,
    useInputStats: true,
    momentum: 0.1,
    eps: 1e-5,
  });
  const channels = channelsOf(op, x, 3);
  const running = runningOf(op, runningMean, runningVar, channels);
  const perChannel = alongDim(x.ndim, 1, channels);
  if (!useInputStats) {
    if (running === null) throw new TypeError(`${op}: useInputStats: false needs runningMean and runningVar.`);
    return affine(op, normalizedBy(asSingle(x), running, eps), vectors, [channels], perChannel);
  }
  const dims = Array.from({ length: x.ndim - 2 }, (_, i) => i + 2);
  const count = sizeOf(x.shape.slice(2));
  checkCount(op, x, count);
  const { deviation, mean, variance } = centered(asSingle(x), dims);
  if (running !== null) {
    const overBatch = (t: Tensor): Tensor => withGrad(false, () => meanOver(t, [0]));
    track(running, overBatch(mean), overBatch(variance), count, momentum);
  }
  return affine(op, mul(deviation, rsqrt(add(variance, eps))), vectors, [channels], perChannel);
}

/**
 * [N, C, *]: x / (k + alpha · mean(x² of `size` neighbouring channels))^beta, with zeros beyond the first and last channel
 * (alpha 1e-4, beta 0.75, k 1; Krizhevsky et al. 2012).
 */
export function localResponseNorm(
  x: Tensor,
  size: number,
  options: { readonly alpha?: number; readonly beta?: number; readonly k?: number } = {},
): Tensor {
  const op = "localResponseNorm";
  const { alpha, beta, k } = filled(op, options, { alpha: 1e-4, beta: 0.75, k: 1 });
  channelsOf(op, x, 3);
  checkWhole(op, "size", size, 1);
  const squares = surroundedAlong(square(asSingle(x)), 1, Math.floor(size / 2), Math.floor((size - 1) / 2), 0);
  const neighbours = windows(squares, 1, size, 1, 1);
  const mean = divideByCount(reshape(sumOver(neighbours, [x.ndim]), x.shape), size);
  return trueDivide(asSingle(x), pow(add(mul(mean, alpha), k), beta));
}
