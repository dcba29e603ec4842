// Materialization: which values are stored, and which are computed again by whoever reads them.

import { sizeOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import { Group } from "../shaders/group.ts";
import { DISPATCH, type FusionOptions, LOAD, STORE } from "./costs.ts";
import type { Homes } from "./homes.ts";
import type { Reductions } from "./reductions.ts";
import type { Requirements } from "./requirements.ts";
import type { Uses } from "./uses.ts";

/** Buffers that a reader reads at most to compute again what another kernel computes, too. */
const MOST_EXTRA = 3;

/** Weighs what recomputation costs against the bytes written; values that are stored but had no home get a kernel of their own. */
export class Materialization {
  readonly #uses: Uses;
  readonly #requirements: Requirements;
  readonly #reductions: Reductions;
  readonly #homes: Homes;
  readonly #fuse: boolean;
  readonly #stored = new Set<Value>();

  constructor(uses: Uses, requirements: Requirements, reductions: Reductions, homes: Homes, options: FusionOptions) {
    this.#uses = uses;
    this.#requirements = requirements;
    this.#reductions = reductions;
    this.#homes = homes;
    this.#fuse = options.fuse;
    for (const value of uses.order) this.#decide(value);
    if (options.fuse) for (const value of [...uses.order].reverse()) this.#drawIn(value);
  }

  get stored(): ReadonlySet<Value> {
    return this.#stored;
  }

  /** Decides, inputs first, whether a value is stored or computed again by whoever reads it. */
  #decide(value: Value): void {
    const kind = value.definition.kind;
    if (
      value.leaf !== null ||
      kind === "constant" ||
      kind === "iota" ||
      kind === "view" ||
      kind === "alias" ||
      kind === "pack"
    ) {
      if (this.#requirements.has(value)) this.#stored.add(value);
      return;
    }
    if (this.#reductions.isAbsorbed(value) || kind === "kernel") return;
    if (kind === "result") {
      this.#stored.add(value);
      return;
    }
    if (this.#requirements.has(value) || (!this.#fuse && this.#uses.of(value).length > 0)) {
      this.#store(value);
      return;
    }
    const home = this.#homes.all.get(value);
    const readers = this.#homes.outsideReaders(value, home?.group ?? null);
    if (readers.size === 0) return;
    if (kind === "reduce") {
      this.#store(value);
      return;
    }
    const missing = new Set<Value>();
    const extra = new Set<Value>();
    const cost = this.#recomputeCost(value, missing, extra, new Map());
    // A reader in a group that the value itself needs computes it there: a kernel in between would close a circle.
    if (home === undefined && [...readers.keys()].some((r) => r instanceof Group && this.#homes.reach(value).has(r))) {
      for (const v of missing) this.#store(v);
      return;
    }
    let evaluations = 0;
    for (const points of readers.values()) evaluations += points;
    const size = sizeOf(value.shape);
    const missingSize = [...missing].reduce((sum, v) => sum + sizeOf(v.shape), 0);
    if (missing.size > 0 && missingSize * 4 > size) {
      this.#store(value);
      return;
    }
    if (home !== undefined && extra.size > MOST_EXTRA) {
      this.#store(value);
      return;
    }
    const storing = size * STORE + evaluations * LOAD + (home === undefined ? DISPATCH + size * cost : 0);
    if (evaluations * cost > storing) this.#store(value);
    else for (const v of missing) this.#store(v);
  }

  /** Computes a value that is stored for one map kernel alone, element by element, in that kernel. */
  #drawIn(value: Value): void {
    const home = this.#homes.all.get(value);
    if (home?.group.kind !== "map" || !this.#stored.has(value) || this.#requirements.has(value)) return;
    if (!this.#homes.hasOneMember(home.group)) return;
    const readers = [...this.#homes.outsideReaders(value, home.group)];
    const [reader, points] = readers[0] ?? [];
    if (readers.length !== 1 || !(reader instanceof Group) || reader.kind !== "map") return;
    if ((points ?? 0) > sizeOf(value.shape) || !this.#homes.fits(reader, value)) return;
    this.#stored.delete(value);
    this.#homes.drawInto(reader, value);
  }

  #store(value: Value): void {
    if (!this.#homes.all.has(value)) this.#homes.settleAlone(value);
    this.#stored.add(value);
  }

  /** Cost of one element from what is stored; `missing` are the unstored sums in the way, `extra` what must be read. */
  #recomputeCost(value: Value, missing: Set<Value>, extra: Set<Value>, known: Map<Value, number>): number {
    const before = known.get(value);
    if (before !== undefined) return 0;
    let cost = 0;
    const { definition } = value;
    if (definition.kind === "constant" || definition.kind === "iota" || value.leaf?.kind === "scalar") cost = 0;
    else if (value.leaf !== null || this.#stored.has(value) || definition.kind === "pack") {
      extra.add(value);
      cost = LOAD;
    } else if (definition.kind === "reduce") {
      missing.add(value);
      extra.add(value);
      cost = LOAD;
    } else {
      cost = definition.kind === "elementwise" ? definition.cost : 0;
      for (const input of value.inputs) cost += this.#recomputeCost(input, missing, extra, known);
    }
    known.set(value, cost);
    return cost;
  }
}
