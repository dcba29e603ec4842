// Distributions on the device, from a million numbers each: moments, Kolmogorov and Smirnov's distance, independence of neighbours.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/index.ts";

const COUNT = 1_000_000;
const device = await wg.init();

/** Φ((x - mean) / deviation), by Abramowitz and Stegun 7.1.26 (error 1.5e-7). */
function normalBelow(x: number, mean = 0, deviation = 1): number {
  const z = (x - mean) / deviation / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * Math.abs(z));
  const polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = Math.sign(z) * (1 - polynomial * Math.exp(-z * z));
  return (1 + erf) / 2;
}

const uniformBelow = (low: number, high: number) => (x: number) => Math.min(1, Math.max(0, (x - low) / (high - low)));

/** √n times the largest distance between the empirical distribution and `below`: above 1.95 once in a thousand. */
function distance(values: Float32Array, below: (x: number) => number): number {
  const sorted = Float64Array.from(values).sort();
  let most = 0;
  sorted.forEach((x, i) => {
    const p = below(x);
    most = Math.max(most, p - i / sorted.length, (i + 1) / sorted.length - p);
  });
  return most * Math.sqrt(sorted.length);
}

function moments(values: Float32Array): { mean: number; deviation: number; skew: number; kurtosis: number } {
  let mean = 0;
  for (const v of values) mean += v / values.length;
  const sums = [0, 0, 0];
  for (const v of values) {
    const d = v - mean;
    sums[0] = (sums[0] as number) + d * d;
    sums[1] = (sums[1] as number) + d ** 3;
    sums[2] = (sums[2] as number) + d ** 4;
  }
  const [two, three, four] = sums.map((s) => s / values.length) as [number, number, number];
  return { mean, deviation: Math.sqrt(two), skew: three / two ** 1.5, kurtosis: four / two ** 2 };
}

/** Correlation of each element with the one `lag` further on, in units of its own deviation. */
function correlation(values: Float32Array, lag: number): number {
  const { mean, deviation } = moments(values);
  let sum = 0;
  for (let i = lag; i < values.length; i++)
    sum += ((values[i] as number) - mean) * ((values[i - lag] as number) - mean);
  return sum / deviation ** 2 / Math.sqrt(values.length - lag);
}

const near = (actual: number, expected: number, error: number, what: string) =>
  assert.ok(Math.abs(actual - expected) <= error, `${what} is ${actual}, not ${expected} ± ${error}`);

async function read(x: wg.Tensor): Promise<Float32Array> {
  const values = (await x.data()) as Float32Array;
  x.dispose();
  return values;
}

test("rand", async () => {
  wg.manualSeed(101);
  const values = await read(wg.rand([COUNT]));
  const { mean, deviation, kurtosis } = moments(values);
  near(mean, 0.5, 4 * Math.sqrt(1 / 12 / COUNT), "mean");
  near(deviation, Math.sqrt(1 / 12), 1e-3, "deviation");
  near(kurtosis, 1.8, 0.01, "kurtosis");
  const d = distance(values, uniformBelow(0, 1));
  assert.ok(d < 1.95, `distance ${d}`);
  for (const lag of [1, 2, 64, 1000]) assert.ok(Math.abs(correlation(values, lag)) < 4, `lag ${lag}`);
  assert.ok(values.every((v) => v >= 0 && v < 1));
});

test("randn", async () => {
  wg.manualSeed(102);
  const values = await read(wg.randn([COUNT]));
  const { mean, deviation, skew, kurtosis } = moments(values);
  near(mean, 0, 4e-3, "mean");
  near(deviation, 1, 3e-3, "deviation");
  near(skew, 0, 4 * Math.sqrt(6 / COUNT), "skewness");
  near(kurtosis, 3, 4 * Math.sqrt(24 / COUNT), "kurtosis");
  const d = distance(values, (x) => normalBelow(x));
  assert.ok(d < 1.95, `distance ${d}`);
  for (const lag of [1, 2, 64]) assert.ok(Math.abs(correlation(values, lag)) < 4, `lag ${lag}`);
  // 63.3 beyond four deviations are expected.
  const far = values.filter((v) => Math.abs(v) > 4).length;
  assert.ok(far > 30 && far < 100, `${far} beyond four deviations`);
});

test("randint and bernoulli", async () => {
  wg.manualSeed(103);
  const counts = new Float64Array(10);
  for (const v of await read(wg.randint(-3, 7, [COUNT]))) counts[v + 3] = (counts[v + 3] as number) + 1;
  const chi = counts.reduce((sum, n) => sum + (n - COUNT / 10) ** 2 / (COUNT / 10), 0);
  // Nine degrees of freedom: above 27.9 once in a thousand.
  assert.ok(chi < 27.9, `chi squared ${chi}`);
  const p = wg.full([COUNT], 0.3);
  const { mean } = moments(await read(wg.bernoulli(p)));
  near(mean, 0.3, 4 * Math.sqrt(0.21 / COUNT), "bernoulli's mean");
});

test("dropout and alphaDropout", async () => {
  wg.manualSeed(104);
  const dropped = await read(wg.dropout(wg.ones([COUNT]), 0.2));
  assert.ok(dropped.every((v) => v === 0 || Math.abs(v - 1.25) < 1e-6));
  near(moments(dropped).mean, 1, 4 * Math.sqrt(0.25 / COUNT), "dropout's mean");
  assert.ok(Math.abs(correlation(dropped, 1)) < 4, "neighbours are dropped independently");
  const alpha = moments(await read(wg.alphaDropout(wg.randn([COUNT]), 0.4)));
  near(alpha.mean, 0, 5e-3, "alphaDropout's mean");
  near(alpha.deviation, 1, 5e-3, "alphaDropout's deviation");
});

test("multinomial with replacement follows the weights, row by row", async () => {
  wg.manualSeed(108);
  const weights = [0, 1, 2, 0, 4, 0.5, 0];
  const drawn = await read(wg.tensor(weights).multinomial(COUNT, { replacement: true }));
  const counts = weights.map((_, i) => drawn.filter((v) => v === i).length);
  let chi = 0;
  weights.forEach((w, i) => {
    const expected = (w / 7.5) * COUNT;
    if (w === 0) assert.is(counts[i], 0, `class ${i} has no weight`);
    else chi += ((counts[i] as number) - expected) ** 2 / expected;
  });
  // Three degrees of freedom: above 16.3 once in a thousand.
  assert.ok(chi < 16.3, `chi squared ${chi}`);
  const rows = wg.tensor([
    [1, 0, 0],
    [0, 0, 3],
  ]);
  assert.equal(await rows.multinomial(4, { replacement: true }).tolist(), [
    [0, 0, 0, 0],
    [2, 2, 2, 2],
  ]);
});

test("multinomial without replacement draws one after another", async () => {
  wg.manualSeed(109);
  const weights = [0.5, 0.3, 0.2];
  const rows = 50_000;
  const drawn = await read(wg.tensor(weights).expand([rows, 3]).multinomial(2));
  const counts = new Map<string, number>();
  for (let i = 0; i < rows; i++) {
    const pair = `${drawn[2 * i]}${drawn[2 * i + 1]}`;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  weights.forEach((p, i) => {
    weights.forEach((q, j) => {
      const expected = i === j ? 0 : (p * q) / (1 - p);
      near((counts.get(`${i}${j}`) ?? 0) / rows, expected, 4 * Math.sqrt(0.25 / rows), `the share of ${i}, then ${j}`);
    });
  });
  const all = [...(await read(wg.ones([300]).multinomial(300)))].sort((a, b) => a - b);
  assert.equal(
    all,
    Array.from({ length: 300 }, (_, i) => i),
  );
  assert.throws(() => wg.multinomial(wg.ones([3]), 4), /multinomial: 4 of 3 classes/);
  assert.throws(() => wg.multinomial(wg.tensor([1, -1]), 1), /multinomial: weights must be ≥ 0, got -1/);
  assert.throws(() => wg.multinomial(wg.tensor([0, 0]), 1), /multinomial: some weight must be > 0/);
  assert.throws(
    () => wg.multinomial(wg.tensor([1, 2], { dtype: "i32" }), 1),
    /multinomial: the weights must be a float/,
  );
});

test("randperm of a million is a permutation without order, in one kernel", async () => {
  wg.manualSeed(105);
  await wg.zeros([2]).realize();
  const before = device.stats().dispatches;
  const order = await read(wg.randperm(COUNT));
  assert.is(device.stats().dispatches - before, 1);
  const seen = new Uint8Array(COUNT);
  for (const v of order) seen[v] = 1;
  assert.is(seen.indexOf(0), -1);
  const values = Float32Array.from(order);
  const { mean } = moments(values.subarray(0, 10_000));
  near(mean, COUNT / 2, (4 * COUNT) / Math.sqrt(12 * 10_000), "mean of the first");
  for (const lag of [1, 2, 1000]) assert.ok(Math.abs(correlation(values, lag)) < 4, `lag ${lag}`);
  // Places where an element stayed, and where neighbours stayed neighbours: one and two are expected.
  const fixed = values.filter((v, i) => v === i).length;
  const runs = values.filter((v, i) => i > 0 && Math.abs(v - (values[i - 1] as number)) === 1).length;
  assert.ok(fixed < 8 && runs < 10, `${fixed} fixed points, ${runs} neighbours`);
  // Displacements of a random order are distributed as a triangle.
  const displaced = Float32Array.from(order, (v, i) => (v - i) / COUNT);
  const d = distance(displaced, (x) => (x < 0 ? (1 + x) ** 2 / 2 : 1 - (1 - x) ** 2 / 2));
  assert.ok(d < 2.5, `distance ${d}`);
});

test("the functions of nn.init", async () => {
  wg.manualSeed(106);
  const { init } = wg.nn;
  const tensor = wg.zeros([1000, 1000]);
  const bound = Math.sqrt(6 / 2000);
  const spread = (low: number, high: number) => ({
    below: uniformBelow(low, high),
    mean: (low + high) / 2,
    deviation: (high - low) / Math.sqrt(12),
  });
  const bell = (mean: number, deviation: number) => ({
    below: (x: number) => normalBelow(x, mean, deviation),
    mean,
    deviation,
  });
  const inside = (x: number) => (normalBelow(x) - normalBelow(-2)) / (normalBelow(2) - normalBelow(-2));
  const cases: [string, () => wg.Tensor, { below: (x: number) => number; mean: number; deviation: number }][] = [
    ["uniform", () => init.uniform(tensor, { a: -2, b: 3 }), spread(-2, 3)],
    ["normal", () => init.normal(tensor, { mean: 1, std: 0.5 }), bell(1, 0.5)],
    ["xavierUniform", () => init.xavierUniform(tensor), spread(-bound, bound)],
    ["xavierNormal", () => init.xavierNormal(tensor, { gain: 2 }), bell(0, 2 * Math.sqrt(2 / 2000))],
    ["kaimingUniform", () => init.kaimingUniform(tensor), spread(-Math.sqrt(6 / 1000), Math.sqrt(6 / 1000))],
    ["kaimingNormal", () => init.kaimingNormal(tensor, { mode: "fanOut" }), bell(0, Math.sqrt(2 / 1000))],
    ["truncNormal", () => init.truncNormal(tensor), { below: inside, mean: 0, deviation: 0.8796256610342398 }],
  ];
  for (const [name, run, expected] of cases) {
    run();
    const values = (await tensor.data()) as Float32Array;
    const { mean, deviation } = moments(values);
    near(mean, expected.mean, (5 * expected.deviation) / Math.sqrt(COUNT), `${name}'s mean`);
    near(deviation, expected.deviation, 4e-3 * expected.deviation, `${name}'s deviation`);
    const d = distance(values, expected.below);
    assert.ok(d < 1.95, `${name}: distance ${d}`);
  }
});

test("orthogonal matrices are orthogonal and in no direction of preference", async () => {
  wg.manualSeed(107);
  const tall = wg.zeros([48, 16]);
  wg.nn.init.orthogonal(tall, { gain: 2 });
  const gram = (await tall.t().matmul(tall).data()) as Float32Array;
  gram.forEach((v, i) => {
    near(v, i % 17 === 0 ? 4 : 0, 1e-4, `entry ${i}`);
  });
  const { mean } = moments((await tall.data()) as Float32Array);
  near(mean, 0, (5 * (2 / Math.sqrt(48))) / Math.sqrt(48 * 16), "mean");
});

test.run();
