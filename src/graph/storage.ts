// The memory behind values: host bytes, a device buffer, or both. A storage holds one value for good; a cell is a variable that changes storages.

import type { DType } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";

/** A device buffer as the graph sees it; only the runtime looks inside. */
export interface DeviceBuffer {
  readonly byteLength: number;
  /** Hands the memory back once the GPU is done with it. */
  release(): void;
}

let nextStorage = 1;
/** Nothing is missing. */
const NOTHING: Map<number, unknown> = new Map();

/** The owner of several tensors that live in one cell (an Arena). */
export interface Shared {
  /** Where each of them begins, in bytes; they may have moved to another cell since. */
  readonly offsets: readonly number[];
}

/** A run that can be repeated. */
export interface Origin {
  /** How many runs must be repeated at most to make its values again, this one included. */
  readonly depth: number;
  /** Bytes that stay for these runs alone, on the device and on the host. */
  readonly onDevice: number;
  readonly onHost: number;
  /** The storages that it reads and those that it overwrites. */
  readonly storages: readonly Storage[];
}

/** Bytes that hold a value. The value never changes: an update makes another storage, which may take over the memory. */
export class Storage {
  readonly id: number = nextStorage++;
  readonly byteLength: number;
  /** Bytes in the device's layout. */
  host: ArrayBufferView | null;
  device: DeviceBuffer | null = null;
  /** Set while bytes that left the device are on their way to `host`. */
  arriving: Promise<void> | null = null;
  /** Number of nodes in use whose value lies here (`retain`), plus jobs that wait to read it. If it is 0, nothing can read the bytes. */
  holders = 0;
  /** The run that has made the value and can make it again. */
  origin: Origin | null = null;
  /** Whether a run that may be repeated reads the value. */
  pinned = false;
  /** Set when somebody has said that the value is not needed any more. */
  freed = false;
  /** Nobody has written to it yet: all bytes are 0, or there are none. */
  blank: boolean;
  /** Why values are not there, by the offsets at which they begin: 0, or those of an arena's tensors. */
  missing: Map<number, unknown> = NOTHING;
  /** The value that the cell went back to, because this one could not be computed. */
  undone: Storage | null = null;
  /** The cell whose value this is or was. */
  readonly cell: Cell | null;
  /** The line of the program that asked for the run that has overwritten the value: only where memory has a limit. */
  overwrittenAt: string | null = null;
  /** The run that last read this storage; idle device copies of host data are dropped. */
  lastRun = -1;

  constructor(byteLength: number, host: ArrayBufferView | null, cell: Cell | null = null) {
    this.byteLength = byteLength;
    this.host = host;
    this.cell = cell;
    this.blank = byteLength === 0;
  }

  /** Why the value is not there. In an arena that is a matter of its tensors. */
  get failure(): unknown {
    return (!this.cell?.shared && this.missing.get(0)) || null;
  }

  /** Whether there are no bytes anywhere. */
  get empty(): boolean {
    return this.device === null && this.host === null && !this.blank && this.arriving === null;
  }

  /** Says why all values are lost or could not be computed. */
  lose(reason: unknown): void {
    const offsets = this.cell?.shared?.offsets ?? [0];
    this.missing = new Map(offsets.map((offset) => [offset, reason]));
  }

  /** Throws where values in a range of bytes are missing. */
  check(offset: number, bytes: number): void {
    for (const [at, reason] of this.missing) if (covers(offset, bytes, at)) throw reason;
  }

  /** Takes over what is missing of the value before, save a range of bytes that is written anew. */
  inherit(before: Storage, written: readonly { readonly offset: number; readonly bytes: number }[]): void {
    const left = [...before.missing].filter(([at]) => !written.some(({ offset, bytes }) => covers(offset, bytes, at)));
    this.missing = left.length === 0 ? NOTHING : new Map(left);
  }

  /** Gives the bytes up: nobody needs the value. */
  free(): void {
    // A run that may be repeated needs the bytes: they go with it.
    if (this.freed || (this.pinned && this.host === null)) return;
    if (!this.pinned) {
      this.freed = true;
      this.host = null;
    }
    this.device?.release();
    this.device = null;
  }
}

/** Whether what begins at `at` lies in a range of bytes, which may be empty. */
function covers(offset: number, bytes: number, at: number): boolean {
  return at >= offset && at < offset + Math.max(bytes, 1);
}

/** A variable: `assign` and `optimizer.step()` give it new values, each in its own storage. */
export class Cell {
  readonly byteLength: number;
  readonly dtype: DType;
  /** The present value. */
  storage: Storage;
  /** What errors call the tensor that lives here. */
  label: string | null = null;
  /** Set where several tensors live here: no single one may free it. */
  shared: Shared | null = null;
  /** How many more values are copied before they are overwritten. A read of an old value sets it. */
  copies = 0;
  /** Memory for the last value that was overwritten while it could still be read, and that value. */
  spare: DeviceBuffer | null = null;
  previous: WeakRef<Storage> | null = null;

  constructor(byteLength: number, dtype: DType, host: ArrayBufferView | null = null) {
    this.byteLength = byteLength;
    this.dtype = dtype;
    this.storage = new Storage(byteLength, host, this);
  }

  /** Gives up the memory for old values: nobody will ask for one. */
  freeSpare(): void {
    const previous = this.previous?.deref();
    if (previous?.device === this.spare && previous !== undefined) previous.device = null;
    this.spare?.release();
    this.spare = null;
  }

  /** Begins the next value; returns the one before. */
  advance(): Storage {
    const before = this.storage;
    this.storage = new Storage(this.byteLength, null, this);
    return before;
  }
}

/** Where a tensor with state of its own lives: a part of a cell that `assign` overwrites. */
export interface Slot {
  readonly cell: Cell;
  /** Offset in bytes; a multiple of 256, so that it can be bound. */
  readonly offset: number;
  readonly shape: Shape;
}
