// tune: measures on this device how the kernels of some code are best spread over it, and uses the result for all plans from then on.

import { readTuning, writeTuning } from "#tuning";
import { bytesOf, type DType } from "../base/dtype.ts";
import { currentTraits, useSchedules } from "../engine/engine.ts";
import type { Kernel, KernelFamily } from "../graph/definition.ts";
import { checkFunction, demand } from "../ops/check.ts";
import { BenchStand, type PreparedKernel, type StandKernel } from "../runtime/bench-stand.ts";
import type { Device } from "../runtime/device.ts";
import { bytesFor } from "../schedule/memory.ts";
import { alternatives, bookBy, bookOf, type Offer, type Schedule, signatureOf } from "../shaders/schedules.ts";
import { VERSION } from "../version.ts";
import { openTimedDevice, runAll } from "./profile.ts";

/** Options of `tune`. */
export interface TuneOptions {
  /**
   * Stops starting new measurements after so many milliseconds; may overrun by one compilation. Kernels that had no
   * turn keep their default. Default 10,000.
   */
  readonly budgetMs?: number;
  /**
   * Uses the winners of earlier calls and keeps those of this one: in a file in Node, in IndexedDB in a page. Default
   * true.
   */
  readonly keep?: boolean;
}

/** What `tune` found for one kernel. */
export interface TunedKernel {
  /** What the kernel computes. */
  readonly name: string;
  /** Family of the kernel: map, row, contraction, … */
  readonly family: KernelFamily;
  /** How many times `fn` runs the kernel. */
  readonly count: number;
  /**
   * Where the schedule comes from: `"measured"` now, `"kept"` from an earlier call, or `"default"` if no better one was
   * found or none was measured.
   */
  readonly source: "measured" | "kept" | "default";
  /** The schedule that the kernel has now; null for the default. */
  readonly schedule: Schedule | null;
  /** Shortest time under the default schedule; NaN if nothing was measured. */
  readonly defaultMicroseconds: number;
  /** Shortest time under the schedule that the kernel has now; NaN if nothing was measured. */
  readonly microseconds: number;
  /** Number of schedules that were measured, without the default. */
  readonly tried: number;
  /** Number of schedules whose results were wrong. */
  readonly wrong: number;
}

/** What `tune` returns: the kernels that it measured and the schedules that it chose. */
export interface TuneReport {
  /** The kernels of `fn`, each once. */
  readonly kernels: readonly TunedKernel[];
  /** Milliseconds that the measurements took. */
  readonly spentMs: number;
  /** A line per kernel: source, count, name, times, schedule. */
  toString(): string;
}

/** A schedule must be faster than the default by this factor to replace it. */
const GAIN = 0.95;
/** The rounds of measuring. After each, schedules that are slower than the best by this factor drop out. */
const SLACK = [2, 1.4, 1.2, 1.1];
/** Dispatches that a schedule has per round. */
const SAMPLES = 3;
/** How far results may be apart, relative to the largest. */
const TOLERANCE = 1e-4;

interface Variant {
  readonly schedule: Schedule;
  readonly kernel: Kernel;
}

interface Task {
  readonly signature: string;
  readonly standard: Kernel;
  readonly variants: () => Iterable<Variant>;
  count: number;
}

/** Schedules in use, by device. */
const inUse = new WeakMap<Device, Map<string, Schedule>>();

/**
 * Measures other ways (schedules) of spreading the kernels of `fn` over the device, and uses the fastest for all plans
 * from then on, also in compiled steps. It calls `fn` once to see which kernels run, and measures them on made-up data.
 * A schedule is taken only if its results agree with the default's. Results change by rounding at most.
 *
 * The winners are kept by adapter, version of wgrad and kernel, so the next process that calls `tune` with the same
 * code has them at once. Rejects with a WgradError if the device has no timestamps (WebGPU's feature
 * `timestamp-query`).
 */
export async function tune(fn: () => unknown, options: TuneOptions = {}): Promise<TuneReport> {
  checkFunction("tune", "the argument", fn);
  const { budgetMs = 10_000, keep = true } = options;
  demand("tune", "budgetMs", budgetMs, budgetMs >= 0, "a number ≥ 0");
  const device = await openTimedDevice("tune");
  const tasks = await kernelsOf(device, fn);
  const start = performance.now();
  const key = `tuning-${VERSION}-${device.adapterName}`;
  const kept = keep ? parse(await readTuning(key)) : new Map<string, Schedule | null>();
  const chosen = new Map(inUse.get(device));
  const found: TunedKernel[] = [];
  const stand = new BenchStand(device);
  try {
    const known = tasks.filter(({ signature }) => kept.has(signature));
    for (const task of known) {
      const schedule = kept.get(task.signature) ?? null;
      found.push({ ...unmeasured(task), source: schedule === null ? "default" : "kept", schedule });
      if (schedule !== null) chosen.set(task.signature, schedule);
    }
    const fresh: { task: Task; microseconds: number }[] = [];
    for (const task of tasks) {
      if (kept.has(task.signature)) continue;
      const late = performance.now() - start >= budgetMs;
      fresh.push({ task, microseconds: late ? 0 : await defaultTime(stand, task) });
    }
    // The slowest kernels come first, because the budget may end.
    fresh.sort((a, b) => b.microseconds * b.task.count - a.microseconds * a.task.count);
    for (const { task } of fresh) {
      if (performance.now() - start >= budgetMs) {
        found.push(unmeasured(task));
        continue;
      }
      const result = await measure(stand, task, start + budgetMs);
      found.push(result.found);
      if (result.complete) kept.set(task.signature, result.found.schedule);
      if (result.found.schedule !== null) chosen.set(task.signature, result.found.schedule);
    }
  } finally {
    stand.close();
    inUse.set(device, chosen);
    await device.synchronize(0);
    useSchedules(bookOf(chosen));
  }
  if (keep && found.some(({ source, tried }) => source === "measured" || tried > 0)) {
    await writeTuning(key, JSON.stringify([...kept]));
  }
  return report(found, performance.now() - start);
}

/** Runs `fn` once and collects the kernels of its plans, each once. */
async function kernelsOf(device: Device, fn: () => unknown): Promise<Task[]> {
  const tasks = new Map<string, Task>();
  await device.synchronize(0);
  const book = bookBy((offer) => {
    const signature = signatureOf(offer.kernel);
    const known = tasks.get(signature);
    if (known !== undefined) known.count++;
    else tasks.set(signature, { signature, standard: offer.kernel, variants: () => variantsOf(offer), count: 1 });
    // With the default schedules: a chosen one replaces the default, not another chosen one.
    return null;
  });
  useSchedules(book);
  try {
    await runAll(fn);
  } finally {
    await device.synchronize(0).catch(() => undefined);
    useSchedules(bookOf(inUse.get(device) ?? new Map()));
  }
  return [...tasks.values()];
}

/** The other schedules of a kernel, each written when its turn comes. */
function* variantsOf(offer: Offer): Generator<Variant> {
  for (const schedule of alternatives(offer, currentTraits())) yield { schedule, kernel: offer.write(schedule) };
}

function unmeasured({ standard, count }: Task): TunedKernel {
  return {
    name: standard.name,
    family: standard.family,
    count,
    source: "default",
    schedule: null,
    defaultMicroseconds: Number.NaN,
    microseconds: Number.NaN,
    tried: 0,
    wrong: 0,
  };
}

async function defaultTime(stand: BenchStand, { standard }: Task): Promise<number> {
  const prepared = await stand.prepare(standKernel(standard));
  const times = prepared === null ? [0] : [await stand.time(prepared), await stand.time(prepared)];
  stand.clear();
  return Math.min(...times);
}

interface Candidate {
  readonly schedule: Schedule | null;
  readonly prepared: PreparedKernel;
  best: number;
}

/** Measures the schedules of one kernel until one is left, or the rounds or the time are over. `complete` says that all had their turn. */
async function measure(
  stand: BenchStand,
  task: Task,
  end: number,
): Promise<{ readonly found: TunedKernel; readonly complete: boolean }> {
  const late = (): boolean => performance.now() >= end;
  let [tried, wrong] = [0, 0];
  try {
    const standard = await stand.prepare(standKernel(task.standard));
    if (standard === null) return { found: unmeasured(task), complete: true };
    if (late()) return { found: unmeasured(task), complete: false };
    const expected = await stand.results(standard);
    const time = async (candidate: Candidate): Promise<void> => {
      for (let i = 0; i < SAMPLES && !late(); i++)
        candidate.best = Math.min(candidate.best, await stand.time(candidate.prepared));
    };
    const first: Candidate = { schedule: null, prepared: standard, best: Number.POSITIVE_INFINITY };
    await time(first);
    let alive = [first];
    // The first round also prepares each schedule. If the time runs out, every schedule that had its turn has a time.
    for (const { schedule, kernel } of task.variants()) {
      if (late()) break;
      const prepared = await stand.prepare(standKernel(kernel));
      if (prepared === null) continue;
      if (late()) break;
      tried++;
      // Right before fast; the first dispatch is also where drivers compile.
      if (!agree(task.standard, expected, await stand.results(prepared))) {
        wrong++;
        continue;
      }
      const candidate = { schedule, prepared, best: Number.POSITIVE_INFINITY };
      await time(candidate);
      alive.push(candidate);
    }
    const complete = !late();
    for (const [round, slack] of SLACK.entries()) {
      if (round > 0) for (const candidate of alive) await time(candidate);
      const best = Math.min(...alive.map((candidate) => candidate.best));
      alive = alive.filter((candidate) => candidate === first || candidate.best <= slack * best);
      if (alive.length === 1 || late()) break;
    }
    if (first.best === Number.POSITIVE_INFINITY) return { found: { ...unmeasured(task), tried, wrong }, complete };
    const winner = alive.reduce((a, b) => (b.best < a.best ? b : a));
    const taken = winner.best < GAIN * first.best ? winner : first;
    const found: TunedKernel = {
      ...unmeasured(task),
      source: taken === first ? "default" : "measured",
      schedule: taken.schedule,
      defaultMicroseconds: first.best,
      microseconds: taken.best,
      tried,
      wrong,
    };
    return { found, complete };
  } finally {
    stand.clear();
  }
}

function standKernel({ name, wgsl, entry = "main", workgroups, bindings, scalars }: Kernel): StandKernel {
  return {
    name,
    wgsl,
    entry,
    workgroups,
    bindings: bindings.map(({ value, access, start }) => ({
      key: value,
      bytes: bytesFor(value) - start * bytesOf(value.dtype),
      kind: value.dtype === "f16" ? "half" : kindOf(value.dtype),
      access,
    })),
    scalars: scalars.map(({ dtype }) => kindOf(dtype)),
  };
}

function kindOf(dtype: DType): "float" | "integer" {
  return dtype === "f32" || dtype === "f16" ? "float" : "integer";
}

/** Whether two kernels have written the same, up to rounding. */
function agree(kernel: Kernel, expected: Map<unknown, ArrayBuffer>, actual: Map<unknown, ArrayBuffer>): boolean {
  return kernel.bindings.every(({ value, access }) => {
    if (access === "read") return true;
    const [a, b] = [expected.get(value), actual.get(value)];
    if (a === undefined || b === undefined || a.byteLength !== b.byteLength) return false;
    if (value.dtype === "f32") return close(new Float32Array(a), new Float32Array(b));
    // Halves round elsewhere: they are compared as bits, save the last two.
    const [x, y] =
      value.dtype === "f16" ? [new Int16Array(a), new Int16Array(b)] : [new Int32Array(a), new Int32Array(b)];
    const slack = value.dtype === "f16" ? 3 : 0;
    return x.every((bits, i) => Math.abs(bits - (y[i] as number)) <= slack);
  });
}

function close(expected: Float32Array, actual: Float32Array): boolean {
  let largest = 0;
  for (const x of expected) if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x));
  const tolerance = TOLERANCE * largest;
  return expected.every((x, i) => {
    const y = actual[i] as number;
    return Object.is(x, y) || x === y || Math.abs(x - y) <= tolerance;
  });
}

/** Returns the kept schedules; none if the text is not one that `tune` writes. */
function parse(text: string | undefined): Map<string, Schedule | null> {
  try {
    const entries: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(entries)) return new Map();
    return new Map(entries.filter((entry): entry is [string, Schedule | null] => isEntry(entry)));
  } catch {
    return new Map();
  }
}

function isEntry(entry: unknown): boolean {
  if (!Array.isArray(entry) || typeof entry[0] !== "string" || typeof entry[1] !== "object") return false;
  return Object.values(entry[1] ?? {}).every((field) => ["number", "boolean", "string"].includes(typeof field));
}

function report(kernels: readonly TunedKernel[], spentMs: number): TuneReport {
  const lines = kernels.map((k) => {
    const times = Number.isNaN(k.microseconds)
      ? ""
      : `  ${k.defaultMicroseconds.toFixed(1)} → ${k.microseconds.toFixed(1)} µs, ${k.tried} tried, ${k.wrong} wrong`;
    const schedule = k.schedule === null ? "" : `  ${JSON.stringify(k.schedule)}`;
    return `${k.source.padEnd(8)} ${k.count}× ${k.name}${times}${schedule}`;
  });
  return { kernels, spentMs, toString: () => lines.join("\n") };
}
