// Jobs that fail while others wait behind them: what was written before stays, what comes later is right or says why not.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { OutOfMemoryError, ShaderError } from "../../src/base/errors.ts";
import { add, init, nn, noGrad, optim, rand, randn, type Tensor, tensor } from "../../src/index.ts";
import { broken, misbehaviour } from "../support/failing-program.ts";
import { failure } from "../support/failure.ts";

const LIMIT = 4 << 20;

/** Two parameters of one optimizer, which have values on the device. */
async function trained(): Promise<{ p: Tensor; q: Tensor; optimizer: optim.SGD }> {
  const [p, q] = [nn.parameter(tensor([1, 2])), nn.parameter(tensor([3, 4]))];
  const optimizer = new optim.SGD([p, q], { lr: 0.5 });
  await q.realize();
  return { p, q, optimizer };
}

/** Waits until the compiler has refused what was asked for, and hears of what nobody else reads. */
async function refused(): Promise<void> {
  assert.instance(await failure(() => broken(tensor([1])).data()), ShaderError);
  const heard = (): Promise<unknown> => tensor([1]).mul(2).data();
  for (let i = 0; i < 3; i++) await heard().catch(() => undefined);
}

test("an old value that a refused run should have saved is lost, and never zeros", async () => {
  await init();
  for (const waits of [true, false]) {
    const { p, q } = await trained();
    const old = noGrad(() => q.abs().mul(3));
    // So many runs wait that this one is submitted before the compiler has answered.
    for (const fine of [tensor([1]), tensor([2])]) void fine.assign(fine.tanh().add(fine)).realize();
    noGrad(() => q.assign(broken(p)));
    void q.realize();
    if (waits) await refused();
    for (let i = 0; i < 2; i++) assert.instance(await failure(() => old.data()), ShaderError);
    await refused();
    assert.equal(
      [await q.tolist(), await p.tolist()],
      [
        [3, 4],
        [1, 2],
      ],
    );
  }
});

test("a refused run is repeated in vain: its value is lost, the present ones are there", async () => {
  await init();
  const { p, q } = await trained();
  const c = tensor([5, 6]);
  const older = noGrad(() => p.sin().mul(3));
  noGrad(() => {
    p.assign(p.mul(2));
    c.assign(broken(p));
  });
  void c.realize();
  const old = noGrad(() => p.cos().mul(3));
  noGrad(() => p.assign(p.tanh().add(p)));
  void p.realize();
  await refused();
  for (const x of [older, old]) assert.instance(await failure(() => x.data()), ShaderError);
  await refused();
  assert.equal(
    [await c.tolist(), await q.tolist()],
    [
      [5, 6],
      [3, 4],
    ],
  );
  const [one = 0, two = 0] = await p.data();
  assert.ok(Math.abs(one - 1 - Math.tanh(1)) < 1e-5 && Math.abs(two - 2 - Math.tanh(2)) < 1e-5);
});

test("a step takes no small results along that have lost what they are made of", async () => {
  await init();
  const { p, q, optimizer } = await trained();
  const accuracy = noGrad(() => q.mul(3));
  noGrad(() => q.assign(broken(p)));
  void q.realize();
  await refused();
  add(p.sum(), q.sum()).backward();
  optimizer.step();
  assert.equal(
    [await p.tolist(), await q.tolist()],
    [
      [0.5, 1.5],
      [2.5, 3.5],
    ],
  );
  assert.instance(await failure(() => accuracy.data()), ShaderError);
});

test("weights as they were drawn survive a first run that fails", async () => {
  await init({ memoryLimit: LIMIT });
  for (const [kind, run] of [
    [
      OutOfMemoryError,
      (m: nn.Linear) =>
        m
          .forward(randn([1 << 17, 32]))
          .tanh()
          .sum(),
    ],
    [ShaderError, (m: nn.Linear) => broken(m.forward(randn([8, 32]))).sum()],
  ] as const) {
    const model = new nn.Linear(32, 8);
    assert.instance(await failure(() => run(model).item()), kind);
    assert.ok(
      Number.isFinite(
        await model
          .forward(randn([8, 32]))
          .sum()
          .item(),
      ),
    );
    const weights = await model.weight.data();
    assert.ok(weights.every((x) => Math.abs(x) <= 1 / Math.sqrt(32)) && weights.some((x) => x !== 0));
  }
  // A value of its own that cannot be computed is lost; the next one is not.
  const t = noGrad(() => rand([3]).add(1));
  t.assign(
    rand([1 << 20])
      .sort()
      .values.slice([0, 3]),
  );
  assert.instance(await failure(() => t.data()), OutOfMemoryError);
  t.assign(tensor([1, 2, 3]));
  assert.equal(await t.tolist(), [1, 2, 3]);
});

test("programs some of whose jobs fail", async () => {
  await init();
  for (let seed = 200; seed < 225; seed++) assert.equal(await misbehaviour(seed, null), []);
  await init({ memoryLimit: LIMIT });
  for (let seed = 300; seed < 315; seed++) assert.equal(await misbehaviour(seed, LIMIT), []);
});

test.run();
