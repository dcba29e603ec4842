// profile: every kernel of a step with its time, and results as without it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  compile,
  crossEntropy,
  init,
  manualSeed,
  nn,
  optim,
  profile,
  synchronize,
  type Tensor,
  tensor,
} from "../../src/index.ts";
import { rejection } from "../support/failure.ts";

const device = await init();
/** A browser rounds timestamps to 100 µs: 0 for most kernels here. */
const rounded = "navigator" in globalThis && "gpu" in navigator;
const isTime = (microseconds: number): boolean => (rounded ? microseconds >= 0 : microseconds > 0);

function classifier(): { train: (x: Tensor, y: Tensor) => Tensor; x: Tensor; y: Tensor } {
  manualSeed(1);
  const model = new nn.Sequential(new nn.Linear(12, 8), new nn.ReLU(), new nn.Linear(8, 3));
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2 });
  const x = tensor(
    Float32Array.from({ length: 16 * 12 }, (_, i) => ((i * 7919) % 101) / 50 - 1),
    { shape: [16, 12] },
  );
  const y = tensor(Int32Array.from({ length: 16 }, (_, i) => i % 3));
  const train = (x: Tensor, y: Tensor): Tensor => {
    optimizer.zeroGrad();
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  return { train, x, y };
}

async function losses(step: () => Tensor, count: number): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < count; i++) values.push(await step().item());
  return values;
}

test("profile gives every kernel of a training step, with a positive time, and changes no result", async () => {
  const plain = classifier();
  const expected = await losses(() => plain.train(plain.x, plain.y), 5);

  const { train, x, y } = classifier();
  const seen = await losses(() => train(x, y), 2);
  const before = device.stats();
  let loss: Tensor | null = null;
  const report = await profile(() => {
    loss = train(x, y);
    return loss;
  });
  const after = device.stats();
  assert.is(report.kernels.length, after.dispatches - before.dispatches);
  assert.ok(report.kernels.length > 0);
  for (const kernel of report.kernels) {
    assert.ok(isTime(kernel.microseconds), `${kernel.name}: ${kernel.microseconds} µs`);
    assert.match(kernel.wgsl, "@compute");
    assert.ok(kernel.bytes > 0 && kernel.workgroups[0] > 0 && kernel.ops.length > 0);
  }
  assert.ok(report.workspaceBytes >= report.liveBytes && report.liveBytes > 0);
  const sum = report.kernels.reduce((total, { microseconds }) => total + microseconds, 0);
  assert.ok(Math.abs(report.microseconds - sum) <= 1e-6 * sum);
  assert.is(String(report).split("\n").length, report.kernels.length);

  seen.push(await (loss as unknown as Tensor).item());
  seen.push(...(await losses(() => train(x, y), 2)));
  assert.equal(seen, expected);
});

test("profile times a compiled step, with warm-up and several runs", async () => {
  const plain = classifier();
  const expected = await losses(() => plain.train(plain.x, plain.y), 5);

  const { train, x, y } = classifier();
  const step = compile(train);
  const seen: Tensor[] = [];
  const run = (): Tensor => {
    const loss = step(x, y);
    seen.push(loss);
    return loss;
  };
  run();
  await synchronize(0);
  const before = device.stats().dispatches;
  const report = await profile(run, { warmup: 1, runs: 3 });
  assert.is(report.kernels.length, (device.stats().dispatches - before) / 4);
  assert.ok(report.kernels.every(({ microseconds }) => isTime(microseconds)));
  const values = await Promise.all(seen.map((loss) => loss.item()));
  assert.is(values.length, 5);
  values.forEach((value, i) => {
    assert.ok(Math.abs(value - (expected[i] as number)) <= 1e-6, `step ${i}: ${value}`);
  });
});

test("profile computes what the function returns, and lists nothing where nothing runs", async () => {
  const x = tensor([1, 2, 3]);
  const { kernels } = await profile(async () => ({ sums: [x.add(1).sum(), x.mul(2)] }));
  assert.ok(kernels.length >= 1 && kernels.length <= 2);
  assert.is((await profile(() => undefined)).kernels.length, 0);
});

test("profile says what is wrong, and works afterwards", async () => {
  assert.match(await rejection(profile(3 as unknown as () => void), Error), "must be a function, got 3");
  assert.match(
    await rejection(
      profile(() => undefined, { runs: 0 }),
      Error,
    ),
    "runs must be a whole number ≥ 1, got 0",
  );
  assert.match(
    await rejection(
      profile(() => {
        throw new Error("mine");
      }),
      Error,
    ),
    "mine",
  );
  const nested = rejection(
    profile(() => profile(() => undefined)),
    Error,
  );
  assert.match(await nested, "another profile is being taken");
  assert.is((await profile(() => tensor([1, 2]).exp())).kernels.length, 1);
});

test.run();
