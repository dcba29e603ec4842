// Losses of many steps, read together now and then, so that no step waits for the GPU.

import { WgradError } from "../base/errors.ts";
import { expectTensor, refusePromise } from "../ops/check.ts";
import type { Tensor } from "../tensor.ts";
import type { Loss } from "./options.ts";

/** The loss as a function. @throws TypeError when it is neither a function nor a module. */
export function lossFunction(loss: Loss): (prediction: Tensor, target: Tensor) => Tensor {
  const compute = typeof loss === "function" ? loss : loss?.forward?.bind(loss);
  if (typeof compute !== "function") {
    throw new TypeError(
      "fit: loss must be a function of prediction and target, such as crossEntropy, or a module such as new nn.CrossEntropyLoss().",
    );
  }
  return (prediction, target) => {
    refusePromise("fit", prediction, "model.forward");
    const value = compute(prediction, target);
    refusePromise("fit", value, "the loss");
    return expectTensor("fit", value, "the loss");
  };
}

interface Unread {
  readonly loss: Tensor;
  readonly samples: number;
  readonly step: number;
}

/** Collects the losses of an epoch's steps. */
export class LossReader {
  readonly #epoch: number;
  #unread: Unread[] = [];
  #steps = 0;
  #sum = 0;
  #samples = 0;
  /** The loss that was read last; NaN before the first. */
  latest: number = Number.NaN;

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** Mean per sample of what was read. */
  get mean(): number {
    return this.#sum / this.#samples;
  }

  /** Remembers the mean loss of a batch of that many samples. */
  add(loss: Tensor, samples: number): void {
    this.#steps++;
    this.#unread.push({ loss, samples, step: this.#steps });
  }

  /** Reads and frees what was added. @throws WgradError when a loss is NaN or infinite. */
  async read(): Promise<void> {
    const unread = this.#unread;
    this.#unread = [];
    const values = await Promise.all(unread.map(({ loss }) => loss.item()));
    unread.forEach(({ loss, samples, step }, i) => {
      const value = values[i] ?? Number.NaN;
      if (!Number.isFinite(value)) {
        throw new WgradError(
          `fit: the loss is ${value} in epoch ${this.#epoch}, step ${step}. A lower learning rate, clipped gradients ` +
            "(nn.utils.clipGradNorm) or inputs without NaN would help.",
        );
      }
      loss.dispose();
      this.latest = value;
      this.#sum += value * samples;
      this.#samples += samples;
    });
  }
}
