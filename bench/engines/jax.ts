// jax-js in the benchmark, on its WebGPU backend; its rows are compiled with `jit`.
import type * as JaxTypes from "@jax-js/jax";
import type { Opened, Steps } from "./engine.ts";

export type Jax = typeof JaxTypes;
export type JaxArray = JaxTypes.Array;

/** A row's version for jax-js. */
export type JaxVersion = (jax: Jax) => Steps<JaxArray>;

/** Loads jax-js. */
export function importJax(): Promise<Jax> {
  addIteratorHelpers();
  return import("@jax-js/jax");
}

/** Its einsum maps and filters what an iterator yields, which Node can do from version 22 on. */
function addIteratorHelpers(): void {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([].values())) as object;
  const helpers = {
    *map<T, U>(this: Iterable<T>, fn: (item: T) => U): Generator<U> {
      for (const item of this) yield fn(item);
    },
    *filter<T>(this: Iterable<T>, fn: (item: T) => boolean): Generator<T> {
      for (const item of this) if (fn(item)) yield item;
    },
  };
  for (const [name, value] of Object.entries(helpers)) {
    if (!(name in prototype)) Object.defineProperty(prototype, name, { configurable: true, writable: true, value });
  }
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
