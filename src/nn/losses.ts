// Losses as modules: each applies the op of its name with the options it was made with.

import {
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  checkOptions,
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
import { choice } from "./check.ts";
import { Module } from "./module.ts";

/** How a loss is summed up: the mean, the sum, or every element's own. */
export type Reduction = "mean" | "sum" | "none";

/** What the losses share; `ownOptions` names a loss's options beside `reduction`. */
abstract class Loss extends Module {
  readonly reduction: Reduction;

  constructor(options: { reduction?: Reduction }, ...ownOptions: string[]) {
    super();
    const name = this.constructor.name;
    checkOptions(name, options, [...ownOptions, "reduction"]);
    this.reduction = choice(name, "reduction", options.reduction ?? "mean", ["mean", "sum", "none"]);
  }
}

/** (input - target)². */
export class MSELoss extends Loss {
  constructor(options: { reduction?: Reduction } = {}) {
    super(options);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, { reduction: this.reduction });
  }
}

/** |input - target|. */
export class L1Loss extends Loss {
  constructor(options: { reduction?: Reduction } = {}) {
    super(options);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, { reduction: this.reduction });
  }
}

/** d² / (2 beta) where d = |input - target| < beta (default 1), else d - beta / 2. */
export class SmoothL1Loss extends Loss {
  readonly beta: number;

  constructor(options: { beta?: number; reduction?: Reduction } = {}) {
    super(options, "beta");
    this.beta = options.beta ?? 1;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return smoothL1Loss(input, target, { beta: this.beta, reduction: this.reduction });
  }
}

/** d² / 2 where d = |input - target| < delta (default 1), else delta (d - delta / 2). */
export class HuberLoss extends Loss {
  readonly delta: number;

  constructor(options: { delta?: number; reduction?: Reduction } = {}) {
    super(options, "delta");
    this.delta = options.delta ?? 1;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return huberLoss(input, target, { delta: this.delta, reduction: this.reduction });
  }
}

/** -(y log p + (1 - y) log(1 - p)) of probabilities p, logs limited to -100; `weight` broadcasts to them. */
export class BCELoss extends Loss {
  weight: Tensor | null = null;

  constructor(options: { weight?: Tensor; reduction?: Reduction } = {}) {
    super(options, "weight");
    if (options.weight !== undefined) this.registerBuffer("weight", options.weight);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropy(input, target, {
      ...(this.weight === null ? {} : { weight: this.weight }),
      reduction: this.reduction,
    });
  }
}

/** Binary cross-entropy of logits, without overflow; `posWeight` multiplies the positive term. */
export class BCEWithLogitsLoss extends Loss {
  weight: Tensor | null = null;
  pos_weight: Tensor | null = null;

  constructor(options: { weight?: Tensor; posWeight?: Tensor; reduction?: Reduction } = {}) {
    super(options, "weight", "posWeight");
    if (options.weight !== undefined) this.registerBuffer("weight", options.weight);
    if (options.posWeight !== undefined) this.registerBuffer("pos_weight", options.posWeight);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropyWithLogits(input, target, {
      ...(this.weight === null ? {} : { weight: this.weight }),
      ...(this.pos_weight === null ? {} : { posWeight: this.pos_weight }),
      reduction: this.reduction,
    });
  }
}

/** -weight[y] input[y] of log-probabilities [N, C, *] and classes y [N, *]; the mean divides by the sum of weights. */
export class NLLLoss extends Loss {
  weight: Tensor | null = null;
  readonly ignoreIndex: number;

  constructor(options: { weight?: Tensor; ignoreIndex?: number; reduction?: Reduction } = {}) {
    super(options, "weight", "ignoreIndex");
    if (options.weight !== undefined) this.registerBuffer("weight", options.weight);
    this.ignoreIndex = options.ignoreIndex ?? -100;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return nllLoss(input, target, {
      ...(this.weight === null ? {} : { weight: this.weight }),
      ignoreIndex: this.ignoreIndex,
      reduction: this.reduction,
    });
  }
}

/** -log softmax(input)[y] of logits [N, C, *] and classes y [N, *], or probabilities in the shape of the logits. */
export class CrossEntropyLoss extends Loss {
  weight: Tensor | null = null;
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;

  constructor(options: { weight?: Tensor; ignoreIndex?: number; labelSmoothing?: number; reduction?: Reduction } = {}) {
    super(options, "weight", "ignoreIndex", "labelSmoothing");
    if (options.weight !== undefined) this.registerBuffer("weight", options.weight);
    this.ignoreIndex = options.ignoreIndex ?? -100;
    this.labelSmoothing = options.labelSmoothing ?? 0;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return crossEntropy(input, target, {
      ...(this.weight === null ? {} : { weight: this.weight }),
      ignoreIndex: this.ignoreIndex,
      labelSmoothing: this.labelSmoothing,
      reduction: this.reduction,
    });
  }
}

/** target (log target - input) of log-probabilities `input`; PyTorch's default mean divides by all elements, "batchmean" by the batch. */
export class KLDivLoss extends Module {
  readonly logTarget: boolean;
  readonly reduction: Reduction | "batchmean";

  constructor(options: { logTarget?: boolean; reduction?: Reduction | "batchmean" } = {}) {
    super();
    checkOptions("KLDivLoss", options, ["logTarget", "reduction"]);
    this.logTarget = options.logTarget ?? false;
    this.reduction = choice("KLDivLoss", "reduction", options.reduction ?? "mean", [
      "mean",
      "sum",
      "none",
      "batchmean",
    ]);
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return klDiv(input, target, { logTarget: this.logTarget, reduction: this.reduction });
  }
}

/** eˣ - y x with `logInput` (default), else x - y log(x + eps); `full` adds Stirling's term. */
export class PoissonNLLLoss extends Loss {
  readonly logInput: boolean;
  readonly full: boolean;
  readonly eps: number;

  constructor(options: { logInput?: boolean; full?: boolean; eps?: number; reduction?: Reduction } = {}) {
    super(options, "logInput", "full", "eps");
    this.logInput = options.logInput ?? true;
    this.full = options.full ?? false;
    this.eps = options.eps ?? 1e-8;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return poissonNllLoss(input, target, {
      logInput: this.logInput,
      full: this.full,
      eps: this.eps,
      reduction: this.reduction,
    });
  }
}

/** (log v + (input - target)² / v) / 2 with v = max(variance, eps); `full` adds log(2π) / 2. */
export class GaussianNLLLoss extends Loss {
  readonly full: boolean;
  readonly eps: number;

  constructor(options: { full?: boolean; eps?: number; reduction?: Reduction } = {}) {
    super(options, "full", "eps");
    this.full = options.full ?? false;
    this.eps = options.eps ?? 1e-6;
  }

  override forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    return gaussianNllLoss(input, target, variance, { full: this.full, eps: this.eps, reduction: this.reduction });
  }
}

/** input where target is 1, max(0, margin - input) where it is -1 (default margin 1). */
export class HingeEmbeddingLoss extends Loss {
  readonly margin: number;

  constructor(options: { margin?: number; reduction?: Reduction } = {}) {
    super(options, "margin");
    this.margin = options.margin ?? 1;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    return hingeEmbeddingLoss(input, target, { margin: this.margin, reduction: this.reduction });
  }
}

/** 1 - cos(a, b) where target is 1, max(0, cos(a, b) - margin) where it is -1 (default margin 0). */
export class CosineEmbeddingLoss extends Loss {
  readonly margin: number;

  constructor(options: { margin?: number; reduction?: Reduction } = {}) {
    super(options, "margin");
    this.margin = options.margin ?? 0;
  }

  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return cosineEmbeddingLoss(input1, input2, target, { margin: this.margin, reduction: this.reduction });
  }
}

/** max(0, -target (input1 - input2) + margin) (default margin 0). */
export class MarginRankingLoss extends Loss {
  readonly margin: number;

  constructor(options: { margin?: number; reduction?: Reduction } = {}) {
    super(options, "margin");
    this.margin = options.margin ?? 0;
  }

  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return marginRankingLoss(input1, input2, target, { margin: this.margin, reduction: this.reduction });
  }
}

/** max(0, ‖a - p‖ - ‖a - n‖ + margin) with the p-norm (default margin 1, p 2); `swap` also measures ‖p - n‖. */
export class TripletMarginLoss extends Loss {
  readonly margin: number;
  readonly p: number;
  readonly eps: number;
  readonly swap: boolean;

  constructor(options: { margin?: number; p?: number; eps?: number; swap?: boolean; reduction?: Reduction } = {}) {
    super(options, "margin", "p", "eps", "swap");
    this.margin = options.margin ?? 1;
    this.p = options.p ?? 2;
    this.eps = options.eps ?? 1e-6;
    this.swap = options.swap ?? false;
  }

  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return tripletMarginLoss(anchor, positive, negative, {
      margin: this.margin,
      p: this.p,
      eps: this.eps,
      swap: this.swap,
      reduction: this.reduction,
    });
  }
}

/** -log of the probability of targets over all alignments with blanks and repetitions (Graves et al. 2006); the mean is by target length first. */
export class CTCLoss extends Loss {
  readonly blank: number;
  readonly zeroInfinity: boolean;

  constructor(options: { blank?: number; reduction?: Reduction; zeroInfinity?: boolean } = {}) {
    super(options, "blank", "zeroInfinity");
    this.blank = options.blank ?? 0;
    this.zeroInfinity = options.zeroInfinity ?? false;
  }

  override forward(logProbs: Tensor, targets: Tensor, inputLengths: Lengths, targetLengths: Lengths): Tensor {
    return ctcLoss(logProbs, targets, inputLengths, targetLengths, {
      blank: this.blank,
      zeroInfinity: this.zeroInfinity,
      reduction: this.reduction,
    });
  }
}
