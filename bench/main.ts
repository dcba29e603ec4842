// The benchmark: wgrad beside TensorFlow.js and jax-js on the same device: npm run bench -- --help
import { fork } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type EngineName, engineNames } from "./engines/engine.ts";
import { bundleTensorFlow } from "./engines/tensorflow.ts";
import { type KernelTimes, kernelTimes } from "./kernel-times.ts";
import { type Options, readOptions, UsageError, usage } from "./options.ts";
import { ceilingsLine, kernelTable, machine, measured, type RowReport, reportOf, rowTable, verdict } from "./report.ts";
import { rows } from "./rows/index.ts";
import type { Row } from "./rows/row.ts";
import { runRow, withoutShaderCaches, workerMark } from "./team.ts";
import { work } from "./worker.ts";

const kernelsMark = "--kernel-times";

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (options === null) {
    console.log(usage);
    return;
  }
  await prepareFolder(options.out);
  const about = machine();
  if (about.load > about.cores / 2) {
    console.log(
      `The machine is busy (load ${about.load.toFixed(1)} on ${about.cores} cores): only ratios mean something.`,
    );
  }
  if (options.kernels) await showKernels(options);
  else await compareEngines(options);
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
  await writeFile(options.out, `${JSON.stringify({ adapter, ...about, rows: reports }, null, 2)}\n`);
  if (reports.length > 1) {
    console.log(`\n${reports.map((r) => `${r.title.padEnd(62)} ${verdict(r)}`).join("\n")}`);
  }
  const versions = Object.entries(about.versions).map(([name, version]) => `${name} ${version}`);
  console.log(`\nadapter ${adapter}; CPU ${about.cpu}, ${about.cores} cores; Node ${about.node}`);
  console.log(`${versions.join(", ")}; results: ${options.out}`);
  const wrong = reports.some(({ engines }) => (["wgrad", "wgrad-compiled"] as const).some((e) => problem(engines, e)));
  if (wrong) process.exitCode = 1;
}

function problem(engines: RowReport["engines"], engine: EngineName): boolean {
  const outcome = engines[engine];
  return outcome !== undefined && "problem" in outcome;
}

async function showKernels(options: Options): Promise<void> {
  for (const row of options.rows) {
    const times = await kernelTimesApart(row, options.rounds);
    console.log(`\n${row.title}`);
    console.log(times === null ? "  the device has no timestamps" : kernelTable(times));
    if (times !== null) console.log(`ceilings: ${ceilingsLine(times.ceilings)}`);
  }
}

function kernelTimesApart(row: Row, steps: number): Promise<KernelTimes | null> {
  return new Promise((resolve, reject) => {
    const child = fork(process.argv[1] as string, [kernelsMark, row.name, String(steps)], {
      env: { ...process.env, ...withoutShaderCaches },
    });
    child.on("message", (message) => resolve(message as KernelTimes | null));
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`the process ended without a result (exit code ${code})`)));
  });
}

/** Does what the parent's arguments ask for; false in the parent itself. */
async function isChild([mark, name, value]: readonly string[]): Promise<boolean> {
  const row = rows.find((candidate) => candidate.name === name);
  if (row === undefined || value === undefined || process.send === undefined) return false;
  const engine = engineNames.find((candidate) => candidate === value);
  if (mark === workerMark && engine !== undefined) await work(row, engine);
  else if (mark === kernelsMark) {
    process.send(await kernelTimes(row, Number(value)));
    process.disconnect();
  } else return false;
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
