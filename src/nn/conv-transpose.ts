// Transposed convolution layers over one and two spatial dims.

import { checkOptions, misfit } from "../ops/check.ts";
import { convTranspose1d, convTranspose2d, type Tensor } from "../tensor.ts";
import { sizes } from "./check.ts";
import { Convolution, type ConvolutionOptions } from "./convolution.ts";

/** Options of `ConvTranspose1d` and `ConvTranspose2d`. */
export interface ConvTransposeOptions extends ConvolutionOptions {
  /** Distance between the places that neighbouring inputs are spread to. Default 1. */
  stride?: number | readonly number[];
  /** Number of elements that are cut off at both ends. Default 0. */
  padding?: number | readonly number[];
  /** Number of elements that are added at the high end; less than stride or dilation. Default 0. */
  outputPadding?: number | readonly number[];
}

/** Base of the layers here: the choice among output sizes. */
abstract class ConvTransposeNd extends Convolution {
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];

  readonly #op: typeof convTranspose1d;

  constructor(
    op: typeof convTranspose1d,
    dims: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeOptions,
  ) {
    super(dims, inChannels, outChannels, kernelSize, options, ["padding", "outputPadding"], true);
    const { name } = this.constructor;
    this.padding = sizes(name, "padding", options.padding ?? 0, dims, 0);
    this.outputPadding = sizes(name, "outputPadding", options.outputPadding ?? 0, dims, 0);
    this.#op = op;
  }

  /** `outputSize`, the spatial dims' sizes, chooses among those that a stride has merged, instead of `outputPadding`. */
  override forward(input: Tensor, options: { outputSize?: readonly number[] } = {}): Tensor {
    checkOptions(`${this.constructor.name}.forward`, options, ["outputSize"]);
    const { outputSize } = options;
    return this.#op(input, this.weight, {
      ...this.sharedOptions,
      padding: this.padding,
      outputPadding: outputSize === undefined ? this.outputPadding : this.#paddingFor(input, outputSize),
    });
  }

  #paddingFor(input: Tensor, outputSize: readonly number[]): number[] {
    const dims = this.kernelSize.length;
    const wanted = outputSize.slice(-dims);
    // How far each size lies above the smallest, and how many sizes a stride has merged.
    const places = this.kernelSize.map((kernel, i) => {
      const [stride, dilation] = [this.stride[i] as number, this.dilation[i] as number];
      const length = input.shape[input.ndim - dims + i] ?? 0;
      const smallest = (length - 1) * stride - 2 * (this.padding[i] as number) + dilation * (kernel - 1) + 1;
      return { extra: (wanted[i] as number) - smallest, merged: Math.max(stride, dilation) };
    });
    const extra = places.map((place) => place.extra);
    if (wanted.length !== dims || !places.every(({ extra, merged }) => extra >= 0 && extra < merged)) {
      throw misfit(
        this.constructor.name,
        `outputSize must lie within a stride above the smallest size, got [${outputSize}] for an input [${input.shape}] (${extra} above it).`,
        input,
      );
    }
    return extra;
  }
}

/**
 * Applies a transposed convolution, the gradient of a convolution: [N, inChannels, L] → [N, outChannels, (L - 1) stride
 * - 2 padding + dilation (kernel - 1) + outputPadding + 1].
 */
export class ConvTranspose1d extends ConvTransposeNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeOptions = {},
  ) {
    super(convTranspose1d, 1, inChannels, outChannels, kernelSize, options);
  }
}

/**
 * Applies a transposed convolution to images: [N, inChannels, H, W] → [N, outChannels, H′, W′], each size as in
 * ConvTranspose1d.
 */
export class ConvTranspose2d extends ConvTransposeNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeOptions = {},
  ) {
    super(convTranspose2d, 2, inChannels, outChannels, kernelSize, options);
  }
}
