// Counter-based random numbers on the host: the same numbers from the same seed in every JavaScript engine.

import { demand } from "../ops/check.ts";

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const first = aHigh * bLow + ((aLow * bLow) >>> 16);
  const second = aLow * bHigh + (first & 0xffff);
  return (aHigh * bHigh + (first >>> 16) + (second >>> 16)) >>> 0;
}

/**
 * One block of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four random
 * 32-bit words from a 64-bit key and a 128-bit counter.
 */
export function philox(key: readonly [number, number], counter: readonly [number, number, number, number]): number[] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * A stream of random numbers in JavaScript, named by a seed and up to three numbers, such as epoch and sample. So what
 * is drawn for one sample does not depend on what was drawn for another.
 *
 * @throws RangeError if the seed or one of the numbers is not a whole number.
 */
export class HostRandom {
  readonly #key: readonly [number, number];
  readonly #stream: readonly [number, number, number];
  #block = 0;
  #words: number[] = [];

  constructor(seed: number, stream: readonly number[] = []) {
    demand("random", "the seed", seed, Number.isSafeInteger(seed), "a whole number");
    if (stream.length > 3 || !stream.every((number) => Number.isInteger(number))) {
      throw new RangeError(`random: at most three whole stream numbers are allowed, got [${stream}].`);
    }
    const bits = BigInt.asUintN(64, BigInt(seed));
    this.#key = [Number(bits & 0xffffffffn), Number(bits >> 32n)];
    const [a = 0, b = 0, c = 0] = stream;
    this.#stream = [a >>> 0, b >>> 0, c >>> 0];
  }

  /** The next whole number in [0, 2³²). */
  uint32(): number {
    if (this.#words.length === 0) {
      this.#words = philox(this.#key, [this.#block++ >>> 0, ...this.#stream]).reverse();
    }
    return this.#words.pop() as number;
  }

  /** The next number in [low, high), with 32 random bits. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.uint32() / 2 ** 32);
  }

  /** The next whole number in [0, count), every one equally likely; count is at most 2³². */
  below(count: number): number {
    const right = Number.isInteger(count) && count >= 1 && count <= 2 ** 32;
    demand("random", "the count", count, right, "a whole number from 1 to 2^32");
    // Drawing again above the last whole multiple of count keeps every remainder equally likely.
    const limit = 2 ** 32 - (2 ** 32 % count);
    let word = this.uint32();
    while (word >= limit) word = this.uint32();
    return word % count;
  }

  /** The next normally distributed number (Box and Muller 1958), mean 0 and standard deviation 1. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 1) / 2 ** 32));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** The numbers 0 … count − 1 in random order, every order equally likely (Fisher and Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, index) => index);
    for (let last = count - 1; last > 0; last--) {
      const chosen = this.below(last + 1);
      const kept = order[last] as number;
      order[last] = order[chosen] as number;
      order[chosen] = kept;
    }
    return order;
  }
}
