// Metrics of classifications from scores or probabilities.
import { checkOptions, checkWhole, demand, misfit, sameShape } from "../ops/check.ts";
import {
  bestClass,
  checkClasses,
  checkEqualShapes,
  classesOf,
  type HostValues,
  type MetricInput,
  read,
  type Scores,
  scoreOf,
  scoresOf,
} from "./input.ts";

/**
 * Computes the part of the samples whose class was found. `predictions` are scores `[n, classes]` (logits or
 * probabilities: the highest wins, of equal ones the lower class), or class numbers in the shape of `targets`. With
 * `threshold`, predictions in the shape of `targets` are scores of class 1, which is chosen from the threshold up.
 */
export async function accuracy(
  predictions: MetricInput,
  targets: MetricInput,
  options: { threshold?: number } = {},
): Promise<number> {
  checkOptions("accuracy", options, ["threshold"]);
  const [given, expected] = await read("accuracy", predictions, targets);
  const { threshold } = options;
  const binary = threshold !== undefined && sameShape(given.shape, expected.shape);
  const decided = binary
    ? { data: Array.from(given.data, (score) => (score >= threshold ? 1 : 0)), shape: given.shape }
    : given;
  const { predicted } = classesOf("accuracy", decided, expected);
  let hits = 0;
  for (let i = 0; i < expected.data.length; i++) if (predicted[i] === expected.data[i]) hits++;
  return hits / expected.data.length;
}

/**
 * Part of the samples whose class is among the `k` highest scores: mean(rank(target) < k), where equal scores rank by
 * class number.
 */
export async function topKAccuracy(scores: MetricInput, targets: MetricInput, k: number): Promise<number> {
  const [given, expected] = await read("topKAccuracy", scores, targets);
  const table = scoresOf("topKAccuracy", given, expected);
  const fits = Number.isInteger(k) && k >= 1 && k <= table.classes;
  demand("topKAccuracy", "k", k, fits, `a whole number from 1 to ${table.classes}, the number of classes`);
  checkClasses("topKAccuracy", expected, table.classes);
  let hits = 0;
  for (let sample = 0; sample < table.samples; sample++) {
    bestClass("topKAccuracy", table, sample);
    const target = expected.data[sample] as number;
    const own = scoreOf(table, sample, target);
    let rank = 0;
    for (let c = 0; c < table.classes; c++) {
      const other = scoreOf(table, sample, c);
      if (other > own || (other === own && c < target)) rank++;
    }
    if (rank < k) hits++;
  }
  return hits / table.samples;
}

/**
 * Computes −mean(log p(target)), the cross-entropy of probabilities: `[n, classes]`, or `[n]` for the probability of
 * class 1. Probabilities are clipped to [eps, 1 − eps]. The default eps is the precision of the given numbers (2⁻²³ for
 * f32, else 2⁻⁵²), as in scikit-learn's log_loss.
 *
 * @throws RangeError if a row is not a distribution: `softmax` makes one of logits.
 */
export async function logLoss(
  probabilities: MetricInput,
  targets: MetricInput,
  options: { eps?: number } = {},
): Promise<number> {
  checkOptions("logLoss", options, ["eps"]);
  const [given, expected] = await read("logLoss", probabilities, targets);
  const eps = options.eps ?? (given.data instanceof Float32Array ? 2 ** -23 : 2 ** -52);
  const table = distribution("logLoss", given, expected);
  let total = 0;
  for (let sample = 0; sample < table.samples; sample++) {
    const p = scoreOf(table, sample, expected.data[sample] as number);
    total -= Math.log(Math.min(Math.max(p, eps), 1 - eps));
  }
  return total / table.samples;
}

/** Checked probabilities `[n, classes]`; one column p is taken for [1 − p, p]. */
function distribution(metric: string, given: HostValues, expected: HostValues): Scores {
  const binary = sameShape(given.shape, expected.shape);
  if (binary) checkEqualShapes(metric, given, expected);
  const table: Scores = binary
    ? { data: Array.from(given.data).flatMap((p) => [1 - p, p]), classes: 2, samples: given.data.length, stride: 1 }
    : scoresOf(metric, given, expected);
  checkClasses(metric, expected, table.classes);
  for (let sample = 0; sample < table.samples; sample++) {
    let sum = 0;
    let valid = true;
    for (let c = 0; c < table.classes; c++) {
      const p = scoreOf(table, sample, c);
      valid &&= p >= 0 && p <= 1 + 1e-6;
      sum += p;
    }
    if (!valid || !(Math.abs(sum - 1) <= 1e-3)) {
      throw new RangeError(
        `${metric}: probabilities lie in [0, 1] and add up to 1, got a sum of ${sum} in sample ${sample}. softmax(logits, 1) makes them.`,
      );
    }
  }
  return table;
}

/**
 * Expected calibration error Σ_b |b|/n · |accuracy(b) − confidence(b)| over `bins` equal parts of [0, 1] (default 15) by
 * confidence, the highest probability; a bin holds its lower edge, the last one also 1 (Guo et al. 2017).
 * `probabilities` are `[n, classes]`, or `[n]` for class 1.
 */
export async function expectedCalibrationError(
  probabilities: MetricInput,
  targets: MetricInput,
  options: { bins?: number } = {},
): Promise<number> {
  checkOptions("expectedCalibrationError", options, ["bins"]);
  const { bins = 15 } = options;
  checkWhole("expectedCalibrationError", "bins", bins, 1);
  const [given, expected] = await read("expectedCalibrationError", probabilities, targets);
  const table = distribution("expectedCalibrationError", given, expected);
  const confidence = new Float64Array(bins);
  const hits = new Float64Array(bins);
  for (let sample = 0; sample < table.samples; sample++) {
    const best = bestClass("expectedCalibrationError", table, sample);
    const p = scoreOf(table, sample, best);
    const bin = Math.min(Math.floor(p * bins), bins - 1);
    (confidence[bin] as number) += p;
    if (best === expected.data[sample]) (hits[bin] as number)++;
  }
  const gap = confidence.reduce((sum, value, bin) => sum + Math.abs(value - (hits[bin] as number)), 0);
  return gap / table.samples;
}

/**
 * exp(−mean(log softmax(logits)[target])): how many equally likely classes the model hesitates between. `logits` are
 * `[…, classes]` (the classes last, as language models give them), `targets` `[…]`; targets equal to `ignoreIndex`
 * (default −100) do not count.
 */
export async function perplexity(
  logits: MetricInput,
  targets: MetricInput,
  options: { ignoreIndex?: number } = {},
): Promise<number> {
  checkOptions("perplexity", options, ["ignoreIndex"]);
  const { ignoreIndex = -100 } = options;
  const [given, expected] = await read("perplexity", logits, targets);
  const table = scoresOf("perplexity", given, expected, "last");
  const kept = Array.from(expected.data, (target) => (target === ignoreIndex ? 0 : target));
  checkClasses("perplexity", { data: kept, shape: expected.shape }, table.classes);
  let total = 0;
  let count = 0;
  for (let sample = 0; sample < table.samples; sample++) {
    const target = expected.data[sample] as number;
    if (target === ignoreIndex) continue;
    const highest = scoreOf(table, sample, bestClass("perplexity", table, sample));
    let sum = 0;
    for (let c = 0; c < table.classes; c++) sum += Math.exp(scoreOf(table, sample, c) - highest);
    total += highest + Math.log(sum) - scoreOf(table, sample, target);
    count++;
  }
  if (count === 0) throw misfit("perplexity", "every target is the ignoreIndex, so that nothing is left to measure.");
  return Math.exp(total / count);
}
