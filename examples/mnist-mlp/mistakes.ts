// The worst mistakes of a classifier: where it was surest of a wrong digit.
import type { Verdicts } from "./train.ts";

export interface Mistake {
  /** Number of the image in the test set. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  /** Probability of the predicted digit. */
  readonly confidence: number;
}

/** Up to `count` mistakes, the surest first. */
export function worstMistakes({ probabilities, labels }: Verdicts, count: number): Mistake[] {
  const mistakes: Mistake[] = [];
  labels.forEach((label, index) => {
    const row = probabilities.subarray(10 * index, 10 * index + 10);
    const confidence = row.reduce((a, b) => Math.max(a, b), 0);
    const predicted = row.indexOf(confidence);
    if (predicted !== label) mistakes.push({ index, label, predicted, confidence });
  });
  return mistakes.sort((a, b) => b.confidence - a.confidence || a.index - b.index).slice(0, count);
}
