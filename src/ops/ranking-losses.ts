// Losses on pairs and triples: embeddings and rankings.

import { broadcastShapes, formatShape, sameShape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkFloat, checkRank } from "./arguments.ts";
import { add, eq, mul, ne, sub, trueDivide, where } from "./arithmetic.ts";
import { asSingleFloat } from "./autocast.ts";
import { clamp, minimum } from "./comparison.ts";
import { expectTensor } from "./define.ts";
import { sqrt, square } from "./exponential.ts";
import { checkBroadcast, checkPair, type LossOptions, lossOptions, reduced } from "./loss-reduction.ts";
import { pairwiseDistance } from "./norms.ts";
import { sum } from "./reduction-ops.ts";

/** x where the target is 1, max(0, margin - x) where it is -1 (margin 1). The shapes broadcast. */
export function hingeEmbeddingLoss(
  input: Tensor,
  target: Tensor,
  options: LossOptions & { readonly margin?: number } = {},
): Tensor {
  const op = "hingeEmbeddingLoss";
  const { reduction, margin } = lossOptions(op, options, { margin: 1 });
  checkBroadcast(op, checkFloat(op, input), target);
  const x = asSingleFloat(input);
  const apart = where(ne(target, 1), clamp(sub(margin, x), { min: 0 }), 0);
  return reduced(add(apart, where(ne(target, -1), x, 0)), reduction);
}

/**
 * 1 - cos(a, b) where the target is 1, max(0, cos(a, b) - margin) where it is -1 (margin 0): [N, D], [N, D], [N] or [D], [D], [].
 * Throws a ShapeError where shapes don't fit.
 */
export function cosineEmbeddingLoss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  options: LossOptions & { readonly margin?: number } = {},
): Tensor {
  const op = "cosineEmbeddingLoss";
  const { reduction, margin } = lossOptions(op, options, { margin: 0 });
  checkRank(op, input1, [1, 2], "[N, D] or [D]", "the first input");
  checkPair(op, input1, input2, ["first input", "second input"]);
  expectTensor(op, target, "the target");
  if (!sameShape(target.shape, input1.shape.slice(0, -1))) {
    throw shapeError`${op}: the target must be ${formatShape(input1.shape.slice(0, -1))} for ${input1.shape}, got ${target.shape}.`;
  }
  const [a, b] = [asSingleFloat(input1), asSingleFloat(input2)];
  const lengths = sqrt(mul(add(sum(square(a), -1), 1e-12), add(sum(square(b), -1), 1e-12)));
  const cosine = trueDivide(sum(mul(a, b), -1), lengths);
  const alike = where(eq(target, 1), sub(1, cosine), 0);
  return reduced(add(alike, where(eq(target, -1), clamp(sub(cosine, margin), { min: 0 }), 0)), reduction);
}

/** max(0, -target (input1 - input2) + margin) (margin 0); the target is 1 where the first should rank higher, else -1. The shapes broadcast. */
export function marginRankingLoss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  options: LossOptions & { readonly margin?: number } = {},
): Tensor {
  const op = "marginRankingLoss";
  const { reduction, margin } = lossOptions(op, options, { margin: 0 });
  expectTensor(op, input1, "the first input");
  expectTensor(op, input2, "the second input");
  broadcastShapes(op, input1.shape, input2.shape, expectTensor(op, target, "the target").shape);
  const ahead = sub(asSingleFloat(input1), asSingleFloat(input2));
  return reduced(clamp(sub(margin, mul(target, ahead)), { min: 0 }), reduction);
}

/** Options of `tripletMarginLoss`. */
export interface TripletOptions extends LossOptions {
  /** Default 1. */
  readonly margin?: number;
  /** Which norm. Default 2. */
  readonly p?: number;
  /** Added to the differences. Default 1e-6. */
  readonly eps?: number;
  /** Counts the distance of positive and negative where it is the smaller one (Balntas et al. 2016). Default false. */
  readonly swap?: boolean;
}

/** max(0, ‖anchor - positive‖ - ‖anchor - negative‖ + margin) along the last dim. The shapes broadcast. */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletOptions = {},
): Tensor {
  const op = "tripletMarginLoss";
  const { reduction, margin, swap, ...distance } = lossOptions(op, options, {
    margin: 1,
    p: 2,
    eps: 1e-6,
    swap: false,
  });
  expectTensor(op, anchor, "the anchor");
  expectTensor(op, positive, "the positive");
  expectTensor(op, negative, "the negative");
  broadcastShapes(op, anchor.shape, positive.shape, negative.shape);
  const near = pairwiseDistance(anchor, positive, distance);
  const far = pairwiseDistance(anchor, negative, distance);
  const apart = swap ? minimum(far, pairwiseDistance(positive, negative, distance)) : far;
  return reduced(clamp(add(sub(near, apart), margin), { min: 0 }), reduction);
}
