// Runs what an expression computes through the interpreter of WGSL: under every schedule, for several classes of devices, and compares with float64.

import { setFlagsFromString } from "node:v8";
import { isFloat } from "../../src/base/dtype.ts";
import { planOf } from "../../src/engine/plan-cache.ts";
import type { Kernel } from "../../src/graph/definition.ts";
import type { DeviceTraits } from "../../src/graph/kernel-program.ts";
import type { Capture } from "../../src/graph/program.ts";
import type { Plan } from "../../src/schedule/plan.ts";
import { GUARANTEED } from "../../src/shaders/kernel.ts";
import { alternatives, bookBy } from "../../src/shaders/schedules.ts";
import { grad, type Tensor } from "../../src/tensor.ts";
import { captureStep } from "./plan-step.ts";
import { Dice } from "./random-program.ts";
import { interpret } from "./reference.ts";
import { runPlan } from "./wgsl/plan.ts";

// Every text is new code that runs once: optimizing it costs more than it brings.
setFlagsFromString("--max-optimized-bytecode-size=1000");

const gpu = (subgroupSize: number): DeviceTraits => ({ ...GUARANTEED, kind: "gpu", subgroupSize });
const software = (subgroupSize: number): DeviceTraits => ({ ...GUARANTEED, kind: "software", subgroupSize });

/** Classes of devices: without subgroups and with those of every size that WGSL allows; grids that fit and grids that are folded. */
export const DEVICES: readonly DeviceTraits[] = [
  gpu(0),
  { ...gpu(0), maxWorkgroups: 3 },
  software(0),
  ...[4, 8, 16, 32, 64, 128].map(gpu),
  ...[4, 8].map(software),
];

export interface RaceOptions {
  /** Error as a part of the largest number of each result: 1e-4 unless told. Integers have none. */
  readonly tolerance?: number;
  readonly devices?: readonly DeviceTraits[];
  readonly seed?: number;
}

/** The kernels that have run, by their texts and grids. */
export const covered: Map<string, Kernel> = new Map();

/** The names of the hand-written kernels among them. */
export function handWrittenNames(): Set<string> {
  const kernels = [...covered.values()].filter(({ family }) => family === "kernel");
  return new Set(kernels.map(({ name }) => name.replace(/ [a-z]+\d*\[[\d,]*\]$/, "")));
}

const keyOf = ({ wgsl, workgroups }: Kernel): string => `${wgsl}|${workgroups.join()}`;

/** Plans for all schedules that kernels of the capture may have: in the n-th plan, every kernel has its n-th. */
function* plansOf(captured: Capture, device: DeviceTraits): Generator<Plan> {
  for (let n = 0, more = true; more; n++) {
    more = false;
    const schedules = bookBy((offer) => {
      const others = alternatives(offer, device);
      more ||= n < others.length;
      return n === 0 ? null : (others[n - 1] ?? null);
    });
    const promoted = captured.constants.map(() => false);
    yield planOf(captured, promoted, { ...device, schedules });
  }
}

/**
 * Runs every text that one of the devices may get for the tensors that `step` makes, in an order by chance. Throws where invocations race,
 * write outside of their memory, part at a barrier, or compute something else than float64 does. Returns the number of texts.
 */
export function checkRaces(step: () => Tensor | Tensor[], options: RaceOptions = {}): number {
  const { tolerance = 1e-4, devices = DEVICES, seed = 1 } = options;
  const captured = captureStep(step);
  const expected = expectedOf(captured);
  const seen = new Set<string>();
  const dice = new Dice(seed);
  for (const device of devices) {
    for (const plan of plansOf(captured, device)) {
      const fresh = plan.steps.filter(({ kernel }) => !seen.has(keyOf(kernel)));
      if (fresh.length === 0) continue;
      for (const { kernel } of fresh) {
        seen.add(keyOf(kernel));
        covered.set(keyOf(kernel), kernel);
      }
      // Subgroups that no text asks for may have any size.
      const subgroupSize = device.subgroupSize || 4 * 2 ** dice.below(6);
      const found = runPlan(plan, captured, dice, { subgroupSize, mixed: dice.next() < 0.5 });
      compareAll(captured, found, expected, tolerance, plan);
    }
  }
  return seen.size;
}

/** A step that gives a value and the gradients of what it was made of. */
export function withGradients<T extends Tensor>(make: (...inputs: T[]) => Tensor, ...inputs: T[]): () => Tensor[] {
  return () => {
    const value = make(...inputs);
    const weights = new Dice(value.numel).leaf(value.shape, false);
    return [value, ...grad(value.mul(weights).sum(), inputs)];
  };
}

/** The values of all requests, in float64. */
export function expectedOf(captured: Capture): Float64Array[] {
  return interpret(captured.requests.map(({ node }) => ({ node }) as Tensor));
}

/** Throws where a request's values differ from the expected ones. */
export function compareAll(
  captured: Capture,
  found: readonly ArrayLike<number>[],
  expected: readonly Float64Array[],
  tolerance: number,
  plan: Plan,
): void {
  captured.requests.forEach(({ node }, request) => {
    const wanted = expected[request] as Float64Array;
    const values = found[request] as ArrayLike<number>;
    const largest = wanted.filter(Number.isFinite).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const slack = isFloat(node.dtype) ? tolerance * largest : 0;
    wanted.forEach((x, i) => {
      const y = values[i] as number;
      if (Object.is(x, y) || x === y || Math.abs(x - y) <= slack) return;
      const texts = plan.steps.map(({ kernel }) => kernel.wgsl).join("\n\n");
      throw new ValueError(`element ${i} of result ${request} is ${y} instead of ${x}\n${texts}`);
    });
  });
}

/** A kernel has computed something else than float64 does. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}
