// Runs single kernels on made-up data, to compare their results and to time them with the device's own clock.

import {
  BUFFER_COPY_DST,
  BUFFER_COPY_SRC,
  BUFFER_MAP_READ,
  BUFFER_QUERY_RESOLVE,
  BUFFER_STORAGE,
  BUFFER_UNIFORM,
  MAP_READ,
} from "./constants.ts";
import type { Device } from "./device.ts";

/** The operands of a kernel, in the order of its bindings. */
export interface StandBinding {
  /** Bindings with equal keys hold the same data. */
  readonly key: unknown;
  readonly bytes: number;
  readonly kind: "float" | "half" | "integer";
  readonly access: "read" | "read_write";
}

export interface StandKernel {
  readonly name: string;
  readonly wgsl: string;
  readonly entry: string;
  readonly workgroups: readonly [number, number, number];
  readonly bindings: readonly StandBinding[];
  /** Bytes of its uniform block's numbers; all are 1. */
  readonly scalars: readonly ("float" | "integer")[];
}

/** Numbers that repeat after so many bytes, in every buffer. */
const PERIOD = 1 << 18;

/** Kernels that compute the same, side by side. Each has its own buffers for outputs; inputs are shared. */
export class BenchStand {
  readonly #device: Device;
  readonly #gpu: GPUDevice;
  readonly #queries: GPUQuerySet;
  readonly #stamps: GPUBuffer;
  readonly #readable: GPUBuffer;
  readonly #shared = new Map<unknown, GPUBuffer>();
  readonly #made: GPUBuffer[] = [];
  readonly #data: Record<StandBinding["kind"], Uint8Array<ArrayBuffer>>;

  constructor(device: Device) {
    const { gpu } = device;
    this.#device = device;
    this.#gpu = gpu;
    this.#queries = gpu.createQuerySet({ type: "timestamp", count: 2 });
    this.#stamps = gpu.createBuffer({ size: 16, usage: BUFFER_QUERY_RESOLVE | BUFFER_COPY_SRC });
    this.#readable = gpu.createBuffer({ size: 16, usage: BUFFER_MAP_READ | BUFFER_COPY_DST });
    let state = 1;
    const next = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    this.#data = {
      float: bytesOf(Float32Array.from({ length: PERIOD / 4 }, () => 2 * next() - 1)),
      // Halves in ±[0.5, 1): sign, exponent 14, ten random bits.
      half: bytesOf(
        Uint16Array.from({ length: PERIOD / 2 }, () => (next() < 0.5 ? 0x8000 : 0) | 0x3800 | (next() * 1024)),
      ),
      // Indices and booleans alike.
      integer: bytesOf(Uint32Array.from({ length: PERIOD / 4 }, () => Math.floor(2 * next()))),
    };
  }

  /** Compiles a kernel and gives it its data; null where the device refuses it. */
  async prepare(kernel: StandKernel): Promise<PreparedKernel | null> {
    const gpu = this.#gpu;
    gpu.pushErrorScope("validation");
    gpu.pushErrorScope("out-of-memory");
    let prepared: PreparedKernel | null = null;
    try {
      const module = gpu.createShaderModule({ code: kernel.wgsl, label: kernel.name });
      const pipeline = await gpu.createComputePipelineAsync({
        label: kernel.name,
        layout: "auto",
        compute: { module, entryPoint: kernel.entry },
      });
      const buffers = kernel.bindings.map((binding) => this.#buffer(binding));
      const entries = buffers.map((buffer, i): GPUBindGroupEntry => ({ binding: i, resource: { buffer } }));
      if (kernel.scalars.length > 0)
        entries.push({ binding: buffers.length, resource: { buffer: this.#uniform(kernel) } });
      const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
      prepared = { kernel, pipeline, group, buffers };
    } catch {
      // Rejected: the scopes have the reasons, which are nobody's fault.
    }
    const errors = [await gpu.popErrorScope(), await gpu.popErrorScope()];
    return errors.every((error) => error === null) ? prepared : null;
  }

  #buffer(binding: StandBinding): GPUBuffer {
    const known = binding.access === "read" ? this.#shared.get(binding.key) : undefined;
    if (known !== undefined) return known;
    const usage = BUFFER_STORAGE | BUFFER_COPY_DST | BUFFER_COPY_SRC;
    const buffer = this.#gpu.createBuffer({ size: binding.bytes, usage });
    this.#made.push(buffer);
    if (binding.access === "read") this.#shared.set(binding.key, buffer);
    this.#fill(buffer, binding);
    return buffer;
  }

  #fill(buffer: GPUBuffer, { bytes, kind }: StandBinding): void {
    for (let at = 0; at < bytes; at += PERIOD) {
      this.#gpu.queue.writeBuffer(buffer, at, this.#data[kind], 0, Math.min(PERIOD, bytes - at));
    }
  }

  #uniform({ scalars }: StandKernel): GPUBuffer {
    const block = new DataView(new ArrayBuffer(16 * Math.ceil(scalars.length / 4)));
    scalars.forEach((kind, i) => {
      if (kind === "float") block.setFloat32(4 * i, 1, true);
      else block.setUint32(4 * i, 1, true);
    });
    const buffer = this.#gpu.createBuffer({ size: block.byteLength, usage: BUFFER_UNIFORM | BUFFER_COPY_DST });
    this.#made.push(buffer);
    this.#gpu.queue.writeBuffer(buffer, 0, block.buffer);
    return buffer;
  }

  /** Microseconds of one dispatch. */
  async time({ kernel, pipeline, group }: PreparedKernel): Promise<number> {
    const encoder = this.#gpu.createCommandEncoder();
    const pass = encoder.beginComputePass({
      timestampWrites: { querySet: this.#queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
    });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...kernel.workgroups);
    pass.end();
    encoder.resolveQuerySet(this.#queries, 0, 2, this.#stamps, 0);
    encoder.copyBufferToBuffer(this.#stamps, 0, this.#readable, 0, 16);
    this.#gpu.queue.submit([encoder.finish()]);
    const mapped = this.#readable.mapAsync(MAP_READ);
    this.#device.restDuring(mapped);
    await mapped;
    const [start = 0n, end = 0n] = new BigUint64Array(this.#readable.getMappedRange());
    const microseconds = Number(end - start) / 1000;
    this.#readable.unmap();
    return microseconds;
  }

  /** Runs the kernel on the made-up data and returns its outputs, by the keys of its bindings. */
  async results(prepared: PreparedKernel): Promise<Map<unknown, ArrayBuffer>> {
    const { kernel, buffers } = prepared;
    kernel.bindings.forEach((binding, i) => {
      if (binding.access === "read_write") this.#fill(buffers[i] as GPUBuffer, binding);
    });
    await this.time(prepared);
    const found = new Map<unknown, ArrayBuffer>();
    for (const [i, { access, key, bytes }] of kernel.bindings.entries()) {
      if (access === "read") continue;
      const copy = this.#gpu.createBuffer({ size: bytes, usage: BUFFER_MAP_READ | BUFFER_COPY_DST });
      const encoder = this.#gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(buffers[i] as GPUBuffer, 0, copy, 0, bytes);
      this.#gpu.queue.submit([encoder.finish()]);
      await copy.mapAsync(MAP_READ);
      found.set(key, copy.getMappedRange().slice(0));
      copy.destroy();
    }
    return found;
  }

  /** Frees the data of all kernels. */
  clear(): void {
    for (const buffer of this.#made.splice(0)) buffer.destroy();
    this.#shared.clear();
  }

  close(): void {
    this.clear();
    this.#stamps.destroy();
    this.#readable.destroy();
    this.#queries.destroy();
  }
}

export interface PreparedKernel {
  readonly kernel: StandKernel;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly buffers: readonly GPUBuffer[];
}

function bytesOf(values: Float32Array | Uint16Array | Uint32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer as ArrayBuffer);
}
