// ReduceLROnPlateau: lowers the learning rate when a metric stops improving.

import { checkOptions } from "../tensor.ts";
import {
  checkNumber,
  checkOptimizer,
  checkWhole,
  dataOf,
  restoreData,
  type Schedulable,
  type SchedulerState,
} from "./scheduler.ts";

export interface PlateauOptions {
  /** Whether the metric should fall ("min", default) or rise. */
  mode?: "min" | "max";
  /** What the rate is multiplied by. Default 0.1. */
  factor?: number;
  /** Epochs without improvement that are borne. Default 10. */
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

/** lr × factor after more than `patience` epochs without improvement. Call `step(metric)` after each validation. */
export class ReduceLROnPlateau {
  readonly #optimizer: Schedulable;
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
  lastEpoch = 0;
  lastLr: number[];

  constructor(optimizer: Schedulable, options: PlateauOptions = {}) {
    const name = "ReduceLROnPlateau";
    checkOptimizer(name, optimizer);
    checkOptions(name, options, [
      "mode",
      "factor",
      "patience",
      "threshold",
      "thresholdMode",
      "cooldown",
      "minLr",
      "eps",
    ]);
    this.#optimizer = optimizer;
    this.mode = options.mode ?? "min";
    this.factor = options.factor ?? 0.1;
    this.patience = options.patience ?? 10;
    this.threshold = options.threshold ?? 1e-4;
    this.thresholdMode = options.thresholdMode ?? "rel";
    this.cooldown = options.cooldown ?? 0;
    this.eps = options.eps ?? 1e-8;
    const groups = optimizer.paramGroups;
    const { minLr = 0 } = options;
    this.minLrs = typeof minLr === "number" ? groups.map(() => minLr) : [...minLr];
    if (this.mode !== "min" && this.mode !== "max") {
      throw new RangeError(`${name}: mode must be "min" or "max", got "${String(this.mode)}".`);
    }
    if (this.thresholdMode !== "rel" && this.thresholdMode !== "abs") {
      throw new RangeError(`${name}: thresholdMode must be "rel" or "abs", got "${String(this.thresholdMode)}".`);
    }
    if (!(this.factor < 1)) throw new RangeError(`${name}: factor must be below 1, got ${this.factor}.`);
    checkWhole(name, "patience", this.patience, 0);
    checkWhole(name, "cooldown", this.cooldown, 0);
    checkNumber(name, "threshold", this.threshold);
    if (this.minLrs.length !== groups.length) {
      throw new RangeError(`${name}: minLr must be a number or one for each of the ${groups.length} groups.`);
    }
    this.best = this.mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    this.lastLr = groups.map((group) => group.lr);
  }

  /** The optimizer whose learning rates are set. */
  get optimizer(): Schedulable {
    return this.#optimizer;
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
    const groups = this.#optimizer.paramGroups;
    if (this.numBadEpochs > this.patience) {
      groups.forEach((group, i) => {
        const lr = Math.max(group.lr * this.factor, this.minLrs[i] ?? 0);
        if (group.lr - lr > this.eps) group.lr = lr;
      });
      this.cooldownCounter = this.cooldown;
      this.numBadEpochs = 0;
    }
    this.lastLr = groups.map((group) => group.lr);
  }

  /** The groups' learning rates as last set. */
  getLastLr(): number[] {
    return [...this.lastLr];
  }

  /** Everything but the optimizer, as plain data. */
  stateDict(): SchedulerState {
    return dataOf(this);
  }

  /** Continues from a `stateDict()`. */
  loadStateDict(state: SchedulerState): void {
    const initial = this.mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    // JSON has no infinity and writes null.
    restoreData(this, { ...state, best: state.best ?? initial });
  }

  #improves(metric: number): boolean {
    const { best, threshold } = this;
    if (this.mode === "min") {
      return metric < (this.thresholdMode === "rel" ? best * (1 - threshold) : best - threshold);
    }
    return metric > (this.thresholdMode === "rel" ? best * (threshold + 1) : best + threshold);
  }
}
