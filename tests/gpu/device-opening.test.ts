// Opening: what a failed one leaves as it was, which device several calls get, what keeps the open one, what can't be opened.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { openGpu } from "#gpu";
import { DeviceLostError } from "../../src/base/errors.ts";
import { Arena, compile, currentDevice, init, manualSeed, nn, ones, optim, tensor } from "../../src/index.ts";
import { failure, rejection } from "../support/failure.ts";

const gpu = await openGpu();

/** Runs `run` while there is no adapter. */
async function withoutAdapter<T>(run: () => Promise<T>): Promise<T> {
  const given = gpu.requestAdapter;
  gpu.requestAdapter = async () => null;
  try {
    return await run();
  } finally {
    gpu.requestAdapter = given;
  }
}

async function ownDevice(): Promise<GPUDevice> {
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error("there is no adapter");
  return adapter.requestDevice();
}

const untyped = (value: unknown): never => value as never;

// These come first: no device has been opened yet.
const lost = await withoutAdapter(async () => {
  const twice = tensor([1, 2]).mul(2);
  assert.instance(await failure(() => twice.tolist()), DeviceLostError);
  const assigned = tensor([1, 2]);
  assigned.assign(assigned.mul(2));
  assert.instance(await failure(() => assigned.tolist()), DeviceLostError);
  manualSeed(1);
  const model = new nn.Linear(2, 2);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
  const loss = model.forward(ones([1, 2])).sum();
  loss.backward();
  optimizer.step();
  assert.instance(await failure(() => loss.item()), DeviceLostError);
  const compiled = new nn.Linear(2, 2);
  const rate = new optim.SGD(compiled.parameters(), { lr: 0.1 });
  const step = compile(() => {
    rate.zeroGrad();
    const sum = compiled.forward(ones([1, 2])).sum();
    sum.backward();
    rate.step();
    return sum;
  });
  const first = step();
  assert.instance(await failure(() => first.item()), DeviceLostError);
  const kept = tensor([3, 4]);
  const arena = new Arena([kept]);
  arena.flat.assign(arena.flat.mul(2));
  assert.instance(await failure(() => kept.tolist()), DeviceLostError);
  return { twice, assigned, model, optimizer, loss, compiled, step, first, kept };
});

test("what could not be computed for want of an adapter rejects, and is no zeros", async () => {
  assert.instance(await failure(() => lost.twice.tolist()), DeviceLostError);
  assert.instance(await failure(() => lost.loss.item()), DeviceLostError);
  assert.instance(await failure(() => lost.first.item()), DeviceLostError);
  assert.equal(await lost.assigned.tolist(), [1, 2]);
  assert.equal(await lost.kept.tolist(), [3, 4]);
});

test("the model has its values, and training goes on from there", async () => {
  // A compiled step before anything was read: it must find its parameters, too.
  const first = await lost.step().item();
  manualSeed(1);
  const [fresh, other] = [new nn.Linear(2, 2), new nn.Linear(2, 2)];
  assert.equal(await lost.model.weight.tolist(), await fresh.weight.tolist());
  assert.equal(await lost.model.bias?.tolist(), await fresh.bias?.tolist());
  assert.is(
    first,
    await other
      .forward(ones([1, 2]))
      .sum()
      .item(),
  );
  lost.optimizer.zeroGrad();
  const loss = lost.model.forward(ones([1, 2])).sum();
  loss.backward();
  lost.optimizer.step();
  assert.is(
    await loss.item(),
    await fresh
      .forward(ones([1, 2]))
      .sum()
      .item(),
  );
  assert.equal(
    await lost.model.weight.data(),
    (await fresh.weight.data()).map((w) => Math.fround(w - Math.fround(0.1))),
  );
});

test("what was recorded for a first device and disposed of meanwhile is computed", async () => {
  const device = await init();
  device.destroy();
  const opened = init();
  const doubled = tensor([1, 2]).mul(2);
  const computed = doubled.realize();
  const next = doubled.add(1);
  const read = next.tolist();
  doubled.dispose();
  await opened;
  await computed;
  assert.equal(await read, [3, 5]);
});

test("a seed alone, or the device in use, keeps the open device and its tensors", async () => {
  const own = await ownDevice();
  const shared = await init({ device: own });
  const x = ones([600]).mul(2);
  await x.realize();
  assert.is(await init({}), shared);
  assert.is(await init({ seed: 3 }), shared);
  assert.is(await init({ seed: untyped(undefined), memoryLimit: untyped(undefined) }), shared);
  assert.is(await init({ device: own }), shared);
  assert.is(await x.sum().item(), 1200);
  await init({ gpu });
  own.destroy();
});

test("of several openings at once the last one's device is used, the others are closed and say so", async () => {
  const [a, b] = await Promise.all([init({ seed: 1 }), init({ seed: 1 })]);
  assert.is(a, b);
  const own = await ownDevice();
  const [c, d] = await Promise.all([init({ device: own }), init({ device: own })]);
  assert.is(c, d);
  const waiting = ones([2]).mul(2);
  const [first, second] = await Promise.all([init({ gpu }), init({ gpu })]);
  assert.is.not(first, second);
  assert.is(currentDevice(), second);
  assert.match(first.failure?.message ?? "", /replaced.*init\(\)/);
  assert.is(second.failure, null);
  assert.equal(await waiting.tolist(), [2, 2]);
  own.destroy();
});

test("an opening that fails leaves the device of the one before it", async () => {
  const kept = ones([600]).mul(2);
  const none = { requestAdapter: async () => null } as unknown as GPU;
  const [first, second] = await Promise.allSettled([init({ gpu }), init({ gpu: none }), kept.data()]);
  if (first.status !== "fulfilled") throw new Error("the first opening failed");
  assert.is(second.status, "rejected");
  assert.is(first.value.failure, null);
  assert.is(currentDevice(), first.value);
  assert.is(await ones([3]).mul(2).sum().item(), 6);
});

test("what can't be used as a device rejects with words that help", async () => {
  const own = await ownDevice();
  own.destroy();
  assert.match(await rejection(init({ device: own }), DeviceLostError), /^init: the device that was given is lost/);
  for (const [device, words] of [
    [null, /^init: device must be a GPUDevice, got null.*requestDevice/],
    [5, /^init: device must be a GPUDevice, got 5/],
    [{}, /^init: device must be a GPUDevice, got an object/],
    [ownDevice(), /^init: device must be a GPUDevice, got a Promise.*await it first/],
  ] as const)
    assert.match(await rejection(init({ device: untyped(device) }), TypeError), words);
  for (const given of [null, {}])
    assert.match(await rejection(init({ gpu: untyped(given) }), TypeError), /^init: gpu must be a GPU object/);
  const adapter = await gpu.requestAdapter();
  const refusing = {
    requestAdapter: async () => ({
      features: adapter?.features,
      limits: adapter?.limits,
      requestDevice: async () => {
        throw new Error("no more devices");
      },
    }),
  };
  const message = await rejection(init({ gpu: untyped(refusing) }), DeviceLostError);
  assert.match(message, /^init: .*no more devices/);
  const page = globalThis.process === undefined;
  const nothing = await rejection(init({ gpu: untyped({ requestAdapter: async () => null }) }), DeviceLostError);
  assert.match(nothing, page ? /chrome:\/\/gpu/ : /driver/);
  if (page) assert.not.match(nothing, /mesa|apt-get/);
  assert.is(await ones([3]).mul(2).sum().item(), 6);
});

test.run();
