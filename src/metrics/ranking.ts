// Metrics of how well scores rank the samples of a class above the others.

import type { ShapeError } from "../base/errors.ts";
import { checkOptions, misfit, sameShape } from "../ops/check.ts";
import { checkClasses, type HostValues, type MetricInput, read, scoreOf, scoresOf } from "./input.ts";

/** How the classes' values become one: unweighted mean, or weighted by the classes' samples. */
export type RankingAverage = "macro" | "weighted";

/**
 * Computes the area under the receiver operating characteristic: the probability that a sample of the class scores
 * above one of another class; equal scores count half (Mann and Whitney). `scores` are `[n]` for class 1 with targets 0
 * and 1, or `[n, classes]`. With two classes the score of class 1 counts; with more, each class is compared with the
 * rest, and the results are averaged, by default with "macro".
 *
 * @throws RangeError if a class has no sample or all samples: the area is not defined then.
 */
export async function rocAuc(
  scores: MetricInput,
  targets: MetricInput,
  options: { average?: RankingAverage } = {},
): Promise<number> {
  checkOptions("rocAuc", options, ["average"]);
  return overClasses("rocAuc", scores, targets, options.average ?? "macro", areaUnderRoc);
}

/**
 * Average precision Σ (Rᵢ − Rᵢ₋₁) · Pᵢ over the falling thresholds: the area under the precision-recall curve by steps,
 * without the optimism of straight lines (scikit-learn's average_precision_score). Inputs as for `rocAuc`.
 */
export async function prAuc(
  scores: MetricInput,
  targets: MetricInput,
  options: { average?: RankingAverage } = {},
): Promise<number> {
  checkOptions("prAuc", options, ["average"]);
  return overClasses("prAuc", scores, targets, options.average ?? "macro", averagePrecision);
}

async function overClasses(
  metric: string,
  scores: MetricInput,
  targets: MetricInput,
  average: RankingAverage,
  area: (groups: Group[], positives: number, negatives: number) => number,
): Promise<number> {
  const [given, expected] = await read(metric, scores, targets);
  const one = (column: Float64Array, label: number): number => {
    const groups = grouped(metric, column, expected.data, label);
    const positives = groups.reduce((sum, group) => sum + group.positives, 0);
    const negatives = column.length - positives;
    if (positives === 0 || negatives === 0) {
      throw new RangeError(
        `${metric}: class ${label} has ${positives} of the ${column.length} samples, so that its area is not defined. It needs samples inside and outside.`,
      );
    }
    return area(groups, positives, negatives);
  };
  if (sameShape(given.shape, expected.shape)) {
    if (given.shape.length !== 1) throw oneDimensional(metric, given, expected);
    checkClasses(metric, expected, 2);
    return one(Float64Array.from(given.data), 1);
  }
  const table = scoresOf(metric, given, expected);
  if (table.classes < 2) throw oneDimensional(metric, given, expected);
  checkClasses(metric, expected, table.classes);
  const column = (label: number): Float64Array =>
    Float64Array.from({ length: table.samples }, (_, sample) => scoreOf(table, sample, label));
  if (table.classes === 2) return one(column(1), 1);
  const areas = Array.from({ length: table.classes }, (_, label) => one(column(label), label));
  const weights = areas.map((_, label) =>
    average === "weighted" ? Array.from(expected.data).filter((target) => target === label).length : 1,
  );
  const total = weights.reduce((a, b) => a + b, 0);
  return areas.reduce((sum, value, label) => sum + value * (weights[label] as number), 0) / total;
}

function oneDimensional(metric: string, scores: HostValues, targets: HostValues): ShapeError {
  const got = `[${scores.shape}] and [${targets.shape}]`;
  return misfit(metric, `scores are [n] or [n, classes] with at least 2 classes, got ${got}.`, scores, targets);
}

/** Samples of equal score. */
interface Group {
  readonly positives: number;
  readonly negatives: number;
}

/** The samples by falling score, those of equal score together. */
function grouped(metric: string, scores: Float64Array, targets: ArrayLike<number>, label: number): Group[] {
  if (scores.some(Number.isNaN)) throw new RangeError(`${metric}: the scores hold NaN. Has the training diverged?`);
  const order = Array.from(scores.keys()).sort((a, b) => (scores[b] as number) - (scores[a] as number));
  const groups: { positives: number; negatives: number }[] = [];
  let last = Number.NaN;
  for (const index of order) {
    const score = scores[index] as number;
    if (score !== last) groups.push({ positives: 0, negatives: 0 });
    last = score;
    const group = groups.at(-1) as (typeof groups)[number];
    if (targets[index] === label) group.positives++;
    else group.negatives++;
  }
  return groups;
}

function areaUnderRoc(groups: Group[], positives: number, negatives: number): number {
  let above = 0;
  let area = 0;
  for (const group of groups) {
    area += group.negatives * (above + group.positives / 2);
    above += group.positives;
  }
  return area / (positives * negatives);
}

function averagePrecision(groups: Group[], positives: number): number {
  let found = 0;
  let taken = 0;
  let area = 0;
  for (const group of groups) {
    found += group.positives;
    taken += group.positives + group.negatives;
    area += (group.positives / positives) * (found / taken);
  }
  return area;
}
