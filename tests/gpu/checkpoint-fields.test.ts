// A checkpoint with any wrong field is refused with a WgradError, and everything that it was to be loaded into stays as it was.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as amp from "../../src/amp.ts";
import { WgradError } from "../../src/base/errors.ts";
import { HostRandom } from "../../src/data/random.ts";
import { fromSafetensors, safetensorsMetadata, toCheckpoint, toSafetensors } from "../../src/io/index.ts";
import * as nn from "../../src/nn/index.ts";
import { type Loadable, loadCheckpoint } from "../../src/node.ts";
import * as optim from "../../src/optim/index.ts";
import { getRngState, manualSeed, randn } from "../../src/tensor.ts";
import { seal } from "../support/seal.ts";

const fields = suite("fields of checkpoints", { folder: "" });
fields.before(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "wgrad-fields-"));
});
fields.after(({ folder }) => rm(folder, { recursive: true, force: true }));

type Targets = Record<"model" | "optimizer" | "schedule" | "scaler", Loadable>;

/** Everything that a training has, after some steps. */
function trained(seed: number, steps: number): Targets {
  manualSeed(seed);
  const model = new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.Linear(4, 1));
  const optimizer = new optim.AdamW(model.parameters(), { lr: 0.01 });
  const schedule = new optim.lr.OneCycleLR(optimizer, 0.1, { totalSteps: 9 });
  const scaler = new amp.GradScaler({ initScale: 8 });
  for (let i = 0; i < steps; i++) {
    optimizer.zeroGrad();
    scaler
      .scale(
        model
          .forward(randn([4, 3]))
          .square()
          .mean(),
      )
      .backward();
    scaler.step(optimizer);
    scaler.update();
    schedule.step();
  }
  return { model, optimizer, schedule, scaler };
}

const wrongs: unknown[] = [
  "x",
  {},
  [],
  [0.9],
  -5,
  0.5,
  3,
  true,
  null,
  { $number: "NaN" },
  { $number: "1" },
  { $tensor: "none" },
];

fields("one of them, or a few, left out, added or wrong", async ({ folder }) => {
  const path = join(folder, "a.safetensors");
  const whole = await toCheckpoint({ ...trained(1, 3), rng: getRngState() });
  const metadata = safetensorsMetadata(whole);
  const tensors = fromSafetensors(whole);
  const names = Object.keys(tensors);
  const targets = trained(2, 2);
  const text = async (): Promise<string> => Buffer.from(await toCheckpoint(targets)).toString("latin1");
  const random = new HostRandom(7);
  const one = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  let before = await text();
  let refused = 0;
  for (let i = 0; i < 120; i++) {
    const content = JSON.parse(metadata.content ?? "") as Record<string, unknown>;
    const done: string[] = [];
    for (let changes = i % 10 === 0 ? 3 : 1; changes > 0; changes--) {
      // Some place in the tree: an object or a list, and a member of it.
      let parent = content;
      let key = one(Object.keys(targets));
      for (
        let below = parent[key];
        typeof below === "object" && below !== null && random.below(6) > 0;
        below = parent[key]
      ) {
        const keys = Object.keys(below);
        if (keys.length === 0) break;
        parent = below as Record<string, unknown>;
        key = one(keys);
      }
      const wrong = random.below(6) === 0 ? { $tensor: one(names) } : one(wrongs);
      if (random.below(5) === 0) delete parent[key];
      else parent[random.below(8) === 0 ? `${key}x` : key] = wrong;
      done.push(`${key} = ${JSON.stringify(wrong)}`);
    }
    await writeFile(
      path,
      seal(await toSafetensors(tensors, { metadata: { ...metadata, content: JSON.stringify(content) } })),
    );
    try {
      await loadCheckpoint(path, targets);
      before = await text();
    } catch (error) {
      refused++;
      assert.instance(error, WgradError, `${i}: ${done}: ${(error as Error).stack}`);
      assert.is(await text(), before, `${i}: ${done}`);
    }
  }
  assert.ok(refused > 60, `${refused}`);
  // And the right one is loaded.
  await writeFile(path, whole);
  await loadCheckpoint(path, targets);
  assert.is(
    Buffer.from(await toCheckpoint({ ...targets, rng: (await loadCheckpoint(path)).rng })).toString("latin1"),
    Buffer.from(whole).toString("latin1"),
  );
});

fields.run();
