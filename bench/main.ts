// Verifies and measures matrix products and training steps: npm run bench -- --help
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { doJob, kernelTimesApart, measureApart, verifyApart } from "./child.ts";
import { type Options, readOptions, UsageError, usage } from "./options.ts";
import { kernelTable, machine, type Result, table } from "./report.ts";
import type { Row } from "./rows/row.ts";

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (options === null) {
    console.log(usage);
    return;
  }
  await prepareFolder(options.out);
  const about = machine();
  if (about.load > about.cores / 2) {
    console.log(`The machine is busy (load ${about.load.toFixed(1)} on ${about.cores} cores): times will be too long.`);
  }
  const results: Result[] = [];
  for (const row of options.rows) {
    const result = await run(row, options);
    results.push(result);
    console.log(result.problem === null ? `✓ ${row.title}: ${result.verified}` : `✗ ${row.title}: ${result.problem}`);
  }
  const adapter = results.find(({ measurement }) => measurement !== null)?.measurement?.adapter ?? null;
  await writeFile(
    options.out,
    `${JSON.stringify({ adapter, ...about, steps: options.steps, rows: results }, null, 2)}\n`,
  );

  if (adapter !== null) {
    console.log(`\n${table(results)}`);
    for (const { title, kernels } of results) if (kernels !== null) console.log(`\n${title}\n${kernelTable(kernels)}`);
    console.log(`\nadapter ${adapter}; CPU ${about.cpu}, ${about.cores} cores`);
  }
  console.log(`wgrad ${about.wgrad}, webgpu ${about.webgpu}, Node ${about.node}; results: ${options.out}`);
  if (results.some(({ problem }) => problem !== null)) process.exitCode = 1;
}

/** Verifies the row; times it only if it is right. */
async function run(row: Row, options: Options): Promise<Result> {
  const { name, title, flops } = row;
  const result: Result = { name, title, flops, verified: null, problem: null, measurement: null, kernels: null };
  try {
    const verified = await verifyApart(row);
    const measurement = await measureApart(row, options.steps);
    const kernels = options.kernels ? await kernelTimesApart(row, options.steps) : null;
    return { ...result, verified, measurement, kernels };
  } catch (error) {
    return { ...result, problem: error instanceof Error ? error.message : String(error) };
  }
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
  if (!(await doJob(args))) await main(args);
} catch (error) {
  console.error(error instanceof UsageError ? `bench: ${error.message} (--help shows the options)` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
