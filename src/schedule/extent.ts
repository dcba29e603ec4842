// Extent: how much a kernel would compute inline for one element of a value. Where that is too much, a part of it gets bytes.

import type { Value } from "../graph/definition.ts";
import type { Group } from "../shaders/group.ts";
import type { Requirements } from "./requirements.ts";
import type { Uses } from "./uses.ts";

/**
 * Weight of what a kernel computes inline, at most, where that can be had: text and compile time grow with it (on software devices faster than
 * in proportion), and what a chain of views reads at two places each doubles with every link.
 */
export const EXTENT = 512;
/** Weight of an index expression, and of an op of this cost. */
const VIEW = 2;
const COST = 4;
const MOST_COST = 160;

/** What a value adds to the text of a kernel that computes it. */
export function weightOf({ definition }: Value): number {
  if (definition.kind === "elementwise") return 1 + Math.min(definition.cost, MOST_COST) / COST;
  return definition.kind === "alias" ? 1 : VIEW;
}

/** Requires values, so that what their readers compute inline weighs `EXTENT` at most; returns these weights. */
export function limitExtent(uses: Uses, requirements: Requirements): ReadonlyMap<Value, number> {
  const isInline = (value: Value): boolean => {
    const { kind } = value.definition;
    return (
      value.leaf === null &&
      value.inputs.length > 0 &&
      (kind === "elementwise" || kind === "view" || kind === "alias" || kind === "gather") &&
      !requirements.has(value)
    );
  };
  /** Weights, as if nothing were shared; and the true ones of those that could be too large. */
  const sums = new Map<Value, number>();
  const extents = new Map<Value, number>();
  const sumOf = (value: Value): number => (isInline(value) ? (sums.get(value) ?? 0) : 0);
  for (const value of uses.order) {
    if (!isInline(value) && !requirements.has(value)) continue;
    let sum = value.inputs.reduce((whole, input) => whole + sumOf(input), weightOf(value));
    while (sum > EXTENT) {
      const { extent, parts } = extentOf(value, isInline);
      sum = extent;
      if (extent <= EXTENT) break;
      // The largest part, which is nearest.
      let largest: Value | undefined;
      let most = Number.NEGATIVE_INFINITY;
      for (const part of parts) {
        const weight = extents.get(part) ?? sumOf(part);
        if (weight <= most) continue;
        most = weight;
        largest = part;
      }
      if (largest === undefined) break;
      requirements.add(largest);
    }
    extents.set(value, sum);
    sums.set(value, Math.min(sum, 2 * EXTENT));
  }
  return extents;
}

/** The weight of all that one element of `value` is computed of, and its parts that could be stored instead. */
function extentOf(
  value: Value,
  isInline: (value: Value) => boolean,
): { readonly extent: number; readonly parts: ReadonlySet<Value> } {
  const seen = new Set<number>();
  const parts = new Set<Value>();
  // A place is where an element is read: each view on the way makes it another one.
  const places = new Map<number, number>();
  const keyOf = (v: Value, place: number): number => place * 2 ** 32 + v.id;
  const open: [Value, number][] = [[value, 0]];
  let extent = 0;
  for (let top = open.pop(); top !== undefined && extent <= 2 * EXTENT; top = open.pop()) {
    const [v, place] = top;
    const key = keyOf(v, place);
    if (seen.has(key)) continue;
    seen.add(key);
    extent += weightOf(v);
    if (v !== value && v.definition.kind !== "alias") parts.add(v);
    let inner = place;
    if (v.definition.kind === "view" || v.definition.kind === "gather") {
      inner = places.get(key) ?? places.size + 1;
      places.set(key, inner);
    }
    for (const input of v.inputs) if (isInline(input)) open.push([input, inner]);
  }
  return { extent, parts };
}

/** The weight of all that a group's kernel computes: what several of its results are made of counts for each. */
export function extentIn({ reductions, stored, reads }: Group): number {
  const sums = new Set(reductions.map(({ value }) => value));
  const isInline = (value: Value): boolean =>
    value.leaf === null && value.inputs.length > 0 && !reads.has(value) && !sums.has(value);
  const roots = [...reductions.map(({ body }) => body), ...stored].filter(isInline);
  return roots.reduce((whole, value) => whole + extentOf(value, isInline).extent, 0);
}
