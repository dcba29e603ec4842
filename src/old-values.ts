// Old values: what becomes of a state's value when a run overwrites it while somebody may still ask for it.

import { viewOf } from "./dtype.ts";
import { OutOfMemoryError } from "./errors.ts";
import type { Storage } from "./graph/storage.ts";
import type { Advance } from "./pending.ts";
import { adopt, disown, memoryOn } from "./residency.ts";
import { deferred } from "./runtime/deferred.ts";
import type { Device, Saving } from "./runtime/device.ts";
import type { DeviceMemory } from "./runtime/memory.ts";

/** Copies that save old values, and what is to be done when they are under way or can't be made. */
export interface OldValues extends Saving {
  /** Gives the values the memory that they were copied to. */
  keep(after: (() => void)[]): void;
  /** Gives that memory back: the run could not begin. */
  drop(): void;
  fail(error: unknown): void;
}

/**
 * Saves the values that a run overwrites and that somebody may still ask for. The last old value of a cell is copied on the device, so that what was
 * recorded from it can be computed quickly; the one before that moves to the host. So state takes at most twice its memory on the device.
 * Null where nothing needs to be saved.
 */
export function saveOldValues(on: Device, advances: readonly Advance[]): OldValues | null {
  const leaving: { storage: Storage; memory: DeviceMemory }[] = [];
  const kept: { storage: Storage; memory: DeviceMemory }[] = [];
  const copies: Saving["copies"][number][] = [];
  for (const { before } of advances) {
    const present = memoryOn(on, before);
    if (before.holders === 0 || before.host !== null || before.blank || present === null) continue;
    const previous = before.cell?.previous?.deref() ?? null;
    if (previous !== null) leave(on, previous, leaving);
    const bytes = wholeWords(before);
    try {
      const memory = on.allocate(bytes);
      copies.push({ from: present, to: memory, bytes });
      kept.push({ storage: before, memory });
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      leaving.push({ storage: before, memory: present });
    }
  }
  if (leaving.length + kept.length === 0) return null;
  const reads = leaving.map(({ storage, memory }) => ({ from: memory, bytes: wholeWords(storage) }));
  const { arrive, fail } = receive(leaving.map(({ storage }) => storage));
  return {
    copies,
    reads,
    arrive,
    keep: (after) => {
      for (const { storage, memory } of kept) {
        adopt(storage, memory, after);
        if (storage.cell !== null) storage.cell.previous = new WeakRef(storage);
      }
    },
    drop: () => {
      for (const { memory } of kept) memory.release();
    },
    fail: (error) => {
      fail(error);
      for (const { storage } of kept) storage.lose(error);
    },
  };
}

function wholeWords({ byteLength }: Storage): number {
  return Math.ceil(byteLength / 4) * 4;
}

/** Lets storages wait for their bytes, which come behind one another. */
function receive(storages: readonly Storage[]): Pick<OldValues, "arrive" | "fail"> {
  const coming = deferred<ArrayBuffer>();
  const arrived = coming.promise.then(
    (bytes) => {
      let at = 0;
      for (const storage of storages) {
        storage.host = viewOf(bytes.slice(at, at + wholeWords(storage)), storage.cell?.dtype ?? "u32");
        storage.arriving = null;
        at += wholeWords(storage);
      }
    },
    (error: unknown) => {
      for (const storage of storages) {
        storage.arriving = null;
        storage.lose(error);
      }
    },
  );
  for (const storage of storages) storage.arriving = arrived;
  return { arrive: (bytes) => coming.resolve(bytes), fail: coming.reject };
}

/** Takes an older value off the device: to the host, where somebody may still ask for it. */
function leave(on: Device, storage: Storage, leaving: { storage: Storage; memory: DeviceMemory }[]): void {
  const memory = memoryOn(on, storage);
  if (memory === null) return;
  disown(storage);
  // In the queue's order: the copy to the host comes before whoever is given the memory next.
  memory.release();
  if (storage.holders > 0 && storage.host === null) leaving.push({ storage, memory });
}
