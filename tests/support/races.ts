// Runs what an expression computes through the interpreter of WGSL: under every schedule, for several classes of devices, and compares with float64.

import type { Capture } from "../../src/graph/program.ts";
import { planOf } from "../../src/plan-cache.ts";
import type { Tensor } from "../../src/tensor.ts";
import type { Plan } from "../../src/schedule/plan.ts";
import { type DeviceTraits, GUARANTEED, type KernelFamily } from "../../src/shaders/kernel.ts";
import { alternatives, bookBy } from "../../src/shaders/schedules.ts";
import { captureStep } from "./plan-step.ts";
import { Dice } from "./random-program.ts";
import { interpret } from "./reference.ts";
import { runPlan } from "./wgsl/plan.ts";

/** Classes of devices: with subgroups of every size that WGSL allows, and without. */
export const DEVICES: readonly DeviceTraits[] = [
  { ...GUARANTEED, kind: "gpu", subgroupSize: 0 },
  { ...GUARANTEED, kind: "software", subgroupSize: 0 },
  ...[4, 8, 16, 32, 64, 128].map((subgroupSize): DeviceTraits => ({ ...GUARANTEED, kind: "gpu", subgroupSize })),
  ...[4, 8].map((subgroupSize): DeviceTraits => ({ ...GUARANTEED, kind: "software", subgroupSize })),
];

export interface RaceCase {
  /** Relative error, measured by the largest number of each result: 1e-4 unless told. */
  readonly tolerance?: number;
  readonly devices?: readonly DeviceTraits[];
  readonly seed?: number;
}

/** What has run so far: texts by the family of their kernels, and by the size of the subgroups that they are for. */
export interface Coverage {
  readonly kernels: Map<string, KernelFamily>;
  readonly texts: Map<string, string>;
}

export const coverage: Coverage = { kernels: new Map(), texts: new Map() };

/** Plans for all schedules that kernels of the capture may have: in the n-th one, every kernel has its n-th. */
function* plansOf(captured: Capture, device: DeviceTraits): Generator<Plan> {
  for (let n = 0, more = true; more; n++) {
    more = false;
    const schedules = bookBy((offer) => {
      const others = alternatives(offer, device);
      more ||= n < others.length;
      return n === 0 ? null : (others[n - 1] ?? null);
    });
    yield planOf(captured, captured.constants.map(() => false), { ...device, schedules });
  }
}

/**
 * Runs all texts that a device may get for the tensors that `step` makes, in an order by chance. Throws where invocations race, leave
 * memory, or compute something else than the interpreter in float64. Returns the number of texts.
 */
export function checkRaces(step: () => Tensor | Tensor[], options: RaceCase = {}): number {
  const { tolerance = 1e-4, devices = DEVICES, seed = 1 } = options;
  const captured = captureStep(step);
  const expected = interpretCapture(captured);
  const seen = new Set<string>();
  const dice = new Dice(seed);
  for (const device of devices) {
    for (const plan of plansOf(captured, device)) {
      const texts = plan.steps.map(({ kernel }) => kernel.wgsl);
      if (texts.every((text) => seen.has(text))) continue;
      for (const [i, text] of texts.entries()) {
        const { name, family } = (plan.steps[i] as Plan["steps"][number]).kernel;
        seen.add(text);
        coverage.kernels.set(name.replace(/ [a-z0-9]+\[.*$/, ""), family);
        coverage.texts.set(text, `${family}, ${text.includes("enable subgroups") ? device.subgroupSize : 0}`);
      }
      // What a text does not ask for may have any size.
      const subgroupSize = device.subgroupSize || 4 * 2 ** dice.below(6);
      const got = runPlan(plan, captured, dice, { subgroupSize, mixed: dice.next() < 0.5 });
      got.forEach((values, i) => void compare(values, expected[i] as Float64Array, tolerance, plan));
    }
  }
  return seen.size;
}

/** The float64 values of everything that is asked for. */
export function interpretCapture(captured: Capture): Float64Array[] {
  return interpret(captured.requests.map(({ node }) => ({ node }) as Tensor));
}

/** Throws where values differ from what float64 gives. */
export function compare(values: ArrayLike<number>, expected: Float64Array, tolerance: number, plan: Plan): void {
  const finite = expected.filter(Number.isFinite);
  const largest = finite.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  expected.forEach((x, i) => {
    const y = values[i] as number;
    if (Object.is(x, y) || x === y || Math.abs(x - y) <= tolerance * largest) return;
    const texts = plan.steps.map(({ kernel }) => kernel.wgsl).join("\n\n");
    throw new Error(`element ${i} is ${y} instead of ${x}\n${texts}`);
  });
}

