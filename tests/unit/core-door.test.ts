// "wgrad/core" and the doors beside it work without the methods of Tensor, so that a page carries only the ops that it calls.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const doors = ["core", "amp", "nn/index", "optim/index", "data/index", "metrics/index", "io/index", "fit"];

test("modules behind these doors call ops as functions: mul(x, y), not x.mul(y)", () => {
  mkdirSync("build", { recursive: true });
  const folder = mkdtempSync(resolve("build/core-door-"));
  try {
    // Without src/methods.ts in the program, Tensor has no ops as methods, and using one is a type error.
    const config = {
      extends: resolve("tsconfig.json"),
      compilerOptions: { typeRoots: [resolve("node_modules/@types")] },
      include: [],
      files: doors.map((door) => resolve(`src/${door}.ts`)),
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = resolve("node_modules/typescript/bin/tsc");
    const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], { encoding: "utf8" });
    assert.is(stdout, "");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
