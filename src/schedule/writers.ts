// Writers: which groups' kernels write a value's bytes.

import { must } from "../base/errors.ts";
import type { Value } from "../graph/definition.ts";
import type { Program } from "../graph/program.ts";
import type { Group } from "../shaders/group.ts";

/** Values that are put together from others' bytes. */
export function packsOf(program: Program): Value[] {
  const found = new Set<Value>();
  // A stack of its own: networks may be deeper than JavaScript's.
  const open = program.outputs.map(({ value }) => value);
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (found.has(value) || value.leaf !== null) continue;
    found.add(value);
    open.push(...value.inputs);
  }
  return [...found].filter((v) => v.definition.kind === "pack");
}

/** The groups that write each value; `producers` are the values whose bytes packed ones have. */
export function writersOf(
  groups: readonly Group[],
  packs: readonly Value[],
  producers: ReadonlyMap<Value, Value>,
): ReadonlyMap<Value, readonly Group[]> {
  const writers = new Map<Value, readonly Group[]>();
  for (const group of groups) for (const value of group.stored) writers.set(value, [group]);
  for (const pack of packs)
    writers.set(
      pack,
      pack.inputs.flatMap((input) => writers.get(producers.get(input) ?? input) ?? []),
    );
  return writers;
}

/** Orders groups: each runs after those that write what it reads. What was said of the order before is forgotten. */
export function orderByReads(groups: readonly Group[], writers: ReadonlyMap<Value, readonly Group[]>): void {
  const fellows: Group[] = [];
  for (const group of groups) group.join(fellows);
  for (const group of groups)
    for (const value of group.reads) {
      if (value.leaf !== null) continue;
      for (const writer of must(writers.get(value), "a kernel reads what none writes")) group.runAfter(writer);
    }
}
