// memoryLimit: a step that wouldn't fit computes values again, with the same result; one that can't fit says how much is missing.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { OutOfMemoryError, StaleTensorError } from "../../src/base/errors.ts";
import { dropout, init, manualSeed, nn, optim, randn, realize, type Tensor, zeros } from "../../src/index.ts";
import { failure } from "../support/failure.ts";

const LAYERS = 6;

/** A deep network whose activations are what costs; returns the losses of three steps. */
async function train(rows: number): Promise<number[]> {
  manualSeed(2);
  const layers = Array.from({ length: LAYERS }, () => new nn.Linear(32, 32));
  const optimizer = new optim.SGD(
    layers.flatMap((layer) => [...layer.parameters()]),
    { lr: 0.1 },
  );
  const x = randn([rows, 32]);
  await x.realize();
  const losses: Tensor[] = [];
  for (let i = 0; i < 3; i++) {
    optimizer.zeroGrad();
    let h = x;
    for (const layer of layers) h = dropout(layer.forward(h).tanh(), 0.1);
    const loss = h.square().mean();
    loss.backward();
    optimizer.step();
    losses.push(loss);
  }
  return Promise.all(losses.map((loss) => loss.item()));
}

test("a limit makes the plan compute values again", async () => {
  const rows = 4096;
  const free = await init({ memoryLimit: 2 ** 31 });
  const plain = await train(rows);
  const { liveBytes } = free.stats();
  const activation = rows * 32 * 4;
  const memoryLimit = Math.ceil(liveBytes - 8 * activation);
  const tight = await init({ memoryLimit });
  const losses = await train(rows);
  assert.ok(tight.stats().peakBytes <= memoryLimit, `${tight.stats().peakBytes} of ${memoryLimit}`);
  plain.forEach((loss, i) => {
    assert.ok(Math.abs((losses[i] as number) - loss) <= 1e-5 * loss, `step ${i}: ${losses[i]} for ${loss}`);
  });
});

test("what can't fit rejects with the number of bytes missing, and the device goes on", async () => {
  const device = await init({ memoryLimit: 3 * 2 ** 20 });
  const error = await train(4096).then(
    () => null,
    (e: Error) => e,
  );
  assert.instance(error, OutOfMemoryError);
  assert.match(error?.message ?? "", /\b\d+ bytes are missing/);
  assert.match(error?.message ?? "", /memoryLimit/);
  assert.is((await train(64)).length, 3);
  assert.ok(device.stats().peakBytes <= 3 * 2 ** 20);
});

test("an old value that memory has no room for names its parameter", async () => {
  const limit = 8 << 20;
  const device = await init({ memoryLimit: limit });
  class Net extends nn.Module {
    readonly fc1 = new nn.Linear(512, 512, { bias: false });
  }
  const net = new Net();
  const optimizer = new optim.SGD(net.parameters(), { lr: 1 });
  nn.init.zeros(net.fc1.weight);
  const means: Tensor[] = [];
  for (let i = 0; i < 3; i++) {
    optimizer.zeroGrad();
    net.fc1.weight.sum().backward();
    means.push(net.fc1.weight.mul(2).mean(0));
    optimizer.step();
  }
  await zeros([]).add(1).item();
  const filler = zeros([Math.floor((limit - device.stats().liveBytes - (3 << 18)) / 4)]).add(1);
  await filler.realize();
  const error = await failure(() => (means[1] as Tensor).mean().item());
  assert.instance(error, StaleTensorError);
  assert.match(error.message, /"fc1\.weight" of shape \[512, 512\].*memoryLimit leaves no room/);
  filler.dispose();
  await realize(net.fc1.weight);
  assert.equal(await Promise.all(means.map((x) => x.mean().item())), [0, -2, -4]);
});

test("an old value that is read itself names its parameter, the step that overwrote it and the line that reads it", async () => {
  const limit = 8 << 20;
  const device = await init({ memoryLimit: limit });
  const net = new nn.Sequential(new nn.Linear(512, 256, { bias: false }));
  const [weight] = net.parameters() as [Tensor];
  const optimizer = new optim.SGD(net.parameters(), { lr: 1 });
  nn.init.zeros(weight);
  const olds: Tensor[] = [];
  for (let i = 0; i < 4; i++) {
    optimizer.zeroGrad();
    weight.sum().backward();
    const old = weight.detach();
    // Used by something, it has its bytes where the parameter has them.
    await old.sum().item();
    olds.push(old);
    optimizer.step();
  }
  const fillers: Tensor[] = [];
  while (limit - device.stats().liveBytes > 3 << 17) {
    const filler = zeros([1 << 16]).add(1);
    await filler.realize();
    fillers.push(filler);
  }
  const error = await failure(() => (olds[2] as Tensor).data());
  assert.instance(error, StaleTensorError);
  assert.match(error.message, /"0\.weight" of shape \[256, 512\] was overwritten .* no room for it: out of memory: /);
  // In a page, this file and wgrad are one bundle: there are no lines outside of it.
  if (globalThis.process !== undefined) {
    const here = String.raw`\S*memory-limit\.test\.ts:\d+:\d+`;
    assert.match(error.message, new RegExp(String.raw`was overwritten .* at ${here}, .*It is read at ${here}\.`));
  }
  for (const filler of fillers) filler.dispose();
  const firsts = await Promise.all(olds.map(async (x) => (await x.data())[0]));
  assert.equal(firsts, [0, -1, -2, -3]);
});

test("what memory had no room for is computed when it is read again and there is room", async () => {
  const limit = 8 << 20;
  const device = await init({ memoryLimit: limit });
  const x = zeros([1 << 18]).add(1);
  await x.realize();
  const y = x.mul(2);
  const z = y.detach();
  const filler = zeros([Math.floor((limit - device.stats().liveBytes - (3 << 18)) / 4)]).add(1);
  await filler.realize();
  for (const value of [y, z]) assert.instance(await failure(() => value.data()), OutOfMemoryError);
  filler.dispose();
  assert.equal([(await y.data())[5], (await z.data())[5]], [2, 2]);
});

test.run();
