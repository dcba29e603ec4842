// Opening WebGPU: an adapter by the caller's wishes, and a device with all that it offers.

import { driverRemedy, openGpu } from "#gpu";
import { DeviceLostError } from "../base/errors.ts";

/** Which adapter to take. */
export interface AdapterOptions {
  /** The GPU object to ask for an adapter; the environment's by default. */
  gpu?: GPU;
  powerPreference?: GPUPowerPreference;
  /** Part of an adapter's name (Node): which of several GPUs. */
  adapter?: string;
}

/** Limits that are asked for as far as the adapter goes. */
const RAISED = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
] as const;

/** Opens a device with all the limits and the useful features of its adapter. Throws a DeviceLostError if there is no adapter, or it gives no device. */
export async function requestDevice(options: AdapterOptions): Promise<{ device: GPUDevice; name: string }> {
  const gpu = options.gpu ?? (await openGpu(options));
  const adapter = await gpu.requestAdapter(options);
  if (adapter === null) throw new DeviceLostError(`init: no WebGPU adapter was found. ${driverRemedy()}`);
  const wanted: GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];
  const requiredFeatures = wanted.filter((f) => adapter.features.has(f));
  const requiredLimits = Object.fromEntries(RAISED.map((name) => [name, adapter.limits[name]]));
  const opening = adapter.requestDevice({ requiredFeatures, requiredLimits });
  const device = await opening.catch((error: unknown) => {
    throw new DeviceLostError(`init: requestDevice failed: ${String(error)}`);
  });
  const { info } = adapter;
  const name = info?.description || [info?.vendor, info?.architecture, info?.device].filter(Boolean).join(" ");
  return { device, name };
}
