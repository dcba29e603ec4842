// Shared by convolution layers of both directions: sizes, weight, bias and their initial values.

import { checkOptions, checkWhole } from "../ops/check.ts";
import type { Tensor } from "../tensor.ts";
import { sizes } from "./check.ts";
import { fans } from "./init.ts";
import { Module } from "./module.ts";
import { blank, draw } from "./parameter.ts";

export interface ConvolutionOptions {
  stride?: number | readonly number[];
  /** Distance between the kernel's elements. Default 1. */
  dilation?: number | readonly number[];
  /** Number of independent groups that the channels fall into. Default 1. */
  groups?: number;
  /** Adds a learned bias per output channel. Default true. */
  bias?: boolean;
}

/**
 * A layer of some options (`ownOptions` names those beside `ConvolutionOptions`) with a weight of [outChannels, inChannels / groups, *kernelSize], or [inChannels, outChannels / groups, *kernelSize] if it is transposed.
 * Weight and bias start as U(-k, k) with k = 1 / √(size of dim 1 · Π kernelSize), as PyTorch has it.
 */
export abstract class Convolution extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
  weight: Tensor;
  bias: Tensor | null;

  constructor(
    dims: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvolutionOptions,
    ownOptions: readonly string[],
    transposed: boolean,
  ) {
    super();
    const name = this.constructor.name;
    checkOptions(name, options, ["stride", ...ownOptions, "dilation", "groups", "bias"]);
    this.inChannels = checkWhole(name, "inChannels", inChannels, 1);
    this.outChannels = checkWhole(name, "outChannels", outChannels, 1);
    this.kernelSize = sizes(name, "kernelSize", kernelSize, dims);
    this.stride = sizes(name, "stride", options.stride ?? 1, dims);
    this.dilation = sizes(name, "dilation", options.dilation ?? 1, dims);
    this.groups = checkWhole(name, "groups", options.groups ?? 1, 1);
    if (inChannels % this.groups !== 0 || outChannels % this.groups !== 0) {
      throw new RangeError(
        `${name}: inChannels and outChannels must be multiples of groups, got ${inChannels}, ${outChannels} and ${this.groups}.`,
      );
    }
    const [first, second] = transposed ? [inChannels, outChannels] : [outChannels, inChannels];
    this.weight = blank(first, second / this.groups, ...this.kernelSize);
    this.bias = (options.bias ?? true) ? blank(outChannels) : null;
    this.resetParameters();
  }

  /** Draws weight and bias anew. */
  resetParameters(): void {
    draw(fans(this.constructor.name, this.weight).fanIn, this.weight, this.bias);
  }

  /** The options that the ops of both directions take. */
  protected get sharedOptions(): Pick<this, "stride" | "dilation" | "groups" | "bias"> {
    const { stride, dilation, groups, bias } = this;
    return { stride, dilation, groups, bias };
  }
}
