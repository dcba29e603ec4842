// Splitting a dataset: at random, and into the folds of a cross-validation.
import { checkOptions, checkWhole, printed } from "../ops/check.ts";
import { checkFlag, seedFor } from "./check.ts";
import { type Dataset, lengthOf, Subset } from "./dataset.ts";
import { HostRandom } from "./random.ts";

const SPLIT_STREAM = 2;
const FOLD_STREAM = 3;

/**
 * Splits a dataset at random into parts that do not overlap.
 *
 * `lengths` are whole numbers that add up to the length of the dataset, or fractions that add up to 1. With fractions,
 * part i has ⌊fractionᵢ · length⌋ samples, and the remaining samples go one each to the first parts. The default seed
 * is that of `manualSeed`.
 *
 * @throws RangeError if the lengths or fractions do not add up.
 */
export function randomSplit<Sample>(
  dataset: Dataset<Sample>,
  lengths: readonly number[],
  options: { seed?: number } = {},
): Subset<Sample>[] {
  const total = lengthOf("randomSplit", dataset);
  checkOptions("randomSplit", options, ["seed"]);
  const counts = countsOf(lengths, total);
  const order = new HostRandom(seedFor("randomSplit", options.seed), [SPLIT_STREAM]).permutation(total);
  let start = 0;
  return counts.map((count) => {
    const part = new Subset(dataset, order.subarray(start, start + count));
    start += count;
    return part;
  });
}

function countsOf(lengths: readonly number[], total: number): number[] {
  if (!Array.isArray(lengths)) {
    throw new TypeError(`randomSplit: lengths must be an array such as [0.8, 0.2], got ${printed(lengths)}.`);
  }
  const sum = lengths.reduce((a, b) => a + b, 0);
  const whole = lengths.every((length) => Number.isInteger(length) && length >= 0);
  if (whole && sum === total) return [...lengths];
  const fractions = lengths.every((length) => length >= 0 && length <= 1);
  if (!fractions || !(Math.abs(sum - 1) <= 1e-6)) {
    throw new RangeError(
      `randomSplit: lengths must be whole numbers that add up to ${total} or fractions that add up to 1, got ` +
        `[${lengths.join(", ")}], which add up to ${sum}.`,
    );
  }
  const counts = lengths.map((fraction) => Math.floor(fraction * total));
  const left = total - counts.reduce((a, b) => a + b, 0);
  for (let i = 0; i < left; i++) (counts[i % counts.length] as number) += 1;
  return counts;
}

/**
 * Cross-validation in k folds. Each sample is in exactly one fold, and each fold is the validation part once. The first
 * `length mod k` folds have one sample more, as in scikit-learn. With `shuffle` (default false) the folds are drawn at
 * random. The default seed is that of `manualSeed`.
 *
 * ```js
 * import { data, randn } from "wgrad";
 *
 * const dataset = new data.TensorDataset(randn([10, 2]));
 * for (const [train, validation] of new data.KFold(5, { shuffle: true, seed: 1 }).split(dataset)) {
 *   console.log(train.length, validation.length); // prints 8 2
 * }
 * ```
 */
export class KFold {
  /** Number of folds. */
  readonly folds: number;
  /** Whether the folds are drawn at random. */
  readonly shuffle: boolean;
  /** Seed of the random folds. */
  readonly seed: number;

  /** @throws RangeError when `folds` is not a whole number of at least 2. */
  constructor(folds = 5, options: { shuffle?: boolean; seed?: number } = {}) {
    checkOptions("KFold", options, ["shuffle", "seed"]);
    const { shuffle = false, seed } = options;
    this.folds = checkWhole("KFold", "folds", folds, 2);
    this.shuffle = checkFlag("KFold", "shuffle", shuffle);
    this.seed = seedFor("KFold", seed);
  }

  /** Yields `[train, validation]` for every fold. @throws RangeError when there are fewer samples than folds. */
  *split<Sample>(dataset: Dataset<Sample>): Generator<[Subset<Sample>, Subset<Sample>], void, undefined> {
    const total = lengthOf("KFold", dataset);
    if (total < this.folds) {
      throw new RangeError(`KFold: ${this.folds} folds need at least as many samples, got ${total}.`);
    }
    const order = this.shuffle
      ? new HostRandom(this.seed, [FOLD_STREAM]).permutation(total)
      : Uint32Array.from({ length: total }, (_, index) => index);
    let start = 0;
    for (let fold = 0; fold < this.folds; fold++) {
      const end = start + Math.floor(total / this.folds) + (fold < total % this.folds ? 1 : 0);
      // In the dataset's own order within each part, as in scikit-learn.
      const validation = order.slice(start, end).sort();
      const train = Uint32Array.from([...order.subarray(0, start), ...order.subarray(end)]).sort();
      yield [new Subset(dataset, train), new Subset(dataset, validation)];
      start = end;
    }
  }
}
