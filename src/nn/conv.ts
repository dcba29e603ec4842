// Convolution layers over one, two and three spatial dims.

import { ShapeError } from "../errors.ts";
import { conv1d, conv2d, conv3d, pad, type Tensor, zeros } from "../tensor.ts";
import { choice, sizes, whole } from "./check.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";

export interface ConvOptions {
  /** Step of the window. Default 1. */
  stride?: number | readonly number[];
  /** Zeros around the input; "same" keeps the size (stride 1 only), "valid" adds none. Default 0. */
  padding?: number | readonly number[] | "same" | "valid";
  /** Distance between the kernel's elements. Default 1. */
  dilation?: number | readonly number[];
  /** Number of independent groups that the channels fall into. Default 1. */
  groups?: number;
  /** Adds a learned bias per output channel. Default true. */
  bias?: boolean;
  /** What the padding is made of. Default "zeros". */
  paddingMode?: "zeros" | "reflect" | "replicate" | "circular";
}

type Pair = [left: number, right: number];

/**
 * What all convolution layers share. `weight` is [outChannels, inChannels / groups, *kernelSize]; weight and bias start as
 * U(-k, k) with k = 1 / √(inChannels / groups · Π kernelSize).
 */
abstract class ConvNd extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[] | "same" | "valid";
  readonly dilation: readonly number[];
  readonly groups: number;
  readonly paddingMode: "zeros" | "reflect" | "replicate" | "circular";
  weight: Tensor;
  bias: Tensor | null;
  readonly #pads: readonly Pair[];

  constructor(
    dims: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvOptions,
  ) {
    super();
    const name = this.constructor.name;
    this.inChannels = whole(name, "inChannels", inChannels);
    this.outChannels = whole(name, "outChannels", outChannels);
    this.kernelSize = sizes(name, "kernelSize", kernelSize, dims);
    this.stride = sizes(name, "stride", options.stride ?? 1, dims);
    this.dilation = sizes(name, "dilation", options.dilation ?? 1, dims);
    this.groups = whole(name, "groups", options.groups ?? 1);
    const modes = ["zeros", "reflect", "replicate", "circular"] as const;
    this.paddingMode = choice(name, "paddingMode", options.paddingMode ?? "zeros", modes);
    if (inChannels % this.groups !== 0 || outChannels % this.groups !== 0) {
      throw new RangeError(
        `${name}: inChannels and outChannels must be multiples of groups, got ${inChannels}, ${outChannels} and ${this.groups}.`,
      );
    }
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
    this.weight = zeros([outChannels, inChannels / this.groups, ...this.kernelSize], { requiresGrad: true });
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
