// Where the same code is run for comparisons: Node on its own device, Node on SwiftShader, Chromium on SwiftShader.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { build } from "esbuild";
import { NODE_OPTIONS, ROOT } from "./bundle.mjs";
import { findChromium, launchChromium, serve } from "./chromium.mjs";

/** SwiftShader's driver file, which comes with Chromium; null where there is none. */
export function findSwiftShader() {
  const chromium = findChromium();
  const folders = ["/usr/lib/chromium", ...(chromium === null ? [] : [dirname(realpathSync(chromium))])];
  return folders.map((folder) => join(folder, "vk_swiftshader_icd.json")).find((file) => existsSync(file)) ?? null;
}

/** Bundles a program and runs it in Node with `input`; resolves with the JSON that it prints. `driver` chooses the device. */
export async function runInNode(file, input, driver = null) {
  const outfile = join(ROOT, "build/places", `${file.replaceAll(/[^\w]+/g, "-")}.mjs`);
  await build({ ...NODE_OPTIONS, outExtension: {}, entryPoints: [join(ROOT, file)], outfile });
  const env = { ...process.env };
  if (driver !== null) Object.assign(env, { VK_ICD_FILENAMES: driver, VK_DRIVER_FILES: driver });
  const child = spawn(process.execPath, ["--enable-source-maps", outfile], { env, stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  let complaints = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    complaints += text;
  });
  child.stdin.end(JSON.stringify(input));
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) throw new Error(`${file} ended with ${code}:\n${complaints}`);
  return JSON.parse(output.trim().split("\n").at(-1));
}

/** Bundles a script for pages and opens Chromium with it; `call(name, input)` calls a global function of the page. */
export async function openPlace(file) {
  const folder = join(ROOT, "build/places", basename(dirname(file)));
  mkdirSync(folder, { recursive: true });
  await build({
    absWorkingDir: ROOT,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    alias: { wgrad: join(ROOT, "src/index.ts") },
    entryPoints: [join(ROOT, file)],
    outfile: join(folder, "page.js"),
    logLevel: "warning",
  });
  const html =
    '<!doctype html><title>wgrad</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script>';
  writeFileSync(join(folder, "index.html"), html);
  const server = await serve({ "/": folder });
  const browser = await launchChromium();
  const page = await browser.newPage();
  return {
    version: browser.version(),
    page,
    origin: server.origin,
    open: () => page.goto(server.origin),
    call: (name, input) => page.evaluate(([fn, argument]) => globalThis[fn](argument), [name, input]),
    async close() {
      await browser.close();
      server.close();
    },
  };
}
