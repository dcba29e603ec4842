// Names of kernels for reports and for the tools of GPUs, and the work that they do.

import { formatShape } from "../base/shape.ts";
import { joinNames } from "../graph/asked.ts";
import type { Value } from "../graph/definition.ts";
import type { Group } from "../shaders/group.ts";
import type { Writer } from "../shaders/writer.ts";

/** Names in a label, at most. */
const MOST = 6;

/** The ops of a kernel: its reductions, then the elementwise ones. */
export function opsOf(group: Group, { fused }: Writer): string[] {
  const reductions =
    group.kind === "contraction" ? [contractionOf(group)] : group.reductions.map((r) => r.definition.name);
  return [...new Set([...reductions, ...fused.map(({ definition }) => definition.name)])];
}

function contractionOf(group: Group): string {
  return group.reductions[0]?.value.asked?.replace(/ backward$/, "") ?? "contraction";
}

/** What a kernel computes, as the user asked for it, with the dtype and shape of the first result: `matmul+add+relu f32[128,64]`. */
export function nameOf(group: Group, { fused }: Writer): string {
  const sum = group.kind === "contraction" ? contractionOf(group) : null;
  const asked = [
    ...group.reductions.map(({ value, definition }) => ({
      id: value.id,
      name: value.asked ?? sum ?? definition.name,
    })),
    ...fused.map((value) => ({ id: value.id, name: value.asked ?? value.definition.name })),
  ].sort((a, b) => a.id - b.id);
  const label =
    asked.length === 0
      ? "copy"
      : joinNames(
          asked.map(({ name }) => name),
          MOST,
        );
  const [first] = group.stored;
  return first === undefined ? label : typed(label, first);
}

function typed(label: string, { dtype, shape }: Value): string {
  return `${label} ${dtype}${formatShape(shape).replaceAll(" ", "")}`;
}

/** Estimated arithmetic operations of a kernel. */
export function flopsOf(group: Group, writer: Writer): number {
  const points = group.rows * group.length;
  if (group.kind === "contraction") return 2 * points + group.rows * group.stored.length;
  return Math.max(1, group.kind === "map" ? writer.flops / 4 : writer.flops / 4 + group.reductions.length) * points;
}
