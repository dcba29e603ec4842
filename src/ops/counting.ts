// Counting by index.

import { isFloat } from "../base/dtype.ts";
import { checkShape, dtypeError, opError, sameShape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkRank } from "./arguments.ts";
import { cast, checkOptions, checkWhole, expectTensor } from "./define.ts";
import { scatterRows } from "./gathering.ts";
import { hostRange } from "./host-values.ts";
import { countIndices } from "./index-kernels.ts";

/** Options of `bincount`. */
export interface BincountOptions {
  /** The weight of each element. Default 1. */
  readonly weights?: Tensor | null;
  /** Length that the result has at least. */
  readonly minlength?: number;
}

/**
 * Counts how often each of 0, 1, 2, … is in a vector of whole numbers, or adds up the `weights` of each. The result is
 * i32, or f32 with weights, and as long as the largest value demands, or `minlength`. If only the device knows the
 * values, `minlength` must be given and is the length; values that are larger or negative are left out. Throws a
 * DTypeError unless x is integer, and a RangeError for a negative value.
 */
export function bincount(x: Tensor, options: BincountOptions = {}): Tensor {
  const op = "bincount";
  checkOptions(op, options, ["weights", "minlength"]);
  checkRank(op, x, [1], "a vector");
  if (isFloat(x.dtype) || x.dtype === "bool")
    throw dtypeError`${op}: values must be i32 or u32, got ${x.dtype}. x.to("i32") converts.`;
  const least = options.minlength === undefined ? null : checkWhole(op, "minlength", options.minlength, 0);
  const known = hostRange(x);
  if (known !== null && known[0] < 0) throw new RangeError(`${op}: values must not be negative, got ${known[0]}.`);
  const largest = x.numel === 0 ? -1 : (known?.[1] ?? null);
  if (largest === null && least === null) {
    throw opError`${op}: the length of the result depends on values that only the device has. { minlength } says how long it is.`;
  }
  const length = Math.max((largest ?? -1) + 1, least ?? 0);
  checkShape(op, [length]);
  const weights = options.weights ?? null;
  if (weights === null) return countIndices(x, length);
  expectTensor(op, weights, "weights");
  if (!sameShape(weights.shape, x.shape))
    throw shapeError`${op}: weights must have the shape of the values, got ${weights.shape} for ${x.shape}.`;
  return scatterRows(isFloat(weights.dtype) ? weights : cast(weights, "f32"), x, 0, length);
}
