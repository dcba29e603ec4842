// Residency: which storages have their bytes on the device, and for how long.

import { type DType, viewOf } from "../base/dtype.ts";
import { DeviceLostError, internal } from "../base/errors.ts";
import type { Cell, Storage } from "../graph/storage.ts";
import type { Device } from "../runtime/device.ts";
import type { Range } from "../runtime/executable.ts";
import type { DeviceMemory } from "../runtime/memory.ts";
import { bytesFor } from "../schedule/memory.ts";

/** Results up to this size move to the host when they are read, so that reading keeps no GPU memory. */
const HOST_RESULT = 1 << 20;
/** Device copies of host data that no run has used for so long are dropped. */
const IDLE_RUNS = 8;

let runs = 0;
/** Storages with a device copy of what the host has, too. */
const resident = new Set<Storage>();
let registry: FinalizationRegistry<DeviceMemory> | null = null;

/** Counts a run: idle times are measured in runs. */
export function beginRun(): void {
  runs++;
}

/** Gives a storage its device memory, which is freed with the storage. If the storage was disposed of already, a callback on `after` frees the memory. */
export function adopt(storage: Storage, memory: DeviceMemory, after: (() => void)[]): void {
  storage.device = memory;
  if (storage.freed) {
    after.push(() => {
      storage.device = null;
      memory.release();
    });
  }
  releaseWith(storage, memory);
}

/** Frees memory when its owner is gone. */
export function releaseWith(owner: Storage | Cell, memory: DeviceMemory): void {
  registry ??= new FinalizationRegistry((lost) => {
    lost.release();
  });
  registry.register(owner, memory, owner);
}

/** Takes a storage's memory away, for another storage. */
export function disown(storage: Storage): DeviceMemory | null {
  const memory = storage.device as DeviceMemory | null;
  forgetOwner(storage);
  storage.device = null;
  return memory;
}

/** The owner's memory is another's from here on. */
export function forgetOwner(owner: Storage | Cell): void {
  registry?.unregister(owner);
}

/** Lets the next value of a cell take over the memory that a run has written it to. */
export function handOver(before: Storage, next: Storage, after: (() => void)[]): void {
  const memory = disown(before);
  if (memory !== null) adopt(next, memory, after);
}

/** Returns the memory of the storage on this device; null if it has none yet. Values on another device are missing from then on. */
export function memoryOn(on: Device, storage: Storage): DeviceMemory | null {
  const memory = storage.device as DeviceMemory | null;
  if (memory === null || memory.device === on) return memory;
  storage.device = null;
  if (storage.empty) {
    storage.lose(
      new DeviceLostError(
        "the tensor's value was lost with the device that held it. Checkpoints survive: load the state again.",
      ),
    );
  }
  return null;
}

/** Returns where the bytes of a leaf are on the device. Host data is uploaded for this run, or for good if it is used again and again. */
export function leafRange(
  on: Device,
  storage: Storage,
  host: ArrayBufferView | null,
  overwritten: boolean,
  shared: Map<Storage, Range>,
  after: (() => void)[],
): Range {
  const known = shared.get(storage);
  if (known !== undefined) return known;
  let range: Range;
  const memory = memoryOn(on, storage);
  if (memory !== null) range = memory;
  else {
    if (host === null && storage.arriving !== null) throw internal("a value that is on its way to the host is read");
    const bytes = bytesFor({ shape: [Math.ceil(storage.byteLength / 4)], dtype: "f32" });
    const fresh = on.allocate(Math.max(bytes, 272));
    if (host !== null) on.write(fresh, host);
    else on.write(fresh, new Uint8Array(bytes));
    const again = storage.lastRun >= 0 && runs - storage.lastRun <= IDLE_RUNS;
    if (host === null || overwritten || again) {
      adopt(storage, fresh, after);
      if (host !== null && !overwritten) resident.add(storage);
    } else after.push(() => fresh.release());
    range = fresh;
  }
  storage.lastRun = runs;
  shared.set(storage, range);
  return range;
}

/** Drops device copies of host data that have not been used for a while. */
export function dropIdle(): void {
  for (const storage of resident) {
    if (storage.device !== null && storage.host !== null && runs - storage.lastRun <= IDLE_RUNS) continue;
    resident.delete(storage);
    if (storage.host === null || storage.device === null) continue;
    storage.device.release();
    storage.device = null;
  }
}

/** Forgets the device copies: the device has been replaced. */
export function forgetResident(): void {
  resident.clear();
}

/** Moves a small result that has just been read to the host. */
export function moveToHost(storage: Storage, bytes: ArrayBuffer, dtype: DType): void {
  if (bytes.byteLength > HOST_RESULT || storage.device === null || storage.freed || storage.cell !== null) return;
  disown(storage)?.release();
  storage.host = viewOf(bytes.slice(0), dtype);
}
