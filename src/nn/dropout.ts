// Dropout: zeroes at random in training, does nothing in evaluation.

import { dropout, dropout2d, type Tensor } from "../tensor.ts";
import { noOptions, probability } from "./check.ts";
import { Module } from "./module.ts";

/** In training, zeroes each element with probability `p` and scales the others by 1 / (1 - p). */
export class Dropout extends Module {
  readonly p: number;

  constructor(p = 0.5, ...options: never[]) {
    super();
    noOptions("Dropout", options);
    this.p = probability("Dropout", "p", p);
  }

  override forward(input: Tensor): Tensor {
    return dropout(input, this.p, { training: this.training });
  }
}

/** In training, zeroes whole channels of [N, C, H, W] with probability `p` and scales the others by 1 / (1 - p). */
export class Dropout2d extends Module {
  readonly p: number;

  constructor(p = 0.5, ...options: never[]) {
    super();
    noOptions("Dropout2d", options);
    this.p = probability("Dropout2d", "p", p);
  }

  override forward(input: Tensor): Tensor {
    return dropout2d(input, this.p, { training: this.training });
  }
}
