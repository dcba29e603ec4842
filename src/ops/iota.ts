// 0, 1, 2, …: the seed of ranges, masks and random numbers.

import { iotaNode } from "../graph/node.ts";
import { Tensor } from "../graph/tensor.ts";

/** The whole numbers 0 … length - 1. */
export function iota(length: number, dtype: "i32" | "u32" = "i32"): Tensor {
  return new Tensor(iotaNode(length, dtype));
}
