// Rematerialization, less memory for more work: values between cuts of the forward pass are computed again when they are needed late.

import { type Again, Value } from "../graph/definition.ts";
import { COPY } from "../graph/node.ts";
import type { Program } from "../graph/program.ts";
import { bytesFor } from "./memory.ts";
import type { Placement } from "./placement.ts";
import { topologicalOrder } from "./uses.ts";

/** The positions at which the kernels of a plan write and read the values of the workspace. */
interface Timeline {
  /** Values by the position at which their kernel writes them. */
  readonly written: ReadonlyMap<Value, number>;
  /** Positions at which kernels read a value. */
  readonly read: ReadonlyMap<Value, readonly number[]>;
  /** Bytes of the values that the workspace holds for a while. */
  readonly temporary: ReadonlyMap<Value, number>;
  /** Position with the largest sum of live bytes. */
  readonly peak: number;
}

/** The values between two cuts, which are computed again together. */
interface Segment {
  readonly pass: number;
  readonly evicted: Value[];
  readonly copies: Map<Value, Value>;
  again: Again | null;
}

/**
 * The program with what is alive over the peak computed again behind it, but for the values at `parts` - 1 cuts and the last part (Chen et
 * al. 2016). Null where there is nothing to gain.
 */
export function rematerialize(program: Program, placement: Placement, parts: number): Program | null {
  const timeline = timelineOf(placement);
  const { written, read, temporary, peak } = timeline;
  const usesOf = (value: Value) => read.get(value) ?? [];
  const spans: { value: Value; at: number; bytes: number }[] = [];
  for (const [value, bytes] of temporary) {
    const at = written.get(value);
    if (at === undefined || at >= peak) continue;
    const uses = usesOf(value);
    if (uses.some((use) => use > peak) && !uses.includes(peak)) spans.push({ value, at, bytes });
  }
  spans.sort((a, b) => a.at - b.at);
  const cuts = chooseCuts(timeline, spans, parts);
  if (cuts.length === 0) return null;
  const kept = new Set<Value>();
  for (const cut of cuts)
    for (const [value, at] of written)
      if (at <= cut && usesOf(value).some((use) => use > cut && use <= peak)) kept.add(value);
  const segments = cuts.map((_, i): Segment => ({ pass: -1 - i, evicted: [], copies: new Map(), again: null }));
  const segmentOf = new Map<Value, Segment>();
  for (const { value, at } of spans) {
    const segment = segments[cuts.findIndex((cut) => at <= cut)];
    if (segment === undefined || kept.has(value)) continue;
    segment.evicted.push(value);
    segmentOf.set(value, segment);
  }
  if (segmentOf.size === 0) return null;
  return new Rewriter(program, timeline, kept, segmentOf).run();
}

function timelineOf(placement: Placement): Timeline {
  const { flow, order } = placement;
  const written = new Map<Value, number>();
  const read = new Map<Value, number[]>();
  const temporary = new Map<Value, number>();
  const live = new Float64Array(order.length + 1);
  order.forEach((group, at) => {
    for (const value of group.stored) if (!flow.isPartial(value)) written.set(value, at);
    for (const value of group.reads) {
      const uses = read.get(value);
      if (uses === undefined) read.set(value, [at]);
      else uses.push(at);
    }
  });
  for (const [value, at] of written) {
    if (!placement.isTemporary(value)) continue;
    const bytes = bytesFor(value);
    temporary.set(value, bytes);
    const last = Math.max(at, ...(read.get(value) ?? []));
    for (let i = at; i <= last; i++) live[i] = (live[i] as number) + bytes;
  }
  return { written, read, temporary, peak: live.indexOf(Math.max(...live)) };
}

/** Returns positions after which few bytes are carried on. They divide the values that are alive over the peak into about `parts` equal shares. */
function chooseCuts(
  { written, read, temporary, peak }: Timeline,
  spans: readonly { at: number; bytes: number }[],
  parts: number,
): number[] {
  const carried = new Float64Array(peak + 2);
  for (const [value, at] of written) {
    const last = Math.max(at, ...(read.get(value) ?? []).filter((use) => use <= peak));
    // Alive between `at` and `last`, seen from the forward pass alone.
    for (let c = at; c < last; c++) carried[c] = (carried[c] as number) + (temporary.get(value) ?? 0);
  }
  const total = spans.reduce((sum, s) => sum + s.bytes, 0);
  const shares = new Float64Array(peak + 2);
  for (const { at, bytes } of spans) shares[at] = (shares[at] as number) + bytes / total;
  const cuts: number[] = [];
  let share = 0;
  let best = -1;
  for (let c = 0; c < peak; c++) {
    share += shares[c] as number;
    const wanted = (cuts.length + 1) / parts;
    if (share < wanted - 0.5 / parts) continue;
    if (best < 0 || (carried[c] as number) <= (carried[best] as number)) best = c;
    if (share < wanted + 0.25 / parts && c < peak - 1) continue;
    cuts.push(best);
    best = -1;
    if (cuts.length === parts - 1) break;
  }
  return cuts;
}

class Rewriter {
  readonly #program: Program;
  readonly #timeline: Timeline;
  readonly #kept: ReadonlySet<Value>;
  readonly #segmentOf: ReadonlyMap<Value, Segment>;
  readonly #late = new Map<Value, Value>();
  /** Values by the position of their kernel. */
  readonly #at = new Map<number, Value>();
  #next = 0;

  constructor(program: Program, timeline: Timeline, kept: ReadonlySet<Value>, segmentOf: ReadonlyMap<Value, Segment>) {
    this.#program = program;
    this.#timeline = timeline;
    this.#kept = kept;
    this.#segmentOf = segmentOf;
    for (const [value, at] of timeline.written) this.#at.set(at, value);
  }

  run(): Program {
    const order = topologicalOrder(this.#program.outputs.map((o) => o.value));
    this.#next = 1 + order.reduce((most, value) => Math.max(most, value.id), 0);
    for (const value of order) this.#lateOf(value);
    return {
      ...this.#program,
      outputs: this.#program.outputs.map((o) => ({ ...o, value: this.#lateOf(o.value) })),
    };
  }

  #isEarly(value: Value): boolean {
    const at = this.#timeline.written.get(value);
    return at !== undefined && at <= this.#timeline.peak;
  }

  /** `value` as kernels behind the peak see it. */
  #lateOf(value: Value): Value {
    const known = this.#late.get(value);
    if (known !== undefined) return known;
    const segment = this.#segmentOf.get(value);
    let late = value;
    if (segment !== undefined) late = this.#copy(value, segment);
    else if (!this.#isEarly(value) && value.leaf === null) {
      const inputs = value.inputs.map((input) => this.#lateOf(input));
      if (inputs.some((input, i) => input !== value.inputs[i])) late = this.#make(value, inputs, value.again);
    }
    this.#late.set(value, late);
    return late;
  }

  #make(value: Value, inputs: readonly Value[], again: Again | null): Value {
    const make = ({ definition, shape, dtype, attributes }: Omit<Value, "inputs">, inputs: readonly Value[]): Value =>
      new Value(this.#next++, definition, inputs, shape, dtype, attributes, null, again);
    if (value.definition.kind !== "pack") return make(value, inputs);
    // A value cannot lie in two packs.
    return make(
      value,
      inputs.map((input, i) =>
        input === value.inputs[i] ? make({ ...input, definition: COPY, attributes: [] }, [input]) : input,
      ),
    );
  }

  #copy(value: Value, segment: Segment): Value {
    const { kind } = value.definition;
    if (value.leaf !== null || kind === "constant" || kind === "iota") return value;
    if (this.#isEarly(value) && (this.#kept.has(value) || !this.#timeline.temporary.has(value))) return value;
    const known = segment.copies.get(value);
    if (known !== undefined) return known;
    segment.again ??= { pass: segment.pass, after: this.#tokenOf(segment) };
    const inputs = value.inputs.map((input) => this.#copy(input, segment));
    // A pack of what is kept is kept.
    const isKept = kind === "pack" && inputs.every((input, i) => input === value.inputs[i]);
    const copy = isKept ? value : this.#make(value, inputs, segment.again);
    segment.copies.set(value, copy);
    return copy;
  }

  /** The node whose computation comes just before the values of the segment are needed again. */
  #tokenOf(segment: Segment): Value | null {
    const { read, peak } = this.#timeline;
    let first = Number.POSITIVE_INFINITY;
    for (const value of segment.evicted)
      for (const use of read.get(value) ?? []) if (use > peak) first = Math.min(first, use);
    const token = this.#at.get(first - 1);
    return token === undefined ? null : this.#lateOf(token);
  }
}
