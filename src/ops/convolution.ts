// Convolutions: windows of the input times the weight, summed over channels and taps; the compiler makes contractions of them.

import { shapeError } from "../base/shape.ts";
import { asking } from "../graph/asked.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkImage, checkRank, checkSizes, optionalTensor, range, type Size, surrounded } from "./arguments.ts";
import { add, mul } from "./arithmetic.ts";
import { asHalf } from "./autocast.ts";
import { checkOptions, checkWhole } from "./define.ts";
import { flip } from "./movement.ts";
import { sumOver } from "./reductions.ts";
import { padded, permute, reshape, windowCount, windows } from "./views.ts";

/** Options of `conv1d`, `conv2d` and `conv3d`. */
export interface ConvOptions {
  /** [out]; added to each output channel. */
  readonly bias?: Tensor | null;
  /** Distance between windows. Default 1. */
  readonly stride?: Size;
  /** Zeros before and after; "same" keeps the size (stride 1 only), "valid" adds none. Default 0. */
  readonly padding?: Size | "same" | "valid";
  /** Distance between a window's taps. Default 1. */
  readonly dilation?: Size;
  /** Number of groups that the channels fall into, each convolved by itself. Default 1. */
  readonly groups?: number;
}

/** The geometry of a convolution in one spatial dim. */
interface Window {
  readonly size: number;
  readonly stride: number;
  readonly dilation: number;
  readonly low: number;
  readonly high: number;
}

/** Sizes of a kernel by the number of spatial dims. */
const KERNELS = ["", "K", "KH, KW", "KD, KH, KW"];

/** Σ over channels and taps of x [N, C, *S] windows × weight [O, C / groups, *K], with C and the groups checked. */
function convolve(x: Tensor, weight: Tensor, groups: number, dims: readonly Window[]): Tensor {
  const n = x.shape[0] as number;
  const [o, perGroup] = weight.shape as readonly [number, number];
  let taps = surrounded(x, [0, 0, ...dims.map((d) => d.low)], [0, 0, ...dims.map((d) => d.high)], 0);
  dims.forEach((d, i) => {
    if (d.size > 1) taps = windows(taps, i + 2, d.size, d.stride, d.dilation);
    else taps = range(taps, i + 2, 0, windowCount(taps.shape[i + 2] as number, 1, d.stride, 1), d.stride);
  });
  const places = taps.shape.slice(2, 2 + dims.length);
  const kernel = taps.shape.slice(2 + dims.length);
  const ones = dims.map(() => 1);
  // Axes of the product: N, [group], [output channels of a group], [channels of a group], places, taps; sizes of 1 are left out.
  const perOutput = o / groups;
  const grouped = groups > 1;
  const spread = !grouped || perOutput > 1;
  const summed = perGroup !== 1;
  const left = [
    n,
    ...(grouped ? [groups] : []),
    ...(spread ? [1] : []),
    ...(summed ? [perGroup] : []),
    ...places,
    ...kernel,
  ];
  const right = [
    ...(grouped ? [groups] : []),
    ...(spread ? [perOutput] : []),
    ...(summed ? [perGroup] : []),
    ...ones,
    ...kernel,
  ];
  const product = mul(reshape(taps, left), reshape(weight, right));
  const first = product.ndim - kernel.length;
  const sums = [...(summed ? [first - dims.length - 1] : []), ...kernel.map((_, i) => first + i)];
  return reshape(sumOver(product, sums), [n, o, ...places]);
}

function checkGroups(op: string, groups: number, channels: number, outputs: number): number {
  checkWhole(op, "groups", groups, 1);
  if (channels % groups !== 0 || outputs % groups !== 0) {
    throw shapeError`${op}: channels must be multiples of groups, got ${channels} in, ${outputs} out and ${groups} groups.`;
  }
  return groups;
}

function withBias(op: string, y: Tensor, bias: Tensor | null | undefined, spatial: number): Tensor {
  const outputs = y.shape[1] as number;
  const vector = optionalTensor(op, "bias", bias, [outputs]);
  return vector === null ? y : add(y, reshape(asHalf(vector), [outputs, ...new Array<number>(spatial).fill(1)]));
}

function paddingOf(
  op: string,
  padding: Size | "same" | "valid",
  spatial: number,
  reach: readonly number[],
  stride: readonly number[],
): [number, number][] {
  if (padding === "valid") return reach.map(() => [0, 0]);
  if (padding === "same") {
    if (stride.some((s) => s !== 1))
      throw new RangeError(`${op}: padding "same" needs stride 1, got [${stride.join(", ")}].`);
    return reach.map((r) => [Math.floor(r / 2), Math.ceil(r / 2)]);
  }
  if (typeof padding === "string")
    throw new RangeError(`${op}: padding must be a number, a list, "same" or "valid", got "${String(padding)}".`);
  return checkSizes(op, "padding", padding, spatial, 0).map((p) => [p, p]);
}

function conv(op: string, spatial: number, x: Tensor, weight: Tensor, options: ConvOptions): Tensor {
  checkOptions(op, options, ["bias", "stride", "padding", "dilation", "groups"]);
  checkImage(op, x, spatial);
  checkRank(op, weight, [spatial + 2], `[out, in / groups, ${KERNELS[spatial]}]`, "the weight");
  const batched = x.ndim === spatial + 2;
  const input = batched ? x : reshape(x, [1, ...x.shape]);
  const channels = input.shape[1] as number;
  const [outputs, perGroup] = weight.shape as readonly [number, number];
  const groups = checkGroups(op, options.groups ?? 1, channels, outputs);
  if (channels !== perGroup * groups) {
    throw shapeError`${op}: the input must have ${perGroup * groups} channels for weight ${weight.shape} and ${groups} group${groups > 1 ? "s" : ""}, got ${x.shape} (${channels}).`;
  }
  const sizes = weight.shape.slice(2);
  if (sizes.includes(0)) throw shapeError`${op}: the kernel must not be empty, got ${weight.shape}.`;
  const stride = checkSizes(op, "stride", options.stride ?? 1, spatial, 1);
  const dilation = checkSizes(op, "dilation", options.dilation ?? 1, spatial, 1);
  const reach = sizes.map((k, i) => (k - 1) * (dilation[i] as number));
  const padding = paddingOf(op, options.padding ?? 0, spatial, reach, stride);
  const dims = sizes.map((size, i): Window => {
    const [low, high] = padding[i] as [number, number];
    const length = (input.shape[i + 2] as number) + low + high;
    if (length < (reach[i] as number) + 1) {
      throw shapeError`${op}: the kernel must fit into the padded input, got kernel ${sizes} for ${x.shape} (${(reach[i] as number) + 1} > ${length}).`;
    }
    return { size, stride: stride[i] as number, dilation: dilation[i] as number, low, high };
  });
  const y = withBias(
    op,
    asking(op, () => convolve(asHalf(input), asHalf(weight), groups, dims)),
    options.bias,
    spatial,
  );
  return batched ? y : reshape(y, y.shape.slice(1));
}

/**
 * Convolves (as cross-correlation) [N, C, L] or [C, L] with weight [O, C / groups, K] → [N, O, L′], where L′ = ⌊(L + 2
 * padding - dilation (K - 1) - 1) / stride⌋ + 1. Throws a ShapeError if channels or the kernel do not fit.
 */
export function conv1d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  return conv("conv1d", 1, x, weight, options);
}

/**
 * Convolves (as cross-correlation) [N, C, H, W] or [C, H, W] with weight [O, C / groups, KH, KW] → [N, O, H′, W′], each
 * size as in `conv1d`.
 */
export function conv2d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  return conv("conv2d", 2, x, weight, options);
}

/**
 * Convolves (as cross-correlation) [N, C, D, H, W] or [C, D, H, W] with weight [O, C / groups, KD, KH, KW], each size
 * as in `conv1d`.
 */
export function conv3d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  return conv("conv3d", 3, x, weight, options);
}

/** Options of `convTranspose1d` and `convTranspose2d`. */
export interface ConvTransposeOptions {
  /** [out]; added to each output channel. */
  readonly bias?: Tensor | null;
  /** Distance between the places that neighbouring inputs are spread to. Default 1. */
  readonly stride?: Size;
  /** Number of elements that are cut off at both ends. Default 0. */
  readonly padding?: Size;
  /** Number of elements added at the high end, because a stride maps several sizes to one; less than stride or dilation. Default 0. */
  readonly outputPadding?: Size;
  /** Number of groups that the channels fall into. Default 1. */
  readonly groups?: number;
  /** Distance between the kernel's taps. Default 1. */
  readonly dilation?: Size;
}

/** The transpose of a convolution: a convolution of the input, spread by the stride, with the kernel turned around. */
function convTranspose(op: string, spatial: number, x: Tensor, weight: Tensor, options: ConvTransposeOptions): Tensor {
  checkOptions(op, options, ["bias", "stride", "padding", "outputPadding", "groups", "dilation"]);
  checkImage(op, x, spatial);
  checkRank(op, weight, [spatial + 2], `[in, out / groups, ${KERNELS[spatial]}]`, "the weight");
  const batched = x.ndim === spatial + 2;
  const input = batched ? x : reshape(x, [1, ...x.shape]);
  const [channels, perOutput] = weight.shape as readonly [number, number];
  const groups = checkGroups(op, options.groups ?? 1, channels, channels);
  if (input.shape[1] !== channels) {
    throw shapeError`${op}: the input must have ${channels} channels for weight ${weight.shape}, got ${x.shape}.`;
  }
  const stride = checkSizes(op, "stride", options.stride ?? 1, spatial, 1);
  const padding = checkSizes(op, "padding", options.padding ?? 0, spatial, 0);
  const extra = checkSizes(op, "outputPadding", options.outputPadding ?? 0, spatial, 0);
  const dilation = checkSizes(op, "dilation", options.dilation ?? 1, spatial, 1);
  const sizes = weight.shape.slice(2);
  const dims = sizes.map((size, i): Window => {
    const reach = (size - 1) * (dilation[i] as number);
    const added = extra[i] as number;
    if (added >= Math.max(stride[i] as number, dilation[i] as number)) {
      throw new RangeError(
        `${op}: outputPadding must be less than stride or dilation, got ${added} for ${stride[i]} and ${dilation[i]}.`,
      );
    }
    const length = ((input.shape[i + 2] as number) - 1) * (stride[i] as number) + 1;
    const outcome = length + reach - 2 * (padding[i] as number) + added;
    if (outcome < 1) {
      throw shapeError`${op}: padding cuts off more than there is, got ${x.shape} with padding ${padding} (size ${outcome}).`;
    }
    return {
      size,
      stride: 1,
      dilation: dilation[i] as number,
      low: reach - (padding[i] as number),
      high: reach - (padding[i] as number) + added,
    };
  });
  const interior = [0, 0, ...stride.map((s) => s - 1)];
  const spread = padded(
    input,
    interior.map(() => 0),
    interior.map(() => 0),
    interior,
    0,
  );
  const turned = flip(
    weight,
    sizes.map((_, i) => i + 2),
  );
  const perGroup = channels / groups;
  const order = [0, 2, 1, ...sizes.map((_, i) => i + 3)];
  const kernel = reshape(permute(reshape(turned, [groups, perGroup, perOutput, ...sizes]), order), [
    groups * perOutput,
    perGroup,
    ...sizes,
  ]);
  const y = withBias(
    op,
    asking(op, () => convolve(asHalf(spread), asHalf(kernel), groups, dims)),
    options.bias,
    spatial,
  );
  return batched ? y : reshape(y, y.shape.slice(1));
}

/**
 * Applies a transposed convolution, the gradient of `conv1d` with respect to its input: [N, C, L] with weight [C, O /
 * groups, K] → [N, O, (L - 1) stride - 2 padding + dilation (K - 1) + outputPadding + 1]. Throws a ShapeError if
 * channels do not fit.
 */
export function convTranspose1d(x: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTranspose("convTranspose1d", 1, x, weight, options);
}

/**
 * Applies a transposed convolution to [N, C, H, W] with weight [C, O / groups, KH, KW], each size as in
 * `convTranspose1d`.
 */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTranspose("convTranspose2d", 2, x, weight, options);
}
