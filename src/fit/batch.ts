// The parts of a batch: what goes into the model, and what should come out.
import { misfit } from "../ops/check.ts";
import { Tensor } from "../tensor.ts";
import type { Batch } from "./options.ts";

/** Inputs and target: the last tensor is the target. @throws TypeError when the batch is not made of tensors. */
export function batchParts(batch: Batch): [inputs: Tensor[], target: Tensor] {
  const target = Array.isArray(batch) ? batch.at(-1) : undefined;
  if (target === undefined || batch.length < 2 || !batch.every((part: unknown) => part instanceof Tensor)) {
    throw new TypeError(
      "fit: a batch must be an array of tensors, inputs first and the target last, as a DataLoader gives them.",
    );
  }
  return [batch.slice(0, -1), target];
}

/** Number of samples of a batch. */
export function sampleCount(target: Tensor): number {
  const [count] = target.shape;
  if (count === undefined)
    throw misfit("fit", "the first dim of a target counts its samples, got a target without dims.", target);
  return count;
}
