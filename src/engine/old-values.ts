// Old values: saves or recomputes the value of a state that a run overwrites while a program may still read it.

import { viewOf } from "../base/dtype.ts";
import { internal, must } from "../base/errors.ts";
import type { Cell, Origin, Storage } from "../graph/storage.ts";
import { deferred } from "../runtime/deferred.ts";
import type { Device, Run, Saving } from "../runtime/device.ts";
import type { Range } from "../runtime/executable.ts";
import type { DeviceMemory } from "../runtime/memory.ts";
import type { Advance } from "./requests.ts";
import { adopt, disown, forgetOwner, leafRange, memoryOn, releaseWith } from "./residency.ts";

/** The most runs that are repeated to make a value again. After that many, the state moves to the host once. */
const LONGEST = 64;
/** Bytes that batches may take on the host for this, beside twice those of the state. */
const HOST_BYTES = 4 << 20;

/** A run of a step, with everything that repeating it takes. */
export interface Step {
  readonly executable: Run["executable"];
  readonly storages: readonly Storage[];
  /** Which of these it reads, beside what it writes over. */
  readonly reads: readonly boolean[];
  readonly hosts: readonly (ArrayBufferView | null)[];
  readonly offsets: readonly number[];
  readonly scalars: ArrayBuffer | null;
  readonly advances: readonly Advance[];
}

/** The run that has made some values. */
interface Made extends Origin {
  readonly step: Step;
}

/** Copies that save old values, with callbacks for when they are under way and for when they fail. */
export interface OldValues {
  readonly copies: Saving | null;
  /** Gives the values the memory that they were copied to. */
  keep(): void;
  /** Gives that memory back: the run could not begin. */
  drop(): void;
  fail(error: unknown): void;
}

interface Placed {
  readonly storage: Storage;
  readonly memory: DeviceMemory;
}

/** After a program has read an old value, this many further values of the cell are copied before they are overwritten: the program will probably read them, too. */
const COPIES = 64;

/** Notes that a run reads values, some of which may be old. */
export function noteReads(storages: readonly Storage[], advances: readonly Advance[]): void {
  for (const storage of storages) {
    const { cell } = storage;
    if (cell !== null && cell.storage !== storage && !advances.some(({ before }) => before === storage))
      cell.copies = COPIES;
  }
}

/**
 * Saves the values that a run overwrites and that somebody may still ask for. Where old values are read at all, the last one of a cell is copied on the
 * device, so that what was recorded from it can be computed quickly. Others are given up, as the runs that have made them can be
 * repeated, or move to the host. So state takes at most twice its memory on the device, and no more than once where memory has a limit. `known` are
 * the storages that earlier runs have read, too.
 */
export function saveOldValues(on: Device, step: Step, known: ReadonlySet<Storage>): OldValues {
  const leaving: Placed[] = [];
  const kept: Placed[] = [];
  const copies: Saving["copies"][number][] = [];
  const readHere = new Set(step.storages);
  /** Older values whose memory goes to others. */
  const dropped: Storage[] = [];
  /** Cells whose spare memory is free behind this run. */
  const given: { readonly cell: Cell; readonly memory: DeviceMemory }[] = [];
  const origin = step.advances.some(({ before }) => before.holders > 0 && !isOnHost(before))
    ? originOf(on, step, known)
    : null;
  for (const { before } of step.advances) {
    const memory = memoryOn(on, before);
    const { cell } = before;
    if (isOnHost(before) || memory === null || cell === null) continue;
    const copied = before.holders > 0 && cell.copies > 0 && !isLimited(on);
    if (copied) cell.copies--;
    const previous = cell.previous?.deref() ?? null;
    let spare = spareOf(on, cell);
    if (spare !== null && (copied || cell.copies === 0 || previous === null || previous.holders === 0)) {
      if (previous !== null && memoryOn(on, previous) !== null) {
        dropped.push(previous);
        const asked = previous.holders > 0 || previous.pinned;
        if (asked && !isOnHost(previous) && previous.origin === null)
          leaving.push({ storage: previous, memory: spare });
      }
      // The copy to the host comes before the copy to the spare memory; a kernel that reads the older value comes behind it.
      if (!copied || (previous !== null && readHere.has(previous))) {
        given.push({ cell, memory: spare });
        spare = null;
      }
    }
    if (copied) {
      const bytes = wholeWords(before);
      spare ??= on.allocate(bytes);
      copies.push({ from: memory, to: spare, bytes });
      kept.push({ storage: before, memory: spare });
    } else if ((before.holders > 0 || before.pinned || origin !== null) && before.origin === null) {
      // A repeated run reads this value, so it must stay somewhere.
      leaving.push({ storage: before, memory });
    }
  }
  const incoming = receive(leaving.map(({ storage }) => storage));
  return {
    copies:
      leaving.length + kept.length === 0
        ? null
        : {
            copies,
            reads: leaving.map(({ storage, memory }) => ({ from: memory, bytes: wholeWords(storage) })),
            arrive: incoming.arrive,
          },
    keep: () => {
      incoming.begin();
      for (const storage of dropped) storage.device = null;
      for (const { cell, memory } of given) {
        ownSpare(cell, null);
        memory.release();
      }
      for (const { storage, memory } of kept) {
        storage.device = memory;
        if (storage.cell === null) continue;
        storage.cell.previous = new WeakRef(storage);
        ownSpare(storage.cell, memory);
      }
      for (const { after: next } of step.advances) next.origin = origin;
      if (origin !== null) for (const storage of step.storages) storage.pinned = true;
    },
    drop: () => {
      for (const { storage, memory } of kept) if (storage.cell?.spare !== memory) memory.release();
    },
    fail: (error) => {
      incoming.fail(error);
      for (const { storage } of kept) storage.lose(error);
    },
  };
}

/** Whether the value needs no device memory to stay. */
function isOnHost({ host, blank, arriving }: Storage): boolean {
  return host !== null || blank || arriving !== null;
}

function wholeWords({ byteLength }: Storage): number {
  return Math.ceil(byteLength / 4) * 4;
}

/** Whether memory has a limit. Then old values take no memory from the plans. */
function isLimited(on: Device): boolean {
  return on.memory.pool.room !== Number.POSITIVE_INFINITY;
}

/** The step that makes the values of a run again; null if values move to the host instead. */
function originOf(on: Device, step: Step, known: ReadonlySet<Storage>): Made | null {
  const storages = new Set(step.storages);
  let [depth, onDevice, onHost] = [0, 0, 0];
  for (const { origin } of storages) {
    if (origin === null) continue;
    depth = Math.max(depth, origin.depth);
    onDevice = Math.max(onDevice, origin.onDevice);
    onHost = Math.max(onHost, origin.onHost);
  }
  const written = new Set(step.advances.map(({ before }) => before));
  for (const storage of storages) {
    if (storage.pinned || written.has(storage) || known.has(storage)) continue;
    if (storage.host !== null) onHost += storage.byteLength;
    // The present value of a state stays anyway.
    else if (storage.device !== null && storage.cell?.storage !== storage) onDevice += storage.byteLength;
  }
  // Values that a repeated run reads stay where they are.
  const own = step.advances.reduce((sum, { after }) => sum + after.byteLength, 0);
  if (depth >= LONGEST || onDevice > (isLimited(on) ? 0 : own / 4) || onHost > 2 * own + HOST_BYTES) return null;
  return { depth: depth + 1, onDevice, onHost, storages: step.storages, step };
}

/** Memory that a cell has for its last old value. */
function spareOf(on: Device, cell: Cell): DeviceMemory | null {
  const spare = cell.spare as DeviceMemory | null;
  return spare?.device === on ? spare : null;
}

function ownSpare(cell: Cell, memory: DeviceMemory | null): void {
  if (cell.spare === memory) return;
  forgetOwner(cell);
  cell.spare = memory;
  if (memory !== null) releaseWith(cell, memory);
}

/** Lets storages wait for their bytes, which come behind one another. */
function receive(storages: readonly Storage[]): {
  begin(): void;
  arrive: Saving["arrive"];
  fail(error: unknown): void;
} {
  const coming = deferred<ArrayBuffer>();
  const arrived = coming.promise.then(
    (bytes) => {
      let at = 0;
      for (const storage of storages) {
        storage.host = viewOf(
          bytes.slice(at, at + wholeWords(storage)),
          must(storage.cell, "an old value of no state").dtype,
        );
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
  return {
    begin: () => {
      for (const storage of storages) storage.arriving = arrived;
    },
    arrive: (bytes) => coming.resolve(bytes),
    fail: coming.reject,
  };
}

/** Returns the runs that must be repeated for the values of some storages, in order, and the reads that they wait for. */
export function missingBehind(
  on: Device | null,
  storages: readonly Storage[],
): { origins: Origin[]; arrivals: Promise<void>[] } {
  const origins: Origin[] = [];
  const arrivals = new Set<Promise<void>>();
  const seen = new Set<Origin>();
  const open: { readonly storages: readonly Storage[]; next: number; readonly origin: Origin | null }[] = [
    { storages, next: 0, origin: null },
  ];
  for (let top = open[open.length - 1]; top !== undefined; top = open[open.length - 1]) {
    const storage = top.storages[top.next++];
    if (storage === undefined) {
      if (top.origin !== null) origins.push(top.origin);
      open.pop();
      continue;
    }
    // Values on another device are lost.
    if (on !== null) memoryOn(on, storage);
    if (storage.device === null && storage.host === null && !storage.blank && storage.missing.size === 0) {
      const { arriving, origin } = storage;
      if (arriving !== null) arrivals.add(arriving);
      else if (origin !== null && !seen.has(origin)) {
        seen.add(origin);
        open.push({ storages: origin.storages, next: 0, origin });
      }
    }
  }
  return { origins, arrivals: [...arrivals] };
}

/** The values that were made again last. A read of later values starts from them. */
let made: ReadonlySet<Storage> = new Set();

/** Makes the values of storages again, where those were given up. */
export function makeAgain(on: Device, storages: readonly Storage[], after: (() => void)[]): void {
  const { origins } = missingBehind(on, storages);
  if (origins.length === 0) return;
  const lastUse = new Map<Storage, number>();
  origins.forEach((origin, i) => {
    for (const storage of origin.storages) lastUse.set(storage, i);
  });
  for (const storage of storages) lastUse.set(storage, origins.length);
  const alive = new Set(made);
  origins.forEach((origin, i) => {
    for (const value of repeat(on, (origin as Made).step, after)) alive.add(value);
    for (const value of alive) {
      if ((lastUse.get(value) ?? -1) > i || i === origins.length - 1) continue;
      alive.delete(value);
      dropMade(value);
    }
  });
  made = alive;
}

/** Gives up what was made again. */
export function forgetMade(): void {
  for (const storage of made) dropMade(storage);
  made = new Set();
}

function dropMade(storage: Storage): void {
  if (storage.origin !== null) disown(storage)?.release();
}

/** Runs a step once more, into memory of its own; returns the values that it makes. */
function repeat(on: Device, step: Step, after: (() => void)[]): Storage[] {
  const { executable, advances } = step;
  // Others are there: the present value of a state among them.
  const values = advances
    .map(({ after: next }) => next)
    .filter(({ device, host, arriving }) => device === null && host === null && arriving === null);
  const lost = step.storages.find((storage, i) => step.reads[i] && (storage.missing.size > 0 || storage.empty));
  if (lost !== undefined) {
    const [reason = internal("a value that was not computed")] = lost.missing.values();
    for (const value of values) value.lose(reason);
    return [];
  }
  const copies: Saving["copies"][number][] = [];
  const shared = new Map<Storage, Range>();
  const taken: DeviceMemory[] = [];
  const take = (bytes: number): DeviceMemory => {
    const memory = on.allocate(bytes);
    taken.push(memory);
    return memory;
  };
  try {
    const slots = advances.map(({ before }) => take(Math.max(before.byteLength, 272)));
    const outputs = executable.outputs.map((bytes) => (bytes < 0 ? null : take(bytes)));
    advances.forEach(({ before }, i) => {
      const memory = slots[i] as DeviceMemory;
      const old = memoryOn(on, before);
      if (old !== null) copies.push({ from: old, to: memory, bytes: wholeWords(before) });
      else on.write(memory, before.host ?? new Uint8Array(wholeWords(before)));
      shared.set(before, memory);
    });
    const leaves = step.storages.map((storage, i): Range => {
      const { buffer, offset } = leafRange(on, storage, step.hosts[i] ?? storage.host, false, shared, after);
      return { buffer, offset: offset + (step.offsets[i] as number) };
    });
    on.run({
      executable,
      leaves,
      scalars: step.scalars,
      outputs,
      reads: [],
      before: { copies, reads: [], arrive: () => undefined },
      again: true,
      fail: (error) => {
        for (const value of values) value.lose(error);
      },
    });
    advances.forEach(({ after: next }, i) => {
      if (!values.includes(next)) return;
      const memory = slots[i] as DeviceMemory;
      adopt(next, memory, after);
      taken.splice(taken.indexOf(memory), 1);
    });
    return values;
  } finally {
    for (const memory of taken) memory.release();
  }
}
