// The confusion matrix of a classification and what is computed from it.

import { lines } from "../base/table.ts";
import { checkChoice, checkList, checkOptions } from "../ops/check.ts";
import { classesOf, type MetricInput, read } from "./input.ts";

/** How the classes' values become one: unweighted mean, over all samples together, or weighted by the classes' samples. */
export type Average = "macro" | "micro" | "weighted";

/** A metric that a confusion matrix has for each class. */
export type ClassMetric = "precision" | "recall" | "f1";

/** Counts of pairs: `counts[t][p]` samples of class t were taken for class p. */
export class ConfusionMatrix {
  /** Rows are the true classes, columns the predicted ones. */
  readonly counts: readonly (readonly number[])[];
  /** Names of the classes; their numbers unless given. */
  readonly labels: readonly string[];

  /** @throws RangeError when the counts are not square or the labels are not as many. */
  constructor(counts: readonly (readonly number[])[], labels?: readonly string[]) {
    const size = checkList("ConfusionMatrix", "the counts", counts).length;
    if (size === 0 || counts.some((row) => checkList("ConfusionMatrix", "each row of counts", row).length !== size)) {
      throw new RangeError(
        `ConfusionMatrix: the counts must be square, got rows of [${counts.map((row) => row.length)}].`,
      );
    }
    if (labels !== undefined && labels.length !== size) {
      throw new RangeError(`ConfusionMatrix: ${size} classes need as many labels, got ${labels.length}.`);
    }
    this.counts = counts;
    this.labels = labels ?? counts.map((_, label) => String(label));
  }

  /** Number of samples. */
  get total(): number {
    return sum(this.counts.map(sum));
  }

  /** Samples of each true class (scikit-learn's support). */
  get support(): number[] {
    return this.counts.map(sum);
  }

  /** Part of the samples on the diagonal. */
  get accuracy(): number {
    return ratio(sum(this.#hits), this.total);
  }

  /** Per class: samples rightly taken for it / samples taken for it; 0 where there is none. */
  get precision(): number[] {
    return this.#perClass((hits, taken) => ratio(hits, taken));
  }

  /** Per class: samples rightly taken for it / samples of it; 0 where there is none. */
  get recall(): number[] {
    return this.#perClass((hits, _taken, support) => ratio(hits, support));
  }

  /** Per class: 2·hits / (samples taken for it + samples of it), the harmonic mean of precision and recall. */
  get f1(): number[] {
    return this.#perClass((hits, taken, support) => ratio(2 * hits, taken + support));
  }

  /**
   * One number over all classes. "macro": mean over the classes that occur among targets or predictions; "micro": of the
   * counts of all classes together (equal to the accuracy); "weighted": mean weighted by `support`.
   */
  average(metric: ClassMetric, average: Average = "macro"): number {
    checkChoice(metric, "average", average, ["macro", "micro", "weighted"]);
    if (average === "micro") return this.accuracy;
    const values = this[metric];
    const weights = this.#perClass((_, taken, support) =>
      average === "weighted" ? support : Number(support + taken > 0),
    );
    return ratio(sum(values.map((value, label) => value * (weights[label] as number))), sum(weights));
  }

  /** A table: a row per true class with its counts, recall at its end, and precision below each column. */
  toString(): string {
    const percent = (value: number): string => `${(100 * value).toFixed(1)}%`;
    const rows = [
      ["true \\ predicted", ...this.labels, "recall"],
      ...this.counts.map((row, label) => [
        this.labels[label] as string,
        ...row.map(String),
        percent(this.recall[label] as number),
      ]),
      ["precision", ...this.precision.map(percent), percent(this.accuracy)],
    ];
    return lines(rows, 1).join("\n");
  }

  get #hits(): number[] {
    return this.#perClass((hits) => hits);
  }

  /** A value per class from its samples that were found, those that were taken for it and its own. */
  #perClass(value: (hits: number, taken: number, support: number) => number): number[] {
    return this.counts.map((row, label) => {
      const column = this.counts.map((other) => other[label] as number);
      return value(row[label] as number, sum(column), sum(row));
    });
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/**
 * Counts which class was taken for which. `predictions` are scores `[n, classes]` (the highest wins) or class numbers
 * like `targets`. The number of classes is that of the scores, or `numClasses`, or that of `labels`, or follows from
 * the highest class number.
 */
export async function confusionMatrix(
  predictions: MetricInput,
  targets: MetricInput,
  options: { numClasses?: number; labels?: readonly string[] } = {},
): Promise<ConfusionMatrix> {
  checkOptions("confusionMatrix", options, ["numClasses", "labels"]);
  return count("confusionMatrix", predictions, targets, options);
}

/**
 * Computes tp / (tp + fp): which part of the samples that were taken for a class is of it. The classes are averaged, by
 * default with "macro"; see `ConfusionMatrix.average`. A class that was never predicted counts 0.
 */
export async function precision(
  predictions: MetricInput,
  targets: MetricInput,
  options: { average?: Average } = {},
): Promise<number> {
  checkOptions("precision", options, ["average"]);
  return (await count("precision", predictions, targets)).average("precision", options.average);
}

/** Computes tp / (tp + fn): which part of a class was found. The classes are averaged, by default with "macro". */
export async function recall(
  predictions: MetricInput,
  targets: MetricInput,
  options: { average?: Average } = {},
): Promise<number> {
  checkOptions("recall", options, ["average"]);
  return (await count("recall", predictions, targets)).average("recall", options.average);
}

/** Computes 2·tp / (2·tp + fp + fn), averaged over the classes, by default with "macro". */
export async function f1(
  predictions: MetricInput,
  targets: MetricInput,
  options: { average?: Average } = {},
): Promise<number> {
  checkOptions("f1", options, ["average"]);
  return (await count("f1", predictions, targets)).average("f1", options.average);
}

async function count(
  metric: string,
  predictions: MetricInput,
  targets: MetricInput,
  options: { numClasses?: number; labels?: readonly string[] } = {},
): Promise<ConfusionMatrix> {
  const [given, expected] = await read(metric, predictions, targets);
  const { predicted, classes } = classesOf(metric, given, expected);
  const highest = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => Math.max(a, b), -1);
  const needed = Math.max(highest(predicted), highest(expected.data)) + 1;
  const size = options.numClasses ?? options.labels?.length ?? classes ?? needed;
  if (size < needed) throw new RangeError(`${metric}: the class ${needed - 1} does not fit numClasses ${size}.`);
  const counts = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (let i = 0; i < expected.data.length; i++) {
    const row = counts[expected.data[i] as number] as number[];
    (row[predicted[i] as number] as number)++;
  }
  return new ConfusionMatrix(counts, options.labels);
}
