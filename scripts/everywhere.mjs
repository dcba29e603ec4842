// Runs the device tests on other WebGPUs than Node's and Chromium's: npm run everywhere -- [deno] [bun] [firefox] [--write] [part of a file's name …]
// Deno brings wgpu, Bun runs Node's build with Dawn, Firefox brings wgpu in a browser. --write puts the results into docs/support.md.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build } from "esbuild";
import { bundleForPages, isForPages, needsNode, openPages } from "../tests/support/pages.mjs";
import { NODE_OPTIONS, ROOT } from "./bundle.mjs";

const FOLDER = join(ROOT, "build/everywhere");
/** What the runtimes are: fetched when they are asked for, as none of them is needed to build or to test. */
const PACKAGES = { deno: "deno@2.9.6", bun: "bun@1.4.5", firefox: "puppeteer-core@24.43.1" };
const SECONDS_PER_FILE = 1800;
/** Without these, Firefox has no WebGPU in workers, or none on a software driver. */
const FIREFOX_PREFERENCES = {
  "dom.webgpu.enabled": true,
  "dom.webgpu.workers.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
};

const words = process.argv.slice(2);
const known = Object.keys(PACKAGES);
const runtimes = known.filter((name) => words.includes(name));
if (runtimes.length === 0) runtimes.push(...known);
const parts = words.filter((word) => !known.includes(word) && !word.startsWith("--"));
const files = readdirSync(join(ROOT, "tests"), { recursive: true })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".test.ts") && isForPages(name) && needsNode(name) === undefined)
  .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
  .sort();
if (files.length === 0) fail(`no device test has ${parts.join(" or ")} in its name`);

const results = [];
for (const runtime of runtimes) {
  install(PACKAGES[runtime]);
  results.push(runtime === "firefox" ? await runInFirefox() : await runOutside(runtime));
}
if (words.includes("--write")) writePage(results);
process.exitCode = results.some(({ failed }) => failed.length > 0) ? 1 : 0;

function fail(message) {
  console.error(`everywhere: ${message}`);
  process.exit(2);
}

function install(name) {
  mkdirSync(FOLDER, { recursive: true });
  const manifest = join(FOLDER, "package.json");
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "private": true }\n');
  const [bare, version] = name.split("@");
  const at = join(FOLDER, "node_modules", bare, "package.json");
  if (existsSync(at) && JSON.parse(readFileSync(at, "utf8")).version === version) return;
  const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", name], {
    cwd: FOLDER,
    stdio: "inherit",
  });
  if (status !== 0) fail(`${name} could not be installed`);
}

/** Runs the files, and a program that says what runs them, in a runtime without pages. */
async function runOutside(runtime) {
  const bundles = join(FOLDER, runtime);
  rmSync(bundles, { recursive: true, force: true });
  const tests = join(ROOT, "tests");
  const entryPoints = [...files, "support/adapter.ts"].map((name) => join(tests, name));
  await build({ ...NODE_OPTIONS, entryPoints, outbase: tests, outdir: bundles, logLevel: "silent" });
  const program = join(FOLDER, "node_modules/.bin", runtime);
  const flags = { deno: ["run", "-A", "--no-check", "--v8-flags=--expose-gc"], bun: ["run", "--expose-gc"] };
  const run = (file) => execute(program, [...flags[runtime], join(bundles, file.replace(/\.ts$/, ".mjs"))]);
  const version = spawnSync(program, ["--version"], { encoding: "utf8" }).stdout.split("\n")[0].trim();
  const { output } = await run("support/adapter.ts");
  const name = runtime === "deno" ? version.replace(/ \(.*/, "") : `bun ${version}`;
  return await runFiles(name, adapterIn(output), run);
}

function adapterIn(output) {
  return plain(output).match(/^adapter: (.*)$/m)?.[1] ?? "unknown";
}

/** What uvu has written, without its colours. */
function plain(output) {
  return output.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g"), "");
}

function execute(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), 1000 * SECONDS_PER_FILE);
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ output, problem: code === 0 || code === 1 ? null : `ended with code ${code}` });
    });
  });
}

async function runInFirefox() {
  const path = ["firefox-esr", "firefox"].map(findProgram).find((found) => found !== null);
  if (path === undefined) fail("there is no Firefox on this machine. On Debian: apt-get install firefox-esr");
  const { default: puppeteer } = createRequire(join(FOLDER, "package.json"))("puppeteer-core");
  const bundles = join(FOLDER, "firefox");
  rmSync(bundles, { recursive: true, force: true });
  const problems = await bundleForPages([...files, "support/adapter.ts"], bundles);
  for (const [file, problem] of problems) fail(`${file}: ${problem}`);
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: path,
    headless: true,
    extraPrefsFirefox: FIREFOX_PREFERENCES,
    protocolTimeout: 1000 * SECONDS_PER_FILE,
  });
  const pages = await openPages(browser, bundles);
  const run = (file) => pages.run(file.replace(/\.ts$/, ".mjs"), SECONDS_PER_FILE);
  try {
    const { output } = await run("support/adapter.ts");
    return await runFiles((await browser.version()).replace("/", " "), adapterIn(output), run);
  } finally {
    await pages.close();
  }
}

function findProgram(name) {
  const { status, stdout } = spawnSync("which", [name], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

/** Runs all files one after the other; prints a line for each. */
async function runFiles(name, adapter, run) {
  console.log(`${name}: ${adapter}`);
  const result = { name, adapter, passed: 0, skipped: 0, failed: [] };
  for (const file of files) {
    const { output, problem } = await run(file);
    const text = plain(output);
    const counts = text.match(/Total: +(\d+)\n +Passed: +(\d+)\n +Skipped: +(\d+)/);
    const [total, passed, skipped] = counts === null ? [1, 0, 0] : counts.slice(1).map(Number);
    result.passed += passed;
    result.skipped += skipped;
    const names = [...text.matchAll(/FAIL +(?:\S+ +)?"(.*)"/g)].map((match) => match[1]);
    const broken = problem !== null || counts === null ? [problem ?? "ended before its tests were finished"] : [];
    for (const what of [...names, ...broken]) result.failed.push(`${file.replace(".test.ts", "")}: ${what}`);
    console.log(`  ${broken.length + names.length === 0 ? "✓" : "✗"} ${file}: ${passed} of ${total - skipped} passed`);
    for (const what of [...names, ...broken]) console.log(`      ${what}`);
  }
  console.log(`${name}: ${result.passed} passed, ${result.failed.length} failed, ${result.skipped} skipped`);
  return result;
}

function writePage(found) {
  const rows = found.map(
    ({ name, adapter, passed, failed, skipped }) =>
      `| ${name} | ${adapter} | ${passed} | ${failed.length} | ${skipped} |`,
  );
  const details = found
    .filter(({ failed }) => failed.length > 0)
    .map(({ name, failed }) => `\n## What fails in ${name}\n\n${failed.map((line) => `* ${line}`).join("\n")}\n`);
  const head = `# Where wgrad runs

The tests run in Node and in Chromium before every change (\`npm test\`). The same device tests run elsewhere by \`npm run everywhere -- --write\`, which wrote this page.
Skipped tests need something that the device or the runtime does not have, such as f16; they say so by name.

| runtime | WebGPU and adapter | passed | failed | skipped |
|---|---|---|---|---|
`;
  writeFileSync(join(ROOT, "docs/support.md"), `${head}${rows.join("\n")}\n${details.join("")}`);
  console.log("written: docs/support.md");
}
