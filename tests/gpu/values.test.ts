// A tensor is a value: what was recorded from it sees the value that it had then, whatever happens afterwards.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DisposedTensorError } from "../../src/base/errors.ts";
import {
  amp,
  compile,
  crossEntropy,
  type Device,
  grad,
  init,
  manualSeed,
  nn,
  noGrad,
  optim,
  rand,
  randn,
  realize,
  synchronize,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.ts";
import { failure } from "../support/failure.ts";

let device: Device;
test.before(async () => {
  device = await init({ seed: 1 });
});

const submitsOf = async (run: () => unknown): Promise<number> => {
  const before = device.stats().submits;
  await run();
  return device.stats().submits - before;
};

test("dispose gives up a handle, not what was recorded from it", async () => {
  const a = tensor([1, 2]);
  const b = a.mul(2).sum();
  const other = a.detach();
  a.dispose();
  assert.is(await b.item(), 6);
  assert.equal(await other.tolist(), [1, 2]);
  const [t, n] = [zeros([2]), tensor([5, 6])];
  t.assign(n);
  n.dispose();
  assert.equal(await t.tolist(), [5, 6]);
  const [x, w] = [tensor([1, 2]), tensor([1, 1], { requiresGrad: true })];
  x.mul(w).sum().backward();
  const optimizer = new optim.SGD([w], { lr: 1 });
  x.dispose();
  optimizer.step();
  assert.equal(await w.tolist(), [0, -1]);
  assert.instance(await failure(() => a.data()), DisposedTensorError);
});

test("parameters of one optimizer are assigned together, in one submit", async () => {
  const [p, q] = [nn.parameter(tensor([1, 2])), nn.parameter(tensor([10, 20]))];
  const optimizer = new optim.SGD([p, q], { lr: 0.1 });
  const [u, v] = [p.add(q), q.sub(p)];
  await realize(p, q);
  p.assign(u);
  q.assign(v);
  const submits = await submitsOf(async () => assert.equal(await q.tolist(), [9, 18]));
  assert.is(submits, 1);
  assert.equal(await p.tolist(), [11, 22]);
  p.sum().backward();
  q.assign(tensor([7, 7]));
  optimizer.step();
  p.assign(p.mul(10));
  assert.equal(
    [await p.tolist(), await q.tolist()],
    [
      [109, 219],
      [7, 7],
    ],
  );
});

test("a state dict of the model itself can be loaded after a step", async () => {
  const model = new nn.Linear(2, 2);
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.1 });
  model
    .forward(tensor([[1, 2]]))
    .sum()
    .backward();
  optimizer.step();
  const weight = await model.weight.tolist();
  model.loadStateDict(model.stateDict());
  assert.equal(await model.weight.tolist(), weight);
});

test("an assignment that fails leaves everything as it was", async () => {
  const [t, other] = [tensor([1, 2]), tensor([3])];
  other.assign(4);
  assert.throws(() => t.assign(tensor([1, 2, 3])), /broadcast/);
  assert.equal([await t.tolist(), await other.tolist()], [[1, 2], [4]]);
});

test("spectral norm's vector is assigned, used and read before the step", async () => {
  manualSeed(2);
  const w = nn.parameter(randn([3, 3]));
  const s = tensor([1, 0, 0]);
  const optimizer = new optim.SGD([w], { lr: 0.1 });
  const losses: number[][] = [];
  for (const early of [true, false]) {
    w.assign(tensor([1, 2, 3, 4, 5, 6, 7, 8, 10]).reshape([3, 3]));
    s.assign(tensor([1, 0, 0]));
    const found: number[] = [];
    for (let i = 0; i < 3; i++) {
      optimizer.zeroGrad();
      const un = noGrad(() => w.mv(s).normalize({ dim: 0 }));
      s.assign(un);
      const loss = un.dot(w.mv(un));
      loss.backward();
      if (early) await loss.item();
      optimizer.step();
      found.push(await loss.item());
    }
    losses.push(found);
  }
  assert.equal(losses[0], losses[1]);
});

test("gradients through values from before a step are added, for any number of parameters", async () => {
  for (const count of [1, 2]) {
    const [w, v] = [nn.parameter(tensor([1, 2])), nn.parameter(tensor([3, 4]))];
    const optimizer = new optim.SGD([w, v].slice(0, count), { lr: 0.1 });
    const [first, second] = [w.mul(v).sum(), w.mul(w).sum()];
    first.backward();
    optimizer.step();
    second.backward();
    const found = await (w.grad as Tensor).tolist();
    assert.equal(found, [5, 8]);
    assert.equal((await (grad(second, [w])[0] as Tensor).tolist()) as number[], [2, 4]);
  }
});

test("outputs collected over many steps are read at the end", async () => {
  const run = async (late: boolean, steps: number): Promise<number[]> => {
    manualSeed(3);
    const model = new nn.Sequential(new nn.Linear(2, 3), new nn.BatchNorm1d(3), new nn.Tanh(), new nn.Linear(3, 1));
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.05 });
    const outputs: Tensor[] = [];
    const found: number[] = [];
    for (let i = 0; i < steps; i++) {
      optimizer.zeroGrad();
      const out = model.forward(
        tensor([
          [i, 1],
          [1, 2],
          [0.5, -i],
        ] as number[][]),
      );
      out.square().mean().backward();
      if (!late) found.push(await out.sum().item());
      optimizer.step();
      if (late) outputs.push(out);
    }
    if (late) for (const out of outputs) found.push(await out.sum().item());
    return found;
  };
  const steps = 70;
  const [late, early] = [await run(true, steps), await run(false, steps)];
  for (let i = 0; i < steps; i++) {
    const [a, b] = [late[i] as number, early[i] as number];
    assert.ok(Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(b)), `step ${i}: ${a}, must be ${b}`);
  }
});

test("old values are right where memory is limited", async () => {
  const old = await init({ memoryLimit: 8 << 20 });
  device = old;
  const w = nn.parameter(zeros([256, 256]));
  const optimizer = new optim.SGD([w], { lr: 1 });
  const sums: Tensor[] = [];
  for (let i = 0; i < 6; i++) {
    optimizer.zeroGrad();
    const total = w.sum();
    total.backward();
    sums.push(w.mul(2).mean().add(1));
    optimizer.step();
    await synchronize(0);
  }
  const found: number[] = [];
  for (const x of sums) found.push(await x.item());
  assert.equal(found, [1, -1, -3, -5, -7, -9]);
  device = await init({ powerPreference: "high-performance" });
});

test("a plain loop runs in constant memory, awaited or not", async () => {
  for (const waits of [true, false]) {
    const model = new nn.Sequential(new nn.Linear(16, 64), new nn.ReLU(), new nn.Linear(64, 4));
    const optimizer = new optim.Adam(model.parameters());
    const step = async (): Promise<void> => {
      optimizer.zeroGrad();
      const loss = crossEntropy(
        model.forward(tensor(new Float32Array(8 * 16).fill(0.5), { shape: [8, 16] })),
        zeros([8], { dtype: "i32" }),
      );
      loss.backward();
      optimizer.step();
      if (waits) await loss.item();
    };
    for (let i = 0; i < 20; i++) await step();
    await synchronize(0);
    const { liveBytes } = device.stats();
    for (let i = 0; i < 100; i++) await step();
    await synchronize(0);
    assert.ok(device.stats().liveBytes <= liveBytes + 65536, `${device.stats().liveBytes} of ${liveBytes}`);
  }
});

test("a value that is needed again is kept", async () => {
  const cell = new nn.RNNCell(4, 4);
  const x = tensor([[1, 2, 3, 4]]);
  let h = zeros([1, 4]);
  const dispatches: number[] = [];
  for (let i = 0; i < 8; i++) {
    const before = device.stats().dispatches;
    h = cell.forward(x, h);
    await h.sum().item();
    dispatches.push(device.stats().dispatches - before);
  }
  assert.is(dispatches[7], dispatches[3], String(dispatches));
  manualSeed(4);
  const noise = randn([64]);
  await noise.sum().item();
  await noise.mean().item();
  const before = device.stats().dispatches;
  await noise.mul(2).sum().item();
  assert.is(device.stats().dispatches - before, 1);
});

test("a compiled step lets go of arguments that were computed for it", async () => {
  device = await init({ memoryLimit: 32 << 20 });
  const w = nn.parameter(zeros([1024]));
  const optimizer = new optim.SGD([w], { lr: 0.1 });
  const step = compile((x: Tensor) => {
    optimizer.zeroGrad();
    const loss = x.mul(w).sum().add(w.square().sum());
    loss.backward();
    optimizer.step();
    return loss;
  });
  let loss: Tensor | null = null;
  for (let i = 0; i < 50; i++) loss = step(rand([256, 1024]).mul(2).sub(1));
  assert.ok(Number.isFinite(await (loss as unknown as Tensor).item()));
  const x = tensor([1, 2]).mul(3);
  const double = compile((y: Tensor) => y.mul(2));
  assert.equal(
    [await double(x).tolist(), await double(x).tolist(), await x.tolist()],
    [
      [6, 12],
      [6, 12],
      [3, 6],
    ],
  );
  device = await init({ powerPreference: "high-performance" });
});

test("a compiled step assigns to its arguments and leaves what was recorded before alone", async () => {
  const state = tensor([1, 2]);
  const before = state.mul(10);
  const step = compile((x: Tensor, y: Tensor) => {
    x.assign(x.add(y));
    return before;
  });
  const found = step(state, tensor([1, 1]));
  step(state, tensor([1, 1]));
  assert.equal(
    [await state.tolist(), await found.tolist(), await before.tolist()],
    [
      [3, 4],
      [10, 20],
      [10, 20],
    ],
  );
});

test("the norm before clipping can be read after the step, with a GradScaler too", async () => {
  const w = nn.parameter(tensor([3, 4]));
  const optimizer = new optim.SGD([w], { lr: 0.1 });
  const scaler = new amp.GradScaler({ initScale: 8 });
  scaler.scale(w.square().sum()).backward();
  scaler.unscale_(optimizer);
  const norm = nn.utils.clipGradNorm([w], 1);
  scaler.step(optimizer);
  scaler.update();
  assert.is(await norm.item(), 10);
});

test("one result of a kernel can be read after another, again and again", async () => {
  const { values, indices } = tensor([3, 1, 2]).sort();
  assert.equal(await values.mul(2).tolist(), [2, 4, 6]);
  assert.equal(await indices.tolist(), [1, 2, 0]);
  assert.equal(await values.tolist(), [1, 2, 3]);
});

test("old values of states without elements, and of parameters that have moved, can be read", async () => {
  const empty = zeros([0, 3]);
  const sums: Tensor[] = [];
  for (let i = 0; i < 3; i++) {
    sums.push(empty.sum());
    empty.assign(empty.mul(2));
    await empty.data();
  }
  assert.equal(await Promise.all(sums.map((x) => x.item())), [0, 0, 0]);
  const [p, q, r] = [nn.parameter(tensor([1, 2])), nn.parameter(tensor([3, 4])), nn.parameter(tensor([5, 6]))];
  const [first, second] = [new optim.SGD([p, r], { lr: 0.1 }), new optim.SGD([p, q, r], { lr: 0.1 })];
  const old = q.mul(2);
  noGrad(() => q.assign(old.add(1)));
  assert.equal(
    [await q.tolist(), await old.tolist()],
    [
      [7, 9],
      [6, 8],
    ],
  );
  p.sum().backward();
  first.step();
  second.step();
  assert.equal((await p.tolist()) as number[], [
    Math.fround(Math.fround(1 - Math.fround(0.1)) - Math.fround(0.1)),
    Math.fround(Math.fround(2 - Math.fround(0.1)) - Math.fround(0.1)),
  ]);
});

test.run();
