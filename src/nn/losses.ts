// Losses as modules: each applies the op of its name with the options it was made with.

import { checkChoice } from "../ops/check.ts";
import {
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  cosineEmbeddingLoss,
  crossEntropy,
  ctcLoss,
  gaussianNllLoss,
  hingeEmbeddingLoss,
  huberLoss,
  klDiv,
  type Lengths,
  l1Loss,
  marginRankingLoss,
  mseLoss,
  nllLoss,
  poissonNllLoss,
  smoothL1Loss,
  type Tensor,
  tripletMarginLoss,
} from "../tensor.ts";
import { Configured } from "./configured.ts";

/** How a loss is reduced: to the mean, to the sum, or not at all. */
export type Reduction = "mean" | "sum" | "none";

/** Base of the losses: `reduction` beside the other options of their ops. */
abstract class Loss<Options extends object> extends Configured<Options & { reduction: Reduction }> {
  declare readonly reduction: Reduction;

  constructor(options: Partial<Options & { reduction: Reduction }>, defaults: Options, ...others: string[]) {
    super(options, { ...defaults, reduction: "mean" }, ...others);
    checkChoice(this.constructor.name, "reduction", this.reduction, ["mean", "sum", "none"]);
  }
}

/** Squared error: (input - target)². */
export class MSELoss extends Loss<object> {
  constructor(options: { reduction?: Reduction } = {}) {
    super(options, {});
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, this.opOptions);
  }
}

/** Absolute error: |input - target|. */
export class L1Loss extends Loss<object> {
  constructor(options: { reduction?: Reduction } = {}) {
    super(options, {});
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, this.opOptions);
  }
}

/** Absolute error that is smooth at 0: d² / (2 beta) if d = |input - target| < beta (default 1), else d - beta / 2. */
export class SmoothL1Loss extends Loss<{ beta: number }> {
  declare readonly beta: number;

  constructor(options: { beta?: number; reduction?: Reduction } = {}) {
    super(options, { beta: 1 });
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return smoothL1Loss(input, target, this.opOptions);
  }
}

/**
 * Squared error near 0, absolute error beyond: d² / 2 if d = |input - target| < delta (default 1), else delta (d -
 * delta / 2).
 */
export class HuberLoss extends Loss<{ delta: number }> {
  declare readonly delta: number;

  constructor(options: { delta?: number; reduction?: Reduction } = {}) {
    super(options, { delta: 1 });
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return huberLoss(input, target, this.opOptions);
  }
}

/**
 * Binary cross-entropy of probabilities p: -(y log p + (1 - y) log(1 - p)), with logarithms limited to -100. `weight`
 * broadcasts to them.
 */
export class BCELoss extends Loss<{ weight: Tensor | null }> {
  declare weight: Tensor | null;

  constructor(options: { weight?: Tensor; reduction?: Reduction } = {}) {
    super(options, { weight: null });
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropy(input, target, this.opOptions);
  }
}

/** Binary cross-entropy of logits, without overflow. `posWeight` multiplies the positive term. */
export class BCEWithLogitsLoss extends Loss<{ weight: Tensor | null }> {
  declare weight: Tensor | null;
  pos_weight: Tensor | null = null;

  constructor(options: { weight?: Tensor; posWeight?: Tensor; reduction?: Reduction } = {}) {
    super(options, { weight: null }, "posWeight");
    if (options.posWeight) this.registerBuffer("pos_weight", options.posWeight);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropyWithLogits(input, target, { ...this.opOptions, posWeight: this.pos_weight });
  }
}

/**
 * Negative log-likelihood: -weight[y] input[y], with log-probabilities [N, C, *] and classes y [N, *]. The mean divides
 * by the sum of weights.
 */
export class NLLLoss extends Loss<{ weight: Tensor | null; ignoreIndex: number }> {
  declare weight: Tensor | null;
  declare readonly ignoreIndex: number;

  constructor(options: { weight?: Tensor; ignoreIndex?: number; reduction?: Reduction } = {}) {
    super(options, { weight: null, ignoreIndex: -100 });
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return nllLoss(input, target, this.opOptions);
  }
}

/**
 * Cross-entropy of logits: -log softmax(input)[y], with logits [N, C, *] and classes y [N, *], or probabilities in the
 * shape of the logits.
 */
export class CrossEntropyLoss extends Loss<{ weight: Tensor | null; ignoreIndex: number; labelSmoothing: number }> {
  declare weight: Tensor | null;
  declare readonly ignoreIndex: number;
  declare readonly labelSmoothing: number;

  constructor(options: { weight?: Tensor; ignoreIndex?: number; labelSmoothing?: number; reduction?: Reduction } = {}) {
    super(options, { weight: null, ignoreIndex: -100, labelSmoothing: 0 });
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return crossEntropy(input, target, this.opOptions);
  }
}

/**
 * Kullback-Leibler divergence of log-probabilities: target (log target - input). PyTorch's default mean divides by all
 * elements, "batchmean" by the size of the batch.
 */
export class KLDivLoss extends Configured<{ logTarget: boolean; reduction: Reduction | "batchmean" }> {
  declare readonly logTarget: boolean;
  declare readonly reduction: Reduction | "batchmean";

  constructor(options: { logTarget?: boolean; reduction?: Reduction | "batchmean" } = {}) {
    super(options, { logTarget: false, reduction: "mean" });
    checkChoice("KLDivLoss", "reduction", this.reduction, ["mean", "sum", "none", "batchmean"]);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return klDiv(input, target, this.opOptions);
  }
}

/**
 * Negative log-likelihood of a Poisson distribution: eˣ - y x with `logInput` (default), else x - y log(x + eps).
 * `full` adds Stirling's term.
 */
export class PoissonNLLLoss extends Loss<{ logInput: boolean; full: boolean; eps: number }> {
  declare readonly logInput: boolean;
  declare readonly full: boolean;
  declare readonly eps: number;

  constructor(options: { logInput?: boolean; full?: boolean; eps?: number; reduction?: Reduction } = {}) {
    super(options, { logInput: true, full: false, eps: 1e-8 });
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return poissonNllLoss(input, target, this.opOptions);
  }
}

/**
 * Negative log-likelihood of a normal distribution: (log v + (input - target)² / v) / 2 with v = max(variance, eps).
 * `full` adds log(2π) / 2.
 */
export class GaussianNLLLoss extends Loss<{ full: boolean; eps: number }> {
  declare readonly full: boolean;
  declare readonly eps: number;

  constructor(options: { full?: boolean; eps?: number; reduction?: Reduction } = {}) {
    super(options, { full: false, eps: 1e-6 });
  }

  override forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    return gaussianNllLoss(input, target, variance, this.opOptions);
  }
}

/** Keeps distances small or large: input if target is 1, max(0, margin - input) if it is -1 (default margin 1). */
export class HingeEmbeddingLoss extends Loss<{ margin: number }> {
  declare readonly margin: number;

  constructor(options: { margin?: number; reduction?: Reduction } = {}) {
    super(options, { margin: 1 });
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return hingeEmbeddingLoss(input, target, this.opOptions);
  }
}

/**
 * Makes vectors similar or not: 1 - cos(a, b) if target is 1, max(0, cos(a, b) - margin) if it is -1 (default margin
 * 0).
 */
export class CosineEmbeddingLoss extends Loss<{ margin: number }> {
  declare readonly margin: number;

  constructor(options: { margin?: number; reduction?: Reduction } = {}) {
    super(options, { margin: 0 });
  }

  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return cosineEmbeddingLoss(input1, input2, target, this.opOptions);
  }
}

/**
 * Ranks input1 above input2 if target is 1, below if it is -1: max(0, -target (input1 - input2) + margin) (default
 * margin 0).
 */
export class MarginRankingLoss extends Loss<{ margin: number }> {
  declare readonly margin: number;

  constructor(options: { margin?: number; reduction?: Reduction } = {}) {
    super(options, { margin: 0 });
  }

  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return marginRankingLoss(input1, input2, target, this.opOptions);
  }
}

/**
 * Keeps an anchor nearer to the positive than to the negative: max(0, ‖a - p‖ - ‖a - n‖ + margin) with the p-norm
 * (default margin 1, p 2). `swap` also measures ‖p - n‖.
 */
export class TripletMarginLoss extends Loss<{ margin: number; p: number; eps: number; swap: boolean }> {
  declare readonly margin: number;
  declare readonly p: number;
  declare readonly eps: number;
  declare readonly swap: boolean;

  constructor(options: { margin?: number; p?: number; eps?: number; swap?: boolean; reduction?: Reduction } = {}) {
    super(options, { margin: 1, p: 2, eps: 1e-6, swap: false });
  }

  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return tripletMarginLoss(anchor, positive, negative, this.opOptions);
  }
}

/**
 * Connectionist temporal classification: -log of the probability of the targets over all alignments with blanks and
 * repetitions (Graves et al. 2006). The mean first divides by the lengths of the targets.
 */
export class CTCLoss extends Loss<{ blank: number; zeroInfinity: boolean }> {
  declare readonly blank: number;
  declare readonly zeroInfinity: boolean;

  constructor(options: { blank?: number; zeroInfinity?: boolean; reduction?: Reduction } = {}) {
    super(options, { blank: 0, zeroInfinity: false });
  }

  override forward(logProbs: Tensor, targets: Tensor, inputLengths: Lengths, targetLengths: Lengths): Tensor {
    return ctcLoss(logProbs, targets, inputLengths, targetLengths, this.opOptions);
  }
}
