// What the shader writers get and give: a device's traits, a kernel's index space, and the finished kernel.

import type { Value } from "../graph/definition.ts";
import type { Index } from "../graph/index-expression.ts";
import type { DeviceTraits } from "../graph/kernel-program.ts";

/** The traits for plans that nothing runs: the limits that every WebGPU device has, and f16, since it is not known which device it will be. */
export const GUARANTEED: DeviceTraits = {
  kind: "gpu",
  bindings: 8,
  maxWorkgroups: 65_535,
  workgroupBytes: 16_384,
  f16: true,
  subgroupSize: 0,
};

/** A value to store and the coordinates (in the group's variables) where it is computed. */
export interface Stored {
  readonly value: Value;
  readonly domain: "outer" | "full" | "side";
  readonly coordinates: readonly Index[];
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
