// What a row of the benchmark is: one step, written for every engine, with what is expected of it.
import type { JaxVersion } from "../engines/jax.ts";
import type { TensorFlowVersion } from "../engines/tensorflow.ts";
import type { WgradVersion } from "../engines/wgrad.ts";

/** What wgrad is to reach: the time by ratio to the best other engine of the same run, counts and first step as they are. */
export interface Target {
  /** The best peer's median divided by wgrad's must be at least this. */
  readonly ratio: number;
  readonly dispatches?: number;
  readonly submits?: number;
  readonly firstMs?: number;
}

export interface Row {
  /** Name on the command line. */
  readonly name: string;
  readonly title: string;
  /** Arithmetic operations of a step by the formula beside it, whatever the kernels do; null where nobody counts them. */
  readonly flops: number | null;
  /** Null for rows that only show how the engine behaves elsewhere. */
  readonly target: Target | null;
  /** Whether a step ends when its results are in JavaScript's hands; otherwise when the device has finished. */
  readonly reads: boolean;
  /** Steps whose results are compared: more than one where a step changes state. */
  readonly compared: number;
  /** How far results may be apart, relative to the largest value of the result. */
  readonly tolerance: number;
  /** Where a result can be computed otherwise: entry `index` of the only result, in float64. */
  readonly reference?: (index: number) => number;
  readonly wgrad: WgradVersion;
  readonly tensorflow: TensorFlowVersion;
  readonly jax: JaxVersion;
}

/** Uniform numbers in [0, 1), the same in every process. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    // The "minimal standard" generator of Park and Miller (1988).
    state = (state * 48271) % 2147483647;
    return (state - 1) / 2147483646;
  };
}

/** `count` uniform numbers in [-scale, scale). */
export function uniform(count: number, seed: number, scale = 1): Float32Array {
  const next = generator(seed);
  return Float32Array.from({ length: count }, () => scale * (2 * next() - 1));
}

/** Number of elements of a shape. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
