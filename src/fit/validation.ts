// Validation: the mean loss and the metrics over a whole set.
import { WgradError } from "../base/errors.ts";
import { noGrad, type Tensor } from "../tensor.ts";
import { batchParts, sampleCount } from "./batch.ts";
import { lossFunction } from "./losses.ts";
import type { FitOptions, Trainable } from "./options.ts";

interface Measured {
  readonly loss: number;
  readonly samples: number;
  readonly prediction: HostPart | null;
  readonly target: HostPart | null;
}

interface HostPart {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
}

/** Mean loss per sample and metrics over `options.validation`; the model must be in eval mode. */
export async function validate(
  model: Trainable,
  options: FitOptions,
): Promise<{ loss: number; metrics: Record<string, number> }> {
  const lossOf = lossFunction(options.loss);
  const metrics = Object.entries(options.metrics ?? {});
  const running: Promise<Measured>[] = [];
  for await (const batch of options.validation ?? []) {
    options.signal?.throwIfAborted();
    const [inputs, target] = batchParts(batch);
    const measured = noGrad(() => {
      const prediction = model.forward(...inputs);
      return measure(prediction, lossOf(prediction, target), target, metrics.length > 0);
    });
    // A failure is thrown below, where all are awaited; until then it must not count as unhandled.
    measured.catch(() => {});
    running.push(measured);
  }
  const parts = await Promise.all(running);
  const samples = parts.reduce((sum, part) => sum + part.samples, 0);
  if (samples === 0) {
    throw new WgradError(
      "fit: the validation data has no batch. A generator runs once: pass a DataLoader or an array.",
    );
  }
  const values: Record<string, number> = {};
  if (metrics.length > 0) {
    const predictions = joined(parts.map((part) => part.prediction));
    const targets = joined(parts.map((part) => part.target));
    for (const [name, metric] of metrics) values[name] = await metric(predictions, targets);
  }
  return { loss: parts.reduce((sum, part) => sum + part.loss * part.samples, 0) / samples, metrics: values };
}

/** Starts computing a batch's values and reads them. */
async function measure(prediction: Tensor, loss: Tensor, target: Tensor, whole: boolean): Promise<Measured> {
  // The prediction first: the loss is then computed from it and the model runs once.
  const [predicted, expected, value] = await Promise.all([
    whole ? prediction.data() : null,
    whole ? target.data() : null,
    loss.item(),
  ]);
  const part = (data: ArrayLike<number> | null, { shape }: Tensor): HostPart | null =>
    data === null ? null : { data, shape };
  return {
    loss: value,
    samples: sampleCount(target),
    prediction: part(predicted, prediction),
    target: part(expected, target),
  };
}

/** The parts one behind the other along their first dim. */
function joined(parts: readonly (HostPart | null)[]): { data: Float32Array | Float64Array; shape: readonly number[] } {
  const present = parts.filter((part) => part !== null);
  const length = present.reduce((sum, part) => sum + part.data.length, 0);
  // Metrics may look at the precision of the numbers.
  const data = present.every((part) => part.data instanceof Float32Array)
    ? new Float32Array(length)
    : new Float64Array(length);
  let at = 0;
  for (const part of present) {
    data.set(part.data, at);
    at += part.data.length;
  }
  const samples = present.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
  return { data, shape: [samples, ...(present[0]?.shape.slice(1) ?? [])] };
}
