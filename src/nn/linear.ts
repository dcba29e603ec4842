// Linear and bilinear maps of the last dim.

import { checkOptions, checkWhole } from "../ops/check.ts";
import { bilinear, linear, type Tensor } from "../tensor.ts";
import { Module } from "./module.ts";
import { blank, draw } from "./parameter.ts";

/**
 * Applies a linear map to the last dim: y = x Wᵀ + b, [*, inFeatures] → [*, outFeatures]. `weight` is [outFeatures,
 * inFeatures]. Weight and bias start as U(-1/√inFeatures, 1/√inFeatures).
 */
export class Linear extends Module {
  /** Size of the last dim of the input. */
  readonly inFeatures: number;
  /** Size of the last dim of the output. */
  readonly outFeatures: number;
  /** W, [outFeatures, inFeatures]. */
  weight: Tensor;
  /** b, [outFeatures]; null with `bias: false`. */
  bias: Tensor | null;

  constructor(inFeatures: number, outFeatures: number, options: { bias?: boolean } = {}) {
    super();
    checkOptions("Linear", options, ["bias"]);
    this.inFeatures = checkWhole("Linear", "inFeatures", inFeatures, 1);
    this.outFeatures = checkWhole("Linear", "outFeatures", outFeatures, 1);
    this.weight = blank(outFeatures, inFeatures);
    this.bias = (options.bias ?? true) ? blank(outFeatures) : null;
    this.resetParameters();
  }

  /** Draws weight and bias anew. */
  resetParameters(): void {
    draw(this.inFeatures, this.weight, this.bias);
  }

  override forward(input: Tensor): Tensor {
    return linear(input, this.weight, { bias: this.bias });
  }
}

/**
 * Applies a bilinear map to the last dims of two inputs: y = x₁ᵀ Aₖ x₂ + bₖ for each output k, [*, in1Features] and [*,
 * in2Features] → [*, outFeatures]. `weight` is [outFeatures, in1Features, in2Features]. Weight and bias start as
 * U(-1/√in1Features, 1/√in1Features).
 */
export class Bilinear extends Module {
  /** Size of the last dim of the first input. */
  readonly in1Features: number;
  /** Size of the last dim of the second input. */
  readonly in2Features: number;
  /** Size of the last dim of the output. */
  readonly outFeatures: number;
  /** A, [outFeatures, in1Features, in2Features]. */
  weight: Tensor;
  /** b, [outFeatures]; null with `bias: false`. */
  bias: Tensor | null;

  constructor(in1Features: number, in2Features: number, outFeatures: number, options: { bias?: boolean } = {}) {
    super();
    checkOptions("Bilinear", options, ["bias"]);
    this.in1Features = checkWhole("Bilinear", "in1Features", in1Features, 1);
    this.in2Features = checkWhole("Bilinear", "in2Features", in2Features, 1);
    this.outFeatures = checkWhole("Bilinear", "outFeatures", outFeatures, 1);
    this.weight = blank(outFeatures, in1Features, in2Features);
    this.bias = (options.bias ?? true) ? blank(outFeatures) : null;
    this.resetParameters();
  }

  /** Draws weight and bias anew. */
  resetParameters(): void {
    draw(this.in1Features, this.weight, this.bias);
  }

  override forward(input1: Tensor, input2: Tensor): Tensor {
    return bilinear(input1, input2, this.weight, { bias: this.bias });
  }
}
