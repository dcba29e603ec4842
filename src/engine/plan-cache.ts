// The plan cache: finds the plan of a recorded run by its structure, or builds it, and fills in the numbers of the run.

import { showPlan } from "#debug";
import { DTypeError } from "../base/errors.ts";
import type { Node } from "../graph/node.ts";
import { buildProgram, type Capture } from "../graph/program.ts";
import type { Device } from "../runtime/device.ts";
import { buildPlan, type Plan, type Rematerialize } from "../schedule/plan.ts";
import { GUARANTEED } from "../shaders/kernel.ts";
import type { PlanTraits, ScheduleBook } from "../shaders/schedules.ts";

/** A plan, with the constants of its graph. A graph with other constants needs another plan, unless they are data. */
interface Variant {
  readonly constants: readonly number[];
  readonly promoted: readonly boolean[];
  readonly plan: Plan;
}

interface CacheEntry {
  readonly key: Float64Array;
  readonly variants: Variant[];
}

/** Number of graphs whose plans are kept. The plans that were not used for longest go first. */
const MAX_PLANS = 512;

let optimize = true;
let schedules: ScheduleBook | null = null;
let rematerialize: Rematerialize | null = null;
/** Plans of an earlier count are made anew. */
let generation = 0;
const plans = new Map<number, CacheEntry[]>();

/** The traits that plans are made for: those of a device, or those that every device has. */
export function traitsOf(device: Device | null): PlanTraits {
  if (device === null) return GUARANTEED;
  const { limits, features } = device.gpu;
  return {
    kind: device.isSoftware ? "software" : "gpu",
    bindings: Math.min(limits.maxStorageBuffersPerShaderStage, 16),
    maxWorkgroups: limits.maxComputeWorkgroupsPerDimension,
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    f16: features.has("shader-f16"),
    subgroupSize: device.subgroupSize,
    schedules,
  };
}

/** Forgets all plans, also those of compiled steps, and the schedules, because they were made for another device. */
export function forgetPlans(): void {
  plans.clear();
  generation++;
  schedules = null;
}

/** Makes all plans anew, with these schedules (or the default ones). */
export function replaceSchedules(book: ScheduleBook | null, on: Device | null): void {
  generation++;
  schedules = book;
  for (const entries of plans.values())
    for (const entry of entries) for (const variant of entry.variants) on?.forget(variant.plan);
  plans.clear();
}

/**
 * Switches fusion and simplification off, or on again. When off, every op is a kernel of its own. Use it to tell a
 * wrong kernel from a wrong op.
 */
export function setOptimize(value: boolean): void {
  if (value !== optimize) plans.clear();
  optimize = value;
}

/** Injects the rewriting of programs that need too much memory. Only pages that set a limit load it. */
export function useRematerialization(how: Rematerialize): void {
  rematerialize = how;
}

/** Whether a plan that somebody has kept is still to be used. */
export function isCurrent(plan: Plan): boolean {
  return plan.generation === generation;
}

function sameKey(a: Float64Array, b: Float64Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** The plan of a capture; a new one may use `room()` bytes between its kernels. */
export function findPlan(on: Device, captured: Capture, room: () => number): Plan {
  const entries = plans.get(captured.hash) ?? [];
  // Moves it to the end: the first entry is the one that was not used for longest.
  plans.delete(captured.hash);
  plans.set(captured.hash, entries);
  if (plans.size > MAX_PLANS) forgetOldest(on);
  let entry = entries.find((e) => sameKey(e.key, captured.key));
  if (entry === undefined) {
    entry = { key: captured.key, variants: [] };
    entries.push(entry);
  }
  const constants = captured.constants.map(numberOf);
  for (const variant of entry.variants) {
    if (variant.constants.every((c, i) => variant.promoted[i] || Object.is(c, constants[i]))) {
      on.planHits++;
      return variant.plan;
    }
  }
  // A number that has changed once is data from here on.
  const last = entry.variants[entry.variants.length - 1];
  const promoted = constants.map(
    (c, i) => last !== undefined && (last.promoted[i] === true || !Object.is(last.constants[i], c)),
  );
  const plan = planOf(captured, promoted, traitsOf(on), room());
  entry.variants.push({ constants, promoted, plan });
  on.plans++;
  return plan;
}

/** Forgets the plans of one graph. A compiled step that still has one of them prepares it anew. */
function forgetOldest(on: Device): void {
  const [[hash, entries] = [0, []]] = plans;
  for (const { variants } of entries) for (const { plan } of variants) on.forget(plan);
  plans.delete(hash);
}

/** Builds the plan of a capture for a device, with a workspace of at most `memory` bytes. */
export function planOf(
  captured: Capture,
  promoted: readonly boolean[],
  device: PlanTraits,
  memory: number = Number.POSITIVE_INFINITY,
): Plan {
  const program = buildProgram(captured, promoted, optimize);
  const plan = buildPlan(program, { device, fuse: optimize, memory, rematerialize });
  showPlan?.(program, plan);
  const half = device.f16 ? undefined : plan.steps.find((s) => s.kernel.bindings.some((b) => b.value.dtype === "f16"));
  if (half !== undefined) {
    throw new DTypeError(
      `"${half.kernel.name}" stores f16, which this device does not have (WebGPU's feature shader-f16). Use f32 here.`,
      { op: half.kernel.name },
    );
  }
  return { ...plan, generation, promoted: promoted.flatMap((yes, i) => (yes ? [i] : [])) };
}

/** The block of numbers that a run of the plan uploads; null where it has none. */
export function scalarBlock(plan: Plan, captured: Capture, scalars: readonly number[]): ArrayBuffer | null {
  if (plan.scalarBytes === 0) return null;
  const block = new ArrayBuffer(plan.scalarBytes);
  const view = new DataView(block);
  const count = scalars.length;
  for (const { index, dtype, offset } of plan.scalars) {
    const value =
      index < count
        ? (scalars[index] as number)
        : numberOf(captured.constants[plan.promoted[index - count] as number] as Node);
    if (dtype === "f32" || dtype === "f16") view.setFloat32(offset, value, true);
    else if (dtype === "i32") view.setInt32(offset, value, true);
    else view.setUint32(offset, value, true);
  }
  return block;
}

/** The number that a constant is. */
function numberOf(constant: Node): number {
  return constant.attributes[0] as number;
}
