// Long sums with few results: cut in parts, so that more than a few workgroups have work.

import { Value } from "../graph/definition.ts";
import { addIndex, type Index, scaleIndex, substitute, variable } from "../graph/index-expression.ts";
import { SOURCE } from "../graph/node.ts";
import { Group, type Home, type Reduction } from "../shaders/group.ts";
import { readsOf } from "./bindings.ts";

/** Splits a group with long sums in two: partial sums (with their homes), then the sum of the parts with the epilogue. */
export function splitGroup(
  group: Group,
  nextId: () => number,
): { readonly groups: readonly Group[]; readonly partials: ReadonlyMap<Value, Home> } {
  const partials = new Map<Value, Home>();
  if (group.parts <= 1) return { groups: [group], partials };
  const wanted = partsOf(group);
  const axis = group.inner.findIndex((n) => divisorNear(n, wanted) > 1);
  if (axis < 0) return { groups: [group], partials };
  const size = group.inner[axis] as number;
  const parts = divisorNear(size, wanted);
  const outer = [parts, ...group.outer];
  const inner = group.inner.map((n, i) => (i === axis ? n / parts : n));
  const values = new Map<string, Index>();
  group.outer.forEach((n, i) => {
    values.set(`o${i}`, variable(`o${i + 1}`, n));
  });
  values.set(`r${axis}`, addIndex(scaleIndex(variable("o0", parts), size / parts), variable(`r${axis}`, size / parts)));
  const at = (coordinates: readonly Index[]) => coordinates.map((c) => substitute(c, values));
  const conditionsAt = (conditions: Reduction["conditions"]) =>
    conditions.map((c) => ({ ...c, index: substitute(c.index, values) }));
  const shift = (dims: readonly number[]) => dims.map((d) => d + 1);
  const c = group.contraction;
  const first = new Group(
    group.id,
    group.kind,
    outer,
    inner,
    c === null
      ? null
      : {
          a: c.a.map((f) => ({ value: f.value, coordinates: at(f.coordinates) })),
          b: c.b.map((f) => ({ value: f.value, coordinates: at(f.coordinates) })),
          aConditions: conditionsAt(c.aConditions),
          bConditions: conditionsAt(c.bConditions),
          m: shift(c.m),
          n: shift(c.n),
          batch: [0, ...shift(c.batch)],
        },
    1,
  );
  const second = new Group(group.id, "row", group.outer, [parts], null, 1);
  for (const r of group.reductions) {
    const shape = outer;
    // Sums of f16 go on in f32 till they are whole.
    const dtype = r.value.dtype === "f16" ? "f32" : r.value.dtype;
    const partial = new Value(nextId(), SOURCE, [], shape, dtype, [], null);
    partial.asked = r.value.asked ?? r.definition.name;
    const result = shape.map((n, i) => variable(`o${i}`, n));
    first.reductions.push({
      ...r,
      value: partial,
      coordinates: at(r.coordinates),
      conditions: conditionsAt(r.conditions),
      outer,
      inner,
      result,
      element: [],
      elementShape: [],
    });
    first.stored.push(partial);
    partials.set(partial, { group: first, domain: "outer", coordinates: result });
    second.reductions.push({
      ...r,
      body: partial,
      coordinates: [variable("r0", parts), ...group.outer.map((n, i) => variable(`o${i}`, n))],
      conditions: [],
      inner: [parts],
      element: [],
      elementShape: [],
    });
  }
  second.stored.push(...group.stored);
  // Both find in buffers what the whole group found there.
  for (const part of [first, second]) part.reads = readsOf(part, (value) => group.reads.has(value));
  return { groups: [first, second], partials };
}

/** Whether the kernels of a group bind no more buffers than that. */
export function bindsAtMost(group: Group, bindings: number): boolean {
  const { groups } = splitGroup(group, () => 0);
  return groups.every(({ reads, stored }) => reads.size + stored.length <= bindings);
}

/** Returns the number of parts of a split group. A very long contraction has more parts than cores, so that the sum of a part loses few digits. */
function partsOf({ contraction, length, parts }: Group): number {
  return contraction !== null && length >= 2 ** 16 ? Math.max(parts, Math.ceil(length / 512)) : parts;
}

/** The largest divisor of `n` that is at most `most`. */
function divisorNear(n: number, most: number): number {
  for (let d = Math.min(most, n); d > 1; d--) if (n % d === 0) return d;
  return 1;
}
