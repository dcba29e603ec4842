// Checks that datasets, loaders and splits share.

import { demand, printed } from "../ops/check.ts";
import { initialSeed } from "../tensor.ts";

/** Demands true or false. */
export function checkFlag(what: string, name: string, value: boolean): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`${what}: ${name} must be true or false, got ${printed(value)}.`);
}

/** The seed that is given, or the one that `manualSeed` was last called with. */
export function seedFor(what: string, seed: number = initialSeed()): number {
  return demand(what, "seed", seed, Number.isSafeInteger(seed), "a whole number");
}
