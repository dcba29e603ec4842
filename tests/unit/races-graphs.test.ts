// Random graphs of all ops and steps of training, run by the interpreter of WGSL under schedules by chance: no invocation races with another one.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { planOf } from "../../src/engine/plan-cache.ts";
import { grad, nn, setOptimize, type Tensor, tensor } from "../../src/index.ts";
import { alternatives, bookBy } from "../../src/shaders/schedules.ts";
import { type Block, captureStep, classifierStep, Gpt } from "../support/plan-step.ts";
import { compareAll, DEVICES, expectedOf } from "../support/races.ts";
import { randomGraph } from "../support/random-graph.ts";
import { Dice } from "../support/random-program.ts";
import { runPlan } from "../support/wgsl/plan.ts";

/** Runs a step once per device, each kernel under a schedule by chance. Returns the number of dispatches. */
function runEverywhere(step: () => Tensor | Tensor[], seed: number, tolerance: number, devices = DEVICES): number {
  const captured = captureStep(step);
  const expected = expectedOf(captured);
  const dice = new Dice(seed);
  let dispatches = 0;
  for (const device of devices) {
    const schedules = bookBy((offer) => {
      const others = alternatives(offer, device);
      return others[dice.below(others.length + 1)] ?? null;
    });
    const promoted = captured.constants.map(() => dice.next() < 0.3);
    const plan = planOf(captured, promoted, { ...device, schedules });
    const subgroupSize = device.subgroupSize || 4 * 2 ** dice.below(6);
    const found = runPlan(plan, captured, dice, { subgroupSize, mixed: dice.next() < 0.5 });
    compareAll(captured, found, expected, tolerance, plan);
    dispatches += plan.steps.length;
  }
  return dispatches;
}

for (const part of [0, 1, 2])
  test(`random graphs, part ${part}`, () => {
    let dispatches = 0;
    for (let seed = 1 + part; seed <= 60; seed += 3)
      dispatches += runEverywhere(() => randomGraph(new Dice(seed), 1 + (seed % 6)), seed, 1e-3);
    assert.ok(dispatches > 500, `${dispatches} dispatches`);
  });

test("every op a kernel of its own", () => {
  setOptimize(false);
  try {
    for (let seed = 100; seed < 112; seed++)
      runEverywhere(() => randomGraph(new Dice(seed), 1 + (seed % 4)), seed, 1e-3, DEVICES.slice(0, 4));
  } finally {
    setOptimize(true);
  }
});

test("the gradients of a GPT and of a convolutional net", () => {
  const tokens = tensor(Int32Array.from({ length: 18 }, (_, i) => (i * 7) % 64)).reshape([2, 9]);
  assert.ok(
    runEverywhere(classifierStep(new Gpt(1, 8, (block: Block, x) => block.forward(x)), tokens, 18), 1, 1e-3) > 100,
  );
  const images = new Dice(5).leaf([2, 1, 8, 8], false);
  const net = new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(64, 10),
  );
  assert.ok(runEverywhere(classifierStep(net, images, 2), 2, 1e-3) > 100);
});

test("state that is overwritten in place", () => {
  const dice = new Dice(9);
  const [weight, momentum] = [dice.leaf([12, 7], true), dice.leaf([12, 7], false)];
  const x = dice.leaf([5, 12], false);
  const step = () => {
    const loss = x.matmul(weight).square().mean();
    const [gradient] = grad(loss, [weight]) as [Tensor];
    momentum.assign(momentum.mul(0.9).add(gradient));
    weight.assign(weight.sub(momentum.mul(0.1)));
    return loss;
  };
  assert.is(captureStep(step).destinations.filter(({ kind }) => kind === "slot").length, 2);
  runEverywhere(step, 3, 1e-4);
});

test.run();
