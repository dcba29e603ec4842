// What the device can do at best, measured with hand-written kernels: the ceilings that a step's kernels are held against.
import type { Device } from "wgrad";
import { quantile } from "./quantile.ts";

export interface Ceilings {
  /** Bytes read and written per second by the best of some copy kernels, for amounts that caches hold and that none does. */
  readonly copies: readonly { readonly bytes: number; readonly GBs: number }[];
  /** Multiplications and additions per second, fused, in registers. */
  readonly fmaGFLOPs: number;
  /** The same where operands are loaded from caches as products of matrices must: the best of some register tiles. */
  readonly tileGFLOPs: number;
  /** Exponentials of f32 per second. */
  readonly expGs: number;
  /** A pass of one dispatch that does nothing, on the device: what every profiled kernel takes at least. */
  readonly launchMicroseconds: number;
  /** One more dispatch in a pass, on the device. */
  readonly dispatchMicroseconds: number;
  /** An empty submit that is waited for. */
  readonly submitMicroseconds: number;
  /** The same with four bytes read back. */
  readonly readbackMicroseconds: number;
}

const repeats = 7;
/** Bytes of a copy, read and written: the largest are more than most last caches hold, and every device binds half of it. */
const copyBytes = [1 << 19, 1 << 22, 1 << 25, 1 << 27];
/** Enough invocations for any device. */
const invocations = 1 << 16;

/** Measures the ceilings of a device that has timestamps; takes about a second. */
export async function measureCeilings(device: Device): Promise<Ceilings> {
  const lab = new Lab(device);
  const most = Math.max(...copyBytes) / 2;
  const [from, to] = [lab.buffer(most), lab.buffer(most)];
  // Vectors per invocation, side by side: software drivers want several, GPUs one.
  const copiers = [1, 4, 8].map((each) => ({ each, kernel: lab.kernel(copyShader(each), [from, to]) }));
  const copies: Ceilings["copies"][number][] = [];
  for (const bytes of copyBytes) {
    let best = 0;
    for (const { each, kernel } of copiers) {
      const seconds = await lab.time(kernel, bytes / 32 / each / 64);
      best = Math.max(best, bytes / seconds / 1e9);
    }
    copies.push({ bytes, GBs: best });
  }
  const small = lab.buffer(16 * invocations);
  const rates: number[] = [];
  for (const chains of [2, 8]) {
    const seconds = await lab.time(lab.kernel(fmaShader(chains), [small]), invocations / 64);
    // Four lanes, a multiplication and an addition each.
    rates.push((invocations * chains * 64 * 8) / seconds / 1e9);
  }
  const tiles: number[] = [];
  for (const shared of device.subgroupSize === 8 ? [false, true] : [false]) {
    for (const rows of [8, 16]) {
      const seconds = await lab.time(lab.kernel(tileShader(rows, shared), [small, to]), invocations / 64);
      tiles.push((invocations * tileSteps * rows * 8) / seconds / 1e9);
    }
  }
  const expSeconds = await lab.time(lab.kernel(expShader, [small]), invocations / 64);
  const nothing = lab.kernel(emptyShader, [small]);
  const result: Ceilings = {
    copies,
    fmaGFLOPs: Math.max(...rates),
    tileGFLOPs: Math.max(...tiles),
    expGs: (invocations * 16 * 4) / expSeconds / 1e9,
    launchMicroseconds: 1e6 * (await lab.time(nothing, 1, 1)),
    dispatchMicroseconds: ((await lab.time(nothing, 1, 201)) - (await lab.time(nothing, 1, 1))) * (1e6 / 200),
    submitMicroseconds: await lab.wall(() => lab.submit(nothing)),
    readbackMicroseconds: await lab.wall(() => lab.readback(nothing, small)),
  };
  lab.close();
  return result;
}

/** The copy rate of the measured amount that is nearest. */
export function copyRate({ copies }: Ceilings, bytes: number): number {
  const distance = (measured: number): number => Math.abs(Math.log(measured / Math.max(bytes, 1)));
  const sorted = [...copies].sort((a, b) => distance(a.bytes) - distance(b.bytes));
  return sorted[0]?.GBs ?? Number.NaN;
}

const copyShader = (each: number): string => `
@group(0) @binding(0) var<storage, read_write> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copy: array<vec4f>;
@compute @workgroup_size(64) fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let at = ((group.x + group.y * groups.x) * 64u + local) * ${each}u;
  ${Array.from({ length: each }, (_, i) => `copy[at + ${i}u] = source[at + ${i}u];`).join("\n  ")}
}`;

/** Chains of dependent operations side by side, 64 links each. */
const fmaShader = (chains: number): string => {
  const names = Array.from({ length: chains }, (_, i) => `x${i}`);
  const link = names.map((x) => `${x} = fma(${x}, a, b);`).join(" ");
  return `
@group(0) @binding(0) var<storage, read_write> data: array<vec4f>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = data[id.x] * 0.5 + 0.25;
  let b = data[id.x] + 0.125;
  ${names.map((x, i) => `var ${x} = a + ${i}.0;`).join(" ")}
  for (var i = 0; i < 16; i++) { ${[link, link, link, link].join(" ")} }
  data[id.x] = min(${names.join(" + ")}, vec4f(1.0));
}`;
};

const tileSteps = 64;

/**
 * Tiles of rows × four columns: in each step a vec4 of one factor and a number per row of the other, from 16 KiB that are read again and
 * again; the numbers are the same for all invocations, or loaded by one lane each of a subgroup of eight and handed on.
 */
const tileShader = (rows: number, shared: boolean): string => {
  const each = Array.from({ length: rows }, (_, r) => r);
  const factors = shared
    ? [
        ...Array.from(
          { length: rows / 8 },
          (_, i) => `let own${i} = data[(k * ${rows / 8} + ${i}) * 8 + i32(lane & 7u)].x;`,
        ),
        ...each.map((r) => `let a${r} = subgroupBroadcast(own${r >> 3}, ${r & 7}u);`),
      ]
    : [
        ...Array.from({ length: rows / 4 }, (_, i) => `let four${i} = data[k * ${rows / 4} + ${i}];`),
        ...each.map((r) => `let a${r} = four${r >> 2}.${"xyzw"[r & 3]};`),
      ];
  return `${shared ? "enable subgroups;" : ""}
@group(0) @binding(0) var<storage, read_write> data: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> results: array<vec4f>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
    ${shared ? "@builtin(subgroup_invocation_id) lane: u32" : ""}) {
  let column = i32(id.x % 16u);
  ${each.map((r) => `var sum${r} = vec4f(0.0);`).join(" ")}
  for (var k = 0; k < ${tileSteps} * i32(groups.z); k++) {
    let b = data[k * 16 + column];
    ${factors.join("\n    ")}
    ${each.map((r) => `sum${r} = fma(vec4f(a${r}), b, sum${r});`).join("\n    ")}
  }
  results[id.x] = ${each.map((r) => `sum${r}`).join(" + ")};
}`;
};

const expShader = `
@group(0) @binding(0) var<storage, read_write> data: array<vec4f>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var x = data[id.x];
  for (var i = 0; i < 16; i++) { x = exp(x) - 1.0; }
  data[id.x] = min(x, vec4f(0.001));
}`;

const emptyShader = `
@group(0) @binding(0) var<storage, read_write> data: array<vec4f>;
@compute @workgroup_size(1) fn main() { data[0] = vec4f(0.0); }`;

interface Kernel {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

class Lab {
  readonly #device: Device;
  readonly #gpu: GPUDevice;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #readable: GPUBuffer;
  readonly #buffers: GPUBuffer[] = [];

  constructor(device: Device) {
    const { gpu } = device;
    this.#device = device;
    this.#gpu = gpu;
    this.#queries = gpu.createQuerySet({ type: "timestamp", count: 2 });
    this.#resolved = gpu.createBuffer({ size: 16, usage: QUERY_RESOLVE | COPY_SRC });
    this.#readable = gpu.createBuffer({ size: 16, usage: MAP_READ_USAGE | COPY_DST });
  }

  buffer(size: number): GPUBuffer {
    const buffer = this.#gpu.createBuffer({ size, usage: STORAGE | COPY_SRC });
    this.#buffers.push(buffer);
    return buffer;
  }

  kernel(code: string, buffers: readonly GPUBuffer[]): Kernel {
    const module = this.#gpu.createShaderModule({ code });
    const pipeline = this.#gpu.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } });
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    return { pipeline, group: this.#gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }) };
  }

  /** Seconds that the device takes for `times` dispatches in a pass: the shortest of some, as it is to be a ceiling. */
  async time({ pipeline, group }: Kernel, workgroups: number, times = 1): Promise<number> {
    const seconds: number[] = [];
    for (let i = 0; i < repeats; i++) {
      const encoder = this.#gpu.createCommandEncoder();
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet: this.#queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      const rows = Math.ceil(workgroups / 32768);
      for (let k = 0; k < times; k++) pass.dispatchWorkgroups(workgroups / rows, rows);
      pass.end();
      encoder.resolveQuerySet(this.#queries, 0, 2, this.#resolved, 0);
      encoder.copyBufferToBuffer(this.#resolved, 0, this.#readable, 0, 16);
      this.#gpu.queue.submit([encoder.finish()]);
      const mapped = this.#readable.mapAsync(MAP_READ);
      // As wgrad does: what waits would take a core from software drivers.
      this.#device.restDuring(mapped);
      await mapped;
      const [start = 0n, end = 0n] = new BigUint64Array(this.#readable.getMappedRange());
      seconds.push(Number(end - start) / 1e9);
      this.#readable.unmap();
    }
    return quantile(seconds, 0);
  }

  async submit(kernel: Kernel): Promise<void> {
    this.#gpu.queue.submit([this.#encode(kernel).finish()]);
    await this.#gpu.queue.onSubmittedWorkDone();
  }

  async readback(kernel: Kernel, from: GPUBuffer): Promise<void> {
    const encoder = this.#encode(kernel);
    encoder.copyBufferToBuffer(from, 0, this.#readable, 0, 4);
    this.#gpu.queue.submit([encoder.finish()]);
    await this.#readable.mapAsync(MAP_READ);
    this.#readable.unmap();
  }

  #encode({ pipeline, group }: Kernel): GPUCommandEncoder {
    const encoder = this.#gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1);
    pass.end();
    return encoder;
  }

  /** Median microseconds of what is awaited. */
  async wall(run: () => Promise<void>): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < 50; i++) {
      const start = performance.now();
      await run();
      times.push(1000 * (performance.now() - start));
    }
    return quantile(times, 0.5);
  }

  close(): void {
    for (const buffer of [...this.#buffers, this.#resolved, this.#readable]) buffer.destroy();
    this.#queries.destroy();
  }
}

// The flags of WebGPU's specification, which Node does not have as globals.
const MAP_READ_USAGE = 0x1;
const COPY_SRC = 0x4;
const COPY_DST = 0x8;
const STORAGE = 0x80;
const QUERY_RESOLVE = 0x200;
const MAP_READ = 0x1;
