// Convolution layers over one, two and three spatial dims.

import { ShapeError } from "../errors.ts";
import { conv1d, conv2d, conv3d, pad, type Tensor } from "../tensor.ts";
import { choice, sizes } from "./check.ts";
import { Convolution, type ConvolutionOptions } from "./convolution.ts";

export interface ConvOptions extends ConvolutionOptions {
  /** Step of the window. Default 1. */
  stride?: number | readonly number[];
  /** Zeros around the input; "same" keeps the size (stride 1 only), "valid" adds none. Default 0. */
  padding?: number | readonly number[] | "same" | "valid";
  /** What the padding is made of. Default "zeros". */
  paddingMode?: "zeros" | "reflect" | "replicate" | "circular";
}

type Pair = [left: number, right: number];

/** What the layers here share: padding of all kinds. */
abstract class ConvNd extends Convolution {
  readonly padding: readonly number[] | "same" | "valid";
  readonly paddingMode: "zeros" | "reflect" | "replicate" | "circular";
  readonly #pads: readonly Pair[];

  constructor(
    dims: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvOptions,
  ) {
    super(dims, inChannels, outChannels, kernelSize, options, ["padding", "paddingMode"], false);
    const name = this.constructor.name;
    const modes = ["zeros", "reflect", "replicate", "circular"] as const;
    this.paddingMode = choice(name, "paddingMode", options.paddingMode ?? "zeros", modes);
    const padding = options.padding ?? 0;
    if (typeof padding === "string") {
      this.padding = choice<"same" | "valid">(name, "padding", padding, ["same", "valid"]);
      if (padding === "same" && this.stride.some((step) => step !== 1)) {
        throw new RangeError(
          `${name}: padding "same" needs stride 1, got [${this.stride}]. Give the padding in numbers.`,
        );
      }
    } else {
      this.padding = sizes(name, "padding", padding, dims, 0);
    }
    this.#pads = this.kernelSize.map((size, i): Pair => {
      if (typeof this.padding !== "string") return [this.padding[i] ?? 0, this.padding[i] ?? 0];
      if (this.padding === "valid") return [0, 0];
      const total = (this.dilation[i] ?? 1) * (size - 1);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
  }

  /** The input with the padding that the op itself cannot add, and the padding that it can. */
  protected padded(input: Tensor): { x: Tensor; padding: number[] } {
    if (this.#pads.every(([left, right]) => left === 0 && right === 0)) {
      return { x: input, padding: this.#pads.map(() => 0) };
    }
    if (this.paddingMode === "zeros" && this.#pads.every(([left, right]) => left === right)) {
      return { x: input, padding: this.#pads.map(([left]) => left) };
    }
    if (input.ndim < this.#pads.length + 1) {
      throw new ShapeError(
        `${this.constructor.name}: needs [batch, ${this.inChannels}, ${this.#pads.map(() => "*").join(", ")}], got [${input.shape}].`,
        { op: this.constructor.name, shapes: [input.shape] },
      );
    }
    // pad() names the last dim first.
    const pads = [...this.#pads].reverse().flat();
    const mode = this.paddingMode === "zeros" ? "constant" : this.paddingMode;
    return { x: pad(input, pads, { mode }), padding: this.#pads.map(() => 0) };
  }

  protected options(padding: number[]): {
    stride: number[];
    padding: number[];
    dilation: number[];
    groups: number;
    bias?: Tensor;
  } {
    return {
      stride: [...this.stride],
      padding,
      dilation: [...this.dilation],
      groups: this.groups,
      ...(this.bias === null ? {} : { bias: this.bias }),
    };
  }
}

/** [N, inChannels, L] → [N, outChannels, ⌊(L + 2 padding - dilation (kernel - 1) - 1) / stride⌋ + 1]. */
export class Conv1d extends ConvNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvOptions = {},
  ) {
    super(1, inChannels, outChannels, kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    const { x, padding } = this.padded(input);
    return conv1d(x, this.weight, this.options(padding));
  }
}

/** [N, inChannels, H, W] → [N, outChannels, H′, W′], each size as in Conv1d. */
export class Conv2d extends ConvNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvOptions = {},
  ) {
    super(2, inChannels, outChannels, kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    const { x, padding } = this.padded(input);
    return conv2d(x, this.weight, this.options(padding));
  }
}

/** [N, inChannels, D, H, W] → [N, outChannels, D′, H′, W′], each size as in Conv1d. */
export class Conv3d extends ConvNd {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvOptions = {},
  ) {
    super(3, inChannels, outChannels, kernelSize, options);
  }

  override forward(input: Tensor): Tensor {
    const { x, padding } = this.padded(input);
    return conv3d(x, this.weight, this.options(padding));
  }
}
