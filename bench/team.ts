// Runs a row: one process per engine, compared with each other, then timed in turns.
import { type ChildProcess, fork } from "node:child_process";
import { type EngineName, engineTitles } from "./engines/engine.ts";
import { quantile } from "./quantile.ts";
import type { Row } from "./rows/row.ts";
import type { Answer, Ended, Order, Probe, Started, Timed } from "./worker.ts";

/** The first argument of a worker's process. */
export const workerMark = "--worker";

/** What the drivers keep on disk would make the first step of a second run look fast. */
export const withoutShaderCaches = { MESA_SHADER_CACHE_DISABLE: "true", __GL_SHADER_DISK_CACHE: "0" };

/** What one engine took for a row. */
export interface Measurement {
  readonly adapter: string;
  readonly firstMs: number;
  readonly steps: number;
  /** Milliseconds per step. */
  readonly median: number;
  readonly p90: number;
  readonly min: number;
  /** Median of the part in JavaScript, before waiting, and its minimum (without what a software driver's threads take away). */
  readonly js: number;
  readonly jsMin: number;
  readonly dispatches: number;
  readonly submits: number;
  readonly pipelines: number;
  readonly peakBytes: number;
}

/** An engine's part of a row: measured, or why not. */
export type Outcome = { readonly measurement: Measurement } | { readonly problem: string };

export interface RowResult {
  readonly row: Row;
  /** What was compared. */
  readonly verified: string;
  readonly outcomes: ReadonlyMap<EngineName, Outcome>;
}

export interface Budget {
  /** Turns that every engine gets. */
  readonly rounds: number;
  /** Seconds per engine and row, which long steps use with fewer turns (but never fewer than three). */
  readonly seconds: number;
}

interface Sample {
  readonly worker: Worker;
  readonly started: Started;
  readonly ms: number[];
  readonly jsMs: number[];
}

/** Starts the engines one after the other (their first steps are timed), compares them, then times them in turns. */
export async function runRow(row: Row, engines: readonly EngineName[], budget: Budget): Promise<RowResult> {
  const outcomes = new Map<EngineName, Outcome>();
  const samples = new Map<EngineName, Sample>();
  try {
    for (const engine of engines) {
      const worker = new Worker(row, engine);
      try {
        samples.set(engine, { worker, started: (await worker.next()) as Started, ms: [], jsMs: [] });
      } catch (error) {
        worker.kill();
        outcomes.set(engine, { problem: firstLine(error) });
      }
    }
    const { verified, wrong } = compare(row, samples);
    for (const [engine, problem] of wrong) {
      samples.get(engine)?.worker.kill();
      samples.delete(engine);
      outcomes.set(engine, { problem });
    }
    const slowest = Math.max(...[...samples.values()].map(({ started }) => started.roughMs));
    const rounds = Math.max(3, Math.min(budget.rounds, Math.floor((1000 * budget.seconds) / slowest)));
    for (let round = 0; round < rounds; round++) {
      for (const sample of samples.values()) {
        const slice = (1000 * budget.seconds) / rounds / 4;
        const steps = Math.max(1, Math.min(20, Math.floor(slice / sample.started.roughMs)));
        const { ms, jsMs } = (await sample.worker.ask({ kind: "time", steps })) as Timed;
        sample.ms.push(...ms);
        sample.jsMs.push(...jsMs);
      }
    }
    for (const [engine, { worker, started, ms, jsMs }] of samples) {
      const ended = (await worker.ask({ kind: "end" })) as Ended;
      outcomes.set(engine, {
        measurement: {
          adapter: started.adapter,
          firstMs: started.firstMs,
          steps: ms.length,
          median: quantile(ms, 0.5),
          p90: quantile(ms, 0.9),
          min: quantile(ms, 0),
          js: quantile(jsMs, 0.5),
          jsMin: quantile(jsMs, 0),
          ...ended,
        },
      });
    }
    return { row, verified, outcomes: new Map(engines.map((engine) => [engine, outcomes.get(engine) as Outcome])) };
  } finally {
    for (const { worker } of samples.values()) worker.kill();
  }
}

/** A worker's process; answers come in the order of what it is asked. */
class Worker {
  readonly #child: ChildProcess;
  readonly #answers: (Answer | null)[] = [];
  #wake: () => void = () => undefined;

  constructor(row: Row, engine: EngineName) {
    this.#child = fork(process.argv[1] as string, [workerMark, row.name, engine], {
      env: { ...process.env, ...withoutShaderCaches },
    });
    const take = (answer: Answer | null): void => {
      this.#answers.push(answer);
      this.#wake();
    };
    this.#child.on("message", (answer: Answer) => take(answer));
    this.#child.on("close", () => take(null));
    this.#child.on("error", () => take(null));
  }

  ask(order: Order): Promise<unknown> {
    this.#child.send(order);
    return this.next();
  }

  async next(): Promise<unknown> {
    while (this.#answers.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const answer = this.#answers.shift() ?? null;
    if (answer === null) throw new Error("the process ended without an answer");
    if ("error" in answer) throw new Error(answer.error);
    return answer.value;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Compares every engine's results with the reference, or else with wgrad's: says how far apart they are, and whose are wrong. */
function compare(
  row: Row,
  samples: ReadonlyMap<EngineName, Sample>,
): { verified: string; wrong: ReadonlyMap<EngineName, string> } {
  const wrong = new Map<EngineName, string>();
  const { reference } = row;
  const [first] = samples;
  if (first === undefined) return { verified: "nothing to compare", wrong };
  const [judge, { started: judged }] = first;
  let worst = 0;
  for (const [engine, { started }] of samples) {
    const difference = started.results.reduce((most, results, step) => {
      const expected = reference === undefined ? judged.results[step] : results.map((p) => computed(p, reference));
      return worse(most, apart(results, expected ?? []));
    }, 0);
    if (difference <= row.tolerance) worst = Math.max(worst, difference);
    else wrong.set(engine, `its results are ${difference.toExponential(1)} off (of the largest value)`);
  }
  const against = reference === undefined ? engineTitles[judge] : "float64";
  const who = [...samples.keys()].filter((e) => !wrong.has(e) && (reference !== undefined || e !== judge));
  const names = who.map((engine) => engineTitles[engine]).join(", ") || "nobody";
  const what = row.compared === 1 ? "results" : `losses of ${row.compared} steps`;
  return { verified: `${what} within ${worst.toExponential(1)} of ${against}'s: ${names}`, wrong };
}

function computed(probe: Probe, reference: (index: number) => number): Probe {
  return { ...probe, values: probe.indices.map(reference) };
}

/** The largest difference relative to the largest value; NaN counts as infinitely far. */
function apart(actual: readonly Probe[], expected: readonly Probe[]): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return actual.reduce((most, { length, indices, values, largest }, i) => {
    const other = expected[i] as Probe;
    if (length !== other.length) return Number.POSITIVE_INFINITY;
    const scale = Math.max(largest, other.largest, 1e-30);
    return indices.reduce(
      (most, _, k) => worse(most, Math.abs((values[k] as number) - (other.values[k] as number)) / scale),
      most,
    );
  }, 0);
}

function worse(a: number, b: number): number {
  return a <= b ? b : b <= a ? a : Number.POSITIVE_INFINITY;
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0] ?? "";
}
