// The device: runs executables in order with one submit each, reads results back.

import { restDuring } from "#gpu";
import { DeviceLostError, OutOfMemoryError, WgradError } from "../base/errors.ts";
import { type AdapterOptions, requestDevice } from "./adapter.ts";
import { deferred } from "./deferred.ts";
import type { Executable, Place, Range } from "./executable.ts";
import { Allocator, type DeviceMemory } from "./memory.ts";
import { PipelineCache, type PipelineEntry } from "./pipelines.ts";
import { type Operands, PreparedExecutable } from "./prepared.ts";
import type { Profiler } from "./profiler.ts";
import { OrderedQueue } from "./queue.ts";
import { StagingBuffers } from "./staging.ts";

/** Options of `init`. */
export interface DeviceOptions extends AdapterOptions {
  /** A device that the page has already. wgrad shares it and does not destroy it. */
  device?: GPUDevice;
  /** Seed of all random numbers. */
  seed?: number;
  /**
   * Limit of the GPU memory for tensors and intermediate values, in bytes, free buffers included. A read takes as many
   * bytes again while it lasts; the limit does not count them.
   */
  memoryLimit?: number;
}

/**
 * What a device has done so far, and the bytes that it holds now. The buffers through which results are read are not
 * counted; at most 8 MiB of them are kept.
 */
export interface DeviceStats {
  /** Kernels that were dispatched. */
  dispatches: number;
  /** Submits to the queue. */
  submits: number;
  /** Pipelines that were made. */
  pipelines: number;
  /** Plans that were made. */
  plans: number;
  /** Plans that were found in the cache. */
  planHits: number;
  /** Bytes of buffers in use. */
  liveBytes: number;
  /** Bytes of free buffers that are kept for reuse. */
  pooledBytes: number;
  /** The most bytes so far, in use and free together. */
  peakBytes: number;
}

/** Runs that may wait for their pipelines before they are compiled at once. */
const MOST_QUEUED = 2;
/** The most pipelines (half a megabyte each on software drivers). Beyond it, the executables that have not run for longest go, except the last few. */
const MOST_PIPELINES = 1024;
const FEWEST_PREPARED = 32;

/** The state that outlives a `Device`: a shared GPUDevice lives on, with the listeners that are attached to it. */
interface Fate {
  /** Why the device can't be used any more. */
  failure: DeviceLostError | null;
  /** An error of a run that nobody has read from. The next read reports it. */
  untold: unknown;
}

/** Copies that a run begins with. */
export interface Saving {
  /** Ranges that are copied to the host, one after another. */
  readonly reads: readonly { readonly from: Range; readonly bytes: number }[];
  readonly copies: readonly { readonly from: Range; readonly to: Range; readonly bytes: number }[];
  /** Told what the reads have brought. */
  readonly arrive: (bytes: Promise<ArrayBuffer>) => void;
}

export interface Run extends Operands {
  readonly executable: Executable;
  /** Outputs to read back in the same submit. */
  readonly reads: readonly { readonly from: Place; readonly bytes: number }[];
  /** Copies before the first kernel: first to the host, then on the device. */
  readonly before?: Saving | null;
  /** Throws where what the run reads could not be computed. */
  readonly verify?: () => void;
  /** Told when the run turns out to be impossible after all. */
  readonly fail?: (error: unknown) => void;
  /** Makes values again, for whoever reads them: nobody else hears of a failure. */
  readonly again?: boolean;
}

/** An open GPU device, as `await init()` returns it. */
export class Device {
  /** WebGPU's own device: its features, limits and adapter. */
  readonly gpu: GPUDevice;
  /** The adapter's name, for reports. Some browsers do not tell it: then it is empty. */
  readonly adapterName: string;
  /** Whether shaders run on the processor (lavapipe, SwiftShader, WARP). */
  readonly isSoftware: boolean;
  /** @internal */
  readonly memory: Allocator;
  readonly #pipelines: PipelineCache;
  readonly #prepared = new Map<Executable, PreparedExecutable>();
  readonly #owned: boolean;
  readonly #staging: StagingBuffers;
  /** All requests, in order. They are held back while pipelines are missing. */
  readonly #queue = new OrderedQueue();
  #queuedRuns = 0;
  /** Settles when the shaders of runs that were submitted before they were compiled have been compiled. */
  #verdict: Promise<unknown> | null = null;
  /** Set while dispatches are timed. */
  #profiler: Profiler | null = null;
  readonly #fate: Fate = { failure: null, untold: null };
  readonly #listen: (event: Event) => void;
  #dispatches = 0;
  #submits = 0;
  #inFlight: Promise<unknown>[] = [];
  /** @internal */
  plans = 0;
  /** @internal */
  planHits = 0;

  constructor(gpu: GPUDevice, adapterName: string, owned: boolean, memoryLimit: number = Number.POSITIVE_INFINITY) {
    this.gpu = gpu;
    this.adapterName = adapterName;
    const info = gpu.adapterInfo;
    this.isSoftware =
      info?.isFallbackAdapter === true ||
      /llvmpipe|lavapipe|swiftshader|software|cpu|basic render/i.test(`${adapterName} ${info?.architecture ?? ""}`);
    this.#owned = owned;
    this.memory = new Allocator(this, { maxBufferSize: gpu.limits.maxBufferSize, memoryLimit });
    this.#pipelines = new PipelineCache(gpu);
    this.#staging = new StagingBuffers(gpu);
    this.#listen = watch(gpu, owned, this.#fate);
  }

  /** Opens a device with all the limits and features of its adapter. @internal */
  static async open(options: AdapterOptions = {}, memoryLimit: number = Number.POSITIVE_INFINITY): Promise<Device> {
    const { device, name } = await requestDevice(options);
    return new Device(device, name, true, memoryLimit);
  }

  /** Number of invocations per subgroup, if it is fixed and can be used; else 0. */
  get subgroupSize(): number {
    const info = this.gpu.adapterInfo;
    if (!this.gpu.features.has("subgroups") || info === undefined) return 0;
    return info.subgroupMinSize === info.subgroupMaxSize ? info.subgroupMinSize : 0;
  }

  /** Keeps this thread off the cores that shaders run on, until `work` has settled. @internal */
  restDuring(work: Promise<unknown>): void {
    if (this.isSoftware) restDuring(work);
  }

  /** The reason why the device cannot be used any more; null while it can. */
  get failure(): DeviceLostError | null {
    return this.#fate.failure;
  }

  /** Throws what has gone wrong: that the device is lost, or (once) what happened in a run that nobody waited for. @internal */
  check(): void {
    if (this.failure !== null) throw this.failure;
    const error = this.#fate.untold;
    this.#fate.untold = null;
    if (error !== null) throw error;
  }

  /** Keeps an error for whoever reads next. @internal */
  tell(error: unknown): void {
    this.#fate.untold ??= error;
  }

  /** Counts what the device has done and what it holds. */
  stats(): DeviceStats {
    const { liveBytes, pooledBytes, peakBytes } = this.memory.pool;
    return {
      dispatches: this.#dispatches,
      submits: this.#submits,
      pipelines: this.#pipelines.count,
      plans: this.plans,
      planHits: this.planHits,
      liveBytes,
      pooledBytes,
      peakBytes,
    };
  }

  /**
   * Closes the device. Its memory is gone, and reads reject with a DeviceLostError. A device that was passed to `init`
   * stays open.
   */
  destroy(reason = "the device was closed. init() opens a new one."): void {
    this.#fate.failure ??= new DeviceLostError(reason);
    this.gpu.removeEventListener("uncapturederror", this.#listen);
    for (const prepared of this.#prepared.values()) prepared.release();
    this.#prepared.clear();
    this.#staging.destroy();
    this.memory.pool.destroy();
    if (this.#owned) this.gpu.destroy();
  }

  /** Memory for a result: a slot in a page when small, a buffer of its own otherwise. @internal */
  allocate(bytes: number): DeviceMemory {
    return this.memory.allocate(bytes);
  }

  /** Writes host bytes into device memory, in the order of calls. @internal */
  write(to: Range, data: ArrayBufferView): void {
    this.#queue.add(() => {
      if (this.failure !== null) return;
      this.gpu.queue.writeBuffer(
        to.buffer.gpu,
        to.offset,
        data.buffer as ArrayBuffer,
        data.byteOffset,
        Math.ceil(data.byteLength / 4) * 4 <= data.buffer.byteLength - data.byteOffset
          ? Math.ceil(data.byteLength / 4) * 4
          : data.byteLength,
      );
    });
  }

  /** Does something behind everything that has been asked for so far. @internal */
  defer(run: () => void): void {
    this.#queue.add(run);
  }

  /** Compiles the missing pipelines at once, because a loop that never awaits must not pile up runs. */
  #catchUp(): void {
    while (this.#queue.waiting) {
      for (const prepared of this.#prepared.values()) {
        if (!prepared.settled) this.#waitForVerdict(prepared.finish());
      }
      this.#queue.drain();
    }
  }

  /** Notes that runs may use these pipelines before the compiler has accepted their shaders. */
  #waitForVerdict(entries: readonly PipelineEntry[]): void {
    if (entries.length === 0) return;
    this.#await(Promise.allSettled([this.#verdict, ...entries.map((entry) => entry.ready)]));
  }

  #await(verdict: Promise<unknown>): void {
    this.#verdict = verdict;
    const settled = () => {
      if (this.#verdict === verdict) this.#verdict = null;
    };
    verdict.then(settled, settled);
  }

  /** Submits one run; the promises resolve with the bytes that it was asked to read. @internal */
  run(run: Run): Promise<ArrayBuffer>[] {
    if (this.failure !== null) throw this.failure;
    const prepared = this.#prepare(run.executable);
    const waiters = run.reads.map(() => deferred<ArrayBuffer>());
    if (this.#queuedRuns >= MOST_QUEUED) this.#catchUp();
    this.#queuedRuns++;
    const verify = () => {
      if (this.failure !== null) throw this.failure;
      if (prepared.error !== null) throw prepared.error;
      run.verify?.();
    };
    const refuse = (error: unknown) => {
      run.fail?.(error);
      for (const w of waiters) w.reject(error);
      // Outputs report this error when read. In-place updates have no reader, so the device keeps it.
      if (waiters.length === 0 && run.outputs.includes(null) && !run.again) this.tell(error);
    };
    const go = () => {
      this.#queuedRuns--;
      try {
        verify();
        const sure = this.#verdict?.then(verify) ?? null;
        const stagings = this.#submit(run, prepared, sure);
        const answer = () => {
          stagings.forEach((staging, i) => {
            const waiter = waiters[i];
            if (waiter !== undefined)
              this.#download(staging, (run.reads[i] as { bytes: number }).bytes).then(waiter.resolve, waiter.reject);
          });
        };
        if (sure === null) answer();
        else
          this.#await(
            sure.then(answer, (error: unknown) => {
              for (const staging of stagings) this.#staging.release(staging);
              refuse(error);
            }),
          );
      } catch (error) {
        refuse(error);
      }
    };
    if (prepared.ready) this.#queue.add(go);
    else {
      this.#queue.add(() => {
        if (prepared.settled) go();
        else {
          const compiled = prepared.compiled();
          this.restDuring(compiled);
          this.#queue.hold(go, compiled);
        }
      });
    }
    return waiters.map((w) => w.promise);
  }

  /** Reads device memory. @internal */
  read(from: Range, bytes: number): Promise<ArrayBuffer> {
    return new Promise((resolve, reject) => {
      this.#queue.add(() => {
        try {
          this.check();
          const encoder = this.gpu.createCommandEncoder();
          const staging = this.#staging.copy(encoder, [{ from, bytes }]);
          this.#submitEncoder(encoder);
          const verdict = this.#verdict ?? Promise.resolve();
          verdict.then(() => this.#download(staging, bytes)).then(resolve, reject);
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Times every dispatch from now on. One at a time. @internal */
  startProfile(profiler: Profiler): void {
    if (this.#profiler !== null) throw new WgradError("profile: another profile is being taken. Await it first.");
    this.#profiler = profiler;
  }

  /** @internal */
  endProfile(): void {
    this.#profiler = null;
  }

  /** Resolves when at most `ahead` submitted runs are unfinished. @internal */
  async synchronize(ahead: number): Promise<void> {
    while (this.#queue.waiting || this.#inFlight.length > ahead) {
      await (this.#queue.waiting ? this.#queue.ready : this.#inFlight[0]);
      this.check();
    }
    if (ahead > 0 || this.#verdict === null) return;
    while (this.#verdict !== null) await this.#verdict;
    this.check();
  }

  #prepare(executable: Executable): PreparedExecutable {
    const prepared =
      this.#prepared.get(executable) ?? new PreparedExecutable(this.gpu, this.memory.pool, this.#pipelines, executable);
    // Behind all others: the first is the one that has not run for longest.
    this.#prepared.delete(executable);
    this.#prepared.set(executable, prepared);
    const [oldest] = this.#prepared.keys();
    if (oldest && this.#prepared.size > FEWEST_PREPARED && this.#pipelines.entries.size > MOST_PIPELINES)
      this.forget(oldest);
    return prepared;
  }

  /** Frees what was prepared for an executable that will not run again. @internal */
  forget(executable: Executable): void {
    const prepared = this.#prepared.get(executable);
    if (prepared !== undefined) this.#queue.add(() => prepared.release());
    this.#prepared.delete(executable);
  }

  /** Encodes and submits a run. Until it is `sure`, it may turn out to be invalid, which is nobody else's business. */
  #submit(run: Run, prepared: PreparedExecutable, sure: Promise<void> | null): GPUBuffer[] {
    if (sure === null) return this.#encode(run, prepared, Promise.resolve());
    this.gpu.pushErrorScope("validation");
    try {
      return this.#encode(run, prepared, sure);
    } finally {
      this.gpu.popErrorScope().catch(() => undefined);
    }
  }

  #encode(run: Run, prepared: PreparedExecutable, sure: Promise<void>): GPUBuffer[] {
    const { executable } = run;
    const workspace = this.memory.workspace(executable.workspace);
    const encoder = this.gpu.createCommandEncoder();
    const profiler = this.#profiler;
    if (run.before) this.#save(encoder, run.before, sure);
    const rangeOf = prepared.encode(encoder, run, workspace, profiler);
    this.#dispatches += executable.steps.length;
    const stagings = run.reads.map((read) =>
      this.#staging.copy(encoder, [{ from: rangeOf(read.from), bytes: read.bytes }]),
    );
    profiler?.resolve(encoder, executable);
    this.#submitEncoder(encoder);
    return stagings;
  }

  /** Encodes the copies that a run begins with. */
  #save(encoder: GPUCommandEncoder, { reads, copies, arrive }: Saving, sure: Promise<void>): void {
    const total = reads.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total > 0) {
      const staging = this.#staging.copy(encoder, reads);
      const failed = (error: unknown) => {
        throw this.failure ?? error;
      };
      // Mapped behind the submit, which this call comes before. An invalid one copies nothing.
      arrive(
        sure.then(
          () => this.#staging.download(staging, total).catch(failed),
          (error: unknown) => {
            this.#staging.release(staging);
            throw error;
          },
        ),
      );
    }
    for (const { from, to, bytes } of copies)
      encoder.copyBufferToBuffer(from.buffer.gpu, from.offset, to.buffer.gpu, to.offset, bytes);
  }

  #submitEncoder(encoder: GPUCommandEncoder): void {
    this.gpu.queue.submit([encoder.finish()]);
    this.#submits++;
    const done = this.gpu.queue.onSubmittedWorkDone().catch(() => undefined);
    this.#inFlight.push(done);
    this.restDuring(done);
    done.then(() => {
      this.#inFlight = this.#inFlight.filter((p) => p !== done);
    });
  }

  async #download(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    const result = await this.#staging.download(staging, bytes).catch((error: unknown) => {
      throw this.failure ?? error;
    });
    this.check();
    return result;
  }
}

/** Notes what becomes of a device; returns what listens for its errors. */
function watch(gpu: GPUDevice, owned: boolean, fate: Fate): (event: Event) => void {
  gpu.lost.then((info) => {
    fate.failure ??= new DeviceLostError(
      `the device was lost (${info.reason}): ${info.message.replace(/\.$/, "")}. init() opens a new one.`,
    );
  });
  const listen = (event: Event): void => {
    const { error } = event as GPUUncapturedErrorEvent;
    const name = error.constructor.name;
    // On a shared device mistakes may be the page's own.
    if (!owned && name !== "GPUOutOfMemoryError") return;
    fate.untold ??=
      name === "GPUOutOfMemoryError"
        ? new OutOfMemoryError(`out of memory: ${error.message}`)
        : new WgradError(`internal: WebGPU says: ${error.message}`);
  };
  gpu.addEventListener("uncapturederror", listen);
  return listen;
}
