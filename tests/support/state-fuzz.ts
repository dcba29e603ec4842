// Judges many random programs with state and prints how they fail, by kind, the smallest first:
// node scripts/run.mjs tests/support/state-fuzz.ts [--count N] [--seed S] [--length N] [--memory-limit BYTES] [--naive] [--shrink N] [--print] [--without ACTION,…]

import { parseArgs } from "node:util";
import { init, realize, setOptimize, zeros } from "../../src/index.ts";
import { type Failure, judge, type Line, printed, shrink, textOf } from "./state-judge.ts";
import { stateProgram } from "./state-program.ts";

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    /** Lines of a program, about. */
    length: { type: "string", default: "18" },
    "memory-limit": { type: "string" },
    /** Every op a kernel: many programs share them, so nothing is compiled. */
    naive: { type: "boolean", default: false },
    /** At most so many runs to make a failing program smaller. */
    shrink: { type: "string", default: "80" },
    /** Functions of state-program.ts and state-lines.ts that write nothing, such as disposing,scoped,leftScope: what else fails? */
    without: { type: "string", default: "" },
    /** Prints the programs instead of running them. */
    print: { type: "boolean", default: false },
  },
});

interface Found {
  count: number;
  seed: number;
  lines: readonly Line[];
  failure: Failure;
}

const first = Number(options.seed);
const last = first + Number(options.count) - 1;
const limit = options["memory-limit"];
const kinds = new Map<string, Found>();
let wrong = 0;
let stray: unknown = null;
process.on("unhandledRejection", (error) => {
  stray = error;
});

if (options.print) {
  for (let seed = first; seed <= last; seed++) console.log(`// ${seed}\n${textOf(program(seed))}\n`);
  process.exit();
}

await init(limit === undefined ? {} : { memoryLimit: Number(limit) });
setOptimize(!options.naive);
const begun = performance.now();
for (let seed = first; seed <= last; seed++) {
  await examine(seed);
  if ((seed - first + 1) % 100 === 0) console.error(`${seed - first + 1} programs, ${sum()} failures, ${seconds()} s`);
}
report();
process.exit(sum() + wrong > 0 ? 1 : 0);

function program(seed: number): Line[] {
  return stateProgram(seed, Number(options.length), options.without.split(","));
}

async function examine(seed: number): Promise<void> {
  let lines: readonly Line[];
  let failure: Failure | null;
  try {
    lines = program(seed);
    failure = await judge(lines);
  } catch (error) {
    wrong++;
    console.log(`seed ${seed}: the program is not right itself: ${error}`);
    return;
  }
  await new Promise((resolve) => setTimeout(resolve));
  if (failure === null && stray !== null) failure = { kind: "unhandled rejection", detail: String(stray) };
  stray = null;
  if (failure === null) return;
  await recover();
  const alone = await judge(lines);
  await recover();
  // What only the program before it has brought about.
  if (alone?.kind !== failure.kind) failure = alone ?? { ...failure, kind: `only after others: ${failure.kind}` };
  const known = kinds.get(failure.kind);
  // Wrong values have many causes: what is left of the program tells them apart.
  if (known !== undefined && failure.kind !== "wrong value") {
    known.count++;
    if (known.count > 3) return;
  }
  const smallest = alone === null ? { lines, failure } : await shrink(lines, failure, Number(options.shrink));
  await recover();
  stray = null;
  const kind = failure.kind === "wrong value" ? `wrong value: ${skeleton(smallest.lines)}` : failure.kind;
  const found = kinds.get(kind);
  const count = (found?.count ?? 0) + (found === known && known !== undefined ? 0 : 1);
  if (found === undefined || textOf(smallest.lines).length < textOf(found.lines).length) {
    kinds.set(kind, { count, seed, ...smallest });
    console.log(`seed ${seed}: ${kind}\n${printed(smallest.lines, smallest.failure)}`);
  } else found.count = count;
}

/** A failed program must leave nothing behind that the next one would stumble over. */
async function recover(): Promise<void> {
  for (let i = 0; i < 2; i++) await realize(zeros([1])).catch(() => undefined);
}

/** The calls of a program that matter for its state. */
function skeleton(lines: readonly Line[]): string {
  const words = textOf(lines).match(/\b(\w+)(?=\()/g) ?? [];
  const telling =
    /^(assign|backward|step\d*|scope|noGrad|compile|checkpoint|grad|loadStateDict|dispose|zeroGrad|forward|clipGradNorm|SGD|Adam|AdamW|detach|to|reshape|narrow|permute|expand|slice|dropout|realize|for|left)$/;
  return [...new Set(words.filter((word) => telling.test(word)).map((word) => word.replace(/\d+$/, "")))]
    .sort()
    .join(" ");
}

function sum(): number {
  return [...kinds.values()].reduce((total, { count }) => total + count, 0);
}

function seconds(): string {
  return ((performance.now() - begun) / 1000).toFixed(0);
}

function report(): void {
  const sorted = [...kinds].sort(([, a], [, b]) => b.count - a.count);
  for (const [kind, { count, seed, lines, failure }] of sorted)
    console.log(`\n=== ${count} × ${kind} (seed ${seed})\n${printed(lines, failure)}`);
  console.log(
    `\n${last - first + 1} programs, ${sum()} failures of ${kinds.size} kinds, ${wrong} not right themselves, ${seconds()} s`,
  );
  for (const [kind, { count }] of sorted) console.log(`${String(count).padStart(6)} ${kind}`);
}
