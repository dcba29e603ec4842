// The text of a custom kernel: a body or a whole shader, looked through for its bindings and checked against the tensors.

import type { DType } from "../base/dtype.ts";
import { dtypeError, opError } from "../base/shape.ts";
import { entryHead } from "../graph/kernel-text.ts";

/** A tensor that a kernel is to bind. */
export interface Operand {
  readonly name: string;
  readonly dtype: DType;
  readonly role: "input" | "output";
}

/** A shader without bindings' declarations, and what they said. */
export interface KernelSource {
  readonly wgsl: string;
  readonly entry: string;
  readonly preamble: number;
  /** Names of the bindings in the text, in the order of the operands. */
  readonly names: readonly string[];
  /** Types of the bindings that the text declares itself. */
  readonly types: Readonly<Record<string, string>>;
  /** Names of the inputs that the text has in a uniform block: numbers. */
  readonly scalars: readonly string[];
  /** Whether the shader knows of grids that are folded into rows. */
  readonly folds: boolean;
}

const DECLARATION =
  /@(?:group|binding)\(\s*\w+\s*\)\s*@(?:group|binding)\(\s*\w+\s*\)\s*var\s*<\s*(\w+)\s*(?:,\s*(\w+)\s*)?>\s*(\w+)\s*:\s*([^;]+);/g;

/** The names that a body can use. */
const BODY_NAMES: readonly string[] = ["index", "group", "local", "group_id", "groups"];

const storedTypes: Record<DType, string> = { f32: "f32", f16: "f16", i32: "i32", u32: "u32", bool: "u32" };
const suffixes: Record<string, string> = { f: "f32", h: "f16", i: "i32", u: "u32" };

const blank = (text: string): string => text.replaceAll(/[^\n]/g, " ");

/** Comments as spaces, so that places stay the same. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, blank);
}

/** Scalar type that a binding's type is made of; null for structures. */
function scalarOf(type: string): string | null {
  const match = /\b(f32|f16|i32|u32)\b|\b(?:vec[234]|mat[234]x[234])([fhiu])\b/.exec(type);
  return match?.[1] ?? suffixes[match?.[2] ?? ""] ?? null;
}

/** Number in `@binding(n)` of a declaration. */
function bindingNumber(declaration: string): number {
  return Number.parseInt(/@binding\(\s*(\w+)/.exec(declaration)?.[1] ?? "", 10);
}

/** Whether the text assigns to a binding, or hands a pointer to it on. */
function isWritten(clean: string, name: string): boolean {
  const body = `{${clean.replaceAll(DECLARATION, "")}`;
  return new RegExp(`[;{}]\\s*${name}\\s*[^\\s(\\w]|(?<!arrayLength\\()&${name}\\b`).test(body);
}

const UNIFORM = /@group\(\s*\w+\s*\)\s*@binding\(\s*\w+\s*\)\s*var\s*<\s*uniform\s*>\s*(\w+)\s*:\s*(\w+)\s*;/g;

/**
 * The text with functions in place of the numbers in its uniform blocks, whose fields are inputs by their names. Places stay the same but for
 * what stands behind such a number in its line.
 */
function readUniforms(
  text: string,
  clean: string,
  operands: readonly Operand[],
  fail: (problem: string) => never,
): { readonly wgsl: string; readonly scalars: readonly string[] } {
  const reads = new Map<string, RegExp>();
  let wgsl = text;
  const cut = ({ 0: part, index }: RegExpExecArray) => {
    wgsl = wgsl.slice(0, index) + blank(part) + wgsl.slice(index + part.length);
  };
  for (const match of clean.matchAll(UNIFORM)) {
    const [, block, type] = match;
    const struct = new RegExp(`struct\\s+${type}\\s*\\{([^}]*)\\}`).exec(clean);
    if (struct === null) return fail(`a uniform block must be a struct of numbers, got ${block}: ${type}.`);
    for (const [, field, element] of (struct[1] as string).matchAll(/(\w+)\s*:\s*(\w+)/g)) {
      const operand = operands.find(({ name }) => name === field);
      if (operand?.role !== "input" || storedTypes[operand.dtype] !== element)
        return fail(
          `numbers in a uniform block are inputs of their names and types, got ${block}.${field}: ${element}. 0-dim tensors would do.`,
        );
      reads.set(operand.name, new RegExp(`\\b${block}\\s*\\.\\s*${field}\\b`, "g"));
    }
    cut(struct);
    cut(match);
  }
  for (const [name, read] of reads) wgsl = wgsl.replaceAll(read, `scalar_${name}()`);
  return { wgsl, scalars: [...reads.keys()] };
}

/**
 * Reads a kernel's text. With `@compute` it is a whole shader, else the body of one with `size` invocations per workgroup. Throws a
 * WgradError or DTypeError where it doesn't fit the operands.
 */
export function readKernelSource(
  op: string,
  text: string,
  operands: readonly Operand[],
  size: number | undefined,
): KernelSource {
  const fail = (problem: string): never => {
    throw opError`${op}: ${problem}`;
  };
  const clean = withoutComments(text);
  const whole = /@compute\b/.test(clean);
  const names = operands.map(({ name }) => name);
  const types: Record<string, string> = {};
  let wgsl = text;
  for (const match of clean.matchAll(DECLARATION)) {
    const [declaration, space, access, name, type] = match as unknown as [
      string,
      string,
      string | undefined,
      string,
      string,
    ];
    if (space === "uniform") continue;
    if (space !== "storage") fail(`bindings must be var<storage, …> or var<uniform>, got var<${space}> ${name}.`);
    const byName = operands.findIndex((operand) => operand.name === name);
    const number = byName >= 0 ? byName : bindingNumber(declaration);
    const operand = operands[number];
    if (operand === undefined)
      return fail(
        `there are bindings 0 to ${operands.length - 1} (inputs, then outputs), got @binding(${number}) ${name}.`,
      );
    if (types[name] !== undefined || (names[number] !== operand.name && names[number] !== name))
      fail(`each tensor is declared once, got ${operand.role} "${operand.name}" declared twice.`);
    if (operand.role === "input" && access === "read_write" && isWritten(clean, name))
      fail(
        `inputs are read only, got read_write for ${name}. An output with { initial } starts with a tensor's content.`,
      );
    if (operand.role === "output" && access !== "read_write")
      fail(`outputs must be read_write, got ${access ?? "read"} for ${name}.`);
    const scalar = scalarOf(type);
    if (scalar !== null && scalar !== storedTypes[operand.dtype]) {
      throw dtypeError`${op}: ${operand.role} ${name} holds ${storedTypes[operand.dtype]} (${operand.dtype}), got ${type.trim()} in the text. array<${storedTypes[operand.dtype]}> would fit.`;
    }
    names[number] = name;
    types[name] = type.trim();
    // The engine declares it, with its own number.
    wgsl = wgsl.slice(0, match.index) + blank(declaration) + wgsl.slice(match.index + declaration.length);
  }
  const uniform = readUniforms(wgsl, clean, operands, fail);
  wgsl = uniform.wgsl;
  const { scalars } = uniform;
  if (new Set(names).size !== names.length) fail(`names of inputs and outputs must differ, got ${names.join(", ")}.`);
  operands.forEach(({ role }, i) => {
    const name = names[i] as string;
    if (!new RegExp(`\\b${name}\\b`).test(clean))
      fail(`the text never mentions ${role} "${name}". Leave it out, or read the name again.`);
    if (role === "input" && !scalars.includes(name) && isWritten(clean, name))
      fail(
        `inputs are read only, got an assignment to "${name}". An output with { initial } starts with a tensor's content.`,
      );
  });
  if (!whole) {
    const taken = names.find((name) => BODY_NAMES.includes(name));
    if (taken !== undefined)
      fail(`in a body ${BODY_NAMES.join(", ")} are the invocation's numbers, got a tensor named "${taken}".`);
    const threads = size ?? 64;
    const head = [...entryHead(threads), `  let index = group * ${threads}u + local;`];
    return {
      wgsl: [...head, wgsl, "}"].join("\n"),
      entry: "main",
      preamble: head.length,
      names,
      types,
      scalars,
      folds: true,
    };
  }
  if (size !== undefined) fail("workgroupSize is for a body without @compute; this text says @workgroup_size itself.");
  const entry = /@compute\b[^{]*?\bfn\s+(\w+)/.exec(clean)?.[1];
  if (entry === undefined)
    return fail("the text has @compute, but no entry point: @compute @workgroup_size(64) fn main(…) { … }.");
  return { wgsl, entry, preamble: 0, names, types, scalars, folds: clean.includes("num_workgroups") };
}
