// The MNIST program from its command line: results, repeatability, and wrong options.
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadCheckpoint } from "../../src/node.ts";
import type { Tensor } from "../../src/tensor.ts";

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const run = (...args: string[]): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["scripts/run.mjs", "examples/mnist-mlp/main.ts", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });

const cli = suite("mnist-mlp", { folder: "" });
cli.before(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "wgrad-mnist-cli-"));
});
cli.after(async ({ folder }) => {
  await rm(folder, { recursive: true, force: true });
});

cli("trains, tells how it goes, and leaves its results; the same seed gives the same weights", async ({ folder }) => {
  const train = (out: string, seed: string): Promise<Outcome> =>
    run("--epochs", "2", "--limit", "1000", "--batch", "100", "--seed", seed, "--out", join(folder, out));
  const first = await train("a/b", "7");
  assert.is(first.code, 0, first.stderr);
  assert.match(first.stdout, /1000 training images, 1000 test images/);
  assert.match(
    first.stdout,
    /epoch 1\/2 {2}30% {2}loss \d\.\d+ {2}accuracy \d+\.\d% {2}[\d,]+ images\/s {2}\d+ s left/,
  );
  assert.match(first.stdout, /epoch 2\/2 {2}loss .* test accuracy \d+\.\d\d%/);
  assert.match(first.stdout, /true \\ predicted .* recall\n/);
  assert.match(first.stdout, /\nprecision .*%\n/);
  assert.not(first.stdout.includes("\u001b"), "no bar outside of a terminal");
  const accuracy = Number(/\ntest accuracy (\d+\.\d+)%/.exec(first.stdout)?.[1]);
  assert.ok(accuracy >= 60, `${accuracy}% after two epochs over 1000 images`);

  const out = join(folder, "a/b");
  assert.equal((await readdir(out)).sort(), ["history.json", "model.safetensors", "report.png"]);
  const png = await readFile(join(out, "report.png"));
  assert.equal([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  assert.is(png.readUInt32BE(16), 1200);
  const history = JSON.parse(await readFile(join(out, "history.json"), "utf8"));
  assert.equal([history.epochs, history.batch, history.seed, history.testing.length], [2, 100, 7, 2]);
  type Saved = { model: Record<string, Tensor>; run: { testAccuracy: number } };
  const checkpoint = await loadCheckpoint<Saved>(join(out, "model.safetensors"));
  assert.equal(Object.keys(checkpoint.model), [
    "fc1.weight",
    "fc1.bias",
    "fc2.weight",
    "fc2.bias",
    "fc3.weight",
    "fc3.bias",
  ]);
  assert.is((100 * checkpoint.run.testAccuracy).toFixed(2), accuracy.toFixed(2));

  const weights = ({ stdout }: Outcome): string | undefined => /weights (sha256:[0-9a-f]+)/.exec(stdout)?.[1];
  const second = await train("again", "7");
  assert.ok(weights(first) !== undefined);
  assert.is(weights(second), weights(first));
  assert.equal(await readFile(join(folder, "again/model.safetensors")), await readFile(join(out, "model.safetensors")));
  assert.is.not(weights(await train("other", "8")), weights(first));
});

cli("--help shows every option and trains nothing", async () => {
  const { code, stdout } = await run("--help");
  assert.is(code, 0);
  for (const option of ["--epochs", "--batch", "--lr", "--seed", "--out", "--data", "--limit"]) {
    assert.match(stdout, option);
  }
});

cli("a wrong option, value or file is one line and exit code 2", async ({ folder }) => {
  const file = join(folder, "file");
  await writeFile(file, "");
  const wrong: [string[], RegExp][] = [
    [["--epoch", "3"], /Unknown option '--epoch'/],
    [["more"], /Unexpected argument 'more'/],
    [["--epochs"], /'--epochs <value>' argument missing/],
    [["--epochs", "0"], /--epochs takes a whole number of at least 1, got "0"/],
    [["--epochs", "1e1"], /got "1e1"/],
    [["--batch", "12.5"], /--batch .* got "12.5"/],
    [["--lr", "fast"], /--lr takes a positive number, got "fast"/],
    [["--lr=-1"], /--lr .* got "-1"/],
    [["--seed", "x"], /--seed/],
    [["--out", ""], /--out takes the name of a folder/],
    [["--out", join(file, "x")], /--out: the folder .* cannot be made/],
    [["--data", join(folder, "nowhere"), "--out", join(folder, "o")], /no t.*-ubyte .*nowhere/],
  ];
  for (const [args, pattern] of wrong) {
    const { code, stdout, stderr } = await run(...args);
    assert.is(code, 2, `${args}: ${stderr}`);
    assert.match(stderr, pattern);
    assert.match(stderr, /^mnist-mlp: [^\n]*\n$/);
    assert.is(stdout, "");
  }
});

cli.run();
