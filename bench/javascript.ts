// What a step costs in JavaScript alone: recording or replaying, looking the plan up, encoding. The queue is told to drop what it is given.
import { compile, init, realize, synchronize, type Tensor } from "wgrad";
import type { Wrap } from "./engines/wgrad.ts";
import { quantile } from "./quantile.ts";
import type { Row } from "./rows/row.ts";

/** Milliseconds per step, medians. */
export interface JavaScriptTimes {
  readonly plain: number;
  readonly compiled: number;
}

const [steps, warm] = [700, 300];

/** Measures `row` in a process that has run nothing else. */
export async function javascriptTimes(row: Row): Promise<JavaScriptTimes> {
  const { gpu } = await init();
  const time = async (wrap: Wrap): Promise<number> => {
    const { step } = row.wgrad(wrap);
    const take = (): readonly Tensor[] => {
      const results = step();
      void realize(...results);
      return results;
    };
    const drop = (results: readonly Tensor[]): void => {
      for (const result of results) result.dispose();
    };
    // Plans and pipelines are made while the device still works.
    for (let i = 0; i < 4; i++) {
      drop(take());
      await synchronize(0);
    }
    const { submit } = gpu.queue;
    gpu.queue.submit = () => undefined;
    const times: number[] = [];
    for (let i = 0; i < steps; i++) {
      const start = performance.now();
      const results = take();
      if (i >= warm) times.push(performance.now() - start);
      drop(results);
      // What promises have to do is between the steps.
      await new Promise((resolve) => setImmediate(resolve));
    }
    gpu.queue.submit = submit;
    return quantile(times, 0.5);
  };
  return { plain: await time((step) => step), compiled: await time((step) => compile(step as never)) };
}
