// Programs and workers that end in the middle of their work: they end as they were told to, and the process lives on.

import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";

// In the repository, where packages are found.
const folder = mkdtempSync(resolve("build/ending-"));
const program = join(folder, "ending.mjs");

function run(how: string, ms: number): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [program, how, String(ms)], { encoding: "utf8", timeout: 120_000 });
}

const ending = suite("ending");
ending.after(() => rmSync(folder, { recursive: true, force: true }));

// A test, not a hook: uvu says nothing of what goes wrong in those.
ending("the program can be bundled", async () => {
  const { NODE_OPTIONS } = (await import(pathToFileURL(resolve("scripts/bundle.mjs")).href)) as {
    NODE_OPTIONS: BuildOptions;
  };
  const { outExtension: _, ...options } = NODE_OPTIONS;
  await build({ ...options, entryPoints: [resolve("tests/support/ending.ts")], outfile: program });
});

for (const ms of [15, 60]) {
  ending(`process.exit() ${ms} ms after the first step has begun`, () => {
    const { status, signal, stderr } = run("process", ms);
    assert.equal({ status, signal }, { status: 3, signal: null }, stderr);
  });
}

ending("an error that nobody catches, while shaders are being compiled", () => {
  const { status, signal, stderr } = run("error", 20);
  assert.equal({ status, signal }, { status: 1, signal: null }, stderr);
  assert.match(stderr, /Error: on purpose/);
});

for (const [how, expected] of [
  ["worker-process", "4\n"],
  ["worker-error", "on purpose\n2\n"],
  ["worker-message", "4\n"],
] as const) {
  ending(`${how}: the worker ends, the process goes on`, () => {
    const { status, signal, stdout, stderr } = run(how, 20);
    assert.equal({ status, signal, stdout }, { status: 0, signal: null, stdout: expected }, stderr);
  });
}

ending.run();
