// Pooling layers: the maximum or the mean of windows.

import { checkOptions, checkWhole, listOf } from "../ops/check.ts";
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  maxPool1d,
  maxPool2d,
  type Tensor,
} from "../tensor.ts";
import { noOptions } from "./check.ts";
import { Module } from "./module.ts";

type Size = number | readonly number[];

/** Options of `MaxPool1d` and `MaxPool2d`. */
export interface MaxPoolOptions {
  /** Step of the window. Default: its size. */
  stride?: Size;
  /** Elements of -∞ added around the input. Default 0. */
  padding?: Size;
  /** Distance between the window's elements. Default 1. */
  dilation?: Size;
  /** Rounds the output size up instead of down. Default false. */
  ceilMode?: boolean;
}

/** Options of `AvgPool1d` and `AvgPool2d`. */
export interface AvgPoolOptions {
  /** Step of the window. Default: its size. */
  stride?: Size;
  /** Zeros added around the input. Default 0. */
  padding?: Size;
  /** Rounds the output size up instead of down. Default false. */
  ceilMode?: boolean;
  /** Counts the padding in the mean. Default true. */
  countIncludePad?: boolean;
}

/** Options of `AvgPool2d`. */
export interface AvgPool2dOptions extends AvgPoolOptions {
  /** Replaces the count that sums are divided by. */
  divisorOverride?: number;
}

/** A whole number, or a list of them: how many, the op tells. */
function sizeOf(layer: string, name: string, size: Size): Size {
  for (const one of listOf(layer, name, size)) checkWhole(layer, name, one, 1);
  return size;
}

/** Base of the layers with windows of a fixed size: that size, and the options of the op. */
abstract class WindowPool<Options extends object> extends Module {
  readonly kernelSize: Size;
  readonly options: Options;

  constructor(kernelSize: Size, options: Options | undefined, known: readonly string[]) {
    super();
    const { name } = this.constructor;
    this.kernelSize = sizeOf(name, "kernelSize", kernelSize);
    checkOptions(name, options, known);
    this.options = { ...options } as Options;
  }
}

abstract class MaxPool extends WindowPool<MaxPoolOptions> {
  constructor(kernelSize: Size, options?: MaxPoolOptions) {
    super(kernelSize, options, ["stride", "padding", "dilation", "ceilMode"]);
  }
}

abstract class AvgPool<Options extends AvgPoolOptions> extends WindowPool<Options> {
  constructor(kernelSize: Size, options?: Options, ...ownOptions: string[]) {
    super(kernelSize, options, ["stride", "padding", "ceilMode", "countIncludePad", ...ownOptions]);
  }
}

/** Takes the maximum of each window of [N, C, L]. */
export class MaxPool1d extends MaxPool {
  override forward(input: Tensor): Tensor {
    return maxPool1d(input, this.kernelSize, this.options);
  }
}

/** Takes the maximum of each window of [N, C, H, W]. */
export class MaxPool2d extends MaxPool {
  override forward(input: Tensor): Tensor {
    return maxPool2d(input, this.kernelSize, this.options);
  }
}

/** Takes the mean of each window of [N, C, L]. */
export class AvgPool1d extends AvgPool<AvgPoolOptions> {
  constructor(kernelSize: Size, options?: AvgPoolOptions) {
    super(kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    return avgPool1d(input, this.kernelSize, this.options);
  }
}

/** Takes the mean of each window of [N, C, H, W]. */
export class AvgPool2d extends AvgPool<AvgPool2dOptions> {
  constructor(kernelSize: Size, options?: AvgPool2dOptions) {
    super(kernelSize, options, "divisorOverride");
  }

  override forward(input: Tensor): Tensor {
    return avgPool2d(input, this.kernelSize, this.options);
  }
}

/** Base of the layers that choose their windows by the size of the output. */
abstract class AdaptivePool extends Module {
  readonly outputSize: Size;

  constructor(outputSize: Size, ...options: never[]) {
    super();
    noOptions(this.constructor.name, options);
    this.outputSize = sizeOf(this.constructor.name, "outputSize", outputSize);
  }
}

/** Takes means of [N, C, L] over windows that are chosen so that the output is [N, C, outputSize]. */
export class AdaptiveAvgPool1d extends AdaptivePool {
  override forward(input: Tensor): Tensor {
    return adaptiveAvgPool1d(input, this.outputSize);
  }
}

/**
 * Takes means of [N, C, H, W] over windows that are chosen so that the output is [N, C, *outputSize]. Size 1 is global
 * pooling.
 */
export class AdaptiveAvgPool2d extends AdaptivePool {
  override forward(input: Tensor): Tensor {
    return adaptiveAvgPool2d(input, this.outputSize);
  }
}
