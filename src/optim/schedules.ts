// Schedules that are a formula of the epoch. Each is computed as PyTorch does: from the rate before, so that changes by hand last.

import { checkFinite, checkList, checkWhole, demand, withDefaults } from "../ops/check.ts";
import { checkEpoch, LRScheduler, type Schedulable, type SchedulerOptions } from "./scheduler.ts";

/** Multiplies the learning rate by gamma (default 0.1) every `stepSize` epochs. */
export class StepLR extends LRScheduler {
  readonly stepSize: number;
  readonly gamma: number;

  constructor(optimizer: Schedulable, stepSize: number, options: { gamma?: number } & SchedulerOptions = {}) {
    const all = withDefaults("StepLR", options, { gamma: 0.1, lastEpoch: -1 });
    super(optimizer, all);
    this.stepSize = checkWhole("StepLR", "stepSize", stepSize, 1);
    this.gamma = checkFinite("StepLR", "gamma", all.gamma);
    this.start();
  }

  protected override nextLrs(): number[] {
    const falls = this.lastEpoch !== 0 && this.lastEpoch % this.stepSize === 0;
    return this.each((lr) => (falls ? lr * this.gamma : lr));
  }

  protected override closedLrs(): number[] {
    return this.each((_, base) => base * this.gamma ** Math.floor(this.lastEpoch / this.stepSize));
  }
}

/** Multiplies the learning rate by gamma (default 0.1) at each of the epochs in `milestones`. */
export class MultiStepLR extends LRScheduler {
  readonly milestones: number[];
  readonly gamma: number;

  constructor(
    optimizer: Schedulable,
    milestones: readonly number[],
    options: { gamma?: number } & SchedulerOptions = {},
  ) {
    const all = withDefaults("MultiStepLR", options, { gamma: 0.1, lastEpoch: -1 });
    super(optimizer, all);
    checkList("MultiStepLR", "milestones", milestones);
    for (const epoch of milestones) checkWhole("MultiStepLR", "every milestone", epoch, 0);
    this.milestones = [...milestones].sort((a, b) => a - b);
    this.gamma = checkFinite("MultiStepLR", "gamma", all.gamma);
    this.start();
  }

  protected override nextLrs(): number[] {
    const hits = this.milestones.filter((epoch) => epoch === this.lastEpoch).length;
    return this.each((lr) => (hits === 0 ? lr : lr * this.gamma ** hits));
  }

  protected override closedLrs(): number[] {
    const passed = this.milestones.filter((epoch) => epoch <= this.lastEpoch).length;
    return this.each((_, base) => base * this.gamma ** passed);
  }
}

/** Multiplies the learning rate by gamma every epoch. */
export class ExponentialLR extends LRScheduler {
  readonly gamma: number;

  constructor(optimizer: Schedulable, gamma: number, options: SchedulerOptions = {}) {
    super(optimizer, withDefaults("ExponentialLR", options, { lastEpoch: -1 }));
    this.gamma = checkFinite("ExponentialLR", "gamma", gamma);
    this.start();
  }

  protected override nextLrs(): number[] {
    return this.each((lr) => (this.lastEpoch === 0 ? lr : lr * this.gamma));
  }

  protected override closedLrs(): number[] {
    return this.each((_, base) => base * this.gamma ** this.lastEpoch);
  }
}

/**
 * Moves the learning rate from base × startFactor to base × endFactor, linearly over `totalIters` epochs (defaults 1/3,
 * 1 and 5).
 */
export class LinearLR extends LRScheduler {
  readonly startFactor: number;
  readonly endFactor: number;
  readonly totalIters: number;

  constructor(
    optimizer: Schedulable,
    options: { startFactor?: number; endFactor?: number; totalIters?: number } & SchedulerOptions = {},
  ) {
    const defaults = { startFactor: 1 / 3, endFactor: 1, totalIters: 5, lastEpoch: -1 };
    const all = withDefaults("LinearLR", options, defaults);
    super(optimizer, all);
    const { startFactor: first, endFactor: last } = all;
    this.startFactor = demand("LinearLR", "startFactor", first, first > 0 && first <= 1, "within (0, 1]");
    this.endFactor = demand("LinearLR", "endFactor", last, last >= 0 && last <= 1, "within [0, 1]");
    this.totalIters = checkWhole("LinearLR", "totalIters", all.totalIters, 1);
    this.start();
  }

  protected override nextLrs(): number[] {
    const { startFactor, endFactor, totalIters, lastEpoch } = this;
    if (lastEpoch === 0) return this.each((lr) => lr * startFactor);
    if (lastEpoch > totalIters) return this.each((lr) => lr);
    const rise = endFactor - startFactor;
    return this.each((lr) => lr * (1 + rise / (totalIters * startFactor + (lastEpoch - 1) * rise)));
  }

  protected override closedLrs(): number[] {
    const part = Math.min(this.totalIters, this.lastEpoch) / this.totalIters;
    return this.each((_, base) => base * (this.startFactor + (this.endFactor - this.startFactor) * part));
  }
}

/**
 * Lowers the learning rate along a cosine: etaMin + (base - etaMin) (1 + cos(π epoch / TMax)) / 2, and up again after
 * TMax (Loshchilov and Hutter 2017).
 */
export class CosineAnnealingLR extends LRScheduler {
  readonly TMax: number;
  readonly etaMin: number;

  constructor(optimizer: Schedulable, TMax: number, options: { etaMin?: number } & SchedulerOptions = {}) {
    const all = withDefaults("CosineAnnealingLR", options, { etaMin: 0, lastEpoch: -1 });
    super(optimizer, all);
    this.TMax = checkWhole("CosineAnnealingLR", "TMax", TMax, 1);
    this.etaMin = checkFinite("CosineAnnealingLR", "etaMin", all.etaMin);
    this.start();
  }

  protected override nextLrs(): number[] {
    const { TMax, etaMin, lastEpoch } = this;
    if (lastEpoch === 0) return this.each((lr) => lr);
    if (this.stepCount === 1) return this.closedLrs();
    if ((lastEpoch - 1 - TMax) % (2 * TMax) === 0) {
      return this.each((lr, base) => lr + ((base - etaMin) * (1 - Math.cos(Math.PI / TMax))) / 2);
    }
    const ratio = (1 + Math.cos((Math.PI * lastEpoch) / TMax)) / (1 + Math.cos((Math.PI * (lastEpoch - 1)) / TMax));
    return this.each((lr) => ratio * (lr - etaMin) + etaMin);
  }

  protected override closedLrs(): number[] {
    const height = (1 + Math.cos((Math.PI * this.lastEpoch) / this.TMax)) / 2;
    return this.each((_, base) => this.etaMin + (base - this.etaMin) * height);
  }
}

/** Anneals along a cosine over T0 epochs, then over TMult times as many, and so on. `step(epoch)` takes fractions. */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  readonly T0: number;
  readonly TMult: number;
  readonly etaMin: number;
  /** Length of the present period. */
  Ti: number;
  /** Epochs since its start. */
  TCur: number;

  constructor(
    optimizer: Schedulable,
    T0: number,
    options: { TMult?: number; etaMin?: number } & SchedulerOptions = {},
  ) {
    const name = "CosineAnnealingWarmRestarts";
    const all = withDefaults(name, options, { TMult: 1, etaMin: 0, lastEpoch: -1 });
    super(optimizer, all);
    this.T0 = checkWhole(name, "T0", T0, 1);
    this.TMult = checkWhole(name, "TMult", all.TMult, 1);
    this.etaMin = checkFinite(name, "etaMin", all.etaMin);
    this.Ti = T0;
    this.TCur = this.lastEpoch;
    this.start();
  }

  protected override nextLrs(): number[] {
    const height = (1 + Math.cos((Math.PI * this.TCur) / this.Ti)) / 2;
    return this.each((_, base) => this.etaMin + (base - this.etaMin) * height);
  }

  override step(epoch?: number): void {
    this.stepCount += 1;
    if (epoch === undefined && this.lastEpoch >= 0) {
      this.lastEpoch += 1;
      this.TCur += 1;
      if (this.TCur >= this.Ti) {
        this.TCur -= this.Ti;
        this.Ti *= this.TMult;
      }
    } else {
      this.#jump(epoch ?? 0);
    }
    this.apply(this.nextLrs());
  }

  #jump(epoch: number): void {
    const { T0, TMult } = this;
    checkEpoch("CosineAnnealingWarmRestarts", epoch);
    if (epoch < T0) {
      this.Ti = T0;
      this.TCur = epoch;
    } else if (TMult === 1) {
      this.TCur = epoch % T0;
    } else {
      const n = Math.floor(Math.log((epoch / T0) * (TMult - 1) + 1) / Math.log(TMult));
      this.TCur = epoch - (T0 * (TMult ** n - 1)) / (TMult - 1);
      this.Ti = T0 * TMult ** n;
    }
    this.lastEpoch = Math.floor(epoch);
  }
}

/**
 * Sets the learning rate to base × `lrLambda(epoch)`. A list gives each parameter group its own function. Functions are
 * not part of the state dict.
 */
export class LambdaLR extends LRScheduler {
  readonly #lambdas: readonly ((epoch: number) => number)[];

  constructor(
    optimizer: Schedulable,
    lrLambda: ((epoch: number) => number) | readonly ((epoch: number) => number)[],
    options: SchedulerOptions = {},
  ) {
    super(optimizer, withDefaults("LambdaLR", options, { lastEpoch: -1 }));
    const { paramGroups } = optimizer;
    const lambdas = typeof lrLambda === "function" ? paramGroups.map(() => lrLambda) : lrLambda;
    const right =
      Array.isArray(lambdas) &&
      lambdas.length === paramGroups.length &&
      lambdas.every((lambda) => typeof lambda === "function");
    demand("LambdaLR", "lrLambda", lambdas, right, `a function, or one for each of the ${paramGroups.length} groups`);
    this.#lambdas = [...lambdas];
    this.start();
  }

  protected override nextLrs(): number[] {
    return this.each((_, base, i) => base * (this.#lambdas[i]?.(this.lastEpoch) ?? 1));
  }
}
