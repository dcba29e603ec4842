// Convolution layers over one, two and three spatial dims.

import { checkChoice, misfit } from "../ops/check.ts";
import { conv1d, conv2d, conv3d, pad, type Tensor } from "../tensor.ts";
import { sizes } from "./check.ts";
import { Convolution, type ConvolutionOptions } from "./convolution.ts";

/** Options of `Conv1d`, `Conv2d` and `Conv3d`. */
export interface ConvOptions extends ConvolutionOptions {
  /** Step of the window. Default 1. */
  stride?: number | readonly number[];
  /** Zeros around the input; "same" keeps the size (stride 1 only), "valid" adds none. Default 0. */
  padding?: number | readonly number[] | "same" | "valid";
  /** The values of the padding. Default "zeros". */
  paddingMode?: "zeros" | "reflect" | "replicate" | "circular";
}

/** Base of the layers here: padding of all kinds. */
abstract class ConvNd extends Convolution {
  readonly padding: readonly number[] | "same" | "valid";
  readonly paddingMode: "zeros" | "reflect" | "replicate" | "circular";
  readonly #op: typeof conv1d;

  constructor(
    op: typeof conv1d,
    dims: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvOptions,
  ) {
    super(dims, inChannels, outChannels, kernelSize, options, ["padding", "paddingMode"], false);
    const { name } = this.constructor;
    const modes = ["zeros", "reflect", "replicate", "circular"] as const;
    this.paddingMode = checkChoice(name, "paddingMode", options.paddingMode ?? "zeros", modes);
    const padding = options.padding ?? 0;
    if (typeof padding === "string") {
      this.padding = checkChoice<"same" | "valid">(name, "padding", padding, ["same", "valid"]);
      if (padding === "same" && this.stride.some((step) => step !== 1)) {
        throw new RangeError(
          `${name}: padding "same" needs stride 1, got [${this.stride}]. Give the padding in numbers.`,
        );
      }
    } else {
      this.padding = sizes(name, "padding", padding, dims, 0);
    }
    this.#op = op;
  }

  override forward(input: Tensor): Tensor {
    const { weight, sharedOptions, padding, paddingMode: mode } = this;
    if (mode === "zeros") return this.#op(input, weight, { ...sharedOptions, padding });
    const dims = this.kernelSize.length;
    if (input.ndim < dims + 1) {
      const form = [this.inChannels, ...new Array<string>(dims).fill("*")].join(", ");
      throw misfit(this.constructor.name, `needs [batch, ${form}], got [${input.shape}].`, input);
    }
    const pads = this.kernelSize.map((size, i) => {
      if (padding === "valid") return [0, 0];
      if (padding !== "same") return [padding[i] as number, padding[i] as number];
      const total = (this.dilation[i] as number) * (size - 1);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
    // pad() names the last dim first.
    return this.#op(pad(input, pads.reverse().flat(), { mode }), weight, sharedOptions);
  }
}

/**
 * Convolves along the last dim: [N, inChannels, L] → [N, outChannels, ⌊(L + 2 padding - dilation (kernel - 1) - 1) /
 * stride⌋ + 1].
 */
export class Conv1d extends ConvNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvOptions = {},
  ) {
    super(conv1d, 1, inChannels, outChannels, kernelSize, options);
  }
}

/** Convolves along the last two dims: [N, inChannels, H, W] → [N, outChannels, H′, W′], each size as in Conv1d. */
export class Conv2d extends ConvNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvOptions = {},
  ) {
    super(conv2d, 2, inChannels, outChannels, kernelSize, options);
  }
}

/**
 * Convolves along the last three dims: [N, inChannels, D, H, W] → [N, outChannels, D′, H′, W′], each size as in Conv1d.
 */
export class Conv3d extends ConvNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvOptions = {},
  ) {
    super(conv3d, 3, inChannels, outChannels, kernelSize, options);
  }
}
