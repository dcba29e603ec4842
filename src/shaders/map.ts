// Map kernels: every element of some outputs as a function of its index.

import { must } from "../base/errors.ts";
import { stridesOf } from "../base/shape.ts";
import { addIndex, delinearize, linearIndex, scaleIndex, variable } from "../graph/index-expression.ts";
import type { DeviceTraits } from "../graph/kernel-program.ts";
import { times } from "./arithmetic.ts";
import { lane } from "./index-writer.ts";
import { FLAT_GROUP, foldGrid, LOCAL, type Stored } from "./kernel.ts";
import type { Writer } from "./writer.ts";

const WORKGROUP = 64;

/** How the elements of a map kernel are spread over invocations. */
export interface MapSchedule {
  readonly vector: 1 | 4;
  /** Consecutive vectors per invocation. */
  readonly perThread: number;
}

export function mapSchedule(elements: number, device: DeviceTraits): MapSchedule {
  const vector = elements % 4 === 0 ? 4 : 1;
  const vectors = elements / vector;
  // A CPU wants neighbours in one invocation, a GPU wants them in neighbouring invocations.
  return { vector, perThread: device.kind === "software" && vectors >= 8 * 8 * WORKGROUP ? 8 : 1 };
}

/** The schedules to choose from by measuring. */
export function mapSchedules(standard: MapSchedule, elements: number): MapSchedule[] {
  const vectors = elements / standard.vector;
  return [1, 2, 4, 8, 16]
    .filter((perThread) => perThread === 1 || vectors >= perThread * WORKGROUP)
    .map((perThread) => ({ ...standard, perThread }));
}

/** Writes the kernel's body and returns its workgroups. */
export function writeMap(
  writer: Writer,
  elements: number,
  outputs: readonly Stored[],
  schedule: MapSchedule,
  device: DeviceTraits,
): { workgroups: [number, number, number]; workgroupSize: number } {
  const { vector, perThread } = schedule;
  const vectors = elements / vector;
  const threads = Math.ceil(vectors / perThread);
  const thread = `${FLAT_GROUP} * ${WORKGROUP} + ${LOCAL}`;
  writer.line(perThread === 1 ? `let t = ${thread};` : `let first = ${times(thread, perThread)};`);
  writer.open();
  writer.declare("t");
  const t = variable("t", vectors);
  const flat = vector === 4 ? addIndex(scaleIndex(t, 4), lane) : t;
  // All values before the first store: an output may overwrite what another reads.
  const results = outputs.map(({ value }) => {
    const coordinates = delinearize(flat, value.shape);
    return { value, at: linearIndex(coordinates, stridesOf(value.shape)), operand: writer.value(value, coordinates) };
  });
  for (const { value, at, operand } of results) writer.store(value, at, operand);
  // Asking the buffer for its length keeps sizes out of the text, so that equal work on other sizes shares a pipeline.
  const first = must(outputs[0], "a map kernel without outputs").value;
  const length = `i32(arrayLength(&${writer.bind(first)}))`;
  // In vectors of the schedule, whatever the buffer is an array of: what is written beyond its end may land in its last element.
  const width = writer.isVector(first) ? 4 : 1;
  // One element is less than any buffer has: all that fits would write it.
  const count = elements === 1 ? "1" : width === vector ? length : width < vector ? `${length} / 4` : `${length} * 4`;
  writer.close(
    perThread === 1 ? `if (t < ${count})` : `for (var t = first; t < min(first + ${perThread}, ${count}); t++)`,
  );
  return { workgroups: foldGrid(Math.ceil(threads / WORKGROUP), device.maxWorkgroups), workgroupSize: WORKGROUP };
}
