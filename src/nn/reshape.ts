// Layers that move or resize elements: Flatten, Unflatten, Identity, Upsample, PixelShuffle, ZeroPad2d.

import { checkList, checkOptions, checkWhole } from "../ops/check.ts";
import { flatten, interpolate, pad, pixelShuffle, type Tensor, unflatten } from "../tensor.ts";
import { noOptions, sizes, wholeNumber } from "./check.ts";
import { Configured } from "./configured.ts";
import { Module } from "./module.ts";

/** Joins the dims from `startDim` (default 1) to `endDim` (default -1) into one. */
export class Flatten extends Configured<{ startDim: number; endDim: number }> {
  declare readonly startDim: number;
  declare readonly endDim: number;

  constructor(options: { startDim?: number; endDim?: number } = {}) {
    super(options, { startDim: 1, endDim: -1 });
  }

  override forward(input: Tensor): Tensor {
    return flatten(input, this.opOptions);
  }
}

/** Splits the dim `dim` into several of the given sizes, one of which may be -1. */
export class Unflatten extends Module {
  readonly dim: number;
  readonly unflattenedSize: readonly number[];

  constructor(dim: number, unflattenedSize: readonly number[], ...options: never[]) {
    super();
    noOptions("Unflatten", options);
    this.dim = wholeNumber("Unflatten", "dim", dim);
    this.unflattenedSize = checkList("Unflatten", "unflattenedSize", unflattenedSize).map((size) =>
      checkWhole("Unflatten", "unflattenedSize", size, -1),
    );
  }

  override forward(input: Tensor): Tensor {
    return unflatten(input, this.dim, this.unflattenedSize);
  }
}

/** Returns its input. Arguments of the constructor are ignored, as in PyTorch, so it can stand for any layer. */
export class Identity extends Module {
  override forward(input: Tensor): Tensor {
    return input;
  }
}

/** Resizes the spatial dims of [N, C, *] to `size` or by `scaleFactor`. */
export class Upsample extends Module {
  readonly size: number | readonly number[] | undefined;
  readonly scaleFactor: number | readonly number[] | undefined;
  readonly mode: "nearest" | "bilinear";
  readonly alignCorners: boolean;

  constructor(
    options: {
      size?: number | readonly number[];
      scaleFactor?: number | readonly number[];
      mode?: "nearest" | "bilinear";
      alignCorners?: boolean;
    } = {},
  ) {
    super();
    checkOptions("Upsample", options, ["size", "scaleFactor", "mode", "alignCorners"]);
    this.size = options.size;
    this.scaleFactor = options.scaleFactor;
    this.mode = options.mode ?? "nearest";
    this.alignCorners = options.alignCorners ?? false;
    if ((options.size === undefined) === (options.scaleFactor === undefined))
      throw new RangeError("Upsample: needs size or scaleFactor, and not both.");
  }

  override forward(input: Tensor): Tensor {
    return interpolate(input, {
      ...(this.size === undefined ? {} : { size: this.size }),
      ...(this.scaleFactor === undefined ? {} : { scaleFactor: this.scaleFactor }),
      ...(this.mode === "nearest" ? {} : { alignCorners: this.alignCorners }),
      mode: this.mode,
    });
  }
}

/** Moves channels into space: [N, C r², H, W] → [N, C, H r, W r] (Shi et al. 2016). */
export class PixelShuffle extends Module {
  readonly upscaleFactor: number;

  constructor(upscaleFactor: number, ...options: never[]) {
    super();
    noOptions("PixelShuffle", options);
    this.upscaleFactor = checkWhole("PixelShuffle", "upscaleFactor", upscaleFactor, 1);
  }

  override forward(input: Tensor): Tensor {
    return pixelShuffle(input, this.upscaleFactor);
  }
}

/** Puts zeros around the last two dims: the same number on all sides, or [left, right, top, bottom]. */
export class ZeroPad2d extends Module {
  readonly padding: readonly number[];

  constructor(padding: number | readonly number[], ...options: never[]) {
    super();
    noOptions("ZeroPad2d", options);
    this.padding = sizes("ZeroPad2d", "padding", padding, 4, Number.MIN_SAFE_INTEGER);
  }

  override forward(input: Tensor): Tensor {
    return pad(input, [...this.padding]);
  }
}
