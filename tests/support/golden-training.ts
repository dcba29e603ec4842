// Training next to PyTorch's: a model with the initial state of a golden run, then its losses and its first gradients.

import * as assert from "uvu/assert";
import { sizeOf } from "../../src/base/shape.ts";
import * as wg from "../../src/index.ts";
import { type Compared, classification, type Golden, mismatch } from "../reference/golden.ts";

/** What the files of all golden training runs hold. */
export interface TrainingRun {
  steps: number;
  batch: number;
  seed: number;
  losses: number[];
  /** The state dict before training, by array numbers. */
  initial: Record<string, number>;
  /** Gradients of the first step. */
  gradients: Record<string, Compared>;
}

export type Classifier = wg.nn.Module & { forward(x: wg.Tensor): wg.Tensor };
export type Batch = { x: wg.Tensor; y: wg.Tensor };

export const RELATIVE = 1e-5;

/** Gives a model the state before training, and returns it. */
export function loadInitial(model: Classifier, golden: Golden<TrainingRun>): Classifier {
  const entries = Object.entries(golden.content.initial).map(([name, number]) => {
    const { data, shape, dtype } = golden.array(number);
    return [name, wg.tensor(data, { shape, dtype })] as const;
  });
  model.loadStateDict(Object.fromEntries(entries));
  return model;
}

/** The data of a run, the same as PyTorch saw: inputs of `shape`, and their classes. */
export function batches({ steps, batch, seed }: TrainingRun, shape: readonly number[], classes: number): Batch[] {
  return classification(steps, batch, sizeOf(shape), classes, seed).map(({ x, y }) => ({
    x: wg.tensor(x, { shape: [batch, ...shape] }),
    y: wg.tensor(y),
  }));
}

/** Demands that a tensor is a float64 result of PyTorch's within its tolerance, and `extra`. */
export async function near(
  got: wg.Tensor | null | undefined,
  golden: Golden<unknown>,
  { array, absolute }: Compared,
  where: string,
  extra = 0,
): Promise<void> {
  assert.instance(got, wg.Tensor, `${where}: no tensor`);
  const expected = golden.array(array);
  const problem = mismatch(await (got as wg.Tensor).data(), expected.data, absolute + extra, RELATIVE);
  if (problem !== null) assert.unreachable(`${where}: ${problem}`);
}

/** Trains over all batches with Adam, each step alone or compiled, and compares the losses. */
export async function followLosses(
  model: Classifier,
  data: readonly Batch[],
  expected: readonly number[],
  { lr, tolerance, compiled }: { lr: number; tolerance: number; compiled: boolean },
): Promise<void> {
  const optimizer = new wg.optim.Adam(model.parameters(), { lr });
  const once = (x: wg.Tensor, y: wg.Tensor): wg.Tensor => {
    optimizer.zeroGrad();
    const loss = wg.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = compiled ? wg.compile(once) : once;
  const losses: number[] = [];
  for (const { x, y } of data) losses.push(Number(await step(x, y).item()));
  const problem = mismatch(losses, expected, 0, tolerance);
  if (problem !== null) assert.unreachable(`losses: ${problem}`);
}

/** Compares the loss and the gradients of the first batch; returns the logits. */
export async function compareFirstGradients(
  model: Classifier,
  data: readonly Batch[],
  golden: Golden<TrainingRun>,
  extra = 0,
): Promise<wg.Tensor> {
  const [first] = data;
  if (first === undefined) throw new RangeError("there is no batch");
  const logits = model.forward(first.x);
  const loss = wg.crossEntropy(logits, first.y);
  loss.backward();
  const parameters = new Map(model.namedParameters());
  const entries = Object.entries(golden.content.gradients);
  assert.equal([...parameters.keys()], Object.keys(golden.content.gradients));
  const gradients = entries
    .map(([name]) => parameters.get(name)?.grad)
    .filter((gradient) => gradient instanceof wg.Tensor);
  await wg.realize(loss, logits, ...gradients);
  const problem = mismatch([Number(await loss.item())], golden.content.losses.slice(0, 1), 0, RELATIVE);
  if (problem !== null) assert.unreachable(`first loss: ${problem}`);
  for (const [name, expected] of entries) {
    await near(parameters.get(name)?.grad, golden, expected, `gradient of ${name}`, extra);
  }
  return logits;
}
