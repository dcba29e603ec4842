// Normalization over parts of one example: layer, group and root-mean-square norm.

import { checkWhole, demand, listOf, withDefaults } from "../ops/check.ts";
import { groupNorm, layerNorm, rmsNorm, type Shape, type Tensor } from "../tensor.ts";
import { Affine } from "./affine.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";
import { filled } from "./parameter.ts";

function shapeOf(layer: string, value: number | Shape): Shape {
  const shape = listOf(layer, "normalizedShape", value);
  demand(layer, "normalizedShape", shape, shape.length > 0, "at least one size");
  for (const size of shape) checkWhole(layer, "normalizedShape", size, 1);
  return shape;
}

/**
 * Normalizes over the last dims, whose shape is `normalizedShape`: y = (x - mean) / √(variance + eps) · weight + bias,
 * with the biased variance (Ba et al. 2016).
 */
export class LayerNorm extends Affine {
  readonly normalizedShape: readonly number[];
  readonly eps: number;

  constructor(
    normalizedShape: number | readonly number[],
    options: { eps?: number; elementwiseAffine?: boolean; bias?: boolean } = {},
  ) {
    const defaults = { eps: 1e-5, elementwiseAffine: true, bias: true };
    const { eps, elementwiseAffine, bias } = withDefaults("LayerNorm", options, defaults);
    const shape = shapeOf("LayerNorm", normalizedShape);
    super(shape, elementwiseAffine, elementwiseAffine && bias);
    this.normalizedShape = shape;
    this.eps = eps;
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return layerNorm(input, this.normalizedShape, { weight, bias, eps });
  }
}

/**
 * Divides by the root mean square over the last dims: y = x / √(mean(x²) + eps) · weight (Zhang and Sennrich 2019). The
 * default eps is 2⁻²³, the precision of f32.
 */
export class RMSNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  weight: Tensor | null;

  constructor(
    normalizedShape: number | readonly number[],
    options: { eps?: number; elementwiseAffine?: boolean } = {},
  ) {
    super();
    const all = withDefaults("RMSNorm", options, { eps: 2 ** -23, elementwiseAffine: true });
    this.normalizedShape = shapeOf("RMSNorm", normalizedShape);
    this.eps = all.eps;
    this.weight = all.elementwiseAffine ? filled(this.normalizedShape, 1, { requiresGrad: true }) : null;
  }

  /** Sets weight to 1. */
  resetParameters(): void {
    if (this.weight !== null) init.ones(this.weight);
  }

  override forward(input: Tensor): Tensor {
    return rmsNorm(input, this.normalizedShape, { weight: this.weight, eps: this.eps });
  }
}

/**
 * Normalizes [N, C, *] in `numGroups` groups of channels, each example by itself. Scale and shift are per channel (Wu
 * and He 2018).
 */
export class GroupNorm extends Affine {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;

  constructor(numGroups: number, numChannels: number, options: { eps?: number; affine?: boolean } = {}) {
    const { eps, affine } = withDefaults("GroupNorm", options, { eps: 1e-5, affine: true });
    checkWhole("GroupNorm", "numGroups", numGroups, 1);
    checkWhole("GroupNorm", "numChannels", numChannels, 1);
    demand("GroupNorm", "numChannels", numChannels, numChannels % numGroups === 0, `a multiple of ${numGroups} groups`);
    super([numChannels], affine, affine);
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return groupNorm(input, this.numGroups, { weight, bias, eps });
  }
}
