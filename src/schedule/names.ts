// Names of kernels for reports and for the tools of GPUs, and the work that they do.

import { formatShape } from "../base/shape.ts";
import type { Group } from "../shaders/group.ts";
import type { Writer } from "../shaders/writer.ts";

/** The ops of a kernel: its reductions, then `fused`, the elementwise ones. */
export function opsOf(group: Group, fused: readonly string[]): string[] {
  const reductions = group.kind === "contraction" ? ["contraction"] : group.reductions.map((r) => r.definition.name);
  return [...new Set(reductions), ...fused];
}

/** What a kernel computes, for whatever size. */
export function labelOf(group: Group, fused: readonly string[]): string {
  const parts = opsOf(group, fused);
  return parts.length === 0 ? "copy" : parts.slice(0, 6).join("+") + (parts.length > 6 ? "+…" : "");
}

/** The label with the dtype and shape of the first result. */
export function nameOf(group: Group, fused: readonly string[]): string {
  const first = group.stored[0];
  const label = labelOf(group, fused);
  return first === undefined ? label : `${label} ${first.dtype}${formatShape(first.shape).replaceAll(" ", "")}`;
}

/** Estimated arithmetic operations of a kernel. */
export function flopsOf(group: Group, writer: Writer): number {
  const points = group.rows * group.length;
  if (group.kind === "contraction") return 2 * points + group.rows * group.stored.length;
  return Math.max(1, group.kind === "map" ? writer.flops / 4 : writer.flops / 4 + group.reductions.length) * points;
}
