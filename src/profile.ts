// profile: what some code runs on the device, kernel by kernel, with the time that each one takes there.

import { realize } from "./access.ts";
import { checkFunction, checkWhole } from "./check.ts";
import { openDevice } from "./engine.ts";
import { WgradError } from "./errors.ts";
import { type KernelReport, kernelReport, liveBytes, type PlanReport } from "./explain.ts";
import { currentTrace } from "./graph/trace.ts";
import { tensorsIn } from "./nested.ts";
import type { Device } from "./runtime/device.ts";
import { Profiler, type StepTime } from "./runtime/profiler.ts";
import type { Plan, PlanStep } from "./schedule/plan.ts";

/** One dispatch with the time that it took on the device. */
export interface KernelProfile extends KernelReport {
  /** Median over the runs. */
  readonly microseconds: number;
}

export interface ProfileReport extends PlanReport {
  /** In the order in which they ran. */
  readonly kernels: readonly KernelProfile[];
  /** Sum over the kernels; what lies between them is not in it. */
  readonly microseconds: number;
  /** A line per kernel: time, share, bytes and operations per second. */
  toString(): string;
}

/** How often `fn` is called: first `warmup` times untimed, then `runs` times. */
export interface ProfileOptions {
  readonly warmup?: number;
  readonly runs?: number;
}

/**
 * Calls `fn` and measures, with the device's own clock, every kernel that it makes the device run: what it submits (a step, a compiled
 * step, reads), and the tensors that it returns (alone, or in arrays and objects). Each kernel runs in a pass of its own meanwhile,
 * so short ones look a little longer than they are. The first time that a kernel runs, many drivers still compile it:
 * `profile(fn, { warmup: 1, runs: 5 })` calls `fn` six times and gives medians of the last five.
 *
 * Rejects with a WgradError where the device has no timestamps (WebGPU's feature `timestamp-query`). Browsers round them to 100 µs unless
 * told otherwise; Node doesn't.
 */
export async function profile(fn: () => unknown, options: ProfileOptions = {}): Promise<ProfileReport> {
  checkFunction("profile", "the argument", fn);
  const warmup = checkWhole("profile", "warmup", options.warmup ?? 0, 0);
  const runs = checkWhole("profile", "runs", options.runs ?? 1, 1);
  const device = await openTimedDevice("profile");
  for (let i = 0; i < warmup; i++) await runAll(fn);
  const profiler = new Profiler(device.gpu);
  device.startProfile(profiler);
  try {
    const timed: StepTime[][] = [];
    for (let i = 0; i < runs; i++) {
      await runAll(fn);
      timed.push(await profiler.take());
    }
    return report(timed, [...profiler.executables] as Plan[]);
  } finally {
    device.endProfile();
  }
}

/** The open device, which must be able to time kernels. */
export async function openTimedDevice(op: string): Promise<Device> {
  if (currentTrace() !== null) {
    throw new WgradError(`${op}: a step that is traced doesn't run. Call ${op} around the compiled function.`, { op });
  }
  const device = await openDevice();
  if (device.gpu.features.has("timestamp-query")) return device;
  throw new WgradError(
    `${op}: the device has no timestamps (WebGPU's feature timestamp-query), so nothing can be measured. ` +
      "A GPUDevice of your own must be requested with it; explain() needs no device.",
    { op },
  );
}

/** Calls `fn` and has what it returns computed: tensors, alone or in arrays and objects. Rejects with what went wrong there. */
export async function runAll(fn: () => unknown): Promise<void> {
  await realize(...tensorsIn(await fn()));
}

function report(runs: readonly (readonly StepTime[])[], plans: readonly Plan[]): ProfileReport {
  const last = runs.at(-1) ?? [];
  // Runs that differ (an evaluation every other time) can't be put side by side.
  const alike = runs.filter(
    (run) => run.length === last.length && run.every(({ step }, i) => step.kernel.wgsl === last[i]?.step.kernel.wgsl),
  );
  const kernels = last.map(({ step }, i): KernelProfile => {
    const times = alike.map((run) => (run[i] as StepTime).microseconds).sort((a, b) => a - b);
    // Everything that the engine runs is a plan.
    return {
      ...kernelReport(step as PlanStep, () => null),
      microseconds: times[Math.floor((times.length - 1) / 2)] as number,
    };
  });
  const microseconds = kernels.reduce((sum, kernel) => sum + kernel.microseconds, 0);
  const lines = kernels.map((k) => {
    const rate = (amount: number): string => (amount / (1000 * Math.max(k.microseconds, 1e-3))).toFixed(2);
    const share = `${((100 * k.microseconds) / Math.max(microseconds, 1e-3)).toFixed(0)} %`;
    return `${k.microseconds.toFixed(1).padStart(10)} µs ${share.padStart(5)} ${rate(k.bytes).padStart(8)} GB/s ${rate(k.flops).padStart(8)} GFLOP/s  ${k.name}`;
  });
  // Plans share their scratch memory.
  const workspaceBytes = Math.max(0, ...plans.map((plan) => plan.workspace));
  return {
    kernels,
    fused: plans.every((plan) => plan.fused),
    workspaceBytes,
    liveBytes: Math.max(0, ...plans.map(liveBytes)),
    microseconds,
    toString: () => lines.join("\n"),
  };
}
