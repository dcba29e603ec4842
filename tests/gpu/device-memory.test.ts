// What a device holds on to: nothing of a closed engine on a shared device, a bounded number of pipelines, a few bytes for reading.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { openGpu } from "#gpu";
import { init, nn, ones, optim, rand, type Tensor, tensor } from "../../src/index.ts";
import { failure } from "../support/failure.ts";

/** A device that counts the bytes of its living buffers, and what listens to it. */
async function counted(): Promise<{ device: GPUDevice; bytes: () => number; listeners: () => number }> {
  const adapter = await (await openGpu()).requestAdapter();
  if (adapter === null) throw new Error("there is no adapter");
  const device = await adapter.requestDevice();
  const alive = new Map<GPUBuffer, number>();
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    alive.set(buffer, descriptor.size);
    buffer.destroy = () => {
      alive.delete(buffer);
      return destroy();
    };
    return buffer;
  };
  const listening = new Set<unknown>();
  const [add, remove] = [device.addEventListener.bind(device), device.removeEventListener.bind(device)];
  device.addEventListener = ((...words: Parameters<typeof add>) => {
    listening.add(words[1]);
    return add(...words);
  }) as typeof device.addEventListener;
  device.removeEventListener = ((...words: Parameters<typeof remove>) => {
    listening.delete(words[1]);
    return remove(...words);
  }) as typeof device.removeEventListener;
  return {
    device,
    bytes: () => [...alive.values()].reduce((sum, size) => sum + size, 0),
    listeners: () => listening.size,
  };
}

test("a closed or replaced engine leaves nothing on a shared device", async () => {
  const { device, bytes, listeners } = await counted();
  const keep: Tensor[] = [];
  for (const close of [true, false, true]) {
    const engine = await init({ device, memoryLimit: 2 ** 28 });
    const model = new nn.Linear(200, 400);
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.1 });
    const loss = model
      .forward(ones([8, 200]))
      .square()
      .mean();
    loss.backward();
    optimizer.step();
    await loss.item();
    keep.push(loss, ...model.parameters());
    assert.ok(bytes() > 0);
    assert.is(listeners(), 1);
    const unread = rand([600]).exp().data();
    if (close) engine.destroy();
    else await init({ device, memoryLimit: 2 ** 27 });
    if (close) assert.ok((await failure(() => unread)) instanceof Error);
    else await unread.catch(() => undefined);
    assert.is(engine.stats().liveBytes, 0);
  }
  for (let i = 0; i < 50 && bytes() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(bytes(), 0);
  assert.is(listeners(), 0);
  assert.ok(keep.length > 0);
  device.destroy();
});

test("reads leave few bytes behind", async () => {
  const { device, bytes } = await counted();
  const engine = await init({ device });
  const x = rand([300_000]);
  await x.realize();
  await Promise.all(Array.from({ length: 60 }, () => x.data()));
  const { liveBytes, pooledBytes } = engine.stats();
  assert.ok(bytes() - liveBytes - pooledBytes <= 9 * 2 ** 20, `${bytes() - liveBytes - pooledBytes} bytes`);
  engine.destroy();
  device.destroy();
});

test("pipelines that have not been used for long go, those in use stay", async () => {
  const { device, bytes } = await counted();
  const engine = await init({ device });
  const used = (): Promise<number> => ones([2000]).mul(3).sum().item();
  const first = (): Promise<number> => ones([2001]).mul(3).sum().item();
  await first();
  await used();
  // A thousand pipelines take compilers minutes: one per layout stands for all.
  const compiled = new Map<unknown, Promise<GPUComputePipeline>>();
  const compile = device.createComputePipelineAsync.bind(device);
  device.createComputePipelineAsync = (descriptor) => {
    const known = compiled.get(descriptor.layout) ?? compile(descriptor);
    compiled.set(descriptor.layout, known);
    return known;
  };
  for (let n = 1; n <= 1400; n++) {
    await rand([n]).sum().item();
    if (n % 100 === 0) assert.is(await used(), 6000);
  }
  device.createComputePipelineAsync = compile;
  const { pipelines } = engine.stats();
  assert.is(await used(), 6000);
  assert.is(engine.stats().pipelines, pipelines);
  assert.is(await first(), 6003);
  assert.ok(engine.stats().pipelines > pipelines, `${pipelines} pipelines`);
  assert.ok(bytes() < 2 ** 26);
  engine.destroy();
  device.destroy();
});

test("what was prepared for graphs goes with them, also where they share their pipelines", async () => {
  const { device, bytes } = await counted();
  const engine = await init({ device });
  const x = rand([64 * 1100]);
  await x.realize();
  const after: number[] = [];
  for (let n = 0; n < 1100; n++) {
    await x
      .narrow(0, 64 * n, 64)
      .mul(tensor(3))
      .sum()
      .item();
    if (n === 599 || n === 1099) after.push(bytes());
  }
  assert.ok(engine.stats().pipelines < 10, `${engine.stats().pipelines} pipelines`);
  assert.is(after[1], after[0]);
  engine.destroy();
  device.destroy();
});

test.run();
