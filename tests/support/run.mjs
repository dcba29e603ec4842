// Checks types, style and build, then runs the test files in Node and those with a GPU in Chromium, too:
// node tests/support/run.mjs [--chromium] [part of a file's name …]. With names given it runs those files only, in Node or,
// with --chromium, in Chromium. Ends with the line "N passed, N failed" and exit code 1 if anything failed.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { NODE_OPTIONS, ROOT } from "../../scripts/bundle.mjs";
import { findChromium, launchChromium } from "../../scripts/chromium.mjs";
import { bundleForPages, isForPages, needsNode, openPages } from "./pages.mjs";

const TESTS = join(ROOT, "tests");
/** A folder of this run's own: another run may be on its way. */
const BUILD = join(ROOT, "build/tests", String(process.pid));
/** A device's shader compiler uses the cores as well: more files at once are not faster. */
const AT_ONCE = 2;
const SECONDS_PER_FILE = Number(process.env.WGRAD_TEST_SECONDS ?? 900);
/** Files with hundreds of kernels that run once: a software driver's optimizing costs a quarter of their time and gains nothing. */
const MANY_KERNELS = /^(gpu\/(ops-|golden-ops|opdb)|programs\/)/;
const SHOWN_LINES = 150;
/** What uvu colours its words with. */
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g");
/** A line of a stack trace that isn't about this repository's files. */
const FOREIGN_FRAME = /^\s+at .*(?:node_modules\/|\(node:|at node:|async Timeout\.exec)/;

const filters = process.argv.slice(2).filter((word) => word !== "--chromium");
const chromiumOnly = process.argv.includes("--chromium");
const files = testFiles().filter((file) => filters.length === 0 || filters.some((part) => file.includes(part)));
if (files.length === 0) {
  console.error(
    filters.length > 0 ? `tests: no file's name has ${filters.join(" or ")} in it` : "tests: there are none",
  );
  process.exit(1);
}

/** By where tests ran. */
const counts = { Node: emptyCounts(), Chromium: emptyCounts() };
let place = "Node";
let chromium = null;
const started = performance.now();
const running = new Set();
process.once("exit", () => rmSync(BUILD, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    for (const child of running) kill(child);
    chromium?.close().catch(() => undefined);
    process.exit(signal === "SIGINT" ? 130 : 143);
  });
}

const node = process.execPath;
if (filters.length === 0 && !chromiumOnly) {
  await Promise.all([
    check("types", [node, "node_modules/typescript/bin/tsc", "--noEmit", "--pretty", "false"]),
    check("lint", [
      node,
      "node_modules/@biomejs/biome/bin/biome",
      "check",
      "--reporter=concise",
      "--diagnostic-level=warn",
      ".",
    ]),
  ]);
}
if (!chromiumOnly) {
  if (filters.length === 0 || files.some((file) => /^(pack|browser)\//.test(file))) {
    await check("build", [node, "scripts/build.mjs"]);
  }
  await runAll(await bundle(files), runFile);
}
if (chromiumOnly || filters.length === 0) await runInChromium(files.filter(isForPages));

console.log(`\n${((performance.now() - started) / 1000).toFixed(1)} s`);
const total = emptyCounts();
for (const [name, part] of Object.entries(counts)) {
  if (part.passed + part.failed + part.skipped === 0) continue;
  console.log(`${name}: ${sentence(part)}`);
  for (const key of Object.keys(total)) total[key] += part[key];
}
console.log(sentence(total));
process.exitCode = total.failed > 0 ? 1 : 0;

function emptyCounts() {
  return { passed: 0, failed: 0, skipped: 0 };
}

function sentence({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

async function runAll(list, run) {
  const queue = [...list];
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await run(file);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** The same files in Chromium. Where there is none they are skipped, one by one, and counted. */
async function runInChromium(names) {
  place = "Chromium";
  const start = performance.now();
  const skip = (file, why) => report(shortName(file), { ...emptyCounts(), skipped: 1 }, performance.now(), why);
  const path = findChromium();
  if (path === null) {
    for (const file of names) skip(file, "no Chromium on this machine");
    return;
  }
  const wanted = names.filter((file) => needsNode(file) === undefined);
  if (wanted.length === 0) {
    report("files", { ...emptyCounts(), failed: 1 }, start, "no test file to run in Chromium");
    return;
  }
  for (const file of names) if (!wanted.includes(file)) skip(file, `needs Node: ${needsNode(file)}`);
  const folder = join(BUILD, "chromium");
  let browser = null;
  const problems = await bundleForPages(wanted, folder);
  for (const [file, problem] of problems) report(shortName(file), { ...emptyCounts(), failed: 1 }, start, problem);
  try {
    // Tests of who frees what may call the garbage collector.
    browser = await launchChromium({ flags: ["--js-flags=--expose-gc"] });
    chromium = await openPages(browser, folder);
  } catch (error) {
    report(
      "start",
      { ...emptyCounts(), failed: 1 },
      start,
      `Chromium (${path}) could not be started: ${error.message}`,
    );
    return;
  }
  try {
    console.log(`Chromium ${browser.version()}`);
    await runAll(
      wanted.filter((file) => !problems.has(file)),
      async (file) => {
        const begun = performance.now();
        const ran = await chromium.run(file.replace(/\.ts$/, ".mjs"), SECONDS_PER_FILE);
        judge(file, { ...ran, output: ran.output.replaceAll(COLOURS, ""), code: null }, begun);
      },
    );
  } finally {
    await chromium.close();
  }
}

function shortName(file) {
  return file.replace(/\.test\.ts$/, "");
}

/** Test files relative to tests/, those that need no GPU first. */
function testFiles() {
  const names = readdirSync(TESTS, { recursive: true }).map((name) => name.replaceAll("\\", "/"));
  const rank = (name) => (name.startsWith("unit/") ? 0 : 1);
  const order = (a, b) => rank(a) - rank(b) || (a < b ? -1 : 1);
  return names.filter((name) => name.endsWith(".test.ts")).sort(order);
}

/** Bundles the files; returns those that could be. */
async function bundle(names) {
  const options = { ...NODE_OPTIONS, outbase: TESTS, outdir: BUILD, logLevel: "silent" };
  const entries = (list) => list.map((name) => join(TESTS, name));
  try {
    // Not in shared chunks: esbuild may then run methods.ts before the class whose methods it installs.
    await build({ ...options, entryPoints: entries(names) });
    return [...names];
  } catch {
    // One at a time, so that a mistake fails only the files that it is in.
  }
  const bundled = [];
  for (const name of names) {
    const start = performance.now();
    try {
      await build({ ...options, entryPoints: entries([name]) });
      bundled.push(name);
    } catch (error) {
      report(shortName(name), { passed: 0, failed: 1, skipped: 0 }, start, error.message);
    }
  }
  return bundled;
}

/** A check counts as one test. */
async function check(name, command) {
  const start = performance.now();
  const { code, output, problem } = await execute(command);
  const failed = code === 0 && problem === null ? 0 : 1;
  report(name, { passed: 1 - failed, failed, skipped: 0 }, start, failed > 0 ? `${output}${problem ?? ""}` : "");
}

async function runFile(file) {
  const start = performance.now();
  const path = join(BUILD, file.replace(/\.ts$/, ".mjs"));
  // Tests of who frees what may call the garbage collector.
  const variables = MANY_KERNELS.test(file) ? { GALLIVM_PERF: "nopt" } : {};
  judge(file, await execute([node, "--enable-source-maps", "--expose-gc", path], variables), start);
}

/** Counts a file's tests by what it printed; `code` is the exit code, null where there is no process. */
function judge(file, { code, output, problem }, start) {
  const result = readCounts(output);
  const problems = [];
  const forgotten = suitesNotRun(readFileSync(join(TESTS, file), "utf8"));
  if (forgotten.length > 0) problems.push(`${forgotten.join(", ")}: .run() is never called, so its tests don't run`);
  if (problem !== null) problems.push(problem);
  else if (result === null) problems.push(`the process ended (exit code ${code}) before its tests were finished`);
  else if (result.passed + result.failed + result.skipped === 0) problems.push("no test ran");
  else if (code !== null && code !== 0 && result.failed === 0)
    problems.push(`all tests passed, but the exit code is ${code}`);
  const { passed, failed, skipped } = result ?? emptyCounts();
  // Whatever is wrong with a file as a whole is one failure, unless tests of it have failed already.
  const all = { passed, failed: failed > 0 ? failed : Math.min(problems.length, 1), skipped };
  const details = [output, ...problems.map((line) => `  ${line}`)].join("\n");
  report(shortName(file), all, start, all.failed > 0 ? details : "");
}

/** What uvu prints last; null where it didn't get there. */
function readCounts(output) {
  const numbers = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n {2}Duration:/m;
  const match = [...output.matchAll(new RegExp(numbers, "gm"))].at(-1);
  if (match === undefined) return null;
  const [total, passed, skipped] = match.slice(1).map(Number);
  return { passed, failed: total - passed, skipped };
}

/** Suites of a file whose tests would be left out in silence: uvu runs only those whose run() is called. */
function suitesNotRun(source) {
  const suites = [...source.matchAll(/^(?:const|let) (\w+) = suite\b/gm)].map((match) => match[1]);
  if (/^import \{[^}]*\btest\b[^}]*\} from "uvu"/m.test(source)) suites.push("test");
  return suites.filter((name) => !new RegExp(`^\\s*${name}\\.run\\(`, "m").test(source));
}

/** Runs a command to its end, or to the time limit; output is stdout and stderr together. */
function execute([command, ...words], variables = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, words, {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", ...variables },
      // A group of its own, so that what it starts can be ended with it.
      detached: process.platform !== "win32",
    });
    running.add(child);
    let output = "";
    let problem = null;
    const collect = (text) => {
      output += text;
    };
    child.stdout.setEncoding("utf8").on("data", collect);
    child.stderr.setEncoding("utf8").on("data", collect);
    const timer = setTimeout(() => {
      problem = `not finished after ${SECONDS_PER_FILE} s`;
      kill(child);
    }, SECONDS_PER_FILE * 1000);
    child.on("error", (error) => {
      problem = error.message;
    });
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      running.delete(child);
      if (problem === null && signal !== null) problem = `ended by ${signal}`;
      resolve({ code: status ?? 1, output, problem });
    });
  });
}

function kill(child) {
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended in the meantime.
  }
}

function report(name, { passed, failed, skipped }, start, details) {
  counts[place].passed += passed;
  counts[place].failed += failed;
  counts[place].skipped += skipped;
  const parts = [];
  if (passed > 0 || skipped === 0) parts.push(`${passed} passed`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (skipped > 0) parts.push(`${skipped} skipped`);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const sign = failed > 0 ? "✗" : passed > 0 ? "✓" : "–";
  const title = place === "Node" ? name : `${place.toLowerCase()} ${name}`;
  const why = failed === 0 && details !== "" ? `  ${details}` : "";
  console.log(`${sign} ${title.padEnd(40)} ${parts.join(", ").padEnd(12)} ${seconds.padStart(7)} s${why}`);
  if (failed === 0) return;
  const lines = details
    .trimEnd()
    .split("\n")
    .filter((line) => !FOREIGN_FRAME.test(line));
  if (lines.length > SHOWN_LINES) console.log(`  … ${lines.length - SHOWN_LINES} lines left out`);
  console.log(
    lines
      .slice(-SHOWN_LINES)
      .map((line) => `  ${relativePaths(line)}`)
      .join("\n"),
  );
}

function relativePaths(line) {
  return line.replaceAll(`${pathToFileURL(ROOT)}/`, "").replaceAll(`${ROOT}/`, "");
}
