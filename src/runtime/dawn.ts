// The GPU provider outside of browsers: the runtime's own WebGPU (Deno), else Dawn, from the npm package `webgpu` (Node, Bun).

import { DeviceLostError } from "../base/errors.ts";
import { awaitAtExit, type DawnClasses } from "./dawn-promises.ts";

export { restDuring } from "./rest.ts";

/** Options of `openGpu`. */
export interface GpuOptions {
  /** Part of an adapter's name, where the machine has several: `"llvmpipe"`, `"NVIDIA"`. */
  adapter?: string;
}

/**
 * Opened instances by the options that they were created with. They stay for the life of the process: Dawn crashes when
 * an instance is collected before everything made by it, and one that stays keeps no process from ending.
 */
const instances = new Map<string, Promise<GPU>>();

/**
 * The `GPU` object of this process: the same one for the same options, so that it may be opened as often as one likes.
 * A runtime's own one offers no names, so a wish for an `adapter` goes to Dawn.
 * @throws DeviceLostError that says which command to run, where the package or a usable adapter is missing.
 */
export async function openGpu(options: GpuOptions = {}): Promise<GPU> {
  const own: GPU | undefined = globalThis.navigator?.gpu;
  if (own !== undefined && options.adapter === undefined) return own;
  const flags = dawnFlags(options);
  const key = flags.join();
  let instance = instances.get(key);
  if (instance === undefined) {
    instance = create(flags);
    instances.set(key, instance);
    // A failed attempt isn't kept: the driver may be there the next time.
    instance.catch(() => instances.delete(key));
  }
  return instance;
}

function dawnFlags(options: GpuOptions): string[] {
  // Timestamps are rounded to 0.1 ms otherwise: a browser's defence against pages, which a process does not need.
  const flags = ["disable-dawn-features=timestamp_quantization"];
  // Dawn's own choice is right elsewhere (Metal, Direct3D 12); on Linux it would also try OpenGL.
  if (process.platform === "linux") flags.push("backend=vulkan");
  if (options.adapter !== undefined) flags.push(`adapter=${options.adapter}`);
  return flags;
}

async function create(flags: string[]): Promise<GPU> {
  const dawn = await load();
  const gpu = dawn.create(flags);
  let adapter: GPUAdapter | null;
  try {
    adapter = await gpu.requestAdapter();
  } catch (error) {
    // Dawn lists the adapters that there are.
    throw new DeviceLostError(`init: ${firstLine(error)}`);
  }
  if (adapter === null) throw new DeviceLostError(`init: no WebGPU adapter was found. ${driverRemedy()}`);
  return gpu;
}

/** Dawn's own message, up to the first line break. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
}

async function load(): Promise<{ create(options: string[]): GPU }> {
  try {
    const dawn = await import("webgpu");
    awaitAtExit(dawn.globals as DawnClasses);
    return dawn;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ERR_MODULE_NOT_FOUND" && message.includes("'webgpu'")) {
      throw new DeviceLostError(
        "init: the package `webgpu` (WebGPU for Node) is not installed. Run: npm install webgpu",
      );
    }
    throw new DeviceLostError(
      `init: the package \`webgpu\` cannot be loaded on ${process.platform} ${process.arch}: ${message}. ` +
        "It has builds for Linux (x64, arm64), macOS and Windows (x64, arm64).",
    );
  }
}

/** The advice for a user without an adapter. */
export function driverRemedy(): string {
  if (process.platform !== "linux") return "Update the graphics driver.";
  return (
    "Install the GPU's Vulkan driver, or a software driver: sudo apt-get install mesa-vulkan-drivers libvulkan1 " +
    "(Debian 12: add -t bookworm-backports, its own Mesa is too old)."
  );
}
