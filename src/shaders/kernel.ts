// What the shader writers get and give: a device's traits, a kernel's index space, and the finished kernel.

import type { DType } from "../dtype.ts";
import type { Index } from "../graph/index-expression.ts";
import type { Value } from "../graph/program.ts";
import type { ScheduleBook } from "./schedules.ts";

/** What generated code may count on: limits and the class of device, never a device's name. */
export interface DeviceTraits {
  /** "software": few cores, vectors across invocations, no use for workgroup memory; "gpu": coalescing, occupancy. */
  readonly kind: "software" | "gpu";
  /** Storage buffers per kernel. */
  readonly bindings: number;
  readonly maxWorkgroups: number;
  readonly f16: boolean;
  readonly subgroupSize: number;
  /** Schedules that were measured on this device, if any. */
  readonly schedules?: ScheduleBook | null;
}

/** The traits that every WebGPU device has: for plans without a device. */
export const GUARANTEED: DeviceTraits = { kind: "gpu", bindings: 8, maxWorkgroups: 65_535, f16: true, subgroupSize: 0 };

/** A value to store and the coordinates (in the group's variables) where it is computed. */
export interface Stored {
  readonly value: Value;
  readonly domain: "outer" | "full" | "side";
  readonly coordinates: readonly Index[];
}

/** What writes a kernel's shader; "kernel" is written by hand. */
export type KernelFamily = "map" | "row" | "contraction" | "kernel";

/** One shader with all that a dispatch needs but the buffers. */
export interface Kernel {
  /** What it computes: `matmul+add+relu f32[128,64]`. Also its label on the GPU. */
  readonly name: string;
  readonly family: KernelFamily;
  /** Names of the ops fused into it. */
  readonly fused: readonly string[];
  readonly wgsl: string;
  readonly workgroups: readonly [number, number, number];
  /** Buffers in binding order; `start` is the element that the binding begins with. */
  readonly bindings: readonly {
    /** Its name in the shader. */
    readonly name: string;
    readonly value: Value;
    readonly access: "read" | "read_write";
    readonly start: number;
  }[];
  /** Scalars in the order of the uniform block. */
  readonly scalars: readonly { readonly index: number; readonly dtype: DType }[];
  /** Bytes read and written. */
  readonly bytes: number;
  /** Estimated arithmetic operations. */
  readonly flops: number;
  /** Name of the entry point, where it is not `main`. */
  readonly entry?: string;
  /** Lines of the shader before those that its author wrote. */
  readonly preamble?: number;
}

/** Workgroups of a flat grid, folded where it exceeds the limit per dimension. */
export function foldGrid(groups: number, most: number): [number, number, number] {
  if (groups <= most) return [Math.max(groups, 1), 1, 1];
  const y = Math.ceil(groups / most);
  return [Math.ceil(groups / y), y, 1];
}

/**
 * A loop's number of rounds. Software drivers unroll every loop whose length they know, and compile the result for seconds: they are
 * told a length that they can't know (a grid's third dimension is always 1).
 */
export function rounds(count: number, device: DeviceTraits): string {
  return device.kind === "software" && count > 1 ? `${count} * i32(groups.z)` : String(count);
}

/** The flat number of the workgroup, for folded grids. */
export const FLAT_GROUP = "i32(group_id.x + group_id.y * groups.x)";

/** The number of the invocation in its workgroup, as indices are computed. */
export const LOCAL = "i32(local)";
