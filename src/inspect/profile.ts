// profile: lists the kernels that some code runs on the device, with the time of each.

import { WgradError } from "../base/errors.ts";
import { realize } from "../engine/core-functions.ts";
import { openDevice } from "../engine/engine.ts";
import { tensorsIn } from "../engine/tensors-in.ts";
import { currentTrace } from "../graph/trace.ts";
import { checkFunction, checkWhole } from "../ops/check.ts";
import type { Device } from "../runtime/device.ts";
import { Profiler, type StepTime } from "../runtime/profiler.ts";
import type { Plan, PlanStep } from "../schedule/plan.ts";
import { type KernelReport, kernelReport, liveBytes, type PlanReport } from "./explain.ts";

/** One dispatch with the time that it took on the device. */
export interface KernelProfile extends KernelReport {
  /** Median over the runs. */
  readonly microseconds: number;
}

/** What `profile` returns: the kernels that ran, with their times on the device. */
export interface ProfileReport extends PlanReport {
  /** In the order in which they ran. */
  readonly kernels: readonly KernelProfile[];
  /** Sum over the kernels, without the time between them. */
  readonly microseconds: number;
  /** A line per kernel: time, share, bytes and operations per second. */
  toString(): string;
}

/** How often `fn` is called: `warmup` times untimed, then `runs` times. */
export interface ProfileOptions {
  /** Calls that are not measured. Default 0. */
  readonly warmup?: number;
  /** Calls that are measured. Default 1. */
  readonly runs?: number;
}

/**
 * Calls `fn` and measures every kernel that it makes the device run, with the device's own clock: what `fn` submits (a
 * step, a compiled step, reads), and the tensors that it returns (alone, or in arrays and objects). While it measures,
 * each kernel runs in a pass of its own, so short kernels look a little longer than they are.
 *
 * Many drivers compile a kernel when it runs for the first time: `profile(fn, { warmup: 1, runs: 5 })` calls `fn` six
 * times and reports medians of the last five. Browsers round times to 100 µs unless a flag says otherwise; Node does
 * not round. Rejects with a WgradError if the device has no timestamps (WebGPU's feature `timestamp-query`).
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

/** Calls `fn` and computes the tensors that it returns, alone or in arrays and objects. Rejects with the error of either. */
export async function runAll(fn: () => unknown): Promise<void> {
  await realize(...tensorsIn(await fn()));
}

function report(runs: readonly (readonly StepTime[])[], plans: readonly Plan[]): ProfileReport {
  const last = runs.at(-1) ?? [];
  // Runs with other kernels (an evaluation every other time) cannot be compared.
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
