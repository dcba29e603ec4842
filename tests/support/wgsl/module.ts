// A text of WGSL as a JavaScript function per invocation, with what it binds.

import { Call, CallExpr, Const, Function as FunctionNode, type Node, Var } from "wgsl_reflect/wgsl_reflect.module.js";
import { RUNTIME } from "./arithmetic.ts";
import { Code } from "./code.ts";
import { Expressions } from "./expressions.ts";
import type { Now, WatchedMemory } from "./memory.ts";
import { parse } from "./parser.ts";
import { unitsOf } from "./places.ts";
import { type Context, Scope, type SharedMemory, type Site, type WrittenFunction } from "./scope.ts";
import { BARRIERS, Statements } from "./statements.ts";
import { SOURCE_LANES } from "./subgroup-calls.ts";
import { describe, refuse, type Scalar, type Type, typeOf, type Value, widthOf } from "./types.ts";

/** What an invocation hands over when it waits. */
export interface Waiting {
  readonly site: number;
  readonly values: readonly unknown[];
  readonly argument: number;
}

/** Runs one invocation, until it waits where it does so. */
export type Invocation = Generator<Waiting, void, unknown>;

/** The built-in values of an invocation, by their WGSL names. */
export type Builtins = Readonly<Record<string, number | readonly number[]>>;

/** A member of the uniform block: a number at a byte offset. */
export interface UniformMember {
  readonly name: string;
  readonly scalar: Scalar;
  readonly offset: number;
}

export interface CompiledModule {
  readonly size: number;
  /** Whether the entry point waits anywhere. */
  readonly suspends: boolean;
  readonly sites: readonly Site[];
  readonly memories: readonly SharedMemory[];
  readonly atomics: ReadonlySet<string>;
  readonly uniform: { readonly binding: number; readonly members: readonly UniformMember[] } | null;
  /** The code of an invocation, over these memories (in order) and numbers. */
  readonly instantiate: (
    now: Now,
    memories: readonly WatchedMemory[],
    uniform: Readonly<Record<string, number>>,
  ) => (builtins: Builtins) => Invocation | undefined;
}

const known = new Map<string, CompiledModule>();

/** The module of a text, written once. */
export function compileModule(text: string): CompiledModule {
  let module = known.get(text);
  if (module === undefined) {
    module = write(text);
    known.set(text, module);
  }
  return module;
}

/** Whether functions wait for others: barriers, subgroup operations, and calls of what does. */
function suspending(functions: readonly FunctionNode[]): ReadonlySet<string> {
  const calls = new Map<string, Set<string>>();
  for (const one of functions) {
    const found = new Set<string>();
    visit(one.body, (node) => {
      if (node instanceof Call || node instanceof CallExpr) found.add(node.name);
    });
    calls.set(one.name, found);
  }
  const result = new Set<string>([...BARRIERS, ...Object.keys(SOURCE_LANES)]);
  for (let before = -1; before !== result.size; ) {
    before = result.size;
    for (const [name, found] of calls) if ([...found].some((call) => result.has(call))) result.add(name);
  }
  return result;
}

/** Calls `see` for everything below an object of the parser's. */
function visit(tree: unknown, see: (node: Node) => void): void {
  if (Array.isArray(tree)) for (const part of tree) visit(part, see);
  else if (tree !== null && typeof tree === "object" && "line" in tree) {
    see(tree as Node);
    for (const [key, part] of Object.entries(tree)) if (key !== "calls" && key !== "type") visit(part, see);
  }
}

function attributeOf(node: Var | FunctionNode["args"][number], name: string): string | null {
  const value = node.attributes?.find((attribute) => attribute.name === name)?.value;
  return value === undefined || value === null ? null : String(value);
}

/** A variable that invocations share; `add` gives each memory that it takes its JavaScript name. */
function sharedMemory(variable: Var, add: (make: (js: string) => SharedMemory) => SharedMemory): SharedMemory {
  const { line, storage, access } = variable;
  const space = storage === "workgroup" ? "workgroup" : "storage";
  const binding = Number(attributeOf(variable, "binding") ?? -1);
  const writable = space === "workgroup" || access === "read_write";
  const memoryOf = (name: string, type: Type): SharedMemory => {
    const { unit, within } = unitOf(type);
    if (unit.kind === "struct") {
      if (space === "storage") return refuse(line, `${describe(type)} in a buffer`);
      const members = unit.members.map((member) => memoryOf(`${name}.${member.name}`, within(member.type)));
      return { name, js: "", space, type, scalar: "u32", width: 0, stride: 0, binding, writable, members };
    }
    if (unit.kind === "array") return refuse(line, describe(type));
    const width = widthOf(unit);
    const stride = width === 3 ? 4 : width;
    const { scalar } = unit;
    return add((js) => ({ name, js, space, type, scalar, width, stride, binding, writable, members: [] }));
  };
  return memoryOf(variable.name, typeOf(variable.type, line));
}

/** What an array of arrays is made of in the end, and the same array of something else. */
function unitOf(type: Type): { readonly unit: Type; readonly within: (unit: Type) => Type } {
  if (type.kind !== "array") return { unit: type, within: (unit) => unit };
  const { unit, within } = unitOf(type.element);
  return { unit, within: (other) => ({ ...type, element: within(other) }) };
}

/** The uniform block: a struct of numbers, four bytes each. */
function uniformBlock(variable: Var): { value: Value; members: UniformMember[] } {
  const type = typeOf(variable.type, variable.line);
  if (type.kind !== "struct") return refuse(variable.line, `the uniform ${describe(type)}`);
  let offset = 0;
  const members = type.members.map((member): UniformMember => {
    if (member.type.kind !== "scalar") return refuse(variable.line, `the uniform ${describe(member.type)}`);
    const { scalar } = member.type;
    const bytes = scalar === "f16" ? 2 : 4;
    offset = Math.ceil(offset / bytes) * bytes;
    const found = { name: member.name, scalar, offset };
    offset += bytes;
    return found;
  });
  return { value: { type, parts: members.map(({ name }) => `uniform.${name}`) }, members };
}

function write(text: string): CompiledModule {
  const tree = parse(text);
  const functions = tree.filter((node): node is FunctionNode => node instanceof FunctionNode);
  const waits = suspending(functions);
  const names = { next: 0 };
  const globals = new Scope();
  const memories: SharedMemory[] = [];
  const privates: { value: Value; initial: Value }[] = [];
  const sites: Site[] = [];
  const written = new Map<string, WrittenFunction>();
  let uniform: CompiledModule["uniform"] = null;
  const head = new Code(names);
  const context: Context = { code: head, functions: written, sites };
  const constants = new Expressions(context);
  for (const node of tree) {
    if (node instanceof Var) {
      if (node.storage === "private") {
        const type = typeOf(node.type, node.line);
        const initial = node.value === null ? constants.zero(type) : constants.as(type, node.value, globals);
        const value = { type, parts: initial.parts.map((_, i) => `own.${node.name}_${i}`) };
        privates.push({ value, initial });
        globals.define(node.name, { kind: "local", value });
      } else if (node.storage === "uniform") {
        const { value, members } = uniformBlock(node);
        uniform = { binding: Number(attributeOf(node, "binding")), members };
        globals.define(node.name, { kind: "value", value });
      } else {
        const memory = sharedMemory(node, (make) => {
          const made = make(`M${memories.length}`);
          memories.push(made);
          return made;
        });
        globals.define(node.name, { kind: "memory", memory });
      }
    } else if (node instanceof Const) {
      globals.define(node.name, { kind: "value", value: constants.value(node.value, globals) });
    }
  }
  for (const { name, args, returnType, line } of functions) {
    const result = returnType === null ? null : typeOf(returnType, line);
    const parameters = args.map(({ type }) => typeOf(type, line));
    written.set(name, { js: `f_${name}`, parameters, result, suspends: waits.has(name) });
  }
  const bodies = functions.flatMap((one) => writeFunction(one, globals, { ...context, code: new Code(names) }));
  const entry = functions.find(({ attributes }) => attributes?.some(({ name }) => name === "compute"));
  if (entry === undefined) throw new Error("the text has no entry point");
  const initial = privates.flatMap(({ value, initial: start }) =>
    value.parts.map((part, i) => `${part.slice("own.".length)}: ${start.parts[i]}`),
  );
  const start = entry.args.flatMap((arg) => {
    const builtin = attributeOf(arg, "builtin") ?? refuse(arg.line, `the argument ${arg.name}`);
    const width = widthOf(typeOf(arg.type, arg.line));
    return width === 1 ? `builtins.${builtin}` : Array.from({ length: width }, (_, i) => `builtins.${builtin}[${i}]`);
  });
  const source = [
    '"use strict";',
    "const NONE = [];",
    ...head.lines,
    ...bodies,
    `return (builtins) => f_${entry.name}({ ${initial.join(", ")} }, ${start.join(", ")});`,
  ].join("\n");
  const make = new Function("R", "now", "uniform", ...memories.map(({ js }) => js), source);
  const size = String(entry.attributes?.find(({ name }) => name === "workgroup_size")?.value ?? "")
    .split(",")
    .reduce((product, n) => product * Number(n), 1);
  const atomic = (type: Type): boolean => (type.kind === "array" ? atomic(type.element) : type.kind === "atomic");
  return {
    size,
    suspends: waits.has(entry.name),
    sites,
    memories,
    atomics: new Set(memories.filter(({ type }) => atomic(type)).map(({ name }) => name)),
    uniform,
    instantiate: (now, watched, numbers) => make(RUNTIME, now, numbers, ...watched),
  };
}

/** A function's lines. */
function writeFunction(node: FunctionNode, globals: Scope, context: Context): string[] {
  const { code, functions } = context;
  const own = functions.get(node.name) as WrittenFunction;
  const scope = new Scope(globals);
  const parameters = node.args.flatMap(({ name }, i) => {
    const type = own.parameters[i] as Type;
    const parts = Array.from({ length: widthOf(type) }, () => code.fresh(name));
    scope.define(name, { kind: "value", value: { type, parts } });
    return parts;
  });
  const statements = new Statements(context, new Expressions(context), own.result);
  statements.block(node.body, scope);
  return [`function${own.suspends ? "*" : ""} ${own.js}(${["own", ...parameters].join(", ")}) {`, ...code.lines, "}"];
}

/** Numbers that a variable of a workgroup takes. */
export function workgroupNumbers(memory: SharedMemory): number {
  return unitsOf(memory.type) * memory.stride;
}
