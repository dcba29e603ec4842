// Opening WebGPU: an adapter by the caller's wishes, and a device with all that it offers.

import { openGpu } from "#gpu";
import { DeviceLostError } from "../errors.ts";

/** Which adapter to take. */
export interface AdapterOptions {
  /** The GPU object to ask for an adapter; the environment's by default. */
  gpu?: GPU;
  powerPreference?: GPUPowerPreference;
  /** Part of an adapter's name (Node): which of several GPUs. */
  adapter?: string;
}

/** A device with all the limits and the useful features of its adapter, and the adapter's name. Throws a DeviceLostError where there is none. */
export async function requestDevice(options: AdapterOptions): Promise<{ device: GPUDevice; name: string }> {
  const gpu = options.gpu ?? (await openGpu(options.adapter === undefined ? {} : { adapter: options.adapter }));
  const adapter = await gpu.requestAdapter(
    options.powerPreference === undefined ? {} : { powerPreference: options.powerPreference },
  );
  if (adapter === null) {
    throw new DeviceLostError(
      "no WebGPU adapter was found. On Linux without a GPU install a software driver (mesa-vulkan-drivers 23 or later).",
    );
  }
  const wanted: GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];
  const requiredFeatures = wanted.filter((f) => adapter.features.has(f));
  const { limits } = adapter;
  const device = await adapter.requestDevice({
    requiredFeatures,
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    },
  });
  const { info } = adapter;
  const name = info?.description || [info?.vendor, info?.architecture, info?.device].filter(Boolean).join(" ");
  return { device, name };
}
