// Fusion: which values become one kernel, and which of them are worth storing.

import type { Value } from "../graph/definition.ts";
import type { Program } from "../graph/program.ts";
import type { Group, Home } from "../shaders/group.ts";
import type { FusionOptions } from "./costs.ts";
import { Cutter } from "./cut.ts";
import { dissolve } from "./dissolve.ts";
import { limitExtent } from "./extent.ts";
import { Homes } from "./homes.ts";
import { Materialization } from "./materialize.ts";
import { merge } from "./merge.ts";
import { Reductions } from "./reductions.ts";
import { Requirements } from "./requirements.ts";
import { splitGroup } from "./split.ts";
import { Uses } from "./uses.ts";
import { orderByReads, packsOf, writersOf } from "./writers.ts";

/** What becomes one kernel each, and what these store. */
export interface Fusion {
  /** Each binds no more buffers than a kernel may. */
  readonly groups: readonly Group[];
  /** Where stored values are computed. */
  readonly homes: ReadonlyMap<Value, Home>;
  /** Sums of parts, between the two kernels of a long sum. */
  readonly partials: ReadonlySet<Value>;
  /** The value whose bytes an output or a packed input has: reshapes seen through. */
  readonly producers: ReadonlyMap<Value, Value>;
}

/** Partitions a program into kernels. */
export function fuse(program: Program, options: FusionOptions): Fusion {
  const uses = new Uses(program.outputs.map(({ value }) => value));
  const requirements = new Requirements(uses);
  const extents = options.fuse ? limitExtent(uses, requirements) : new Map<Value, number>();
  const reductions = new Reductions(uses, requirements, options.fuse);
  const proposed = new Homes(uses, requirements, reductions, extents, options);
  const { stored } = new Materialization(uses, requirements, reductions, proposed, options);
  for (const value of stored) proposed.all.get(value)?.group.stored.push(value);
  const homes = new Map(proposed.all);
  const cutter = new Cutter(options.bindings, stored, homes, uses.order);
  const cut = proposed.groups
    .filter(({ stored }) => stored.length > 0)
    .flatMap((group) => cutter.cut(group))
    .filter(({ stored }) => stored.length > 0);
  const groups: Group[] = [];
  const partials = new Set<Value>();
  let nextId = -1;
  for (const group of options.fuse ? improved(program, cut, requirements, homes, options.bindings) : cut) {
    const split = splitGroup(group, () => nextId--);
    groups.push(...split.groups);
    for (const [value, home] of split.partials) {
      partials.add(value);
      homes.set(value, home);
    }
  }
  return { groups, homes, partials, producers: requirements.producers };
}

/** Fewer groups that compute the same. */
function improved(
  program: Program,
  groups: readonly Group[],
  requirements: Requirements,
  homes: Map<Value, Home>,
  bindings: number,
): readonly Group[] {
  const left = dissolve(groups, requirements, bindings);
  orderByReads(left, writersOf(left, packsOf(program), requirements.producers));
  return merge(left, homes, bindings);
}
