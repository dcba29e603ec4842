// Transposed convolution layers over one and two spatial dims.

import { ShapeError } from "../errors.ts";
import { convTranspose1d, convTranspose2d, type Tensor, zeros } from "../tensor.ts";
import { sizes, whole } from "./check.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";

export interface ConvTransposeOptions {
  /** Distance between the places that neighbouring inputs are spread to. Default 1. */
  stride?: number | readonly number[];
  /** What is cut off at both ends. Default 0. */
  padding?: number | readonly number[];
  /** What is added at the high end; less than stride or dilation. Default 0. */
  outputPadding?: number | readonly number[];
  /** Number of independent groups that the channels fall into. Default 1. */
  groups?: number;
  /** Adds a learned bias per output channel. Default true. */
  bias?: boolean;
  /** Distance between the kernel's elements. Default 1. */
  dilation?: number | readonly number[];
}

/**
 * What all transposed convolution layers share. `weight` is [inChannels, outChannels / groups, *kernelSize]; weight and bias start as
 * U(-k, k) with k = 1 / √(outChannels / groups · Π kernelSize), as PyTorch has it.
 */
abstract class ConvTransposeNd extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];
  readonly groups: number;
  readonly dilation: readonly number[];
  weight: Tensor;
  bias: Tensor | null;

  constructor(
    dims: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeOptions,
  ) {
    super();
    const name = this.constructor.name;
    this.inChannels = whole(name, "inChannels", inChannels);
    this.outChannels = whole(name, "outChannels", outChannels);
    this.kernelSize = sizes(name, "kernelSize", kernelSize, dims);
    this.stride = sizes(name, "stride", options.stride ?? 1, dims);
    this.padding = sizes(name, "padding", options.padding ?? 0, dims, 0);
    this.outputPadding = sizes(name, "outputPadding", options.outputPadding ?? 0, dims, 0);
    this.dilation = sizes(name, "dilation", options.dilation ?? 1, dims);
    this.groups = whole(name, "groups", options.groups ?? 1);
    if (inChannels % this.groups !== 0 || outChannels % this.groups !== 0) {
      throw new RangeError(
        `${name}: inChannels and outChannels must be multiples of groups, got ${inChannels}, ${outChannels} and ${this.groups}.`,
      );
    }
    this.weight = zeros([inChannels, outChannels / this.groups, ...this.kernelSize], { requiresGrad: true });
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

  /** The op's options; `outputSize` chooses among the sizes that a stride has merged. */
  protected options(
    input: Tensor,
    outputSize: readonly number[] | undefined,
  ): {
    stride: number[];
    padding: number[];
    outputPadding: number[];
    groups: number;
    dilation: number[];
    bias: Tensor | null;
  } {
    return {
      stride: [...this.stride],
      padding: [...this.padding],
      outputPadding: outputSize === undefined ? [...this.outputPadding] : this.#paddingFor(input, outputSize),
      groups: this.groups,
      dilation: [...this.dilation],
      bias: this.bias,
    };
  }

  #paddingFor(input: Tensor, outputSize: readonly number[]): number[] {
    const name = this.constructor.name;
    const dims = this.kernelSize.length;
    const wanted = outputSize.slice(-dims);
    const extra = wanted.map((size, i) => {
      const length = input.shape[input.ndim - dims + i] ?? 0;
      const [stride, padding] = [this.stride[i] ?? 1, this.padding[i] ?? 0];
      return (
        size - ((length - 1) * stride - 2 * padding + (this.dilation[i] ?? 1) * ((this.kernelSize[i] ?? 1) - 1) + 1)
      );
    });
    if (
      wanted.length !== dims ||
      extra.some((n, i) => n < 0 || n >= Math.max(this.stride[i] ?? 1, this.dilation[i] ?? 1))
    ) {
      throw new ShapeError(
        `${name}: outputSize must lie within a stride above the smallest size, got [${outputSize}] for an input [${input.shape}] (${extra} above it).`,
        { op: name, shapes: [input.shape] },
      );
    }
    return extra;
  }
}

/** [N, inChannels, L] → [N, outChannels, (L - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1]. */
export class ConvTranspose1d extends ConvTransposeNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeOptions = {},
  ) {
    super(1, inChannels, outChannels, kernelSize, options);
  }

  /** `outputSize` [L] chooses the size of the output instead of `outputPadding`. */
  override forward(input: Tensor, options: { outputSize?: readonly number[] } = {}): Tensor {
    return convTranspose1d(input, this.weight, this.options(input, options.outputSize));
  }
}

/** [N, inChannels, H, W] → [N, outChannels, H′, W′], each size as in ConvTranspose1d. */
export class ConvTranspose2d extends ConvTransposeNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeOptions = {},
  ) {
    super(2, inChannels, outChannels, kernelSize, options);
  }

  /** `outputSize` [H, W] chooses the size of the output instead of `outputPadding`. */
  override forward(input: Tensor, options: { outputSize?: readonly number[] } = {}): Tensor {
    return convTranspose2d(input, this.weight, this.options(input, options.outputSize));
  }
}
