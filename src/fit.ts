// fit: the training loop, with validation, early stopping, checkpoints and a history.

import { WgradError } from "./base/errors.ts";
import { batchParts, sampleCount } from "./fit/batch.ts";
import { LossReader, lossFunction } from "./fit/losses.ts";
import { keepModes } from "./fit/modes.ts";
import {
  checkFitOptions,
  type EpochRecord,
  type EpochSummary,
  type FitOptions,
  type Trainable,
} from "./fit/options.ts";
import { schedulesSteps, stepEpoch } from "./fit/schedule.ts";
import { EarlyStopping } from "./fit/stopping.ts";
import { validate } from "./fit/validation.ts";
import { checkWhole } from "./ops/check.ts";

export type {
  Batch,
  EarlyStoppingOptions,
  EpochRecord,
  EpochSummary,
  FitCallbacks,
  FitMetric,
  FitOptions,
  Loss,
  Schedule,
  Trainable,
  TrainingOptimizer,
} from "./fit/options.ts";

/** What `fit` returns: one record per finished epoch. */
export interface History {
  /** The finished epochs, in order. */
  readonly epochs: readonly EpochRecord[];
  /** Number of the epoch with the best monitored value, counted from 0; −1 if nothing was monitored. */
  readonly bestEpoch: number;
  /** Why the training ended. */
  readonly stopped: "finished" | "early" | "callback";
}

/**
 * Trains a model. In each epoch it takes a step per batch of `train` (forward, loss, backward, optimizer step), and
 * then computes the loss and the metrics over all of `validation` in `eval()` mode. Afterwards each part of the model
 * is in the mode that it was in before.
 *
 * ```js
 * import { crossEntropy, data, fit, metrics, nn, optim, randint, randn } from "wgrad";
 *
 * const samples = new data.TensorDataset(randn([64, 4]), randint(0, 3, [64]));
 * const model = new nn.Linear(4, 3);
 * const history = await fit(model, {
 *   train: new data.DataLoader(samples, { batchSize: 16, shuffle: true }),
 *   validation: new data.DataLoader(samples, { batchSize: 64 }),
 *   loss: crossEntropy,
 *   optimizer: new optim.Adam(model.parameters()),
 *   epochs: 5,
 *   metrics: { accuracy: metrics.accuracy },
 *   earlyStopping: { patience: 2 },
 * });
 * ```
 *
 * The loss is a function of prediction and target, or a module such as `new nn.CrossEntropyLoss()`. Steps do not wait
 * for the GPU: losses are read every `readEvery` steps and at the end of an epoch.
 *
 * @throws RangeError for options that make no sense, WgradError for unknown options and when the loss is NaN or
 * infinite, and the reason of `signal` when it aborts.
 */
export async function fit(model: Trainable, options: FitOptions): Promise<History> {
  checkFitOptions(options);
  lossFunction(options.loss);
  const { epochs, callbacks = {}, signal } = options;
  checkWhole("fit", "epochs", epochs, 0);
  const stopping = new EarlyStopping(model, options.earlyStopping, options.validation !== undefined);
  const records: EpochRecord[] = [];
  let stopped: History["stopped"] = "finished";
  const restoreModes = keepModes(model);
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      signal?.throwIfAborted();
      const started = performance.now();
      const lr = options.optimizer.paramGroups[0]?.lr ?? Number.NaN;
      await callbacks.onEpochStart?.(epoch);
      model.train();
      const loss = await trainEpoch(model, options, epoch);
      model.eval();
      const validation = options.validation === undefined ? undefined : await validate(model, options);
      const record: EpochRecord = {
        epoch,
        loss,
        ...(validation === undefined ? {} : { validationLoss: validation.loss }),
        metrics: validation?.metrics ?? {},
        lr,
        seconds: (performance.now() - started) / 1000,
      };
      records.push(record);
      const verdict = await stopping.judge(record);
      stepEpoch(options.schedule, verdict.value);
      const summary: EpochSummary = { ...record, improved: verdict.improved };
      await options.checkpoint?.({ model, optimizer: options.optimizer, history: records, ...summary });
      const goOn = await callbacks.onEpochEnd?.(summary);
      if (goOn === false) stopped = "callback";
      else if (verdict.stop) stopped = "early";
      if (stopped !== "finished") break;
    }
    stopping.restore();
  } finally {
    restoreModes();
  }
  return { epochs: records, bestEpoch: stopping.bestEpoch, stopped };
}

/** The mean loss per sample over one epoch of steps. */
async function trainEpoch(model: Trainable, options: FitOptions, epoch: number): Promise<number> {
  const { optimizer, callbacks = {}, signal, readEvery = 50 } = options;
  checkWhole("fit", "readEvery", readEvery, 1);
  const lossOf = lossFunction(options.loss);
  const perStep = schedulesSteps(options.schedule);
  const losses = new LossReader(epoch);
  let step = 0;
  for await (const batch of options.train) {
    signal?.throwIfAborted();
    const [inputs, target] = batchParts(batch);
    optimizer.zeroGrad();
    const loss = lossOf(model.forward(...inputs), target);
    loss.backward();
    optimizer.step();
    losses.add(loss, sampleCount(target));
    perStep?.step();
    step++;
    // The first loss is read at once: a model that starts with NaN should not train on for long.
    if (step === 1 || step % readEvery === 0) await losses.read();
    await callbacks.onStep?.({ epoch, step, loss: losses.latest });
  }
  await losses.read();
  if (step === 0) {
    throw new WgradError(
      epoch === 0
        ? "fit: the training data has no batch. Is the dataset empty, or smaller than a batch with dropLast?"
        : "fit: the training data has no batch any more. A generator runs once: pass a DataLoader or an array.",
    );
  }
  return losses.mean;
}
