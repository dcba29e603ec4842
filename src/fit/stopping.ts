// Early stopping: which epoch was the best, and when to give up waiting for a better one.
import { checkChoice, checkWhole, demand } from "../ops/check.ts";
import { type DType, type Tensor, type TypedArray, uploadable } from "../tensor.ts";
import type { EarlyStoppingOptions, EpochRecord, Trainable } from "./options.ts";

/** The verdict on an epoch: its value, whether it is the best, whether to stop. */
export interface Verdict {
  readonly value: number;
  readonly improved: boolean;
  readonly stop: boolean;
}

interface Saved {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Watches one value from epoch to epoch. */
export class EarlyStopping {
  readonly #model: Trainable;
  readonly #options: EarlyStoppingOptions | undefined;
  readonly #monitor: string;
  readonly #sign: 1 | -1;
  #best = Number.POSITIVE_INFINITY;
  #saved: Map<string, Saved> | null = null;
  #waiting = 0;
  /** The best epoch so far, −1 before the first. */
  bestEpoch = -1;

  /** @throws RangeError when an option makes no sense. */
  constructor(model: Trainable, options: EarlyStoppingOptions | undefined, validated: boolean) {
    const { patience, minDelta = 0, mode } = options ?? { patience: 1 };
    checkWhole("fit", "earlyStopping.patience", patience, 1);
    demand("fit", "earlyStopping.minDelta", minDelta, minDelta >= 0, "a number ≥ 0");
    if (mode !== undefined) checkChoice("fit", "earlyStopping.mode", mode, ["min", "max"]);
    this.#model = model;
    this.#options = options;
    this.#monitor = options?.monitor ?? (validated ? "validationLoss" : "loss");
    const isLoss = this.#monitor === "loss" || this.#monitor === "validationLoss";
    this.#sign = (mode ?? (isLoss ? "min" : "max")) === "min" ? 1 : -1;
  }

  /** Compares an epoch with the best one before. @throws RangeError when the monitored value is not measured. */
  async judge(record: EpochRecord): Promise<Verdict> {
    const value = this.#valueOf(record);
    const cost = this.#sign * value;
    const improved = cost < this.#best - (this.bestEpoch < 0 ? 0 : (this.#options?.minDelta ?? 0));
    if (improved) {
      this.#best = cost;
      this.bestEpoch = record.epoch;
      this.#waiting = 0;
      if (this.#options?.restoreBest === true) this.#saved = await save(this.#model);
    } else {
      this.#waiting++;
    }
    return { value, improved, stop: this.#options !== undefined && this.#waiting >= this.#options.patience };
  }

  /** Gives the model the weights of its best epoch, if that was asked for. */
  restore(): void {
    if (this.#saved === null) return;
    const state = [...this.#saved].map(([name, { data, shape, dtype }]): [string, Tensor] => [
      name,
      uploadable(data, shape, dtype),
    ]);
    this.#model.loadStateDict(Object.fromEntries(state));
  }

  #valueOf(record: EpochRecord): number {
    const measured: Record<string, number> = { ...record.metrics, loss: record.loss };
    if (record.validationLoss !== undefined) measured.validationLoss = record.validationLoss;
    const value = Object.hasOwn(measured, this.#monitor) ? measured[this.#monitor] : undefined;
    if (value === undefined) {
      throw new RangeError(
        `fit: earlyStopping.monitor "${this.#monitor}" is not measured. Measured are ${Object.keys(measured).join(", ")}.`,
      );
    }
    return value;
  }
}

async function save(model: Trainable): Promise<Map<string, Saved>> {
  const entries = await Promise.all(
    Object.entries(model.stateDict()).map(async ([name, value]): Promise<[string, Saved]> => {
      const data = await value.data();
      return [name, { data: data.slice(), shape: value.shape, dtype: value.dtype }];
    }),
  );
  return new Map(entries);
}
