// Makes Node look enough like a page for engines that were written for one, and counts what they ask of WebGPU.
import { create, globals } from "webgpu";

/** What an engine has asked of WebGPU since `countCalls`. */
export interface Calls {
  dispatches: number;
  submits: number;
  pipelines: number;
  /** Bytes of buffers that are alive, and the most that ever were. */
  bytes: number;
  peakBytes: number;
}

/** Sets the globals of WebGPU and a `navigator` whose `gpu` is Dawn's, with the same flags for every engine. */
export function installDawn(): GPU {
  Object.assign(globalThis, globals);
  const flags = ["disable-dawn-features=timestamp_quantization"];
  if (process.platform === "linux") flags.push("backend=vulkan");
  const gpu = create(flags);
  // Both peers look for these three and for nothing else.
  const navigator = { gpu, userAgent: `Node.js/${process.versions.node}`, platform: process.platform };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  return gpu;
}

/** Counts from now on, for whatever engine: the wrappers sit on WebGPU's own prototypes. */
export function countCalls(): Calls {
  const calls: Calls = { dispatches: 0, submits: 0, pipelines: 0, bytes: 0, peakBytes: 0 };
  const { GPUQueue, GPUComputePassEncoder, GPUDevice, GPUBuffer } = globals as unknown as Record<
    string,
    { prototype: Record<string, (...args: unknown[]) => unknown> }
  >;
  const after = (
    target: { prototype: Record<string, (...args: unknown[]) => unknown> } | undefined,
    method: string,
    note: (result: unknown, args: unknown[], self: unknown) => void,
  ): void => {
    const original = target?.prototype[method];
    if (target === undefined || original === undefined) throw new Error(`bench: Dawn has no ${method}`);
    target.prototype[method] = function (this: unknown, ...args: unknown[]): unknown {
      const result = original.apply(this, args);
      note(result, args, this);
      return result;
    };
  };
  after(GPUQueue, "submit", () => calls.submits++);
  after(GPUComputePassEncoder, "dispatchWorkgroups", () => calls.dispatches++);
  after(GPUComputePassEncoder, "dispatchWorkgroupsIndirect", () => calls.dispatches++);
  after(GPUDevice, "createComputePipeline", () => calls.pipelines++);
  after(GPUDevice, "createComputePipelineAsync", () => calls.pipelines++);
  const sizes = new WeakMap<object, number>();
  after(GPUDevice, "createBuffer", (buffer, [descriptor]) => {
    const { size } = descriptor as GPUBufferDescriptor;
    sizes.set(buffer as object, size);
    calls.bytes += size;
    calls.peakBytes = Math.max(calls.peakBytes, calls.bytes);
  });
  after(GPUBuffer, "destroy", (_, __, buffer) => {
    calls.bytes -= sizes.get(buffer as object) ?? 0;
    sizes.delete(buffer as object);
  });
  return calls;
}
