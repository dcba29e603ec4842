// Puts a shader together: declarations, the helpers that its body calls, and the entry point.

import type { DType } from "../base/dtype.ts";
import { type Scopes, wordsIn } from "./scopes.ts";
import { SPECIAL_BITS, storedElement } from "./wgsl.ts";

export interface ModuleParts {
  /** Extensions to switch on. */
  readonly enabled: readonly string[];
  /** Declarations of the buffers, by their numbers. */
  readonly bindings: readonly string[];
  /** Types of the numbers in the uniform block. */
  readonly scalars: readonly DType[];
  /** Declarations that the body needs. */
  readonly globals: readonly string[];
  /** Functions (and their types) that it may call. */
  readonly helpers: readonly string[];
  readonly workgroupSize: number;
  readonly body: Scopes;
}

/** The block of scalars as declarations. */
export function scalarBlock(scalars: readonly DType[], binding: number): string[] {
  if (scalars.length === 0) return [];
  const fields = scalars.map((dtype, i) => `s${i}: ${storedElement(dtype === "f16" ? "f32" : dtype)}`);
  return [`struct Scalars { ${fields.join(", ")} }`, `@group(0) @binding(${binding}) var<uniform> scalars: Scalars;`];
}

export function writeModule(parts: ModuleParts): string {
  const { enabled, bindings, scalars, globals, helpers, workgroupSize, body } = parts;
  const parameters = [
    "@builtin(workgroup_id) group_id: vec3<u32>",
    "@builtin(num_workgroups) groups: vec3<u32>",
    "@builtin(local_invocation_index) local: u32",
  ];
  if (enabled.includes("subgroups")) parameters.push("@builtin(subgroup_invocation_id) lane: u32");
  const declarations = [...bindings, ...scalarBlock(scalars, bindings.length)];
  const taken = new Set<string>();
  for (const text of [...declarations, ...globals, ...parameters]) wordsIn(text, taken);
  for (const text of helpers) for (const [, name] of text.matchAll(DECLARED)) taken.add(name as string);
  const lines = body.print(taken);
  const called = reachable(helpers, lines);
  const special = [...lines, ...called].some((line) => line.includes("special_bits"));
  return [
    ...enabled.map((name) => `enable ${name};`),
    ...declarations,
    ...(special ? [SPECIAL_BITS] : []),
    ...globals,
    ...called,
    "",
    `@compute @workgroup_size(${workgroupSize})`,
    `fn main(${parameters.join(", ")}) {`,
    ...lines.map((line) => `  ${line}`),
    "}",
    "",
  ].join("\n");
}

/** Names that a helper's text declares. */
const DECLARED = /\b(?:fn|struct) (\w+)/g;

/** The helpers that the lines call, and those that these call in turn. */
function reachable(helpers: readonly string[], lines: readonly string[]): readonly string[] {
  const wanted = new Set<string>();
  if (helpers.length > 0) for (const line of lines) wordsIn(line, wanted);
  const called = new Set<string>();
  for (let known = -1; known < called.size; ) {
    known = called.size;
    for (const text of helpers) {
      if (called.has(text) || ![...text.matchAll(DECLARED)].some(([, name]) => wanted.has(name as string))) continue;
      wordsIn(text, wanted);
      called.add(text);
    }
  }
  return helpers.filter((text) => called.has(text));
}
