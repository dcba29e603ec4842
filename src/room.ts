// How much room a plan has between its kernels where memory is limited: only pages that set a limit load it.

import type { Job } from "./engine.ts";
import { memoryOn } from "./residency.ts";
import type { Device } from "./runtime/device.ts";
import { floorSize, ResultPages, roundSize } from "./runtime/pool.ts";
import { bytesFor } from "./schedule/memory.ts";

/** Bytes that a job's plan may use between its kernels: what `memoryLimit` leaves beside what the job reads and returns. */
export function workspaceFor({ memory }: Device, job: Job): number {
  const { room } = memory.pool;
  if (room === Number.POSITIVE_INFINITY) return room;
  const missing = [...new Set(job.storages)].filter((storage) => memoryOn(memory.device, storage) === null);
  const sizes = [
    ...missing.map((storage) => Math.max(storage.byteLength, 272)),
    ...job.captured.requests.flatMap(({ node, slot }) => (slot === null ? [bytesFor(node)] : [])),
  ];
  const others = sizes.reduce((sum, bytes) => sum + (ResultPages.fits(bytes) ? 256 : roundSize(bytes)), 0);
  return floorSize(room + memory.workspaceBytes - others - memory.pages.next);
}
