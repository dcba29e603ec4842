// Fusion: which values become one kernel, and which of them are worth storing.

import type { Value } from "../graph/definition.ts";
import type { Program } from "../graph/program.ts";
import type { Group, Home } from "../shaders/group.ts";
import { limitExtent } from "./extent.ts";
import { Homes } from "./homes.ts";
import { Materialization } from "./materialize.ts";
import { Reductions } from "./reductions.ts";
import { Requirements } from "./requirements.ts";
import { Uses } from "./uses.ts";

export interface FusionOptions {
  /** Storage buffers that a kernel may bind. */
  readonly bindings: number;
  /** Store whatever would otherwise make readers bind more buffers. */
  readonly strict: boolean;
  /** false: every op is a kernel of its own, for comparisons. */
  readonly fuse: boolean;
  /** Pieces of kernels that bound too many buffers: what is in different ones is not computed in one kernel again. */
  readonly pieces?: ReadonlyMap<Value, number>;
  /** Values that an earlier attempt has stored: readers know from the beginning that these are buffers. */
  readonly stored?: ReadonlySet<Value>;
}

/** What becomes one kernel each, and what these store. */
export interface Fusion {
  readonly groups: readonly Group[];
  /** Where a value is computed, if not inline by whoever reads it. */
  readonly homes: ReadonlyMap<Value, Home>;
  readonly stored: ReadonlySet<Value>;
  /** The value whose bytes an output or a packed input has: reshapes seen through. */
  readonly producers: ReadonlyMap<Value, Value>;
}

/** Partitions a program into kernels. */
export function fuse(program: Program, options: FusionOptions): Fusion {
  const uses = new Uses(program.outputs.map(({ value }) => value));
  const requirements = new Requirements(uses);
  for (const value of options.stored ?? []) requirements.add(value);
  const extents = options.fuse ? limitExtent(uses, requirements) : new Map<Value, number>();
  const reductions = new Reductions(uses, requirements, options.fuse);
  const homes = new Homes(uses, requirements, reductions, extents, options);
  const { stored } = new Materialization(uses, requirements, reductions, homes, options);
  for (const value of stored) homes.all.get(value)?.group.stored.push(value);
  const groups = homes.groups.filter((group) => group.stored.length > 0);
  return { groups, homes: homes.all, stored, producers: requirements.producers };
}
