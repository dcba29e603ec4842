// The façade: everything but layers, optimizers and data. The ops are functions here; methods.ts makes methods of them.

import * as access from "./access.ts";
import { gradients } from "./autograd/backward.ts";
import { checkFunction, demand, refusePromise } from "./check.ts";
import { isFloat } from "./dtype.ts";
import { limitMemory, openDevice, openedDevice } from "./engine.ts";
import { DeviceLostError } from "./errors.ts";
import { manualSeed } from "./graph/generator.ts";
import { sourceLine } from "./graph/source-line.ts";
import { collectScope, recordLines, Tensor, withGrad } from "./graph/tensor.ts";
import { install } from "./install.ts";
import { tensorsIn } from "./nested.ts";
import { checkOptions, printed } from "./ops/define.ts";
import { useRematerialization } from "./plan-cache.ts";
import { workspaceFor } from "./room.ts";
import { Device, type DeviceOptions } from "./runtime/device.ts";
import { rematerialize } from "./schedule/rematerialize.ts";
import { explainJob, explainRead } from "./stale.ts";

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
export type { RngState } from "./graph/generator.ts";
export { getRngState, initialSeed, manualSeed, setRngState } from "./graph/generator.ts";
export { internally, isGradEnabled, outsideScopes, Tensor } from "./graph/tensor.ts";
export { guardGradient, hostEffect, isReadAnew, traceGuard } from "./graph/trace.ts";
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
export { dropGradient, ownGradients } from "./pending.ts";
export { setOptimize } from "./plan-cache.ts";
export type { KernelProfile, ProfileOptions, ProfileReport } from "./profile.ts";
export { profile } from "./profile.ts";
export type { Device, DeviceOptions, DeviceStats } from "./runtime/device.ts";
export type { Shape } from "./shape.ts";
export type { TunedKernel, TuneOptions, TuneReport } from "./tune.ts";
export { tune } from "./tune.ts";

// What reads and changes tensors; none of it is large.
install(access);

/**
 * Opens the device. Optional: the first read opens the default one by itself. Rejects with a DeviceLostError where there is no
 * adapter. Options: `gpu` or `device` to use, `powerPreference`, `adapter` (part of its name, Node), `seed`, `memoryLimit` in bytes.
 *
 * A device that is open stays open, with all tensors, when nothing but a `seed`, or the `device` that is in use, is given. Any other option
 * opens another one: the one before is closed, what lived there is lost, and its `failure` says so. Several calls at once are
 * served one after the other, by the same rule; what was recorded before runs on the last one's device. A call that rejects leaves the device alone.
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
    recordLines(sourceLine);
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

/** The open device, or null before the first read. */
export function currentDevice(): Device | null {
  return openedDevice();
}

/** Runs `fn` without recording what gradients need: its results have no requiresGrad. Throws a TypeError for an async function. */
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
    refusePromise("valueAndGrad", value);
    return [value, gradients(value, inputs)];
  };
}

/**
 * Runs `fn` and frees every tensor made inside, save those that it returns (alone, or in arrays and objects). What outlives it stays: values that were
 * assigned, gradients of leaves, running statistics, the state of optimizers. Frees them also where `fn` throws.
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
