// Runs the jobs of the benchmark in processes of their own, so that a first step is a first step.
import { fork } from "node:child_process";
import { type KernelTimes, kernelTimes } from "./kernel-times.ts";
import { type Measurement, measure } from "./measure.ts";
import { rows } from "./rows/index.ts";
import { Mismatch, type Row } from "./rows/row.ts";

/** The first argument of a process that does one job. */
const mark = "--job";

/** What the drivers keep on disk would make the first step of a second run look fast. */
const withoutShaderCaches = { MESA_SHADER_CACHE_DISABLE: "true", __GL_SHADER_DISK_CACHE: "0" };

type Answer<T> = { readonly value: T } | { readonly error: string };

/** Verifies a row in a new process. Rejects with what is wrong. */
export function verifyApart(row: Row): Promise<string> {
  return runApart<string>(["verify", row.name]);
}

/** Times a row's steps in a new process. */
export function measureApart(row: Row, steps: number): Promise<Measurement> {
  return runApart<Measurement>(["measure", row.name, String(steps)]);
}

/** Times a row's kernels in a new process. */
export function kernelTimesApart(row: Row, steps: number): Promise<KernelTimes | null> {
  return runApart<KernelTimes | null>(["kernels", row.name, String(steps)]);
}

function runApart<T>(job: readonly string[]): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(process.argv[1] as string, [mark, ...job], {
      env: { ...process.env, ...withoutShaderCaches },
    });
    let answer: Answer<T> | null = null;
    child.on("message", (message) => {
      answer = message as Answer<T>;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (answer === null) reject(new Error(`the process ended without a result (${signal ?? `exit code ${code}`})`));
      else if ("error" in answer) reject(new Error(answer.error));
      else resolve(answer.value);
    });
  });
}

/** Does the job that the arguments name and tells the parent; false where they name none. */
export async function doJob(args: readonly string[]): Promise<boolean> {
  const [first, kind, name, steps] = args;
  const row = rows.find((candidate) => candidate.name === name);
  if (first !== mark || row === undefined || process.send === undefined) return false;
  // Nobody waits for a job whose parent has ended.
  const abandon = (): never => process.exit(1);
  process.once("disconnect", abandon);
  let answer: Answer<string | Measurement | KernelTimes | null>;
  try {
    if (kind === "verify") answer = { value: await row.verify() };
    else if (kind === "measure") answer = { value: await measure(row, Number(steps)) };
    else answer = { value: await kernelTimes(row, Number(steps)) };
  } catch (error) {
    if (!(error instanceof Mismatch)) console.error(error);
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  process.send(answer);
  process.off("disconnect", abandon);
  process.disconnect();
  return true;
}
