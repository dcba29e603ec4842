// jax-js in the benchmark, on its WebGPU backend; its rows are compiled with `jit`.
import type * as JaxTypes from "@jax-js/jax";
import type { Opened, Steps } from "./engine.ts";

export type Jax = typeof JaxTypes;
export type JaxArray = JaxTypes.Array;

/** A row's version for jax-js. */
export type JaxVersion = (jax: Jax) => Steps<JaxArray>;

/** Loads jax-js. */
export function importJax(): Promise<Jax> {
  addIteratorMap();
  return import("@jax-js/jax");
}

/** Its einsum maps over an iterator, which Node can do from version 22 on. */
function addIteratorMap(): void {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([].values())) as object;
  if ("map" in prototype) return;
  Object.defineProperty(prototype, "map", {
    configurable: true,
    writable: true,
    *value<T, U>(this: Iterable<T>, fn: (item: T, index: number) => U): Generator<U> {
      let index = 0;
      for (const item of this) yield fn(item, index++);
    },
  });
}

/** Opens its WebGPU backend. */
export async function openJax(jax: Jax, version: JaxVersion): Promise<Opened> {
  if (!(await jax.init("webgpu")).includes("webgpu")) throw new Error("jax-js has no WebGPU backend here");
  jax.defaultDevice("webgpu");
  const device = jax.getWebGPUDevice();
  return {
    adapter: device.adapterInfo?.description ?? "",
    prepare: () => {
      const { step } = version(jax);
      return {
        step: () => {
          const results = step();
          return {
            finished: async () => {
              // Everything that a call of a jitted function computes is submitted together.
              await jax.blockUntilReady([...results]);
              await device.queue.onSubmittedWorkDone();
            },
            // Reading gives the array away.
            values: () => Promise.all(results.map((result) => result.ref.data() as Promise<Float32Array>)),
            drop: () => {
              for (const result of results) result.dispose();
            },
          };
        },
      };
    },
  };
}
