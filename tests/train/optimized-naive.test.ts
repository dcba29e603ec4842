// Training with all optimizations and with none: the same 30 losses, whatever is fused, planned in place or computed in one pass.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  compile,
  crossEntropy,
  init,
  manualSeed,
  nn,
  optim,
  setOptimize,
  type Tensor,
  tensor,
} from "../../src/index.ts";
import { Gpt } from "../support/plan-step.ts";

await init();

const batch = 4;
const [context, vocabulary] = [12, 64];

const images = (i: number): [Tensor, Tensor] => [
  tensor(
    Float32Array.from({ length: batch * 3 * 64 }, (_, k) => ((k * 7919 + i * 104_729) % 1009) / 504 - 1),
    { shape: [batch, 3, 8, 8] },
  ),
  tensor(Int32Array.from({ length: batch }, (_, k) => (k * 3 + i) % 5)),
];
const words = (i: number): [Tensor, Tensor] => {
  const ids = Array.from({ length: batch * context + 1 }, (_, k) => (k * k * 7 + i * 13) % vocabulary);
  return [
    tensor(Int32Array.from(ids.slice(0, -1)), { shape: [batch, context] }),
    tensor(Int32Array.from(ids.slice(1))),
  ];
};

const networks: readonly (readonly [string, () => nn.Sequential | Gpt, (i: number) => [Tensor, Tensor]])[] = [
  [
    "a CNN with BatchNorm",
    () =>
      new nn.Sequential(
        new nn.Conv2d(3, 6, 3, { padding: 1 }),
        new nn.BatchNorm2d(6),
        new nn.ReLU(),
        new nn.MaxPool2d(2),
        new nn.Conv2d(6, 8, 3, { stride: 2 }),
        new nn.BatchNorm2d(8),
        new nn.ReLU(),
        new nn.Flatten(),
        new nn.Linear(8, 5),
      ),
    images,
  ],
  ["a GPT", () => new Gpt(2, 16, (block, x) => block.forward(x)), words],
];

for (const [name, make, data] of networks) {
  test(`${name}: optimized, naive and compiled steps give the same 30 losses`, async () => {
    const losses = async (wrap: (train: (x: Tensor, y: Tensor) => Tensor) => (x: Tensor, y: Tensor) => Tensor) => {
      manualSeed(1);
      const model = make();
      const optimizer = new optim.AdamW(model.parameters(), { lr: 3e-3 });
      const train = wrap((x, y) => {
        optimizer.zeroGrad();
        const loss = crossEntropy(model.forward(x), y);
        loss.backward();
        optimizer.step();
        return loss;
      });
      const all: number[] = [];
      for (let i = 0; i < 30; i++) all.push(await train(...data(i % 2)).item());
      return all;
    };
    const optimized = await losses((train) => train);
    const compiled = await losses((train) => compile(train));
    setOptimize(false);
    let naive: number[];
    try {
      naive = await losses((train) => train);
    } finally {
      setOptimize(true);
    }
    assert.ok((optimized.at(-1) as number) < (optimized[0] as number), `${optimized[0]} → ${optimized.at(-1)}`);
    optimized.forEach((value, i) => {
      for (const [how, other] of [
        ["naive", naive[i] as number],
        ["compiled", compiled[i] as number],
      ] as const) {
        assert.ok(Math.abs(value - other) <= 1e-5 * Math.abs(value), `${how} loss ${i}: ${other} against ${value}`);
      }
    });
  });
}

test.run();
