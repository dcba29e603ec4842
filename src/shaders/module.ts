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
  const printer = body.printer();
  const called = reachable(helpers, printer.words);
  const around = [...declarations, ...globals, ...parameters].flatMap(wordsIn);
  const lines = printer.lines(new Set([...around, ...called.flatMap(({ declares }) => declares)]));
  const special = printer.words.has("special_bits") || called.some(({ words }) => words.includes("special_bits"));
  return [
    ...enabled.map((name) => `enable ${name};`),
    ...declarations,
    ...(special ? [SPECIAL_BITS] : []),
    ...globals,
    ...called.map(({ text }) => text),
    "",
    `@compute @workgroup_size(${workgroupSize})`,
    `fn main(${parameters.join(", ")}) {`,
    ...lines.map((line) => `  ${line}`),
    "}",
    "",
  ].join("\n");
}

/** A function, or a type that functions use. */
interface Helper {
  readonly text: string;
  readonly declares: readonly string[];
  readonly words: readonly string[];
}

/** What is known of helpers' texts: there are as many as ops bring along. */
const known = new Map<string, readonly Helper[]>();

function helpersIn(text: string): readonly Helper[] {
  let helpers = known.get(text);
  if (helpers === undefined) {
    helpers = text
      .trim()
      .split(/\n(?=fn |struct )/)
      .map((part) => ({
        text: part,
        declares: [...part.matchAll(/\b(?:fn|struct) (\w+)/g)].map(([, name]) => name as string),
        words: wordsIn(part),
      }));
    known.set(text, helpers);
  }
  return helpers;
}

/** The helpers that are called in a body of these words, and those that these call in turn. */
function reachable(texts: readonly string[], words: ReadonlySet<string>): readonly Helper[] {
  const wanted = new Set(words);
  const helpers = new Map(texts.flatMap(helpersIn).map((helper) => [helper.text, helper]));
  const called = new Set<string>();
  for (let before = -1; before < called.size; ) {
    before = called.size;
    for (const { text, declares, words: own } of helpers.values()) {
      if (called.has(text) || !declares.some((name) => wanted.has(name))) continue;
      for (const word of own) wanted.add(word);
      called.add(text);
    }
  }
  return [...helpers.values()].filter(({ text }) => called.has(text));
}
