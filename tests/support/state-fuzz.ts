// Judges many random programs with state and prints how they fail, by kind, with the smallest program of each:
// node scripts/run.mjs tests/support/state-fuzz.ts [--count N] [--seed S] [--length N] [--memory-limit BYTES] [--naive] [--shrink N]
// [--without ACTION,…] [--print]

import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { init, setOptimize, synchronize } from "../../src/index.ts";
import { type Failure, judge, type Line, printed, shrink, textOf } from "./state-judge.ts";
import { stateProgram } from "./state-program.ts";

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    /** Lines of a program, about. */
    length: { type: "string", default: "14" },
    "memory-limit": { type: "string" },
    /** Every op a kernel: many programs share them, so little is compiled. */
    naive: { type: "boolean", default: false },
    /** At most so many runs to make a failing program smaller. */
    shrink: { type: "string", default: "80" },
    /** Functions of the generator that write nothing, such as disposing,scoped,leftScope: what else fails? */
    without: { type: "string", default: "" },
    /** Prints the programs instead of running them. */
    print: { type: "boolean", default: false },
  },
});

/** What a process of its own is asked to do, since a failed program may leave the engine in any state. */
type Task =
  /** Judge programs, until one fails. */
  | { readonly task: "search"; readonly from: number; readonly to: number }
  /** Make a failing program smaller. */
  | { readonly task: "shrink"; readonly seed: number }
  | { readonly task: "judge"; readonly lines: readonly Line[] };

interface Answer {
  /** The program that was judged last. */
  readonly seed: number;
  readonly failure: Failure | null;
  readonly lines: readonly Line[];
}

interface Found extends Answer {
  readonly failure: Failure;
  count: number;
}

/** Programs of one process: Node collects pipelines so seldom that a software driver runs out of memory maps after some thousand. */
const PROGRAMS = 400;
/** Of a kind of error so many programs are made smaller; of wrong values, which have many causes, all. */
const SHRUNK = 2;
const first = Number(options.seed);
const last = first + Number(options.count) - 1;

if (process.send !== undefined) process.once("message", (task: Task) => void serve(task));
else if (options.print)
  for (let seed = first; seed <= last; seed++) console.log(`// ${seed}\n${textOf(program(seed))}\n`);
else await search();

function program(seed: number): Line[] {
  return stateProgram(seed, Number(options.length), options.without.split(","));
}

async function serve(task: Task): Promise<void> {
  const limit = options["memory-limit"];
  await init(limit === undefined ? {} : { memoryLimit: Number(limit) });
  setOptimize(!options.naive);
  let stray: unknown = null;
  process.on("unhandledRejection", (error) => {
    stray = error;
  });
  const examine = async (lines: readonly Line[]): Promise<Failure | null> => {
    const failure = await judge(lines);
    await new Promise((resolve) => setTimeout(resolve));
    return failure ?? (stray === null ? null : { kind: "unhandled rejection", detail: String(stray) });
  };
  const answer = (given: Answer): void => {
    process.send?.(given);
  };
  if (task.task === "judge") answer({ seed: 0, lines: task.lines, failure: await examine(task.lines) });
  else if (task.task === "shrink") {
    const lines = program(task.seed);
    const failure = await examine(lines);
    const smallest = failure === null ? { lines, failure } : await shrink(lines, failure, Number(options.shrink));
    answer({ seed: task.seed, ...smallest });
  } else {
    for (let seed = task.from; seed <= task.to; seed++) {
      const lines = program(seed);
      answer({ seed, lines: [], failure: { kind: "the process ended", detail: "" } });
      const failure = await examine(lines);
      answer({ seed, lines, failure });
      if (failure !== null) break;
    }
  }
  // A process that ends while shaders compile may abort.
  await synchronize(0).catch(() => undefined);
  process.disconnect();
  process.exit();
}

/** The last answer of a process of its own. */
function ask(task: Task): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = fork(process.argv[1] as string, process.argv.slice(2), {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    let latest: Answer | null = null;
    child.on("message", (answer: Answer) => {
      latest = answer;
    });
    child.on("close", () => {
      if (latest === null) reject(new Error(`a process ended without an answer to ${JSON.stringify(task)}`));
      else resolve(latest);
    });
    child.send(task);
  });
}

async function search(): Promise<void> {
  const kinds = new Map<string, Found>();
  const begun = performance.now();
  const total = (): string => {
    const failures = [...kinds.values()].reduce((sum, { count }) => sum + count, 0);
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    return `${failures} failures of ${kinds.size} kinds, ${seconds} s`;
  };
  for (let from = first; from <= last; ) {
    const { seed, failure, lines } = await ask({ task: "search", from, to: Math.min(last, from + PROGRAMS - 1) });
    if (Math.floor(seed / 100) > Math.floor((from - 1) / 100)) console.error(`to seed ${seed}: ${total()}`);
    from = seed + 1;
    if (failure === null) continue;
    const known = kinds.get(failure.kind);
    if (known !== undefined && known.count++ >= SHRUNK) continue;
    const found = await smallest({ seed, failure, lines, count: 1 });
    const kind = found.failure.kind;
    const before = kinds.get(kind);
    if (before !== undefined && before !== known) before.count++;
    if (before !== undefined && textOf(before.lines).length <= textOf(found.lines).length) continue;
    kinds.set(kind, { ...found, count: before?.count ?? 1 });
    console.log(`seed ${seed}: ${kind}\n${printed(found.lines, found.failure)}`);
  }
  const sorted = [...kinds].sort(([, a], [, b]) => b.count - a.count);
  console.log(`${last - first + 1} programs, ${total()}`);
  for (const [kind, { count, seed }] of sorted) console.log(`${String(count).padStart(6)} ${kind} (seed ${seed})`);
  process.exitCode = kinds.size > 0 ? 1 : 0;
}

/** The failure made smaller, where it is one of this program alone. */
async function smallest(found: Found): Promise<Found> {
  const shrunk = await ask({ task: "shrink", seed: found.seed }).catch(() => null);
  if (shrunk === null) return { ...found, failure: { ...found.failure, kind: `not shrunk: ${found.failure.kind}` } };
  if (shrunk.failure === null)
    return { ...found, failure: { ...found.failure, kind: `only after others: ${found.failure.kind}` } };
  const again = await ask({ task: "judge", lines: shrunk.lines });
  const lines = again.failure === null ? found.lines : shrunk.lines;
  const failure = again.failure ?? shrunk.failure;
  const kind = failure.kind === "wrong value" ? `wrong value: ${skeleton(lines)}` : failure.kind;
  return { ...found, lines, failure: { ...failure, kind } };
}

/** The calls of a program that matter for its state. */
function skeleton(lines: readonly Line[]): string {
  const telling =
    /\b(assign|backward|step|scope|noGrad|compile|checkpoint|grad|loadStateDict|dispose|zeroGrad|forward|clipGradNorm|SGD|Adam|AdamW|detach|to|reshape|narrow|permute|expand|slice|dropout|realize|for)(?= ?\()/g;
  return [...new Set(textOf(lines).match(telling) ?? [])].sort().join(" ");
}
