// Plants a fault in the text of one kernel of a plan and runs the plan.

import { planOf } from "../../src/engine/plan-cache.ts";
import type { DeviceTraits } from "../../src/graph/kernel-program.ts";
import type { Plan } from "../../src/schedule/plan.ts";
import { alternatives, bookBy, type Schedule } from "../../src/shaders/schedules.ts";
import type { Tensor } from "../../src/tensor.ts";
import { captureStep } from "./plan-step.ts";
import { compareAll, expectedOf } from "./races.ts";
import { Dice } from "./random-program.ts";
import { runPlan } from "./wgsl/plan.ts";

/** Changes a text; it must find what it changes. */
export type Edit = (text: string) => string;

export interface Fault {
  readonly step: () => Tensor | Tensor[];
  readonly device: DeviceTraits;
  /** The schedule that kernels get, among those that they may have; the default one unless told. */
  readonly schedule?: (schedule: Schedule) => boolean;
  /** What the text in which the fault is planted has in it. */
  readonly where: string | RegExp;
  readonly edit: Edit;
  /** Lanes of the subgroups that run it: the device's unless told. */
  readonly subgroupSize?: number;
}

/** Replaces what must be there, the `n`-th time that it is (the first is 0). */
export function replacing(pattern: RegExp, replacement: string, n = 0): Edit {
  return (text) => {
    const matches = [...text.matchAll(new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`))];
    const found = matches[n];
    if (found === undefined) throw new Error(`planted nothing: ${pattern} is ${matches.length} times in\n${text}`);
    const own = found[0].replace(new RegExp(pattern.source, pattern.flags.replace("g", "")), replacement);
    return text.slice(0, found.index) + own + text.slice(found.index + found[0].length);
  };
}

/** Leaves out the `n`-th barrier. */
export function withoutBarrier(n: number): Edit {
  return replacing(/workgroupBarrier\(\);/, "", n);
}

/** What the sound plan and the one with the fault end with: null, or the error. */
export function plant({ step, device, schedule, where, edit, subgroupSize }: Fault): (Error | null)[] {
  const captured = captureStep(step);
  const expected = expectedOf(captured);
  const schedules = bookBy((offer) => (schedule ? (alternatives(offer, device).find(schedule) ?? null) : null));
  const sound = planOf(
    captured,
    captured.constants.map(() => false),
    { ...device, schedules },
  );
  let planted = 0;
  const steps = sound.steps.map((one) => {
    const { wgsl } = one.kernel;
    if (planted > 0 || !(typeof where === "string" ? wgsl.includes(where) : where.test(wgsl))) return one;
    planted++;
    return { ...one, kernel: { ...one.kernel, wgsl: edit(wgsl) } };
  });
  if (planted === 0) throw new Error(`planted nothing: no text has ${where} in it`);
  const own = device.subgroupSize || 16;
  return [attempt(() => run(sound, own)), attempt(() => run({ ...sound, steps }, subgroupSize ?? own))];

  function run(plan: Plan, lanes: number): void {
    const found = runPlan(plan, captured, new Dice(3), { subgroupSize: lanes, mixed: true });
    compareAll(captured, found, expected, 1e-4, plan);
  }
}

function attempt(run: () => void): Error | null {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return error;
  }
}
