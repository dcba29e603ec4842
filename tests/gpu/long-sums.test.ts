// Long sums keep their digits: of equal numbers, whose rounding errors all have the same sign.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { currentTraits, useSchedules } from "../../src/engine/engine.ts";
import { arange, explain, full, init, matmul, type Tensor, tensor } from "../../src/index.ts";
import { alternatives, bookBy, bookOf, type Schedule, signatureOf } from "../../src/shaders/schedules.ts";
import { dataAsGpu } from "../support/as-gpu.ts";

await init();

const tenth = Math.fround(0.1);
const x = tensor(new Float32Array(4_000_000).fill(0.1));

/** All elements within a relative error of 1e-5. */
function close(actual: ArrayLike<number>, expected: number): void {
  assert.ok(actual.length > 0);
  for (let i = 0; i < actual.length; i++) {
    const error = Math.abs((actual[i] as number) / expected - 1);
    assert.ok(error <= 1e-5, `element ${i}: ${actual[i]}, expected ${expected}, error ${error}`);
  }
}

const sums: readonly (readonly [string, () => Tensor, number])[] = [
  ["over columns of one number", () => full([200_000, 100], 0.1).sum(0), 200_000 * tenth],
  ["over rows of one number", () => full([100, 200_000], 0.1).sum(1), 200_000 * tenth],
  ["of all, in parts", () => full([1_000_000], 0.1).sum(), 1_000_000 * tenth],
  ["of all, in long parts", () => full([50_000_000], 0.1).sum(), 50_000_000 * tenth],
  ["a mean of all", () => full([20_000_000], 0.1).mul(tensor(1)).mean(), tenth],
  ["over columns", () => x.reshape([40_000, 100]).sum(0), 40_000 * tenth],
  ["over columns that are no multiple of four", () => x.reshape([160_000, 25]).sum(0), 160_000 * tenth],
  ["over rows", () => x.reshape([100, 40_000]).sum(1), 40_000 * tenth],
  [
    "over rows that are no multiple of four",
    () => x.narrow(0, 0, 3_999_900).reshape([100, 39_999]).sum(1),
    39_999 * tenth,
  ],
  ["of what elementwise work comes before", () => x.reshape([40_000, 100]).mul(3).sub(0.1).sum(0), 80_000 * tenth],
  ["in f16", () => full([20_480, 64], 0.125, { dtype: "f16" }).mul(2).mean(0).to("f32"), 0.25],
];

for (const [what, compute, expected] of sums) {
  test(`a long sum ${what}`, async () => {
    close(await compute().data(), expected);
  });
}

test("the variance of long columns", async () => {
  const factor = arange(40_000).remainder(2).mul(2).add(1).reshape([40_000, 1]);
  close(await x.reshape([40_000, 100]).mul(factor).variance(0, false, { correction: 0 }).data(), tenth * tenth);
});

test("a sum beside a maximum", async () => {
  const table = full([20_000, 40], 0.1).mul(tensor(1));
  const [sum, most] = [table.sum(0), table.amax(0)];
  close(await sum.data(), 20_000 * tenth);
  close(await most.data(), tenth);
});

/** Products with long sums: split in parts, with a length that nothing divides, of too many results to be split, with a factor's sum beside. */
const products: readonly (readonly [string, () => Tensor[], number])[] = [
  ["in parts", () => [matmul(x.reshape([4, 1_000_000]), x.reshape([1_000_000, 4]))], 1_000_000],
  [
    "of a prime length",
    () => [matmul(x.reshape([4, 1_000_000]).narrow(1, 0, 65_537), x.reshape([1_000_000, 4]).narrow(0, 0, 65_537))],
    65_537,
  ],
  [
    "with a factor's sum",
    () => {
      const table = x.narrow(0, 0, 33_000 * 96).reshape([33_000, 96]);
      return [matmul(table.t(), table), table.sum(0).mul(0.1)];
    },
    33_000,
  ],
];

for (const [what, compute, length] of products) {
  test(`a long product ${what}`, async () => {
    const results = compute();
    for (const result of results) close(await result.data(), length * tenth * tenth);
    for (const found of await dataAsGpu(...compute())) close(found, length * tenth * tenth);
  });
}

test("a long product through workgroup memory", async () => {
  const table = x.narrow(0, 0, 33_000 * 96).reshape([33_000, 96]);
  const compute = () => [matmul(table.t(), table), table.sum(0).mul(0.1)];
  const offers = new Map<string, Schedule>();
  useSchedules(
    bookBy((offer) => {
      const tiles = alternatives(offer, currentTraits()).filter((s) => "chunk" in s && Number(s.chunk) > 0);
      if (tiles.length > 0) offers.set(signatureOf(offer.kernel), tiles[0] as Schedule);
      return null;
    }),
  );
  explain(...compute());
  useSchedules(bookOf(offers));
  try {
    const results = compute();
    const shaders = explain(...results).kernels.map(({ wgsl }) => wgsl);
    assert.is(shaders.filter((text) => /var<workgroup> tile_rows/.test(text) && /var block = 0/.test(text)).length, 1);
    for (const result of results) close(await result.data(), 33_000 * tenth * tenth);
  } finally {
    useSchedules(null);
  }
});

test("long sums as a GPU's kernels have them", async () => {
  const length = 1_200_000;
  const [rows, columns] = await dataAsGpu(full([32, length], 0.1).sum(1), x.reshape([40_000, 100]).sum(0));
  close(rows as ArrayLike<number>, length * tenth);
  close(columns as ArrayLike<number>, 40_000 * tenth);
});

test.run();
