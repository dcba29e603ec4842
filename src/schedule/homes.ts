// Homes: for each value the kernel that could compute it on the way, or one of its own.

import { must } from "../base/errors.ts";
import { sameShape, sizeOf } from "../base/shape.ts";
import { type KernelDefinition, Value } from "../graph/definition.ts";
import { variable } from "../graph/index-expression.ts";
import { RESULT } from "../graph/node.ts";
import { inputCoordinates, type Place } from "../graph/program.ts";
import { type Contraction, Group, type Home, type Reduction } from "../shaders/group.ts";
import { Alignment, sameIndices } from "./alignment.ts";
import { alongFactor, contractionParts, findContraction } from "./contractions.ts";
import { type FusionOptions, SHORT, TILE } from "./costs.ts";
import { EXTENT, weightOf } from "./extent.ts";
import type { Reductions } from "./reductions.ts";
import type { Requirements } from "./requirements.ts";
import type { Uses } from "./uses.ts";

/** Buffers that a kernel writes, so far as that can be foretold: what is stored is decided later, and what turns out too wide is cut. */
const WRITTEN = 2;

/** A factor that is the only one on its side of a contraction: a plain sum of it can be taken on the way. */
interface LoneFactor {
  readonly group: Group;
  readonly factor: Place;
  readonly dims: readonly number[];
}

/** Values that a kernel computes have a home there; all others are computed inline by whoever reads them. */
export class Homes {
  readonly #options: FusionOptions;
  readonly #uses: Uses;
  readonly #requirements: Requirements;
  readonly #reductions: Reductions;
  readonly #alignment: Alignment;
  readonly #groups: Group[] = [];
  readonly #homes = new Map<Value, Home>();
  readonly #reaches = new Map<Value, ReadonlySet<Group>>();
  /** Buffers that a kernel reads to compute a value. */
  readonly #leaves = new Map<Value, ReadonlySet<Value>>();
  /** Weights of what is computed inline for values, and of what kernels compute. */
  readonly #extents: ReadonlyMap<Value, number>;
  readonly #weights = new Map<Group, number>();
  /** Buffers that groups read, as far as they are known. */
  readonly #reads = new Map<Group, Set<Value>>();
  /** Groups that had no room for a value, or for what it reads inline: nothing that reads it inline is computed there. */
  readonly #refusals = new Map<Value, ReadonlySet<Group>>();
  /** Map kernels with room for more, by what they read and by their elements. */
  readonly #maps = new Map<Value, Map<number, Set<Group>>>();
  /** Row kernels with room for more, by their rows. */
  readonly #rows = new Map<string, Set<Group>>();
  /** Contractions that can sum a factor alone, by what the factor shows. */
  readonly #factors = new Map<Value, LoneFactor[]>();
  /** How many values a kernel computes. */
  readonly #members = new Map<Group, number>();
  /** Groups of hand-written kernels. */
  readonly #kernels = new Map<Value, Group>();
  /** Numbers of outputs that nobody reads: apart from those of a program's values. */
  #nextUnread = -1_000_000;

  constructor(
    uses: Uses,
    requirements: Requirements,
    reductions: Reductions,
    extents: ReadonlyMap<Value, number>,
    options: FusionOptions,
  ) {
    this.#options = options;
    this.#extents = extents;
    this.#uses = uses;
    this.#requirements = requirements;
    this.#reductions = reductions;
    this.#alignment = new Alignment(this.#homes, this.#reaches, reductions);
    for (const value of uses.order) this.#place(value);
  }

  get groups(): readonly Group[] {
    return this.#groups;
  }

  /** The values that have a home. */
  get all(): ReadonlyMap<Value, Home> {
    return this.#homes;
  }

  /** Gives a value that has no home a kernel of its own. */
  settleAlone(value: Value): void {
    this.#settle(value, this.#newMapHome(value));
  }

  /** Takes a value's home away: `reader` computes it inline. */
  drawInto(reader: Group, value: Value): void {
    this.#homes.delete(value);
    for (const leaf of this.#leaves.get(value) ?? []) this.#read(reader, leaf);
  }

  /** Whether `group` computes one value alone. */
  hasOneMember(group: Group): boolean {
    return this.#members.get(group) === 1;
  }

  /** Groups that must run before anything that reads `value` inline. */
  reach(value: Value): ReadonlySet<Group> {
    return this.#reaches.get(value) ?? new Set();
  }

  /** Whether a group may compute `value`, too, and then binds no more buffers than it may. */
  fits(group: Group, value: Value): boolean {
    const reads = this.#readsOf(group);
    let count = reads.size + WRITTEN;
    for (const leaf of this.#leaves.get(value) ?? [])
      if (!reads.has(leaf) && this.#homes.get(leaf)?.group !== group) count++;
    return count <= this.#options.bindings;
  }

  /** How often readers outside `group` would evaluate `value`, by reader. */
  outsideReaders(value: Value, group: Group | null): Map<Group | Value, number> {
    const readers = new Map<Group | Value, number>();
    const seen = new Set<Value>([value]);
    // A set that grows while it is walked: chains may be longer than JavaScript's stack.
    for (const v of seen) {
      for (const user of this.#uses.of(v)) {
        if (this.#reductions.isAbsorbed(user)) {
          seen.add(user);
          continue;
        }
        const home = this.#homes.get(user);
        if (home !== undefined) {
          if (home.group === group) continue;
          const reduction = this.#reductions.get(user);
          const points = reduction === undefined ? sizeOf(user.shape) : pointsOf(reduction, home.group);
          readers.set(home.group, Math.max(readers.get(home.group) ?? 0, points));
        } else if (
          user.definition.kind === "view" ||
          user.definition.kind === "alias" ||
          user.definition.kind === "elementwise" ||
          user.definition.kind === "gather"
        )
          seen.add(user);
        else readers.set(user, sizeOf(user.shape));
      }
    }
    return readers;
  }

  /** Groups that what `value` waits for needs. */
  #waits(value: Value): ReadonlySet<Group> {
    const after = value.again?.after;
    return after === undefined || after === null ? new Set() : this.reach(after);
  }

  /** Gives a value its home: the kernel that could compute it on the way. */
  #place(value: Value): void {
    const { definition } = value;
    const { kind } = definition;
    if (value.leaf !== null || kind === "constant" || kind === "iota") {
      this.#leaves.set(value, value.leaf?.kind === "buffer" ? new Set([value]) : new Set());
      // Asked for alone: somebody must write it.
      if (value.leaf === null && this.#requirements.has(value)) this.#settle(value, this.#mapHome(value, new Set()));
    } else if (kind === "reduce") {
      if (!this.#reductions.isAbsorbed(value)) this.#placeReduction(value);
    } else if (kind === "pack") {
      this.#reaches.set(value, union(value.inputs.map((v) => this.reach(this.#requirements.producers.get(v) ?? v))));
      this.#leaves.set(value, new Set([value]));
    } else if (definition.kind === "kernel") {
      this.#placeKernel(value, definition);
    } else if (kind === "result") {
      this.#placeResult(value);
    } else {
      this.#limitLeaves(value);
      const reach = union([...value.inputs.map((v) => this.reach(v)), this.#waits(value)]);
      this.#reaches.set(value, reach);
      this.#refusals.set(value, this.#refusalsOf(value.inputs));
      const inside =
        this.#options.fuse && (kind === "elementwise" || kind === "gather") ? this.#findHome(value, reach) : null;
      if (inside !== null) this.#settle(value, inside);
      else if (this.#requirements.has(value)) this.#settle(value, this.#mapHome(value, reach));
    }
  }

  /** A hand-written kernel is a group of its own: what it reads has bytes. */
  #placeKernel(value: Value, definition: KernelDefinition): void {
    const { inputs, attributes } = value;
    const sources = this.#requirements.boundBy(value, definition);
    const bound = sources.map(({ base }) => base);
    const group = this.#newGroup("kernel", [1], [], null, 1);
    const outputs = definition.program
      .outputs(inputs, attributes)
      .map(
        ({ shape, dtype }, i) =>
          this.#resultOf(value, i) ?? new Value(this.#nextUnread--, RESULT, [], shape, dtype, [i], null),
      );
    for (const output of outputs) if (output.inputs.length === 0) group.stored.push(output);
    group.handWritten = { definition, attributes, inputs, sources, outputs };
    for (const g of union([...bound.map((v) => this.reach(v)), this.#waits(value)])) group.runAfter(g);
    this.#kernels.set(value, group);
  }

  #resultOf(kernel: Value, i: number): Value | undefined {
    return this.#uses.of(kernel).find((user) => user.attributes[0] === i);
  }

  #placeResult(value: Value): void {
    const group = must(this.#kernels.get(value.inputs[0] as Value), "a result without its kernel");
    // Variables that no other kernel has: nothing is computed on the way.
    this.#homes.set(value, { group, domain: "outer", coordinates: value.shape.map((n, i) => variable(`k${i}`, n)) });
    this.#reaches.set(value, new Set([group]));
    this.#leaves.set(value, new Set([value]));
  }

  #settle(value: Value, home: Home): void {
    this.#homes.set(value, home);
    const { group } = home;
    const weight = this.#weights.get(group);
    this.#weights.set(group, weight === undefined ? (this.#extents.get(value) ?? 0) : weight + weightOf(value));
    for (const g of this.reach(value)) group.runAfter(g);
    for (const leaf of this.#leaves.get(value) ?? [])
      if (this.#homes.get(leaf)?.group !== group) this.#read(group, leaf);
    this.#members.set(group, 1 + (this.#members.get(group) ?? 0));
    this.#reaches.set(value, new Set([group]));
  }

  /** Notes that a group reads a buffer. */
  #read(group: Group, leaf: Value): void {
    const reads = this.#reads.get(group);
    if (reads === undefined) this.#reads.set(group, new Set([leaf]));
    else reads.add(leaf);
    if (group.kind !== "map") return;
    let byRows = this.#maps.get(leaf);
    if (byRows === undefined) {
      byRows = new Map();
      this.#maps.set(leaf, byRows);
    }
    const groups = byRows.get(group.rows);
    if (groups === undefined) byRows.set(group.rows, new Set([group]));
    else groups.add(group);
  }

  #readsOf(group: Group): ReadonlySet<Value> {
    return this.#reads.get(group) ?? new Set();
  }

  /** Whether a group may read one more buffer. */
  #hasRoom(group: Group): boolean {
    return this.#readsOf(group).size + WRITTEN <= this.#options.bindings;
  }

  /** What a reader outside the home binds to compute `value`. */
  #outsideLeaves(value: Value): ReadonlySet<Value> {
    return this.#homes.has(value) ? new Set([value]) : (this.#leaves.get(value) ?? new Set());
  }

  /** Keeps the buffers that an inline expression reads within a kernel's bindings: what is too wide is stored. */
  #limitLeaves(value: Value): void {
    const most = this.#options.bindings - 3;
    let leaves = union(value.inputs.map((v) => this.#outsideLeaves(v)));
    if (leaves.size > most) {
      const inputs = [...value.inputs].sort((a, b) => this.#outsideLeaves(b).size - this.#outsideLeaves(a).size);
      for (const input of inputs) {
        if (leaves.size <= most) break;
        if (this.#homes.has(input) || input.leaf !== null || this.#outsideLeaves(input).size <= 1) continue;
        this.#storeBeneath(input);
        leaves = union(value.inputs.map((v) => this.#outsideLeaves(v)));
      }
    }
    this.#leaves.set(value, leaves);
  }

  /** Lets `value` be stored; of a view what it shows, which may be much smaller. */
  #storeBeneath(value: Value): void {
    const { kind } = value.definition;
    const input = value.inputs[0];
    if ((kind === "view" || kind === "alias") && input !== undefined && !this.#homes.has(value)) {
      this.#storeBeneath(input);
      this.#leaves.set(value, this.#outsideLeaves(input));
      this.#reaches.set(value, this.reach(input));
    } else if (!this.#homes.has(value) && value.leaf === null) {
      // Who has been placed already, reading it inline, has to wait for its kernel: that must not wait for theirs.
      const { groups, inline } = this.#readersOf(value);
      const needs = this.reach(value);
      if (groups.some((reader) => [...needs].some((group) => group.dependsOn(reader)))) return;
      this.#requirements.add(value);
      const home = groups.length > 0 ? this.#newMapHome(value) : this.#mapHome(value, needs);
      this.#settle(value, home);
      for (const reader of groups) reader.runAfter(home.group);
      for (const reader of inline) this.#reaches.set(reader, new Set([...this.reach(reader), home.group]));
    }
  }

  /** What has been placed already that reads `value` inline: groups, and values that are computed inline themselves. */
  #readersOf(value: Value): { groups: Group[]; inline: Value[] } {
    const groups = new Set<Group>();
    const seen = new Set<Value>([value]);
    for (const v of seen) {
      for (const user of this.#uses.of(v)) {
        const home = this.#homes.get(user);
        if (home !== undefined) groups.add(home.group);
        else if (this.#reductions.isAbsorbed(user) || this.#reaches.has(user)) seen.add(user);
      }
    }
    seen.delete(value);
    return { groups: [...groups], inline: [...seen].filter((v) => this.#reaches.has(v)) };
  }

  /** A group among those reached in which `value` can be computed at the same element. */
  #findHome(value: Value, reach: ReadonlySet<Group>): Home | null {
    const candidates = [...reach].sort((a, b) => b.id - a.id);
    const refusals = new Set(this.#refusals.get(value));
    this.#refusals.set(value, refusals);
    for (const group of candidates) {
      if (group.kind === "kernel" || refusals.has(group)) continue;
      if (candidates.some((other) => other !== group && other.dependsOn(group))) continue;
      if ((this.#weights.get(group) ?? 0) + weightOf(value) > EXTENT || !this.fits(group, value)) {
        refusals.add(group);
        continue;
      }
      for (const dims of group.sides) {
        if (sizeOf(value.shape) !== sizeOf(dims.map((i) => group.outer[i] as number))) continue;
        const coordinates = group.sideCoordinates(dims, value.shape);
        if (this.#alignment.isAligned(value, coordinates, group, true)) return { group, domain: "side", coordinates };
      }
      if (sizeOf(value.shape) === group.rows) {
        const coordinates = group.outerCoordinates(value.shape);
        if (this.#alignment.isAligned(value, coordinates, group)) return { group, domain: "outer", coordinates };
        const permuted = this.#alignment.permutedCoordinates(value, group);
        if (permuted !== null && this.#alignment.isAligned(value, permuted, group))
          return { group, domain: "outer", coordinates: permuted };
      }
      if (group.kind === "row" && group.parts === 1 && sizeOf(value.shape) === group.rows * group.length) {
        const coordinates = group.fullCoordinates(value.shape);
        if (coordinates !== null && this.#alignment.isAligned(value, coordinates, group))
          return { group, domain: "full", coordinates };
      }
    }
    return null;
  }

  /** Groups that had no room for something that is computed inline for these values. */
  #refusalsOf(values: readonly Value[]): ReadonlySet<Group> {
    return union(values.map((v) => (this.#homes.has(v) ? new Set<Group>() : (this.#refusals.get(v) ?? new Set()))));
  }

  /** A map kernel for `value`: one that works on as many elements and shares a buffer, or a new one. */
  #mapHome(value: Value, reach: ReadonlySet<Group>): Home {
    const rows = sizeOf(value.shape);
    if (this.#options.fuse && rows > 0) {
      let first: Group | null = null;
      for (const leaf of this.#leaves.get(value) ?? []) {
        const groups = this.#maps.get(leaf)?.get(rows) ?? new Set();
        for (const group of groups) {
          if (!this.#hasRoom(group)) groups.delete(group);
          else if ((first === null || group.id < first.id) && !reach.has(group) && this.fits(group, value))
            if (![...reach].some((g) => g.dependsOn(group))) first = group;
        }
      }
      if (first !== null) return { group: first, domain: "outer", coordinates: first.outerCoordinates(value.shape) };
    }
    return this.#newMapHome(value);
  }

  #newMapHome(value: Value): Home {
    const group = this.#newGroup("map", [sizeOf(value.shape)], [], null, 1);
    return { group, domain: "outer", coordinates: group.outerCoordinates(value.shape) };
  }

  #newGroup(
    kind: Group["kind"],
    outer: readonly number[],
    inner: readonly number[],
    contraction: Contraction | null,
    parts: number,
  ): Group {
    const group = new Group(this.#groups.length, kind, outer, inner, contraction, parts);
    group.join(this.#groups);
    if (kind === "row") {
      const key = rowsKey(outer, inner);
      const alike = this.#rows.get(key);
      if (alike === undefined) this.#rows.set(key, new Set([group]));
      else alike.add(group);
    }
    if (contraction !== null && parts === 1 && contraction.batch.length === 0) this.#noteFactors(group, contraction);
    return group;
  }

  #placeReduction(value: Value): void {
    const reduction = this.#reductions.get(value) as Reduction;
    const reach = union([this.reach(reduction.body), this.#waits(value)]);
    this.#reaches.set(value, reach);
    this.#leaves.set(value, this.#outsideLeaves(reduction.body));
    const contraction = this.#options.fuse ? findContraction(reduction, this.#homes) : null;
    if (contraction === null && this.#options.fuse && this.#joinFactor(value, reduction, reach)) return;
    let group = contraction === null && this.#options.fuse ? this.#findRowGroup(value, reduction, reach) : null;
    if (group === null) {
      const rows = sizeOf(reduction.outer);
      const length = sizeOf(reduction.inner);
      const parts = contraction === null ? rowParts(rows, length) : contractionParts(rows, length);
      group = this.#newGroup(
        contraction === null ? "row" : "contraction",
        reduction.outer,
        reduction.inner,
        contraction,
        this.#options.fuse ? parts : 1,
      );
    }
    group.reductions.push(reduction);
    this.#settle(value, { group, domain: "outer", coordinates: reduction.result });
  }

  /** Lets a plain sum of a contraction's factor be taken by the contraction, which reads it anyway: a bias's gradient by its weight's. */
  #joinFactor(value: Value, reduction: Reduction, reach: ReadonlySet<Group>): boolean {
    if (reduction.definition.adds !== true || reduction.conditions.length > 0) return false;
    for (const { group, factor, dims } of this.#factors.get(baseOf(reduction.body)) ?? []) {
      if (group.length !== sizeOf(reduction.inner) || !this.fits(group, value)) continue;
      if ([...reach].some((other) => other.dependsOn(group))) continue;
      const found = alongFactor(reduction, group, factor, dims);
      if (found === null) continue;
      group.reductions.push(found);
      this.#reductions.set(value, found);
      this.#settle(value, { group, domain: "side", coordinates: found.result });
      return true;
    }
    return false;
  }

  #noteFactors(group: Group, { a, b, m, n, aConditions, bConditions }: Contraction): void {
    for (const [factors, dims, conditions] of [
      [a, m, aConditions],
      [b, n, bConditions],
    ] as const) {
      const [factor] = factors;
      if (factor === undefined || factors.length > 1 || conditions.length > 0) continue;
      const base = baseOf(factor.value);
      const known = this.#factors.get(base);
      if (known === undefined) this.#factors.set(base, [{ group, factor, dims }]);
      else known.push({ group, factor, dims });
    }
  }

  /** A row kernel that walks the same rows, which `reduction` either continues or accompanies. */
  #findRowGroup(value: Value, reduction: Reduction, reach: ReadonlySet<Group>): Group | null {
    const refusals = this.#refusalsOf([reduction.body]);
    const fits = (group: Group) =>
      group.kind === "row" &&
      !refusals.has(group) &&
      sameShape(group.outer, reduction.outer) &&
      sameShape(group.inner, reduction.inner) &&
      this.fits(group, value) &&
      [...reach].every((other) => other === group || !other.dependsOn(group));
    for (const group of reach) {
      if (group.parts > 1 || !fits(group)) continue;
      const probe = inputCoordinates(reduction.body, reduction.coordinates);
      const home = this.#homes.get(reduction.body);
      const whole = home !== undefined ? sameIndices(home.coordinates, reduction.coordinates) : false;
      if (whole) return group;
      if (
        home === undefined &&
        probe.coordinates.length > 0 &&
        this.#alignment.isAligned(reduction.body, reduction.coordinates, group)
      )
        return group;
    }
    const alike = this.#rows.get(rowsKey(reduction.outer, reduction.inner)) ?? new Set();
    for (const group of alike) {
      if (!this.#hasRoom(group)) alike.delete(group);
      if (reach.has(group) || !fits(group)) continue;
      // What only accompanies others is stored, as they are.
      const bound =
        union([this.#readsOf(group), this.#leaves.get(value) ?? new Set()]).size + group.reductions.length + 1;
      if (bound > this.#options.bindings) continue;
      // Short sums are worth less than a dispatch; long ones join where they read the same.
      if (group.rows * group.length <= SHORT) return group;
      if (this.#readsAlike(value, group)) return group;
    }
    return null;
  }

  /** Whether `value` and `group` read a buffer, or what one kernel computes, in common. */
  #readsAlike(value: Value, group: Group): boolean {
    // What is computed on the way in another kernel may yet be computed again from what that kernel reads.
    const origins = (leaf: Value): readonly (Group | Value)[] => {
      const home = this.#homes.get(leaf);
      return home === undefined ? [leaf] : [home.group, ...(this.#leaves.get(leaf) ?? []), leaf];
    };
    const known = new Set([...this.#readsOf(group)].flatMap(origins));
    return [...(this.#leaves.get(value) ?? [])].flatMap(origins).some((origin) => known.has(origin));
  }
}

/** How often a reduction's body is evaluated. */
function pointsOf(reduction: Reduction, group: Group): number {
  const points = sizeOf(reduction.outer) * sizeOf(reduction.inner);
  return group.kind === "contraction" ? points / TILE : points;
}

/** What views show: the value at their end. */
function baseOf(value: Value): Value {
  let base = value;
  for (let input = base.inputs[0]; input !== undefined; input = base.inputs[0]) {
    if (base.leaf !== null || (base.definition.kind !== "view" && base.definition.kind !== "alias")) break;
    base = input;
  }
  return base;
}

function rowsKey(outer: readonly number[], inner: readonly number[]): string {
  return `${outer.join()}|${inner.join()}`;
}

/** All of what the sets hold: one of them, where the others are empty. */
function union<T>(sets: readonly ReadonlySet<T>[]): ReadonlySet<T> {
  const filled = sets.filter((set) => set.size > 0);
  const [only] = filled;
  if (only !== undefined && filled.every((set) => set === only)) return only;
  const all = new Set<T>();
  for (const set of sets) for (const item of set) all.add(item);
  return all;
}

/** Parts for few long rows, so that more than a few workgroups have work. */
function rowParts(rows: number, length: number): number {
  if (rows >= 32 || rows * length <= 262_144 || length < 8192) return 1;
  return Math.min(Math.ceil(length / 4096), Math.ceil(1024 / rows));
}
