// Alignment: whether a value reads a kernel's results at the very elements that the kernel is working on.

import { type Index, variable } from "../graph/index-expression.ts";
import { inputCoordinates, type Value } from "../graph/program.ts";
import type { Group, Home } from "./group.ts";
import type { Reductions } from "./reductions.ts";

/** Compares index expressions, among values whose homes may still be sought. */
export class Alignment {
  readonly #homes: ReadonlyMap<Value, Home>;
  /** Groups that must run before anything that reads a value inline. */
  readonly #reaches: ReadonlyMap<Value, ReadonlySet<Group>>;
  readonly #reductions: Reductions;

  constructor(
    homes: ReadonlyMap<Value, Home>,
    reaches: ReadonlyMap<Value, ReadonlySet<Group>>,
    reductions: Reductions,
  ) {
    this.#homes = homes;
    this.#reaches = reaches;
    this.#reductions = reductions;
  }

  /** Whether everything of `group` that `value` reads at `coordinates` is read where the group computes it. */
  isAligned(value: Value, coordinates: readonly Index[], group: Group, side = false): boolean {
    const seen = new Set<string>();
    const check = (v: Value, at: readonly Index[]): boolean => {
      if (v.leaf !== null || !this.#reaches.get(v)?.has(group)) return true;
      const key = `${v.id}:${at.map((c) => c.key).join()}`;
      if (seen.has(key)) return true;
      seen.add(key);
      const reduction = this.#reductions.get(v);
      const home = this.#homes.get(v);
      if (home !== undefined && (home.domain === "side") !== side) return false;
      if (reduction !== undefined) return home?.group === group && sameIndices(at, reduction.result);
      if (home !== undefined) {
        if (home.group !== group) return false;
        return sameIndices(at, home.coordinates);
      }
      // Only what is computed inline is read element by element.
      if (v.definition.kind === "pack") return false;
      const inner = inputCoordinates(v, at);
      return v.inputs.every((input, i) => check(input, inner.coordinates[i] as Index[]));
    };
    const inner = inputCoordinates(value, coordinates);
    return value.inputs.every((input, i) => check(input, inner.coordinates[i] as Index[]));
  }

  /** Coordinates of `value` in the group's variables where it reads the group's results with dims in another order. */
  permutedCoordinates(value: Value, group: Group): Index[] | null {
    const own = value.shape.map((n, i) => variable(`x${i}`, n));
    const found = new Map<string, Index>();
    const seen = new Set<Value>();
    const visit = (v: Value, at: readonly Index[]): void => {
      if (v.leaf !== null || v.definition.kind === "pack" || seen.has(v) || !this.#reaches.get(v)?.has(group)) return;
      seen.add(v);
      const home = this.#homes.get(v);
      if (home !== undefined) {
        home.coordinates.forEach((c, i) => {
          const [from, to] = [soleVariable(at[i] as Index), soleVariable(c)];
          if (from !== null && to !== null) found.set(from, c);
        });
        return;
      }
      const inner = inputCoordinates(v, at);
      v.inputs.forEach((input, i) => {
        visit(input, inner.coordinates[i] as Index[]);
      });
    };
    const inner = inputCoordinates(value, own);
    value.inputs.forEach((input, i) => {
      visit(input, inner.coordinates[i] as Index[]);
    });
    const coordinates = own.map((x) => (x.isConstant ? x : found.get(soleVariable(x) ?? "")));
    return coordinates.every((c) => c !== undefined) ? (coordinates as Index[]) : null;
  }
}

/** The name of the variable that `index` is, if it is just one. */
function soleVariable(index: Index): string | null {
  const only = index.terms[0];
  return index.terms.length === 1 && index.constant === 0 && only?.factor === 1 && only.atom.kind === "variable"
    ? only.atom.key
    : null;
}

/** Whether two lists of index expressions are the same. */
export function sameIndices(a: readonly Index[], b: readonly Index[]): boolean {
  return a.length === b.length && a.every((x, i) => x.key === (b[i] as Index).key);
}
