// Pipelines, compiled asynchronously and in parallel, one per shader text.

import { WgradError } from "../errors.ts";
import { SHADER_STAGE_COMPUTE } from "./constants.ts";
import type { ExecutableStep } from "./executable.ts";

export interface PipelineEntry {
  pipeline: GPUComputePipeline | null;
  readonly layout: GPUBindGroupLayout;
  readonly ready: Promise<void>;
  /** Makes the pipeline at once, for whoever cannot wait. */
  readonly finish: () => void;
}

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #entries = new Map<string, PipelineEntry>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** The pipeline of a step; compiling starts at the first sight of its text. */
  get(step: ExecutableStep): PipelineEntry {
    const { wgsl, name } = step.kernel;
    let entry = this.#entries.get(wgsl);
    if (entry !== undefined) return entry;
    const layout = this.#layout(step);
    const module = this.#device.createShaderModule({ code: wgsl, label: name });
    const descriptor = { label: name, layout: layout.pipeline, compute: { module, entryPoint: "main" } };
    const made = this.#device.createComputePipelineAsync(descriptor);
    const created: PipelineEntry = {
      pipeline: null,
      layout: layout.group,
      finish: () => {
        created.pipeline ??= this.#device.createComputePipeline(descriptor);
      },
      ready: made.then(
        (pipeline) => {
          created.pipeline ??= pipeline;
        },
        async (error: unknown) => {
          const info = await module.getCompilationInfo();
          const lines = info.messages.map((m) => `line ${m.lineNum}:${m.linePos}: ${m.message}`).join("\n");
          throw new WgradError(`shader "${name}" does not compile: ${lines || String(error)}`, { op: name });
        },
      ),
    };
    // Whoever waits for the run sees the rejection; nobody else has to.
    created.ready.catch(() => undefined);
    entry = created;
    this.#entries.set(wgsl, entry);
    return entry;
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
