// Plans: groups written as kernels, ordered, and laid out in memory. Plain data that the runtime executes.

import { bytesOf, type DType } from "../base/dtype.ts";
import { OutOfMemoryError } from "../base/errors.ts";
import type { Kernel } from "../graph/definition.ts";
import type { DeviceTraits } from "../graph/kernel-program.ts";
import type { Program } from "../graph/program.ts";
import type { Executable, ExecutableStep } from "../runtime/executable.ts";
import { Dataflow } from "./dataflow.ts";
import { fuse } from "./fusion.ts";
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
  /** Whether ops share kernels: else every op is a kernel of its own, as was asked for. */
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

/** Shares that the values over the peak are cut into, one of which is kept whole: the more, the less memory and the more work. */
const PARTS = [2, 3, 4, 6, 8, 12, 16];

/**
 * The plan of a program. Where it would need more than `options.memory`, values are computed again instead of kept, if there is what
 * rewrites the program; throws an OutOfMemoryError with the number of bytes missing where that doesn't do.
 */
export function buildPlan(program: Program, options: PlanOptions): Plan {
  const limit = options.memory ?? Number.POSITIVE_INFINITY;
  const { plan, placement } = assemble(program, options);
  let least = plan;
  for (const parts of PARTS) {
    if (least.workspace <= limit) return least;
    const frugal = options.rematerialize?.(program, placement, parts) ?? null;
    if (frugal === null) continue;
    const next = assemble(frugal, options).plan;
    if (next.workspace < least.workspace) least = next;
  }
  if (least.workspace <= limit) return least;
  throw new OutOfMemoryError(
    `out of memory: ${least.workspace - limit} bytes are missing for what lies between the kernels (${least.workspace} bytes with recomputation, ${plan.workspace} without; memoryLimit leaves ${Math.max(0, limit)}). A smaller batch needs less.`,
  );
}

/** Partitions a program into kernels, lays what is between them out in memory, and writes them. */
function assemble(program: Program, { device, fuse: fused }: PlanOptions): { plan: Plan; placement: Placement } {
  const fusion = fuse(program, { bindings: device.bindings, fuse: fused });
  const { homes } = fusion;
  const flow = new Dataflow(program, fusion);
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
