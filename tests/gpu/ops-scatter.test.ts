// Scattering by sorted indices: large lists, repeated places, indices out of range, every size of list, against loops.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/tensor.ts";
import { mismatch } from "../reference/golden.ts";
import { dataAsGpu } from "../support/as-gpu.ts";
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

test("rows out of range are left out, on other dims and in other dtypes", async () => {
  const index = places(1200, 60).map((v, i) => (i % 9 === 0 ? (i % 2 === 0 ? -1 : 60) : v));
  const source = noise(1200 * 16).map((v) => Math.round(v * 50));
  const expected = rowSums(source, index, 60, 16);
  // Known on the host they would be refused.
  const unknown = wg.tensor(index).add(wg.zeros([1200], { dtype: "i32" }).mul(2));
  const rows = wg.tensor(source, { shape: [1200, 16], dtype: "i32" });
  const sums = wg.zeros([60, 16], { dtype: "i32" }).indexAdd(0, unknown, rows);
  assert.equal([...(await sums.data())], [...expected]);
  const turned = wg.zeros([2, 60, 8]).indexAdd(1, unknown, wg.tensor(source, { shape: [1200, 2, 8] }).transpose(0, 1));
  const back = await turned.transpose(0, 1).data();
  expectSame(back, expected, "dim 1 of 3");
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

test.run();
