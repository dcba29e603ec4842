// Batches that wait: a training that takes them pauses between two steps, and can be ended there.
import type { Digits } from "../mnist-mlp/train.ts";

/** Whoever waited was told to stop instead. */
export class StoppedError extends Error {}

/** A gate that batches pass; closed, it holds them back. */
export class Gate {
  #open: (() => void) | null = null;
  #waiting: Promise<void> | null = null;
  #stopped = false;

  get closed(): boolean {
    return this.#waiting !== null;
  }

  close(): void {
    this.#waiting ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open?.();
    this.#waiting = null;
    this.#open = null;
  }

  /** Whoever passes from now on gets a StoppedError. */
  stop(): void {
    this.#stopped = true;
    this.open();
  }

  async pass(): Promise<void> {
    while (this.#waiting !== null) await this.#waiting;
    if (this.#stopped) throw new StoppedError("stopped");
  }
}

/** The same batches, each after it has passed the gate. */
export function gated(batches: Digits, gate: Gate): Digits {
  return {
    length: batches.length,
    async *[Symbol.asyncIterator]() {
      for await (const batch of batches) {
        await gate.pass();
        yield batch;
      }
    },
  };
}
