// checkGradients: derivatives against finite differences on the device.

import { gradients } from "../autograd/backward.ts";
import { DTypeError, WgradError } from "../base/errors.ts";
import { readBytes } from "../engine/engine.ts";
import { sourceNode } from "../graph/node.ts";
import { Storage } from "../graph/storage.ts";
import { Tensor, withGrad } from "../graph/tensor.ts";
import { checkFunction, checkOptions, expectTensor, printed, refusePromise } from "../ops/check.ts";

/** The result of `checkGradients`. */
export interface GradientReport {
  /** Whether all errors are within the tolerance. */
  readonly ok: boolean;
  /** Largest |analytic − numeric| / max(1, |numeric|) over all elements checked. */
  readonly maxError: number;
  /** Per input: the largest error and the flat index where it is. */
  readonly inputs: readonly {
    readonly maxError: number;
    readonly index: number;
    readonly analytic: number;
    readonly numeric: number;
  }[];
}

/**
 * Compares the gradients of the scalar `fn(...inputs)` with central differences (f(x + ε) − f(x − ε)) / 2ε, element by
 * element. Of each input, at most `samples` evenly spread elements are checked. f32 leaves a relative error of about
 * 1e-3, which `tolerance` must allow.
 */
export async function checkGradients(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options: { epsilon?: number; tolerance?: number; samples?: number } = {},
): Promise<GradientReport> {
  checkOptions("checkGradients", options, ["epsilon", "tolerance", "samples"]);
  const { epsilon = 1e-2, tolerance = 1e-2, samples = 64 } = options;
  checkFunction("checkGradients", "the first argument", fn);
  if (!Array.isArray(inputs))
    throw new TypeError(`checkGradients: the inputs must be a list of tensors, got ${printed(inputs)}.`);
  for (const [i, x] of inputs.entries()) {
    if (expectTensor("checkGradients", x, `input ${i}`).dtype !== "f32")
      throw new DTypeError(`checkGradients: inputs must be f32, got ${x.dtype} for input ${i}.`, {
        op: "checkGradients",
      });
  }
  const values = await Promise.all(inputs.map(async (x) => new Float32Array(await readBytes(x))));
  const leaf = (array: Float32Array, shape: readonly number[]) => {
    const tensor = new Tensor(sourceNode(new Storage(array.byteLength, array), 0, shape, "f32"));
    tensor.requiresGrad = true;
    return tensor;
  };
  const at = (changed: number, array: Float32Array) =>
    inputs.map((x, i) => leaf(i === changed ? array : (values[i] as Float32Array).slice(), x.shape));
  const leaves = at(-1, new Float32Array());
  const run = (inputs: readonly Tensor[]): Tensor => {
    const output = fn(...inputs);
    refusePromise("checkGradients", output);
    if (output instanceof Tensor && output.numel === 1) return output;
    throw new WgradError(`checkGradients: the function must return a scalar tensor, got ${printed(output)}.`, {
      op: "checkGradients",
    });
  };
  const output = withGrad(true, () => run(leaves));
  // An input on which the result does not depend has the gradient zero.
  const analytic = output.requiresGrad
    ? await Promise.all(gradients(output, leaves).map(async (g) => new Float32Array(await readBytes(g))))
    : values.map((list) => new Float32Array(list.length));
  const reports: GradientReport["inputs"][number][] = [];
  for (const [i, original] of values.entries()) {
    let worst = { maxError: 0, index: -1, analytic: 0, numeric: 0 };
    const step = Math.max(1, Math.floor(original.length / samples));
    for (let k = 0; k < original.length; k += step) {
      const evaluate = async (delta: number) => {
        const moved = original.slice();
        moved[k] = (moved[k] as number) + delta;
        const exact = moved[k] as number;
        return { x: exact, y: new Float32Array(await readBytes(run(at(i, moved))))[0] as number };
      };
      const [high, low] = [await evaluate(epsilon), await evaluate(-epsilon)];
      const numeric = (high.y - low.y) / (high.x - low.x);
      const found = (analytic[i] as Float32Array)[k] as number;
      const error = Math.abs(found - numeric) / Math.max(1, Math.abs(numeric));
      if (!(error <= worst.maxError))
        worst = {
          maxError: Number.isNaN(error) ? Number.POSITIVE_INFINITY : error,
          index: k,
          analytic: found,
          numeric,
        };
    }
    reports.push(worst);
  }
  const maxError = Math.max(0, ...reports.map((r) => r.maxError));
  return { ok: maxError <= tolerance, maxError, inputs: reports };
}
