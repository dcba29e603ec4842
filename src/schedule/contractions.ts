// Contractions: finds sums of products, and plain sums of a factor that can join one.

import { isFloat } from "../base/dtype.ts";
import { sizeOf, stridesOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import {
  type Condition,
  constantIndex,
  delinearize,
  type Index,
  linearIndex,
  substitute,
  variable,
  visitVariables,
} from "../graph/index-expression.ts";
import { inputCoordinates, type Place, walkInline } from "../graph/program.ts";
import type { Contraction, Group, Home, Reduction } from "../shaders/group.ts";

/** The most factors of a product that are looked at. A value that is multiplied with itself again and again has no end of them. */
const MOST_FACTORS = 32;

/** Finds in a sum of a product two factors with free variables of their own: a contraction. */
export function findContraction(reduction: Reduction, homes: ReadonlyMap<Value, Home>): Contraction | null {
  if (reduction.definition.adds !== true || !isFloat(reduction.value.dtype)) return null;
  const factors: Place[] = [];
  const collect = (value: Value, coordinates: readonly Index[]) => {
    if (factors.length > MOST_FACTORS) return;
    // A product that another kernel computes is read as it is, because its own factors may not be stored.
    const product =
      value.leaf === null && value.definition.kind === "elementwise" && value.definition.multiplies === true;
    if (product && !homes.has(value)) {
      const inner = inputCoordinates(value, coordinates);
      value.inputs.forEach((input, i) => {
        collect(input, inner.coordinates[i] as Index[]);
      });
    } else factors.push({ value, coordinates });
  };
  collect(reduction.body, reduction.coordinates);
  if (factors.length < 2 || factors.length > MOST_FACTORS) return null;
  const described = factors.map((factor) => {
    const found = dependencies(factor, homes);
    return { factor, outer: reduction.outer.flatMap((_, i) => (found.has(`o${i}`) ? [i] : [])) };
  });
  described.sort((x, y) => y.outer.length - x.outer.length);
  const a: typeof described = [];
  const b: typeof described = [];
  const covered = new Set(described[0]?.outer);
  for (const d of described) (d.outer.every((i) => covered.has(i)) ? a : b).push(d);
  if (b.length === 0) return null;
  const inA = new Set(a.flatMap((d) => d.outer));
  const inB = new Set(b.flatMap((d) => d.outer));
  const all = reduction.outer.map((_, i) => i);
  const m = all.filter((i) => inA.has(i) && !inB.has(i));
  const n = all.filter((i) => inB.has(i) && !inA.has(i));
  const batch = all.filter((i) => inA.has(i) === inB.has(i));
  const size = (dims: readonly number[]) => dims.reduce((p, i) => p * (reduction.outer[i] as number), 1);
  if (size(m) < 2 || size(n) < 2 || size(m) * size(n) < 16 || sizeOf(reduction.inner) < 2) return null;
  const sides: [Condition[], Condition[]] = [[], []];
  for (const c of reduction.conditions) {
    const names = new Set<string>();
    visitVariables(c.index, (name) => names.add(name));
    const outer = all.filter((i) => names.has(`o${i}`));
    const side = outer.every((i) => inA.has(i)) ? 0 : outer.every((i) => inB.has(i)) ? 1 : null;
    if (side === null) return null;
    sides[side].push(c);
  }
  // A factor that is the same along a dim may be stored along it, too: any place of it has the value.
  const along = (sides: typeof described, foreign: readonly number[]) => {
    const first = new Map(foreign.map((i) => [`o${i}`, constantIndex(0)]));
    return sides.map(({ factor }) => ({
      value: factor.value,
      coordinates: factor.coordinates.map((c) => substitute(c, first)),
    }));
  };
  return {
    a: along(a, n),
    b: along(b, m),
    aConditions: sides[0],
    bConditions: sides[1],
    m,
    n,
    batch,
  };
}

/** The outer and inner variables that a factor depends on. */
function dependencies(factor: Place, homes: ReadonlyMap<Value, Home>): Set<string> {
  const found = new Set<string>();
  const note = (index: Index) => visitVariables(index, (name) => found.add(name));
  walkInline([factor], ({ value, coordinates }) => {
    const { kind } = value.definition;
    // Don't look into values of other kernels: each step of a loop over time would look back to its start.
    const known = value.leaf !== null || homes.has(value);
    if (known || kind === "reduce" || kind === "pack" || kind === "iota" || kind === "result") {
      coordinates.forEach(note);
      return false;
    }
    for (const condition of inputCoordinates(value, coordinates).conditions) note(condition.index);
    return true;
  });
  return found;
}

/** Returns `reduction` in the variables of `group` if it sums `factor`, which has the outer variables `dims`; null if it sums something else. */
export function alongFactor(
  reduction: Reduction,
  group: Group,
  factor: Place,
  dims: readonly number[],
): Reduction | null {
  if (sizeOf(reduction.outer) !== sizeOf(dims.map((i) => group.outer[i] as number))) return null;
  const values = new Map<string, Index>();
  group.sideCoordinates(dims, reduction.outer).forEach((c, i) => {
    values.set(`o${i}`, c);
  });
  const inner = group.inner.map((n, i) => variable(`r${i}`, n));
  delinearize(linearIndex(inner, stridesOf(group.inner)), reduction.inner).forEach((c, i) => {
    values.set(`r${i}`, c);
  });
  const at = (coordinates: readonly Index[]) => coordinates.map((c) => substitute(c, values));
  const coordinates = at(reduction.coordinates);
  const own = elementBeneath(reduction.body, coordinates);
  const its = elementBeneath(factor.value, factor.coordinates);
  if (own === null || its === null || own.value !== its.value || own.linear !== its.linear) return null;
  return { ...reduction, coordinates, outer: group.outer, inner: group.inner, result: at(reduction.result) };
}

/** Looks through views: returns the value and the coordinates of the element that they show; null behind a condition. */
function elementBeneath(value: Value, coordinates: readonly Index[]): { value: Value; linear: string } | null {
  const { kind } = value.definition;
  const input = value.inputs[0];
  if (value.leaf !== null || input === undefined || (kind !== "view" && kind !== "alias"))
    return { value, linear: linearIndex(coordinates, stridesOf(value.shape)).key };
  const inner = inputCoordinates(value, coordinates);
  return inner.conditions.length > 0 ? null : elementBeneath(input, inner.coordinates[0] as Index[]);
}

/** Parts for small results of long sums (weight gradients), so that more than a few tiles have work. */
export function contractionParts(rows: number, length: number): number {
  const tiles = Math.ceil(rows / 32);
  if (tiles >= 256 || length < 1024) return 1;
  return Math.min(Math.floor(length / 256), Math.ceil(256 / tiles));
}
