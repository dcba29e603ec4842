// Kernel counts: what fuses, without a GPU.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Tensor } from "../../src/tensor.ts";
import {
  crossEntropy,
  embedding,
  explain,
  grad,
  gruCell,
  kernels,
  layerNorm,
  linear,
  matmul,
  stack,
  tensor,
  zeros,
} from "../../src/tensor.ts";

const input = (...shape: number[]): Tensor => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });

const parameter = (...shape: number[]): Tensor => {
  const x = input(...shape);
  x.requiresGrad = true;
  return x;
};

test("elementwise work fuses into the sum that follows", () => {
  const x = input(64, 64);
  const [a, b] = [input(64), input(64, 1)];
  assert.is(kernels(x.mul(a).add(b).relu().sum()), 1);
});

test("a row that fits in registers is read once, whatever is reduced over it", () => {
  const x = input(4096, 1024);
  for (const y of [x.softmax(1), layerNorm(x, [1024]), x.div(x.square().mean(1, true).sqrt())]) {
    const [kernel] = explain(y).kernels;
    // 64 invocations with four vec4 each.
    assert.is(kernel?.wgsl.match(/= in0\[/g)?.length, 4);
    assert.not.match(kernel?.wgsl ?? "", "for (var k");
  }
  assert.match(explain(input(4, 1e5).softmax(1)).kernels[0]?.wgsl ?? "", "for (var k");
});

test("softmax, logSoftmax and layer norm are one kernel each", () => {
  const x = input(32, 128);
  assert.is(kernels(x.softmax(-1)), 1);
  assert.is(kernels(x.logSoftmax(1)), 1);
  assert.is(kernels(layerNorm(x, [128], { weight: input(128), bias: input(128) })), 1);
});

test("a kernel's ops are all that its name says", () => {
  const opsOf = (x: Tensor) => explain(x).kernels.map(({ ops }) => ops);
  assert.equal(opsOf(input(32, 128).softmax(-1)), [["amax", "sum", "sub", "exp", "div"]]);
  assert.equal(opsOf(matmul(input(32, 16), input(16, 8)).relu()), [["matmul", "relu"]]);
});

test("bytes count what is read and what is written", () => {
  const x = input(64, 128);
  const bytesOf = (y: Tensor) => explain(y).kernels[0]?.bytes;
  assert.is(bytesOf(x.add(1)), 2 * 64 * 128 * 4);
  // 16 rows, and twice the same element.
  assert.is(bytesOf(x.slice([8, 24]).add(1)), 2 * 16 * 128 * 4);
  assert.is(bytesOf(x.add(x.slice([0, 1]))), 2 * 64 * 128 * 4);
  // A table of 1000 rows, of which 12 are looked up by 12 numbers.
  const words = tensor(new Int32Array(12), { shape: [3, 4] });
  assert.is(bytesOf(embedding(words, input(1000, 64)).mul(2)), (2 * 12 * 64 + 12) * 4);
});

test("rows looked up by an index are read four elements at a time, and the index once", () => {
  const words = tensor(new Int32Array(12), { shape: [3, 4] });
  const [kernel] = explain(layerNorm(embedding(words, input(10, 64)), [64])).kernels;
  assert.is(kernel?.wgsl.match(/array<i32>/g)?.length, 1);
  assert.is(kernel?.wgsl.match(/array<f32>/g), null);
  assert.is(kernel?.wgsl.match(/< 10u/g)?.length, 1);
});

test("drawing a class by softmax is one kernel", () => {
  assert.is(kernels(input(4, 128).softmax(-1).multinomial(1)), 1);
});

test("a linear layer with bias and activation is one kernel", () => {
  const y = linear(input(32, 64), input(16, 64), { bias: input(16) }).relu();
  assert.is(kernels(y), 1);
  assert.is(explain(y).kernels[0]?.family, "contraction");
});

test("a transposed operand costs nothing", () => {
  assert.is(kernels(matmul(input(32, 64), input(16, 64).t())), 1);
});

test("a mean in front of a linear layer is stored by the kernel that sums", () => {
  assert.is(kernels(linear(input(16, 8, 16).mean(1), input(10, 16))), 2);
});

test("a loop of one's own over a recurrent cell has a plan, with no circle in it", () => {
  const leaf = (...shape: number[]): Tensor => {
    const x = input(...shape);
    x.requiresGrad = true;
    return x;
  };
  const weights = { weightIh: leaf(48, 8), weightHh: leaf(48, 16) };
  const x = leaf(8, 4, 8);
  let h = gruCell(x.select(0, 0), null, weights);
  const states = [h];
  for (let step = 1; step < 8; step++) {
    h = gruCell(x.select(0, step), h, weights);
    states.push(h);
  }
  const loss = stack(states).square().sum();
  assert.ok(kernels(loss, ...grad(loss, [x, weights.weightIh, weights.weightHh])) <= 80);
});

test("cross-entropy with its gradient is two kernels", () => {
  const logits = parameter(32, 10);
  const target = tensor(new Int32Array(32));
  const loss = crossEntropy(logits, target);
  assert.ok(kernels(loss, ...grad(loss, [logits])) <= 2);
});

test("a layer's bias gradient comes with its weight's", () => {
  const [x, weight, bias] = [input(5, 32, 64), parameter(16, 64), parameter(16)];
  const y = linear(x, weight, { bias });
  assert.is(kernels(...grad(y, [weight, bias], { gradOutputs: input(5, 32, 16) })), 1);
});

test("a layer norm's weight and bias gradients are one kernel", () => {
  const [x, weight, bias] = [input(64, 8, 64), parameter(64), parameter(64)];
  const y = layerNorm(linear(x, input(64, 64)), [64], { weight, bias });
  const g = linear(input(64, 8, 32), input(64, 32));
  assert.is(kernels(g, ...grad(y, [weight, bias], { gradOutputs: g })), 4);
});

test("the kernels of a deep network's step grow linearly with its depth", () => {
  const count = (layers: number): number => {
    const weights = Array.from({ length: 2 * layers }, (_, i) => input(...(i % 2 === 0 ? [16, 16] : [16])));
    for (const weight of weights) weight.requiresGrad = true;
    let x = input(8, 16);
    for (let i = 0; i < layers; i++) {
      x = linear(x, weights[2 * i] as Tensor, { bias: weights[2 * i + 1] as Tensor }).relu();
    }
    const loss = x.sum();
    return kernels(loss, ...grad(loss, weights));
  };
  // Bias gradients share kernels, as many as a kernel can bind.
  for (const layers of [6, 12, 24]) assert.ok(count(layers) <= 3.5 * layers + 3, `${layers} layers: ${count(layers)}`);
});

test("attention over one projection's heads: one kernel forward, two backward, and nothing is moved", () => {
  const [x, w] = [input(2, 16, 8), input(24, 8)];
  x.requiresGrad = true;
  w.requiresGrad = true;
  const projected = linear(x, w);
  const layouts: ((y: Tensor) => Tensor[])[] = [
    (y) => y.reshape([2, 16, 3, 2, 4]).permute([2, 0, 3, 1, 4]).unbind(),
    (y) => y.split(8, { dim: -1 }).map((part) => part.reshape([2, 16, 2, 4]).permute([0, 2, 1, 3])),
  ];
  for (const parts of layouts) {
    const [q, k, v] = parts(projected) as [Tensor, Tensor, Tensor];
    const y = q.scaledDotProductAttention(k, v, { isCausal: true }).permute([0, 2, 1, 3]).reshape([2, 16, 8]);
    // The projection, attention, both gradients of attention, and of the projection.
    assert.is(kernels(...grad(y, [x, w], { gradOutputs: input(2, 16, 8) })), 6);
  }
});

test("gradients of all parts of a value are one value", () => {
  const x = input(4, 6);
  x.requiresGrad = true;
  const weights = input(4, 6);
  const parts = x.split([1, 3, 2], { dim: 1 });
  const sum = parts.map((part, i) => part.mul(weights.narrow(1, [0, 1, 4][i] as number, part.shape[1] as number)));
  assert.is(kernels(...grad(sum, [x], { gradOutputs: sum.map((s) => input(...s.shape)) })), 1);
});

test("a recurrent network written out stays fused, with its gradients, where kernels bind few buffers", () => {
  const count = (steps: number): number => {
    const [fromInput, bias, fromState] = [parameter(128, 16), parameter(128), parameter(128, 32)];
    let [h, c] = [zeros([8, 32]), zeros([8, 32])];
    for (const row of input(8, steps, 16).unbind({ dim: 1 })) {
      const gates = linear(row, fromInput, { bias }).add(linear(h, fromState));
      const [i, f, g, o] = gates.chunk(4, { dim: 1 }) as [Tensor, Tensor, Tensor, Tensor];
      c = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
      h = o.sigmoid().mul(c.tanh());
    }
    const loss = h.sum();
    return kernels(loss, ...grad(loss, [fromInput, bias, fromState]));
  };
  // One kernel per op would be some 45 for each step.
  for (const steps of [2, 4, 8]) assert.ok(count(steps) <= 10 * steps, `${steps} steps: ${count(steps)}`);
});

test("long chains are cut into kernels of bounded size, whatever they are made of", () => {
  const chain = (length: number, link: (y: Tensor, x: Tensor) => Tensor): Tensor => {
    const x = parameter(64);
    let y = x;
    for (let i = 0; i < length; i++) y = link(y, x);
    return y;
  };
  const cases: readonly (readonly [name: string, y: Tensor, most: number])[] = [
    ["a chain of additions", chain(5000, (y) => y.add(1e-3)), 40],
    ["one that reads its start in each link", chain(1000, (y, x) => y.mul(0.5).add(x)), 20],
    ["residual branches", chain(1000, (y) => y.add(y.mul(0.01).tanh())), 60],
    ["views", chain(3000, (y) => y.flip([0])), 40],
    [
      "two places of the last link",
      chain(40, (y) =>
        y
          .roll([1])
          .add(y.roll([-1]))
          .mul(0.5),
      ),
      40,
    ],
    ["sines", chain(200, (y) => y.sin()), 12],
  ];
  for (const [name, y, most] of cases) {
    const plan = explain(y).kernels;
    assert.ok(plan.length > 1 && plan.length <= most, `${name}: ${plan.length} kernels`);
    const largest = Math.max(...plan.map(({ wgsl }) => wgsl.length));
    assert.ok(largest < 45_000, `${name}: ${largest} characters`);
  }
});

test("what is multiplied with itself again and again can be summed", () => {
  let y = input(4, 8);
  for (let i = 0; i < 60; i++) y = y.mul(y);
  assert.is(kernels(y.sum(1)), 1);
});

test("gradients through long chains are cut into kernels that bind no more than they may", () => {
  const gradients = (length: number, link: (y: Tensor, x: Tensor) => Tensor): number => {
    const x = parameter(8, 64);
    let y = x;
    for (let i = 0; i < length; i++) y = link(y, x);
    return kernels(...grad(y.sum(), [x]));
  };
  const cases: readonly (readonly [name: string, count: number, most: number])[] = [
    ["one that reads its start in each link", gradients(200, (y, x) => y.mul(0.5).add(x)), 8],
    ["sines", gradients(300, (y) => y.sin()), 32],
    ["residual branches", gradients(300, (y) => y.add(y.mul(0.01).tanh())), 50],
    ["the logistic map", gradients(100, (y, x) => x.mul(y).mul(y.neg().add(1))), 42],
    ["one that reads a tensor of its own in each link", gradients(5, (y, x) => x.mul(y).mul(input(8, 64).sub(y))), 8],
    ["many such", gradients(60, (y, x) => x.mul(y).mul(input(8, 64).sub(y))), 110],
    ["layer norms", gradients(60, (y) => layerNorm(y, [64]).add(y)), 80],
    [
      "neighbours",
      gradients(60, (y) =>
        y
          .roll([1])
          .add(y.roll([-1]))
          .mul(0.5)
          .tanh(),
      ),
      65,
    ],
  ];
  for (const [name, count, most] of cases) assert.ok(count <= most, `${name}: ${count} kernels`);
  // States that are read inline before they are stored: what has read them must wait for their kernels.
  for (const steps of [5, 8, 12]) {
    const rate = parameter(2);
    let y = input(2);
    for (let i = 0; i < steps; i++) y = rate.mul(y).mul(input(2).sub(y));
    const count = kernels(...grad(y.sum(), [rate]));
    assert.ok(count <= 2 * steps, `the logistic map with a tensor for each of ${steps} steps: ${count} kernels`);
  }
  // Three numbers that depend on each other, with few buffers for each kernel.
  const rho = parameter(2);
  let [a, b, c] = [input(2), input(2), input(2)];
  for (let i = 0; i < 60; i++) {
    const [da, db, dc] = [b.sub(a), a.mul(rho.sub(c)).sub(b), a.mul(b).sub(c)];
    [a, b, c] = [a.add(da.mul(0.01)), b.add(db.mul(0.01)), c.add(dc.mul(0.01))];
  }
  const count = kernels(...grad(a.add(b).add(c).sum(), [rho]));
  assert.ok(count <= 330, `Lorenz's equations: ${count} kernels`);
});

test("explain prints kernels with their WGSL and sizes, and runs nothing", () => {
  const report = explain(zeros([8, 8]).add(input(8, 8)));
  assert.is(report.kernels.length, 1);
  const kernel = report.kernels[0];
  assert.ok(kernel?.wgsl.includes("@compute"));
  assert.ok((kernel?.bytes ?? 0) >= 512);
  assert.match(report.toString(), /map/);
});

test.run();
