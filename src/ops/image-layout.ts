// Rearrangements of images: pixel shuffling, and images as columns of patches (im2col) and back.

import { type Shape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkRank, checkSizes, type Size, surrounded } from "./arguments.ts";
import { checkOptions, checkWhole, expectTensor } from "./define.ts";
import { fromWindows, permute, reshape, windowCount, windows } from "./views.ts";

/** `x` [*, ...] seen with its last three dims as `blocks`, those in another order, and then as `shape`. */
function rearranged(x: Tensor, blocks: Shape, order: readonly number[], shape: Shape): Tensor {
  const batch = x.shape.slice(0, -3);
  const turned = permute(reshape(x, [...batch, ...blocks]), [...batch.keys(), ...order.map((d) => batch.length + d)]);
  return reshape(turned, [...batch, ...shape]);
}

/** [*, C r², H, W] → [*, C, H r, W r]: channels become pixels (Shi et al. 2016). */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
  const op = "pixelShuffle";
  expectTensor(op, x);
  const r = checkWhole(op, "upscaleFactor", upscaleFactor, 1);
  const [c, h, w] = x.shape.slice(-3) as [number, number, number];
  if (x.ndim < 3 || c % (r * r) !== 0) {
    throw shapeError`${op}: needs [*, C, H, W] with C a multiple of ${r * r}, got ${x.shape}.`;
  }
  const channels = c / (r * r);
  return rearranged(x, [channels, r, r, h, w], [0, 3, 1, 4, 2], [channels, h * r, w * r]);
}

/** [*, C, H r, W r] → [*, C r², H, W]: the inverse of `pixelShuffle`. */
export function pixelUnshuffle(x: Tensor, downscaleFactor: number): Tensor {
  const op = "pixelUnshuffle";
  expectTensor(op, x);
  const r = checkWhole(op, "downscaleFactor", downscaleFactor, 1);
  const [c, h, w] = x.shape.slice(-3) as [number, number, number];
  if (x.ndim < 3 || h % r !== 0 || w % r !== 0) {
    throw shapeError`${op}: needs [*, C, H, W] with H and W multiples of ${r}, got ${x.shape}.`;
  }
  return rearranged(x, [c, h / r, r, w / r, r], [0, 2, 4, 1, 3], [c * r * r, h / r, w / r]);
}

/** Options of `im2col`, `col2im`, `fold` and `unfold2d`. */
export interface PatchOptions {
  /** Distance between a patch's elements. Default 1. */
  readonly dilation?: Size;
  /** Zeros around the image. Default 0. */
  readonly padding?: Size;
  /** Distance between patches. Default 1. */
  readonly stride?: Size;
}

interface Patches {
  readonly kernel: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly stride: readonly [number, number];
}

function patchesOf(op: string, kernelSize: Size, options: PatchOptions): Patches {
  checkOptions(op, options, ["dilation", "padding", "stride"]);
  const pair = (name: string, value: Size, least: number): [number, number] =>
    checkSizes(op, name, value, 2, least) as [number, number];
  return {
    kernel: pair("kernelSize", kernelSize, 1),
    dilation: pair("dilation", options.dilation ?? 1, 1),
    padding: pair("padding", options.padding ?? 0, 0),
    stride: pair("stride", options.stride ?? 1, 1),
  };
}

function patchCounts(op: string, size: readonly number[], p: Patches): [number, number] {
  return p.kernel.map((k, i) => {
    const count = windowCount(
      (size[i] as number) + 2 * (p.padding[i] as number),
      k,
      p.stride[i] as number,
      p.dilation[i] as number,
    );
    if (count < 1) {
      throw shapeError`${op}: no patch of ${p.kernel} fits into the image ${size}.`;
    }
    return count;
  }) as [number, number];
}

/**
 * PyTorch's `F.unfold`: the patches of [N, C, H, W] as columns [N, C·KH·KW, L], L patches in row-major order; an image without
 * batch likewise. Throws a ShapeError where no patch fits.
 */
export function im2col(x: Tensor, kernelSize: Size, options: PatchOptions = {}): Tensor {
  const op = "im2col";
  checkRank(op, x, [3, 4], "[N, C, H, W] or [C, H, W]");
  const p = patchesOf(op, kernelSize, options);
  const batch = x.shape.slice(0, -3);
  const b = batch.length;
  const [oh, ow] = patchCounts(op, x.shape.slice(-2), p);
  const pads = [...batch.map(() => 0), 0, ...p.padding];
  const image = surrounded(x, pads, pads, 0);
  const rows = windows(image, b + 1, p.kernel[0], p.stride[0], p.dilation[0]);
  const patches = windows(rows, b + 2, p.kernel[1], p.stride[1], p.dilation[1]);
  const order = [...batch.keys(), b, b + 3, b + 4, b + 1, b + 2];
  return reshape(permute(patches, order), [...batch, (x.shape[b] as number) * p.kernel[0] * p.kernel[1], oh * ow]);
}

/**
 * PyTorch's `F.fold`: the transpose of `im2col`. Columns [N, C·KH·KW, L] become images [N, C, ...outputSize] in which
 * overlapping patches add up. Throws a ShapeError where the columns don't fit.
 */
export function col2im(x: Tensor, outputSize: Size, kernelSize: Size, options: PatchOptions = {}): Tensor {
  const op = "col2im";
  checkRank(op, x, [2, 3], "[N, C·KH·KW, L] or [C·KH·KW, L]");
  const p = patchesOf(op, kernelSize, options);
  const size = checkSizes(op, "outputSize", outputSize, 2, 1) as [number, number];
  const [oh, ow] = patchCounts(op, size, p);
  const batch = x.shape.slice(0, -2);
  const b = batch.length;
  const taps = p.kernel[0] * p.kernel[1];
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  if (rows % taps !== 0 || columns !== oh * ow) {
    throw shapeError`${op}: needs [N, C·${taps}, ${oh * ow}] for an image of ${size} and patches of ${p.kernel}, got ${x.shape}.`;
  }
  const patches = reshape(x, [...batch, rows / taps, ...p.kernel, oh, ow]);
  const order = [...batch.keys(), b, b + 3, b + 4, b + 1, b + 2];
  const across = fromWindows(permute(patches, order), b + 2, size[1] + 2 * p.padding[1], p.stride[1], p.dilation[1]);
  // The taps along the columns' dim are gone: those along the rows are the last dim now, after [..., OH, W].
  const image = fromWindows(across, b + 1, size[0] + 2 * p.padding[0], p.stride[0], p.dilation[0]);
  const crop = [...batch.map(() => 0), 0, -p.padding[0], -p.padding[1]];
  return surrounded(image, crop, crop, 0);
}

export { col2im as fold, im2col as unfold2d };
