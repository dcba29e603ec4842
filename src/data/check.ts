// Checks of arguments and options, with errors that name the function and what would fit.

import { initialSeed } from "../tensor.ts";

export { checkOptions } from "../tensor.ts";

/** Any value as errors print it: words in quotes, no contents of objects. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return value.constructor === Object ? "an object" : `a ${value.constructor?.name ?? "thing"}`;
  }
  return String(value);
}

/** Demands a whole number of at least `least`. */
export function checkWhole(what: string, name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new RangeError(`${what}: ${name} must be a whole number of at least ${least}, got ${shown(value)}.`);
}

/** Demands a number that is neither infinite nor NaN. */
export function checkFinite(what: string, name: string, value: number): number {
  if (Number.isFinite(value)) return value;
  throw new RangeError(`${what}: ${name} must be a finite number, got ${shown(value)}.`);
}

/** Demands true or false. */
export function checkFlag(what: string, name: string, value: boolean): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`${what}: ${name} must be true or false, got ${shown(value)}.`);
}

/** Demands a function. */
export function checkFunction(what: string, name: string, value: unknown): void {
  if (typeof value !== "function") throw new TypeError(`${what}: ${name} must be a function, got ${shown(value)}.`);
}

/** Demands one of the words. */
export function checkWord<Word extends string>(what: string, name: string, value: Word, words: readonly Word[]): Word {
  if (words.includes(value)) return value;
  const list = words.map((word) => `"${word}"`).join(", ");
  throw new RangeError(`${what}: ${name} must be one of ${list}, got ${shown(value)}.`);
}

/** The seed that is given, or the one that `manualSeed` was last called with. */
export function seedFor(what: string, seed: number = initialSeed()): number {
  if (Number.isSafeInteger(seed)) return seed;
  throw new RangeError(`${what}: seed must be a whole number, got ${shown(seed)}.`);
}
