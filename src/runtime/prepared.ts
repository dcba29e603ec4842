// Made once per executable and used by all its runs: pipelines, bind groups, buffers for numbers and small results.

import { OutOfMemoryError, WgradError } from "../base/errors.ts";
import { BUFFER_COPY_DST, BUFFER_UNIFORM } from "./constants.ts";
import type { Executable, ExecutableStep, Place, PooledBuffer, Range } from "./executable.ts";
import type { PipelineCache, PipelineEntry } from "./pipelines.ts";
import { type BufferPool, ResultPages } from "./pool.ts";
import type { Profiler } from "./profiler.ts";

/** The operands of one run. */
export interface Operands {
  readonly leaves: readonly Range[];
  readonly scalars: ArrayBuffer | null;
  /** Memory for each output with bytes of its own. */
  readonly outputs: readonly (Range | null)[];
}

/** Bind groups kept per step: buffers alternate between runs. */
const MOST_GROUPS = 4;

interface KnownGroup {
  readonly key: string;
  readonly group: GPUBindGroup;
}

export class PreparedExecutable {
  readonly #gpu: GPUDevice;
  readonly #pool: BufferPool;
  readonly #executable: Executable;
  readonly #cache: PipelineCache;
  readonly #pipelines: readonly PipelineEntry[];
  readonly #groups: readonly KnownGroup[][];
  /** Uniform buffer with the kernels' numbers. */
  readonly #scalars: GPUBuffer | null;
  /** Small outputs are written here and copied out, so that bind groups stay the same from run to run. */
  readonly #results: PooledBuffer | null;
  readonly #resultOffsets: readonly number[];
  #ready: boolean;
  #error: Error | null = null;

  /** Starts to compile the pipelines that are missing. Throws an OutOfMemoryError if a kernel binds more bytes than the device can. */
  constructor(gpu: GPUDevice, pool: BufferPool, pipelines: PipelineCache, executable: Executable) {
    const most = gpu.limits.maxStorageBufferBindingSize;
    for (const step of executable.steps) {
      const wide = step.bindings.find((b) => b.bytes > most);
      if (wide !== undefined) {
        throw new OutOfMemoryError(
          `out of memory: "${step.kernel.name}" needs a tensor of ${wide.bytes} bytes, and this device binds at most ${most}.`,
        );
      }
    }
    this.#gpu = gpu;
    this.#pool = pool;
    this.#executable = executable;
    this.#cache = pipelines;
    this.#groups = executable.steps.map(() => []);
    const resultOffsets: number[] = [];
    let resultBytes = 0;
    for (const bytes of executable.outputs) {
      if (bytes >= 0 && ResultPages.fits(bytes)) {
        resultOffsets.push(resultBytes);
        resultBytes += 256;
      } else resultOffsets.push(-1);
    }
    this.#resultOffsets = resultOffsets;
    const size = executable.scalarBytes;
    this.#scalars = size > 0 ? gpu.createBuffer({ size, usage: BUFFER_UNIFORM | BUFFER_COPY_DST }) : null;
    this.#results = resultBytes > 0 ? pool.acquire(resultBytes) : null;
    this.#pipelines = executable.steps.map((step) => pipelines.get(step));
    this.#ready = this.#pipelines.every((p) => p.pipeline !== null);
  }

  /** Whether all pipelines are there. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Whether there is nothing to wait for: each pipeline is there, or has failed. */
  get settled(): boolean {
    return this.#ready || this.#error !== null;
  }

  /** Why a pipeline could not be made. */
  get error(): Error | null {
    return this.#error ?? this.#pipelines.find((p) => p.error !== null)?.error ?? null;
  }

  /** Resolves when it is settled. */
  compiled(): Promise<void> {
    return Promise.all(this.#pipelines.map((p) => p.ready)).then(
      () => {
        this.#ready = true;
      },
      (error: Error) => {
        this.#error = error;
      },
    );
  }

  /** Makes the pipelines at once; returns those whose shaders the compiler has not accepted yet. */
  finish(): PipelineEntry[] {
    for (const entry of this.#pipelines) entry.finish();
    this.#ready = true;
    return this.#pipelines.filter((entry) => !entry.sure);
  }

  /** Encodes a run's dispatches and copies. Returns where its places lie. */
  encode(
    encoder: GPUCommandEncoder,
    { leaves, scalars, outputs }: Operands,
    workspace: PooledBuffer | null,
    profiler: Profiler | null,
  ): (place: Place) => Range {
    const { steps, copies } = this.#executable;
    const rangeOf = (place: Place): Range => {
      if (place.kind === "leaf") return leaves[place.index] as Range;
      if (place.kind === "workspace") return { buffer: workspace as PooledBuffer, offset: place.offset };
      const offset = this.#resultOffsets[place.index] as number;
      if (offset >= 0) return { buffer: this.#results as PooledBuffer, offset };
      return outputs[place.index] as Range;
    };
    if (this.#scalars !== null && scalars !== null) this.#gpu.queue.writeBuffer(this.#scalars, 0, scalars);
    if (steps.length > 0) {
      const shared = profiler === null ? encoder.beginComputePass() : null;
      steps.forEach((step, i) => {
        const [x, y, z] = step.kernel.workgroups;
        const entry = this.#pipelines[i] as PipelineEntry;
        if (entry.pipeline === null) throw new WgradError("internal: a pipeline is not ready");
        const pass = shared ?? (profiler as Profiler).begin(encoder, step);
        pass.setPipeline(entry.pipeline);
        pass.setBindGroup(0, this.#bindGroup(step, i, rangeOf));
        pass.dispatchWorkgroups(x, y, z);
        if (shared === null) pass.end();
      });
      shared?.end();
    }
    const copy = (from: Range, to: Range, bytes: number) => {
      encoder.copyBufferToBuffer(from.buffer.gpu, from.offset, to.buffer.gpu, to.offset, bytes);
    };
    for (const { from, to, bytes } of copies) copy(rangeOf(from), rangeOf(to), bytes);
    this.#executable.outputs.forEach((bytes, i) => {
      const offset = this.#resultOffsets[i] as number;
      const memory = outputs[i];
      if (offset < 0 || memory === null || memory === undefined) return;
      copy({ buffer: this.#results as PooledBuffer, offset }, memory, bytes);
    });
    return rangeOf;
  }

  #bindGroup(step: ExecutableStep, index: number, rangeOf: (place: Place) => Range): GPUBindGroup {
    const ranges = step.bindings.map((b): Range => {
      const range = rangeOf(b.place);
      return b.offset === 0 ? range : { buffer: range.buffer, offset: range.offset + b.offset };
    });
    let key = "";
    for (const r of ranges) key += `${r.buffer.id}:${r.offset},`;
    const known = this.#groups[index] as KnownGroup[];
    for (const k of known) if (k.key === key) return k.group;
    const entries: GPUBindGroupEntry[] = ranges.map((r, binding) => ({
      binding,
      resource: { buffer: r.buffer.gpu, offset: r.offset, size: (step.bindings[binding] as { bytes: number }).bytes },
    }));
    if (step.scalarOffset >= 0 && this.#scalars !== null) {
      entries.push({
        binding: entries.length,
        resource: {
          buffer: this.#scalars,
          offset: step.scalarOffset,
          size: Math.ceil((4 * step.kernel.scalars.length) / 16) * 16,
        },
      });
    }
    const { layout } = this.#pipelines[index] as PipelineEntry;
    const group = this.#gpu.createBindGroup({ label: step.kernel.name, layout, entries });
    known.unshift({ key, group });
    if (known.length > MOST_GROUPS) known.pop();
    return group;
  }

  /** Frees the buffers and gives the pipelines up; it will not run again. */
  release(): void {
    for (const entry of this.#pipelines) this.#cache.release(entry);
    if (this.#results !== null) this.#pool.release(this.#results);
    const scalars = this.#scalars;
    if (scalars !== null)
      this.#gpu.queue.onSubmittedWorkDone().then(
        () => scalars.destroy(),
        () => undefined,
      );
  }
}
