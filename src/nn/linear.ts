// Linear and bilinear maps of the last dim.

import { bilinear, checkOptions, linear, type Tensor, zeros } from "../tensor.ts";
import { whole } from "./check.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";

/**
 * y = x Wᵀ + b over the last dim: [*, inFeatures] → [*, outFeatures]. `weight` is [outFeatures, inFeatures]; both start
 * as U(-1/√inFeatures, 1/√inFeatures).
 */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Tensor;
  bias: Tensor | null;

  constructor(inFeatures: number, outFeatures: number, options: { bias?: boolean } = {}) {
    super();
    checkOptions("Linear", options, ["bias"]);
    this.inFeatures = whole("Linear", "inFeatures", inFeatures);
    this.outFeatures = whole("Linear", "outFeatures", outFeatures);
    this.weight = zeros([outFeatures, inFeatures], { requiresGrad: true });
    this.bias = (options.bias ?? true) ? zeros([outFeatures], { requiresGrad: true }) : null;
    this.resetParameters();
  }

  /** Draws weight and bias anew. */
  resetParameters(): void {
    const b = 1 / Math.sqrt(this.inFeatures);
    for (const parameter of [this.weight, this.bias]) if (parameter !== null) init.uniform(parameter, { a: -b, b });
  }

  override forward(input: Tensor): Tensor {
    return linear(input, this.weight, { bias: this.bias });
  }
}

/**
 * y = x₁ᵀ Aₖ x₂ + bₖ for every output k: [*, in1Features] and [*, in2Features] → [*, outFeatures]. `weight` is
 * [outFeatures, in1Features, in2Features]; both start as U(-1/√in1Features, 1/√in1Features).
 */
export class Bilinear extends Module {
  readonly in1Features: number;
  readonly in2Features: number;
  readonly outFeatures: number;
  weight: Tensor;
  bias: Tensor | null;

  constructor(in1Features: number, in2Features: number, outFeatures: number, options: { bias?: boolean } = {}) {
    super();
    checkOptions("Bilinear", options, ["bias"]);
    this.in1Features = whole("Bilinear", "in1Features", in1Features);
    this.in2Features = whole("Bilinear", "in2Features", in2Features);
    this.outFeatures = whole("Bilinear", "outFeatures", outFeatures);
    this.weight = zeros([outFeatures, in1Features, in2Features], { requiresGrad: true });
    this.bias = (options.bias ?? true) ? zeros([outFeatures], { requiresGrad: true }) : null;
    this.resetParameters();
  }

  /** Draws weight and bias anew. */
  resetParameters(): void {
    const b = 1 / Math.sqrt(this.in1Features);
    for (const parameter of [this.weight, this.bias]) if (parameter !== null) init.uniform(parameter, { a: -b, b });
  }

  override forward(input1: Tensor, input2: Tensor): Tensor {
    return bilinear(input1, input2, this.weight, this.bias === null ? {} : { bias: this.bias });
  }
}
