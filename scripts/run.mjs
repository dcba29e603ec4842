// Bundles a TypeScript program into build/run and runs it: node scripts/run.mjs FILE [arguments…]

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { basename, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { NODE_OPTIONS, ROOT } from "./bundle.mjs";

/** Dawn says this of every Vulkan device with generous limits, whatever is asked of it; it means nothing to anybody. */
const NOISE = /^Warning: maxDynamic\w+PerPipelineLayout artificially reduced/;

const [file, ...args] = process.argv.slice(2);
if (file === undefined || !existsSync(resolve(ROOT, file))) {
  console.error(file === undefined ? "usage: node scripts/run.mjs FILE [arguments…]" : `run: there is no file ${file}`);
  process.exit(2);
}

// One folder per program, so that several may run at the same time.
const folder = join(ROOT, "build/run", file.replace(/\.ts$/, "").replaceAll(/[^\w-]+/g, "-"));
const outfile = join(folder, `${basename(file, ".ts")}.mjs`);
try {
  await build({ ...NODE_OPTIONS, outExtension: {}, entryPoints: [resolve(ROOT, file)], outfile });
} catch {
  process.exit(1); // esbuild has said why
}

const child = spawn(process.execPath, ["--enable-source-maps", outfile, ...args], {
  stdio: ["inherit", "inherit", "pipe"],
});
createInterface({ input: child.stderr }).on("line", (line) => {
  if (!NOISE.test(line)) process.stderr.write(`${line}\n`);
});
// A terminal sends Ctrl-C to both; the program decides what follows. Other signals reach this process alone.
process.on("SIGINT", () => undefined);
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("close", (code, signal) => {
  process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
});
