// Plans: groups written as kernels, ordered, and laid out in memory. Plain data that the runtime executes; what doesn't fit is tried otherwise.

import { bytesOf, type DType } from "../dtype.ts";
import { internal, OutOfMemoryError } from "../errors.ts";
import type { Program, Value } from "../graph/program.ts";
import type { Executable, ExecutableStep } from "../runtime/executable.ts";
import type { DeviceTraits, Kernel } from "../shaders/kernel.ts";
import { sizeOf } from "../shape.ts";
import { Dataflow } from "./dataflow.ts";
import { type Fusion, fuse } from "./fusion.ts";
import type { Group } from "./group.ts";
import { hasElements, KernelWriter } from "./kernels.ts";
import { bytesFor, type Interval, SLOT_ALIGNMENT } from "./memory.ts";
import { Placement } from "./placement.ts";

/** One dispatch. */
export interface PlanStep extends ExecutableStep {
  readonly kernel: Kernel;
}

/** An executable with what reports need. */
export interface Plan extends Executable {
  readonly steps: readonly PlanStep[];
  /** Whether ops share kernels: else every op is a kernel of its own, because that was asked for or because nothing else was found. */
  readonly fused: boolean;
  /** What lies in the workspace when. */
  readonly blocks: readonly Interval[];
  /** The block of scalars: what goes where. */
  readonly scalars: readonly { readonly index: number; readonly dtype: DType; readonly offset: number }[];
  /** What `replaceSchedules` had counted when the plan was made. */
  readonly generation: number;
  /** Numbers of the constants that are uploaded with each run: scalars behind the captured ones. */
  readonly promoted: readonly number[];
}

export interface PlanOptions {
  readonly device: DeviceTraits;
  readonly fuse: boolean;
  /** Bytes that the workspace may take; not limited unless told. */
  readonly memory?: number;
  /** What makes do with less; without it, a plan needs what it needs. */
  readonly rematerialize?: Rematerialize | null;
}

/** Makes a program of one whose plan needs too much: see `rematerialize`. */
export type Rematerialize = (program: Program, placement: Placement, parts: number) => Program | null;

/** After so many attempts to fuse a program, it is not fused. */
const ATTEMPTS = 32;

/** Shares that the values over the peak are cut into, one of which is kept whole: the more, the less memory and the more work. */
const PARTS = [2, 3, 4, 6, 8, 12, 16];

/**
 * The plan of a program. Where it would need more than `options.memory`, values are computed again instead of kept, if there is what
 * rewrites the program; throws an OutOfMemoryError with the number of bytes missing where that doesn't do.
 */
export function buildPlan(program: Program, options: PlanOptions): Plan {
  const limit = options.memory ?? Number.POSITIVE_INFINITY;
  const { plan, placement } = plans(program, options);
  let least = plan;
  for (const parts of PARTS) {
    if (least.workspace <= limit) return least;
    const frugal = options.rematerialize?.(program, placement, parts) ?? null;
    if (frugal === null) continue;
    const next = plans(frugal, options).plan;
    if (next.workspace < least.workspace) least = next;
  }
  if (least.workspace <= limit) return least;
  throw new OutOfMemoryError(
    `out of memory: ${least.workspace - limit} bytes are missing for what lies between the kernels (${least.workspace} bytes with recomputation, ${plan.workspace} without; memoryLimit leaves ${Math.max(0, limit)}). A smaller batch needs less.`,
  );
}

/** Partitions a program into kernels that bind no more buffers than they may: what an attempt finds too much, the next one avoids. */
function plans(program: Program, { device, fuse: fused }: PlanOptions): { plan: Plan; placement: Placement } {
  const { bindings } = device;
  const pieces = new Map<Value, number>();
  const stored = new Set<Value>();
  for (let attempt = 0; fused && attempt < ATTEMPTS; attempt++) {
    const fusion = fuse(program, { bindings, strict: attempt > 0, fuse: true, pieces, stored });
    const flow = new Dataflow(program, fusion, bindings);
    if (flow.wide.size === 0 && !flow.circular) return assemble(program, fusion.homes, flow, device, true);
    // With nothing to cut, the next attempt would be the same.
    if (flow.circular && attempt > 0) break;
    for (const group of fusion.groups) if (group.kind !== "kernel") for (const value of group.stored) stored.add(value);
    if (attempt > 0) cutWide(flow.wide, fusion.homes, pieces, bindings);
  }
  // Every op a kernel of its own.
  const fusion = fuse(program, { bindings, strict: true, fuse: false });
  const flow = new Dataflow(program, fusion, bindings);
  if (flow.wide.size > 0 || flow.circular) throw internal("no plan fits the device's storage buffer limit");
  return assemble(program, fusion.homes, flow, device, false);
}

/** Cuts what wide kernels compute into pieces, as many as their buffers would fill: for each value the number of the one that it is in. */
function cutWide(
  wide: ReadonlyMap<Group, number>,
  homes: Fusion["homes"],
  pieces: Map<Value, number>,
  bindings: number,
): void {
  const members = new Map<number, Value[]>();
  for (const group of wide.keys()) members.set(group.id, []);
  for (const [value, { group }] of homes) members.get(group.id)?.push(value);
  let next = 1 + Math.max(0, ...pieces.values());
  for (const [{ id }, buffers] of wide) {
    // Inputs first.
    const values = (members.get(id) ?? []).sort((a, b) => a.id - b.id);
    const count = Math.ceil(buffers / (bindings - 2));
    values.forEach((value, i) => {
      pieces.set(value, next + Math.floor((i * count) / values.length));
    });
    next += count;
  }
}

/** Lays the groups out in memory and writes their kernels. */
function assemble(
  program: Program,
  homes: Fusion["homes"],
  flow: Dataflow,
  device: DeviceTraits,
  fused: boolean,
): { plan: Plan; placement: Placement } {
  const placement = new Placement(program, homes, flow);
  const writer = new KernelWriter(homes, flow, placement, device);
  const scalars: { index: number; dtype: DType; offset: number }[] = [];
  let scalarBytes = 0;
  const steps = placement.order
    .filter((group) => group.stored.some(hasElements))
    .map((group): PlanStep => {
      const kernel = writer.write(group);
      let scalarOffset = -1;
      if (kernel.scalars.length > 0) {
        scalarOffset = scalarBytes;
        kernel.scalars.forEach((s, i) => {
          scalars.push({ ...s, offset: scalarOffset + 4 * i });
        });
        scalarBytes += Math.ceil((4 * kernel.scalars.length) / SLOT_ALIGNMENT) * SLOT_ALIGNMENT;
      }
      const bindings = kernel.bindings.map(({ value, access, start }) => ({
        place: placement.placeOf(value),
        offset: start * bytesOf(value.dtype),
        bytes: bytesFor(value) - start * bytesOf(value.dtype),
        access,
      }));
      return { kernel, bindings, scalarOffset };
    });
  const plan: Plan = {
    steps,
    fused,
    copies: placement.copies(),
    workspace: placement.workspace,
    blocks: placement.blocks,
    scalars,
    scalarBytes,
    promoted: [],
    generation: 0,
    outputs: program.outputs.map((o) => (o.destination.kind === "new" ? bytesFor(o.value) : -1)),
  };
  return { plan, placement };
}
