// The engine's promises: laziness, staleness, constant memory, replay, and errors that leave everything working.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DeviceLostError, DisposedTensorError, OutOfMemoryError, ShapeError } from "../../src/base/errors.ts";
import { takeLosses } from "../../src/engine/requests.ts";
import {
  Arena,
  add,
  arange,
  compile,
  grad,
  hostEffect,
  init,
  manualSeed,
  matmul,
  noGrad,
  rand,
  randn,
  realize,
  scalar,
  scope,
  setOptimize,
  stateTensor,
  submit,
  type Tensor,
  tensor,
  zeros,
} from "../../src/tensor.ts";
import { failure } from "../support/failure.ts";

const device = await init();

/** Fills a plain array with reproducible numbers in -1 … 1. */
function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** A little network with Adam-like updates written by hand. */
function network(seed = 1): {
  step: (x: Tensor, y: Tensor) => { loss: Tensor; predicted: Tensor };
  parameters: Tensor[];
} {
  const parameters = [
    tensor(numbers(16 * 8, seed), { shape: [16, 8] }),
    tensor(numbers(16, seed + 1)),
    tensor(numbers(3 * 16, seed + 2), { shape: [3, 16] }),
  ];
  for (const p of parameters) p.requiresGrad = true;
  const [w1, b1, w2] = parameters as [Tensor, Tensor, Tensor];
  const arena = new Arena(parameters);
  const momentum = stateTensor([arena.flat.numel], 0);
  let count = 0;
  const step = (x: Tensor, y: Tensor) => {
    const predicted = matmul(add(matmul(x, w1.t()), b1).relu(), w2.t());
    const loss = predicted.sub(y).square().mean();
    for (const p of parameters) p.grad = null;
    loss.backward();
    hostEffect(() => {
      count++;
    });
    noGrad(() => {
      const g = arena.collect(parameters.map((p) => p.grad as Tensor));
      const m = momentum.mul(0.9).add(g);
      const rate = scalar(() => 0.1 / (1 + 0.1 * count));
      momentum.assign(m);
      arena.flat.assign(arena.flat.sub(m.mul(rate)));
      submit();
    });
    return { loss, predicted };
  };
  return { step, parameters };
}

const batch = (i: number) => ({
  x: tensor(numbers(32 * 8, 100 + i), { shape: [32, 8] }),
  y: tensor(numbers(32 * 3, 200 + i), { shape: [32, 3] }),
});

// First, so that nothing that earlier tests left to the garbage collector is freed meanwhile.
test("500 plain steps without dispose run in constant memory", async () => {
  const { step } = network();
  let at20 = { liveBytes: -1, pooledBytes: -1 };
  for (let i = 1; i <= 500; i++) {
    const { loss } = step(batch(i).x, batch(i).y);
    if (i % 50 === 0) await loss.item();
    if (i === 20) at20 = device.stats();
  }
  const after = device.stats();
  assert.is(after.liveBytes, at20.liveBytes);
  assert.is(after.pooledBytes, at20.pooledBytes);
});

test("nothing runs before a value is read, and one read is one submit", async () => {
  const before = device.stats();
  const x = tensor([1, 2, 3]).mul(2).add(1);
  assert.is(device.stats().dispatches, before.dispatches);
  assert.equal([...(await x.data())], [3, 5, 7]);
  assert.is(device.stats().submits, before.submits + 1);
  assert.is(device.stats().dispatches, before.dispatches + 1);
});

test("from the second step on no plan and no pipeline is made", async () => {
  const { step } = network();
  let loss = step(batch(0).x, batch(0).y).loss;
  await loss.item();
  const before = device.stats();
  for (let i = 1; i < 6; i++) loss = step(batch(i).x, batch(i).y).loss;
  await loss.item();
  const after = device.stats();
  assert.is(after.plans, before.plans);
  assert.is(after.pipelines, before.pipelines);
  assert.is(after.planHits, before.planHits + 5);
});

test("optimized and naive agree over 30 steps", async () => {
  const run = async (optimize: boolean) => {
    setOptimize(optimize);
    const { step, parameters } = network();
    const losses: Tensor[] = [];
    for (let i = 0; i < 30; i++) losses.push(step(batch(i).x, batch(i).y).loss);
    const values = await Promise.all(losses.map((l) => l.item()));
    return { values, weights: await Promise.all(parameters.map((p) => p.data())) };
  };
  try {
    const [fast, naive] = [await run(true), await run(false)];
    fast.values.forEach((v, i) => {
      assert.ok(
        Math.abs(v - (naive.values[i] as number)) <= 1e-5 * Math.abs(v),
        `loss ${i}: ${v} against ${naive.values[i]}`,
      );
    });
    fast.weights.forEach((w, k) => {
      w.forEach((v, i) => {
        assert.ok(Math.abs(v - (naive.weights[k]?.[i] as number)) <= 1e-5, `weight ${k}[${i}]`);
      });
    });
  } finally {
    setOptimize(true);
  }
});

test("sums of a contraction's factors agree with sums of their own, for rows and columns, whole tiles and edges", async () => {
  for (const [batch, inputs, outputs] of [
    [3, 5, 7],
    [64, 37, 20],
    [24, 130, 9],
    [40, 8, 64],
  ] as const) {
    const x = tensor(numbers(batch * inputs, 1), { shape: [batch, inputs] });
    const g = tensor(numbers(batch * outputs, 2), { shape: [batch, outputs] });
    const run = async (optimize: boolean) => {
      setOptimize(optimize);
      const all = [g.t().matmul(x), g.sum(0), x.sum(0, true).mul(2), x.t().matmul(g)];
      await realize(...all);
      return Promise.all(all.map(async (value) => [...(await value.data())]));
    };
    try {
      const [fused, naive] = [(await run(true)).flat(), (await run(false)).flat()];
      fused.forEach((value, i) => {
        assert.ok(Math.abs(value - (naive[i] as number)) <= 1e-5, `[${[batch, inputs, outputs]}] ${i}`);
      });
    } finally {
      setOptimize(true);
    }
  }
});

test("a compiled step does what the plain step does, with changing numbers", async () => {
  const plain = network();
  const expected: number[] = [];
  for (let i = 0; i < 8; i++) expected.push(await plain.step(batch(i).x, batch(i).y).loss.item());
  const other = network();
  const step = compile((x: Tensor, y: Tensor) => ({ loss: other.step(x, y).loss }));
  const found: number[] = [];
  for (let i = 0; i < 8; i++) found.push(await step(batch(i).x, batch(i).y).loss.item());
  found.forEach((v, i) => {
    assert.ok(Math.abs(v - (expected[i] as number)) <= 1e-6 * Math.abs(v), `step ${i}: ${v} against ${expected[i]}`);
  });
});

test("random numbers differ from call to call of a compiled function, and are those of the plain one", async () => {
  manualSeed(3);
  const plain = [await rand([4]).tolist(), await rand([4]).tolist(), await rand([4]).tolist()];
  manualSeed(3);
  const draw = compile((x: Tensor) => rand([4]).add(x));
  const zero = zeros([4]);
  const compiled = [await draw(zero).tolist(), await draw(zero).tolist(), await draw(zero).tolist()];
  assert.equal(compiled, plain);
  assert.not.equal(plain[0], plain[1]);
});

test("a changing JavaScript number is data from its third value on", async () => {
  const x = tensor([1, 2, 3]);
  const values: number[] = [];
  for (let i = 0; i < 5; i++)
    values.push(
      await x
        .mul(0.5 + i)
        .sum()
        .item(),
    );
  assert.equal(values, [3, 9, 15, 21, 27]);
  const before = device.stats();
  assert.is(await x.mul(77.25).sum().item(), 463.5);
  assert.is(device.stats().plans, before.plans);
});

test("what was recorded before some steps is what it was then", async () => {
  // The same network twice: one is read before each step, the other after all.
  const predictions = async (late: boolean): Promise<number[][]> => {
    manualSeed(5);
    const { step } = network();
    const kept: Tensor[] = [];
    const found: number[][] = [];
    for (let i = 0; i < 4; i++) {
      const { x, y } = batch(i);
      const { predicted } = step(x, y);
      kept.push(predicted);
      if (!late) found.push([...(await predicted.data())]);
    }
    return late ? Promise.all(kept.map(async (predicted) => [...(await predicted.data())])) : found;
  };
  assert.equal(await predictions(true), await predictions(false));
});

test("what follows from an assigned value can be read piece by piece", async () => {
  const x = tensor([1, 2, 3]);
  const w = tensor([1, 1, 1]);
  const given = x.mul(2);
  w.assign(given);
  const [total, mean, next] = [w.sum(), w.mean(), w.add(1)];
  assert.is(await total.item(), 12);
  given.dispose();
  assert.is(await mean.item(), 4);
  assert.equal([...(await w.data())], [2, 4, 6]);
  w.assign(w.mul(10));
  assert.equal([...(await w.data())], [20, 40, 60]);
  assert.equal([...(await next.data())], [3, 5, 7]);
  const last = w.sub(1);
  w.assign(0);
  await realize(w);
  assert.equal([...(await last.data())], [19, 39, 59]);
});

test("a loss is computed with the gradients that are read of it, and forgotten then", async () => {
  const weight = tensor([2, 3], { requiresGrad: true });
  for (let i = 0; i < 3; i++) {
    const x = tensor([i, 1], { requiresGrad: true });
    const loss = x.mul(weight).square().sum();
    loss.backward();
    const { dispatches } = device.stats();
    const found = await (x.grad as Tensor).add(1).tolist();
    assert.equal(found, [8 * i + 1, 19]);
    const read = device.stats().dispatches;
    assert.ok(read > dispatches);
    assert.is(await loss.item(), 4 * i * i + 9);
    assert.is(device.stats().dispatches, read, "the loss was there");
  }
  assert.equal(takeLosses(), []);
});

test("states that read each other are exchanged, not clobbered", async () => {
  const [a, b] = [tensor([1, 2, 3]), tensor([4, 5, 6])];
  const [x, y] = [a.mul(1), b.mul(1)];
  a.assign(y);
  b.assign(x);
  submit();
  assert.equal(await a.tolist(), [4, 5, 6]);
  assert.equal(await b.tolist(), [1, 2, 3]);
  const reversed = a.flip([0]);
  a.assign(reversed);
  submit();
  assert.equal(await a.tolist(), [6, 5, 4]);
});

test("ranges and numbers that are asked for alone are written", async () => {
  const [range, doubled] = [arange(3), arange(3).mul(2)];
  await realize(range, doubled);
  assert.equal([...(await range.data())], [0, 1, 2]);
  assert.equal([...(await doubled.data())], [0, 2, 4]);
  assert.equal([...(await arange(4).reshape([2, 2]).data())], [0, 1, 2, 3]);
  assert.equal([...(await zeros([]).add(0).reshape([1]).data())], [0]);
});

test("disposed tensors throw, and only they", async () => {
  const a = tensor([1, 2]);
  const b = tensor([3, 4]);
  a.dispose();
  a.dispose();
  assert.throws(
    () => a.add(b),
    (e: unknown) => e instanceof DisposedTensorError,
  );
  assert.instance(await failure(() => a.data()), DisposedTensorError);
  assert.equal(await b.tolist(), [3, 4]);
});

test("what is disposed of while its pipelines are made is not used for anything else", async () => {
  const x = tensor(numbers(512 * 512), { shape: [512, 512] });
  // New shaders; the product in between and the result are equally large.
  const compute = (factor: number): Tensor => x.matmul(x).mul(factor).sinh().matmul(x);
  const messages: string[] = [];
  const listen = ({ error }: GPUUncapturedErrorEvent): number => messages.push(error.message);
  device.gpu.addEventListener("uncapturederror", listen);
  try {
    const dropped = compute(0.0135);
    const done = realize(dropped);
    dropped.dispose();
    await done;
    const [again, kept] = [compute(0.0136), compute(0.0136)];
    const both = realize(again, kept);
    again.dispose();
    await both;
    assert.equal(await kept.data(), await compute(0.0136).data());
    assert.equal(messages, []);
  } finally {
    device.gpu.removeEventListener("uncapturederror", listen);
  }
});

test("scope frees what was made inside but not what is returned", async () => {
  let inner: Tensor | null = null;
  const kept = scope(() => {
    const t = tensor([1, 2, 3]);
    inner = t;
    return { sum: t.sum() };
  });
  assert.is(await kept.sum.item(), 6);
  assert.instance(await failure(() => (inner as unknown as Tensor).data()), DisposedTensorError);
});

test("gradients of gradients", async () => {
  const x = tensor([0.5, -1, 2], { requiresGrad: true });
  const [first] = grad(x.mul(x).mul(x).sum(), [x]) as [Tensor];
  const [second] = grad(first.sum(), [x]) as [Tensor];
  assert.equal(await first.tolist(), [0.75, 3, 12]);
  assert.equal(await second.tolist(), [3, -6, 12]);
});

test("backward adds up, and zero gradients are zero", async () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const unused = tensor([5], { requiresGrad: true });
  x.mul(3).sum().backward();
  x.mul(x).sum().backward();
  assert.equal(await (x.grad as Tensor).tolist(), [5, 7]);
  const [g] = grad(x.sum(), [unused]) as [Tensor];
  assert.equal(await g.tolist(), [0]);
});

test("tensors over 65,535 workgroups and 2^24 elements work", async () => {
  const n = 2 ** 24 + 4;
  const x = zeros([n]).add(1);
  assert.is(await x.sum().item(), n);
  const big = await x.narrow(0, n - 2, 2).data();
  assert.equal([...big], [1, 1]);
});

test("same seed, same numbers", async () => {
  manualSeed(11);
  const a = await randn([1000]).data();
  manualSeed(11);
  const b = await randn([1000]).data();
  manualSeed(12);
  const c = await randn([1000]).data();
  assert.equal(a, b);
  assert.not.equal(a, c);
});

test("too much memory is an OutOfMemoryError, and everything else still works", async () => {
  const error = await failure(() => rand([40_000, 40_000]).data());
  assert.instance(error, OutOfMemoryError);
  assert.is(await tensor([1, 2]).sum().item(), 3);
});

test("errors of shape come at once", () => {
  assert.throws(
    () => matmul(zeros([2, 3]), zeros([4, 2])),
    (e: unknown) => e instanceof ShapeError && e.op === "matmul",
  );
});

test("a closed device rejects with a DeviceLostError; a new one goes on with what the host still has", async () => {
  const host = tensor([1, 2, 3]);
  const onDevice = zeros([300_000]).add(2);
  await realize(onDevice);
  device.destroy();
  assert.instance(
    await failure(() =>
      device.run({
        executable: { steps: [], copies: [], workspace: 0, scalarBytes: 0, outputs: [] },
        leaves: [],
        scalars: null,
        outputs: [],
        reads: [],
      }),
    ),
    DeviceLostError,
  );
  const next = await init();
  assert.is(await host.sum().item(), 6);
  assert.instance(await failure(() => onDevice.data()), DeviceLostError);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  globalThis.process?.on("unhandledRejection", note);
  // Nobody waits for these; the device goes while they are on their way.
  const waited = host.exp().realize();
  void host.add(1).realize();
  host.square().sum().realize();
  next.destroy();
  await failure(() => waited);
  await new Promise((resolve) => setTimeout(resolve, 20));
  globalThis.process?.off("unhandledRejection", note);
  assert.equal(unhandled, []);
});

test.run();
