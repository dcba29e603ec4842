// The process of one engine on one row: opens it, takes the steps that are compared, then times steps when it is told to.
import { type Calls, countCalls, installDawn } from "./engines/dawn.ts";
import type { Bench, EngineName, Opened } from "./engines/engine.ts";
import { importJax, openJax } from "./engines/jax.ts";
import { importTensorFlow, openTensorFlow } from "./engines/tensorflow.ts";
import { openWgrad } from "./engines/wgrad.ts";
import type { Row } from "./rows/row.ts";

/** What the parent asks for. */
export type Order = { readonly kind: "time"; readonly steps: number } | { readonly kind: "end" };

/** What is left of a result: some of its values, by index. */
export interface Probe {
  readonly length: number;
  readonly indices: readonly number[];
  readonly values: readonly number[];
  /** The largest magnitude of all its values. */
  readonly largest: number;
}

/** The first answer: the engine has taken the steps that are compared, and is warm. */
export interface Started {
  readonly adapter: string;
  /** From opening the device (after the engine's modules were loaded) to the end of the first step. */
  readonly firstMs: number;
  /** Results of each compared step. */
  readonly results: readonly (readonly Probe[])[];
  /** What a step takes now, in milliseconds: for planning only. */
  readonly roughMs: number;
}

/** The answer to "time": one entry per step. */
export interface Timed {
  readonly ms: readonly number[];
  /** The part until the step is recorded and submitted as far as the engine does at once. */
  readonly jsMs: readonly number[];
}

/** The answer to "end". */
export interface Ended {
  readonly dispatches: number;
  readonly submits: number;
  readonly pipelines: number;
  readonly peakBytes: number;
}

export type Answer = { readonly value: Started | Timed | Ended } | { readonly error: string };

/** Entries of a result that are compared. */
const probed = 200;
/** Steps before the timed ones: plans are made, buffers settle, JavaScript gets compiled. Long steps need fewer. */
const warmup = { steps: 12, ms: 1500 };

/** Does what the parent says until it says that it's the end. */
export async function work(row: Row, engine: EngineName): Promise<void> {
  const send = (answer: Answer): void => {
    process.send?.(answer);
  };
  // Nobody waits for the worker of a parent that has ended.
  const abandon = (): never => process.exit(1);
  process.once("disconnect", abandon);
  installDawn();
  const calls = countCalls();
  let counted = { steps: 0, dispatches: 0, submits: 0 };
  try {
    const { bench, started } = await start(row, engine);
    send({ value: started });
    for await (const order of orders()) {
      if (order.kind === "end") break;
      const before = { ...calls };
      send({ value: await time(row, bench, order.steps) });
      counted = {
        steps: counted.steps + order.steps,
        dispatches: counted.dispatches + calls.dispatches - before.dispatches,
        submits: counted.submits + calls.submits - before.submits,
      };
    }
    send({ value: totals(calls, counted) });
  } catch (error) {
    send({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
  process.off("disconnect", abandon);
  // Dawn crashes when what an engine has left behind is collected at the end of the process, so nothing is.
  process.disconnect();
  process.exit(0);
}

async function start(row: Row, engine: EngineName): Promise<{ bench: Bench; started: Started }> {
  const open = await load(row, engine);
  const beginning = performance.now();
  const opened = await open();
  const bench = opened.prepare();
  let taken = bench.step();
  await taken.finished();
  const firstMs = performance.now() - beginning;
  const results: Probe[][] = [];
  for (let i = 0; i < row.compared; i++) {
    if (i > 0) taken = bench.step();
    results.push((await taken.values()).map(probe));
    taken.drop();
  }
  const warm: number[] = [];
  const end = performance.now() + warmup.ms;
  while (warm.length < 2 || (warm.length < warmup.steps && performance.now() < end)) {
    warm.push(...(await time(row, bench, 1)).ms);
  }
  return { bench, started: { adapter: opened.adapter, firstMs, results, roughMs: warm.at(-1) ?? 0 } };
}

/** Loads an engine's modules; what it returns opens the engine. */
async function load(row: Row, engine: EngineName): Promise<() => Promise<Opened>> {
  if (engine === "tensorflow") {
    const tf = await importTensorFlow();
    return () => openTensorFlow(tf, row.tensorflow);
  }
  if (engine === "jax") {
    const jax = await importJax();
    return () => openJax(jax, row.jax);
  }
  return () => openWgrad(row.wgrad, engine === "wgrad-compiled", row.reads);
}

async function time(row: Row, bench: Bench, steps: number): Promise<Timed> {
  const [ms, jsMs]: [number[], number[]] = [[], []];
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    const taken = bench.step();
    jsMs.push(performance.now() - start);
    if (row.reads) await taken.values();
    else await taken.finished();
    ms.push(performance.now() - start);
    taken.drop();
  }
  return { ms, jsMs };
}

function probe(values: ArrayLike<number>): Probe {
  const { length } = values;
  const count = Math.min(length, probed);
  // The first and the last, and others evenly between, with an offset that meets every column and row of a matrix.
  const indices = Array.from({ length: count }, (_, i) =>
    i === count - 1 ? length - 1 : Math.floor((i * length) / count + (i === 0 ? 0 : (i * 7919) % (length / count))),
  );
  let largest = 0;
  for (let i = 0; i < length; i++) largest = Math.max(largest, Math.abs(values[i] as number));
  return { length, indices, values: indices.map((i) => values[i] as number), largest };
}

function totals(calls: Calls, counted: { steps: number; dispatches: number; submits: number }): Ended {
  return {
    dispatches: counted.dispatches / counted.steps,
    submits: counted.submits / counted.steps,
    pipelines: calls.pipelines,
    peakBytes: calls.peakBytes,
  };
}

async function* orders(): AsyncGenerator<Order> {
  const waiting: Order[] = [];
  let wake: () => void = () => undefined;
  process.on("message", (order: Order) => {
    waiting.push(order);
    wake();
  });
  for (;;) {
    const order = waiting.shift();
    if (order !== undefined) yield order;
    else
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  }
}
