// How long each kernel of a step takes on the device, by timestamps around passes of one dispatch each.
import { init, realize, synchronize } from "wgrad";
import { quantile } from "./quantile.ts";
import type { Row } from "./rows/row.ts";

export interface KernelTime {
  readonly name: string;
  readonly workgroups: readonly number[];
  /** Median milliseconds. Passes of their own make short kernels look a little longer than they are. */
  readonly ms: number;
  /** Milliseconds the first time, when many drivers compile. */
  readonly firstMs: number;
}

export interface KernelTimes {
  /** A plain step's kernels in their order. */
  readonly step: readonly KernelTime[];
  /** What runs in the first step only: initial values. */
  readonly once: readonly Dispatch[];
}

interface Dispatch {
  readonly name: string;
  readonly workgroups: readonly number[];
  readonly ms: number;
}

/** WebGPU's limit for a set of timestamps. */
const maxTimestamps = 4096;

/** Runs `row` with every dispatch timed, in a process that has run nothing else; null where the device can't tell. */
export async function kernelTimes(row: Row, steps: number): Promise<KernelTimes | null> {
  const device = await init();
  if (!device.gpu.features.has("timestamp-query")) return null;
  const timer = new DispatchTimer(device.gpu);
  const { step: take } = row.wgrad((step) => step);
  const runs: Dispatch[][] = [];
  for (let i = 0; i <= steps; i++) {
    const results = take();
    void realize(...results);
    await synchronize(0);
    for (const result of results) result.dispose();
    runs.push(await timer.take());
  }
  device.destroy();
  const [first = [], ...later] = runs;
  const step = (later.at(-1) ?? []).map(({ name, workgroups }, i): KernelTime => {
    const times = later.map((run) => run[i]?.ms ?? Number.NaN);
    const firstMs = first.find((dispatch) => dispatch.name === name)?.ms ?? Number.NaN;
    return { name, workgroups, ms: quantile(times, 0.5), firstMs };
  });
  const names = new Set(step.map(({ name }) => name));
  return { step, once: first.filter(({ name }) => !names.has(name)) };
}

/** Puts every dispatch of a device into a pass of its own, between two timestamps, from now on. */
class DispatchTimer {
  readonly #gpu: GPUDevice;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #readable: GPUBuffer;
  readonly #original: GPUDevice["createCommandEncoder"];
  #dispatches: Omit<Dispatch, "ms">[] = [];

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
    this.#queries = gpu.createQuerySet({ type: "timestamp", count: maxTimestamps });
    const size = 8 * maxTimestamps;
    this.#resolved = gpu.createBuffer({ size, usage: GPU_QUERY_RESOLVE | GPU_COPY_SRC });
    this.#readable = gpu.createBuffer({ size, usage: GPU_MAP_READ | GPU_COPY_DST });
    this.#original = gpu.createCommandEncoder.bind(gpu);
    gpu.createCommandEncoder = (descriptor) => this.#timed(this.#original(descriptor));
  }

  /** The dispatches since the last call, which must be finished. */
  async take(): Promise<Dispatch[]> {
    const dispatches = this.#dispatches;
    this.#dispatches = [];
    if (dispatches.length === 0) return [];
    const encoder = this.#original();
    encoder.resolveQuerySet(this.#queries, 0, 2 * dispatches.length, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#readable, 0, 16 * dispatches.length);
    this.#gpu.queue.submit([encoder.finish()]);
    await this.#readable.mapAsync(GPU_MODE_READ);
    const stamps = new BigUint64Array(this.#readable.getMappedRange().slice(0));
    this.#readable.unmap();
    return dispatches.map((dispatch, i) => ({
      ...dispatch,
      ms: Number((stamps[2 * i + 1] as bigint) - (stamps[2 * i] as bigint)) / 1e6,
    }));
  }

  /** An encoder whose passes only remember what is set, and begin a real pass for every dispatch. */
  #timed(encoder: GPUCommandEncoder): GPUCommandEncoder {
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = () => {
      let pipeline: GPUComputePipeline | null = null;
      const groups: GPUBindGroup[] = [];
      const pass = {
        setPipeline: (next: GPUComputePipeline) => {
          pipeline = next;
        },
        setBindGroup: (index: number, group: GPUBindGroup) => {
          groups[index] = group;
        },
        dispatchWorkgroups: (...workgroups: [number, number?, number?]) => {
          const at = 2 * this.#dispatches.length;
          if (pipeline === null || at + 2 > maxTimestamps) throw new Error("kernel times: too many dispatches");
          this.#dispatches.push({ name: pipeline.label, workgroups: workgroups.map((n) => n ?? 1) });
          const timestampWrites = {
            querySet: this.#queries,
            beginningOfPassWriteIndex: at,
            endOfPassWriteIndex: at + 1,
          };
          const real = begin({ timestampWrites });
          real.setPipeline(pipeline);
          groups.forEach((group, index) => {
            real.setBindGroup(index, group);
          });
          real.dispatchWorkgroups(...workgroups);
          real.end();
        },
        end: () => undefined,
      };
      return pass as unknown as GPUComputePassEncoder;
    };
    return encoder;
  }
}

// The flags of WebGPU's specification, which Node does not have as globals.
const GPU_MAP_READ = 0x1;
const GPU_COPY_SRC = 0x4;
const GPU_COPY_DST = 0x8;
const GPU_QUERY_RESOLVE = 0x200;
const GPU_MODE_READ = 0x1;
