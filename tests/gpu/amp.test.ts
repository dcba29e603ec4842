// Mixed precision on the device: training as in f32, steps skipped on overflow, no readback.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DTypeError, WgradError } from "../../src/base/errors.ts";
import {
  amp,
  compile,
  crossEntropy,
  init,
  io,
  manualSeed,
  nn,
  noGrad,
  ones,
  optim,
  randn,
  type Tensor,
  tensor,
} from "../../src/index.ts";

const device = await init();
const hasHalf = device.gpu.features.has("shader-f16");

/** Two classes of points, and a network for them. */
function problem(): { model: nn.Sequential; x: Tensor; y: Tensor } {
  manualSeed(7);
  const model = new nn.Sequential(new nn.Linear(16, 32), new nn.ReLU(), new nn.Linear(32, 2));
  const labels = Int32Array.from({ length: 64 }, (_, i) => i % 2);
  const y = tensor(labels);
  const x = randn([64, 16]).add(y.reshape([64, 1]).mul(1.5));
  return { model, x: x.detach(), y };
}

async function train(mode: "f32" | "amp" | "compiled", steps: number): Promise<{ losses: number[]; scale: number }> {
  const { model, x, y } = problem();
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2 });
  const scaler = new amp.GradScaler({ enabled: mode !== "f32", growthInterval: 5 });
  const once = (input: Tensor, target: Tensor): Tensor => {
    optimizer.zeroGrad();
    const loss = amp.autocast(mode === "f32" ? "f32" : "f16", () => crossEntropy(model.forward(input), target));
    scaler.scale(loss).backward();
    scaler.unscale_(optimizer);
    nn.utils.clipGradNorm(model.parameters(), 5);
    scaler.step(optimizer);
    scaler.update();
    return loss;
  };
  const step = mode === "compiled" ? compile(once) : once;
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push(await step(x, y).item());
  return { losses, scale: await scaler.getScale().item() };
}

test("training in f16 follows f32, plainly and compiled, and the factor grows", async () => {
  if (!hasHalf) {
    assert.throws(
      () => amp.autocast("f16", () => ones([2])),
      (e: Error) => e instanceof DTypeError && /shader-f16/.test(e.message),
    );
    return;
  }
  const reference = await train("f32", 12);
  const half = await train("amp", 12);
  const compiled = await train("compiled", 12);
  reference.losses.forEach((loss, i) => {
    for (const other of [half, compiled])
      assert.ok(
        Math.abs((other.losses[i] as number) - loss) <= 0.02 * Math.max(loss, 0.05),
        `step ${i}: ${other.losses[i]} for ${loss}`,
      );
  });
  assert.ok((reference.losses[11] as number) < 0.6 * (reference.losses[0] as number));
  // Twelve good steps at an interval of five.
  assert.is(half.scale, 65536 * 4);
  assert.is(compiled.scale, 65536 * 4);
});

test("a step that overflows changes nothing but the factor, and does not count for NAdam, with a checkpoint between or without", async () => {
  const run = async (factors: number[], scaled: boolean, resumeAt = -1) => {
    const make = () => ({
      weight: nn.parameter(tensor([1, 2, 3])),
      other: nn.parameter(tensor([[0.5]])),
      scaler: new amp.GradScaler({ initScale: 1024, growthInterval: 3, enabled: scaled }),
    });
    let { weight, other, scaler } = make();
    let optimizer = new optim.NAdam([weight, other], { lr: 0.1 });
    const once = (factor: Tensor): Tensor => {
      optimizer.zeroGrad();
      const loss = weight.square().sum().mul(other.sum()).mul(factor);
      scaler.scale(loss).backward();
      scaler.step(optimizer);
      scaler.update();
      return loss;
    };
    const submits = device.stats().submits;
    for (const [i, factor] of factors.entries()) {
      if (i === resumeAt) {
        const saved = await io.toCheckpoint({
          weight,
          other,
          optimizer: optimizer.stateDict(),
          scaler: scaler.stateDict(),
        });
        const state = (await io.fromCheckpoint(saved)) as never as Record<"weight" | "other", Tensor> &
          Record<"optimizer" | "scaler", never>;
        ({ weight, other, scaler } = make());
        noGrad(() => {
          weight.assign(state.weight);
          other.assign(state.other);
        });
        optimizer = new optim.NAdam([weight, other], { lr: 1 });
        optimizer.loadStateDict(state.optimizer);
        scaler.loadStateDict(state.scaler);
      }
      once(tensor(factor));
    }
    const taken = device.stats().submits - submits;
    if (resumeAt < 0) assert.ok(taken <= factors.length + 1, `one submit per step, nothing read: ${taken}`);
    const state = optimizer.stateDict().state[0] as Record<string, Tensor>;
    return {
      weight: [...(await weight.data()), ...(await other.data())],
      average: [...(await (state.exp_avg as Tensor).data())],
      scale: await scaler.getScale().item(),
    };
  };
  const bad = Number.POSITIVE_INFINITY;
  const skipped = await run([bad, 1, bad, 2, 3, 4, 1], true);
  const plain = await run([1, 2, 3, 4, 1], false);
  const close = (a: number[], b: number[]) =>
    a.forEach((n, i) => {
      assert.ok(Math.abs(n - (b[i] as number)) <= 1e-5 * Math.abs(n) + 1e-7, `${a} against ${b}`);
    });
  close(skipped.weight, plain.weight);
  close(skipped.average, plain.average);
  // Halved, then one good step, halved, and doubled once by three good ones.
  assert.is(skipped.scale, 512);
  assert.equal(await run([bad, 1, bad, 2, 3, 4, 1], true, 4), skipped);
});

test("the order of calls is checked, and the state travels", async () => {
  const weight = nn.parameter(ones([4]));
  const optimizer = new optim.SGD([weight], { lr: 1 });
  const scaler = new amp.GradScaler({ initScale: 8 });
  const fails = (run: () => void, text: RegExp) =>
    assert.throws(run, (e: Error) => e instanceof WgradError && text.test(e.message));
  fails(() => scaler.unscale_(optimizer), /no parameter has a gradient/);
  scaler.update(8);
  scaler.scale(weight.sum()).backward();
  scaler.unscale_(optimizer);
  fails(() => scaler.unscale_(optimizer), /already/);
  scaler.step(optimizer);
  fails(() => scaler.step(optimizer), /already/);
  fails(() => scaler.unscale_(optimizer), /comes before step/);
  scaler.update();
  assert.equal([...(await weight.data())], [0, 0, 0, 0]);
  const other = new amp.GradScaler();
  other.loadStateDict(scaler.stateDict() as amp.GradScalerState);
  assert.is(await other.getScale().item(), 8);
  scaler.update(4);
  assert.is(await scaler.getScale().item(), 4);
});

test.run();
