// What a row of the benchmark is: a step that can be verified and timed.
import type { Tensor } from "wgrad";

/** A step, ready to run. Both functions submit the step and don't wait for it; what they return is disposed of. */
export interface Workload {
  /** Records the step anew, as a plain program does. */
  readonly plain: () => Tensor;
  /** The same step through `compile`. */
  readonly compiled: () => Tensor;
}

export interface Row {
  /** Name on the command line. */
  readonly name: string;
  readonly title: string;
  /** Arithmetic operations of a step by the formula beside it, whatever the kernels do. */
  readonly flops: number;
  /** Compares the step's results with others'; returns what was compared, throws a Mismatch. */
  readonly verify: () => Promise<string>;
  /** Makes the tensors that the step works on. */
  readonly prepare: () => Workload;
}

/** A result that is wrong, so that its time means nothing. */
export class Mismatch extends Error {}

/** Uniform numbers in [0, 1), the same in every process. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    // The "minimal standard" generator of Park and Miller (1988).
    state = (state * 48271) % 2147483647;
    return (state - 1) / 2147483646;
  };
}

/** `count` uniform numbers in [-1, 1). */
export function uniform(count: number, seed: number): Float32Array {
  const next = generator(seed);
  return Float32Array.from({ length: count }, () => 2 * next() - 1);
}
