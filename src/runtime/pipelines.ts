// Pipelines, compiled asynchronously and in parallel, one per shader text.

import { ShaderError } from "../base/errors.ts";
import { SHADER_STAGE_COMPUTE } from "./constants.ts";
import type { ExecutableStep } from "./executable.ts";

export interface PipelineEntry {
  pipeline: GPUComputePipeline | null;
  /** Whether the compiler has accepted the shader, and its message if not. */
  sure: boolean;
  error: Error | null;
  readonly layout: GPUBindGroupLayout;
  readonly wgsl: string;
  /** Steps of executables that are kept. */
  uses: number;
  readonly ready: Promise<void>;
  /** Makes the pipeline at once, for whoever cannot wait. */
  readonly finish: () => void;
}

/** Number of unused pipelines that are kept, because plans that are made anew have many kernels again. */
const MOST_IDLE = 256;

export class PipelineCache {
  readonly #device: GPUDevice;
  /** How many have been made. */
  count = 0;
  /** Those that are kept, by their texts. */
  readonly entries: Map<string, PipelineEntry> = new Map();
  /** Those that nobody uses, the longest unused first. */
  readonly #idle = new Set<PipelineEntry>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Returns the pipeline of a step. The first request for a text starts its compilation. The pipeline is kept until all users have released it, and for a while after. */
  get(step: ExecutableStep): PipelineEntry {
    const { wgsl, name } = step.kernel;
    let entry = this.entries.get(wgsl);
    if (entry !== undefined) {
      entry.uses++;
      this.#idle.delete(entry);
      return entry;
    }
    const layout = this.#layout(step);
    // Mistakes are told to whoever waits for the pipeline, not to all the page.
    this.#device.pushErrorScope("validation");
    const module = this.#device.createShaderModule({ code: wgsl, label: name });
    this.#device.popErrorScope().catch(() => undefined);
    const descriptor = {
      label: name,
      layout: layout.pipeline,
      compute: { module, entryPoint: step.kernel.entry ?? "main" },
    };
    const made = this.#device.createComputePipelineAsync(descriptor);
    const created: PipelineEntry = {
      pipeline: null,
      sure: false,
      error: null,
      layout: layout.group,
      wgsl,
      uses: 1,
      finish: () => {
        if (created.pipeline !== null) return;
        this.#device.pushErrorScope("validation");
        created.pipeline = this.#device.createComputePipeline(descriptor);
        this.#device.popErrorScope().catch(() => undefined);
      },
      ready: made.then(
        (pipeline) => {
          created.pipeline ??= pipeline;
          created.sure = true;
        },
        async (error: unknown) => {
          created.error = await shaderError(step.kernel, module, error);
          throw created.error;
        },
      ),
    };
    // The caller that waits for the run sees the rejection. No other handler is needed.
    created.ready.catch(() => undefined);
    entry = created;
    this.count++;
    this.entries.set(wgsl, entry);
    return entry;
  }

  /** Takes a step's pipeline back. */
  release(entry: PipelineEntry): void {
    if (--entry.uses > 0) return;
    this.#idle.add(entry);
    const [oldest] = this.#idle;
    if (oldest === undefined || this.#idle.size <= MOST_IDLE) return;
    this.#idle.delete(oldest);
    this.entries.delete(oldest.wgsl);
  }

  #layout(step: ExecutableStep): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    const key = step.bindings.map((b) => b.access).join() + (step.scalarOffset >= 0 ? ",uniform" : "");
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      const entries: GPUBindGroupLayoutEntry[] = step.bindings.map((b, binding) => ({
        binding,
        visibility: SHADER_STAGE_COMPUTE,
        buffer: { type: b.access === "read" ? "read-only-storage" : "storage" },
      }));
      if (step.scalarOffset >= 0)
        entries.push({ binding: entries.length, visibility: SHADER_STAGE_COMPUTE, buffer: { type: "uniform" } });
      const group = this.#device.createBindGroupLayout({ entries });
      layout = { group, pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}

/** Describes the errors of a shader, in lines of the author's text. */
async function shaderError(
  { name, preamble = 0 }: ExecutableStep["kernel"],
  module: GPUShaderModule,
  error: unknown,
): Promise<ShaderError> {
  const { messages } = await module.getCompilationInfo();
  const found = messages
    .filter(({ type }) => type === "error")
    .map(({ lineNum, linePos, message }) => ({ line: Math.max(lineNum - preamble, 0), column: linePos, message }));
  const first = found[0];
  const lines = found.map(({ line, column, message }) => `line ${line}, column ${column}: ${message}`);
  const reason = lines.length > 0 ? lines.join("\n") : error instanceof Error ? error.message : String(error);
  return new ShaderError(`the shader of kernel "${name}" does not compile: ${reason}`, {
    op: name,
    kernel: name,
    line: first?.line ?? 0,
    column: first?.column ?? 0,
  });
}
