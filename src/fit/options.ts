// What fit takes and reports.

import type { MetricInput } from "../metrics/index.ts";
import { checkOptions } from "../ops/check.ts";
import type { Tensor } from "../tensor.ts";

/** A model as fit sees it; every `nn.Module` with a `forward` from tensors to a tensor is one. */
export interface Trainable {
  training: boolean;
  forward(...inputs: Tensor[]): Tensor;
  train(mode?: boolean): unknown;
  eval(): unknown;
  stateDict(): Record<string, Tensor>;
  loadStateDict(state: Record<string, Tensor>): unknown;
  modules?(): readonly { training: boolean }[];
}

/** An optimizer as fit sees it. */
export interface TrainingOptimizer {
  readonly paramGroups: readonly { readonly lr: number }[];
  zeroGrad(): void;
  step(): void;
  stateDict(): object;
}

/** A learning-rate schedule of `optim.lr`. */
export interface Schedule {
  step(metric?: number): void;
}

/** A function of prediction and target, or a module whose `forward` is one. */
export type Loss =
  | ((prediction: Tensor, target: Tensor) => Tensor)
  | { forward(prediction: Tensor, target: Tensor): Tensor };

/** Inputs of `forward`, then the target. */
export type Batch = readonly Tensor[];

/** Measures predictions against targets, both `[n, …]` over the whole validation set. */
export type FitMetric = (predictions: MetricInput, targets: MetricInput) => number | Promise<number>;

/** When `fit` stops before the last epoch. */
export interface EarlyStoppingOptions {
  /** Epochs in a row without improvement after which the training ends. */
  patience: number;
  /** Least change of the monitored value that counts as an improvement. Default 0. */
  minDelta?: number;
  /** `"loss"`, `"validationLoss"` or the name of a metric. Default: the validation loss if there is one, else the loss. */
  monitor?: string;
  /** Whether lower ("min") or higher ("max") is better. Default "min" for losses, "max" for metrics. */
  mode?: "min" | "max";
  /** Whether the model gets the weights of its best epoch at the end. Default false. */
  restoreBest?: boolean;
}

/** One finished epoch. */
export interface EpochRecord {
  /** Counted from 0. */
  readonly epoch: number;
  /** Mean training loss per sample, each measured before its step. */
  readonly loss: number;
  /** Mean loss per sample over the validation set, after the epoch. */
  readonly validationLoss?: number;
  /** The metrics over the validation set, by name. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Learning rate of the first parameter group, at the start of the epoch. */
  readonly lr: number;
  /** Time for training and validation. */
  readonly seconds: number;
}

/** What `fit` reports of one epoch. */
export interface EpochSummary extends EpochRecord {
  /** Whether the monitored value is the best so far. */
  readonly improved: boolean;
}

export interface StepReport {
  readonly epoch: number;
  /** Steps done in this epoch. */
  readonly step: number;
  /** The training loss that was read last. */
  readonly loss: number;
}

/** Functions that `fit` calls while it trains. */
export interface FitCallbacks {
  onEpochStart?: (epoch: number) => void | Promise<void>;
  /** After each step; a promise is waited for. */
  onStep?: (report: StepReport) => void | Promise<void>;
  /** After each epoch; returning false ends the training. */
  onEpochEnd?: (summary: EpochSummary) => unknown;
}

/** What a `checkpoint` function is called with. */
export interface FitState extends EpochSummary {
  readonly model: Trainable;
  readonly optimizer: TrainingOptimizer;
  readonly history: readonly EpochRecord[];
}

/** Options of `fit`. */
export interface FitOptions {
  /** The batches of an epoch: a DataLoader, or anything that can be iterated again for every epoch. */
  train: AsyncIterable<Batch> | Iterable<Batch>;
  /** Batches to validate with after each epoch. */
  validation?: AsyncIterable<Batch> | Iterable<Batch>;
  /** Mean loss of a batch, a scalar: `crossEntropy`, or `new nn.CrossEntropyLoss({ labelSmoothing: 0.1 })`. */
  loss: Loss;
  optimizer: TrainingOptimizer;
  epochs: number;
  /** What to measure on the validation set, by name. */
  metrics?: Readonly<Record<string, FitMetric>>;
  /** Stepped after every epoch (ReduceLROnPlateau with the monitored value), OneCycleLR after every step. */
  schedule?: Schedule;
  earlyStopping?: EarlyStoppingOptions;
  /** Called after every epoch; `checkpointTo(path)` of wgrad/node makes one that saves files. */
  checkpoint?: (state: FitState) => unknown;
  callbacks?: FitCallbacks;
  /** Ends the training with the signal's reason, at the next step. */
  signal?: AbortSignal;
  /** After how many steps losses are read and checked for NaN. Default 50. */
  readEvery?: number;
}

const KNOWN: readonly string[] = [
  "train",
  "validation",
  "loss",
  "optimizer",
  "epochs",
  "metrics",
  "schedule",
  "earlyStopping",
  "checkpoint",
  "callbacks",
  "signal",
  "readEvery",
];

/** Throws where an option of `fit`, or of what is inside, is named that it doesn't know. */
export function checkFitOptions(options: FitOptions): void {
  // Required, unlike other functions' options.
  checkOptions("fit", options ?? null, KNOWN);
  const { earlyStopping, callbacks } = options;
  checkOptions("fit: earlyStopping", earlyStopping, ["patience", "minDelta", "monitor", "mode", "restoreBest"]);
  // An object of a class may have properties of its own beside the callbacks.
  if (callbacks === undefined || Object.getPrototypeOf(callbacks) === Object.prototype) {
    checkOptions("fit: callbacks", callbacks, ["onEpochStart", "onStep", "onEpochEnd"]);
  }
}
