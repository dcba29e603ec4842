// Scattering by sorted indices: large lists, repeated places, indices out of range, every size of list, against loops.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/tensor.ts";
import { mismatch } from "../reference/golden.ts";
import { dataAsGpu } from "../support/as-gpu.ts";
import { checkOp } from "../support/check-op.ts";
import { interpret } from "../support/reference.ts";

const hash = (i: number): number => Math.imul((i ^ (i >>> 13)) + 1, 0x9e3779b1) >>> 8;
const noise = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => (hash(i) % 2001) / 1000 - 1);

/** Indices below `size`; most of them one and the same where `skewed`. */
function places(count: number, size: number, skewed = false): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (skewed && i % 8 !== 0 ? 5 : hash(i + 7) % size));
}

function expectSame(got: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  const problem = mismatch(got, expected, 2e-5, 1e-5);
  assert.is(problem, null, `${what}: ${problem}`);
}

/** Σ of rows by their places, in float64. */
function rowSums(source: Float32Array, index: Int32Array, size: number, width: number): Float64Array {
  const sums = new Float64Array(size * width);
  index.forEach((v, t) => {
    for (let d = 0; d < width && v >= 0 && v < size; d++)
      sums[v * width + d] = (sums[v * width + d] as number) + (source[t * width + d] as number);
  });
  return sums;
}

for (const [count, size, width, skewed] of [
  [600, 50, 40, false],
  [1500, 300, 3, false],
  [9000, 40, 4, true],
  [2000, 70_000, 1, false],
] as const) {
  test(`the gradient of ${count} rows of a table [${size}, ${width}]`, async () => {
    const index = places(count, size, skewed);
    const g = noise(count * width);
    const table = wg.tensor(noise(size * width), { shape: [size, width], requiresGrad: true });
    const run = (): wg.Tensor => {
      const rows = wg.embedding(wg.tensor(index), table);
      return wg.grad(rows, [table], { gradOutputs: wg.tensor(g, { shape: [count, width] }) })[0] as wg.Tensor;
    };
    const expected = rowSums(g, index, size, width);
    const first = await run().data();
    expectSame(first, expected, "values");
    assert.equal(await run().data(), first, "the same bits again");
    expectSame(interpret([run()])[0] as Float64Array, expected, "reference");
    if (count !== 1500) return;
    const [asGpu] = await dataAsGpu(run());
    expectSame(asGpu as ArrayLike<number>, expected, "as on a GPU");
  });
}

test("rows out of range get no gradient, on other dims too, and writing to them spoils the result", async () => {
  const index = places(1200, 60).map((v, i) => (i % 9 === 0 ? (i % 2 === 0 ? -1 : 60) : v));
  const source = noise(1200 * 16).map((v) => Math.round(v * 50));
  const expected = rowSums(source, index, 60, 16);
  // Known on the host they would be refused.
  const unknown = wg.tensor(index).add(wg.zeros([1200], { dtype: "i32" }).mul(2));
  const gradientOf = (table: wg.Tensor, dim: number, g: wg.Tensor): wg.Tensor =>
    wg.grad(table.indexSelect(dim, unknown), [table], { gradOutputs: g })[0] as wg.Tensor;
  const flat = gradientOf(wg.zeros([60, 16], { requiresGrad: true }), 0, wg.tensor(source, { shape: [1200, 16] }));
  expectSame(await flat.data(), expected, "dim 0");
  const g = wg.tensor(source, { shape: [1200, 2, 8] }).transpose(0, 1);
  const turned = gradientOf(wg.zeros([2, 60, 8], { requiresGrad: true }), 1, g);
  expectSame(await turned.transpose(0, 1).data(), expected, "dim 1 of 3");
  const rows = wg.tensor(source, { shape: [1200, 16], dtype: "i32" });
  const sums = wg.zeros([60, 16], { dtype: "i32" }).indexAdd(0, unknown, rows);
  assert.ok((await sums.data()).every((v) => v === -(2 ** 31)));
});

for (const [shape, size, dim] of [
  [[70, 10], 900, 0],
  [[5, 1100, 2], 400, 1],
  [[3, 3000], 3000, 1],
] as const) {
  test(`scatterAdd of [${shape}] to ${size} places on dim ${dim}, and its gradients`, async () => {
    const numel = shape.reduce((n, m) => n * m, 1);
    const inner = shape.slice(dim + 1).reduce<number>((n, m) => n * m, 1);
    const index = places(numel, size);
    const source = noise(numel);
    const target = shape.map((n, d) => (d === dim ? size : n));
    const count = target.reduce((n, m) => n * m, 1);
    const at = (i: number): number =>
      (Math.floor(i / inner / (shape[dim] as number)) * size + (index[i] as number)) * inner + (i % inner);
    const expected = Float64Array.from(noise(count));
    source.forEach((v, i) => {
      expected[at(i)] = (expected[at(i)] as number) + v;
    });
    const x = wg.tensor(noise(count), { shape: target, requiresGrad: true });
    const src = wg.tensor(source, { shape, requiresGrad: true });
    const y = x.scatterAdd(dim, wg.tensor(index, { shape }), src);
    const weights = noise(count + 3).slice(3);
    const [gx, gsrc] = wg.grad(y, [x, src], { gradOutputs: wg.tensor(weights, { shape: target }) }) as [
      wg.Tensor,
      wg.Tensor,
    ];
    await wg.realize(y, gx, gsrc);
    expectSame(await y.data(), expected, "values");
    expectSame(await gx.data(), weights, "gradient of the target");
    expectSame(
      await gsrc.data(),
      source.map((_, i) => weights[at(i)] as number),
      "gradient of the source",
    );
  });
}

/** [70, 10] sources to 900 places on dim 0, which is sorted, and to 9 places, which is not. */
for (const size of [900, 9]) {
  const shape = [70, 10];
  const index = places(700, size);
  const at = (i: number): number => (index[i] as number) * 10 + (i % 10);
  // Whole numbers, so that there are equals, and zeros.
  const source = noise(700).map((v) => Math.round(v * 2));
  const old = noise(size * 10).map((v) => Math.round(v * 2));
  const weights = noise(size * 10 + 3).slice(3);

  /** Values and gradients of an op, against what loops make of each place's sources. */
  const check = async (
    what: string,
    apply: (x: wg.Tensor, i: wg.Tensor, src: wg.Tensor) => wg.Tensor,
    expected: (own: number, from: readonly number[]) => { value: number; own: number; from: readonly number[] },
  ): Promise<void> => {
    const x = wg.tensor(old, { shape: [size, 10], requiresGrad: true });
    const src = wg.tensor(source, { shape, requiresGrad: true });
    const y = apply(x, wg.tensor(index, { shape }), src);
    const found = wg.grad(y, [x, src], { gradOutputs: wg.tensor(weights, { shape: [size, 10] }) });
    const [reference] = interpret([y]);
    await wg.realize(y, ...found);
    const lists: number[][] = Array.from({ length: size * 10 }, () => []);
    source.forEach((_, i) => {
      (lists[at(i)] as number[]).push(i);
    });
    const values = new Float64Array(size * 10);
    const [gx, gsrc] = [new Float64Array(size * 10), new Float64Array(700)];
    lists.forEach((list, place) => {
      const one = expected(
        old[place] as number,
        list.map((i) => source[i] as number),
      );
      const weight = weights[place] as number;
      values[place] = one.value;
      gx[place] = one.own * weight;
      list.forEach((i, k) => {
        gsrc[i] = (one.from[k] as number) * weight;
      });
    });
    expectSame(await y.data(), values, `${what}: values`);
    expectSame(reference as Float64Array, values, `${what}: reference`);
    expectSame(await (found[0] as wg.Tensor).data(), gx, `${what}: gradient of the target`);
    expectSame(await (found[1] as wg.Tensor).data(), gsrc, `${what}: gradient of the source`);
  };

  test(`scatter to ${size} places takes the last`, () =>
    check(
      "scatter",
      (x, i, src) => x.scatter(0, i, src),
      (own, from) => ({
        value: from.length > 0 ? (from[from.length - 1] as number) : own,
        own: from.length > 0 ? 0 : 1,
        from: from.map((_, k) => (k === from.length - 1 ? 1 : 0)),
      }),
    ));

  test(`scatter of a number to ${size} places`, async () => {
    const y = await wg
      .tensor(old, { shape: [size, 10] })
      .scatter(0, wg.tensor(index, { shape }), 7)
      .data();
    const expected = old.slice();
    for (let i = 0; i < 700; i++) expected[at(i)] = 7;
    expectSame(y, expected, "values");
  });

  for (const includeSelf of [true, false]) {
    const all = (own: number, from: readonly number[]): number[] => (includeSelf ? [own, ...from] : [...from]);
    const kept = (own: number) => ({ value: own, own: 1, from: [] });
    const product = (list: readonly number[]): number => list.reduce((p, v) => p * v, 1);
    const without = (list: readonly number[], k: number): number => product(list.filter((_, i) => i !== k));
    const split = (gradients: readonly number[]) => ({
      own: includeSelf ? (gradients[0] as number) : 0,
      from: includeSelf ? gradients.slice(1) : gradients,
    });
    test(`scatterReduce to ${size} places, ${includeSelf ? "with" : "without"} what is there`, async () => {
      for (const kind of ["prod", "amax", "amin", "mean"] as const) {
        await check(
          kind,
          (x, i, src) => x.scatterReduce(0, i, src, kind, { includeSelf }),
          (own, from) => {
            const list = all(own, from);
            if (from.length === 0) return kept(own);
            if (kind === "prod") return { value: product(list), ...split(list.map((_, k) => without(list, k))) };
            if (kind === "mean") {
              const value = list.reduce((sum, v) => sum + v, 0) / list.length;
              return { value, ...split(list.map(() => 1 / list.length)) };
            }
            const value = kind === "amax" ? Math.max(...list) : Math.min(...list);
            const equals = list.filter((v) => v === value).length;
            return { value, ...split(list.map((v) => (v === value ? 1 / equals : 0))) };
          },
        );
      }
    });
  }
}

checkOp(wg.bincount, { shapes: [{ shape: [7], dtype: "i32", values: [0, 3, 1, 3, 3, 0, 6] }], layouts: [] });

test("bincount counts, adds weights, and needs a length where only the device has the values", async () => {
  const index = places(20_000, 300, true);
  const expected = new Float64Array(300);
  index.forEach((v) => {
    expected[v] = (expected[v] as number) + 1;
  });
  assert.equal([...(await wg.bincount(wg.tensor(index), { minlength: 300 }).data())], [...expected]);
  const values = wg.tensor([1, 5, 1], { dtype: "i32" });
  assert.equal([...(await values.bincount({ weights: wg.tensor([0.5, 2, 1]) }).data())], [0, 1.5, 0, 0, 0, 2]);
  assert.equal([...(await wg.tensor(new Int32Array(0)).bincount({ minlength: 2 }).data())], [0, 0]);
  const unknown = values.add(1);
  assert.throws(() => unknown.bincount(), /bincount: the length .* minlength/);
  assert.equal([...(await unknown.bincount({ minlength: 4 }).data())], [0, 0, 2, 0]);
  assert.throws(() => wg.tensor([-1], { dtype: "i32" }).bincount(), RangeError);
  assert.throws(() => wg.tensor([0.5]).bincount(), /bincount: values must be i32 or u32, got f32/);
  assert.throws(() => values.bincount({ weights: wg.tensor([1]) }), /weights must have the shape/);
});

test.run();
