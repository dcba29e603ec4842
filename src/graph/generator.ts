// The random generator's state: a seed and a counter, both on the host. The numbers themselves come from shaders.

import { sourceNode } from "./node.ts";
import { Storage } from "./storage.ts";
import { Tensor } from "./tensor.ts";
import { traceEffect } from "./trace.ts";

let seed = 0;
let stream = 0;

/**
 * Starts the random generator with a seed. The same seed gives the same numbers on every device. Seeds are whole
 * numbers; the first one is 0.
 */
export function manualSeed(value: number): void {
  if (!Number.isSafeInteger(value))
    throw new RangeError(`manualSeed: the seed must be a whole number, got ${String(value)}.`);
  seed = value;
  stream = 0;
}

/**
 * Returns the seed that the generator was last started with. Loaders, splits and random transforms use it as their
 * default.
 */
export function initialSeed(): number {
  return seed;
}

/** The state of the random generator: plain data that a checkpoint can hold. */
export interface RngState {
  /** The seed that the generator was last started with. */
  readonly seed: number;
  /** Number of random ops since then, those of replayed steps included. */
  readonly stream: number;
}

/**
 * Returns the state of the random generator, for `setRngState`. Random tensors that were recorded before have their
 * numbers already, computed or not. The orders of a DataLoader depend on its `seed` and `epoch` alone.
 */
export function getRngState(): RngState {
  return { seed, stream };
}

/**
 * Sets the random generator to a state that `getRngState` returned, in this process or another. A training that loads
 * it together with the model and the optimizer goes on bit for bit. Throws a TypeError for anything else.
 */
export function setRngState(state: RngState): void {
  const { seed: from, stream: at } = state ?? {};
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(at) || at < 0) {
    throw new TypeError("setRngState: the argument must be what getRngState returned, { seed, stream }.");
  }
  seed = from;
  stream = at;
}

/** A bijective mix of 32 bits (the finalizer of MurmurHash3), so that near seeds and streams share nothing. */
function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The number of the next stream: one per random op, in recorded order. */
export function nextStream(): number {
  stream++;
  return mix(mix(mix(seed >>> 0) ^ mix(Math.floor(seed / 2 ** 32))) + stream);
}

/** The key of the next random op, as 0-dim u32 data that a replay draws anew. */
export function nextKey(): Tensor {
  const host = new Uint32Array([nextStream()]);
  traceEffect(() => {
    host[0] = nextStream();
  });
  return new Tensor(sourceNode(new Storage(4, host), 0, [], "u32"));
}
