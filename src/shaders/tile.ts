// The tiles of contractions: how they are spread, and what a workgroup needs to load one.

import type { Condition, Index } from "../graph/index-expression.ts";
import type { DeviceTraits } from "../graph/kernel-program.ts";
import type { Place } from "../graph/program.ts";
import type { Contraction } from "./group.ts";
import type { Operand } from "./scopes.ts";
import type { Writer } from "./writer.ts";

/** The tile that an invocation computes, and how invocations form workgroups. */
export interface ContractionSchedule {
  /** Rows (M) per invocation. */
  readonly rows: number;
  /** vec4 columns (N) per invocation. */
  readonly columns: number;
  /** Summed axis whose steps are unrolled; its loop is the innermost. */
  readonly axis: number;
  /** Steps of that axis that are unrolled: 4, 1, or all of a few (the taps of a window). */
  readonly unroll: number;
  /** Each invocation loads one row of the left factor, and the subgroup shares them. */
  readonly spread: boolean;
  /** Steps of the axis that a workgroup loads at a time, of all its rows and columns, into its memory; 0: each invocation loads for itself. */
  readonly chunk: number;
  /** Invocations along N and M per workgroup. */
  readonly width: number;
  readonly height: number;
}

/** What a workgroup multiplies together. */
export interface WorkgroupTile {
  readonly schedule: ContractionSchedule;
  readonly contraction: Contraction;
  /** Workgroups along M and N; the writer knows `tile`, the number of this one. */
  readonly groups: readonly [number, number];
  /** Steps of a chunk, as a loop's bound. */
  readonly rounds: string;
  /** Whether factors are read contiguously along the summed axis. */
  readonly contiguous: (factors: readonly Place[]) => boolean;
  /** The product of a side's factors in a row or in four columns, at a step of the chunk. */
  readonly load: (
    factors: readonly Place[],
    conditions: readonly Condition[],
    row: Index | null,
    column: Index | null,
    step: Index,
  ) => Operand;
  /** Adds the products of one step. */
  readonly multiply: (left: (i: number) => string, right: (j: number) => string) => void;
}

/** What a contraction is written for. No default schedule goes through workgroup memory, so only a book of schedules brings that. */
export interface TileTraits extends DeviceTraits {
  readonly schedules?: { readonly throughWorkgroup: (writer: Writer, tile: WorkgroupTile) => void } | null;
}
