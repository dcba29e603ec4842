// Bindings: which buffers a kernel reads and writes. One walk decides it; the kernel's writer reads exactly what was found here.

import type { Value } from "../graph/definition.ts";
import { SOURCE } from "../graph/node.ts";
import type { Group } from "../shaders/group.ts";

/** What a walk has found that was not known before. */
export interface Found {
  /** Read from buffers. */
  readonly buffers: readonly Value[];
  /** Computed on the way. */
  readonly inline: readonly Value[];
}

/** What a kernel reads to compute some values. It grows value by value. */
export class Reads {
  readonly buffers: Set<Value> = new Set();
  readonly #inline = new Set<Value>();
  readonly #isRead: (value: Value) => boolean;
  readonly #isOwn: (value: Value) => boolean;

  /** `isRead` tells what has bytes that another kernel wrote, `isOwn` what the kernel knows already: its sums. */
  constructor(isRead: (value: Value) => boolean, isOwn: (value: Value) => boolean) {
    this.#isRead = isRead;
    this.#isOwn = isOwn;
  }

  /** What computing `values` would add. */
  find(values: readonly Value[]): Found {
    const buffers = new Set<Value>();
    const inline = new Set<Value>();
    const open = [...values];
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      if (this.#inline.has(value) || inline.has(value) || this.#isOwn(value)) continue;
      const { leaf, definition } = value;
      const isBuffer =
        leaf === null
          ? definition.kind === "pack" || definition === SOURCE || this.#isRead(value)
          : leaf.kind === "buffer";
      if (isBuffer) {
        if (!this.buffers.has(value)) buffers.add(value);
      } else if (leaf === null) {
        inline.add(value);
        open.push(...value.inputs);
      }
    }
    return { buffers: [...buffers], inline: [...inline] };
  }

  add({ buffers, inline }: Found): void {
    for (const value of buffers) this.buffers.add(value);
    for (const value of inline) this.#inline.add(value);
  }
}

/** The values at which the writer of a group's sums begins. */
export function summedBy(group: Group): Value[] {
  const { contraction, reductions } = group;
  if (contraction === null) return reductions.map(({ body }) => body);
  const factors = [...contraction.a, ...contraction.b].map(({ value }) => value);
  return [...factors, ...reductions.slice(1).map(({ body }) => body)];
}

/** What the kernel of a group reads, where `isStored` tells which values other kernels write. */
export function readsOf(group: Group, isStored: (value: Value) => boolean): ReadonlySet<Value> {
  if (group.handWritten !== null) {
    const bases = group.handWritten.sources.map(({ base }) => base);
    return new Set(bases.filter(({ leaf }) => leaf?.kind !== "scalar"));
  }
  const written = new Set(group.stored);
  const sums = new Set(group.reductions.map(({ value }) => value));
  const reads = new Reads(
    (value) => isStored(value) && !written.has(value),
    (value) => sums.has(value),
  );
  reads.add(reads.find([...summedBy(group), ...group.stored]));
  return reads.buffers;
}
