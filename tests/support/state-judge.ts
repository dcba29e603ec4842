// Runs programs with state, given as JavaScript, on the engine and on the eager model, and says where they differ.

import * as wgrad from "../../src/index.ts";
import { EAGER } from "./eager-layers.ts";
import { setRounding } from "./eager-values.ts";
import { Dice } from "./random-program.ts";

/** A line of a program, or a block of lines. */
export type Line = string | Block;

export interface Block {
  readonly open: string;
  readonly body: readonly Line[];
  readonly close: string;
}

/** How the engine failed: `kind` is the same for failures of one sort. */
export interface Failure {
  readonly kind: string;
  readonly detail: string;
}

type Seen = readonly number[][];
type Api = Readonly<Record<string, unknown>>;

/** Relative and absolute difference that float32 may make to a result of a few ops. */
const [RELATIVE, ABSOLUTE] = [1e-4, 1e-5];
/** How many times the distance between the model in float64 and in float32 the engine may be away. */
const SPREAD = 30;
/** Where the engine is further away, the model runs so often again with errors of this size, relatively, in every result. */
const [BLURRED, BLUR] = [8, 2 ** -22];
/** A result that float32 leaves so uncertain, relatively, is not judged. */
const UNCERTAIN = 1e-2;
const SECONDS = 120;
const WRONG = "wrong value";

/** What programs may call beside the API; printed reproducers define it themselves. */
export const HELPERS = {
  host: `/** Numbers in -1 … 1, nested as a tensor of that shape. */
function host(seed, ...shape) {
  const nest = ([n, ...rest]) => n === undefined ? Math.round(100 * Math.sin(13 * seed++)) / 100 : Array.from({ length: n }, () => nest(rest));
  return nest(shape);
}`,
  fill: `/** Gives a module's parameters numbers that depend on the seed alone. */
function fill(module, seed) {
  const entries = Object.entries(module.stateDict()).map(([key, x], i) => [key, x.requiresGrad ? tensor(host(seed + i, ...x.shape)) : x.detach()]);
  module.loadStateDict(Object.fromEntries(entries));
  return module;
}`,
  left: `function left() {
  return Object.assign(new Error("left"), { name: "Left" });
}`,
  throws: `/** Demands that the call throws an error of that name. */
function throws(name, run) {
  try {
    run();
  } catch (error) {
    if (error.name === name) return;
    throw error;
  }
  throw new Error("must throw a " + name);
}`,
  rejects: `async function rejects(name, run) {
  try {
    await run();
  } catch (error) {
    if (error.name === name) return;
    throw error;
  }
  throw new Error("must reject with a " + name);
}`,
} as const;

const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor as new (
  ...source: string[]
) => (...given: unknown[]) => Promise<void>;

/** The program's text. */
export function textOf(lines: readonly Line[], indent = ""): string {
  const text = (line: Line): string =>
    typeof line === "string"
      ? `${indent}${line}`
      : `${indent}${line.open}\n${textOf(line.body, `${indent}  `)}\n${indent}${line.close}`;
  return lines.map(text).join("\n");
}

function flattened(value: unknown): number[] {
  return typeof value === "number" ? [value] : Array.from(value as ArrayLike<unknown>, flattened).flat();
}

/** Runs the program against an API; returns all that it has seen. */
async function run(api: Api, text: string): Promise<Seen> {
  const seen: number[][] = [];
  const see = (value: unknown): number => seen.push(flattened(value));
  const helpers = Object.values(HELPERS).join("\n");
  const program = new AsyncFunction(...Object.keys(api), "see", `"use strict";\n${helpers}\n${text}`);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished after ${SECONDS} s`)), SECONDS * 1000);
  });
  try {
    await Promise.race([program(...Object.values(api), see), late]);
  } finally {
    clearTimeout(timer);
  }
  return seen;
}

/** What the program sees in the model. Throws where the program is not right, or float32 cannot decide it. */
async function expected(text: string, rounding: ((x: number) => number) | null = null): Promise<Seen> {
  setRounding(rounding);
  try {
    return await run(EAGER, text);
  } finally {
    setRounding(null);
  }
}

/** What float32 may make of the program: results with errors of the size of its own, each time others. */
async function blurred(text: string): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let seed = 1; seed <= BLURRED; seed++) {
    const dice = new Dice(seed);
    try {
      seen.push(await expected(text, (x) => Math.fround(x * (1 + BLUR * (2 * dice.next() - 1)))));
    } catch {
      // A step function right at its step says nothing of the values.
    }
  }
  return seen;
}

/** Judges the program: null where the engine does as the model. Throws for a program that is not right itself. */
export async function judge(lines: readonly Line[]): Promise<Failure | null> {
  const text = textOf(lines);
  const exact = await expected(text);
  const rounded = await expected(text, Math.fround);
  let found: Seen;
  try {
    found = await run(wgrad, text);
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { kind: `${name}: ${general(message)}`, detail: `${name}: ${message}` };
  }
  const failure = difference(found, exact, [rounded]);
  return failure?.kind === WRONG ? difference(found, exact, [rounded, ...(await blurred(text))]) : failure;
}

/** Where what was found is further from what must be than float32 explains. */
function difference(found: Seen, exact: Seen, inFloat32: readonly Seen[]): Failure | null {
  for (const [i, values] of exact.entries()) {
    const got = found[i] ?? [];
    if (got.length !== values.length)
      return { kind: "wrong length", detail: `see ${i + 1}: ${got.length} numbers, must be ${values.length}` };
    const spread = (k: number): number =>
      Math.max(...inFloat32.map((seen) => Math.abs((values[k] as number) - (seen[i]?.[k] ?? Number.NaN))));
    const wrong = values.some((value, k) => !isNear(got[k] as number, value, spread(k)));
    if (wrong) return { kind: WRONG, detail: `see ${i + 1}: got [${brief(got)}], must be [${brief(values)}]` };
  }
  return null;
}

function isNear(got: number, exact: number, spread: number): boolean {
  // Whether an overflow ends as infinity or as NaN depends on the order of operations.
  if (!Number.isFinite(exact)) return !Number.isFinite(got);
  // What float32 has no number for is as uncertain.
  if (!(spread <= UNCERTAIN * Math.max(Math.abs(exact), 1))) return true;
  return Math.abs(got - exact) <= RELATIVE * Math.abs(exact) + ABSOLUTE + SPREAD * spread;
}

function brief(values: readonly number[]): string {
  const shown = values.slice(0, 6).map((x) => String(Number(x.toPrecision(5))));
  return shown.join(", ") + (values.length > 6 ? ", …" : "");
}

/** A message without what differs from program to program. */
function general(message: string): string {
  return message
    .split("\n", 1)
    .join("")
    .replaceAll(/\[[\d, ]*\]/g, "[…]")
    .replaceAll(/\d+/g, "#")
    .slice(0, 110);
}

/** All programs that are one removal smaller: without a run of lines, or with a block's lines in its place. */
function* smaller(lines: readonly Line[]): Generator<Line[]> {
  for (let size = Math.ceil(lines.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = lines.length - size; start > -size; start -= size)
      yield lines.filter((_, i) => i < start || i >= start + size);
  }
  for (const [i, line] of lines.entries()) {
    if (typeof line === "string") continue;
    yield lines.toSpliced(i, 1, ...line.body);
    for (const body of smaller(line.body)) yield lines.toSpliced(i, 1, { ...line, body });
  }
}

/** The smallest program found that fails in the same way, with at most `most` runs of the engine. */
export async function shrink(
  lines: readonly Line[],
  failure: Failure,
  most: number,
): Promise<{ lines: readonly Line[]; failure: Failure }> {
  let best = { lines, failure };
  const tried = new Set<string>();
  let runs = 0;
  search: while (runs < most) {
    for (const candidate of smaller(best.lines)) {
      const text = textOf(candidate);
      if (tried.has(text)) continue;
      tried.add(text);
      const right = await expected(text).then(
        () => true,
        () => false,
      );
      if (!right) continue;
      if (runs++ >= most) break search;
      const again = await judge(candidate);
      if (again?.kind !== failure.kind) continue;
      best = { lines: candidate, failure: again };
      continue search;
    }
    break;
  }
  return best;
}

/** The program as a module of its own. */
export function printed(lines: readonly Line[], { detail }: Failure): string {
  const text = textOf(lines);
  const uses = (name: string, by: string): boolean => new RegExp(`(?<![.\\w])${name}\\b`).test(by);
  let helpers = "";
  for (const [name, source] of Object.entries(HELPERS).reverse())
    if (uses(name, text + helpers)) helpers = `${source}\n${helpers}`;
  const names = Object.keys(EAGER).filter((name) => name in wgrad && uses(name, text + helpers));
  const seeing = uses("see", text) ? "const see = (values) => console.log(values);\n" : "";
  return `// ${detail.replaceAll("\n", "\n// ")}\nimport { ${names.join(", ")} } from "wgrad";\n${seeing}${helpers}${text}\n`;
}
