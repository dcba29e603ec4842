// The package as a user has it: packed, installed in an empty folder, run from JavaScript, type-checked from TypeScript.

import { execFileSync, type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hover } from "../support/hover.ts";

const folder = mkdtempSync(join(tmpdir(), "wgrad-pack-"));
const project = join(folder, "project");

/** npm, quiet and without the settings that the npm which runs these tests hands down. */
function npm(words: readonly string[], cwd: string): string {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle)_/.test(name)),
  );
  const options = { cwd, env, encoding: "utf8", shell: process.platform === "win32" } as const;
  return execFileSync("npm", [...words, "--loglevel=error"], options);
}

/** Runs a script of the project; one that doesn't end by itself fails. */
function run(script: string, text: string): SpawnSyncReturns<string> {
  writeFileSync(join(project, script), text);
  return spawnSync(process.execPath, [script], { cwd: project, encoding: "utf8", timeout: 60_000 });
}

/** Runs a script that prints JSON in its last line. */
function runForJson(script: string, text: string): unknown {
  const { status, signal, stdout, stderr } = run(script, text);
  assert.is(signal, null, `${script} didn't end by itself: ${stderr}`);
  assert.is(status, 0, stderr);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

// A test, not a hook: uvu says nothing of what goes wrong in those.
test("it can be packed, and installed in an empty folder", () => {
  assert.ok(existsSync("dist/node/index.js"), "dist/ is missing: run npm run build");
  npm(["pack", "--ignore-scripts", "--pack-destination", folder], resolve("."));
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }\n');
  npm(["install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, tarball)], project);
});

test.after(() => rmSync(folder, { recursive: true, force: true }));

test("the package holds what users need and nothing else", () => {
  const installed = join(project, "node_modules/wgrad");
  const top = readdirSync(installed).sort();
  const expected = ["LICENSE", "README.md", "dist", "package.json"];
  assert.equal(
    top.filter((name) => !expected.includes(name)),
    [],
  );
  for (const name of ["LICENSE", "dist", "package.json"]) assert.ok(top.includes(name), `${name} is missing`);
});

for (const file of ["wgrad.js", "wgrad.min.js"]) {
  test(`the map of dist/${file} leads to the sources`, () => {
    const dist = join(project, "node_modules/wgrad/dist");
    const lines = readFileSync(join(dist, file), "utf8").split("\n");
    const map = JSON.parse(readFileSync(join(dist, `${file}.map`), "utf8"));
    const sources = new SourceMap(map);
    for (const text of ["no WebGPU adapter was found", "inner sizes differ", "the list of parameters is empty"]) {
      const line = lines.findIndex((one) => one.includes(text));
      assert.ok(line >= 0, `${file} lacks "${text}"`);
      const entry = sources.findEntry(line, lines[line]?.indexOf(text) ?? 0);
      if (!("originalSource" in entry)) throw new Error(`"${text}" leads nowhere`);
      const source = map.sourcesContent[map.sources.indexOf(entry.originalSource)].split("\n");
      // A template begins up to a few lines above the words.
      const around = source.slice(entry.originalLine, entry.originalLine + 4).join("\n");
      assert.ok(around.includes(text), `"${text}" leads to line ${entry.originalLine + 1} of ${entry.originalSource}`);
    }
  });
}

const training = `
import { manualSeed, nn, optim, tensor } from "wgrad";

manualSeed(1);
const x = tensor([[-1], [0], [1], [2]]);
const y = x.mul(2);
const model = new nn.Linear(1, 1);
const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
let loss;
for (let i = 0; i < 100; i++) {
  optimizer.zeroGrad();
  loss = model.forward(x).sub(y).square().mean();
  loss.backward();
  optimizer.step();
}
const prediction = await model.forward(tensor([[10]])).item();
`;

test("a script trains y = 2x and ends by itself", () => {
  const text = `${training}
console.log(JSON.stringify({ loss: await loss.item(), prediction }));
`;
  const { loss, prediction } = runForJson("train.mjs", text) as { loss: number; prediction: number };
  assert.ok(loss <= 1e-4, `loss ${loss}`);
  assert.ok(Math.abs(prediction - 20) <= 0.2, `prediction ${prediction}`);
});

test('"wgrad" and "wgrad/node" share their classes', () => {
  const text = `${training}
import { loadCheckpoint, saveCheckpoint } from "wgrad/node";

await saveCheckpoint("last.safetensors", { model, optimizer });
const loaded = await loadCheckpoint("last.safetensors");
const copy = new nn.Linear(1, 1);
copy.loadStateDict(loaded.model);
const again = await copy.forward(tensor([[10]])).item();
console.log(JSON.stringify([prediction, again]));
`;
  const [prediction, again] = runForJson("checkpoint.mjs", text) as [number, number];
  assert.ok(Number.isFinite(prediction), `prediction ${prediction}`);
  assert.is(again, prediction);
});

test("a mistake throws the package's own error class", () => {
  const text = `
import { ones, ShapeError } from "wgrad";
try {
  ones([2, 3]).matmul(ones([2, 3]));
} catch (error) {
  console.log(JSON.stringify([error instanceof ShapeError, error.name]));
}
`;
  assert.equal(runForJson("mistake.mjs", text), [true, "ShapeError"]);
});

test("what constants come to is computed by the device, where there is nothing to fold them with", () => {
  const text = `
import { full, tensor, zeros } from "wgrad";
const found = [tensor([5, 0, -5]).div(0), zeros([1]).rsqrt(), full([1], 3e38).mul(10), full([1], -1).sqrt(), full([1], 1e30).square()];
console.log(JSON.stringify(await Promise.all(found.map(async (x) => [...await x.data()].map(String)))));
`;
  assert.equal(runForJson("constants.mjs", text), [
    ["Infinity", "NaN", "-Infinity"],
    ["Infinity"],
    ["Infinity"],
    ["NaN"],
    ["Infinity"],
  ]);
});

test("every door opens in Node, and they share their classes", () => {
  const text = `
import * as wgrad from "wgrad";
import { Tensor } from "wgrad/core";
import { Linear } from "wgrad/nn";
import { Adam } from "wgrad/optim";
import { DataLoader } from "wgrad/data";
import { accuracy } from "wgrad/metrics";
import { toSafetensors } from "wgrad/io";
const { nn, optim, data, metrics, io } = wgrad;
const pairs = [[Tensor, wgrad.Tensor], [Linear, nn.Linear], [Adam, optim.Adam], [DataLoader, data.DataLoader],
  [accuracy, metrics.accuracy], [toSafetensors, io.toSafetensors]];
console.log(JSON.stringify(pairs.map(([a, b]) => a === b && a !== undefined)));
`;
  assert.equal(runForJson("doors.mjs", text), Array(6).fill(true));
});

const typed = `
import { type Tensor, nn, optim, ShapeError, tensor, type DType } from "wgrad";
import * as wg from "wgrad";
import { saveCheckpoint } from "wgrad/node";

const x: Tensor = tensor([[1, 2], [3, 4]], { requiresGrad: true });
const shape: readonly number[] = x.shape;
const dtype: DType = x.dtype;
const model: nn.Module = new nn.Sequential(new nn.Linear(2, 1));
const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
const loss: Tensor = wg.mseLoss(new nn.Linear(2, 1).forward(x), wg.zeros([2, 1]));
loss.backward();
optimizer.step();
const value: number = await loss.item();
await saveCheckpoint("x", { model, optimizer });
export { dtype, ShapeError, shape, value };

// @ts-expect-error: there is no such op
x.frobnicate();
// @ts-expect-error: a shape is an array
x.reshape("2");
// @ts-expect-error: there is no such export
wg.frobnicate();
`;

/** The compiler's complaints about the typed script under one way of resolving modules. */
function typeErrors(name: string, options: Record<string, unknown>): string {
  const config = { compilerOptions: { strict: true, noEmit: true, target: "ES2022", ...options }, files: ["typed.ts"] };
  writeFileSync(join(project, "typed.ts"), typed);
  writeFileSync(join(project, name), JSON.stringify(config));
  const tsc = resolve("node_modules/typescript/bin/tsc");
  return spawnSync(process.execPath, [tsc, "-p", name], { cwd: project, encoding: "utf8" }).stdout;
}

test("TypeScript accepts it with module resolution nodenext", () => {
  assert.is(typeErrors("nodenext.json", { module: "nodenext", moduleResolution: "nodenext", types: [] }), "");
});

test("TypeScript accepts it with module resolution bundler", () => {
  assert.is(typeErrors("bundler.json", { module: "esnext", moduleResolution: "bundler", types: [] }), "");
});

test("an editor shows docstrings of functions, of Tensor's methods and of constructors", async () => {
  const text = `import { nn, optim, randn, tensor } from "wgrad";
const x = tensor([[1]]);
const layer = new nn.Linear(1, 1);
export const all = [x.softmax(1), x.data(), x.median(), x.shape, randn([2]), new nn.ReLU(), new optim.AdamW(layer.parameters())];
`;
  writeFileSync(join(project, "hover.ts"), text);
  const options = { module: "nodenext", strict: true, noEmit: true, target: "ES2022", types: [] };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["hover.ts"] }));
  const expected = {
    "x.softmax": "Σ eˣ",
    "x.data": "row-major",
    "x.median": "Median",
    "x.shape": "size of each dim",
    " randn": "normal random",
    "nn.Linear": "inFeatures",
    "nn.ReLU": "max(0, x)",
    "optim.AdamW": "weight decay",
  };
  const shown = await hover(project, join(project, "hover.ts"), Object.keys(expected));
  Object.entries(expected).forEach(([place, words], i) => {
    assert.ok(shown[i]?.replace(/```[\s\S]*?```/, "").includes(words), `${place} shows: ${shown[i]}`);
  });
});

test("TypeScript accepts it without the types of pages", () => {
  const options = { module: "nodenext", lib: ["ES2022"], types: [], skipLibCheck: true };
  assert.is(typeErrors("no-dom.json", options), "");
});

test.run();
