// Pooling: the maximum or the mean of windows.

import { checkShape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { alongDim, checkImage, checkSizes, type Size, surrounded } from "./arguments.ts";
import { add, ge, logicalAnd, lt, mul, sub, trueDivide, where } from "./arithmetic.ts";
import { maximum, minimum } from "./comparison.ts";
import { cast, checkOptions, constant, expectTensor } from "./define.ts";
import { floorDivide } from "./division.ts";
import { firstMaxOver } from "./extremes.ts";
import { iota } from "./iota.ts";
import { divideByCount, meanOver } from "./reduction-ops.ts";
import { asFloat, lowest, sumOver } from "./reductions.ts";
import { reshape, windows } from "./views.ts";

/** The geometry of a pool in one spatial dim. */
interface Window {
  readonly size: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
  /** Size of the input and number of windows. */
  readonly length: number;
  readonly count: number;
}

/** Options of `maxPool1d` and `maxPool2d`. */
export interface MaxPoolOptions {
  /** Distance between windows. Default: their size. */
  readonly stride?: Size | null;
  /** Elements of -∞ around the input; at most half of a window. Default 0. */
  readonly padding?: Size;
  /** Distance between a window's elements. Default 1. */
  readonly dilation?: Size;
  /** Rounds the number of windows up instead of down. Default false. */
  readonly ceilMode?: boolean;
}

/** Options of `avgPool1d` and `avgPool2d`. */
export interface AvgPoolOptions {
  /** Distance between windows. Default: their size. */
  readonly stride?: Size | null;
  /** Zeros around the input; at most half of a window. Default 0. */
  readonly padding?: Size;
  /** Rounds the number of windows up instead of down. Default false. */
  readonly ceilMode?: boolean;
  /** Counts the padding in the mean. Default true. */
  readonly countIncludePad?: boolean;
}

function windowsOf(op: string, spatial: number, x: Tensor, kernelSize: Size, options: MaxPoolOptions): Window[] {
  checkImage(op, x, spatial);
  const sizes = checkSizes(op, "kernelSize", kernelSize, spatial, 1);
  // An empty list is PyTorch's way to leave the stride out.
  const given = options.stride ?? kernelSize;
  const stride = checkSizes(op, "stride", Array.isArray(given) && given.length === 0 ? kernelSize : given, spatial, 1);
  const padding = checkSizes(op, "padding", options.padding ?? 0, spatial, 0);
  const dilation = checkSizes(op, "dilation", options.dilation ?? 1, spatial, 1);
  return sizes.map((size, i) => {
    const [step, pad, apart] = [stride[i] as number, padding[i] as number, dilation[i] as number];
    const reach = (size - 1) * apart + 1;
    if (pad > Math.floor(reach / 2)) {
      throw new RangeError(`${op}: padding must be at most half of the window, got ${pad} for ${reach}.`);
    }
    const length = x.shape[x.ndim - spatial + i] as number;
    const room = length + 2 * pad - reach;
    let count = Math.floor(room / step) + 1;
    if (options.ceilMode ?? false) {
      count = Math.ceil(room / step) + 1;
      // A window must not start in the padding behind the input.
      if ((count - 1) * step >= length + pad) count--;
    }
    if (count < 1) {
      throw shapeError`${op}: the window must fit into the padded input, got kernel ${sizes} for ${x.shape}.`;
    }
    return { size, stride: step, dilation: apart, padding: pad, length, count };
  });
}

/** The windows of the last dims as dims of their own: which those are, and the tensor with them. */
function taken(x: Tensor, dims: readonly Window[], fill: number): { taps: Tensor; tapDims: number[] } {
  const lead = x.ndim - dims.length;
  const tiles = dims.every((d) => d.stride === d.size && d.dilation === 1);
  const low = x.shape.map((_, i) => (i < lead ? 0 : (dims[i - lead] as Window).padding));
  const high = x.shape.map((_, i) => {
    if (i < lead) return 0;
    const d = dims[i - lead] as Window;
    const missing = (d.count - 1) * d.stride + (d.size - 1) * d.dilation + 1 - d.length - d.padding;
    // Tiles need just what they cover; windows may leave a rest.
    return tiles ? missing : Math.max(missing, 0);
  });
  const whole = surrounded(x, low, high, fill);
  const head = x.shape.slice(0, lead);
  if (tiles) {
    // Windows that don't overlap are blocks: a reshape, which also leads the gradient back without a sum.
    const shape = [...head, ...dims.flatMap((d) => [d.count, d.size])];
    return { taps: reshape(whole, shape), tapDims: dims.map((_, i) => lead + 2 * i + 1) };
  }
  let taps = whole;
  dims.forEach((d, i) => {
    taps = windows(taps, lead + i, d.size, d.stride, d.dilation);
  });
  return { taps, tapDims: dims.map((_, i) => x.ndim + i) };
}

function outputShape(x: Tensor, dims: readonly Window[]): number[] {
  return [...x.shape.slice(0, x.ndim - dims.length), ...dims.map((d) => d.count)];
}

function maxPool(op: string, spatial: number, x: Tensor, kernelSize: Size, options: MaxPoolOptions): Tensor {
  checkOptions(op, options, ["stride", "padding", "dilation", "ceilMode"]);
  const dims = windowsOf(op, spatial, x, kernelSize, options);
  const { taps, tapDims } = taken(x, dims, lowest[x.dtype]);
  return reshape(firstMaxOver(taps, tapDims), outputShape(x, dims));
}

/**
 * Takes the maximum of each window of [N, C, L] or [C, L]. NaN wins; the gradient goes to the first maximum of a
 * window. Throws a ShapeError if no window fits, and a RangeError for padding over half of the window.
 */
export function maxPool1d(x: Tensor, kernelSize: Size, options: MaxPoolOptions = {}): Tensor {
  return maxPool("maxPool1d", 1, x, kernelSize, options);
}

/** Takes the maximum of each window of [N, C, H, W] or [C, H, W], otherwise as `maxPool1d`. */
export function maxPool2d(x: Tensor, kernelSize: Size, options: MaxPoolOptions = {}): Tensor {
  return maxPool("maxPool2d", 2, x, kernelSize, options);
}

/** How many elements each window of one dim counts, as f32 vector; or one number where they all count as many. */
function counts(d: Window, includePad: boolean): Tensor | number {
  const overhang = (d.count - 1) * d.stride + d.size - d.length - 2 * d.padding;
  if (overhang <= 0 && (includePad || d.padding === 0)) return d.size;
  const start = sub(mul(iota(d.count), d.stride), d.padding);
  const end = minimum(add(start, d.size), includePad ? d.length + d.padding : d.length);
  return cast(sub(end, includePad ? start : maximum(start, 0)), "f32");
}

function avgPool(
  op: string,
  spatial: number,
  x: Tensor,
  kernelSize: Size,
  options: AvgPoolOptions,
  divisor: number | null,
): Tensor {
  const input = asFloat(expectTensor(op, x));
  const dims = windowsOf(op, spatial, input, kernelSize, options);
  const { taps, tapDims } = taken(input, dims, 0);
  const total = reshape(sumOver(taps, tapDims), outputShape(input, dims));
  if (divisor !== null) return trueDivide(total, divisor);
  const perDim = dims.map((d) => counts(d, options.countIncludePad ?? true));
  let number = 1;
  let varying: Tensor | null = null;
  perDim.forEach((count, i) => {
    if (typeof count === "number") {
      number *= count;
      return;
    }
    const factor = reshape(count, alongDim(spatial, i, (dims[i] as Window).count));
    varying = varying === null ? factor : mul(varying, factor);
  });
  if (varying === null) return divideByCount(total, number);
  return trueDivide(total, cast(mul(varying, number), input.dtype));
}

/** Takes the mean of each window of [N, C, L] or [C, L]. Throws as `maxPool1d`. */
export function avgPool1d(x: Tensor, kernelSize: Size, options: AvgPoolOptions = {}): Tensor {
  checkOptions("avgPool1d", options, ["stride", "padding", "ceilMode", "countIncludePad"]);
  return avgPool("avgPool1d", 1, x, kernelSize, options, null);
}

/**
 * Takes the mean of each window of [N, C, H, W] or [C, H, W]. `divisorOverride` replaces the number of elements. Throws
 * as `maxPool1d`.
 */
export function avgPool2d(
  x: Tensor,
  kernelSize: Size,
  options: AvgPoolOptions & { readonly divisorOverride?: number | null } = {},
): Tensor {
  checkOptions("avgPool2d", options, ["stride", "padding", "ceilMode", "countIncludePad", "divisorOverride"]);
  const divisor = options.divisorOverride ?? null;
  if (divisor === 0) throw new RangeError("avgPool2d: divisorOverride must not be 0.");
  return avgPool("avgPool2d", 2, x, kernelSize, options, divisor);
}

/** Whether element j of `length` belongs to part i of `parts`, ⌊i·length/parts⌋ ≤ j < ⌈(i+1)·length/parts⌉: [parts, length]. */
function membership(length: number, parts: number): { member: Tensor; count: Tensor } {
  const i = reshape(iota(parts), [parts, 1]);
  const start = floorDivide(mul(i, length), parts);
  const end = floorDivide(add(mul(add(i, 1), length), parts - 1), parts);
  const j = iota(length);
  return { member: logicalAnd(ge(j, start), lt(j, end)), count: cast(sub(end, start), "f32") };
}

function adaptiveSizes(
  op: string,
  spatial: number,
  x: Tensor,
  outputSize: number | readonly (number | null)[],
): number[] {
  checkImage(op, x, spatial);
  const own = x.shape.slice(-spatial);
  const given =
    Array.isArray(outputSize) && outputSize.length === spatial
      ? outputSize.map((n: number | null, i: number) => n ?? (own[i] as number))
      : (outputSize as Size);
  const sizes = checkSizes(op, "outputSize", given, spatial, 1);
  checkShape(op, [...x.shape.slice(0, -spatial), ...sizes]);
  return sizes;
}

/** Applies `pool` to equal blocks, or else dim by dim to parts that may overlap. */
function adaptive(
  x: Tensor,
  sizes: readonly number[],
  blocks: (taps: Tensor, dims: number[]) => Tensor,
  parts: (taps: Tensor, member: Tensor, count: Tensor, dim: number) => Tensor,
): Tensor {
  const lead = x.ndim - sizes.length;
  const head = x.shape.slice(0, lead);
  if (sizes.every((n, i) => (x.shape[lead + i] as number) % n === 0)) {
    const shape = [...head, ...sizes.flatMap((n, i) => [n, (x.shape[lead + i] as number) / n])];
    return reshape(
      blocks(
        reshape(x, shape),
        sizes.map((_, i) => lead + 2 * i + 1),
      ),
      [...head, ...sizes],
    );
  }
  let result = x;
  for (let i = sizes.length - 1; i >= 0; i--) {
    const dim = lead + i;
    const [length, size] = [x.shape[dim] as number, sizes[i] as number];
    const { member, count } = membership(length, size);
    const after = result.shape.slice(dim + 1);
    const ones = after.map(() => 1);
    const taps = reshape(result, [...result.shape.slice(0, dim), 1, length, ...after]);
    const pooled = parts(taps, reshape(member, [size, length, ...ones]), reshape(count, [size, 1, ...ones]), dim + 1);
    result = reshape(pooled, [...result.shape.slice(0, dim), size, ...after]);
  }
  return result;
}

function adaptiveAvgPool(
  op: string,
  spatial: number,
  x: Tensor,
  outputSize: number | readonly (number | null)[],
): Tensor {
  const sizes = adaptiveSizes(op, spatial, x, outputSize);
  return adaptive(asFloat(x), sizes, meanOver, (taps, member, count, dim) => {
    const total = sumOver(where(member, taps, 0), [dim]);
    return trueDivide(total, cast(count, total.dtype));
  });
}

/** Takes the means of `outputSize` nearly equal parts of [N, C, L] or [C, L]: part i is ⌊i·L/n⌋ … ⌈(i+1)·L/n⌉ - 1. */
export function adaptiveAvgPool1d(x: Tensor, outputSize: number | readonly (number | null)[]): Tensor {
  return adaptiveAvgPool("adaptiveAvgPool1d", 1, x, outputSize);
}

/** Takes the means of nearly equal parts of [N, C, H, W] or [C, H, W]. null in `outputSize` keeps a size. */
export function adaptiveAvgPool2d(x: Tensor, outputSize: number | readonly (number | null)[]): Tensor {
  return adaptiveAvgPool("adaptiveAvgPool2d", 2, x, outputSize);
}

/** Takes the maxima of nearly equal parts of [N, C, H, W] or [C, H, W]. The gradient goes to the first maximum. */
export function adaptiveMaxPool2d(x: Tensor, outputSize: number | readonly (number | null)[]): Tensor {
  const sizes = adaptiveSizes("adaptiveMaxPool2d", 2, x, outputSize);
  return adaptive(x, sizes, firstMaxOver, (taps, member, _count, dim) =>
    firstMaxOver(where(member, taps, constant(lowest[x.dtype], x.dtype)), [dim]),
  );
}
