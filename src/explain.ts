// explain: the plan that some tensors would run, as data, without running it and without a GPU.

import { currentTraits } from "./engine.ts";
import { capture, isRealized } from "./graph/program.ts";
import type { Tensor } from "./graph/tensor.ts";
import { expectTensor } from "./ops/define.ts";
import { planOf } from "./plan-cache.ts";
import { liveBytesOf, SLOT_ALIGNMENT } from "./schedule/memory.ts";
import type { Plan, PlanStep } from "./schedule/plan.ts";
import type { KernelFamily } from "./shaders/kernel.ts";
import { type BindingReport, bindingReports, type LeafNames, listingOf } from "./shaders/listing.ts";

/** One kernel of a plan. */
export interface KernelReport {
  /** What it computes, with dtype and shape of its first output. */
  readonly name: string;
  readonly family: KernelFamily;
  /** Names of the ops fused into it. */
  readonly ops: readonly string[];
  /** The shader as it is compiled: equal kernels have equal texts. */
  readonly wgsl: string;
  /** What it reads and writes. */
  readonly bindings: readonly BindingReport[];
  /** The shader with comments in front that say what it computes, and what its bindings hold. */
  readonly listing: string;
  readonly workgroups: readonly [number, number, number];
  /** Bytes read and written. */
  readonly bytes: number;
  /** Estimated arithmetic operations. */
  readonly flops: number;
}

export interface PlanReport {
  readonly kernels: readonly KernelReport[];
  /** Whether ops share kernels: false under `setOptimize(false)`, and where the planner found no other way. */
  readonly fused: boolean;
  /** Bytes of scratch memory, and the lower bound for them. */
  readonly workspaceBytes: number;
  readonly liveBytes: number;
  toString(): string;
}

/** The kernels that computing `tensors` takes, with their WGSL. Runs nothing; needs no GPU (without one: for the limits that every device has). */
export function explain(...tensors: Tensor[]): PlanReport {
  tensors.forEach((t, i) => {
    expectTensor("explain", t, `argument ${i}`);
  });
  const nodes = [...new Set(tensors.map((t) => t.node))].filter((n) => !isRealized(n));
  if (nodes.length === 0) return report([], true, 0, 0);
  const captured = capture(nodes.map((node) => ({ node, slot: null })));
  const plan = planOf(
    captured,
    captured.constants.map(() => false),
    currentTraits(),
  );
  const kernels = plan.steps.map((step) => kernelReport(step, (i) => captured.buffers[i]?.node?.leaf?.label ?? null));
  return report(kernels, plan.fused, plan.workspace, liveBytes(plan));
}

/** What there is to say of a plan's step. */
export function kernelReport({ kernel }: PlanStep, leafName: LeafNames): KernelReport {
  const bindings = bindingReports(kernel, leafName);
  return {
    name: kernel.name,
    family: kernel.family,
    ops: kernel.fused,
    wgsl: kernel.wgsl,
    bindings,
    listing: listingOf(kernel, bindings),
    workgroups: kernel.workgroups,
    bytes: kernel.bytes,
    flops: kernel.flops,
  };
}

/** Bytes that a plan's workspace can't do without. */
export function liveBytes({ blocks }: Plan): number {
  return liveBytesOf(blocks, SLOT_ALIGNMENT);
}

function report(
  kernels: readonly KernelReport[],
  fused: boolean,
  workspaceBytes: number,
  liveBytes: number,
): PlanReport {
  const lines = kernels.map(
    (k, i) => `${i} ${k.family.padEnd(11)} ${k.name}  [${k.workgroups.join("×")}]  ${k.bytes} bytes  ${k.flops} flops`,
  );
  if (!fused) lines.push("not fused: every op is a kernel of its own");
  return { kernels, fused, workspaceBytes, liveBytes, toString: () => lines.join("\n") };
}

/** Number of kernels that computing `tensors` takes. */
export function kernels(...tensors: Tensor[]): number {
  return explain(...tensors).kernels.length;
}
