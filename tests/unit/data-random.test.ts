// Random numbers on the host: the published vectors of Philox, and distributions.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { HostRandom, philox } from "../../src/data/random.ts";

test("philox gives the known answers of Random123", () => {
  assert.equal(philox([0, 0], [0, 0, 0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const ones = 0xffffffff;
  assert.equal(philox([ones, ones], [ones, ones, ones, ones]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  assert.equal(
    philox([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]),
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  );
});

test("seed and stream name the sequence", () => {
  const draw = (seed: number, stream?: number[]): number[] => {
    const random = new HostRandom(seed, stream);
    return Array.from({ length: 6 }, () => random.uint32());
  };
  assert.equal(draw(1), draw(1));
  assert.equal(draw(0).slice(0, 4), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const different = [draw(1), draw(2), draw(-1), draw(2 ** 40), draw(1, [1]), draw(1, [0, 1]), draw(1, [0, 0, 1])];
  assert.is(new Set(different.map((numbers) => numbers.join())).size, different.length);
});

test("below is uniform", () => {
  const random = new HostRandom(3);
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 70_000; i++) {
    const value = random.below(7);
    counts[value] = (counts[value] ?? 0) + 1;
  }
  // Six standard deviations of a binomial distribution.
  for (const count of counts) assert.ok(Math.abs(count - 10_000) <= 6 * Math.sqrt((10_000 * 6) / 7));
  assert.is(random.below(1), 0);
});

test("uniform and normal have the moments that they should have", () => {
  const random = new HostRandom(5);
  const n = 100_000;
  const moments = (draw: () => number): [number, number] => {
    const values = Array.from({ length: n }, draw);
    const mean = values.reduce((a, b) => a + b, 0) / n;
    return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n];
  };
  const [mean, variance] = moments(() => random.uniform(-1, 3));
  assert.ok(Math.abs(mean - 1) <= 0.03 && Math.abs(variance - 16 / 12) <= 0.03);
  const [zero, one] = moments(() => random.normal());
  assert.ok(Math.abs(zero) <= 0.02 && Math.abs(one - 1) <= 0.03);
});

test("a permutation holds every number once, and is the same everywhere", () => {
  const order = new HostRandom(7).permutation(1000);
  assert.equal(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.equal([...new HostRandom(7).permutation(10)], [...new HostRandom(7).permutation(10)]);
  assert.equal([...new HostRandom(7).permutation(0)], []);
});

test("wrong arguments are refused", () => {
  assert.throws(() => new HostRandom(0.5), /whole number, got 0.5/);
  assert.throws(() => new HostRandom(1, [1, 2, 3, 4]), /three/);
  assert.throws(() => new HostRandom(1).below(0), /got 0/);
});

test.run();
