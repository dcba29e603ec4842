// Plans: groups written as kernels, ordered, and laid out in memory. Plain data that the runtime executes; what doesn't fit is tried otherwise.

import { bytesOf, type DType } from "../dtype.ts";
import { internal, OutOfMemoryError } from "../errors.ts";
import type { Program, Value } from "../graph/program.ts";
import type { Executable, ExecutableStep } from "../runtime/executable.ts";
import type { DeviceTraits, Kernel } from "../shaders/kernel.ts";
import { sizeOf } from "../shape.ts";
import { Dataflow } from "./dataflow.ts";
import { EXTENT } from "./extent.ts";
import { type Fusion, fuse } from "./fusion.ts";
import { hasElements, KernelWriter } from "./kernels.ts";
import { bytesFor, type Interval, SLOT_ALIGNMENT } from "./memory.ts";
import { Placement } from "./placement.ts";

/** One dispatch. */
export interface PlanStep extends ExecutableStep {
  readonly kernel: Kernel;
  /** Bytes read and written. */
  readonly bytes: number;
}

/** An executable with what reports need. */
export interface Plan extends Executable {
  readonly steps: readonly PlanStep[];
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

function plans(program: Program, options: PlanOptions): { plan: Plan; placement: Placement } {
  const { bindings } = options.device;
  const apart = new Set<Value>();
  const attempts = [
    { bindings, strict: false, fuse: options.fuse, extent: EXTENT },
    // Each of these keeps out of wide kernels what the one before has found too much. Values that are stored to keep kernels small make them wide.
    ...[1, 1, 2, 2, 4, 4].map((times) => ({
      bindings,
      strict: true,
      fuse: options.fuse,
      extent: times * EXTENT,
      apart,
    })),
    // Fewer bindings than there are leave room for what a kernel stores.
    ...[bindings - 2, bindings * 0.75, bindings / 2, bindings * 0.375].map((fewer) => ({
      bindings: Math.max(Math.floor(fewer), 4),
      strict: true,
      fuse: options.fuse,
      extent: 4 * EXTENT,
      apart,
    })),
    { bindings, strict: true, fuse: false, extent: EXTENT },
  ];
  for (const attempt of attempts) {
    const fusion = fuse(program, attempt);
    const flow = new Dataflow(program, fusion, bindings);
    if (!flow.wide && !flow.circular) return assemble(program, fusion.homes, flow, options.device);
    // What is tried because a kernel was too wide may fail in other ways; the first attempt may not.
    if (flow.circular && !attempt.strict) throw internal("kernels depend on each other in a circle");
    for (const value of flow.excess) apart.add(value);
  }
  throw internal("no plan fits the device's storage buffer limit");
}

/** Lays the groups out in memory and writes their kernels. */
function assemble(
  program: Program,
  homes: Fusion["homes"],
  flow: Dataflow,
  device: DeviceTraits,
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
      const bytes = kernel.bindings.reduce((sum, b) => sum + sizeOf(b.value.shape) * bytesOf(b.value.dtype), 0);
      return { kernel, bindings, scalarOffset, bytes };
    });
  const plan: Plan = {
    steps,
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
