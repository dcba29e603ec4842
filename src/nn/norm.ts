// Normalization over parts of one example: layer, group and root-mean-square norm.

import { checkOptions, groupNorm, layerNorm, rmsNorm, type Tensor } from "../tensor.ts";
import { whole } from "./check.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";
import { filled } from "./parameter.ts";

/** Weight and bias as an op's options. */
function affineOptions(weight: Tensor | null, bias: Tensor | null): { weight?: Tensor; bias?: Tensor } {
  return { ...(weight === null ? {} : { weight }), ...(bias === null ? {} : { bias }) };
}

function shapeOf(layer: string, value: number | readonly number[]): readonly number[] {
  const shape = typeof value === "number" ? [value] : [...value];
  if (shape.length === 0) throw new RangeError(`${layer}: normalizedShape must name at least one size, got [].`);
  for (const size of shape) whole(layer, "normalizedShape", size);
  return shape;
}

/**
 * Over the last dims, whose shape is `normalizedShape`: y = (x - mean) / √(variance + eps) · weight + bias, with the
 * biased variance (Ba et al. 2016).
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  weight: Tensor | null;
  bias: Tensor | null;

  constructor(
    normalizedShape: number | readonly number[],
    options: { eps?: number; elementwiseAffine?: boolean; bias?: boolean } = {},
  ) {
    super();
    checkOptions("LayerNorm", options, ["eps", "elementwiseAffine", "bias"]);
    this.normalizedShape = shapeOf("LayerNorm", normalizedShape);
    this.eps = options.eps ?? 1e-5;
    const affine = options.elementwiseAffine ?? true;
    this.weight = affine ? filled(this.normalizedShape, 1, { requiresGrad: true }) : null;
    this.bias = affine && (options.bias ?? true) ? filled(this.normalizedShape, 0, { requiresGrad: true }) : null;
  }

  /** Sets weight to 1 and bias to 0. */
  resetParameters(): void {
    if (this.weight !== null) init.ones(this.weight);
    if (this.bias !== null) init.zeros(this.bias);
  }

  override forward(input: Tensor): Tensor {
    return layerNorm(input, this.normalizedShape, { ...affineOptions(this.weight, this.bias), eps: this.eps });
  }
}

/** y = x / √(mean(x²) + eps) · weight over the last dims (Zhang and Sennrich 2019). Default eps is f32's 2⁻²³. */
export class RMSNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  weight: Tensor | null;

  constructor(
    normalizedShape: number | readonly number[],
    options: { eps?: number; elementwiseAffine?: boolean } = {},
  ) {
    super();
    checkOptions("RMSNorm", options, ["eps", "elementwiseAffine"]);
    this.normalizedShape = shapeOf("RMSNorm", normalizedShape);
    this.eps = options.eps ?? 2 ** -23;
    this.weight = (options.elementwiseAffine ?? true) ? filled(this.normalizedShape, 1, { requiresGrad: true }) : null;
  }

  /** Sets weight to 1. */
  resetParameters(): void {
    if (this.weight !== null) init.ones(this.weight);
  }

  override forward(input: Tensor): Tensor {
    return rmsNorm(input, this.normalizedShape, { ...affineOptions(this.weight, null), eps: this.eps });
  }
}

/** [N, C, *]: the channels in `numGroups` groups, each normalized per example; scale and shift per channel (Wu and He 2018). */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  weight: Tensor | null;
  bias: Tensor | null;

  constructor(numGroups: number, numChannels: number, options: { eps?: number; affine?: boolean } = {}) {
    super();
    checkOptions("GroupNorm", options, ["eps", "affine"]);
    this.numGroups = whole("GroupNorm", "numGroups", numGroups);
    this.numChannels = whole("GroupNorm", "numChannels", numChannels);
    if (numChannels % numGroups !== 0) {
      throw new RangeError(
        `GroupNorm: numChannels must be a multiple of numGroups, got ${numChannels} and ${numGroups}.`,
      );
    }
    this.eps = options.eps ?? 1e-5;
    const affine = options.affine ?? true;
    this.weight = affine ? filled([numChannels], 1, { requiresGrad: true }) : null;
    this.bias = affine ? filled([numChannels], 0, { requiresGrad: true }) : null;
  }

  /** Sets weight to 1 and bias to 0. */
  resetParameters(): void {
    if (this.weight !== null) init.ones(this.weight);
    if (this.bias !== null) init.zeros(this.bias);
  }

  override forward(input: Tensor): Tensor {
    return groupNorm(input, this.numGroups, { ...affineOptions(this.weight, this.bias), eps: this.eps });
  }
}
