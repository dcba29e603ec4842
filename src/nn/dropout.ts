// Dropout: zeroes at random in training, does nothing in evaluation.

import { dropout, dropout2d, type Tensor } from "../tensor.ts";
import { noOptions, probability } from "./check.ts";
import { Module } from "./module.ts";

abstract class DropoutNd extends Module {
  readonly p: number;

  constructor(p = 0.5, ...options: never[]) {
    super();
    noOptions(this.constructor.name, options);
    this.p = probability(this.constructor.name, "p", p);
  }
}

/**
 * In training, sets each element to 0 with probability `p` and multiplies the others by 1 / (1 - p). In evaluation
 * mode, returns its input.
 */
export class Dropout extends DropoutNd {
  override forward(input: Tensor): Tensor {
    return dropout(input, this.p, { training: this.training });
  }
}

/**
 * In training, sets whole channels of [N, C, H, W] to 0 with probability `p` and multiplies the others by 1 / (1 - p).
 */
export class Dropout2d extends DropoutNd {
  override forward(input: Tensor): Tensor {
    return dropout2d(input, this.p, { training: this.training });
  }
}
