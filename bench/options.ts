// The command line of the benchmark.
import { statSync } from "node:fs";
import { parseArgs } from "node:util";
import { rows } from "./rows/index.ts";
import type { Row } from "./rows/row.ts";

export interface Options {
  readonly rows: readonly Row[];
  readonly steps: number;
  readonly out: string;
  readonly kernels: boolean;
}

/** A mistake of whoever called the program: exit code 2 and one line. */
export class UsageError extends Error {}

export const usage: string = `Verifies what wgrad computes, then measures how fast.

Usage: npm run bench -- [options]

  --only ROW   run this row, or those whose name begins so; may be repeated   (default: all)
  --steps N    timed steps                                                    (default 50)
  --kernels    also show how long each kernel of a step takes, and took the first time
  --out FILE   file for the results                                           (default bench/results.json)
  --help       show this

Rows: ${rows.map(({ name }) => name).join(", ")}.

Each row is verified in one process and timed in another, both without what the driver may have cached on disk.
  step       median and 90th percentile of a plain step, including the wait for the device
  loop       a plain step in a loop that lets two steps run ahead
  compiled   median of a compiled step, including the wait
  JS         the synchronous part of a plain and of a compiled step
  first      the first step of a process: tensors made, kernels planned and compiled, everything computed
  pipelines  shaders that the row needs in all`;

/** Reads the options; null when help was asked for. @throws UsageError on a wrong option or value. */
export function readOptions(args: readonly string[]): Options | null {
  const values = parsed(args);
  if (values.help === true) return null;
  return {
    rows: chosen(values.only ?? []),
    steps: whole("steps", values.steps ?? "50"),
    out: file("out", values.out ?? "bench/results.json"),
    kernels: values.kernels === true,
  };
}

interface Values {
  readonly only?: string[];
  readonly steps?: string;
  readonly out?: string;
  readonly kernels?: boolean;
  readonly help?: boolean;
}

function parsed(args: readonly string[]): Values {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: "string", multiple: true },
        steps: { type: "string" },
        out: { type: "string" },
        kernels: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    const [first = "wrong options"] = error instanceof Error ? error.message.split(/\.\s|\n/) : [];
    throw new UsageError(`${first.replace(/\.$/, "")}.`);
  }
}

function chosen(names: readonly string[]): readonly Row[] {
  for (const name of names) {
    if (name !== "" && rows.some((row) => row.name.startsWith(name))) continue;
    throw new UsageError(`--only: there is no row "${name}". The rows are ${rows.map((row) => row.name).join(", ")}.`);
  }
  return names.length === 0 ? rows : rows.filter((row) => names.some((name) => row.name.startsWith(name)));
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 100_000) {
    throw new UsageError(`--${name} takes a whole number from 1 to 100000, got "${text}".`);
  }
  return value;
}

function file(name: string, text: string): string {
  if (text.trim() === "" || statSync(text, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new UsageError(`--${name} takes the name of a file, got "${text}".`);
  }
  return text;
}
