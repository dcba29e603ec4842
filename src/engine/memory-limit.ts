// Memory limit: how many bytes a plan may use between its kernels, and the error if that is too little. Only pages that set a limit load it.

import { OutOfMemoryError, StaleTensorError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { leafOf } from "../graph/tensor.ts";
import type { Device } from "../runtime/device.ts";
import { floorSize, ResultPages, roundSize } from "../runtime/pool.ts";
import { bytesFor } from "../schedule/memory.ts";
import type { Job } from "./engine.ts";
import { memoryOn } from "./residency.ts";

/** Returns the bytes that a job's plan may use between its kernels: `memoryLimit` without the values that the job reads and returns. */
export function workspaceFor(on: Device, job: Job): number {
  const { memory } = on;
  const { room } = memory.pool;
  if (room === Number.POSITIVE_INFINITY) return room;
  const missing = [...new Set(job.storages)].filter((storage) => memoryOn(on, storage) === null);
  const sizes = [
    ...missing.map((storage) => Math.max(storage.byteLength, 272)),
    ...job.captured.requests.flatMap(({ node, slot }) => (slot === null ? [bytesFor(node)] : [])),
  ];
  const others = sizes.reduce((sum, bytes) => sum + (ResultPages.fits(bytes) ? 256 : roundSize(bytes)), 0);
  return floorSize(room + memory.workspaceBytes - others - memory.pages.next);
}

/** Returns the error for a failed run. If the run reads an old value and memory is too short to bring it back, the error says so. */
export function explain(error: unknown, { captured, advances }: Job): unknown {
  const { buffers, nodes } = captured;
  const own = new Set(advances.map(({ before }) => before));
  const old = buffers.find(
    ({ storage, node }) => node !== null && storage.cell && storage.cell.storage !== storage && !own.has(storage),
  );
  const node = old?.node;
  if (!(error instanceof OutOfMemoryError) || !node) return error;
  const label = leafOf(node)?.label;
  const name = label ? `"${label}" of shape` : "a tensor of shape";
  const line = nodes.find(({ source, inputs }) => source !== null && inputs.includes(node))?.source;
  return new StaleTensorError(
    `the old value of ${name} ${formatShape(node.shape)} was overwritten by a step or an assignment, and memoryLimit leaves no room for it: ${error.message} ` +
      `${line ? `It is read by what was recorded at ${line}. ` : ""}Read that before the step, or set a higher memoryLimit.`,
    { shapes: [node.shape] },
  );
}
