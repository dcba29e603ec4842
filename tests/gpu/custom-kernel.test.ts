// customKernel on the device: values, gradients, compile, shaders that don't compile.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { ShaderError, WgradError } from "../../src/base/errors.ts";
import {
  Arena,
  checkpoint,
  compile,
  cumsum,
  customKernel,
  explain,
  grad,
  init,
  matmul,
  rand,
  realize,
  scalar,
  setOptimize,
  submit,
  type Tensor,
  tensor,
  zeros,
} from "../../src/tensor.ts";
import { failure } from "../support/failure.ts";

const device = await init();

const list = async (x: Tensor): Promise<number[]> => [...(await x.data())];

/** x · x · s, with s a 0-dim tensor. */
function scaledSquare(x: Tensor, s: Tensor): Tensor {
  return customKernel({
    name: "scaledSquare",
    inputs: { x, s },
    outputs: { out: { shape: x.shape } },
    workgroups: Math.ceil(x.numel / 64),
    wgsl: `if (index < ${x.numel}) { out[index] = x[index] * x[index] * s[0]; }`,
    backward: ({ out: g }, inputs) => ({
      x: g.mul(inputs.x).mul(inputs.s).mul(2),
      s: g.mul(inputs.x.square()).sum(),
    }),
  }).out;
}

for (const optimize of [true, false]) {
  test(`values and gradients, ${optimize ? "optimized" : "naive"}`, async () => {
    setOptimize(optimize);
    try {
      const x = tensor(
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        { requiresGrad: true },
      );
      const s = tensor(0.5, { requiresGrad: true });
      const y = scaledSquare(x.t().add(1), s).mul(2);
      const [gx, gs] = grad(y.sum(), [x, s]) as [Tensor, Tensor];
      const [second] = grad(gx.mul(gx).sum(), [x]) as [Tensor];
      const before = device.stats().submits;
      await realize(y, gx, gs, second);
      assert.is(device.stats().submits, before + 1);
      assert.equal(await list(y), [4, 25, 9, 36, 16, 49]);
      assert.equal(await list(gx), [4, 6, 8, 10, 12, 14]);
      assert.is(await gs.item(), 2 * (4 + 9 + 16 + 25 + 36 + 49));
      assert.equal(await list(second), [16, 24, 32, 40, 48, 56]);
    } finally {
      setOptimize(true);
    }
  });
}

test("a checkpoint runs it again for the backward pass", async () => {
  const x = tensor([1, 2, 3], { requiresGrad: true });
  const twice = (y: Tensor): Tensor => scaledSquare(scaledSquare(y, tensor(1)).mul(2), tensor(0.5));
  const [kept] = grad(twice(x).sum(), [x]) as [Tensor];
  const [again] = grad(checkpoint(twice, x).sum(), [x]) as [Tensor];
  await realize(kept, again);
  assert.equal(await list(kept), [8, 64, 216]);
  assert.equal(await list(again), [8, 64, 216]);
});

test("a whole shader with declarations, workgroup memory and several outputs", async () => {
  const x = tensor(Int32Array.from({ length: 100 }, (_, i) => i - 50));
  const [sum, flags] = customKernel({
    name: "sum",
    inputs: [x],
    outputs: [
      { shape: [], dtype: "i32" },
      { shape: [64], dtype: "bool" },
    ],
    workgroups: [1],
    wgsl: `
      // @group(0) @binding(7) var<storage, read> nothing: array<f32>;
      @group(0) @binding(0) var<storage, read> values: array<i32>;
      @group(0) @binding(2) var<storage, read_write> odd: array<u32>;
      var<workgroup> parts: array<i32, 64>;
      @compute @workgroup_size(64) fn add_up(@builtin(local_invocation_index) i: u32) {
        parts[i] = values[i] + select(0, values[min(i + 64u, 99u)], i < 36u);
        odd[i] = u32(values[i]) & 1u;
        workgroupBarrier();
        for (var step = 32u; step > 0u; step /= 2u) {
          if (i < step) { parts[i] += parts[i + step]; }
          workgroupBarrier();
        }
        if (i == 0u) { out0[0] = parts[0]; }
      }`,
  });
  assert.is(await (sum as Tensor).item(), -50);
  assert.equal((await list(flags as Tensor)).slice(0, 3), [0, 1, 0]);
});

test("outputs start with a number or a tensor's content, and take atomics", async () => {
  const at = tensor([0, 2, 2, 5, 2], { dtype: "i32" });
  const { count, marked } = customKernel({
    name: "mark",
    inputs: { at },
    outputs: {
      count: { shape: [6], dtype: "u32", initial: 0 },
      marked: { shape: [6], initial: tensor([1, 2, 3, 4, 5, 6]) },
    },
    workgroups: 1,
    workgroupSize: 8,
    wgsl: "if (local < 5u) { count[at[local]] += 0u; marked[at[local]] = -1.0; }",
  });
  assert.equal(await list(count), [0, 0, 0, 0, 0, 0]);
  assert.equal(await list(marked), [-1, 2, -1, 4, 5, -1]);
  const counted = customKernel({
    name: "count atomically",
    inputs: { at },
    outputs: { shape: [6], dtype: "u32", initial: 0 },
    workgroups: 1,
    wgsl: `
      @group(0) @binding(1) var<storage, read_write> out: array<atomic<u32>>;
      @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) {
        if (i < 5u) { atomicAdd(&out[at[i]], 1u); }
      }`,
  });
  assert.equal(await list(counted.add(1)), [2, 1, 4, 1, 1, 2]);
});

test("a kernel goes on in the memory that another has filled, also within an arena", async () => {
  const marked = (x: Tensor, at: number): Tensor =>
    customKernel({
      name: "marked",
      inputs: [],
      outputs: { shape: x.shape, initial: x },
      workgroups: 1,
      wgsl: `if (index == 0u) { out[${at}] = 7.0; }`,
    });
  const x = tensor([1, 2, 3]);
  const first = marked(x.mul(2), 0);
  assert.equal(await list(marked(marked(first, 1), 2)), [7, 7, 7]);
  const again = marked(x.mul(2), 0);
  const second = marked(again, 1);
  await realize(again, second);
  assert.equal(
    [await list(again), await list(second)],
    [
      [7, 4, 6],
      [7, 7, 6],
    ],
  );
  const parameters = [tensor([1, 2, 3]), tensor([4])];
  const arena = new Arena(parameters);
  arena.flat.assign(arena.collect([marked(marked((parameters[0] as Tensor).add(1), 0), 2), tensor([5])]));
  assert.equal(await list(parameters[0] as Tensor), [7, 3, 7]);
  assert.equal(await list(parameters[1] as Tensor), [5]);
});

test("the same tensor twice, results of another kernel, and both outputs of one", async () => {
  const pair = (a: Tensor, b: Tensor): Tensor[] =>
    customKernel({
      name: "pair",
      inputs: [a, b],
      outputs: [{ shape: [3] }, { shape: [3] }],
      workgroups: 1,
      workgroupSize: 3,
      wgsl: "out0[local] = a[local] + b[local]; out1[local] = a[local] - 2.0 * b[local];",
    });
  const x = tensor([1, 2, 3]);
  const [plus, minus] = pair(x.add(1), x.add(1)) as [Tensor, Tensor];
  const [first, second] = pair(plus, minus) as [Tensor, Tensor];
  const [only] = pair(first, first.reshape([3])) as [Tensor];
  await realize(first, second, only);
  assert.equal(await list(first), [2, 3, 4]);
  assert.equal(await list(second), [8, 12, 16]);
  assert.equal(await list(only), [4, 6, 8]);
});

test("in a compiled step with state, numbers that change, and a plan that is found again", async () => {
  const state = zeros([4]);
  let rate = 1;
  const step = compile((x: Tensor) => {
    const y = scaledSquare(
      x,
      scalar(() => rate),
    );
    state.assign(scaledSquare(state.add(y), tensor(1)));
    return y;
  });
  const x = tensor([1, 2, 0, -1]);
  for (let i = 0; i < 3; i++) {
    rate = i + 1;
    assert.equal(await list(step(x)), [rate, 4 * rate, 0, rate]);
  }
  assert.equal(await list(state), [((1 + 2) ** 2 + 3) ** 2, ((16 + 8) ** 2 + 12) ** 2, 0, 144]);
  const before = device.stats();
  for (let i = 0; i < 3; i++) await list(scaledSquare(tensor([i, 1]), tensor(i)));
  const after = device.stats();
  assert.ok(after.plans - before.plans <= 1);
  assert.ok(after.pipelines - before.pipelines <= 2);
});

test("more workgroups than a dimension holds are folded", async () => {
  const count = 70_000;
  const y = customKernel({
    name: "wide",
    inputs: [],
    outputs: { shape: [count], dtype: "u32" },
    workgroups: count,
    workgroupSize: 1,
    wgsl: `if (index < ${count}u) { out[index] = group; }`,
  });
  const values = await y.data();
  assert.ok(values.every((v, i) => v === i));
  const flat = { name: "flat", inputs: [], outputs: { shape: [count] }, workgroups: count };
  const error = await failure(() =>
    customKernel({ ...flat, wgsl: "@compute @workgroup_size(1) fn main() { out[0] = 1.0; }" }).data(),
  );
  assert.instance(error, WgradError);
  assert.match(error.message, /flat: a device runs at most 65535 workgroups/);
});

test("a mistake in the WGSL rejects every read, with line and column, and nothing else", async () => {
  const x = tensor([1, 2, 3]);
  const bad = customKernel({
    name: "bad",
    inputs: [x],
    outputs: x,
    workgroups: 1,
    wgsl: "let fine = a[local];\n  out[local] = fin;",
  });
  const sum = bad.add(1);
  for (const run of [() => sum.data(), () => sum.data(), () => sum.mul(2).data()]) {
    const error = (await failure(run)) as ShaderError;
    assert.instance(error, ShaderError);
    assert.match(error.message, /kernel "bad f32\[3\]" does not compile: line 2, column 16: .*fin/);
    assert.equal([error.kernel, error.line, error.column], ["bad f32[3]", 2, 16]);
  }
  const unread = await failure(async () => {
    await realize(bad.add(2));
  });
  assert.instance(unread, ShaderError);
  assert.equal(await list(x.add(1)), [2, 3, 4]);
  const whole = customKernel({
    name: "whole",
    inputs: [x],
    outputs: x,
    workgroups: 1,
    wgsl: "@compute @workgroup_size(4)\nfn main() {\n  out[0] = a[0] + 1u;\n}",
  });
  assert.is(((await failure(() => whole.data())) as ShaderError).line, 3);
  const huge = customKernel({
    ...{ name: "huge", inputs: [x], outputs: x, workgroups: 1 },
    workgroupSize: 1 << 20,
    wgsl: "out[0] = a[0];",
  });
  assert.match((await failure(() => huge.data())).message, /kernel "huge f32\[3\]" does not compile/);
  assert.equal(await list(x.add(1)), [2, 3, 4]);
});

test("who doesn't wait for the compiler hears of the mistake, too, and nobody reads what was never computed", async () => {
  const x = tensor([1, 2, 3]);
  const wrong = (name: string): Tensor =>
    customKernel({ name, inputs: [x], outputs: x, workgroups: 1, wgsl: "out[local] = a[local] + fin;" });
  const y = wrong("unseen");
  const all = [1, 2, 3, 4, 5].map((k) => failure(() => y.mul(k).data()));
  for (const error of await Promise.all(all)) assert.instance(error, ShaderError);
  assert.equal(await list(x.add(1)), [2, 3, 4]);
  // Values that others were computed from, before anybody knew.
  const z = wrong("unseen as well");
  const done = failure(() => realize(z));
  const sums = [1, 2, 3, 4].map((k) => failure(() => z.add(k).data()));
  const fine = [5, 6, 7].map((k) => list(x.mul(k)));
  assert.instance(await done, ShaderError);
  for (const error of await Promise.all(sums)) assert.instance(error, ShaderError);
  assert.equal(await Promise.all(fine), [
    [5, 10, 15],
    [6, 12, 18],
    [7, 14, 21],
  ]);
  const state = zeros([3]);
  for (let i = 0; i < 5; i++) {
    state.assign(
      customKernel({ name: "step", inputs: [state], outputs: x, workgroups: 1, wgsl: "out[local] = a[local] + fin;" }),
    );
    submit();
  }
  assert.instance(await failure(() => state.data()), ShaderError);
  assert.equal(await list(x.add(2)), [3, 4, 5]);
});

test("a text that the engine has written can be given back as it is", async () => {
  const random = (...shape: number[]): Tensor => rand(shape).detach();
  const [x, weight, bias, rate] = [random(32, 48), random(16, 48), random(16), tensor(0.25)];
  await realize(x, weight, bias);
  const written: [Tensor, readonly Tensor[]][] = [
    [x.mul(0.5).softmax(1), [x]],
    [matmul(x, weight.t()).add(bias).relu(), [x, weight, bias]],
    // A number of the host is in the block of scalars.
    [x.mul(rate).exp(), [x, rate]],
    [x.amax(1, true).add(x), [x]],
    [cumsum(x, 1), [x]],
  ];
  for (const [y, read] of written) {
    const [kernel, ...more] = explain(y).kernels;
    assert.is(more.length, 0);
    assert.ok(kernel);
    const inputs: Record<string, Tensor> = {};
    const outputs: Record<string, { shape: readonly number[]; dtype: "f32" | "i32" }> = {};
    for (const { name, content } of kernel.bindings) {
      const input = read.find(({ shape }) => content === `f32[${shape.join()}]`);
      if (input !== undefined) inputs[name] = input;
      else outputs[name] = { shape: y.shape, dtype: content.includes("i32") ? "i32" : "f32" };
    }
    if (read.includes(rate)) inputs.s0 = rate;
    const again = customKernel({ name: "again", inputs, outputs, wgsl: kernel.listing, workgroups: kernel.workgroups });
    assert.equal(await list(Object.values(again)[0] as Tensor), await list(y), kernel.name);
  }
});

test.run();
