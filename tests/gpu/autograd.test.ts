// Autograd on the device: checkpoints, and what a hostile reader of the contract would try.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  checkGradients,
  checkpoint,
  compile,
  init,
  manualSeed,
  nn,
  optim,
  randn,
  scope,
  type Tensor,
  tensor,
} from "../../src/index.ts";

const device = await init();

/** Trains a residual network with dropout; returns the losses and the most memory that was taken. */
async function residual(wrapped: boolean, compiled: boolean): Promise<{ losses: number[]; bytes: number }> {
  manualSeed(3);
  const blocks = Array.from(
    { length: 4 },
    () => new nn.Sequential(new nn.Linear(32, 128), new nn.GELU(), new nn.Dropout(0.2), new nn.Linear(128, 32)),
  );
  const optimizer = new optim.SGD(
    blocks.flatMap((b) => [...b.parameters()]),
    { lr: 0.05, momentum: 0.9 },
  );
  const x = randn([256, 32]);
  const y = tensor(new Float32Array(256 * 32).fill(0.1), { shape: [256, 32] });
  const train = (input: Tensor, target: Tensor): Tensor => {
    optimizer.zeroGrad();
    let h = input;
    for (const block of blocks) h = h.add(wrapped ? checkpoint((t: Tensor) => block.forward(t), h) : block.forward(h));
    const loss = h.sub(target).square().mean();
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = compiled ? compile(train) : train;
  const losses: number[] = [];
  for (let i = 0; i < 3; i++) losses.push(await step(x, y).item());
  return { losses, bytes: device.stats().liveBytes };
}

test("training with checkpoints gives the same losses, plainly and compiled, in less memory", async () => {
  // The workspace only grows: the frugal ones first.
  const frugal = await residual(true, false);
  const replayed = await residual(true, true);
  const plain = await residual(false, false);
  plain.losses.forEach((loss, i) => {
    for (const other of [frugal, replayed]) {
      const error = Math.abs((other.losses[i] as number) - loss);
      assert.ok(error <= 1e-5 * loss, `step ${i}: ${other.losses[i]} against ${loss}`);
    }
  });
  // Three of four blocks' two activations of 256 × 128 each are not kept.
  assert.ok(plain.bytes - frugal.bytes >= 3 * 256 * 128 * 4, `${frugal.bytes} against ${plain.bytes} bytes`);
});

/** A step of two layers, with one optimizer for both or one each, perhaps inside a scope. */
async function twoLayers(apart: boolean, scoped: boolean): Promise<number[]> {
  manualSeed(4);
  const [first, second] = [new nn.Linear(3, 5), new nn.Linear(5, 2)];
  const groups = apart ? [first.parameters(), second.parameters()] : [[...first.parameters(), ...second.parameters()]];
  const optimizers = groups.map((params) => new optim.SGD(params, { lr: 0.1, momentum: 0.5 }));
  const x = randn([4, 3]);
  await x.realize();
  const train = (): Tensor => {
    for (const optimizer of optimizers) optimizer.zeroGrad();
    const loss = second.forward(first.forward(x)).square().mean();
    loss.backward();
    nn.utils.clipGradNorm([...first.parameters(), ...second.parameters()], 0.5);
    for (const optimizer of optimizers) optimizer.step();
    return loss;
  };
  const losses: number[] = [];
  for (let i = 0; i < 3; i++) losses.push(await (scoped ? scope(train) : train()).item());
  return losses;
}

test("several optimizers step after one backward, and a scope takes nothing that others own", async () => {
  const together = await twoLayers(false, false);
  for (const other of [await twoLayers(true, false), await twoLayers(true, true)])
    together.forEach((loss, i) => {
      assert.ok(Math.abs((other[i] as number) - loss) <= 1e-5 * loss, `step ${i}: ${other[i]} for ${loss}`);
    });
});

test("checkGradients finds wrong gradients, and none where they are right", async () => {
  const x = tensor([0.3, -0.7]);
  const right = await checkGradients((a: Tensor, b: Tensor) => a.sin().mul(b).sum(), [x, tensor([2, 3])]);
  assert.ok(right.ok && right.inputs.length === 2, `${right.maxError}`);
  const wrong = await checkGradients((a: Tensor) => a.mul(a.detach()).sum(), [x]);
  assert.is(wrong.ok, false);
  assert.is((await checkGradients(() => tensor(1), [x])).maxError, 0);
  const message = async (run: () => Promise<unknown>) => run().then(String, (e: Error) => e.message);
  assert.match(
    await message(() => checkGradients((a: Tensor) => a.sin(), [x])),
    /scalar tensor, got a tensor f32\[2\]/,
  );
  assert.match(
    await message(() => checkGradients((a: Tensor) => a.sum(), x as never)),
    /inputs must be a list of tensors/,
  );
  assert.match(
    await message(() => checkGradients((a: Tensor) => a.sum(), [x.to("i32")])),
    /inputs must be f32, got i32/,
  );
  assert.match(await message(() => init({ memorylimit: 3 } as never)), /init: unknown option "memorylimit"/);
});

test.run();
