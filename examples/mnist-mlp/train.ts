// Training and testing of the digit classifier, for Node and pages alike.
import { compile, crossEntropy, metrics, noGrad, type optim, type Tensor } from "wgrad";
import type { DigitClassifier } from "./model.ts";

/** The batches of images and labels of an epoch, as a DataLoader gives them. */
export type Digits = AsyncIterable<[Tensor, Tensor]> & { readonly length: number };

/** Where a training stands: means over the images since the last report. */
export interface Progress {
  /** Steps done in this epoch. */
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  /** Images seen in this epoch. */
  readonly images: number;
}

/** The loss is not finite any more. */
export class DivergedError extends Error {}

/** Means over an epoch. */
export interface Means {
  readonly loss: number;
  readonly accuracy: number;
}

/** Makes the function that trains one epoch and reports every `reportEvery` steps. */
export function trainer(
  model: DigitClassifier,
  optimizer: optim.Optimizer,
  reportEvery: number,
): (batches: Digits, report: (progress: Progress) => void) => Promise<Means> {
  const step = compile((images: Tensor, labels: Tensor) => {
    optimizer.zeroGrad();
    const scores = model.forward(images);
    const loss = crossEntropy(scores, labels);
    const hits = scores.argmax(1).eq(labels).sum();
    loss.backward();
    optimizer.step();
    return { loss, hits };
  });
  return async (batches, report) => {
    model.train();
    const recent = new Meter();
    const whole = new Meter();
    let unread: { loss: Tensor; hits: Tensor; images: number }[] = [];
    let images = 0;
    let steps = 0;
    for await (const [x, y] of batches) {
      const count = x.shape[0] ?? 0;
      unread.push({ ...step(x, y), images: count });
      images += count;
      steps++;
      // Reading waits for the GPU, so it is done for many steps at once.
      if (steps % reportEvery !== 0 && steps < batches.length) continue;
      const values = await Promise.all(unread.map(({ loss, hits }) => Promise.all([loss.item(), hits.item()])));
      unread.forEach(({ loss, hits, images: n }, i) => {
        const [lossValue = Number.NaN, hitCount = 0] = values[i] ?? [];
        if (!Number.isFinite(lossValue)) {
          throw new DivergedError(`the training has diverged: the loss is ${lossValue}. Try a lower learning rate.`);
        }
        recent.add(lossValue, hitCount, n);
        whole.add(lossValue, hitCount, n);
        loss.dispose();
        hits.dispose();
      });
      unread = [];
      report({ step: steps, ...recent.means, images });
      recent.clear();
    }
    return whole.means;
  };
}

/** Sums over images. */
class Meter {
  #loss = 0;
  #hits = 0;
  #images = 0;

  add(meanLoss: number, hits: number, images: number): void {
    this.#loss += meanLoss * images;
    this.#hits += hits;
    this.#images += images;
  }

  get means(): Means {
    return { loss: this.#loss / this.#images, accuracy: this.#hits / this.#images };
  }

  clear(): void {
    this.#loss = 0;
    this.#hits = 0;
    this.#images = 0;
  }
}

/** What the model says about images it was not trained on. */
export interface Verdicts extends Means {
  /** `[n, 10]`, the probability of each digit. */
  readonly probabilities: Float32Array;
  readonly labels: Int32Array;
}

/** Runs the model over all batches in `eval()` mode. */
export async function test(model: DigitClassifier, batches: Digits): Promise<Verdicts> {
  model.eval();
  const parts: Promise<[ArrayLike<number>, ArrayLike<number>]>[] = [];
  for await (const [x, y] of batches) {
    const probabilities = noGrad(() => model.forward(x).softmax(1));
    const part = Promise.all([probabilities.data(), y.data()]);
    // A failure is thrown below, where all are awaited; until then it must not count as unhandled.
    part.catch(() => {});
    parts.push(part);
  }
  const read = await Promise.all(parts);
  const probabilities = Float32Array.from(read.flatMap(([values]) => Array.from(values)));
  const labels = Int32Array.from(read.flatMap(([, values]) => Array.from(values)));
  const scores = { data: probabilities, shape: [labels.length, 10] };
  const [loss, accuracy] = await Promise.all([metrics.logLoss(scores, labels), metrics.accuracy(scores, labels)]);
  return { loss, accuracy, probabilities, labels };
}
