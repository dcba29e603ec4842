// Measured schedules are kept in a file of the user's cache folder, whole or not at all.

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import manifest from "../../package.json" with { type: "json" };
import { readTuning, writeTuning } from "../../src/inspect/tuning-store-node.ts";
import { VERSION } from "../../src/version.ts";

test("what is kept comes back, under names that a file system takes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wgrad-tuning-"));
  const before = process.env.WGRAD_CACHE;
  process.env.WGRAD_CACHE = join(folder, "deep");
  try {
    const key = "tuning-1.0-llvmpipe: Mesa 25.0 (LLVM) / ü";
    assert.is(await readTuning(key), undefined);
    assert.is(await writeTuning(key, "[1]"), true);
    assert.is(await writeTuning(key, "[2]"), true);
    assert.is(await readTuning(key), "[2]");
    assert.equal((await readdir(join(folder, "deep"))).length, 1);
    // A folder that cannot be made is no reason to fail.
    await writeFile(join(folder, "file"), "");
    process.env.WGRAD_CACHE = join(folder, "file");
    assert.is(await writeTuning(key, "[3]"), false);
    assert.is(await readTuning(key), undefined);
  } finally {
    if (before === undefined) delete process.env.WGRAD_CACHE;
    else process.env.WGRAD_CACHE = before;
    await rm(folder, { recursive: true });
  }
});

test("the engine's version is the package's", () => {
  assert.is(VERSION, manifest.version);
});

test.run();
