// The options and reports of fit.

import type { MetricInput } from "../metrics/index.ts";
import { checkOptions } from "../ops/check.ts";
import type { Tensor } from "../tensor.ts";

/** A model that `fit` can train. Every `nn.Module` whose `forward` maps tensors to a tensor is one. */
export interface Trainable {
  /** Whether the model is in training mode. */
  training: boolean;
  forward(...inputs: Tensor[]): Tensor;
  /** Switches to training mode, or with false to evaluation mode. */
  train(mode?: boolean): unknown;
  /** Switches to evaluation mode. */
  eval(): unknown;
  /** Returns the weights by name. */
  stateDict(): Record<string, Tensor>;
  /** Takes weights by name. */
  loadStateDict(state: Record<string, Tensor>): unknown;
  /** The model and all modules below it. */
  modules?(): readonly { training: boolean }[];
}

/** An optimizer that `fit` can use. Every optimizer of `optim` is one. */
export interface TrainingOptimizer {
  /** The groups of parameters, with their learning rates. */
  readonly paramGroups: readonly { readonly lr: number }[];
  /** Forgets all gradients. */
  zeroGrad(): void;
  /** Updates the parameters. */
  step(): void;
  /** Returns the state of the optimizer. */
  stateDict(): object;
}

/** A learning-rate schedule of `optim.lr`. */
export interface Schedule {
  /** Goes to the next epoch. `metric` is the monitored value. */
  step(metric?: number): void;
}

/** A function of prediction and target, or a module whose `forward` is one. */
export type Loss =
  | ((prediction: Tensor, target: Tensor) => Tensor)
  | { forward(prediction: Tensor, target: Tensor): Tensor };

/** One batch: the inputs of `forward`, then the target. */
export type Batch = readonly Tensor[];

/** Compares predictions with targets. Both are `[n, …]` over the whole validation set. */
export type FitMetric = (predictions: MetricInput, targets: MetricInput) => number | Promise<number>;

/** When `fit` stops before the last epoch. */
export interface EarlyStoppingOptions {
  /** The training ends after so many epochs in a row without improvement. */
  patience: number;
  /** The smallest change of the monitored value that counts as an improvement. Default 0. */
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

/** The report of one epoch. */
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
  /** Called before each epoch, with its number, counted from 0. A promise is awaited. */
  onEpochStart?: (epoch: number) => void | Promise<void>;
  /** Called after each step. A promise is awaited. */
  onStep?: (report: StepReport) => void | Promise<void>;
  /** Called after each epoch. The training ends if it returns false. */
  onEpochEnd?: (summary: EpochSummary) => unknown;
}

/** The argument of a `checkpoint` function. */
export interface FitState extends EpochSummary {
  readonly model: Trainable;
  readonly optimizer: TrainingOptimizer;
  readonly history: readonly EpochRecord[];
}

/** Options of `fit`. */
export interface FitOptions {
  /** The batches of an epoch: a DataLoader, or anything that can be iterated again in each epoch. */
  train: AsyncIterable<Batch> | Iterable<Batch>;
  /** The batches to validate with after each epoch. */
  validation?: AsyncIterable<Batch> | Iterable<Batch>;
  /** The mean loss of a batch, a scalar: `crossEntropy`, or `new nn.CrossEntropyLoss({ labelSmoothing: 0.1 })`. */
  loss: Loss;
  /** The optimizer of the model. */
  optimizer: TrainingOptimizer;
  /** Number of epochs. */
  epochs: number;
  /** The metrics to compute on the validation set, by name. */
  metrics?: Readonly<Record<string, FitMetric>>;
  /**
   * A learning-rate schedule. It is stepped after each epoch (ReduceLROnPlateau with the monitored value); OneCycleLR
   * after each step.
   */
  schedule?: Schedule;
  /** Ends the training when the monitored value stops improving. Default: it never does. */
  earlyStopping?: EarlyStoppingOptions;
  /** Called after every epoch; `checkpointTo(path)` of wgrad/node makes one that saves files. */
  checkpoint?: (state: FitState) => unknown;
  /** Functions that are called while the model trains. */
  callbacks?: FitCallbacks;
  /** Ends the training at the next step, with the reason of the signal. */
  signal?: AbortSignal;
  /** Number of steps after which the losses are read and checked for NaN. Default 50. */
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
