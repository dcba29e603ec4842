// The benchmark: wgrad beside TensorFlow.js and jax-js on the same device: npm run bench -- --help
import { fork } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { type EngineName, engineNames } from "./engines/engine.ts";
import { bundleTensorFlow } from "./engines/tensorflow.ts";
import { type JavaScriptTimes, javascriptTimes } from "./javascript.ts";
import { type KernelTimes, kernelTimes } from "./kernel-times.ts";
import { type Options, readOptions, UsageError, usage } from "./options.ts";
import { over, writePage } from "./page.ts";
import {
  ceilingsLine,
  digits,
  kernelTable,
  machine,
  measured,
  type RowReport,
  reportOf,
  rowTable,
  verdict,
} from "./report.ts";
import { type JavaScriptResult, type KernelResult, keepResults, readResults } from "./results.ts";
import { rows } from "./rows/index.ts";
import { measureScaling, type ScalingCurve } from "./scaling.ts";
import { runRow, withoutShaderCaches, workerMark } from "./team.ts";
import { work } from "./worker.ts";

const kernelsMark = "--kernel-times";
const javascriptMark = "--javascript-times";
const scalingMark = "--scaling-times";

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (options === null) {
    console.log(usage);
    return;
  }
  await prepareFolder(options.out);
  const { load, cores } = machine();
  if (options.sections.length > 0 && load > cores / 2) {
    console.log(`The machine is busy (load ${load.toFixed(1)} on ${cores} cores): only ratios mean something.`);
  }
  if (options.sections.includes("compare")) await compareEngines(options);
  if (options.sections.includes("kernels")) await showKernels(options);
  if (options.sections.includes("javascript")) await showJavaScript(options);
  if (options.sections.includes("scaling")) await showScaling(options);
  if (options.sections.length > 0) console.log(`results: ${options.out}`);
  if (options.write) console.log(`wrote ${writePage(readResults(options.out))}`);
}

async function compareEngines(options: Options): Promise<void> {
  const about = machine();
  if (options.engines.includes("tensorflow")) await bundleTensorFlow();
  const reports: RowReport[] = [];
  for (const row of options.rows) {
    const report = reportOf(await runRow(row, options.engines, options));
    reports.push(report);
    console.log(`\n${rowTable(report)}`);
  }
  const adapter =
    reports.map(({ engines }) => measured(engines.wgrad)?.adapter ?? null).find((a) => a !== null) ?? null;
  keepResults(options.out, { compare: { machine: about, adapter, rows: reports } });
  if (reports.length > 1) {
    console.log(`\n${reports.map((r) => `${r.title.padEnd(62)} ${verdict(r)}`).join("\n")}`);
  }
  const versions = Object.entries(about.versions).map(([name, version]) => `${name} ${version}`);
  console.log(`\nadapter ${adapter}; CPU ${about.cpu}, ${about.cores} cores; Node ${about.node}`);
  console.log(versions.join(", "));
  const wrong = reports.some(({ engines }) => (["wgrad", "wgrad-compiled"] as const).some((e) => problem(engines, e)));
  if (wrong) process.exitCode = 1;
}

function problem(engines: RowReport["engines"], engine: EngineName): boolean {
  const outcome = engines[engine];
  return outcome !== undefined && "problem" in outcome;
}

async function showKernels(options: Options): Promise<void> {
  const about = machine();
  const results: KernelResult[] = [];
  for (const row of options.rows) {
    console.log(`\n${row.title}`);
    let times: KernelTimes | null;
    try {
      times = await jobApart<KernelTimes | null>([kernelsMark, row.name, String(options.rounds)]);
    } catch (error) {
      console.log(`  ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
      continue;
    }
    if (times === null) {
      console.log("  the device has no timestamps");
      continue;
    }
    const { ceilings, workspaceBytes, liveBytes } = times;
    results.push({ name: row.name, title: row.title, ...times });
    console.log(kernelTable(times));
    console.log(`ceilings: ${ceilingsLine(ceilings)}`);
    const memory = [workspaceBytes, liveBytes].map((bytes) => digits(bytes / 1e6));
    console.log(
      `memory: ${memory[0]} MB for ${memory[1]} MB alive (${over(workspaceBytes, liveBytes)} over the bound)`,
    );
  }
  keepResults(options.out, { kernels: { machine: about, rows: results } });
}

async function showJavaScript(options: Options): Promise<void> {
  const about = machine();
  console.log("\nms of JavaScript per step, plain and compiled");
  const results: JavaScriptResult[] = [];
  for (const { name, title } of options.rows) {
    const times = await jobApart<JavaScriptTimes>([javascriptMark, name, "alone"]);
    console.log(`  ${title.padEnd(88)} ${digits(times.plain).padStart(7)} ${digits(times.compiled).padStart(7)}`);
    results.push({ name, title, ...times });
  }
  keepResults(options.out, { javascript: { machine: about, rows: results } });
}

async function showScaling(options: Options): Promise<void> {
  const about = machine();
  const curves = await jobApart<ScalingCurve[]>([scalingMark, "all", String(options.rounds)]);
  for (const { title, unit, points, base, slope, fit } of curves) {
    console.log(`\nms per step over ${title}`);
    for (const { size, ms, dispatches } of points) {
      console.log(`  ${String(size).padStart(5)} ${unit}  ${digits(ms).padStart(8)} ms  ${dispatches} dispatches`);
    }
    console.log(`  ≈ ${digits(base)} + ${digits(slope)} · ${unit}, R² ${fit.toFixed(3)}`);
  }
  keepResults(options.out, { scaling: { machine: about, curves } });
}

/** Runs a job in a new process. */
function jobApart<T>(args: readonly string[]): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(process.argv[1] as string, [...args], { env: { ...process.env, ...withoutShaderCaches } });
    let answer: { readonly value: T } | null = null;
    child.on("message", (message) => {
      answer = message as { readonly value: T };
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (answer !== null) resolve(answer.value);
      else reject(new Error(`the process ended without a result (${signal ?? `exit code ${code}`})`));
    });
  });
}

/** Does what the parent's arguments ask for; false in the parent itself. */
async function isChild([mark, name, value]: readonly string[]): Promise<boolean> {
  if (process.send === undefined || value === undefined) return false;
  const row = rows.find((candidate) => candidate.name === name);
  const engine = engineNames.find((candidate) => candidate === value);
  if (mark === workerMark && row !== undefined && engine !== undefined) await work(row, engine);
  else if (mark === kernelsMark && row !== undefined) process.send({ value: await kernelTimes(row, Number(value)) });
  else if (mark === javascriptMark && row !== undefined) process.send({ value: await javascriptTimes(row) });
  else if (mark === scalingMark) process.send({ value: await measureScaling(Number(value)) });
  else return false;
  if (process.connected) process.disconnect();
  return true;
}

/** Makes the folder for the results before anything is computed. */
async function prepareFolder(file: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--out: the folder of ${file} cannot be made: ${reason}`);
  }
}

try {
  const args = process.argv.slice(2);
  if (!(await isChild(args))) await main(args);
} catch (error) {
  console.error(error instanceof UsageError ? `bench: ${error.message} (--help shows the options)` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
