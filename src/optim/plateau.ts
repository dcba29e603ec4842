// ReduceLROnPlateau: lowers the learning rate when a metric stops improving.

import { checkChoice, checkFinite, checkWhole, demand, listOf, withDefaults } from "../ops/check.ts";
import { type Schedulable, Schedule, type SchedulerState } from "./scheduler.ts";

/** Options of `ReduceLROnPlateau`. */
export interface PlateauOptions {
  /** Whether the metric should fall ("min", default) or rise. */
  mode?: "min" | "max";
  /** Factor of a reduction. Default 0.1. */
  factor?: number;
  /** Number of epochs without improvement before the rate is reduced. Default 10. */
  patience?: number;
  /** Least change that counts. Default 1e-4. */
  threshold?: number;
  /** Whether `threshold` is relative to the best value ("rel", default) or absolute. */
  thresholdMode?: "rel" | "abs";
  /** Epochs of rest after a reduction. Default 0. */
  cooldown?: number;
  /** Lower bound of the rate, for all groups or one each. Default 0. */
  minLr?: number | readonly number[];
  /** Reductions smaller than this are not made. Default 1e-8. */
  eps?: number;
}

/**
 * Multiplies the learning rate by `factor` after more than `patience` epochs without improvement. Call `step(metric)`
 * after each validation.
 */
export class ReduceLROnPlateau extends Schedule {
  readonly mode: "min" | "max";
  readonly factor: number;
  readonly patience: number;
  readonly threshold: number;
  readonly thresholdMode: "rel" | "abs";
  readonly cooldown: number;
  readonly minLrs: readonly number[];
  readonly eps: number;
  /** Best metric so far. */
  best: number;
  /** Epochs since the best. */
  numBadEpochs = 0;
  /** Epochs of rest left. */
  cooldownCounter = 0;

  constructor(optimizer: Schedulable, options: PlateauOptions = {}) {
    const name = "ReduceLROnPlateau";
    super(optimizer);
    const all = withDefaults(name, options, {
      mode: "min" as const,
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      thresholdMode: "rel" as const,
      cooldown: 0,
      minLr: 0,
      eps: 1e-8,
    });
    const { length } = optimizer.paramGroups;
    const { factor, minLr } = all;
    this.mode = checkChoice(name, "mode", all.mode, ["min", "max"]);
    this.factor = demand(name, "factor", factor, factor < 1, "below 1");
    this.patience = checkWhole(name, "patience", all.patience, 0);
    this.threshold = checkFinite(name, "threshold", all.threshold);
    this.thresholdMode = checkChoice(name, "thresholdMode", all.thresholdMode, ["rel", "abs"]);
    this.cooldown = checkWhole(name, "cooldown", all.cooldown, 0);
    this.minLrs = typeof minLr === "number" ? new Array<number>(length).fill(minLr) : listOf(name, "minLr", minLr);
    demand(name, "minLr", minLr, this.minLrs.length === length, `a number or one for each of the ${length} groups`);
    this.eps = all.eps;
    this.best = this.#worst;
    this.noteLrs();
  }

  /** A value that every metric beats. */
  get #worst(): number {
    return this.mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  /** Takes the epoch's metric, as a number: read a tensor with `await loss.item()` first. */
  step(metric: number): void {
    if (typeof metric !== "number") {
      throw new TypeError(
        "ReduceLROnPlateau: step(metric) takes a number. Read a tensor with await loss.item() first.",
      );
    }
    this.lastEpoch += 1;
    if (this.#improves(metric)) {
      this.best = metric;
      this.numBadEpochs = 0;
    } else {
      this.numBadEpochs += 1;
    }
    if (this.cooldownCounter > 0) {
      this.cooldownCounter -= 1;
      this.numBadEpochs = 0;
    }
    if (this.numBadEpochs > this.patience) {
      this.optimizer.paramGroups.forEach((group, i) => {
        const lr = Math.max(group.lr * this.factor, this.minLrs[i] ?? 0);
        if (group.lr - lr > this.eps) group.lr = lr;
      });
      this.cooldownCounter = this.cooldown;
      this.numBadEpochs = 0;
    }
    this.noteLrs();
  }

  override checked(state: SchedulerState): () => void {
    this.demandState(state, "best");
    // JSON has no infinity and writes null.
    return super.checked({ ...state, best: state.best ?? this.#worst });
  }

  #improves(metric: number): boolean {
    const { best, threshold } = this;
    if (this.mode === "min") {
      return metric < (this.thresholdMode === "rel" ? best * (1 - threshold) : best - threshold);
    }
    return metric > (this.thresholdMode === "rel" ? best * (threshold + 1) : best + threshold);
  }
}
