// What convolution layers of both directions share: sizes, weight, bias and their initial values.

import { checkOptions, type Tensor, zeros } from "../tensor.ts";
import { sizes, whole } from "./check.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";

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
    this.inChannels = whole(name, "inChannels", inChannels);
    this.outChannels = whole(name, "outChannels", outChannels);
    this.kernelSize = sizes(name, "kernelSize", kernelSize, dims);
    this.stride = sizes(name, "stride", options.stride ?? 1, dims);
    this.dilation = sizes(name, "dilation", options.dilation ?? 1, dims);
    this.groups = whole(name, "groups", options.groups ?? 1);
    if (inChannels % this.groups !== 0 || outChannels % this.groups !== 0) {
      throw new RangeError(
        `${name}: inChannels and outChannels must be multiples of groups, got ${inChannels}, ${outChannels} and ${this.groups}.`,
      );
    }
    const [first, second] = transposed ? [inChannels, outChannels] : [outChannels, inChannels];
    this.weight = zeros([first, second / this.groups, ...this.kernelSize], { requiresGrad: true });
    this.bias = (options.bias ?? true) ? zeros([outChannels], { requiresGrad: true }) : null;
    this.resetParameters();
  }

  /** Draws weight and bias anew. */
  resetParameters(): void {
    const { fanIn } = init.fans(this.constructor.name, this.weight);
    const bound = 1 / Math.sqrt(fanIn);
    init.uniform(this.weight, { a: -bound, b: bound });
    if (this.bias !== null) init.uniform(this.bias, { a: -bound, b: bound });
  }
}
