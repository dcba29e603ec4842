// Cuts: kernels that would bind more buffers than they may become several that don't.

import { internal } from "../base/errors.ts";
import { sizeOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import { Group, type Home, type Reduction } from "../shaders/group.ts";
import { Reads, readsOf, summedBy } from "./bindings.ts";
import { bindsAtMost } from "./split.ts";

/** What is computed in one kernel, whichever that is: sums, or a stored value. */
interface Root {
  readonly values: readonly Value[];
  readonly reductions: readonly Reduction[];
  /** Where the walk begins that tells what it reads. */
  readonly starts: readonly Value[];
}

/** A part of a group: what fits into one kernel. */
interface Piece {
  readonly roots: Set<Root>;
  readonly own: Set<Value>;
  readonly written: Set<Value>;
  readonly reads: Reads;
}

/** Buffers that an expression reads at least where several kernels rather read it than what it is made of. */
const WORTH_SHARING = 3;

/** Cuts the groups of one program. Values that get bytes by a cut get a home. */
export class Cutter {
  readonly #bindings: number;
  readonly #stored: ReadonlySet<Value>;
  readonly #homes: Map<Value, Home>;
  readonly #places: ReadonlyMap<Value, number>;
  /** Values that have kernels of their own since a group was cut: any kernel that would compute them may wait for those. */
  readonly #apart = new Set<Value>();
  /** Values that a piece stores for the others of its group: other groups might wait for each other if they read them. */
  readonly #lent = new Map<Value, Group>();

  /** `order` are the program's values, inputs first. */
  constructor(bindings: number, stored: ReadonlySet<Value>, homes: Map<Value, Home>, order: readonly Value[]) {
    this.#bindings = bindings;
    this.#stored = stored;
    this.#homes = homes;
    this.#places = new Map(order.map((value, i) => [value, i]));
  }

  /** The group itself where it binds no more than it may, else groups that compute the same; `local` is what else they find in buffers. */
  cut(group: Group, local: ReadonlySet<Value> = new Set()): readonly Group[] {
    const isStored = (value: Value) => this.#stored.has(value) || local.has(value);
    group.reads = readsOf(group, isStored);
    if (group.kind === "kernel" || bindsAtMost(group, this.#bindings)) return [group];
    return this.#pieces(group, new Set(local));
  }

  #pieces(group: Group, local: Set<Value>): Group[] {
    const groups: Group[] = [];
    const isStored = (value: Value) => this.#stored.has(value) || local.has(value);
    const wanted = this.#rootsOf(group);
    const roots = this.#inOrder([...wanted, ...this.#shared(group, wanted, isStored)]);
    const rootOf = new Map(roots.flatMap((root) => root.values.map((value) => [value, root] as const)));
    const needs = new Map(roots.map((root) => [root, rootsBeneath(root, rootOf, isStored)]));
    const users = new Map<Root, Root[]>(roots.map((root) => [root, []]));
    for (const [root, beneath] of needs) for (const other of beneath) users.get(other)?.push(root);
    const done = new Set<Root>();
    for (let left: readonly Root[] = roots; left.length > 0; ) {
      const piece = newPiece(isStored);
      const rest: Root[] = [];
      const isNeeded = (root: Root, alone: Root) =>
        users.get(root)?.some((user) => user !== alone && !piece.roots.has(user)) === true;
      for (const root of left) {
        const isReady = [...(needs.get(root) ?? [])].every((other) => done.has(other) || piece.roots.has(other));
        if (isReady && this.#grow(group, piece, root, isNeeded)) continue;
        rest.push(root);
      }
      const [first] = rest;
      if (piece.roots.size === 0 && first !== undefined) {
        const value = this.#partOf(first, newPiece(isStored));
        if (!this.#apart.has(value)) groups.push(...this.#alone(value, group, local));
        local.add(value);
        continue;
      }
      groups.push(this.#close(group, piece, isNeeded, local));
      for (const root of piece.roots) done.add(root);
      left = rest;
    }
    return groups;
  }

  /** What a group computes, inputs first. */
  #rootsOf(group: Group): Root[] {
    const { reductions, stored } = group;
    // All sums of a contraction go over its tiles together.
    const sums: Root[] =
      group.contraction === null
        ? reductions.map((r) => ({ values: [r.value], reductions: [r], starts: [r.body] }))
        : [{ values: reductions.map(({ value }) => value), reductions, starts: summedBy(group) }];
    const summed = new Set(reductions.map(({ value }) => value));
    const others = stored.filter((value) => !summed.has(value));
    return [...sums, ...others.map(rootOfValue)];
  }

  #inOrder(roots: Root[]): Root[] {
    const place = ({ values }: Root): number => Math.min(...values.map((value) => this.#places.get(value) ?? 0));
    return roots.sort((a, b) => place(a) - place(b));
  }

  /** What several roots need and what reads much itself: in which kernel it is computed is decided with the roots. */
  #shared(group: Group, roots: readonly Root[], isStored: (value: Value) => boolean): Root[] {
    const own = new Set(roots.flatMap(({ values }) => values));
    const users = new Map<Value, bigint>();
    const ends = new Set<Value>();
    roots.forEach((root, i) => {
      const mark = 1n << BigInt(i);
      const open = root.starts.flatMap((value) => (root.values.includes(value) ? value.inputs : [value]));
      const seen = new Set<Value>();
      for (const value of open) ends.add(value);
      for (let value = open.pop(); value !== undefined; value = open.pop()) {
        const isKnown = value.leaf !== null || value.definition.kind === "pack" || isStored(value) || own.has(value);
        if (isKnown || seen.has(value)) continue;
        seen.add(value);
        users.set(value, (users.get(value) ?? 0n) | mark);
        open.push(...value.inputs);
      }
    });
    // Where expressions of different roots come together.
    for (const [value, marks] of users)
      for (const input of value.inputs) if (users.get(input) !== marks) ends.add(input);
    return [...ends].flatMap((value): Root[] => {
      const marks = users.get(value);
      if (marks === undefined || (marks & (marks - 1n)) === 0n || value.definition.kind !== "elementwise") return [];
      if (this.#lent.has(value) || this.#apart.has(value)) return [];
      // Where a kernel with sums can store it is known of what is at home there alone.
      if (group.kind !== "map" && this.#homes.get(value)?.group !== group) return [];
      const { buffers } = newPiece(isStored).reads.find([value]);
      return buffers.length < WORTH_SHARING ? [] : [rootOfValue(value)];
    });
  }

  /** Adds a root to a piece, if that then binds no more than it may; returns whether it did. */
  #grow(group: Group, piece: Piece, root: Root, isNeeded: (root: Root, alone: Root) => boolean): boolean {
    const all = [...piece.roots, root];
    // Without sums, a kernel has one element of each value per invocation.
    if (all.every(({ reductions }) => reductions.length === 0)) {
      const [first] = all;
      if (sizeOf(first?.values[0]?.shape ?? []) !== sizeOf(root.values[0]?.shape ?? [])) return false;
    }
    const written = this.#writtenBy(all, (other) => isNeeded(other, root));
    for (const value of root.values) if (this.#isKept(value)) piece.written.add(value);
    const found = piece.reads.find(root.starts);
    const count = piece.reads.buffers.size + found.buffers.length + written.length;
    if (
      count > this.#bindings ||
      !bindsAtMost(this.#groupOf(group, all, written, [...piece.reads.buffers, ...found.buffers]), this.#bindings)
    ) {
      for (const value of root.values) piece.written.delete(value);
      return false;
    }
    piece.roots.add(root);
    for (const { value } of root.reductions) piece.own.add(value);
    piece.reads.add(found);
    return true;
  }

  /** What the kernel of these roots writes: values that are stored, and sums that others need. */
  #writtenBy(roots: readonly Root[], isNeeded: (root: Root) => boolean): Value[] {
    return roots.flatMap((root) => root.values.filter((value) => this.#isKept(value) || isNeeded(root)));
  }

  /** Whether a group that computes the value stores it, whoever reads it. */
  #isKept(value: Value): boolean {
    return this.#stored.has(value) || this.#apart.has(value);
  }

  #groupOf(group: Group, roots: readonly Root[], written: readonly Value[], reads: Iterable<Value>): Group {
    const reductions = roots.flatMap((root) => root.reductions);
    const [first] = roots;
    const made =
      reductions.length > 0
        ? new Group(group.id, group.kind, group.outer, group.inner, group.contraction, group.parts)
        : new Group(group.id, "map", [sizeOf(first?.values[0]?.shape ?? [])], [], null, 1);
    made.reductions.push(...reductions);
    made.stored.push(...written);
    made.reads = new Set(reads);
    return made;
  }

  #close(group: Group, piece: Piece, isNeeded: (root: Root, alone: Root) => boolean, local: Set<Value>): Group {
    const roots = [...piece.roots];
    const written = this.#writtenBy(roots, (root) => roots.every((alone) => isNeeded(root, alone)));
    const made = this.#groupOf(group, roots, written, piece.reads.buffers);
    for (const value of written) {
      if (!this.#stored.has(value)) {
        local.add(value);
        this.#lent.set(value, made);
      }
      const home = this.#homes.get(value);
      if (made.kind === "map" || home === undefined) this.#settle(value, made);
      else this.#homes.set(value, { ...home, group: made });
    }
    return made;
  }

  #settle(value: Value, group: Group): void {
    this.#homes.set(value, { group, domain: "outer", coordinates: group.outerCoordinates(value.shape) });
  }

  /** A kernel for a value alone, which is cut itself where it reads too much. Any group may read what it stores. */
  #alone(value: Value, { id }: Group, local: ReadonlySet<Value>): readonly Group[] {
    const lender = this.#lent.get(value);
    lender?.stored.splice(lender.stored.indexOf(value), 1);
    this.#lent.delete(value);
    const made = new Group(id, "map", [sizeOf(value.shape)], [], null, 1);
    made.stored.push(value);
    this.#settle(value, made);
    this.#apart.add(value);
    const known = new Set([...local].filter((v) => this.#apart.has(v) || v.definition.kind === "reduce"));
    const { inline } = newPiece((v) => this.#stored.has(v) || known.has(v)).reads.find(value.inputs);
    // What is made of sums that one kernel alone knows, no other group computes.
    const isOwn = inline.some(({ definition }) => definition.kind === "reduce");
    return this.cut(made, isOwn ? local : known);
  }

  /** The part of a root's expression to store, so that the root reads less: what reads most, as far as one kernel may. */
  #partOf(root: Root, { reads }: Piece): Value {
    let parts: readonly Value[] = root.starts.flatMap((value) =>
      root.values.includes(value) ? value.inputs : [value],
    );
    for (;;) {
      let widest: Value | undefined;
      let most = 1;
      for (const part of parts) {
        const { buffers, inline } = reads.find([part]);
        if (buffers.length <= most || !inline.includes(part)) continue;
        most = buffers.length;
        widest = part;
      }
      if (widest === undefined) throw internal("an op that reads more buffers than a kernel may bind");
      const { kind } = widest.definition;
      if (most < this.#bindings && kind !== "view" && kind !== "alias") return widest;
      parts = widest.inputs;
    }
  }
}

function rootOfValue(value: Value): Root {
  return { values: [value], reductions: [], starts: [value] };
}

function newPiece(isStored: (value: Value) => boolean): Piece {
  const own = new Set<Value>();
  const written = new Set<Value>();
  const reads = new Reads(
    (value) => isStored(value) && !written.has(value),
    (value) => own.has(value),
  );
  return { roots: new Set(), own, written, reads };
}

/** Roots whose values `root` needs, those behind other roots left out. */
function rootsBeneath(
  root: Root,
  rootOf: ReadonlyMap<Value, Root>,
  isStored: (value: Value) => boolean,
): ReadonlySet<Root> {
  const found = new Set<Root>();
  const seen = new Set<Value>();
  const open = [...root.starts];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (seen.has(value) || value.leaf !== null || value.definition.kind === "pack") continue;
    seen.add(value);
    const other = rootOf.get(value);
    if (other !== undefined && other !== root) found.add(other);
    else if (other === root || !isStored(value)) open.push(...value.inputs);
  }
  return found;
}
