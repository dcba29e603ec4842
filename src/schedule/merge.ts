// Merging: kernels over one index space that don't wait for each other become one, where they read the same or are short.

import type { Value } from "../graph/definition.ts";
import type { Group, Home } from "../shaders/group.ts";
import { readsOf } from "./bindings.ts";
import { SHORT } from "./costs.ts";
import { EXTENT, extentIn } from "./extent.ts";
import { bindsAtMost } from "./split.ts";

/** Kernels of one index space that are looked at, the latest ones: so many at most. */
const CANDIDATES = 32;

/** Merges groups that have been ordered (`Group.runAfter`); returns those that are left. Values learn their new homes. */
export function merge(groups: readonly Group[], homes: Map<Value, Home>, bindings: number): readonly Group[] {
  const open = new Map<string, Group[]>();
  const gone = new Set<Group>();
  for (const group of groups) {
    const key = spaceOf(group);
    if (key === null || group.reads.size + group.stored.length >= bindings) continue;
    const candidates = open.get(key) ?? [];
    open.set(key, candidates);
    const host = candidates.find((other) => mayJoin(group, other) && join(group, other, bindings));
    if (host === undefined) {
      candidates.push(group);
      if (candidates.length > CANDIDATES) candidates.shift();
      continue;
    }
    for (const value of group.stored) {
      const home = homes.get(value);
      if (home !== undefined) homes.set(value, { ...home, group: host });
    }
    gone.add(group);
  }
  return groups.filter((group) => !gone.has(group));
}

/** Equal for groups that go over the same elements; null for those that stay as they are. */
function spaceOf({ kind, outer, inner, rows, parts }: Group): string | null {
  if (parts > 1) return null;
  if (kind === "map") return `${rows}`;
  return kind === "row" ? `${outer.join()}|${inner.join()}` : null;
}

function mayJoin(group: Group, host: Group): boolean {
  if (group.dependsOn(host) || host.dependsOn(group)) return false;
  const pass = passOf(group);
  if (pass !== passOf(host)) return false;
  // Short sums are worth less than a dispatch.
  const isShort = group.kind === "row" && group.rows * group.length <= SHORT;
  return isShort || [...group.reads].some((value) => host.reads.has(value));
}

/** The pass that computes a group's values again; undefined for those that are computed once. */
function passOf({ stored }: Group): number | undefined {
  return stored[0]?.again?.pass;
}

/** Lets `host` compute what `group` does, if one kernel may; returns whether it does. */
function join(group: Group, host: Group, bindings: number): boolean {
  const { reads } = host;
  const counts = [host.reductions.length, host.stored.length];
  const known = new Set([...reads, ...group.reads]);
  host.reductions.push(...group.reductions);
  host.stored.push(...group.stored);
  host.reads = readsOf(host, (value) => known.has(value));
  if (bindsAtMost(host, bindings) && extentIn(host) <= EXTENT) {
    host.takeOver(group);
    return true;
  }
  host.reads = reads;
  [host.reductions.length, host.stored.length] = counts as [number, number];
  return false;
}
