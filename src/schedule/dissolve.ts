// Dissolving: elementwise kernels that need not be, because all their readers can compute the same on the way.

import { sizeOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import type { Group } from "../shaders/group.ts";
import { readsOf } from "./bindings.ts";
import { DISPATCH, LOAD, STORE, TILE } from "./costs.ts";
import { EXTENT, extentIn } from "./extent.ts";
import type { Requirements } from "./requirements.ts";
import { bindsAtMost } from "./split.ts";

/** Takes map kernels out of `groups` where that gains; their readers read what they read. Returns the groups that are left. */
export function dissolve(groups: readonly Group[], requirements: Requirements, bindings: number): readonly Group[] {
  const readers = new Map<Value, Set<Group>>();
  for (const group of groups) for (const value of group.reads) note(readers, value, group);
  const gone = new Set<Group>();
  // Readers first: what they come to read is known then.
  for (const group of [...groups].reverse()) {
    if (group.kind !== "map" || group.stored.some((value) => requirements.isFixed(value))) continue;
    const around = new Set(group.stored.flatMap((value) => [...(readers.get(value) ?? [])]));
    const changes = [...around].map((reader) => ({ reader, reads: readsWithout(group, reader) }));
    const isLegal = changes.every(({ reader, reads }) => reader.kind !== "kernel" && fitsWith(reader, reads, bindings));
    if (!isLegal || !gains(group, [...around])) continue;
    for (const { reader, reads } of changes) {
      reader.reads = reads;
      for (const value of reads) note(readers, value, reader);
    }
    for (const value of group.stored) readers.delete(value);
    for (const value of group.reads) readers.get(value)?.delete(group);
    gone.add(group);
  }
  return groups.filter((group) => !gone.has(group));
}

function note(readers: Map<Value, Set<Group>>, value: Value, reader: Group): void {
  const known = readers.get(value);
  if (known === undefined) readers.set(value, new Set([reader]));
  else known.add(reader);
}

/** What `reader` reads where it computes itself what `group` stores. */
function readsWithout(group: Group, reader: Group): ReadonlySet<Value> {
  const stored = new Set(group.stored);
  return readsOf(reader, (value) => (reader.reads.has(value) && !stored.has(value)) || group.reads.has(value));
}

/** Whether a group is within its limits where it reads those buffers. */
function fitsWith(reader: Group, reads: ReadonlySet<Value>, bindings: number): boolean {
  const { reads: before } = reader;
  reader.reads = reads;
  const fits = bindsAtMost(reader, bindings) && extentIn(reader) <= EXTENT;
  reader.reads = before;
  return fits;
}

/** Whether a dispatch and the bytes that lie between are worth more than the work that is repeated. */
function gains(group: Group, readers: readonly Group[]): boolean {
  let gain = DISPATCH;
  for (const value of group.stored) {
    const cost = costOf(value, group);
    gain += sizeOf(value.shape) * (STORE + cost);
    for (const reader of readers) if (reader.reads.has(value)) gain += pointsOf(value, reader) * (LOAD - cost);
  }
  return gain > 0;
}

/** Work for one element of a value, from what its kernel reads. */
function costOf(value: Value, { reads }: Group): number {
  let cost = 0;
  const seen = new Set<Value>();
  const open = [value];
  for (let v = open.pop(); v !== undefined; v = open.pop()) {
    if (seen.has(v)) continue;
    seen.add(v);
    if (reads.has(v)) cost += LOAD;
    else {
      if (v.definition.kind === "elementwise") cost += v.definition.cost;
      open.push(...v.inputs);
    }
  }
  return cost;
}

/** How often a kernel would evaluate a value. */
function pointsOf(value: Value, { kind, rows, length, reductions, stored, reads }: Group): number {
  const sums = new Set(reductions.map((r) => r.value));
  const seen = new Set<Value>();
  const open = reductions.map(({ body }) => body);
  for (let v = open.pop(); v !== undefined; v = open.pop()) {
    if (v === value) return kind === "contraction" ? (rows * length) / TILE : rows * length;
    if (seen.has(v) || v.leaf !== null || reads.has(v) || sums.has(v)) continue;
    seen.add(v);
    open.push(...v.inputs);
  }
  return Math.max(...stored.map((v) => sizeOf(v.shape)));
}
