// The command line of the benchmark.
import { statSync } from "node:fs";
import { parseArgs } from "node:util";
import { type EngineName, engineNames } from "./engines/engine.ts";
import { rows } from "./rows/index.ts";
import type { Row } from "./rows/row.ts";

export interface Options {
  readonly rows: readonly Row[];
  readonly engines: readonly EngineName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly out: string;
  readonly sections: readonly Section[];
  /** Whether docs/performance.md is written from all that was measured. */
  readonly write: boolean;
}

/** What can be measured. */
export const sections = ["compare", "kernels", "javascript", "scaling"] as const;
export type Section = (typeof sections)[number];

/** A mistake of whoever called the program: exit code 2 and one line. */
export class UsageError extends Error {}

export const usage: string = `Compares what wgrad, TensorFlow.js and jax-js compute, then measures how fast, on the same device.

Usage: npm run bench -- [options] [ROW…]

  ROW          run this row, or those whose name begins so     (default: all)
  --engine E   run this engine; may be repeated                (default: all)
  --rounds N   turns that every engine gets                    (default 10)
  --seconds N  time per engine and row                         (default 4)
  --compare    compare engines                                 (default, unless one of the next is given)
  --kernels    show how long each kernel of wgrad's step takes, of what the device could do, and the memory of its plan
  --javascript time what a step costs in JavaScript alone, with a queue that drops what it is given
  --scaling    time wgrad's steps over batch sizes and depths
  --all        all of them
  --write      write docs/performance.md and its pictures from the results that were kept, these and earlier ones
  --out FILE   file for the results                            (default bench/results.json)
  --help       show this

Rows: ${rows.map(({ name }) => name).join(", ")}.
Engines: ${engineNames.join(", ")}.

Every engine has a process of its own per row, without what the driver may have cached on disk. After its first step its results are
compared with the others'; then the engines are timed in turns, a few steps at a time.
  step ms     median of a step, including the wait for the device (or for the results in JavaScript where the row says so)
  JS ms       the part before waiting: recording or replaying, submitting
  first s     from opening the device to the end of the first step: tensors made, kernels compiled, everything computed
  peak MB     most bytes of GPU buffers at a time`;

/** Reads the options; null when help was asked for. @throws UsageError on a wrong option or value. */
export function readOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parsed(args);
  if (values.help === true) return null;
  return {
    rows: chosen(positionals),
    engines: (values.engine ?? engineNames).map(engineOf),
    rounds: whole("rounds", values.rounds ?? "10"),
    seconds: whole("seconds", values.seconds ?? "4"),
    out: file("out", values.out ?? "bench/results.json"),
    sections: chosenSections(values),
    write: values.write === true,
  };
}

interface Values {
  readonly engine?: string[];
  readonly rounds?: string;
  readonly seconds?: string;
  readonly out?: string;
  readonly compare?: boolean;
  readonly kernels?: boolean;
  readonly javascript?: boolean;
  readonly scaling?: boolean;
  readonly all?: boolean;
  readonly write?: boolean;
  readonly help?: boolean;
}

function parsed(args: readonly string[]): { readonly values: Values; readonly positionals: readonly string[] } {
  try {
    return parseArgs({
      args: [...args],
      options: {
        engine: { type: "string", multiple: true },
        rounds: { type: "string" },
        seconds: { type: "string" },
        out: { type: "string" },
        compare: { type: "boolean" },
        kernels: { type: "boolean" },
        javascript: { type: "boolean" },
        scaling: { type: "boolean" },
        all: { type: "boolean" },
        write: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
      allowPositionals: true,
    });
  } catch (error) {
    const [first = "wrong options"] = error instanceof Error ? error.message.split(/\.\s|\n/) : [];
    throw new UsageError(`${first.replace(/\.$/, "")}.`);
  }
}

/** Nothing is measured where only the page is asked for. */
function chosenSections(values: Values): readonly Section[] {
  if (values.all === true) return sections;
  const asked = sections.filter((section) => values[section] === true);
  return asked.length === 0 && values.write !== true ? ["compare"] : asked;
}

function chosen(names: readonly string[]): readonly Row[] {
  for (const name of names) {
    if (name !== "" && rows.some((row) => row.name.startsWith(name))) continue;
    throw new UsageError(`there is no row "${name}". The rows are ${rows.map((row) => row.name).join(", ")}.`);
  }
  return names.length === 0 ? rows : rows.filter((row) => names.some((name) => row.name.startsWith(name)));
}

function engineOf(name: string): EngineName {
  const engine = engineNames.find((candidate) => candidate === name);
  if (engine !== undefined) return engine;
  throw new UsageError(`--engine: there is no engine "${name}". The engines are ${engineNames.join(", ")}.`);
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
