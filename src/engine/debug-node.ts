// The Node side of "#debug": WGRAD_DEBUG=1…4 prints every plan when it is made.

import { formatShape, sizeOf } from "../base/shape.ts";
import { lines } from "../base/table.ts";
import type { Value } from "../graph/definition.ts";
import type { Program } from "../graph/program.ts";
import type { Place } from "../runtime/executable.ts";
import type { Plan } from "../schedule/plan.ts";

/** Prints what a plan was made of and what became of it. */
export type ShowPlan = (program: Program, plan: Plan) => void;

/** 1 prints the program, 2 the groups that became kernels as well, 3 where their bytes lie, 4 the WGSL. */
const level = Number(process.env.WGRAD_DEBUG ?? 0);

/** Called for every plan that is made; null where nobody wants to see them. */
export const showPlan: ShowPlan | null =
  level >= 1 ? (program, plan) => console.error(describePlan(program, plan, level)) : null;

/** Returns what is printed of a plan at a level from 1 to 4. */
export function describePlan(program: Program, plan: Plan, level: number): string {
  const parts = [`plan of ${plan.steps.length} kernels, ${plan.workspace} bytes between them`];
  parts.push(...describeProgram(program));
  if (level >= 2) parts.push(...describeGroups(plan));
  if (level >= 3) parts.push(...describePlaces(plan));
  if (level >= 4) for (const { kernel } of plan.steps) parts.push(`-- ${kernel.name}`, kernel.wgsl.trimEnd());
  return parts.join("\n");
}

/** A line per value, operands before results: `%3 mul %1 %2 f32[2, 3]`. */
function describeProgram({ outputs }: Program): string[] {
  const numbers = new Map<Value, number>();
  const rows: string[][] = [];
  const open = outputs.map(({ value }) => value).reverse();
  while (open.length > 0) {
    const value = open[open.length - 1] as Value;
    const waiting = numbers.has(value) ? [] : value.inputs.filter((input) => !numbers.has(input));
    if (waiting.length > 0) {
      open.push(...waiting.reverse());
      continue;
    }
    open.pop();
    if (numbers.has(value)) continue;
    numbers.set(value, numbers.size);
    const { definition, inputs, attributes, leaf } = value;
    const operands = inputs.map((input) => `%${numbers.get(input)}`);
    const name = leaf === null ? definition.name : `${leaf.kind} ${leaf.index}`;
    const numbersOf = attributes.length === 0 ? "" : `(${attributes.join(", ")})`;
    rows.push([`%${numbers.get(value)}`, `${name}${numbersOf}`, operands.join(" "), typeOf(value)]);
  }
  const results = outputs.map(({ value, destination }) => {
    const to = destination.kind === "slot" ? ` over buffer ${destination.index}` : "";
    return `%${numbers.get(value)}${to}`;
  });
  return ["program", ...lines(rows, 4).map(indented), indented(`results: ${results.join(", ")}`)];
}

function describeGroups({ steps }: Plan): string[] {
  const rows = steps.map(({ kernel }, i) => [
    String(i),
    kernel.family,
    kernel.name,
    kernel.fused.join("+"),
    `${kernel.workgroups.join("×")} workgroups`,
    `${kernel.bytes} bytes`,
    `${kernel.flops} flops`,
  ]);
  return ["kernels", ...lines(rows, 4).map(indented)];
}

function describePlaces({ steps, copies }: Plan): string[] {
  const rows = steps.flatMap(({ kernel, bindings }, i) =>
    bindings.map(({ place, offset, access }, b) => [
      b === 0 ? String(i) : "",
      access === "read" ? "reads" : "has",
      typeOf(kernel.bindings[b]?.value as Value),
      placeName(place, offset),
    ]),
  );
  return ["bindings", ...lines(rows, 4).map(indented), indented(`copies at the end: ${copies.length}`)];
}

function placeName(place: Place, offset: number): string {
  const from = offset === 0 ? "" : ` from byte ${offset}`;
  return place.kind === "workspace" ? `workspace at ${place.offset}${from}` : `${place.kind} ${place.index}${from}`;
}

function typeOf({ dtype, shape }: Value): string {
  return `${dtype}${formatShape(shape)}${sizeOf(shape) === 0 ? " (empty)" : ""}`;
}

function indented(line: string): string {
  return `  ${line}`.trimEnd();
}
