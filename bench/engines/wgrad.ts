// wgrad in the benchmark: plain, or through `compile`.
import { compile, init, realize, synchronize, type Tensor } from "wgrad";
import type { Opened, Steps } from "./engine.ts";

/** Turns a function of tensors into the step that is timed: itself, or its compiled form. */
export type Wrap = <Arguments extends readonly Tensor[]>(
  step: (...args: Arguments) => Tensor[],
) => (...args: Arguments) => Tensor[];

/** A row's version for wgrad. */
export type WgradVersion = (wrap: Wrap) => Steps<Tensor>;

/** Opens wgrad on the environment's GPU; where a step `reads`, it is submitted by the read. */
export async function openWgrad(version: WgradVersion, compiled: boolean, reads: boolean): Promise<Opened> {
  const device = await init({ gpu: navigator.gpu });
  const wrap: Wrap = (step) => (compiled ? compile(step as never) : step);
  return {
    adapter: device.adapterName,
    prepare: () => {
      const { step } = version(wrap);
      return {
        step: () => {
          const results = step();
          // A step with an optimizer is under way; a plain value is computed when somebody asks for it.
          if (!reads) void realize(...results);
          return {
            finished: () => (reads ? realize(...results) : synchronize(0)),
            values: () => Promise.all(results.map((result) => result.data())),
            drop: () => {
              for (const result of results) result.dispose();
            },
          };
        },
      };
    },
  };
}
