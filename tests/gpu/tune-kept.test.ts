// tune keeps what it found: the next call has it without measuring, and what is kept is no more than a hint.

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { init, tensor, tune } from "../../src/index.ts";

await init();
const folder = await mkdtemp(join(tmpdir(), "wgrad-tuning-"));
process.env.WGRAD_CACHE = folder;
test.after(() => rm(folder, { recursive: true }));

const x = tensor(Float32Array.from({ length: 4096 }, (_, i) => i / 4096));
const work = () => x.exp();

test("a second call has what the first one found", async () => {
  const first = await tune(work, { budgetMs: 60_000 });
  assert.is(first.kernels.length, 1);
  assert.ok((first.kernels[0]?.tried ?? 0) > 0, String(first));
  const second = await tune(work, { budgetMs: 60_000 });
  assert.is(second.kernels[0]?.tried, 0);
  assert.is(second.kernels[0]?.source, first.kernels[0]?.source === "measured" ? "kept" : "default");
  assert.equal(second.kernels[0]?.schedule, first.kernels[0]?.schedule);
  const third = await tune(work, { budgetMs: 60_000, keep: false });
  assert.ok((third.kernels[0]?.tried ?? 0) > 0);
});

test("a broken file counts as none", async () => {
  for (const name of await readdir(folder)) await writeFile(join(folder, name), "{ not json");
  const report = await tune(work, { budgetMs: 60_000 });
  assert.ok((report.kernels[0]?.tried ?? 0) > 0);
});

test.run();
