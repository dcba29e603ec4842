// Imports point one way: no cycles, and each room of src/ knows only the rooms below it (docs/architecture.md).

import { readdirSync, readFileSync } from "node:fs";
import { posix, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

/** A module's path inside src/, and the text of it. */
type Sources = ReadonlyMap<string, string>;

interface Imports {
  /** Modules of src/ that are imported, by any platform. */
  readonly inner: readonly string[];
  /** Packages and built-in modules. */
  readonly outer: readonly string[];
}

/** What a specifier such as "#gpu" stands for: module paths inside src/, by platform. */
type Aliases = Readonly<Record<string, { readonly node: string; readonly default: string }>>;

const publicApi = ["nn", "optim", "data", "metrics", "io", "fit"];

/** For each room what it may import, itself aside: rooms, and single modules of others. Root modules that aren't named are the façade, which may use all of these. */
const below: Readonly<Record<string, readonly string[]>> = {
  base: [],
  graph: ["base"],
  shaders: ["base", "graph"],
  runtime: ["base"],
  ops: ["base", "graph", "shaders/hand-written"],
  autograd: ["base", "graph", "ops"],
  schedule: ["base", "graph", "ops", "shaders", "runtime/executable"],
  engine: ["base", "graph", "ops", "autograd", "shaders", "schedule", "runtime"],
  generated: ["base", "graph", "ops", "engine"],
  inspect: ["base", "graph", "ops", "autograd", "shaders", "schedule", "runtime", "engine", "version"],
};
const belowPublicApi = ["tensor", "ops/check", "base/table", "base/errors", "base/dtype", "engine/compile"];
const doors = ["index", "core", "node"];

/** What a module's text imports; at run time alone: type imports vanish then. */
function specifiersOf(text: string, types: boolean): string[] {
  const code = text.replaceAll(/^[ \t]*\/\*[\s\S]*?\*\//gm, "").replaceAll(/^[ \t]*\/\/.*$/gm, "");
  const runTime = [
    /^(?:import|export)\b(?!\s+type\b(?!\s*(?:,|from\b)))[^;"'`]*?\bfrom\s*"([^"]+)"/gm,
    /^import\s*"([^"]+)"/gm,
    // import("./x.ts").Name, with a capital letter, is a type.
    /\bimport\(\s*"([^"]+)"\s*,?\s*\)(?!\s*\.\s*[A-Z])/g,
  ];
  const all = [/^(?:import|export)\b[^;"'`]*?\bfrom\s*"([^"]+)"/gm, /^import\s*"([^"]+)"/gm, /\bimport\(\s*"([^"]+)"/g];
  return (types ? all : runTime).flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ""));
}

function importsOf(sources: Sources, aliases: Aliases, types: boolean): Map<string, Imports> {
  const graph = new Map<string, Imports>();
  for (const [module, text] of sources) {
    const inner = new Set<string>();
    const outer = new Set<string>();
    for (const specifier of specifiersOf(text, types)) {
      const alias = aliases[specifier];
      if (alias !== undefined) inner.add(alias.node).add(alias.default);
      else if (specifier.startsWith(".")) inner.add(posix.join(posix.dirname(module), specifier));
      else outer.add(specifier);
    }
    graph.set(module, { inner: [...inner], outer: [...outer] });
  }
  return graph;
}

function roomOf(module: string): string {
  const slash = module.indexOf("/");
  return slash >= 0 ? module.slice(0, slash) : module.replace(/\.ts$/, "");
}

/** Why a module may not import another; null where it may. */
function objection(from: string, to: string): string | null {
  const [room, target] = [roomOf(from), roomOf(to)];
  if (doors.includes(target))
    return doors.includes(room) && target === "index" ? null : "nothing inside imports the doors";
  if (room === target && from.includes("/") && to.includes("/")) return null;
  if (doors.includes(room)) return null;
  const allowed = below[room];
  if (allowed !== undefined) {
    const known = allowed.includes(target) || allowed.includes(to.replace(/\.ts$/, ""));
    return known ? null : `${room}/ may use only ${allowed.join(", ")}`;
  }
  if (publicApi.includes(room)) {
    const reach = [...belowPublicApi, ...publicApi];
    return reach.includes(target) || reach.includes(to.replace(/\.ts$/, ""))
      ? null
      : `${room}/ is written with the public API alone`;
  }
  return publicApi.includes(target) ? "the façade doesn't know what is built on it" : null;
}

/** A path of imports that comes back to where it began; null where there is none. */
function findCycle(graph: ReadonlyMap<string, Imports>): string[] | null {
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (module: string): string[] | null => {
    const start = path.indexOf(module);
    if (start >= 0) return [...path.slice(start), module];
    if (finished.has(module)) return null;
    path.push(module);
    for (const next of graph.get(module)?.inner ?? []) {
      const cycle = visit(next);
      if (cycle !== null) return cycle;
    }
    path.pop();
    finished.add(module);
    return null;
  };
  for (const module of graph.keys()) {
    const cycle = visit(module);
    if (cycle !== null) return cycle;
  }
  return null;
}

/** What a page would load from outside: packages and Node's modules in what src/index.ts reaches without Node's aliases. */
function outsideOfPage(graph: ReadonlyMap<string, Imports>, aliases: Aliases): string[] {
  const forNode = new Set(Object.values(aliases).map((alias) => alias.node));
  const seen = new Set<string>();
  const queue = ["index.ts"];
  const found: string[] = [];
  for (let module = queue.pop(); module !== undefined; module = queue.pop()) {
    if (seen.has(module) || forNode.has(module)) continue;
    seen.add(module);
    const imports = graph.get(module);
    for (const name of imports?.outer ?? []) found.push(`${module} → ${name}: pages load it, too`);
    queue.push(...(imports?.inner ?? []));
  }
  return found;
}

function problemsOf(sources: Sources, aliases: Aliases = {}): string[] {
  const graph = importsOf(sources, aliases, true);
  const problems: string[] = [];
  for (const [from, { inner }] of graph) {
    for (const to of inner) {
      const why = sources.has(to) ? objection(from, to) : "there is no such module";
      if (why !== null) problems.push(`${from} → ${to}: ${why}`);
    }
  }
  const cycle = findCycle(graph);
  if (cycle !== null) problems.push(`cycle: ${cycle.join(" → ")}`);
  return [...problems, ...outsideOfPage(importsOf(sources, aliases, false), aliases)];
}

/** Problems of made-up modules, given by name and text. */
function problemsOfModules(modules: Record<string, string>, aliases: Aliases = {}): string {
  return problemsOf(new Map(Object.entries(modules)), aliases).join("\n");
}

function readSources(folder: string): Sources {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => name.replaceAll("\\", "/"));
  const modules = names.filter((name) => name.endsWith(".ts")).sort();
  return new Map(modules.map((name) => [name, readFileSync(resolve(folder, name), "utf8")]));
}

function readAliases(manifest: string): Aliases {
  const { imports } = JSON.parse(readFileSync(manifest, "utf8")) as { imports: Record<string, Record<string, string>> };
  const inSrc = (path: string | undefined) => (path ?? "").replace(/^\.\/src\//, "");
  const entries = Object.entries(imports);
  return Object.fromEntries(entries.map(([k, v]) => [k, { node: inSrc(v.node), default: inSrc(v.default) }]));
}

test("src/ has no import cycle and keeps to its rooms", () => {
  const sources = readSources("src");
  assert.ok(sources.size > 20, `only ${sources.size} modules found: not the right folder`);
  assert.equal(problemsOf(sources, readAliases("package.json")), []);
});

test("every room of src/ has its rule", () => {
  const folders = readdirSync("src", { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const unknown = folders.map((entry) => entry.name).filter((name) => !(name in below) && !publicApi.includes(name));
  assert.equal(unknown, []);
});

test("imports are found in every way of writing them", () => {
  const text = `
import { a } from "./a.ts";
import {
  b,
  type B,
} from "./b.ts";
import * as c from "./c.ts";
import d from "./d.ts";
import "./e.ts";
export { f } from "./f.ts";
export * from "./g.ts";
export * as h from "./h.ts";
const i = await import("./i.ts");
import type from "./j.ts";
`;
  for (const types of [true, false]) {
    const names = specifiersOf(text, types).map((specifier) => specifier.slice(2, 3));
    assert.equal(names.sort().join(""), "abcdefghij");
  }
});

test("types are no imports at run time, comments and strings never", () => {
  const text = `
import type { A } from "./a.ts";
import type * as B from "./b.ts";
export type { C } from "./c.ts";
export type * from "./d.ts";
type E = import("./e.ts").E;
// import { f } from "./f.ts";
/* import { g } from "./g.ts"; */
/**
 * import { h } from "./h.ts";
 */
export const text = 'import { i } from "./i.ts"';
`;
  assert.equal(specifiersOf(text, false), []);
  assert.equal(specifiersOf(text, true), ["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts"]);
});

test("a cycle is reported with its path", () => {
  const two = { "ops/a.ts": `import { b } from "./b.ts";`, "ops/b.ts": `import { a } from "./a.ts";` };
  assert.is(problemsOfModules(two), "cycle: ops/a.ts → ops/b.ts → ops/a.ts");
  const three = {
    "nn/a.ts": `import { b } from "./b.ts";`,
    "nn/b.ts": `import { c } from "../optim/c.ts";`,
    "optim/c.ts": `export * from "../nn/a.ts";`,
  };
  assert.is(problemsOfModules(three), "cycle: nn/a.ts → nn/b.ts → optim/c.ts → nn/a.ts");
  assert.match(problemsOfModules({ "ops/a.ts": `import { a } from "./a.ts";` }), "cycle: ops/a.ts → ops/a.ts");
  const alias = { "#gpu": { node: "runtime/dawn.ts", default: "runtime/navigator.ts" } };
  const through = {
    "runtime/device.ts": `import { open } from "#gpu";`,
    "runtime/dawn.ts": "",
    "runtime/navigator.ts": `import { device } from "./device.ts";`,
  };
  assert.match(
    problemsOfModules(through, alias),
    "cycle: runtime/device.ts → runtime/navigator.ts → runtime/device.ts",
  );
});

test("a cycle through types is one", () => {
  const modules = { "ops/a.ts": `import type { B } from "./b.ts";`, "ops/b.ts": `import { a } from "./a.ts";` };
  assert.is(problemsOfModules(modules), "cycle: ops/a.ts → ops/b.ts → ops/a.ts");
});

test("a room that reaches where it may not is reported", () => {
  const wrong: readonly (readonly [from: string, to: string])[] = [
    ["nn/linear.ts", "graph/node.ts"],
    ["nn/linear.ts", "ops/product.ts"],
    ["optim/adam.ts", "runtime/device.ts"],
    ["data/loader.ts", "engine/engine.ts"],
    ["metrics/accuracy.ts", "ops/reduce.ts"],
    ["io/safetensors.ts", "base/shape.ts"],
    ["nn/linear.ts", "index.ts"],
    ["tensor.ts", "index.ts"],
    ["io/checkpoint.ts", "node.ts"],
    ["index.ts", "node.ts"],
    ["runtime/device.ts", "ops/product.ts"],
    ["runtime/device.ts", "graph/node.ts"],
    ["runtime/device.ts", "schedule/plan.ts"],
    ["runtime/device.ts", "autograd/backward.ts"],
    ["runtime/device.ts", "shaders/writer.ts"],
    ["runtime/device.ts", "tensor.ts"],
    ["graph/node.ts", "ops/product.ts"],
    ["ops/product.ts", "autograd/backward.ts"],
    ["ops/product.ts", "schedule/plan.ts"],
    ["ops/product.ts", "shaders/writer.ts"],
    ["shaders/writer.ts", "schedule/plan.ts"],
    ["shaders/writer.ts", "ops/product.ts"],
    ["autograd/backward.ts", "schedule/plan.ts"],
    ["schedule/plan.ts", "runtime/device.ts"],
    ["schedule/plan.ts", "tensor.ts"],
    ["base/errors.ts", "graph/node.ts"],
    ["tensor.ts", "nn/linear.ts"],
    ["engine/compile.ts", "optim/adam.ts"],
  ];
  for (const [from, to] of wrong) {
    const specifier = posix.relative(posix.dirname(from), to);
    const text = `import { x } from "${specifier.startsWith(".") ? specifier : `./${specifier}`}";`;
    assert.match(problemsOfModules({ [from]: text, [to]: "" }), `${from} → ${to}: `);
  }
});

test("what the rooms may import is not reported", () => {
  const right = {
    "index.ts": `export * from "./tensor.ts"; export * as nn from "./nn/linear.ts"; export * from "./fit.ts";`,
    "node.ts": `import { Tensor } from "./index.ts"; import { readFileSync } from "node:fs";`,
    "ops/sort-kernels.ts": `import { defineKernel } from "../shaders/hand-written.ts";`,
    "shaders/hand-written.ts": "",
    "tensor.ts": `import { a } from "./ops/product.ts";\nimport { b } from "./schedule/plan.ts";\nimport { c } from "./runtime/device.ts";`,
    "fit.ts": `import { Linear } from "./nn/linear.ts";`,
    "nn/linear.ts": `import { Tensor } from "../tensor.ts";\nimport { ShapeError } from "../base/errors.ts";\nimport { d } from "../data/idx.ts";`,
    "data/idx.ts": "",
    "ops/product.ts": `import { node } from "../graph/node.ts";`,
    "graph/node.ts": `import { ShapeError } from "../base/errors.ts";`,
    "schedule/plan.ts": `import { node } from "../graph/node.ts";\nimport { write } from "../shaders/writer.ts";`,
    "shaders/writer.ts": `import { shape } from "../base/shape.ts";\nimport { node } from "../graph/node.ts";`,
    "runtime/device.ts": `import { ShapeError } from "../base/errors.ts";`,
    "base/errors.ts": "",
    "base/shape.ts": "",
  };
  assert.is(problemsOfModules(right), "");
});

test("a package that a page would have to load is reported, one of Node's side is not", () => {
  const alias = { "#gpu": { node: "runtime/dawn.ts", default: "runtime/navigator.ts" } };
  const modules = {
    "index.ts": `export * from "./runtime/device.ts";`,
    "runtime/device.ts": `import { open } from "#gpu";`,
    "runtime/dawn.ts": `const dawn = await import("webgpu");`,
    "runtime/navigator.ts": `import { cpus } from "node:os";`,
  };
  assert.is(problemsOfModules(modules, alias), "runtime/navigator.ts → node:os: pages load it, too");
});

test("a module that isn't there is reported", () => {
  assert.is(
    problemsOfModules({ "ops/a.ts": `import { b } from "./b.ts";` }),
    "ops/a.ts → ops/b.ts: there is no such module",
  );
});

test.run();
