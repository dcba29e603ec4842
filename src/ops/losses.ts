// Losses that compare element by element: regression, binary classification, distributions.

import { broadcastShapes, dtypeError, formatShape, sameShape, shapeError } from "../base/shape.ts";
import type { ElementwiseDefinition } from "../graph/definition.ts";
import { record, recording, type Tensor } from "../graph/tensor.ts";
import { checkChoice, checkFloat, filled, insertDim } from "./arguments.ts";
import { add, ge, gt, lt, mul, neg, sub, trueDivide, where } from "./arithmetic.ts";
import { asSingle, asSingleFloat } from "./autocast.ts";
import { maximum, minimum } from "./comparison.ts";
import { cast, expectTensor } from "./define.ts";
import { exp, LOG1P, log, log1p, square } from "./exponential.ts";
import { hostOutsider } from "./host-values.ts";
import { checkBroadcast, checkPair, type LossOptions, lossOptions, type Reduction, reduced } from "./loss-reduction.ts";
import { derivativeOf, withDerivative } from "./memory.ts";
import { divideByCount, sum } from "./reduction-ops.ts";
import { abs } from "./rounding.ts";
import { logSigmoid } from "./sigmoid.ts";
import { xlogy } from "./special.ts";

// The square of a limited distance: an infinite one would make 0 · ∞ of the gradient that doesn't count.
function difference(op: string, input: Tensor, target: Tensor): Tensor {
  checkBroadcast(op, input, target);
  return sub(asSingleFloat(input), target);
}

/** Computes the squared error, (input - target)². The shapes broadcast: [N] and [N, 1] give [N, N]. */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const { reduction } = lossOptions("mseLoss", options, {});
  return reduced(square(difference("mseLoss", input, target)), reduction);
}

/** Computes the absolute error, |input - target|. The shapes broadcast. */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const { reduction } = lossOptions("l1Loss", options, {});
  return reduced(abs(difference("l1Loss", input, target)), reduction);
}

/** log(1 + e^(-target · input)) for targets 1 and -1: two classes told apart by the sign. The shapes broadcast. */
export function softMarginLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const { reduction } = lossOptions("softMarginLoss", options, {});
  expectTensor("softMarginLoss", target, "the target");
  return reduced(neg(logSigmoid(mul(asSingle(expectTensor("softMarginLoss", input)), target))), reduction);
}

/** With d = |input - target|: d² / (2 beta) below beta (default 1), else d - beta / 2. beta 0 gives the L1 loss. The shapes broadcast. */
export function smoothL1Loss(
  input: Tensor,
  target: Tensor,
  options: LossOptions & { readonly beta?: number } = {},
): Tensor {
  const op = "smoothL1Loss";
  const { reduction, beta } = lossOptions(op, options, { beta: 1 });
  if (beta < 0) throw new RangeError(`${op}: beta must be ≥ 0, got ${beta}.`);
  const d = abs(difference(op, input, target));
  if (beta === 0) return reduced(d, reduction);
  return reduced(where(lt(d, beta), mul(square(minimum(d, beta)), 0.5 / beta), sub(d, beta / 2)), reduction);
}

/** With d = |input - target|: d² / 2 below delta (default 1), else delta (d - delta / 2). The shapes broadcast. */
export function huberLoss(
  input: Tensor,
  target: Tensor,
  options: LossOptions & { readonly delta?: number } = {},
): Tensor {
  const op = "huberLoss";
  const { reduction, delta } = lossOptions(op, options, { delta: 1 });
  if (delta <= 0) throw new RangeError(`${op}: delta must be > 0, got ${delta}.`);
  const d = abs(difference(op, input, target));
  return reduced(where(lt(d, delta), mul(square(minimum(d, delta)), 0.5), mul(sub(d, delta / 2), delta)), reduction);
}

function binaryTerm(p: number, t: number): number {
  if (!(p >= 0 && p <= 1)) return Number.NaN;
  return -(t * Math.max(Math.log(p), -100) + (1 - t) * Math.max(Math.log1p(-p), -100));
}

// One node, because its derivative must stay finite where the logarithms' own are not.
const binaryDefinition: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "binaryCrossEntropy",
  wgsl: (t, p, y) => {
    const limited = (value: string): string => `max(${value}, ${t.float(-100)})`;
    const loss = `-(${y} * ${limited(t.call("log_f32", p))} + (${t.float(1)} - ${y}) * ${limited(t.call("log1p_f32", `-(${p})`))})`;
    // Arithmetic does not do: compilers may take 0 · NaN for 0.
    return `select(${t.float(Number.NaN)}, ${loss}, (${p} >= ${t.float(0)}) & (${p} <= ${t.float(1)}))`;
  },
  helpers: LOG1P,
  reference: (p, t) => binaryTerm(p as number, t as number),
  derivative: (g, _out, inputs) => {
    const [p, t] = inputs as [Tensor, Tensor];
    const slope = (): Tensor => {
      const spread = mul(sub(1, p), p);
      return where(ge(spread, 0), trueDivide(sub(p, t), maximum(spread, 1e-12)), Number.NaN);
    };
    const byTarget = (): Tensor => sub(maximum(log1p(mul(p, -1)), -100), maximum(log(p), -100));
    return [p.requiresGrad ? mul(g, slope()) : null, t.requiresGrad ? mul(g, byTarget()) : null];
  },
  cost: 50,
};

/** `x` times an optional weight, which must broadcast to it. */
function weighted(op: string, x: Tensor, weight: Tensor | null): Tensor {
  if (weight === null) return x;
  expectTensor(op, weight, "the weight");
  if (!sameShape(broadcastShapes(op, x.shape, weight.shape), x.shape)) {
    throw shapeError`${op}: the weight must broadcast to ${x.shape}, got ${weight.shape}.`;
  }
  return mul(x, weight);
}

/**
 * Computes -weight · (t log p + (1 - t) log(1 - p)) of probabilities p and targets t in 0 … 1; the logarithms are cut
 * off at -100. `binaryCrossEntropyWithLogits` keeps more digits. Throws a ShapeError unless both have one shape, and a
 * RangeError for p outside 0 … 1; if only the device knows p, the result is NaN.
 */
export function binaryCrossEntropy(
  input: Tensor,
  target: Tensor,
  options: LossOptions & { readonly weight?: Tensor | null } = {},
): Tensor {
  const op = "binaryCrossEntropy";
  const { reduction, weight } = lossOptions(op, options, { weight: null });
  checkPair(op, checkFloat(op, input), target);
  if (recording.autocast && input.dtype === "f16") {
    throw dtypeError`${op}: probabilities in f16 lose what lies near 0 and 1, so autocast refuses them. binaryCrossEntropyWithLogits takes logits.`;
  }
  const wrong = hostOutsider(input, 0, 1, Number.NaN);
  if (wrong !== null) throw new RangeError(`${op}: probabilities must lie in 0 … 1, got ${wrong}.`);
  const loss = record(binaryDefinition, [input, cast(target, input.dtype)], input.shape, input.dtype);
  return reduced(weighted(op, loss, weight), reduction);
}

/**
 * Computes -weight · (posWeight · t log σ(x) + (1 - t) log(1 - σ(x))) of logits x, without overflow. Throws a
 * ShapeError unless both have one shape and the weights broadcast to it.
 */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options: LossOptions & { readonly weight?: Tensor | null; readonly posWeight?: Tensor | null } = {},
): Tensor {
  const op = "binaryCrossEntropyWithLogits";
  const { reduction, weight, posWeight } = lossOptions(op, options, { weight: null, posWeight: null });
  checkPair(op, checkFloat(op, input), target);
  const x = asSingle(input);
  const t = cast(target, x.dtype);
  const logP = logSigmoid(x);
  // log(1 - σ(x)) = log σ(x) - x
  const positive =
    posWeight === null ? logP : mul(add(1, weighted(op, t, sub(expectTensor(op, posWeight, "posWeight"), 1))), logP);
  return reduced(weighted(op, sub(mul(sub(1, t), x), positive), weight), reduction);
}

/**
 * target · (log target - input) of log-probabilities `input` (0 where the target is 0); with `logTarget` the target is a logarithm too.
 * "mean" (default) divides by the number of elements as in PyTorch, "batchmean", the true divergence, by the batch size. The shapes broadcast.
 */
export function klDiv(
  input: Tensor,
  target: Tensor,
  options: { readonly reduction?: Reduction | "batchmean"; readonly logTarget?: boolean } = {},
): Tensor {
  const op = "klDiv";
  const { reduction, logTarget } = filled(op, options, { reduction: "mean", logTarget: false });
  checkChoice(op, "reduction", reduction, ["mean", "sum", "none", "batchmean"]);
  checkBroadcast(op, checkFloat(op, input), checkFloat(op, target, "the target"));
  const loss = logTarget
    ? mul(exp(target), sub(target, asSingle(input)))
    : sub(xlogy(target, target), mul(target, asSingle(input)));
  if (reduction !== "batchmean") return reduced(loss, reduction);
  return divideByCount(sum(loss), input.shape[0] ?? 1);
}

/**
 * eˣ - t x with `logInput` (default), else x - t log(x + eps) (eps 1e-8); `full` adds Stirling's t log t - t + log(2πt) / 2 where
 * t > 1. The shapes broadcast.
 */
export function poissonNllLoss(
  input: Tensor,
  target: Tensor,
  options: LossOptions & { readonly logInput?: boolean; readonly full?: boolean; readonly eps?: number } = {},
): Tensor {
  const op = "poissonNllLoss";
  const { reduction, logInput, full, eps } = lossOptions(op, options, { logInput: true, full: false, eps: 1e-8 });
  checkBroadcast(op, input, target);
  const x = asSingleFloat(input);
  const t = cast(target, x.dtype);
  const loss = logInput ? sub(exp(x), mul(t, x)) : sub(x, mul(t, log(add(x, eps))));
  if (!full) return reduced(loss, reduction);
  const large = gt(t, 1);
  const safe = where(large, t, 1);
  const logT = log(safe);
  const stirling = add(sub(mul(safe, logT), safe), mul(add(logT, Math.log(2 * Math.PI)), 0.5));
  return reduced(add(loss, where(large, stirling, 0)), reduction);
}

/** The gradient of a limited value goes to what was limited. */
const passedOn = derivativeOf("limit", (g) => [null, g]);

/**
 * (log v + (input - target)² / v) / 2 with v = max(variance, eps) (eps 1e-6); as in PyTorch the variance's gradient is that of v, also below
 * eps; `full` adds log(2π) / 2. Input and target broadcast; the variance has the input's shape, or size 1 in the last dim, or lacks the
 * last dim. Throws a ShapeError where shapes don't fit.
 */
export function gaussianNllLoss(
  input: Tensor,
  target: Tensor,
  variance: Tensor,
  options: LossOptions & { readonly full?: boolean; readonly eps?: number } = {},
): Tensor {
  const op = "gaussianNllLoss";
  const { reduction, full, eps } = lossOptions(op, options, { full: false, eps: 1e-6 });
  checkBroadcast(op, checkFloat(op, input), target);
  expectTensor(op, variance, "the variance");
  const rest = input.shape.slice(0, -1);
  const lacking = input.ndim > 0 && sameShape(variance.shape, rest);
  if (!lacking && !sameShape(variance.shape, input.shape) && !sameShape(variance.shape, [...rest, 1])) {
    throw shapeError`${op}: the variance must be ${input.shape} or ${formatShape([...rest, 1])}, got ${variance.shape}.`;
  }
  const given = lacking ? insertDim(variance, rest.length) : variance;
  const v = withDerivative(passedOn, maximum(given, eps), [given], []);
  const loss = mul(add(log(v), trueDivide(square(sub(input, target)), v)), 0.5);
  return reduced(full ? add(loss, 0.5 * Math.log(2 * Math.PI)) : loss, reduction);
}
