// The browser's GPU provider: WebGPU as the page or worker has it.

import { DeviceLostError } from "../base/errors.ts";

/** Options of `openGpu`. */
export interface GpuOptions {
  /** Part of an adapter's name. Node only: a browser has one adapter per power preference and offers no names. */
  adapter?: string;
}

/**
 * The `GPU` object of this page or worker.
 * @throws DeviceLostError where there is no WebGPU.
 */
export async function openGpu(_options: GpuOptions = {}): Promise<GPU> {
  const gpu: GPU | undefined = globalThis.navigator?.gpu;
  if (gpu === undefined) throw new DeviceLostError(`init: this environment has no WebGPU (navigator.gpu). ${remedy()}`);
  return gpu;
}

/** The advice for a user without an adapter. */
export function driverRemedy(): string {
  return "Update the graphics driver, or look at chrome://gpu for why WebGPU is off.";
}

function remedy(): string {
  return globalThis.isSecureContext === false
    ? "Browsers offer it only to https:// pages and to http://localhost: serve the page from there."
    : "Use a browser that has it: Chrome or Edge 113, Safari 26, Firefox 141 or later.";
}

/** Nothing to do: a browser waits without turning. */
export function restDuring(_work: Promise<unknown>): void {}
