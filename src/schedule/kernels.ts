// Kernels: a group's text, written by the family that it belongs to under a schedule.

import { bytesOf } from "../base/dtype.ts";
import { must } from "../base/errors.ts";
import { sizeOf } from "../base/shape.ts";
import type { Kernel, Value } from "../graph/definition.ts";
import type { KernelSchedule } from "../graph/kernel-program.ts";
import { writeContraction } from "../shaders/contraction.ts";
import { contractionSchedule, orient } from "../shaders/contraction-schedule.ts";
import type { Group, Home } from "../shaders/group.ts";
import type { Stored } from "../shaders/kernel.ts";
import { type MapSchedule, mapSchedule, writeMap } from "../shaders/map.ts";
import { writeRows } from "../shaders/row.ts";
import { type RowSchedule, rowSchedule } from "../shaders/row-schedule.ts";
import type { PlanTraits, Schedule } from "../shaders/schedules.ts";
import type { ContractionSchedule } from "../shaders/tile.ts";
import { Writer } from "../shaders/writer.ts";
import type { Dataflow } from "./dataflow.ts";
import { SLOT_ALIGNMENT } from "./memory.ts";
import { flopsOf, nameOf, opsOf } from "./names.ts";
import type { Placement } from "./placement.ts";

/** Writes the groups of a fusion whose values have their places. */
export class KernelWriter {
  readonly #homes: ReadonlyMap<Value, Home>;
  readonly #flow: Dataflow;
  readonly #placement: Placement;
  readonly #device: PlanTraits;

  constructor(homes: ReadonlyMap<Value, Home>, flow: Dataflow, placement: Placement, device: PlanTraits) {
    this.#homes = homes;
    this.#flow = flow;
    this.#placement = placement;
    this.#device = device;
  }

  /** The group's kernel, under the schedule that was found to be best for it where one was looked for. */
  write(group: Group): Kernel {
    const device = this.#device;
    const { schedule, kernel } = this.#writeWith(group, null);
    const { schedules } = device;
    if (!schedules || schedule === null) return kernel;
    const write = (other: Schedule): Kernel => this.#writeWith(group, other).kernel;
    const chosen = schedules.choose({ schedule, kernel, group, write });
    return chosen === null ? kernel : write(chosen);
  }

  /** The kernel of a group under a schedule or the default one, and that schedule; null where there is no choice. */
  #writeWith(group: Group, given: Schedule | null): { readonly schedule: Schedule | null; readonly kernel: Kernel } {
    const device = this.#device;
    const { handWritten } = group;
    if (handWritten !== null) {
      const own = given as KernelSchedule | null;
      const { complete, program } = handWritten.definition;
      const schedule = own ?? (program.schedules === undefined ? null : {});
      return { schedule, kernel: complete(handWritten, device, own) };
    }
    const homeOf = (value: Value): Home => must(this.#homes.get(value), "a stored value without a home");
    const outputs: Stored[] = group.stored.filter(hasElements).map((value) => {
      const home = homeOf(value);
      return { value, domain: home.domain, coordinates: home.coordinates };
    });
    const written = new Set(group.stored);
    const isStored = (value: Value) => group.reads.has(value);
    const vectors = new Set<Value>();
    const starts = new Map<Value, number>();
    for (;;) {
      const known = vectors.size + starts.size;
      const writer = new Writer({ isStored }, written, vectors, starts);
      // A slot that the kernel overwrites in place is one binding for reading and writing.
      for (const slot of this.#placement.sharedSlots(group)) writer.share(slot.read, slot.written);
      this.#joinParts(writer, group);
      let shape: { workgroups: [number, number, number]; workgroupSize: number };
      let schedule: Schedule;
      if (group.kind === "map") {
        const own = (given as MapSchedule | null) ?? mapSchedule(group.rows, device);
        shape = writeMap(writer, group.rows, outputs, own, device);
        schedule = own;
      } else if (group.kind === "row") {
        const own = (given as RowSchedule | null) ?? rowSchedule(group, isStored, device);
        shape = writeRows(writer, group, outputs, own, device);
        schedule = own;
      } else {
        const main = outputs.find((o) => o.domain !== "side");
        const contraction = orient(
          must(group.contraction, "no contraction"),
          must(main, "a contraction without results"),
        );
        const own = (given as ContractionSchedule | null) ?? contractionSchedule(group, contraction, isStored, device);
        shape = writeContraction(writer, group, contraction, outputs, own, isStored, device);
        schedule = own;
      }
      // Kernels that differ only in the part of a buffer that they read become one shader: the offset goes into the binding.
      for (const [value, lowest] of writer.lowest) {
        const unit = SLOT_ALIGNMENT / bytesOf(value.dtype);
        if (lowest >= unit && !written.has(value)) starts.set(value, Math.floor(lowest / unit) * unit);
      }
      if (vectors.size + starts.size > known) continue;
      const name = nameOf(group, writer);
      const kernel: Kernel = {
        name,
        family: group.kind,
        fused: opsOf(group, writer),
        wgsl: writer.finish(shape.workgroupSize),
        workgroups: shape.workgroups,
        bindings: writer.bindings.map(({ name, value, access }) => ({
          name,
          value,
          access,
          start: starts.get(value) ?? 0,
        })),
        scalars: writer.scalars,
        bytes: writer.bytes,
        flops: flopsOf(group, writer),
      };
      return { schedule, kernel };
    }
  }

  /** A packed value that is read beside its pack is read as a part of it. */
  #joinParts(writer: Writer, group: Group): void {
    const { reads } = group;
    for (const pack of reads) {
      if (pack.definition.kind !== "pack" || pack.leaf !== null) continue;
      pack.inputs.forEach((input, i) => {
        const producer = this.#flow.producer(input);
        if (reads.has(producer)) writer.within(producer, pack, pack.attributes[i] as number);
      });
    }
  }
}

/** Whether there is anything to compute. */
export function hasElements(value: Value): boolean {
  return sizeOf(value.shape) > 0;
}
