// The precision that ops take under autocast: after PyTorch's lists of ops for float16 and float32.

import { isFloat } from "../base/dtype.ts";
import { recording, type Tensor } from "../graph/tensor.ts";
import { cast } from "./define.ts";

/** Float operand of a matrix product or a convolution: f16 under autocast. */
export function asHalf(x: Tensor): Tensor {
  return recording.autocast && x.dtype === "f32" ? cast(x, "f16") : x;
}

/** Operand of what needs range or digits (losses, norms, softmax, sums): f32 under autocast where it is f16. */
export function asSingle(x: Tensor): Tensor {
  return recording.autocast && x.dtype === "f16" ? cast(x, "f32") : x;
}

/** The same, and f32 of integers. */
export function asSingleFloat(x: Tensor): Tensor {
  return isFloat(x.dtype) ? asSingle(x) : cast(x, "f32");
}
