// Batch and instance normalization with running statistics (Ioffe and Szegedy 2015, Ulyanov et al. 2016).

import { checkWhole, misfit, withDefaults } from "../ops/check.ts";
import {
  add,
  internally,
  mean,
  mul,
  noGrad,
  reciprocal,
  reshape,
  rsqrt,
  square,
  squeeze,
  sub,
  type Tensor,
  tensor,
  unsqueeze,
} from "../tensor.ts";
import { Affine } from "./affine.ts";
import * as init from "./init.ts";
import { filled } from "./parameter.ts";

/** Options of `BatchNorm1d`, `BatchNorm2d` and `InstanceNorm2d`. */
export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Weight of the new batch in the running statistics. With null, all batches are averaged evenly. Default 0.1. */
  momentum?: number | null;
  /** Learned scale and shift per channel. Default true (InstanceNorm2d: false). */
  affine?: boolean;
  /**
   * Keeps running statistics for `eval()`. Without them, every input is normalized by its own statistics. Default true
   * (InstanceNorm2d: false).
   */
  trackRunningStats?: boolean;
}

/**
 * Over [N, C, *]: y = (x - mean) / √(variance + eps) · weight + bias, per channel (batch norm) or per channel of each
 * example (instance norm). In training, mean and (biased) variance are the input's, and
 * running ← (1 - momentum) running + momentum · input's (unbiased variance); in evaluation they are the running ones.
 */
abstract class ChannelNorm extends Affine {
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number | null;
  // Buffers carry their state-dict names; the camelCase accessors below read them.
  running_mean: Tensor | null = null;
  running_var: Tensor | null = null;
  num_batches_tracked: Tensor | null = null;

  constructor(
    numFeatures: number,
    options: BatchNormOptions,
    defaults: { affine: boolean; trackRunningStats: boolean },
  ) {
    const { name } = new.target;
    const all = withDefaults(name, options, { eps: 1e-5, momentum: null as number | null, ...defaults });
    checkWhole(name, "numFeatures", numFeatures, 1);
    super([numFeatures], all.affine, all.affine);
    this.numFeatures = numFeatures;
    this.eps = all.eps;
    this.momentum = options.momentum === undefined ? 0.1 : options.momentum;
    if (all.trackRunningStats) {
      this.registerBuffer("running_mean", filled([numFeatures], 0));
      this.registerBuffer("running_var", filled([numFeatures], 1));
      // Files of older releases of PyTorch have none.
      this.registerBuffer("num_batches_tracked", tensor(0, { dtype: "i32" }), { optional: true });
    }
  }

  /** Running mean per channel, or null without running statistics. */
  get runningMean(): Tensor | null {
    return this.running_mean;
  }

  /** Running variance per channel, or null without running statistics. */
  get runningVar(): Tensor | null {
    return this.running_var;
  }

  /** Number of training batches seen, or null without running statistics. */
  get numBatchesTracked(): Tensor | null {
    return this.num_batches_tracked;
  }

  /** Sets the running statistics to mean 0, variance 1, no batches. */
  resetRunningStats(): void {
    if (this.running_mean !== null) init.zeros(this.running_mean);
    if (this.running_var !== null) init.ones(this.running_var);
    if (this.num_batches_tracked !== null) init.zeros(this.num_batches_tracked);
  }

  /** Starts over: running statistics reset, weight 1, bias 0. */
  override resetParameters(): void {
    this.resetRunningStats();
    super.resetParameters();
  }

  /** Ranks that the input may have, and their form. */
  protected abstract inputForm(): [ranks: readonly number[], form: string];

  /** The dims over which mean and variance are taken. */
  protected abstract statisticsDims(ndim: number): number[];

  override forward(input: Tensor): Tensor {
    const { name } = this.constructor;
    const [ranks, form] = this.inputForm();
    if (!ranks.includes(input.ndim) || input.shape[1] !== this.numFeatures) {
      throw misfit(name, `the input must be ${form} with C = ${this.numFeatures}, got [${input.shape}].`, input);
    }
    const perChannel = [1, this.numFeatures, ...new Array<number>(input.ndim - 2).fill(1)];
    if (!this.training && this.running_mean !== null && this.running_var !== null) {
      const centered = sub(input, reshape(this.running_mean, perChannel));
      return this.#scale(centered, reshape(this.running_var, perChannel), perChannel);
    }
    const dims = this.statisticsDims(input.ndim);
    const count = dims.reduce((product, dim) => product * (input.shape[dim] ?? 1), 1);
    if (this.training && count <= 1) {
      const problem = `training needs more than one value per channel, got [${input.shape}].`;
      throw misfit(name, `${problem} Use a larger batch or eval().`, input);
    }
    const average = mean(input, dims, true);
    const centered = sub(input, average);
    const variance = mean(square(centered), dims, true);
    if (this.training) internally(() => this.#track(average, variance, count));
    return this.#scale(centered, variance, perChannel);
  }

  #scale(centered: Tensor, variance: Tensor, perChannel: number[]): Tensor {
    let y = mul(centered, rsqrt(add(variance, this.eps)));
    if (this.weight !== null) y = mul(y, reshape(this.weight, perChannel));
    if (this.bias !== null) y = add(y, reshape(this.bias, perChannel));
    return y;
  }

  #track(average: Tensor, variance: Tensor, count: number): void {
    const { running_mean, running_var, num_batches_tracked } = this;
    if (running_mean === null || running_var === null || num_batches_tracked === null) return;
    noGrad(() => {
      const batches = this.countBatch(num_batches_tracked);
      const momentum = this.momentum ?? reciprocal(batches.to("f32"));
      const update = (running: Tensor, statistic: Tensor): Tensor => {
        // Of the examples' own statistics (instance norm) the mean counts.
        const perChannel = statistic.shape[0] === 1 ? statistic : mean(statistic, 0);
        return add(mul(running, sub(1, momentum)), mul(reshape(perChannel, [this.numFeatures]), momentum));
      };
      running_mean.assign(update(running_mean, average));
      running_var.assign(update(running_var, mul(variance, count / (count - 1))));
    });
  }

  /** Counts a training batch; returns the count. */
  protected countBatch(tracked: Tensor): Tensor {
    return tracked.assign(add(tracked, 1));
  }
}

abstract class BatchNorm extends ChannelNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super(numFeatures, options, { affine: true, trackRunningStats: true });
  }

  protected override statisticsDims(ndim: number): number[] {
    return [...new Array(ndim).keys()].filter((dim) => dim !== 1);
  }
}

/**
 * Normalizes each channel of [N, C] or [N, C, L] over the batch; in evaluation mode, by running statistics (Ioffe and
 * Szegedy 2015).
 */
export class BatchNorm1d extends BatchNorm {
  protected override inputForm(): [readonly number[], string] {
    return [[2, 3], "[N, C] or [N, C, L]"];
  }
}

/**
 * Normalizes each channel of [N, C, H, W] over the batch; in evaluation mode, by running statistics (Ioffe and Szegedy
 * 2015).
 */
export class BatchNorm2d extends BatchNorm {
  protected override inputForm(): [readonly number[], string] {
    return [[4], "[N, C, H, W]"];
  }
}

/**
 * Normalizes each channel of each example by itself: [N, C, H, W] or [C, H, W]. As in PyTorch, batches are not counted.
 */
export class InstanceNorm2d extends ChannelNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super(numFeatures, options, { affine: false, trackRunningStats: false });
  }

  protected override inputForm(): [readonly number[], string] {
    return [[4], "[N, C, H, W] or [C, H, W]"];
  }

  override forward(input: Tensor): Tensor {
    return input.ndim === 3 ? squeeze(super.forward(unsqueeze(input, 0)), { dim: 0 }) : super.forward(input);
  }

  protected override statisticsDims(): number[] {
    return [2, 3];
  }

  protected override countBatch(tracked: Tensor): Tensor {
    return tracked;
  }
}
