// Checkpoint files: whole or not at all, checked by a digest, loaded all or nothing.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WgradError } from "../../src/base/errors.ts";
import { HostRandom } from "../../src/data/random.ts";
import { encodeCheckpoint } from "../../src/io/checkpoint.ts";
import { fromCheckpoint, fromSafetensors, safetensorsMetadata, toSafetensors } from "../../src/io/index.ts";
import { type Loadable, loadCheckpoint, loadSafetensors, saveCheckpoint, saveSafetensors } from "../../src/node.ts";
import { Tensor, tensor } from "../../src/tensor.ts";
import { rejection } from "../support/failure.ts";
import { seal } from "../support/seal.ts";

const files = suite("checkpoints", { folder: "", path: "" });
files.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "wgrad-checkpoint-"));
  context.path = join(context.folder, "a.safetensors");
});
files.after.each(async ({ folder }) => {
  await rm(folder, { recursive: true, force: true });
});

/** A stand-in for a model: one value that loads all or nothing. */
class Holder implements Loadable {
  value: Tensor;
  readonly size: number;

  constructor(values: number[]) {
    this.value = tensor(values);
    this.size = values.length;
  }

  stateDict(): { value: Tensor } {
    return { value: this.value };
  }

  loadStateDict(state: { value: Tensor }): void {
    if (state.value.numel !== this.size)
      throw new WgradError(`Holder: sizes differ, ${this.size} and ${state.value.numel}.`);
    this.value = state.value;
  }
}

files("everything comes back as it was saved", async ({ path }) => {
  const shared = tensor([5]);
  await saveCheckpoint(path, {
    model: new Holder([1, 2]),
    optimizer: {
      state: { 0: { step: 3, exp_avg: tensor([[0.5]]) } },
      param_groups: [{ lr: 1e-3, betas: [0.9, 0.999] }],
    },
    epoch: 4,
    best: Number.POSITIVE_INFINITY,
    odd: [Number.NaN, -0, 0.1, null, true, "text"],
    nested: { "a.b": shared, a: { b: shared }, $price: 3, $tensor: "no tensor" },
    gone: undefined,
  });
  const back = await loadCheckpoint<Record<string, never>>(path);
  assert.equal(Object.keys(back), ["model", "optimizer", "epoch", "best", "odd", "nested"]);
  const { model, optimizer, epoch, best, odd, nested } = back as unknown as {
    model: { value: Tensor };
    optimizer: { state: Record<string, { step: number; exp_avg: Tensor }>; param_groups: unknown };
    epoch: number;
    best: number;
    odd: unknown[];
    nested: { "a.b": Tensor; a: { b: Tensor }; $price: number; $tensor: string };
  };
  assert.equal(await model.value.tolist(), [1, 2]);
  assert.equal(await optimizer.state["0"]?.exp_avg.tolist(), [[0.5]]);
  assert.equal([optimizer.state["0"]?.step, optimizer.param_groups], [3, [{ lr: 1e-3, betas: [0.9, 0.999] }]]);
  assert.equal([epoch, best, nested.$price, nested.$tensor], [4, Number.POSITIVE_INFINITY, 3, "no tensor"]);
  assert.ok(Number.isNaN(odd[0]) && Object.is(odd[1], -0));
  assert.equal(odd.slice(2), [0.1, null, true, "text"]);
  assert.equal([await nested["a.b"].item(), await nested.a.b.item()], [5, 5]);
});

files("long logs and long strings come back", async ({ path }) => {
  const log = Array.from({ length: 1e6 }, (_, i) => i / 7);
  await saveCheckpoint(path, { log });
  assert.ok((await loadCheckpoint<{ log: number[] }>(path)).log.every((value, i) => value === i / 7));
  const text = 'a "quote", a \\ and {a brace}: '.repeat(700_000);
  await saveCheckpoint(path, { text, after: 1 });
  const back = await loadCheckpoint<{ text: string; after: number }>(path);
  assert.ok(back.text === text && back.after === 1);
  const tooLong = saveCheckpoint(path, { text: "x".repeat(1e8) });
  assert.match(await rejection(tooLong), /saveCheckpoint: .* take 1000\d+ bytes, the format allows 100000000/);
});

files("nesting is saved up to a depth at which all engines can read it", async ({ path }) => {
  const nested = (levels: number): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { value };
    return value;
  };
  await saveCheckpoint(path, { deep: nested(499) });
  assert.equal(await loadCheckpoint(path), { deep: nested(499) });
  for (const levels of [500, 100_000]) {
    const deep = nested(levels);
    assert.match(await rejection(saveCheckpoint(path, { deep })), /"deep" cannot be saved.* more than 500 levels deep/);
  }
});

files("a file whose content is nested without end is refused", async ({ path }) => {
  const before = await encodeCheckpoint("test", { a: [1] });
  const content = `{"a":${"[".repeat(1e5)}${"]".repeat(1e5)}}`;
  const metadata = { ...safetensorsMetadata(before), sha256: "0".repeat(64), content };
  const bytes = await toSafetensors({}, { metadata });
  const digest = createHash("sha256").update(bytes).digest("hex");
  await writeFile(path, Buffer.from(Buffer.from(bytes).toString("latin1").replace("0".repeat(64), digest), "latin1"));
  assert.match(await rejection(loadCheckpoint(path)), /loadCheckpoint\(.*\): the content is nested more than 500/);
});

files("what is no object is refused when saving", async ({ path }) => {
  for (const content of [null, 3, "text", tensor([1])]) {
    assert.match(await rejection(saveCheckpoint(path, content as never)), /saveCheckpoint: the content must be an obj/);
  }
});

files("it is a safetensors file that other tools read", async ({ path }) => {
  await saveCheckpoint(path, { model: new Holder([1, 2]), note: "x" });
  const bytes = await readFile(path);
  assert.equal(Object.keys(fromSafetensors(bytes)), ["model.value"]);
  const { format, version, sha256 } = safetensorsMetadata(bytes);
  assert.equal([format, version], ["wgrad-checkpoint", "1"]);
  assert.match(sha256 ?? "", /^[0-9a-f]{64}$/);
  await saveCheckpoint(`${path}2`, { model: new Holder([1, 2]), note: "x" });
  assert.equal(await readFile(`${path}2`), bytes);
});

files("folders are made, an old file is replaced, nothing else is left behind", async ({ folder }) => {
  const path = join(folder, "runs/1/last.safetensors");
  await saveCheckpoint(path, { epoch: 1 });
  await saveCheckpoint(path, { epoch: 2 });
  assert.is((await loadCheckpoint<{ epoch: number }>(path)).epoch, 2);
  assert.equal(await readdir(join(folder, "runs/1")), ["last.safetensors"]);
});

files("a save that fails leaves the old file alone", async ({ folder, path }) => {
  await saveCheckpoint(path, { epoch: 1 });
  assert.match(await rejection(saveCheckpoint(path, { when: new Date() })), /"when" cannot be saved: it is a Date/);
  assert.match(await rejection(saveCheckpoint(path, { f: { g: () => 1 } })), /"f.g" cannot be saved: it is a function/);
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  assert.match(await rejection(saveCheckpoint(path, { loop })), /"loop.self" contains itself/);
  assert.is((await loadCheckpoint<{ epoch: number }>(path)).epoch, 1);
  // A folder in the way of the final rename.
  await saveCheckpoint(join(folder, "taken/inside"), {});
  assert.match(
    await rejection(saveCheckpoint(join(folder, "taken"), { epoch: 1 }), Error),
    /EISDIR|ENOTEMPTY|EEXIST|EPERM/,
  );
  assert.equal((await readdir(folder)).sort(), ["a.safetensors", "taken"]);
  assert.ok((await stat(join(folder, "taken"))).isDirectory());
});

files("a link stays a link, and a file keeps its permissions", async ({ folder, path }) => {
  if (process.platform === "win32") return;
  const real = join(folder, "runs/real.safetensors");
  await mkdir(join(folder, "runs"));
  // A link that leads to nothing yet, through another one in another folder.
  await symlink("../a.safetensors", join(folder, "runs/back"));
  await symlink("runs/real.safetensors", path);
  const through = join(folder, "runs/back");
  await saveCheckpoint(through, { epoch: 1 });
  await chmod(real, 0o640);
  for (const epoch of [2, 3]) {
    await saveCheckpoint(epoch === 2 ? path : through, { epoch });
    for (const name of [path, real, through]) assert.equal(await loadCheckpoint(name), { epoch });
  }
  assert.is((await stat(real)).mode & 0o777, 0o640);
  assert.ok((await lstat(path)).isSymbolicLink() && (await lstat(through)).isSymbolicLink());
  assert.equal((await readdir(folder)).sort(), ["a.safetensors", "runs"]);
  assert.equal((await readdir(join(folder, "runs"))).sort(), ["back", "real.safetensors"]);
  await symlink("loop", join(folder, "loop"));
  assert.match(await rejection(saveCheckpoint(join(folder, "loop"), { epoch: 1 }), Error), /ELOOP/);
});

files(
  "what killed saves have left goes with the next save, what others are writing stays",
  async ({ folder, path }) => {
    const saving = saveCheckpoint(path, { text: "x".repeat(1e7) });
    let temporary: string | undefined;
    while (temporary === undefined) temporary = (await readdir(folder)).find((name) => name.endsWith(".tmp"));
    await saving;
    assert.equal(await readdir(folder), ["a.safetensors"]);
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const own = `-${process.pid}-`;
    assert.ok(temporary.includes(own), temporary);
    const ended = temporary.replace(own, `-${pid}-`);
    const before = temporary.replace(/.{4}\.tmp$/, "beef.tmp");
    const running = temporary.replace(own, `-${process.ppid}-`);
    const elsewhere = ended.replace(/\.[0-9a-f]{8}-/, ".00000000-");
    const old = elsewhere.replace(/.{4}\.tmp$/, "dead.tmp");
    const other = ended.replace("a.safetensors", "b.safetensors");
    for (const name of [ended, before, running, elsewhere, old, other, "a.safetensors.tmp"])
      await writeFile(join(folder, name), "half");
    // By a process that had the same number, and by a machine that has not written for two days.
    for (const name of [before, old]) await utimes(join(folder, name), new Date(), Date.now() / 1000 - 2 * 86_400);
    await utimes(join(folder, before), new Date(), Date.now() / 1000 - process.uptime() - 60);
    await saveCheckpoint(path, { epoch: 1 });
    assert.equal(
      (await readdir(folder)).sort(),
      ["a.safetensors", "a.safetensors.tmp", running, elsewhere, other].sort(),
    );
    assert.equal(await loadCheckpoint(path), { epoch: 1 });
  },
);

files("every changed byte is found", async ({ path }) => {
  await saveCheckpoint(path, { model: new Holder([1, 2, 3]), epoch: 7 });
  const whole = await readFile(path);
  for (let at = 0; at < whole.length; at++) {
    const changed = Uint8Array.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await writeFile(path, changed);
    assert.match(await rejection(loadCheckpoint(path)), /loadCheckpoint\(.*\): /, `byte ${at}`);
  }
  await writeFile(path, whole.subarray(0, whole.length - 1));
  assert.match(await rejection(loadCheckpoint(path)), /no whole checkpoint.*cut short/);
  const data = Uint8Array.from(whole);
  data[data.length - 1] = 1;
  await writeFile(path, data);
  assert.match(await rejection(loadCheckpoint(path)), /damaged: its SHA-256 digest differs/);
});

/** What fromCheckpoint says of bytes; null where it reads them. */
async function problem(bytes: Uint8Array): Promise<Error | null> {
  const before = Uint8Array.from(bytes);
  const error = await fromCheckpoint(bytes).then(
    () => null,
    (error: unknown) => error as Error,
  );
  assert.equal(Uint8Array.from(bytes), before, "the bytes that are read stay as they are");
  return error;
}

files("wrong bytes with the right digest are refused with a WgradError, whatever they are", async () => {
  const whole = await encodeCheckpoint("test", {
    model: { weight: tensor([1, 2, 3]), "0.bias": tensor([true]), half: tensor([0.5], { dtype: "f16" }) },
    odd: [Number.NaN, -0, null, { $a: "text \\" }],
    epoch: 7,
  });
  assert.is(await problem(whole), null);
  assert.is(await problem(seal(whole)), null);
  // Node's Buffers share what they are cut from.
  assert.is(await problem(Buffer.from(whole)), null);
  let refused = 0;
  const random = new HostRandom(1);
  for (let i = 0; i < 3000; i++) {
    const changed = Uint8Array.from(whole);
    for (let changes = 1 + random.below(3); changes > 0; changes--) {
      const signs = '0123456789-[]{}",:.eE\\$nul ';
      changed[random.below(changed.length)] =
        random.below(2) === 0 ? signs.charCodeAt(random.below(signs.length)) : random.below(256);
    }
    const error = await problem(seal(changed));
    if (error === null) continue;
    refused++;
    assert.instance(error, WgradError, `${i}: ${error.stack}`);
    assert.match(error.message, /^fromCheckpoint: /);
  }
  assert.ok(refused > 1000, `${refused}`);
});

files("wrong content with the right digest is refused with a WgradError", async ({ path }) => {
  const whole = await encodeCheckpoint("test", { a: tensor([1]), b: [1] });
  const metadata = safetensorsMetadata(whole);
  const contents = [
    "",
    "{",
    "nothing",
    "null",
    "3",
    "[1]",
    '"text"',
    '{"$tensor":"a"}',
    '{"a":{"$tensor":"c"}}',
    '{"a":{"$tensor":{"toString":1}}}',
    '{"a":{"$tensor":["a"]}}',
    '{"a":{"$number":"one"}}',
    '{"a":{"$number":{"valueOf":1,"toString":1}}}',
    '{"a":{"$number":[]}}',
    '{"$number":"NaN"}',
  ];
  for (const content of contents) {
    const bytes = seal(await toSafetensors({ a: tensor([1]) }, { metadata: { ...metadata, content } }));
    await writeFile(path, bytes);
    assert.match(await rejection(loadCheckpoint(path)), /^loadCheckpoint\(.*\): the (content|tensor) /, content);
  }
  const { content: _, ...without } = metadata;
  assert.match(
    (await problem(seal(await toSafetensors({}, { metadata: without }))))?.message ?? "",
    /content is no object/,
  );
  // A digest that is none, at the very end.
  for (const sha256 of ["", "abc", "0".repeat(63)]) {
    const error = await problem(await toSafetensors({}, { metadata: { ...metadata, sha256 } }));
    assert.instance(error, WgradError);
  }
  assert.match(await rejection(encodeCheckpoint("test", [1])), /the content must be an object/);
});

files("other files are named for what they are", async ({ folder, path }) => {
  assert.match(await rejection(loadCheckpoint(join(folder, "none"))), /no such file/);
  await writeFile(path, "# a text");
  assert.match(await rejection(loadCheckpoint(path)), /no whole checkpoint/);
  await saveSafetensors(path, { x: tensor([1]) });
  assert.match(await rejection(loadCheckpoint(path)), /a safetensors file but no checkpoint/);
  assert.equal(await (await loadSafetensors(path)).x?.tolist(), [1]);
  await writeFile(path, await toSafetensors({}, { metadata: { format: "wgrad-checkpoint", version: "2" } }));
  assert.match(await rejection(loadCheckpoint(path)), /version 2; this release reads version 1/);
});

files("loading into targets is all or nothing", async ({ path }) => {
  await saveCheckpoint(path, { model: new Holder([1, 2]), second: new Holder([3]), epoch: 1 });
  const model = new Holder([0, 0]);
  const second = new Holder([0]);
  await loadCheckpoint(path, { model, second });
  assert.equal([await model.value.tolist(), await second.value.tolist()], [[1, 2], [3]]);

  const untouched = new Holder([8, 9]);
  const other = new Holder([0, 0, 0]);
  assert.match(
    await rejection(loadCheckpoint(path, { model: untouched, second: other })),
    /loadCheckpoint\(.*\): "second" does not fit: Holder: sizes differ, 3 and 1/,
  );
  assert.equal(
    [await untouched.value.tolist(), await other.value.tolist()],
    [
      [8, 9],
      [0, 0, 0],
    ],
  );
  assert.match(
    await rejection(loadCheckpoint(path, { ema: model })),
    /holds no "ema", only "model", "second", "epoch"/,
  );
  assert.instance(model.value, Tensor);
  assert.match(
    await rejection(loadCheckpoint(path, { model, rng: {} as never }), TypeError),
    /loadCheckpoint\(.*\): what takes its state has a loadStateDict\(\), got an object as "rng"/,
  );
});

files.run();
