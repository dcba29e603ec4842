// Alignment: whether a value reads a kernel's results at the very elements that the kernel is working on.

import type { Value } from "../graph/definition.ts";
import { type Index, variable, variablesOf } from "../graph/index-expression.ts";
import { walkInline } from "../graph/program.ts";
import type { Group, Home } from "../shaders/group.ts";
import type { Reductions } from "./reductions.ts";

/** Compares index expressions of values, whose homes may not be known yet. */
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

  /**
   * Whether `value`, at `coordinates`, reads all results of `group` at the element that the group computes. This decides, in the group's variables,
   * what a kernel may compute; the writer relies on it (`Writer.defineResult`) and does not compare coordinates again.
   */
  isAligned(value: Value, coordinates: readonly Index[], group: Group, side = false): boolean {
    let aligned = true;
    walkInline([{ value, coordinates }], ({ value: v, coordinates: at }) => {
      if (v === value) return true;
      if (!aligned || v.leaf !== null || !this.#reaches.get(v)?.has(group)) return false;
      const reduction = this.#reductions.get(v);
      const home = this.#homes.get(v);
      if (home !== undefined || reduction !== undefined) {
        const own = reduction?.result ?? home?.coordinates ?? [];
        aligned = home?.group === group && (home.domain === "side") === side && sameIndices(at, own);
        return false;
      }
      // Only inline values are read element by element.
      aligned = v.definition.kind !== "pack";
      return aligned;
    });
    return aligned;
  }

  /** Returns the coordinates of `value` in the variables of the group's rows, if it reads the group's results with dims in another order. */
  permutedCoordinates(value: Value, group: Group): Index[] | null {
    const own = value.shape.map((n, i) => variable(`x${i}`, n));
    const found = new Map<string, Index>();
    const seen = new Set<Value>();
    walkInline([{ value, coordinates: own }], ({ value: v, coordinates: at }) => {
      if (v === value) return true;
      if (v.leaf !== null || v.definition.kind === "pack" || seen.has(v) || !this.#reaches.get(v)?.has(group))
        return false;
      seen.add(v);
      const home = this.#homes.get(v);
      home?.coordinates.forEach((c, i) => {
        const [from, to] = [soleVariable(at[i] as Index), soleVariable(c)];
        if (from !== null && to !== null) found.set(from, c);
      });
      return home === undefined;
    });
    const coordinates = own.map((x) => (x.isConstant ? x : found.get(soleVariable(x) ?? "")));
    if (!coordinates.every((c) => c !== undefined)) return null;
    // A value that is computed per row has all variables of the rows and no others, so each row is computed once.
    const names = variablesOf(coordinates);
    const rows = group.outerVariables.filter((o) => !o.isConstant);
    const isPermutation =
      rows.length === coordinates.filter((c) => !c.isConstant).length &&
      rows.every((o) => names.has(soleVariable(o) ?? ""));
    return isPermutation ? coordinates : null;
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
