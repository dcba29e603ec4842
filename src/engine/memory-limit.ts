// Memory limit: how many bytes a plan may use between its kernels. Only pages that set a limit load it.

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
