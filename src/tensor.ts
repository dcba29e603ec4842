// The public functions: everything but layers, optimizers and data. The ops are functions here; methods.ts makes methods of them.

import { gradients } from "./autograd/backward.ts";
import { isFloat } from "./base/dtype.ts";
import { DeviceLostError } from "./base/errors.ts";
import * as access from "./engine/core-functions.ts";
import { limitMemory, openDevice, openedDevice } from "./engine/engine.ts";
import { workspaceFor } from "./engine/memory-limit.ts";
import { useRematerialization } from "./engine/plan-cache.ts";
import { explainJob, explainRead } from "./engine/stale.ts";
import { tensorsIn } from "./engine/tensors-in.ts";
import type { AccessMethods } from "./generated/core-methods.ts";
import { manualSeed } from "./graph/generator.ts";
import { install } from "./graph/install.ts";
import { sourceLine } from "./graph/source-line.ts";
import { collectScope, recording, Tensor, withGrad } from "./graph/tensor.ts";
import { checkFunction, demand, refusePromise } from "./ops/check.ts";
import { checkOptions, printed } from "./ops/define.ts";
import { Device, type DeviceOptions } from "./runtime/device.ts";
import { rematerialize } from "./schedule/rematerialize.ts";

export { checkpoint } from "./autograd/checkpoint.ts";
export type { DataArray, DType, TypedArray } from "./base/dtype.ts";
export type { Shape } from "./base/shape.ts";
export { Arena, stateTensor } from "./engine/arena.ts";
export { compile } from "./engine/compile.ts";
export { assign, backward, detach, realize, to } from "./engine/core-functions.ts";
export { scalar, submit, synchronize } from "./engine/engine.ts";
export { Gradients } from "./engine/gradients.ts";
export { setOptimize } from "./engine/plan-cache.ts";
export { dropGradient, ownGradients } from "./engine/requests.ts";
export type { RngState } from "./graph/generator.ts";
export { getRngState, initialSeed, manualSeed, setRngState } from "./graph/generator.ts";
export { internally, isGradEnabled, outsideScopes, Tensor } from "./graph/tensor.ts";
export { hostEffect, isReadAnew, traceGuard } from "./graph/trace.ts";
export { checkGradients } from "./inspect/check-gradients.ts";
export type { KernelReport, PlanReport } from "./inspect/explain.ts";
export { explain, kernels } from "./inspect/explain.ts";
export type { KernelProfile, ProfileOptions, ProfileReport } from "./inspect/profile.ts";
export { profile } from "./inspect/profile.ts";
export type { TunedKernel, TuneOptions, TuneReport } from "./inspect/tune.ts";
export { tune } from "./inspect/tune.ts";
export type {
  CustomInputs,
  CustomKernelOptions,
  CustomOutput,
  CustomOutputs,
  InputGradients,
  TensorsLike,
} from "./ops/custom-kernel.ts";
export { customKernel } from "./ops/custom-kernel.ts";
export { checkOptions } from "./ops/define.ts";
export * from "./ops/functions.ts";
export * from "./ops/methods.ts";
export type { Device, DeviceOptions, DeviceStats } from "./runtime/device.ts";
export type { BindingReport } from "./shaders/listing.ts";

declare module "./graph/tensor.ts" {
  interface Tensor extends AccessMethods {}
}

// The methods that read and change tensors are small, so every door has them.
install(access);

/**
 * Opens the device. Calling it is optional: the first read opens the default device by itself. Rejects with a
 * DeviceLostError if there is no adapter. Options: `gpu` or `device` to use, `powerPreference`, `adapter` (part of its
 * name, in Node), `seed`, and `memoryLimit` in bytes.
 *
 * With no options, with `seed` alone, or with the `device` that is in use already, an open device stays open and keeps
 * all tensors. Any other option opens another device and closes the one before: tensors that lived there are lost, and
 * its `failure` says so. Several calls at once run one after the other by the same rule; what was recorded before runs
 * on the last device. A call that rejects leaves the open device alone.
 */
export async function init(options?: DeviceOptions): Promise<Device> {
  checkOptions("init", options, ["gpu", "device", "powerPreference", "adapter", "seed", "memoryLimit"]);
  const { seed, ...rest } = options ?? {};
  const wishes = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as DeviceOptions;
  const { device, gpu, memoryLimit } = wishes;
  if (memoryLimit !== undefined) {
    const positive = typeof memoryLimit === "number" && memoryLimit > 0;
    demand("init", "memoryLimit", memoryLimit, positive, "a number of bytes > 0");
  }
  if (gpu !== undefined && typeof gpu?.requestAdapter !== "function") {
    throw new TypeError(`init: gpu must be a GPU object such as navigator.gpu, got ${printed(gpu)}.`);
  }
  if (seed !== undefined) manualSeed(seed);
  if (device !== undefined) await checkShared(device);
  if (memoryLimit !== undefined) {
    useRematerialization(rematerialize);
    limitMemory({ workspaceFor, explainJob, explainRead });
    recording.locate = sourceLine;
  }
  const count = Object.keys(wishes).length;
  if (count === 0) return openDevice();
  return openDevice(async () => {
    const before = openedDevice();
    if (count === 1 && before?.failure === null && before.gpu === device) return before;
    const opened =
      device === undefined
        ? await Device.open(wishes, memoryLimit)
        : new Device(device, device.adapterInfo?.description ?? "", false, memoryLimit);
    before?.destroy("the device was replaced: init() has opened another one.");
    return opened;
  });
}

/** Demands a WebGPU device that is not lost. */
async function checkShared(device: GPUDevice): Promise<void> {
  if (typeof device?.createBuffer !== "function" || device.lost === undefined) {
    const remedy =
      (device as unknown) instanceof Promise ? "await it first" : "await adapter.requestDevice() gives one";
    throw new TypeError(`init: device must be a GPUDevice, got ${printed(device)}: ${remedy}.`);
  }
  // Browsers tell of a loss with the answer to whatever they are asked next.
  device.pushErrorScope("validation");
  await device.popErrorScope().catch(() => null);
  const lost = await Promise.race([device.lost, undefined]);
  if (lost !== undefined) {
    throw new DeviceLostError(
      `init: the device that was given is lost (${lost.reason ?? "unknown"}): ${lost.message} Request another one.`,
    );
  }
}

/** Returns the open device, or null before the first read. */
export function currentDevice(): Device | null {
  return openedDevice();
}

/**
 * Runs `fn` without recording gradients: its results have no `requiresGrad`. Throws a TypeError for an async function.
 */
export function noGrad<T>(fn: () => T): T {
  return withGrad(false, expectFunction("noGrad", fn));
}

function expectFunction<F extends (...args: never[]) => unknown>(op: string, fn: F): F {
  checkFunction(op, "the argument", fn);
  if (fn.constructor.name === "AsyncFunction")
    throw new TypeError(`${op}: the function must be synchronous: what it makes after an await is not inside.`);
  return fn;
}

/**
 * Returns the gradients of `outputs` with respect to `inputs`. Outputs are scalars, unless `gradOutputs`, tensors of
 * their shapes, weight their elements. No `.grad` changes. The results are recorded tensors, so `grad(grad(…))` works.
 * An input on which no output depends has the gradient 0; with `allowUnused: false` it throws a WgradError.
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
 * Returns a function that computes the scalar `fn(…)` together with its gradients with respect to all float tensors
 * among the arguments, in order. Other arguments (labels, numbers, options) are passed on.
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
    refusePromise("valueAndGrad", value);
    return [value, gradients(value, inputs)];
  };
}

/**
 * Runs `fn` and then frees every tensor that was made inside, also if `fn` throws. Two kinds of tensors stay: those
 * that `fn` returns (alone, or in arrays and objects), and those that outlive it: assigned values, gradients of leaves,
 * running statistics, the state of optimizers.
 */
export function scope<T>(fn: () => T): T {
  expectFunction("scope", fn);
  const made: Tensor[] = [];
  let kept: ReadonlySet<Tensor> = new Set();
  try {
    const result = collectScope(made, fn);
    refusePromise("scope", result);
    kept = tensorsIn(result);
    return result;
  } finally {
    // A leaf that goes leaves its gradient to the second round.
    for (const round of [made, made])
      for (const tensor of round) if (!kept.has(tensor) && !tensor.isGradient) tensor.dispose();
  }
}
