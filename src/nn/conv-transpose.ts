// Transposed convolution layers over one and two spatial dims.

import { ShapeError } from "../errors.ts";
import { checkOptions, convTranspose1d, convTranspose2d, type Tensor } from "../tensor.ts";
import { sizes } from "./check.ts";
import { Convolution, type ConvolutionOptions } from "./convolution.ts";

export interface ConvTransposeOptions extends ConvolutionOptions {
  /** Distance between the places that neighbouring inputs are spread to. Default 1. */
  stride?: number | readonly number[];
  /** What is cut off at both ends. Default 0. */
  padding?: number | readonly number[];
  /** What is added at the high end; less than stride or dilation. Default 0. */
  outputPadding?: number | readonly number[];
}

/** What the layers here share: the choice among output sizes. */
abstract class ConvTransposeNd extends Convolution {
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];

  constructor(
    dims: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeOptions,
  ) {
    super(dims, inChannels, outChannels, kernelSize, options, ["padding", "outputPadding"], true);
    const name = this.constructor.name;
    this.padding = sizes(name, "padding", options.padding ?? 0, dims, 0);
    this.outputPadding = sizes(name, "outputPadding", options.outputPadding ?? 0, dims, 0);
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
    checkOptions("ConvTranspose1d.forward", options, ["outputSize"]);
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
    checkOptions("ConvTranspose2d.forward", options, ["outputSize"]);
    return convTranspose2d(input, this.weight, this.options(input, options.outputSize));
  }
}
