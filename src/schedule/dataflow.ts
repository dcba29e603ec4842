// Dataflow: which groups write and read which values' bytes, and so which of them wait for which.

import type { Program, Value } from "../graph/program.ts";
import type { Strided } from "../graph/strided.ts";
import type { HandWritten } from "../shaders/hand-written.ts";
import type { Fusion } from "./fusion.ts";
import type { Group, Home } from "./group.ts";
import { recordedOrder } from "./order.ts";
import { splitGroup } from "./split.ts";

/** Who writes and reads what, in the groups of a fusion. Where one is too wide or a circle is found, no plan can be made of them. */
export class Dataflow {
  /** Those of the fusion, with long sums split in two. */
  readonly groups: readonly Group[];
  /** Values that are put together from others' bytes. */
  readonly packs: readonly Value[];
  /** Sums of parts, between the two kernels of a split group. */
  readonly partials: ReadonlyMap<Value, Home>;
  readonly #fusion: Fusion;
  /** Group(s) whose kernels write a value's bytes. */
  readonly #writers = new Map<Value, readonly Group[]>();
  readonly #readers = new Map<Group, ReadonlySet<Value>>();
  /** What a kernel's output starts with, to that output: the same bytes. */
  readonly #initials = new Map<Value, Value>();
  readonly #begun = new Set<Value>();
  readonly #wide = new Map<Group, number>();
  #circular = false;

  constructor(program: Program, fusion: Fusion, bindings: number) {
    this.#fusion = fusion;
    const partials = new Map<Value, Home>();
    let nextId = -1;
    const groups: Group[] = [];
    for (const group of fusion.groups) {
      const split = splitGroup(group, () => nextId--);
      for (const [value, home] of split.partials) partials.set(value, home);
      for (const part of split.groups) part.join(groups);
    }
    this.groups = groups;
    this.packs = packsOf(program);
    this.partials = partials;
    for (const group of groups) for (const value of group.stored) this.#writers.set(value, [group]);
    for (const value of this.packs) {
      this.#writers.set(
        value,
        value.inputs.flatMap((input) => this.writersOf(this.producer(input))),
      );
    }
    for (const group of groups) {
      const reads = this.#findReads(group);
      if (group.handWritten !== null) this.#noteInitials(group.handWritten);
      else {
        const bound = reads.size + group.stored.filter((v) => !reads.has(v)).length;
        if (bound > bindings) this.#wide.set(group, bound);
      }
      this.#readers.set(group, reads);
      for (const value of reads) for (const writer of this.writersOf(value)) group.runAfter(writer);
    }
    if (this.#wide.size === 0) this.#circular = !this.#delay();
  }

  /** Groups whose kernels would bind more buffers than they may, and how many. */
  get wide(): ReadonlyMap<Group, number> {
    return this.#wide;
  }

  /** Whether kernels would wait for each other in a circle. */
  get circular(): boolean {
    return this.#circular;
  }

  /** Whether readers in other kernels find the value's bytes in a buffer. */
  isStored(value: Value): boolean {
    return this.#fusion.stored.has(value) || value.definition.kind === "pack" || this.partials.has(value);
  }

  /** Groups whose kernels write the value's bytes. */
  writersOf(value: Value): readonly Group[] {
    return this.#writers.get(value) ?? [];
  }

  /** What a group's kernel reads from buffers. */
  readsOf(group: Group): ReadonlySet<Value> {
    return this.#readers.get(group) ?? new Set();
  }

  /** Whether the value's bytes are those of another one, from which its kernel goes on. */
  isBegun(value: Value): boolean {
    return this.#begun.has(value);
  }

  /** The value whose bytes an output or a packed input has. */
  producer(value: Value): Value {
    return this.#fusion.producers.get(value) ?? value;
  }

  /** The value in whose bytes `value` begins its life: its own, unless a kernel goes on from there. */
  owner(value: Value): Value {
    let owner = value;
    for (let next = this.#initials.get(owner); next !== undefined; next = this.#initials.get(owner)) owner = next;
    return owner;
  }

  /** What a group's kernel reads from buffers. */
  #findReads(group: Group): Set<Value> {
    if (group.handWritten !== null) {
      const bases = group.handWritten.sources.map(({ base }) => base);
      return new Set(bases.filter(({ leaf }) => leaf?.kind !== "scalar"));
    }
    const reads = new Set<Value>();
    const seen = new Set<Value>();
    const own = new Set(group.reductions.map((r) => r.value));
    const visit = (value: Value, root: boolean) => {
      if (seen.has(value)) return;
      seen.add(value);
      if (own.has(value)) return;
      if (value.leaf !== null) {
        if (value.leaf.kind === "buffer") reads.add(value);
        return;
      }
      if (!root && this.isStored(value) && !group.stored.includes(value)) {
        reads.add(value);
        return;
      }
      if (value.definition.kind === "pack") {
        reads.add(value);
        return;
      }
      for (const input of value.inputs) visit(input, false);
    };
    for (const r of group.reductions) visit(r.body, false);
    for (const value of group.stored) visit(value, true);
    return reads;
  }

  #noteInitials({ definition, attributes, inputs, sources, outputs }: HandWritten): void {
    definition.program.outputs(inputs, attributes).forEach(({ initial }, i) => {
      if (initial === undefined) return;
      this.#initials.set((sources[initial] as Strided<Value>).base, outputs[i] as Value);
      this.#begun.add(outputs[i] as Value);
    });
  }

  /** Lets groups that compute values again wait for what these wait for; false where groups wait for each other in a circle. */
  #delay(): boolean {
    const { groups } = this;
    const order = recordedOrder(groups.map((g) => ({ after: [...g.after].map(({ position }) => position) })));
    if (order === null) return false;
    const place = new Map<Group, number>(order.map((g, i) => [groups[g] as Group, i]));
    for (const group of groups) {
      const at = place.get(group) as number;
      const reached = new Set<Value>();
      const wait = (value: Value) => {
        if (reached.has(value)) return;
        reached.add(value);
        const writers = this.#writers.get(value);
        if (writers === undefined) value.inputs.forEach(wait);
        // Against the order it could close a circle.
        else for (const writer of writers) if ((place.get(writer) ?? at) < at) group.runAfter(writer);
      };
      const seen = new Set<Value>();
      const visit = (value: Value) => {
        if (seen.has(value) || value.leaf !== null) return;
        seen.add(value);
        if (this.isStored(value) && !group.stored.includes(value)) return;
        if (value.again?.after) wait(value.again.after);
        value.inputs.forEach(visit);
      };
      for (const r of group.reductions) visit(r.body);
      group.stored.forEach(visit);
    }
    return true;
  }
}

function packsOf(program: Program): Value[] {
  const found = new Set<Value>();
  // A stack of its own: networks may be deeper than JavaScript's.
  const open = program.outputs.map(({ value }) => value);
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (found.has(value) || value.leaf !== null) continue;
    found.add(value);
    open.push(...value.inputs);
  }
  return [...found].filter((v) => v.definition.kind === "pack");
}
