// Plans: groups written as kernels, ordered, and laid out in memory. Plain data that the runtime executes.

import { bytesOf, type DType } from "../dtype.ts";
import { internal, OutOfMemoryError } from "../errors.ts";
import { addIndex, constantIndex, type Index, scaleIndex } from "../graph/index-expression.ts";
import { inputCoordinates, type Output, type Program, type Value } from "../graph/program.ts";
import type { Executable, ExecutableStep, Place } from "../runtime/executable.ts";
import { type ContractionSchedule, contractionSchedule, orient, writeContraction } from "../shaders/contraction.ts";
import { writeHandWritten } from "../shaders/hand-written.ts";
import type { DeviceTraits, Kernel, Stored } from "../shaders/kernel.ts";
import { type MapSchedule, mapSchedule, writeMap } from "../shaders/map.ts";
import { type RowSchedule, rowSchedule, writeRows } from "../shaders/row.ts";
import { type Schedule, signatureOf, type Variant } from "../shaders/schedules.ts";
import { Writer } from "../shaders/writer.ts";
import { formatShape, sizeOf } from "../shape.ts";
import { Dataflow } from "./dataflow.ts";
import { type Fusion, fuse } from "./fusion.ts";
import { type Group, type Home, numbersOf } from "./group.ts";
import { bytesFor, layOut, SLOT_ALIGNMENT } from "./memory.ts";
import { flopsOf, labelOf, nameOf } from "./names.ts";
import { type Block, orderTasks } from "./order.ts";
import { rematerialize, type Timeline } from "./rematerialize.ts";

/** One dispatch. */
export interface PlanStep extends ExecutableStep {
  readonly kernel: Kernel;
  /** Bytes read and written. */
  readonly bytes: number;
}

/** An executable with what reports need. */
export interface Plan extends Executable {
  readonly steps: readonly PlanStep[];
  /** Largest sum of simultaneously live bytes: what `workspace` cannot be less than. */
  readonly liveBytes: number;
  /** The block of scalars: what goes where. */
  readonly scalars: readonly { readonly index: number; readonly dtype: DType; readonly offset: number }[];
  /** What `useSchedules` has counted when the plan was made. */
  readonly generation: number;
  /** Numbers of the constants that are uploaded with each run: scalars behind the captured ones. */
  readonly promoted: readonly number[];
}

export interface PlanOptions {
  readonly device: DeviceTraits;
  readonly fuse: boolean;
  /** Bytes that the workspace may take; not limited unless told. */
  readonly memory?: number;
}
/** Shares that the values over the peak are cut into, one of which is kept whole: the more, the less memory and the more work. */
const PARTS = [2, 3, 4, 6, 8, 12, 16];

/**
 * The plan of a program. Where it would need more than `options.memory`, values are computed again instead of kept; throws an
 * OutOfMemoryError with the number of bytes missing where that doesn't do.
 */
export function buildPlan(program: Program, options: PlanOptions): Plan {
  const limit = options.memory ?? Number.POSITIVE_INFINITY;
  const { plan, timeline } = plans(program, options);
  let least = plan;
  for (const parts of PARTS) {
    if (least.workspace <= limit) return least;
    const frugal = rematerialize(program, timeline, parts);
    if (frugal === null) continue;
    const next = plans(frugal, options).plan;
    if (next.workspace < least.workspace) least = next;
  }
  if (least.workspace <= limit) return least;
  throw new OutOfMemoryError(
    `out of memory: ${least.workspace - limit} bytes are missing for what lies between the kernels (${least.workspace} bytes with recomputation, ${plan.workspace} without; memoryLimit leaves ${Math.max(0, limit)}). A smaller batch needs less.`,
  );
}

function plans(program: Program, options: PlanOptions): { plan: Plan; timeline: Timeline } {
  const { bindings } = options.device;
  const apart = new Set<Value>();
  const attempts = [
    { bindings, strict: false, fuse: options.fuse },
    // Each of these keeps out of wide kernels what the one before has found too much.
    ...Array.from({ length: 6 }, () => ({ bindings, strict: true, fuse: options.fuse, apart })),
    // Fewer bindings than there are leave room for what a kernel stores.
    ...[bindings - 2, bindings * 0.75, bindings / 2, bindings * 0.375].map((fewer) => ({
      bindings: Math.max(Math.floor(fewer), 4),
      strict: true,
      fuse: options.fuse,
      apart,
    })),
    { bindings, strict: true, fuse: false },
  ];
  for (const attempt of attempts) {
    const fusion = fuse(program, attempt);
    const flow = new Dataflow(program, fusion, bindings);
    if (!flow.wide && !flow.circular) {
      const planner = new Planner(program, fusion, flow, options);
      return { plan: planner.build(), timeline: planner.timeline() };
    }
    // What is tried because a kernel was too wide may fail in other ways; the first attempt may not.
    if (flow.circular && !attempt.strict) throw internal("kernels depend on each other in a circle");
    for (const value of flow.excess) apart.add(value);
  }
  throw internal("no plan fits the device's storage buffer limit");
}

class Planner {
  readonly #program: Program;
  readonly #fusion: Fusion;
  readonly #flow: Dataflow;
  readonly #options: PlanOptions;
  readonly #places = new Map<Value, Place>();

  constructor(program: Program, fusion: Fusion, flow: Dataflow, options: PlanOptions) {
    this.#program = program;
    this.#fusion = fusion;
    this.#flow = flow;
    this.#options = options;
  }

  build(): Plan {
    const { groups } = this.#flow;
    this.#placeOutputs(groups);
    const order = this.#order(groups);
    this.#ordered = order;
    const placed = this.#placeTemporaries(order);
    return this.#finish(order, placed);
  }

  #ordered: readonly Group[] = [];

  /** When the built plan's kernels write and read. */
  timeline(): Timeline {
    const written = new Map<Value, number>();
    const read = new Map<Value, number[]>();
    const temporary = new Map<Value, number>();
    const live = new Float64Array(this.#ordered.length + 1);
    this.#ordered.forEach((group, at) => {
      for (const value of group.stored) if (!this.#flow.partials.has(value)) written.set(value, at);
      for (const value of this.#flow.readsOf(group)) {
        const uses = read.get(value);
        if (uses === undefined) read.set(value, [at]);
        else uses.push(at);
      }
    });
    for (const [value, at] of written) {
      if (this.#places.get(value)?.kind !== "workspace") continue;
      const bytes = bytesFor(value);
      temporary.set(value, bytes);
      const last = Math.max(at, ...(read.get(value) ?? []));
      for (let i = at; i <= last; i++) live[i] = (live[i] as number) + bytes;
    }
    return { written, read, temporary, peak: live.indexOf(Math.max(...live)) };
  }

  /** Decides where outputs' bytes lie: buffers of their own, packed regions, or slots overwritten in place. */
  #placeOutputs(groups: readonly Group[]): void {
    this.#program.outputs.forEach((output, i) => {
      const producer = this.#flow.producer(output.value);
      if (output.destination.kind === "new") {
        const place: Place = { kind: "output", index: i };
        if (this.#places.has(producer) || producer.leaf !== null) this.#copyAtEnd(producer, place, output);
        else this.#places.set(producer, place);
      }
    });
    this.#program.outputs.forEach((output) => {
      if (output.destination.kind !== "slot") return;
      const { storage, index } = output.destination;
      const producer = this.#flow.producer(output.value);
      const place: Place = { kind: "leaf", index };
      const writers = this.#flow.writersOf(producer);
      const inPlace =
        !this.#places.has(producer) &&
        producer.leaf === null &&
        producer.definition.kind !== "pack" &&
        writers.length === 1 &&
        !this.#flow.isBegun(producer) &&
        this.#canOverwrite(groups, writers[0] as Group, producer, storage, index);
      if (inPlace) this.#places.set(producer, place);
      else this.#copyAtEnd(producer, place, output);
    });
  }

  #copyAtEnd(producer: Value, to: Place, output: Output): void {
    this.#pendingCopies.push({ producer, to, bytes: bytesFor(output.value) });
  }

  readonly #pendingCopies: { producer: Value; to: Place; bytes: number }[] = [];

  /** Whether `group` may write the storage: all other readers run before, and it reads only what it overwrites itself. */
  #canOverwrite(groups: readonly Group[], group: Group, value: Value, storage: number, index: number): boolean {
    const leaves = (g: Group) =>
      [...this.#flow.readsOf(g)].filter((v) => v.leaf?.kind === "buffer" && v.leaf.storage === storage);
    for (const leaf of leaves(group)) {
      if (!this.#sameLeaf(leaf, index) || sizeOf(leaf.shape) !== sizeOf(value.shape) || leaf.dtype !== value.dtype)
        return false;
      if (!this.#readsOwnElement(group, value, leaf)) return false;
    }
    const readers = groups.filter((g) => g !== group && leaves(g).length > 0);
    // A reader that needs what this group computes would have to run both before and after it.
    if (readers.some((r) => r.dependsOn(group))) return false;
    for (const reader of readers) group.runAfter(reader);
    return true;
  }

  #sameLeaf(leaf: Value, index: number): boolean {
    return leaf.leaf?.kind === "buffer" && this.#offsets(leaf.leaf.index) === this.#offsets(index);
  }

  #offsets(index: number): number {
    return this.#program.offsets[index] as number;
  }

  /** Whether `leaf` is read only at the element that `value` writes, by the invocation that writes it. */
  #readsOwnElement(group: Group, value: Value, leaf: Value): boolean {
    const home = this.#fusion.homes.get(value);
    if (group.kind === "kernel") return false;
    if (home === undefined || (group.kind === "contraction" && home.domain !== "outer")) return false;
    const linear = (shape: readonly number[], at: readonly Index[]) => linearOf(shape, at).key;
    const own = linear(value.shape, home.coordinates);
    const seen = new Set<string>();
    const check = (v: Value, at: readonly Index[]): boolean => {
      const key = `${v.id}:${at.map((c) => c.key).join()}`;
      if (seen.has(key)) return true;
      seen.add(key);
      if (v === leaf) return linear(v.shape, at) === own;
      if (v.leaf !== null || (this.#flow.isStored(v) && !group.stored.includes(v)) || v.definition.kind === "reduce")
        return true;
      const inner = inputCoordinates(v, at);
      return v.inputs.every((input, i) => check(input, inner.coordinates[i] as Index[]));
    };
    // What the sums read is read by other invocations too.
    if (group.reductions.some((r) => this.#readsLeaf(r.body, leaf))) return false;
    return group.stored.every((v) => {
      const h = this.#fusion.homes.get(v);
      return h !== undefined && check(v, h.coordinates);
    });
  }

  #readsLeaf(value: Value, leaf: Value, seen: Set<Value> = new Set()): boolean {
    if (value === leaf) return true;
    if (seen.has(value) || value.leaf !== null || this.#flow.isStored(value)) return false;
    seen.add(value);
    return value.inputs.some((input) => this.#readsLeaf(input, leaf, seen));
  }

  /** The order in which the kernels run: it keeps few bytes alive. */
  #order(groups: readonly Group[]): Group[] {
    const numbers = numbersOf(groups);
    const packOf = this.#packRegions();
    const blocks: Block[] = [];
    const known = new Map<Value, number>();
    const blocksOf = (values: Iterable<Value>): number[] => {
      const found: number[] = [];
      for (const value of values) {
        const base = packOf.get(this.#flow.owner(value))?.pack ?? this.#flow.owner(value);
        if (base.leaf !== null || this.#places.has(base)) continue;
        let block = known.get(base);
        if (block === undefined) {
          block = blocks.length;
          blocks.push({ bytes: bytesFor(base), collects: base.definition.kind === "pack" });
          known.set(base, block);
        }
        found.push(block);
      }
      return found;
    };
    const tasks = groups.map((group) => ({
      after: [...group.after].flatMap((g) => numbers.get(g) ?? []),
      writes: blocksOf(group.stored),
      reads: blocksOf(this.#flow.readsOf(group)),
    }));
    const kept = new Set(blocksOf(this.#pendingCopies.map((c) => c.producer)));
    return orderTasks(tasks, blocks, kept).map((i) => groups[i] as Group);
  }

  /** Gives everything that has no place yet a part of the workspace, by lifetime. */
  #placeTemporaries(order: readonly Group[]): { workspace: number; liveBytes: number } {
    const position = new Map<Group, number>(order.map((g, i) => [g, i]));
    const intervals = new Map<Value, { start: number; end: number; bytes: number }>();
    const packOf = this.#packRegions();
    const touch = (touched: Value, at: number) => {
      const value = packOf.get(this.#flow.owner(touched))?.pack ?? this.#flow.owner(touched);
      const interval = intervals.get(value);
      if (interval === undefined) intervals.set(value, { start: at, end: at, bytes: bytesFor(value) });
      else {
        interval.start = Math.min(interval.start, at);
        interval.end = Math.max(interval.end, at);
      }
    };
    for (const group of order) {
      const at = position.get(group) as number;
      for (const value of group.stored) touch(value, at);
      for (const value of this.#flow.readsOf(group)) if (value.leaf === null) touch(value, at);
    }
    for (const copy of this.#pendingCopies) if (copy.producer.leaf === null) touch(copy.producer, order.length);
    const free = [...intervals].filter(([value]) => !this.#places.has(value));
    const layout = layOut(
      free.map(([, interval]) => interval),
      SLOT_ALIGNMENT,
    );
    free.forEach(([value], i) => {
      this.#places.set(value, { kind: "workspace", offset: layout.offsets[i] as number });
    });
    return { workspace: layout.size, liveBytes: layout.peak };
  }

  /** Values that are computed right into a pack, with their byte offsets. */
  #packRegions(): Map<Value, { pack: Value; offset: number }> {
    const regions = new Map<Value, { pack: Value; offset: number }>();
    for (const pack of this.#flow.packs) {
      pack.inputs.forEach((input, i) => {
        const producer = this.#flow.producer(input);
        if (producer.leaf === null && !this.#places.has(producer) && !regions.has(producer))
          regions.set(producer, { pack, offset: 4 * (pack.attributes[i] as number) });
      });
    }
    return regions;
  }

  #finish(order: readonly Group[], placed: { workspace: number; liveBytes: number }): Plan {
    const regions = this.#packRegions();
    const placeOf = (of: Value): Place => {
      const value = this.#flow.owner(of);
      const region = regions.get(value);
      if (region !== undefined) return offsetPlace(placeOf(region.pack), region.offset);
      if (value.leaf?.kind === "buffer") return { kind: "leaf", index: value.leaf.index };
      const place = this.#places.get(value);
      if (place === undefined) throw internal(`no place for ${value.definition.name} ${formatShape(value.shape)}`);
      return place;
    };
    const scalars: { index: number; dtype: DType; offset: number }[] = [];
    let scalarBytes = 0;
    const steps = order
      .filter((group) => group.stored.some(hasElements))
      .map((group): PlanStep => {
        const kernel = this.#writeKernel(group);
        let scalarOffset = -1;
        if (kernel.scalars.length > 0) {
          scalarOffset = scalarBytes;
          kernel.scalars.forEach((s, i) => {
            scalars.push({ ...s, offset: scalarOffset + 4 * i });
          });
          scalarBytes += Math.ceil((4 * kernel.scalars.length) / SLOT_ALIGNMENT) * SLOT_ALIGNMENT;
        }
        const bindings = kernel.bindings.map(({ value, access, start }) => ({
          place: placeOf(value),
          offset: start * bytesOf(value.dtype),
          bytes: bytesFor(value) - start * bytesOf(value.dtype),
          access,
        }));
        const bytes = kernel.bindings.reduce((sum, b) => sum + sizeOf(b.value.shape) * bytesOf(b.value.dtype), 0);
        return { kernel, bindings, scalarOffset, bytes };
      });
    const copies = this.#pendingCopies.map((c) => ({ from: placeOf(c.producer), to: c.to, bytes: c.bytes }));
    for (const pack of this.#flow.packs) {
      pack.inputs.forEach((input, i) => {
        const producer = this.#flow.producer(input);
        const region = regions.get(producer);
        if (region?.pack === pack && region.offset === 4 * (pack.attributes[i] as number)) return;
        throw internal("a packed value that lies elsewhere");
      });
    }
    return {
      steps,
      copies,
      workspace: placed.workspace,
      liveBytes: placed.liveBytes,
      scalars,
      scalarBytes,
      promoted: [],
      generation: 0,
      outputs: this.#program.outputs.map((o) => (o.destination.kind === "new" ? bytesFor(o.value) : -1)),
    };
  }

  #writeKernel(group: Group): Kernel {
    const { device } = this.#options;
    if (group.handWritten !== null) return writeHandWritten(group.handWritten, device);
    const standard = this.#writeWith(group, null);
    const { schedules } = device;
    if (schedules === null || schedules === undefined) return standard.kernel;
    const signature = signatureOf(standard.kernel);
    schedules.offer?.({ ...standard, signature, group, write: (schedule) => this.#writeWith(group, schedule) });
    const chosen = schedules.chosen.get(signature);
    return chosen === undefined ? standard.kernel : this.#writeWith(group, chosen).kernel;
  }

  /** The kernel of a group that isn't hand-written, under a schedule or the default one. */
  #writeWith(group: Group, given: Schedule | null): Variant {
    const { device } = this.#options;
    const homeOf = (value: Value): Home =>
      this.#fusion.homes.get(value) ?? this.#flow.partials.get(value) ?? fail(value);
    const outputs: Stored[] = group.stored.filter(hasElements).map((value) => {
      const home = homeOf(value);
      return { value, domain: home.domain, coordinates: home.coordinates };
    });
    const written = new Set(group.stored);
    const isStored = (value: Value) => this.#flow.isStored(value) && !written.has(value);
    const vectors = new Set<Value>();
    const starts = new Map<Value, number>();
    for (;;) {
      const known = vectors.size + starts.size;
      const writer = new Writer({ isStored }, written, vectors, starts);
      // A slot that the kernel overwrites in place is one binding for reading and writing.
      this.#shareSlots(writer, group);
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
        const contraction = orient(group.contraction ?? failContraction(), main ?? failContraction());
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
      const name = nameOf(group, writer.fused);
      const kernel: Kernel = {
        name,
        family: group.kind,
        fused: writer.fused,
        wgsl: writer.finish(labelOf(group, writer.fused), shape.workgroupSize),
        workgroups: shape.workgroups,
        bindings: [...writer.bindings.values()].map(({ value, access }) => ({
          value,
          access,
          start: starts.get(value) ?? 0,
        })),
        scalars: writer.scalars,
        flops: flopsOf(group, writer),
      };
      return { schedule, kernel };
    }
  }

  #shareSlots(writer: Writer, group: Group): void {
    for (const value of group.stored) {
      const place = this.#places.get(value);
      if (place?.kind !== "leaf") continue;
      for (const read of this.#flow.readsOf(group)) {
        if (read.leaf?.kind === "buffer" && this.#sameLeaf(read, place.index) && this.#sameStorage(read, place.index))
          writer.share(read, value);
      }
    }
  }

  /** A packed value that is read beside its pack is read as a part of it. */
  #joinParts(writer: Writer, group: Group): void {
    const reads = this.#flow.readsOf(group);
    for (const pack of reads) {
      if (pack.definition.kind !== "pack" || pack.leaf !== null) continue;
      pack.inputs.forEach((input, i) => {
        const producer = this.#flow.producer(input);
        if (reads.has(producer)) writer.within(producer, pack, pack.attributes[i] as number);
      });
    }
  }

  #sameStorage(leaf: Value, index: number): boolean {
    return leaf.leaf?.kind === "buffer" && this.#program.storages[leaf.leaf.index] === this.#program.storages[index];
  }
}

function hasElements(value: Value): boolean {
  return sizeOf(value.shape) > 0;
}

function fail(value: Value): never {
  throw internal(`${value.definition.name} ${formatShape(value.shape)} has no home`);
}

function failContraction(): never {
  throw internal("a contraction without factors or results");
}

function linearOf(shape: readonly number[], at: readonly Index[]): Index {
  let stride = 1;
  let sum = constantIndex(0);
  for (let i = shape.length - 1; i >= 0; i--) {
    sum = addIndex(sum, scaleIndex(at[i] as Index, stride));
    stride *= shape[i] as number;
  }
  return sum;
}

function offsetPlace(place: Place, offset: number): Place {
  if (place.kind === "workspace") return { kind: "workspace", offset: place.offset + offset };
  if (offset === 0) return place;
  throw internal("a packed value outside the workspace");
}
