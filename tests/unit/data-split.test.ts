// Splits of datasets: random parts and folds.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Dataset, KFold, randomSplit, Subset } from "../../src/data/index.ts";
import { manualSeed } from "../../src/tensor.ts";

const numbers = (length: number): Dataset<number> => ({ length, get: (index) => 10 * index });
const sorted = (indices: Iterable<number>): number[] => [...indices].sort((a, b) => a - b);
const all = (length: number): number[] => Array.from({ length }, (_, i) => i);

test("randomSplit by lengths covers everything once", () => {
  const parts = randomSplit(numbers(10), [7, 2, 1], { seed: 4 });
  assert.equal(
    parts.map((part) => part.length),
    [7, 2, 1],
  );
  assert.equal(sorted(parts.flatMap((part) => [...part.indices])), all(10));
  const again = randomSplit(numbers(10), [7, 2, 1], { seed: 4 });
  assert.equal(
    parts.map((part) => [...part.indices]),
    again.map((part) => [...part.indices]),
  );
  const other = randomSplit(numbers(10), [7, 2, 1], { seed: 5 });
  assert.not.equal([...(parts[0]?.indices ?? [])], [...(other[0]?.indices ?? [])]);
});

test("randomSplit by fractions gives what is left over to the first parts, as PyTorch does", () => {
  const lengths = (total: number, fractions: number[]): number[] =>
    randomSplit(numbers(total), fractions).map((part) => part.length);
  assert.equal(lengths(10, [0.8, 0.2]), [8, 2]);
  assert.equal(lengths(11, [0.5, 0.3, 0.2]), [6, 3, 2]);
  assert.equal(lengths(10, [0.1, 0.2, 0.7]), [1, 2, 7]);
  assert.equal(lengths(1, [1]), [1]);
});

test("randomSplit refuses what does not add up", () => {
  assert.throws(() => randomSplit(numbers(10), [5, 4]), /add up to 10.*got \[5, 4\], which add up to 9/);
  assert.throws(
    () => randomSplit(numbers(10), [0.5, 0.4]),
    (error: unknown) => error instanceof RangeError,
  );
  assert.throws(
    () => randomSplit(numbers(10), [12, -2]),
    (error: unknown) => error instanceof RangeError,
  );
  assert.throws(
    () => randomSplit(numbers(10), [Number.NaN, 1]),
    (error: unknown) => error instanceof RangeError,
  );
});

test("Subset translates indices and hands epochs on", async () => {
  const base: Dataset<number> = { length: 5, get: (index, epoch = 0) => 10 * index + epoch };
  const subset = new Subset(new Subset(base, [4, 2, 0]), [2, 0]);
  assert.is(subset.length, 2);
  assert.equal([await subset.get(0), await subset.get(1)], [0, 40]);
  assert.equal([await subset.get(0, 3), await subset.get(1, 7)], [3, 47]);
  assert.throws(() => subset.get(2), /from 0 to 1, got 2/);
  assert.throws(
    () => new Subset(base, [5]),
    (error: unknown) => error instanceof RangeError,
  );
});

test("what is no dataset or no list of indices is refused", () => {
  assert.throws(() => new Subset({} as never, [0]), /Subset: a dataset has a whole number length/);
  assert.throws(() => new Subset(numbers(3), 2 as never), /Subset: indices must be an array of whole numbers, got 2/);
  assert.throws(() => new Subset(numbers(3), new Set([1]) as never), /got a Set/);
});

test("without a seed of their own, splits and folds follow manualSeed", () => {
  const drawn = (seed?: number): number[][] => {
    const options = seed === undefined ? {} : { seed };
    const folds = new KFold(3, { shuffle: true, ...options }).split(numbers(30));
    return [...randomSplit(numbers(30), [30], options), ...[...folds].flat()].map(({ indices }) => [...indices]);
  };
  manualSeed(11);
  const first = drawn();
  manualSeed(12);
  assert.not.equal(drawn(), first);
  assert.equal(drawn(11), first);
  manualSeed(0);
  assert.equal(drawn(), drawn(0));
});

test("unknown options and values that make no sense are refused", () => {
  const throws = (make: () => unknown, pattern: RegExp): void => assert.throws(make, pattern);
  throws(() => randomSplit(numbers(4), [4], { sed: 1 } as never), /randomSplit: unknown option "sed".*\{ seed \}/);
  throws(
    () => randomSplit(numbers(4), [4], 1 as never),
    /randomSplit: optional arguments go in one options object \{ seed \}/,
  );
  throws(() => randomSplit(numbers(4), [4], { seed: 0.5 }), /randomSplit: seed must be a whole number, got 0.5/);
  throws(() => randomSplit(numbers(4), 0.8 as never), /randomSplit: lengths must be an array such as .*, got 0.8/);
  throws(() => new KFold(2, { shufle: true } as never), /KFold: unknown option "shufle".*\{ shuffle, seed \}/);
  throws(() => new KFold(2, { shuffle: "no" } as never), /KFold: shuffle must be true or false, got "no"/);
  throws(() => new KFold(2, { seed: null } as never), /KFold: seed must be a whole number, got null/);
});

test("KFold without shuffle has scikit-learn's folds", () => {
  const folds = [...new KFold(3).split(numbers(10))].map(([train, validation]) => [
    [...train.indices],
    [...validation.indices],
  ]);
  assert.equal(folds, [
    [
      [4, 5, 6, 7, 8, 9],
      [0, 1, 2, 3],
    ],
    [
      [0, 1, 2, 3, 7, 8, 9],
      [4, 5, 6],
    ],
    [
      [0, 1, 2, 3, 4, 5, 6],
      [7, 8, 9],
    ],
  ]);
});

test("KFold with shuffle has every sample in one validation part", () => {
  const folds = [...new KFold(4, { shuffle: true, seed: 2 }).split(numbers(11))];
  assert.equal(sorted(folds.flatMap(([, validation]) => [...validation.indices])), all(11));
  for (const [train, validation] of folds) {
    assert.equal(sorted([...train.indices, ...validation.indices]), all(11));
  }
  assert.not.equal([...(folds[0]?.[1].indices ?? [])], [0, 1, 2]);
});

test("KFold refuses too few folds or samples", () => {
  assert.throws(() => new KFold(1), /≥ 2, got 1/);
  assert.throws(() => [...new KFold(5).split(numbers(4))], /5 folds need at least as many samples, got 4/);
});

test.run();
