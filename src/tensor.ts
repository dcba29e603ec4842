// The façade: everything but layers, optimizers and data. The ops are functions here; methods.ts makes methods of them.

import * as access from "./access.ts";
import { gradients } from "./autograd/backward.ts";
import { isFloat } from "./dtype.ts";
import { flush, openDevice, openedDevice } from "./engine.ts";
import { manualSeed } from "./graph/generator.ts";
import { collectTensors, Tensor, withGrad } from "./graph/tensor.ts";
import { currentTrace } from "./graph/trace.ts";
import { checkOptions, printed } from "./ops/define.ts";
import { useRematerialization } from "./plan-cache.ts";
import type { Device, DeviceOptions } from "./runtime/device.ts";
import { rematerialize } from "./schedule/rematerialize.ts";

export { assign, backward, detach, realize, to } from "./access.ts";
export { Arena, stateTensor } from "./arena.ts";
export { checkpoint } from "./autograd/checkpoint.ts";
export { checkGradients } from "./check-gradients.ts";
export { compile } from "./compile.ts";
export type { DataArray, DType, TypedArray } from "./dtype.ts";
export { scalar, submit, synchronize } from "./engine.ts";
export type { KernelReport, PlanReport } from "./explain.ts";
export { explain, kernels } from "./explain.ts";
export { Gradients } from "./gradients.ts";
export { initialSeed, manualSeed } from "./graph/generator.ts";
export { isGradEnabled, outsideScopes, Tensor } from "./graph/tensor.ts";
export { hostEffect, isReadAnew, readAnew, traceGuard } from "./graph/trace.ts";
export type {
  CustomInputs,
  CustomKernelOptions,
  CustomOutput,
  CustomOutputs,
  InputGradients,
  TensorsLike,
} from "./ops/custom-kernel.ts";
export { customKernel } from "./ops/custom-kernel.ts";
export * from "./ops/functions.ts";
export * from "./ops/methods.ts";
export { dropGradient, ownGradients } from "./pending.ts";
export { setOptimize } from "./plan-cache.ts";
export type { KernelProfile, ProfileOptions, ProfileReport } from "./profile.ts";
export { profile } from "./profile.ts";
export type { Device, DeviceOptions, DeviceStats } from "./runtime/device.ts";
export type { Shape } from "./shape.ts";
export type { TunedKernel, TuneOptions, TuneReport } from "./tune.ts";
export { tune } from "./tune.ts";

// What reads and changes tensors; none of it is large.
for (const [name, apply] of Object.entries(access)) {
  Object.defineProperty(Tensor.prototype, name, {
    configurable: true,
    writable: true,
    value: function (this: Tensor, ...rest: never[]): unknown {
      return (apply as (x: Tensor, ...rest: never[]) => unknown)(this, ...rest);
    },
  });
}

/**
 * Opens the device. Optional: the first read opens the default one by itself. Rejects with a DeviceLostError where there is no
 * adapter. Options: `gpu` or `device` to use, `powerPreference`, `adapter` (part of its name, Node), `seed`, `memoryLimit` in bytes.
 */
export async function init(options?: DeviceOptions): Promise<Device> {
  checkOptions("init", options, ["gpu", "device", "powerPreference", "adapter", "seed", "memoryLimit"]);
  if (options?.seed !== undefined) manualSeed(options.seed);
  if (options?.memoryLimit !== undefined) useRematerialization(rematerialize);
  return openDevice(options);
}

/** The open device, or null before the first read. */
export function currentDevice(): Device | null {
  return openedDevice();
}

/** Runs `fn` without recording what gradients need: its results have no requiresGrad. Throws a TypeError for an async function. */
export function noGrad<T>(fn: () => T): T {
  return withGrad(false, expectFunction("noGrad", fn));
}

function expectFunction<F>(op: string, fn: F): F {
  if (typeof fn !== "function") throw new TypeError(`${op}: the argument must be a function, got ${printed(fn)}.`);
  if (fn.constructor.name === "AsyncFunction")
    throw new TypeError(`${op}: the function must be synchronous: what it makes after an await is not inside.`);
  return fn;
}

/**
 * Gradients of `outputs` (a scalar, or weighted by `gradOutputs` of their shapes) with respect to `inputs`. Pure: touches no
 * `.grad`; the results are graphs again, so `grad(grad(…))` works. An input that no output depends on has the gradient zero; with
 * `allowUnused: false` it throws a WgradError.
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: { gradOutputs?: Tensor | readonly (Tensor | null | undefined)[]; allowUnused?: boolean } = {},
): Tensor[] {
  checkOptions("grad", options, ["gradOutputs", "allowUnused"]);
  return gradients(outputs, inputs instanceof Tensor ? [inputs] : inputs, options.gradOutputs, options.allowUnused);
}

/**
 * A function that returns `fn`'s scalar value and its gradients with respect to all its float tensor arguments, in order; others (labels,
 * numbers, options) are passed on as they are.
 */
export function valueAndGrad<Arguments extends readonly unknown[]>(
  fn: (...args: Arguments) => Tensor,
): (...args: Arguments) => [Tensor, Tensor[]] {
  expectFunction("valueAndGrad", fn);
  return (...args) => {
    const inputs: Tensor[] = [];
    const given = args.map((x) => {
      if (!(x instanceof Tensor) || !isFloat(x.dtype)) return x;
      const leaf = x.requiresGrad ? x : x.detach();
      leaf.requiresGrad = true;
      inputs.push(leaf);
      return leaf;
    });
    const value = withGrad(true, () => fn(...(given as unknown as Arguments)));
    return [value, gradients(value, inputs)];
  };
}

/** Runs `fn` and frees every tensor made inside, save those that it returns (alone, or in arrays and objects). */
export function scope<T>(fn: () => T): T {
  const { result, made } = collectTensors(expectFunction("scope", fn));
  if (result instanceof Promise) {
    result.catch(() => undefined);
    throw new TypeError("scope: the function must be synchronous, got one that returns a promise.");
  }
  const kept = new Set<Tensor>();
  const keep = (value: unknown): void => {
    if (value instanceof Tensor) {
      made.delete(value);
      kept.add(value);
    } else if (Array.isArray(value)) value.forEach(keep);
    else if (value !== null && typeof value === "object") Object.values(value).forEach(keep);
  };
  keep(result);
  if (currentTrace() !== null) return result;
  // What is returned must be computed before what it is made of goes.
  flush(
    [...kept].filter((t) => !t.disposed).map((t) => t.node),
    null,
  );
  for (const tensor of made) tensor.dispose();
  return result;
}
