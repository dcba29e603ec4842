// Schedules of row programs: which elements a vec4 holds, and how many invocations share a row.

import { sizeOf, stridesOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import { linearIndex } from "../graph/index-expression.ts";
import type { DeviceTraits } from "../graph/kernel-program.ts";
import { walkInline } from "../graph/program.ts";
import type { Group, Reduction } from "./group.ts";

/** How rows are spread over invocations. */
export interface RowSchedule {
  /** "row": a vec4 holds four neighbours of a row; "column": four neighbouring rows; "scalar": one element. */
  readonly vector: "row" | "column" | "scalar";
  /** Invocations that share a row. */
  readonly lanes: number;
  readonly workgroupSize: number;
}

/** Whether neighbouring elements of a row, or neighbouring rows, are neighbours in memory. */
function contiguity(group: Group, isStored: (value: Value) => boolean): "row" | "column" | "scalar" {
  const lastInner = [...group.inner.keys()].reverse().find((i) => (group.inner[i] as number) > 1);
  const lastOuter = [...group.outer.keys()].reverse().find((i) => (group.outer[i] as number) > 1);
  const votes = { row: 0, column: 0, scalar: 0 };
  const bodies = group.reductions.map(({ body, coordinates }) => ({ value: body, coordinates }));
  walkInline(bodies, ({ value, coordinates }) => {
    if (value.leaf?.kind !== "buffer" && !isStored(value)) return value.definition.kind !== "reduce";
    const linear = linearIndex(coordinates, stridesOf(value.shape));
    const factor = (name: string) =>
      linear.terms.find((t) => t.atom.kind === "variable" && t.atom.key === name)?.factor;
    if (factor(`r${lastInner}`) === 1) votes.row++;
    else if (factor(`o${lastOuter}`) === 1 && factor(`r${lastInner}`) !== undefined) votes.column++;
    return false;
  });
  if (votes.column > votes.row) return "column";
  return votes.row > 0 ? "row" : "scalar";
}

function powerOfTwo(n: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(n, 1)));
}

export function rowSchedule(group: Group, isStored: (value: Value) => boolean, device: DeviceTraits): RowSchedule {
  const { rows, length } = group;
  let vector = contiguity(group, isStored);
  if (vector === "row" && length % 4 !== 0) vector = "scalar";
  if (vector === "column" && rows % 4 !== 0) vector = "scalar";
  const perRow = vector === "row" ? length / 4 : length;
  const rowUnits = vector === "column" ? rows / 4 : rows;
  if (device.kind === "software") {
    // A subgroup along a long row reads side by side what lanes with a row each would gather.
    const { subgroupSize } = device;
    if (vector === "row" && subgroupSize > 1 && perRow >= 8 * subgroupSize && group.reductions.every(shuffles))
      return { vector, lanes: subgroupSize, workgroupSize: subgroupSize };
    const lanes = rowUnits >= 16 ? 1 : Math.min(64, powerOfTwo(perRow / 4));
    // Few rows go to all cores; of many short ones, a workgroup is better not done in no time.
    const alone = rowUnits < 256 ? 8 : perRow <= 16 && rowUnits >= 4096 ? 64 : 16;
    return { vector, lanes, workgroupSize: lanes === 1 ? alone : 64 };
  }
  const enough = 65_536;
  // Rows that are needed more than once stay in registers, where they fit.
  const again =
    vector !== "column" && (group.reductions.length > 1 || group.stored.some((v) => sizeOf(v.shape) > rows));
  const least = again && perRow <= 256 * mostInRegisters ? perRow / mostInRegisters : perRow / 64;
  const lanes = Math.max(1, Math.min(256, powerOfTwo(Math.min(perRow / 2, Math.max(enough / rowUnits, least)))));
  return { vector, lanes, workgroupSize: lanes > 1 && lanes === device.subgroupSize ? lanes : Math.max(64, lanes) };
}

/** The schedules to choose from by measuring: more or fewer invocations for a row, and for a workgroup. */
export function rowSchedules(standard: RowSchedule, { length }: Group): RowSchedule[] {
  const perRow = standard.vector === "row" ? length / 4 : length;
  return [1, 4, 8, 16, 32, 64, 128, 256]
    .filter((lanes) => lanes === 1 || lanes <= perRow)
    .flatMap((lanes) =>
      (lanes === 1 ? [8, 16, 64] : [...new Set([Math.max(8, lanes), Math.max(64, lanes)])]).map((workgroupSize) => ({
        ...standard,
        lanes,
        workgroupSize,
      })),
    );
}

/** Whether lanes of a subgroup can hand each other what the reduction sums up. */
export function shuffles({ value }: Reduction): boolean {
  return value.dtype !== "bool" && value.dtype !== "f16";
}

/** Units of a row (vec4 or elements) that an invocation keeps in registers, at most. */
export const mostInRegisters = 4;
