// explain: the plan that some tensors would run, as data, without running it and without a GPU.

import { currentTraits } from "../engine/engine.ts";
import { planOf } from "../engine/plan-cache.ts";
import type { KernelFamily } from "../graph/definition.ts";
import type { Node } from "../graph/node.ts";
import { capture, isRealized } from "../graph/program.ts";
import { leafOf, type Tensor } from "../graph/tensor.ts";
import { expectTensor } from "../ops/define.ts";
import { liveBytesOf, SLOT_ALIGNMENT } from "../schedule/memory.ts";
import type { Plan, PlanStep } from "../schedule/plan.ts";
import { type BindingReport, bindingReports, type LeafNames, listingOf } from "../shaders/listing.ts";

/** One kernel of a plan. */
export interface KernelReport {
  /** What the kernel computes, with dtype and shape of its first output. */
  readonly name: string;
  /** Family of the kernel: map, row, contraction, or kernel for a hand-written one. */
  readonly family: KernelFamily;
  /** Names of the ops that are fused into it. */
  readonly ops: readonly string[];
  /** The shader as it is compiled: equal kernels have equal texts. */
  readonly wgsl: string;
  /** What it reads and writes. */
  readonly bindings: readonly BindingReport[];
  /** The shader with comments in front that say what it computes, and what its bindings hold. */
  readonly listing: string;
  /** Workgroups of the dispatch, per dimension. */
  readonly workgroups: readonly [number, number, number];
  /** Bytes read and written. */
  readonly bytes: number;
  /** Estimated arithmetic operations. */
  readonly flops: number;
}

/** What `explain` returns: the kernels of a plan and the memory that it takes. */
export interface PlanReport {
  /** The kernels, in the order in which they run. */
  readonly kernels: readonly KernelReport[];
  /** Whether ops share kernels: false under `setOptimize(false)`. */
  readonly fused: boolean;
  /** Bytes of memory for intermediate values. */
  readonly workspaceBytes: number;
  /** The lower bound of these bytes: the most that is alive at a time. */
  readonly liveBytes: number;
  /** A line per kernel: number, family, ops, shape, workgroups, bytes, operations. */
  toString(): string;
}

/**
 * Plans the computation of `tensors` and returns its kernels with their WGSL. It runs nothing and needs no GPU. Without
 * an open device it plans for the limits that every device has, so the kernels of your device may differ: `await
 * init()` first.
 */
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
  const kernels = plan.steps.map((step) => kernelReport(step, (i) => labelOf(captured.buffers[i]?.node ?? null)));
  return report(kernels, plan.fused, plan.workspace, liveBytes(plan));
}

/** The name of the leaf that a node belongs to. */
function labelOf(node: Node | null): string | null {
  return (node === null ? null : leafOf(node)?.label) ?? null;
}

/** Returns the report of a plan's step. */
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

/** Returns the number of kernels that computing `tensors` takes. */
export function kernels(...tensors: Tensor[]): number {
  return explain(...tensors).kernels.length;
}
