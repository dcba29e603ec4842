// Random numbers: the generator against published vectors, distributions, seeds, and dropout.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { threefry } from "../../src/ops/threefry.ts";
import type { Tensor } from "../../src/tensor.ts";
import * as wg from "../../src/tensor.ts";
import { interpret } from "../support/reference.ts";

const numbersOf = (x: Tensor): number[] => [...(interpret([x])[0] as Float64Array)];

function moments(values: readonly number[]): { mean: number; deviation: number; fourth: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const power = (k: number) => values.reduce((a, b) => a + (b - mean) ** k, 0) / values.length;
  return { mean, deviation: Math.sqrt(power(2)), fourth: power(4) };
}

test("Threefry-2x32-20 gives the vectors of its authors", () => {
  assert.equal(threefry([0, 0], [0, 0]), [0x6b200159, 0x99ba4efe]);
  assert.equal(threefry([0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff]), [0x1cb996fc, 0xbb002be7]);
  assert.equal(threefry([0x243f6a88, 0x85a308d3], [0x13198a2e, 0x03707344]), [0xc4923a9c, 0x483df7a0]);
});

test("the seed decides the numbers, and every call takes a new stream", () => {
  wg.manualSeed(5);
  const [a, b] = [numbersOf(wg.rand([8])), numbersOf(wg.rand([8]))];
  wg.manualSeed(5);
  const again = numbersOf(wg.rand([8]));
  wg.manualSeed(6);
  const other = numbersOf(wg.rand([8]));
  assert.equal(a, again);
  assert.not.equal(a, b);
  assert.not.equal(a, other);
});

test("rand is uniform on [0, 1)", () => {
  wg.manualSeed(1);
  const values = numbersOf(wg.rand([100, 200]));
  const { mean, deviation } = moments(values);
  assert.ok(Math.abs(mean - 0.5) < 4 * Math.sqrt(1 / 12 / 20000), `mean ${mean}`);
  assert.ok(Math.abs(deviation - Math.sqrt(1 / 12)) < 0.005, `deviation ${deviation}`);
  assert.ok(values.every((v) => v >= 0 && v < 1));
  // Chi-squared over 64 bins: its mean is 63, its deviation 11.2.
  const bins = new Array<number>(64).fill(0);
  for (const v of values) bins[Math.floor(v * 64)] = (bins[Math.floor(v * 64)] as number) + 1;
  const expected = values.length / 64;
  const chi = bins.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  assert.ok(chi > 25 && chi < 110, `chi squared ${chi}`);
  assert.ok(numbersOf(wg.rand([5000], { dtype: "f16" })).every((v) => v < 1 && v * 2048 === Math.floor(v * 2048)));
});

test("randn has the normal moments and tails", () => {
  wg.manualSeed(2);
  const values = numbersOf(wg.randn([20000]));
  const { mean, deviation, fourth } = moments(values);
  assert.ok(Math.abs(mean) < 4 / Math.sqrt(20000), `mean ${mean}`);
  assert.ok(Math.abs(deviation - 1) < 0.02, `deviation ${deviation}`);
  assert.ok(Math.abs(fourth - 3) < 0.25, `fourth moment ${fourth}`);
  const beyond = values.filter((v) => Math.abs(v) > 2).length / values.length;
  assert.ok(Math.abs(beyond - 0.0455) < 0.006, `beyond two deviations: ${beyond}`);
  assert.is(wg.randnLike(wg.zeros([2, 3])).shape.join(), "2,3");
});

test("randint covers its range evenly", () => {
  wg.manualSeed(3);
  const values = numbersOf(wg.randint(-2, 5, [14000]));
  for (let v = -2; v < 5; v++) {
    const count = values.filter((x) => x === v).length;
    assert.ok(Math.abs(count - 2000) < 200, `${v} came ${count} times`);
  }
  assert.is(values.filter((v) => v < -2 || v > 4).length, 0);
  const wide = numbersOf(wg.randint(-(2 ** 31), 2 ** 31, [1000]));
  assert.ok(wide.some((v) => v < -1e9) && wide.some((v) => v > 1e9));
  assert.is(wg.randint(0, 2, [1]).dtype, "i32");
  assert.throws(() => wg.randint(3, 3, [1]), /randint: low must be less than high/);
  assert.throws(() => wg.randint(0, 1.5, [1]), /randint: high must be a whole number/);
});

test("randperm is a permutation, and all orders are equally likely", () => {
  wg.manualSeed(4);
  for (const n of [0, 1, 2, 5, 257]) {
    const sorted = numbersOf(wg.randperm(n)).sort((a, b) => a - b);
    assert.equal(
      sorted,
      Array.from({ length: n }, (_, i) => i),
    );
  }
  const counts = new Map<string, number>();
  for (let i = 0; i < 2400; i++) {
    const order = numbersOf(wg.randperm(4)).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.is(counts.size, 24);
  // Chi-squared with 23 degrees of freedom: its deviation is 6.8.
  const chi = [...counts.values()].reduce((sum, n) => sum + (n - 100) ** 2 / 100, 0);
  assert.ok(chi > 5 && chi < 55, `chi squared ${chi}`);
});

test("bernoulli follows its probabilities", () => {
  wg.manualSeed(5);
  const p = wg.expand(wg.tensor([0, 0.25, 1]), [4000, 3]);
  const means = numbersOf(wg.mean(wg.bernoulli(p), 0));
  assert.is(means[0], 0);
  assert.ok(Math.abs((means[1] as number) - 0.25) < 0.03);
  assert.is(means[2], 1);
  assert.throws(() => wg.bernoulli(wg.tensor([0.5, 1.5])), /bernoulli: probabilities must lie in 0 … 1, got 1.5/);
  assert.throws(() => wg.bernoulli(wg.tensor([true])), /bernoulli: probabilities must be a float tensor/);
});

test("dropout zeroes with probability p, scales the rest, and lets gradients through the same way", () => {
  wg.manualSeed(6);
  const x = wg.full([5000], 2, { requiresGrad: true });
  const y = wg.dropout(x, 0.25);
  const values = numbersOf(y);
  const kept = values.filter((v) => v !== 0);
  assert.ok(Math.abs(kept.length / 5000 - 0.75) < 0.03);
  assert.ok(kept.every((v) => Math.abs(v - 2 / 0.75) < 1e-6));
  const [g] = wg.grad(wg.sum(y), [x]) as [Tensor];
  assert.equal(
    numbersOf(g).map((v) => v * 2),
    values,
  );
  for (const kept of [wg.dropout(x, 0.5, { training: false }), wg.dropout(x, 0)]) {
    assert.ok(kept !== x);
    assert.equal(numbersOf(kept), numbersOf(x));
  }
  assert.ok(numbersOf(wg.dropout(x, 1)).every((v) => v === 0));
  assert.throws(() => wg.dropout(x, 1.5), /dropout: p must lie in 0 … 1, got 1.5/);
  assert.throws(() => wg.dropout(x, Number.NaN), /dropout: p must lie in 0 … 1, got NaN/);
  assert.throws(() => wg.dropout(wg.tensor([1], { dtype: "i32" })), /dropout: the input must be a float tensor/);
});

test("dropout's probability may be a tensor", () => {
  const x = wg.ones([1000]);
  assert.ok(numbersOf(wg.dropout(x, wg.tensor(1))).every((v) => v === 0));
  assert.ok(numbersOf(wg.dropout(x, wg.tensor(0))).every((v) => v === 1));
  assert.throws(() => wg.dropout(x, wg.tensor([0.5])), /p must be a number or a 0-dim tensor/);
});

test("dropout2d drops whole channels", () => {
  wg.manualSeed(7);
  const values = numbersOf(wg.dropout2d(wg.ones([10, 20, 2, 2]), 0.5));
  let dropped = 0;
  for (let i = 0; i < values.length; i += 4) {
    const channel = values.slice(i, i + 4);
    assert.ok(channel.every((v) => v === channel[0]));
    if (channel[0] === 0) dropped++;
    else assert.is(channel[0], 2);
  }
  assert.ok(dropped > 60 && dropped < 140, `${dropped} of 200 dropped`);
  assert.throws(() => wg.dropout2d(wg.ones([2, 2])), /dropout2d: the input must be \[N, C, H, W\]/);
});

test("alphaDropout keeps mean and variance", () => {
  wg.manualSeed(8);
  const x = wg.randn([20000]);
  const { mean, deviation } = moments(numbersOf(wg.alphaDropout(x, 0.3)));
  assert.ok(Math.abs(mean) < 0.04, `mean ${mean}`);
  assert.ok(Math.abs(deviation - 1) < 0.04, `deviation ${deviation}`);
});

test("random reals need a float dtype", () => {
  assert.throws(() => wg.rand([2], { dtype: "i32" }), /rand: random real numbers need a float dtype, got i32/);
  assert.throws(
    () => wg.randLike(wg.tensor([1], { dtype: "i32" })),
    /randLike: random real numbers need a float dtype/,
  );
});

test("the generator goes on from a state that was taken", () => {
  const draw = (): number[] => numbersOf(wg.rand([4]));
  wg.manualSeed(2 ** 40 + 1);
  draw();
  const state = wg.getRngState();
  const next = [draw(), draw()];
  wg.manualSeed(1);
  wg.setRngState(JSON.parse(JSON.stringify(state)));
  assert.equal([draw(), draw()], next);
  assert.is(wg.initialSeed(), 2 ** 40 + 1);
  assert.equal(wg.getRngState(), { seed: 2 ** 40 + 1, stream: state.stream + 2 });
  for (const wrong of [undefined, null, 3, {}, { seed: 1 }, { seed: 1, stream: -1 }, { seed: 0.5, stream: 1 }]) {
    assert.throws(() => wg.setRngState(wrong as never), /^setRngState: the argument must be what getRngState returned/);
  }
  assert.is(wg.getRngState().stream, state.stream + 2);
});

test.run();
