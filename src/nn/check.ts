// Checks of the layers' arguments, with errors that name the layer.

/** Demands a whole number of at least `least`. */
export function whole(layer: string, name: string, value: number, least = 1): number {
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(`${layer}: ${name} must be a whole number ≥ ${least}, got ${String(value)}.`);
  }
  return value;
}

/** Demands a number within [0, 1]. */
export function probability(layer: string, name: string, value: number): number {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) {
    throw new RangeError(`${layer}: ${name} must be between 0 and 1, got ${String(value)}.`);
  }
  return value;
}

/** One whole number per spatial dim, from a number for all of them or a list. */
export function sizes(
  layer: string,
  name: string,
  value: number | readonly number[],
  dims: number,
  least = 1,
): readonly number[] {
  const list = typeof value === "number" ? new Array<number>(dims).fill(value) : [...value];
  if (list.length !== dims) {
    throw new RangeError(`${layer}: ${name} must be a number or ${dims} numbers, got [${list}].`);
  }
  for (const size of list) whole(layer, name, size, least);
  return list;
}

/** Demands one of the listed words. */
export function choice<T extends string>(layer: string, name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  const words = choices.map((word) => `"${word}"`).join(", ");
  throw new RangeError(`${layer}: ${name} must be one of ${words}, got "${String(value)}".`);
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
