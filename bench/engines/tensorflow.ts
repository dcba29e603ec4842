// TensorFlow.js in the benchmark, on its WebGPU backend.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type * as Tf from "@tensorflow/tfjs-core";
import { build } from "esbuild";
import type { Opened, Steps } from "./engine.ts";

export type TensorFlow = typeof Tf;
export type { Tf };

/** A row's version for TensorFlow.js. Its step runs inside `tidy`. */
export type TensorFlowVersion = (tf: TensorFlow) => Steps<Tf.Tensor>;

/** What the WebGPU backend has beyond the interface of all backends. */
interface Backend {
  readonly device: GPUDevice;
  readonly queue: GPUQueue;
  readonly commandEncoder: GPUCommandEncoder | null;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

const bundle = resolve("build/bench/tensorflow.mjs");

/**
 * Bundles TensorFlow.js into one module, before any process needs it: what its packages offer to Node lacks the gradients,
 * and their modules with the gradients are nothing that Node loads.
 */
export async function bundleTensorFlow(): Promise<void> {
  const contents = [
    'export * from "@tensorflow/tfjs-core";',
    'import "@tensorflow/tfjs-core/dist/register_all_gradients";',
    'import "@tensorflow/tfjs-backend-webgpu";',
  ].join("\n");
  await build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    format: "esm",
    platform: "node",
    mainFields: ["module", "main"],
    external: ["node-fetch"],
    // Its platform for Node calls `require`, which modules don't have.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    outfile: bundle,
    logLevel: "warning",
  });
}

/** Loads TensorFlow.js, which must have been bundled. */
export function importTensorFlow(): Promise<TensorFlow> {
  return import(pathToFileURL(bundle).href);
}

/** Opens its WebGPU backend. */
export async function openTensorFlow(tf: TensorFlow, version: TensorFlowVersion): Promise<Opened> {
  if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js has no WebGPU backend here");
  await tf.ready();
  const backend = tf.backend() as unknown as Backend;
  return {
    adapter: backend.device.adapterInfo?.description ?? "",
    prepare: () => {
      const { step } = version(tf);
      return {
        step: () => {
          const results = tf.tidy(() => step() as Tf.Tensor[]);
          return {
            finished: async () => {
              // It collects dispatches and submits them in lots of 15; the rest waits for a read.
              if (backend.commandEncoder !== null) {
                backend.endComputePassEncoder();
                backend.submitQueue();
              }
              await backend.queue.onSubmittedWorkDone();
            },
            values: () => Promise.all(results.map((result) => result.data() as Promise<Float32Array>)),
            drop: () => tf.dispose(results),
          };
        },
      };
    },
  };
}
