// A lost device: what lived there is gone and says so, until it is given new values; then training goes on.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DeviceLostError } from "../../src/base/errors.ts";
import { Arena, compile, init, io, manualSeed, nn, ones, optim, type Tensor, tensor } from "../../src/index.ts";
import { failure } from "../support/failure.ts";

const x = tensor(
  Float32Array.from({ length: 160 }, (_, i) => Math.sin(i)),
  { shape: [8, 20] },
);

async function lose(): Promise<void> {
  const device = await init();
  device.gpu.destroy();
  await device.gpu.lost;
  assert.instance(await failure(() => ones([3]).add(1).data()), DeviceLostError);
  await init();
}

for (const compiled of [false, true]) {
  test(`a checkpoint loads into the ${compiled ? "compiled " : ""}model and the optimizer that lost their values`, async () => {
    await init({ seed: 1 });
    const model = new nn.Sequential(new nn.Linear(20, 20), new nn.BatchNorm1d(20), new nn.Linear(20, 1));
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.1 });
    const body = (input: Tensor): Tensor => {
      optimizer.zeroGrad();
      const loss = model.forward(input).square().mean();
      loss.backward();
      optimizer.step();
      return loss;
    };
    const step = compiled ? compile(body) : body;
    const train = async (count: number): Promise<number[]> => {
      const losses: number[] = [];
      for (let i = 0; i < count; i++) losses.push(await step(x).item());
      return losses;
    };
    await train(3);
    const saved = await io.toCheckpoint({ model, optimizer });
    const expected = await train(3);
    await lose();
    assert.instance(await failure(() => train(1)), DeviceLostError);
    assert.instance(await failure(() => model.forward(x).data()), DeviceLostError);
    const checkpoint = (await io.fromCheckpoint(saved)) as { model: nn.StateDict; optimizer: optim.OptimizerStateDict };
    model.loadStateDict(checkpoint.model);
    // Without its state the optimizer can't go on, and says so.
    assert.instance(await failure(() => train(1)), DeviceLostError);
    optimizer.loadStateDict(checkpoint.optimizer);
    model.loadStateDict(checkpoint.model);
    assert.equal(await train(3), expected);
  });
}

test("a model without an optimizer loads its state", async () => {
  manualSeed(2);
  const model = new nn.Linear(3, 1);
  const before = await model.forward(ones([1, 3])).data();
  const saved = await io.toSafetensors(model.stateDict());
  await lose();
  model.loadStateDict(io.fromSafetensors(saved));
  assert.equal(await model.forward(ones([1, 3])).data(), before);
  assert.equal(await model.forward(ones([1, 3])).data(), before);
});

test("tensors of a lost arena come back one by one, the others are still lost", async () => {
  const tensors = [tensor([1, 2]), tensor([3, 4]), tensor([5])];
  const arena = new Arena(tensors);
  const [a, b, c] = tensors as [Tensor, Tensor, Tensor];
  arena.flat.assign(arena.flat.mul(2));
  assert.equal(await a.tolist(), [2, 4]);
  await lose();
  b.assign(tensor([7, 8]));
  assert.equal(await b.tolist(), [7, 8]);
  assert.equal(await b.add(1).tolist(), [8, 9]);
  for (const call of [() => a.tolist(), () => c.add(1).tolist(), () => arena.flat.add(1).data()])
    assert.instance(await failure(call), DeviceLostError);
  arena.flat.assign(ones([arena.flat.numel]));
  assert.equal(await c.tolist(), [1]);
});

test("state that nobody has written survives as what it was", async () => {
  const weight = ones([300], { requiresGrad: true });
  const optimizer = new optim.SGD([weight], { lr: 0.5, momentum: 0.9 });
  await lose();
  weight.assign(ones([300]));
  const loss = weight.sum();
  loss.backward();
  optimizer.step();
  assert.is(await loss.item(), 300);
  assert.is(await weight.sum().item(), 150);
});

test("a value that can't be computed takes no other assignment with it", async () => {
  const lostOne = ones([300]).mul(2);
  await lostOne.realize();
  const other = tensor([1, 2]);
  await lose();
  assert.instance(await failure(() => lostOne.data()), DeviceLostError);
  other.assign(tensor([5, 6]));
  assert.instance(await failure(() => lostOne.add(1).data()), DeviceLostError);
  assert.equal(await other.tolist(), [5, 6]);
});

test.run();
