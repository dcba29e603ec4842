// What one training step of the digit classifier costs: submits, dispatches, plans, memory.

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

const device = await init();

/** The classifier with dropout and Adam, and a step on batch number i of made-up data. */
function classifier(): {
  step: (i: number) => Tensor;
  train: (x: Tensor, y: Tensor) => Tensor;
  batch: (i: number) => [Tensor, Tensor];
} {
  manualSeed(1);
  const model = new nn.Sequential(
    new nn.Linear(784, 128),
    new nn.ReLU(),
    new nn.Dropout(0.2),
    new nn.Linear(128, 64),
    new nn.ReLU(),
    new nn.Dropout(0.2),
    new nn.Linear(64, 10),
  );
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const batch = (i: number): [Tensor, Tensor] => [
    tensor(
      Float32Array.from({ length: 128 * 784 }, (_, k) => ((k * 7919 + i * 104_729) % 1009) / 1009),
      { shape: [128, 784] },
    ),
    tensor(Int32Array.from({ length: 128 }, (_, k) => (k * 31 + i) % 10)),
  ];
  const train = (x: Tensor, y: Tensor) => {
    optimizer.zeroGrad();
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  return { step: (i) => train(...batch(i)), train, batch };
}

test("a loop of 500 plain steps needs no dispose", async () => {
  const { step } = classifier();
  let at20 = device.stats();
  for (let i = 1; i <= 500; i++) {
    const loss = step(i);
    if (i % 10 === 0) await loss.item();
    if (i === 20) at20 = device.stats();
  }
  const after = device.stats();
  assert.is(after.liveBytes, at20.liveBytes);
  assert.is(after.pooledBytes, at20.pooledBytes);
});

test("a step is one submit of at most 11 dispatches; the second one makes no plan and no pipeline", async () => {
  const { step } = classifier();
  await step(0).item();
  const before = device.stats();
  step(1);
  const after = device.stats();
  assert.is(after.submits, before.submits + 1);
  assert.ok(after.dispatches - before.dispatches <= 11, `${after.dispatches - before.dispatches} dispatches`);
  assert.is(after.plans, before.plans);
  assert.is(after.pipelines, before.pipelines);
  assert.is(after.planHits, before.planHits + 1);
});

test("optimized, naive and compiled steps give the same 30 losses", async () => {
  const losses = async (run: (i: number) => Tensor) => {
    const all: Tensor[] = [];
    for (let i = 0; i < 30; i++) all.push(run(i));
    return Promise.all(all.map((loss) => loss.item()));
  };
  const optimized = await losses(classifier().step);
  const other = classifier();
  const compiled = compile(other.train);
  const replayed = await losses((i) => compiled(...other.batch(i)));
  setOptimize(false);
  try {
    const naive = await losses(classifier().step);
    optimized.forEach((value, i) => {
      assert.ok(
        Math.abs(value - (naive[i] as number)) <= 1e-4 * Math.abs(value),
        `naive loss ${i}: ${naive[i]} against ${value}`,
      );
      assert.ok(
        Math.abs(value - (replayed[i] as number)) <= 1e-5 * Math.abs(value),
        `compiled loss ${i}: ${replayed[i]} against ${value}`,
      );
    });
  } finally {
    setOptimize(true);
  }
});

test.run();
