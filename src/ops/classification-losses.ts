// Losses on classes: cross-entropy and negative log-likelihood.

import { isFloat } from "../base/dtype.ts";
import { ShapeError } from "../base/errors.ts";
import { dtypeError, formatShape, sameShape, shapeError } from "../base/shape.ts";
import { asking } from "../graph/asked.ts";
import type { Tensor } from "../graph/tensor.ts";
import { alongDim, checkFloat, dropDims, insertDim, optionalTensor } from "./arguments.ts";
import { add, eq, logicalAnd, mul, ne, neg, trueDivide, where } from "./arithmetic.ts";
import { asSingle } from "./autocast.ts";
import { cast, expectTensor } from "./define.ts";
import { isOutside, unless } from "./gathering.ts";
import { hostOutsider, hostRange } from "./host-values.ts";
import { iota } from "./iota.ts";
import { type LossOptions, lossOptions, type Reduction } from "./loss-reduction.ts";
import { divideByCount, sum } from "./reduction-ops.ts";
import { sumOver } from "./reductions.ts";
import { logSoftmax } from "./softmax.ts";
import { reshape } from "./views.ts";

/** Options of `crossEntropy` and `nllLoss`. */
export interface ClassLossOptions extends LossOptions {
  /** [C]; a factor for each class. */
  readonly weight?: Tensor | null;
  /** Targets of this class don't count. Default -100. */
  readonly ignoreIndex?: number;
}

const CLASS_LOSS = { weight: null, ignoreIndex: -100 };

/** Which dim holds the classes: 1 of [N, C, *], 0 of [C]. */
function classDim(op: string, x: Tensor): number {
  checkFloat(op, x);
  if (x.ndim === 0)
    throw new ShapeError(`${op}: the input must be [C], [N, C] or [N, C, *], got a scalar.`, { op, shapes: [x.shape] });
  return x.ndim === 1 ? 0 : 1;
}

function checkTarget(op: string, x: Tensor, target: Tensor, dim: number, ignoreIndex: number): void {
  const wanted = x.shape.filter((_, i) => i !== dim);
  if (!sameShape(target.shape, wanted)) {
    throw shapeError`${op}: class indices for ${x.shape} must be ${formatShape(wanted)}, got ${target.shape}.`;
  }
  if (target.dtype !== "i32" && target.dtype !== "u32") {
    throw dtypeError`${op}: class indices must be i32 or u32, got ${target.dtype}. target.to("i32") converts.`;
  }
  const classes = x.shape[dim] as number;
  const wrong = hostOutsider(target, 0, classes - 1, ignoreIndex);
  if (wrong !== null) {
    throw new RangeError(
      `${op}: class ${wrong} is out of range for ${classes} classes. Classes run from 0 to ${classes - 1}; ignoreIndex is ${ignoreIndex}.`,
    );
  }
}

/**
 * Loss of log-probabilities for class indices. The target's entry is found by comparing the target with 0, 1, 2, …: that fuses with the
 * softmax into one kernel, forward and backward, where a gather would need a scatter.
 */
function indexLoss(
  logP: Tensor,
  target: Tensor,
  dim: number,
  weight: Tensor | null,
  ignoreIndex: number,
  smoothing: number,
  reduction: Reduction,
): Tensor {
  const classes = logP.shape[dim] as number;
  // As i32, beside which -100 may stand.
  const given = insertDim(cast(target, "i32"), dim);
  const range = hostRange(target);
  const outside = isOutside(given, classes);
  const wrong = outside && logicalAnd(outside, ne(given, ignoreIndex));
  // Another class stands for what is none, so that the row has a gradient to spoil.
  const labels = wrong === null ? given : where(wrong, ignoreIndex === 0 ? 1 : 0, given);
  const along = alongDim(logP.ndim, dim, classes);
  const same = eq(reshape(iota(classes), along), labels);
  // An ignored class outside of 0 … C - 1 matches no entry by itself.
  const hit = ignoreIndex >= 0 && ignoreIndex < classes ? logicalAnd(same, ne(labels, ignoreIndex)) : same;
  const scale = weight === null ? null : reshape(weight, along);
  const scaled = scale === null ? logP : mul(logP, scale);
  let picked: Tensor;
  if (smoothing === 0) picked = sumOver(where(hit, scaled, 0), [dim]);
  else {
    const share = smoothing / classes;
    const smoothed = sumOver(mul(where(hit, 1 - smoothing + share, share), scaled), [dim]);
    picked = where(ne(labels, ignoreIndex), smoothed, 0);
  }
  const losses = neg(dropDims(unless(wrong, picked), [dim]));
  if (reduction === "none") return losses;
  const total = sum(losses);
  if (reduction === "sum") return total;
  // Where the host knows that no class is ignored, the count is part of the program, and the gradient needs no sum before it starts.
  if (scale === null && range !== null && (ignoreIndex < range[0] || ignoreIndex > range[1]))
    return divideByCount(total, target.numel);
  const counted = scale === null ? cast(ne(labels, ignoreIndex), logP.dtype) : where(hit, scale, 0);
  return trueDivide(total, sum(counted));
}

/**
 * Computes the cross-entropy of logits [N, C, *] (or [C]) and classes y [N, *]: -weight[y] · log softmax(logits)[y].
 * The mean divides by the sum of the weights that count. A float target in the shape of the logits holds probabilities:
 * -Σ weight · t · log softmax(logits), divided by N·* for the mean. `labelSmoothing` ε mixes the target with the even
 * distribution.
 *
 * Throws a ShapeError, a DTypeError, or a RangeError for classes out of range. If only the device knows the classes,
 * wrong ones make their rows NaN, and all that follows from these rows.
 */
export function crossEntropy(
  logits: Tensor,
  target: Tensor,
  options: ClassLossOptions & { readonly labelSmoothing?: number } = {},
): Tensor {
  const op = "crossEntropy";
  const {
    ignoreIndex,
    reduction,
    labelSmoothing: smoothing,
    ...given
  } = lossOptions(op, options, { ...CLASS_LOSS, labelSmoothing: 0 });
  const dim = classDim(op, logits);
  expectTensor(op, target, "the target");
  const weight = optionalTensor(op, "weight", given.weight, [logits.shape[dim] as number]);
  if (smoothing < 0 || smoothing > 1) throw new RangeError(`${op}: labelSmoothing must be in 0 … 1, got ${smoothing}.`);
  if (!(isFloat(target.dtype) && sameShape(target.shape, logits.shape))) {
    checkTarget(op, logits, target, dim, ignoreIndex);
    return asking(op, () => indexLoss(logSoftmax(logits, dim), target, dim, weight, ignoreIndex, smoothing, reduction));
  }
  return asking(op, () => probabilityLoss(logits, target, dim, weight, smoothing, reduction));
}

/** -Σ weight · t · log softmax(logits) for probabilities t. */
function probabilityLoss(
  logits: Tensor,
  target: Tensor,
  dim: number,
  weight: Tensor | null,
  smoothing: number,
  reduction: Reduction,
): Tensor {
  const logP = logSoftmax(logits, dim);
  const classes = logits.shape[dim] as number;
  const wanted = cast(target, logP.dtype);
  const smoothed = smoothing === 0 ? wanted : add(mul(wanted, 1 - smoothing), smoothing / classes);
  const scaled = weight === null ? logP : mul(logP, reshape(weight, alongDim(logits.ndim, dim, classes)));
  const losses = neg(dropDims(sumOver(mul(smoothed, scaled), [dim]), [dim]));
  if (reduction === "none") return losses;
  return reduction === "sum" ? sum(losses) : divideByCount(sum(losses), losses.numel);
}

/**
 * Computes -weight[y] · logProbs[y] of log-probabilities [N, C, *] (or [C]) and classes y [N, *]. The mean divides by
 * the sum of the weights that count. Throws as `crossEntropy`.
 */
export function nllLoss(logProbs: Tensor, target: Tensor, options: ClassLossOptions = {}): Tensor {
  const op = "nllLoss";
  const { ignoreIndex, reduction, ...given } = lossOptions(op, options, CLASS_LOSS);
  const dim = classDim(op, logProbs);
  expectTensor(op, target, "the target");
  const weight = optionalTensor(op, "weight", given.weight, [logProbs.shape[dim] as number]);
  checkTarget(op, logProbs, target, dim, ignoreIndex);
  return indexLoss(asSingle(logProbs), target, dim, weight, ignoreIndex, 0, reduction);
}
