// Functions of the eager model that are no methods.

import { checkRank, EagerTensor, refusal } from "./eager-model.ts";
import * as values from "./eager-values.ts";
import { sameShape } from "./eager-values.ts";

export function cat(tensors: readonly EagerTensor[], { dim }: { dim: number }): EagerTensor {
  const [first] = tensors as [EagerTensor];
  const size = (x: EagerTensor): number => x.shape[dim] as number;
  if (dim >= first.ndim) throw refusal("RangeError", `cat: dim ${dim} of [${first.shape}]`);
  for (const x of tensors)
    if (!sameShape(x.shape, first.shape.with(dim, x.shape[dim] ?? 0)))
      throw refusal("ShapeError", `cat: [${first.shape}] and [${x.shape}]`);
  const shape = first.shape.with(
    dim,
    tensors.map(size).reduce((a, b) => a + b),
  );
  let start = 0;
  let result = values.full(shape, 0);
  for (const x of tensors) {
    const at = start;
    const positions = values
      .coordinatesOf(x.shape)
      .map((c) => values.positionOf(c.with(dim, (c[dim] as number) + at), shape));
    result = values.add(result, values.put(x.value, positions, shape));
    start += size(x);
  }
  return new EagerTensor(result);
}

export function stack(tensors: readonly EagerTensor[]): EagerTensor {
  const [first] = tensors as [EagerTensor];
  for (const x of tensors)
    if (!sameShape(x.shape, first.shape)) throw refusal("ShapeError", `stack: [${first.shape}] and [${x.shape}]`);
  const shape = [tensors.length, ...first.shape];
  const parts = tensors.map((x, i) => {
    const positions = x.data().map((_, k) => i * x.numel + k);
    return values.put(x.value, positions, shape);
  });
  return new EagerTensor(parts.reduce(values.add));
}

export function mseLoss(input: EagerTensor, target: EagerTensor): EagerTensor {
  return input.sub(target).square().mean();
}

export function crossEntropy(logits: EagerTensor, labels: EagerTensor): EagerTensor {
  checkRank("crossEntropy", logits, 2);
  if (!sameShape(labels.shape, logits.shape.slice(0, 1)))
    throw refusal("ShapeError", `crossEntropy: [${logits.shape}] with [${labels.shape}]`);
  const classes = logits.shape[1] as number;
  if (labels.data().some((label) => label < 0 || label >= classes))
    throw refusal("RangeError", `crossEntropy: classes of ${classes}`);
  const chosen = labels.data().map((label, i) => i * classes + label);
  const picked = values.take(values.logSoftmax(logits.value, 1), chosen, [chosen.length]);
  return new EagerTensor(values.scale(values.mean(picked, [0], false), -1));
}

/** Rows of a table [rows, columns] by indices of any shape. */
export function embedding(indices: EagerTensor, table: EagerTensor): EagerTensor {
  const columns = table.shape[1] as number;
  const positions = indices.data().flatMap((row) => Array.from({ length: columns }, (_, c) => row * columns + c));
  return new EagerTensor(values.take(table.value, positions, [...indices.shape, columns]));
}

/** What `run` returns, be it a tensor that was there before. */
export function checkpoint<Arguments extends unknown[], Result>(
  run: (...given: Arguments) => Result,
  ...given: Arguments
): Result {
  return run(...given);
}
