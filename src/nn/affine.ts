// Affine: what the normalizing layers learn.

import type { Shape, Tensor } from "../tensor.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";
import { filled } from "./parameter.ts";

/** Base of the norms with a learned scale, at first 1, and shift, at first 0. */
export abstract class Affine extends Module {
  weight: Tensor | null;
  bias: Tensor | null;

  constructor(shape: Shape, hasWeight: boolean, hasBias: boolean) {
    super();
    this.weight = hasWeight ? filled(shape, 1, { requiresGrad: true }) : null;
    this.bias = hasBias ? filled(shape, 0, { requiresGrad: true }) : null;
  }

  /** Sets weight to 1 and bias to 0. */
  resetParameters(): void {
    if (this.weight !== null) init.ones(this.weight);
    if (this.bias !== null) init.zeros(this.bias);
  }
}
