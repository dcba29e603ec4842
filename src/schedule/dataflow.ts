// Dataflow: which groups write and read which values' bytes, and so which of them wait for which.

import { internal } from "../base/errors.ts";
import type { HandWritten, Strided, Value } from "../graph/definition.ts";
import type { Program } from "../graph/program.ts";
import type { Group } from "../shaders/group.ts";
import type { Fusion } from "./fusion.ts";
import { recordedOrder } from "./order.ts";
import { orderByReads, packsOf, writersOf } from "./writers.ts";

/** Who writes and reads what, in the groups of a fusion. */
export class Dataflow {
  readonly groups: readonly Group[];
  /** Values that are put together from others' bytes. */
  readonly packs: readonly Value[];
  readonly #fusion: Fusion;
  /** Group(s) whose kernels write a value's bytes. */
  readonly #writers: ReadonlyMap<Value, readonly Group[]>;
  /** What a kernel's output starts with, to that output: the same bytes. */
  readonly #initials = new Map<Value, Value>();
  readonly #begun = new Set<Value>();

  constructor(program: Program, fusion: Fusion) {
    this.#fusion = fusion;
    this.groups = fusion.groups;
    this.packs = packsOf(program);
    this.#writers = writersOf(this.groups, this.packs, fusion.producers);
    orderByReads(this.groups, this.#writers);
    for (const { handWritten } of this.groups) if (handWritten !== null) this.#noteInitials(handWritten);
    this.#delay();
  }

  /** Whether a value is the sum of a part of what a long sum sums. */
  isPartial(value: Value): boolean {
    return this.#fusion.partials.has(value);
  }

  /** Groups whose kernels write the value's bytes. */
  writersOf(value: Value): readonly Group[] {
    return this.#writers.get(value) ?? [];
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

  #noteInitials({ definition, attributes, inputs, sources, outputs }: HandWritten): void {
    definition.program.outputs(inputs, attributes).forEach(({ initial }, i) => {
      if (initial === undefined) return;
      this.#initials.set((sources[initial] as Strided<Value>).base, outputs[i] as Value);
      this.#begun.add(outputs[i] as Value);
    });
  }

  /** Lets groups that compute values again wait for what these wait for. */
  #delay(): void {
    const { groups } = this;
    const order = recordedOrder(groups.map((g) => ({ after: [...g.after].map(({ position }) => position) })));
    if (order === null) throw internal("kernels wait for each other in a circle");
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
        if (seen.has(value) || value.leaf !== null || group.reads.has(value)) return;
        seen.add(value);
        if (value.again?.after) wait(value.again.after);
        value.inputs.forEach(visit);
      };
      for (const r of group.reductions) visit(r.body);
      group.stored.forEach(visit);
    }
  }
}
