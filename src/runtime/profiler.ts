// Times every dispatch of some submits: a compute pass of its own for each, between two timestamps of the device.

import { BUFFER_COPY_DST, BUFFER_COPY_SRC, BUFFER_MAP_READ, BUFFER_QUERY_RESOLVE, MAP_READ } from "./constants.ts";
import type { Executable, ExecutableStep } from "./executable.ts";

/** A dispatch that has run. */
export interface StepTime {
  readonly step: ExecutableStep;
  readonly microseconds: number;
}

/** The timestamps of up to half as many dispatches. */
interface Batch {
  readonly queries: GPUQuerySet;
  readonly steps: ExecutableStep[];
  /** Made when the batch is resolved. */
  readable: GPUBuffer | null;
}

/** WebGPU's limit for the timestamps of one set. */
const MOST_TIMESTAMPS = 4096;

export class Profiler {
  readonly #gpu: GPUDevice;
  readonly #batches: Batch[] = [];
  readonly #scratch: GPUBuffer[] = [];
  /** The submitted executables, each once. */
  readonly executables: Set<Executable> = new Set();

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** Begins the pass of one dispatch. */
  begin(encoder: GPUCommandEncoder, step: ExecutableStep): GPUComputePassEncoder {
    let batch = this.#batches.at(-1);
    if (batch === undefined || batch.readable !== null || 2 * batch.steps.length === MOST_TIMESTAMPS) {
      const queries = this.#gpu.createQuerySet({ type: "timestamp", count: MOST_TIMESTAMPS });
      batch = { queries, steps: [], readable: null };
      this.#batches.push(batch);
    }
    const at = 2 * batch.steps.push(step) - 2;
    return encoder.beginComputePass({
      timestampWrites: { querySet: batch.queries, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 },
    });
  }

  /** Ends the recording of one encoder: its timestamps go where they can be read. */
  resolve(encoder: GPUCommandEncoder, executable: Executable): void {
    this.executables.add(executable);
    for (const batch of this.#batches) {
      if (batch.readable !== null) continue;
      const size = 16 * batch.steps.length;
      const resolved = this.#gpu.createBuffer({ size, usage: BUFFER_QUERY_RESOLVE | BUFFER_COPY_SRC });
      batch.readable = this.#gpu.createBuffer({ size, usage: BUFFER_MAP_READ | BUFFER_COPY_DST });
      encoder.resolveQuerySet(batch.queries, 0, 2 * batch.steps.length, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, batch.readable, 0, size);
      this.#scratch.push(resolved);
    }
  }

  /** The dispatches since the last call in their order, when all of them have run. */
  async take(): Promise<StepTime[]> {
    const times: StepTime[] = [];
    for (const { queries, steps, readable } of this.#batches.splice(0)) {
      if (readable === null) continue;
      await readable.mapAsync(MAP_READ);
      const stamps = new BigUint64Array(readable.getMappedRange());
      steps.forEach((step, i) => {
        const nanoseconds = Number((stamps[2 * i + 1] as bigint) - (stamps[2 * i] as bigint));
        times.push({ step, microseconds: nanoseconds / 1000 });
      });
      readable.destroy();
      queries.destroy();
    }
    for (const buffer of this.#scratch.splice(0)) buffer.destroy();
    return times;
  }
}
