// Placement: where values' bytes lie (outputs, slots overwritten in place, the workspace), and the order of kernels that this asks for.

import { internal, must } from "../base/errors.ts";
import { sizeOf, stridesOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import { type Index, linearIndex } from "../graph/index-expression.ts";
import { type Place as Element, type Output, type Program, walkInline } from "../graph/program.ts";
import type { Place } from "../runtime/executable.ts";
import type { Group, Home } from "../shaders/group.ts";
import type { Dataflow } from "./dataflow.ts";
import { bytesFor, type Interval, layOut, SLOT_ALIGNMENT } from "./memory.ts";
import { type Block, orderTasks } from "./order.ts";

/** A value that is copied behind the last kernel. */
interface Copy {
  readonly producer: Value;
  readonly to: Place;
  readonly bytes: number;
}

/** Where in a pack a value is computed. */
interface Region {
  readonly pack: Value;
  readonly offset: number;
}

/** Decides all of it when it is made. Groups learn that they must wait for those that read what they overwrite. */
export class Placement {
  readonly #program: Program;
  readonly #homes: ReadonlyMap<Value, Home>;
  readonly #places = new Map<Value, Place>();
  readonly #copies: Copy[] = [];
  readonly #regions: ReadonlyMap<Value, Region>;
  /** Which groups read which leaves, by storage. */
  readonly #readings = new Map<number, { readonly leaf: Value; readonly reader: Group }[]>();
  readonly flow: Dataflow;
  /** The order in which the kernels run. */
  readonly order: readonly Group[];
  /** Bytes of the workspace, and what lies in it when. */
  readonly workspace: number;
  readonly blocks: readonly Interval[];

  constructor(program: Program, homes: ReadonlyMap<Value, Home>, flow: Dataflow) {
    this.#program = program;
    this.#homes = homes;
    this.flow = flow;
    this.#noteReadings();
    this.#placeOutputs();
    this.order = this.#order();
    const { blocks, size } = this.#placeTemporaries();
    this.workspace = size;
    this.blocks = blocks;
    this.#regions = this.#packRegions();
    this.#checkPacks();
  }

  /** Where a value's bytes lie. */
  placeOf(of: Value): Place {
    const value = this.flow.owner(of);
    const region = this.#regions.get(value);
    if (region !== undefined) return offsetPlace(this.placeOf(region.pack), region.offset);
    if (value.leaf?.kind === "buffer") return { kind: "leaf", index: value.leaf.index };
    return must(this.#places.get(value), "a value without a place");
  }

  /** What is copied behind the last kernel. */
  copies(): { from: Place; to: Place; bytes: number }[] {
    return this.#copies.map(({ producer, to, bytes }) => ({ from: this.placeOf(producer), to, bytes }));
  }

  /** Leaves that a group reads in the slots that it overwrites, with what it writes there. */
  sharedSlots(group: Group): { read: Value; written: Value }[] {
    return group.stored.flatMap((written) => {
      const place = this.#places.get(written);
      if (place?.kind !== "leaf") return [];
      return [...group.reads].flatMap((read) => {
        const same = this.#sameLeaf(read, place.index) && this.#sameStorage(read, place.index);
        return same ? [{ read, written }] : [];
      });
    });
  }

  /** Whether the workspace holds the value for a while, apart from others. */
  isTemporary(value: Value): boolean {
    return this.#places.get(value)?.kind === "workspace";
  }

  #noteReadings(): void {
    for (const reader of this.flow.groups)
      for (const leaf of reader.reads) {
        if (leaf.leaf?.kind !== "buffer") continue;
        const { storage } = leaf.leaf;
        const known = this.#readings.get(storage);
        if (known === undefined) this.#readings.set(storage, [{ leaf, reader }]);
        else known.push({ leaf, reader });
      }
  }

  /** Decides where outputs' bytes lie: buffers of their own, packed regions, or slots overwritten in place. */
  #placeOutputs(): void {
    this.#program.outputs.forEach((output, i) => {
      const producer = this.flow.producer(output.value);
      if (output.destination.kind === "new") {
        const place: Place = { kind: "output", index: i };
        // What is packed lies in the workspace.
        const apart = producer.leaf !== null || producer.definition.kind === "pack";
        if (apart || this.#places.has(producer)) this.#copyAtEnd(producer, place, output);
        else this.#places.set(producer, place);
      }
    });
    this.#program.outputs.forEach((output) => {
      if (output.destination.kind !== "slot") return;
      const { storage, index } = output.destination;
      const producer = this.flow.producer(output.value);
      const place: Place = { kind: "leaf", index };
      const writers = this.flow.writersOf(producer);
      const inPlace =
        !this.#places.has(producer) &&
        producer.leaf === null &&
        producer.definition.kind !== "pack" &&
        writers.length === 1 &&
        !this.flow.isBegun(producer) &&
        this.#canOverwrite(writers[0] as Group, producer, storage, index);
      if (inPlace) this.#places.set(producer, place);
      else this.#copyAtEnd(producer, place, output);
    });
  }

  #copyAtEnd(producer: Value, to: Place, output: Output): void {
    this.#copies.push({ producer, to, bytes: bytesFor(output.value) });
  }

  /** Whether `group` may write the storage: all other readers run before, and it reads only what it overwrites itself. */
  #canOverwrite(group: Group, value: Value, storage: number, index: number): boolean {
    const readings = this.#readings.get(storage) ?? [];
    for (const { leaf, reader } of readings) {
      if (reader !== group) continue;
      if (!this.#sameLeaf(leaf, index) || sizeOf(leaf.shape) !== sizeOf(value.shape) || leaf.dtype !== value.dtype)
        return false;
      if (!this.#readsOwnElement(group, value, leaf)) return false;
    }
    const readers = new Set(readings.map(({ reader }) => reader));
    readers.delete(group);
    // A reader that needs what this group computes would have to run both before and after it.
    for (const reader of readers) if (reader.dependsOn(group)) return false;
    for (const reader of readers) group.runAfter(reader);
    return true;
  }

  #sameLeaf(leaf: Value, index: number): boolean {
    return leaf.leaf?.kind === "buffer" && this.#offsets(leaf.leaf.index) === this.#offsets(index);
  }

  #sameStorage(leaf: Value, index: number): boolean {
    return leaf.leaf?.kind === "buffer" && this.#program.storages[leaf.leaf.index] === this.#program.storages[index];
  }

  #offsets(index: number): number {
    return this.#program.offsets[index] as number;
  }

  /** Whether `leaf` is read only at the element that `value` writes, by the invocation that writes it. */
  #readsOwnElement(group: Group, value: Value, leaf: Value): boolean {
    const home = this.#homes.get(value);
    if (group.kind === "kernel") return false;
    if (home === undefined || (group.kind === "contraction" && home.domain !== "outer")) return false;
    const linear = (shape: readonly number[], at: readonly Index[]) => linearIndex(at, stridesOf(shape)).key;
    const own = linear(value.shape, home.coordinates);
    // What the sums read is read by other invocations too.
    if (group.reductions.some((r) => this.#readsLeaf(group, r.body, leaf))) return false;
    const homes = group.stored.map((v) => ({ value: v, home: this.#homes.get(v) }));
    if (!homes.every((place): place is { value: Value; home: Home } => place.home !== undefined)) return false;
    // Other domains are walked by other invocations, or later by the same one.
    const apart = homes.filter((place) => place.home.domain !== home.domain);
    if (apart.some((place) => this.#readsLeaf(group, place.value, leaf))) return false;
    let fits = true;
    const places = homes.map((place): Element => ({ value: place.value, coordinates: place.home.coordinates }));
    walkInline(places, ({ value: v, coordinates }) => {
      if (v === leaf && linear(v.shape, coordinates) !== own) fits = false;
      const known = v.leaf !== null || v.definition.kind === "reduce";
      return fits && !known && !group.reads.has(v);
    });
    return fits;
  }

  /** Whether the group reads `leaf` to compute `value`, its sums aside. */
  #readsLeaf(group: Group, value: Value, leaf: Value, seen: Set<Value> = new Set()): boolean {
    if (value === leaf) return true;
    if (seen.has(value) || value.leaf !== null || group.reductions.some((r) => r.value === value)) return false;
    if (group.reads.has(value)) return false;
    seen.add(value);
    return value.inputs.some((input) => this.#readsLeaf(group, input, leaf, seen));
  }

  /** The order in which the kernels run: it keeps few bytes alive. */
  #order(): Group[] {
    const { groups } = this.flow;
    const packOf = this.#packRegions();
    const blocks: Block[] = [];
    const known = new Map<Value, number>();
    const blocksOf = (values: Iterable<Value>): number[] => {
      const found: number[] = [];
      for (const value of values) {
        const base = packOf.get(this.flow.owner(value))?.pack ?? this.flow.owner(value);
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
      after: [...group.after].map(({ position }) => position),
      writes: blocksOf(group.stored),
      reads: blocksOf(group.reads),
    }));
    const kept = new Set(blocksOf(this.#copies.map((c) => c.producer)));
    return orderTasks(tasks, blocks, kept).map((i) => groups[i] as Group);
  }

  /** Gives everything that has no place yet a part of the workspace, by lifetime. */
  #placeTemporaries(): { blocks: readonly Interval[]; size: number } {
    const { order } = this;
    const position = new Map<Group, number>(order.map((g, i) => [g, i]));
    const intervals = new Map<Value, { start: number; end: number; bytes: number }>();
    const packOf = this.#packRegions();
    const touch = (touched: Value, at: number) => {
      const value = packOf.get(this.flow.owner(touched))?.pack ?? this.flow.owner(touched);
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
      for (const value of group.reads) if (value.leaf === null) touch(value, at);
    }
    for (const copy of this.#copies) if (copy.producer.leaf === null) touch(copy.producer, order.length);
    const free = [...intervals].filter(([value]) => !this.#places.has(value));
    const blocks = free.map(([, interval]) => interval);
    const { offsets, size } = layOut(blocks, SLOT_ALIGNMENT);
    free.forEach(([value], i) => {
      this.#places.set(value, { kind: "workspace", offset: offsets[i] as number });
    });
    return { blocks, size };
  }

  /** Values that are computed right into a pack, with their byte offsets. */
  #packRegions(): Map<Value, Region> {
    const regions = new Map<Value, Region>();
    for (const pack of this.flow.packs) {
      pack.inputs.forEach((input, i) => {
        const producer = this.flow.producer(input);
        if (producer.leaf === null && !this.#places.has(producer) && !regions.has(producer))
          regions.set(producer, { pack, offset: 4 * (pack.attributes[i] as number) });
      });
    }
    return regions;
  }

  /** Throws where a packed value does not lie in its pack. */
  #checkPacks(): void {
    for (const pack of this.flow.packs) {
      pack.inputs.forEach((input, i) => {
        const region = this.#regions.get(this.flow.producer(input));
        if (region?.pack === pack && region.offset === 4 * (pack.attributes[i] as number)) return;
        throw internal("a packed value that lies elsewhere");
      });
    }
  }
}

function offsetPlace(place: Place, offset: number): Place {
  if (place.kind === "workspace") return { kind: "workspace", offset: place.offset + offset };
  if (offset === 0) return place;
  throw internal("a packed value outside the workspace");
}
