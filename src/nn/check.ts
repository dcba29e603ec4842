// Checks of the layers' arguments, with errors that name the layer.

import { checkWhole, demand, listOf } from "../ops/check.ts";

/** Demands a number within [0, 1]. */
export function probability(layer: string, name: string, value: number): number {
  return demand(layer, name, value, value >= 0 && value <= 1, "between 0 and 1");
}

/** Demands a whole number, which may be negative. */
export function wholeNumber(layer: string, name: string, value: number): number {
  return demand(layer, name, value, Number.isInteger(value), "a whole number");
}

/** One whole number per spatial dim, from a number for all of them or a list. */
export function sizes(
  layer: string,
  name: string,
  value: number | readonly number[],
  dims: number,
  least = 1,
): readonly number[] {
  const list = typeof value === "number" ? new Array<number>(dims).fill(value) : listOf(layer, name, value);
  demand(layer, name, list, list.length === dims, `a number or ${dims} numbers`);
  for (const size of list) checkWhole(layer, name, size, least);
  return list;
}

/** Throws where a layer that takes no options is given some: `options` is what stands behind its arguments. */
export function noOptions(layer: string, options: readonly unknown[]): void {
  for (const given of options) {
    const names = typeof given === "object" && given !== null ? Object.keys(given) : null;
    if (given === undefined || names?.length === 0) continue;
    const shown = names === null ? String(given) : `{ ${names.join(", ")} }`;
    throw new TypeError(`${layer}: takes no options, got ${shown}.`);
  }
}
