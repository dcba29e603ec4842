// What the plans of training steps need: memory near the bound, and kernels that stay fused on devices with few storage buffers.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { OutOfMemoryError } from "../../src/base/errors.ts";
import { checkpoint, nn, type Tensor, tensor } from "../../src/index.ts";
import { liveBytes } from "../../src/inspect/explain.ts";
import { type Block, classifierStep, Gpt, planStep } from "../support/plan-step.ts";

type Model = nn.Module & { forward(x: Tensor): Tensor };

const zeros = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });

const mlp = () =>
  new nn.Sequential(
    new nn.Linear(784, 128),
    new nn.ReLU(),
    new nn.Linear(128, 64),
    new nn.ReLU(),
    new nn.Linear(64, 10),
  );
const lenet = () =>
  new nn.Sequential(
    new nn.Conv2d(1, 6, 5, { padding: 2 }),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(6, 16, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(400, 120),
    new nn.ReLU(),
    new nn.Linear(120, 10),
  );
const convolution = () =>
  new nn.Sequential(
    new nn.Conv2d(3, 32, 3, { padding: 1 }),
    new nn.BatchNorm2d(32),
    new nn.ReLU(),
    new nn.Conv2d(32, 64, 3, { padding: 1 }),
    new nn.BatchNorm2d(64),
    new nn.ReLU(),
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(),
    new nn.Linear(64, 10),
  );
const gpt = (layers: number, checkpoints: boolean) =>
  new Gpt(layers, 32, (block: Block, x) =>
    checkpoints ? checkpoint((t: Tensor) => block.forward(t), x) : block.forward(x),
  );
const words = (batch: number, length: number) => tensor(new Int32Array(batch * length), { shape: [batch, length] });

test("the workspace is within a tenth of the bytes that are alive at once, and nothing falls apart for want of bindings", () => {
  const cases: [string, () => Model, Tensor, number, number][] = [
    ["mlp", mlp, zeros(128, 784), 128, 20],
    ["lenet", lenet, zeros(64, 1, 28, 28), 64, 40],
    ["convolution", convolution, zeros(8, 3, 32, 32), 8, 50],
    ["gpt", () => gpt(2, false), words(2, 16), 32, 120],
  ];
  for (const [name, model, input, examples, most] of cases) {
    for (const bindings of [8, 10]) {
      const plan = planStep(classifierStep(model(), input, examples), { bindings });
      const least = liveBytes(plan);
      assert.ok(plan.workspace <= 1.1 * least, `${name}: ${plan.workspace} for ${least}`);
      assert.ok(plan.steps.length <= most, `${name} takes ${plan.steps.length} kernels of ${bindings} buffers`);
      for (const step of plan.steps) assert.ok(step.bindings.length <= bindings, `${name}: ${step.kernel.name}`);
    }
  }
});

test("a GPT of checkpointed blocks takes a block's memory more or less, however deep", () => {
  const plan = (layers: number, checkpoints: boolean) =>
    planStep(classifierStep(gpt(layers, checkpoints), words(8, 64), 512), { bindings: 10 });
  const [three, six] = [plan(3, true), plan(6, true)];
  const between = 512 * 32 * 4;
  assert.ok(six.workspace - three.workspace <= 3 * 1.4 * between, `${three.workspace} → ${six.workspace}`);
  const kept = plan(6, false);
  assert.ok(six.workspace * 2 < kept.workspace, `${six.workspace} against ${kept.workspace}`);
});

test("a limit on the workspace is kept by computing values again, else the missing bytes are told", () => {
  const step = () => classifierStep(gpt(3, false), words(8, 32), 256);
  const whole = planStep(step(), { bindings: 10 });
  const flops = (plan: typeof whole) => plan.steps.reduce((sum, s) => sum + s.kernel.flops, 0);
  for (const share of [0.6]) {
    const plan = planStep(step(), { bindings: 10 }, share * whole.workspace);
    assert.ok(plan.workspace <= share * whole.workspace, `${plan.workspace} of ${share * whole.workspace}`);
    assert.ok(flops(plan) > flops(whole) && flops(plan) < 1.5 * flops(whole), `${flops(whole)} → ${flops(plan)}`);
  }
  assert.throws(
    () => planStep(step(), { bindings: 10 }, 1024),
    (e: Error) => e instanceof OutOfMemoryError && /\d+ bytes are missing/.test(e.message),
  );
});

test.run();
