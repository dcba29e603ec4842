// Times a row: its first step, then plain and compiled steps one by one, then a loop that runs ahead of the device.
import { init, synchronize, type Tensor } from "wgrad";
import { quantile } from "./quantile.ts";
import type { Row } from "./rows/row.ts";

/** Steps before the timed ones: plans are made, buffers settle, JavaScript gets compiled. */
const warmup = 12;

/** Milliseconds of steps that were waited for one by one. */
export interface Times {
  readonly min: number;
  readonly median: number;
  readonly p90: number;
  /**
   * Median and minimum of the synchronous part: recording or replaying, submitting. A software driver's threads take the
   * core away while a step is submitted; the minimum is without that.
   */
  readonly js: number;
  readonly jsMin: number;
}

export interface Measurement {
  readonly adapter: string;
  /** Milliseconds from the start of the process until the device is open. */
  readonly openMs: number;
  /** Milliseconds of the process's first step: tensors made, kernels planned and compiled, everything computed. */
  readonly firstStepMs: number;
  readonly plain: Times;
  readonly compiled: Times;
  /** Milliseconds per plain step in a loop that lets two steps run ahead. */
  readonly loopMs: number;
  /** By the row's formula, from the median of plain steps. */
  readonly gflops: number;
  readonly dispatchesPerStep: number;
  readonly submitsPerStep: number;
  /** Pipelines that the whole row needs. */
  readonly pipelines: number;
  /** Pipelines and plans that were made while plain steps were timed: 0 unless a cache fails. */
  readonly latePipelines: number;
  readonly latePlans: number;
  readonly peakBytes: number;
}

/** Times `row` in this process, which must have run nothing else. */
export async function measure(row: Row, steps: number): Promise<Measurement> {
  const device = await init();
  const openMs = performance.now();
  const { plain, compiled } = row.prepare();
  const first = plain();
  await synchronize(0);
  const firstStepMs = performance.now() - openMs;
  first.dispose();

  await timeEach(plain, warmup);
  const before = device.stats();
  const plainTimes = await timeEach(plain, steps);
  const after = device.stats();
  const loopMs = await timeLoop(plain, steps);
  await timeEach(compiled, warmup);
  const compiledTimes = await timeEach(compiled, steps);
  const { pipelines, peakBytes } = device.stats();
  const measurement = {
    adapter: device.adapterName,
    openMs,
    firstStepMs,
    plain: plainTimes,
    compiled: compiledTimes,
    loopMs,
    gflops: row.flops / plainTimes.median / 1e6,
    dispatchesPerStep: (after.dispatches - before.dispatches) / steps,
    submitsPerStep: (after.submits - before.submits) / steps,
    pipelines,
    latePipelines: after.pipelines - before.pipelines,
    latePlans: after.plans - before.plans,
    peakBytes,
  };
  device.destroy();
  return measurement;
}

async function timeEach(step: () => Tensor, steps: number): Promise<Times> {
  const total: number[] = [];
  const js: number[] = [];
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    const result = step();
    js.push(performance.now() - start);
    await synchronize(0);
    total.push(performance.now() - start);
    result.dispose();
  }
  return {
    min: quantile(total, 0),
    median: quantile(total, 0.5),
    p90: quantile(total, 0.9),
    js: quantile(js, 0.5),
    jsMin: quantile(js, 0),
  };
}

async function timeLoop(step: () => Tensor, steps: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < steps; i++) {
    step().dispose();
    await synchronize(2);
  }
  await synchronize(0);
  return (performance.now() - start) / steps;
}
