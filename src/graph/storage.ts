// The memory behind a tensor: host values, a device buffer, or both, with a version that counts overwrites.

import type { Shape } from "../shape.ts";
import type { Tensor } from "./tensor.ts";

/** A device buffer as the graph sees it; only the runtime looks inside. */
export interface DeviceBuffer {
  readonly byteLength: number;
  /** Hands the memory back once the GPU is done with it. */
  release(): void;
}

let nextStorage = 1;
/** Nothing is missing. */
const NOTHING: Map<number, unknown> = new Map();

/** Tensors that live in one storage (an Arena). */
export interface Shared {
  readonly tensors: readonly Tensor[];
  /** A vector over the whole storage as one tensor for each of them. */
  parts(flat: Tensor): readonly Tensor[];
}

export class Storage {
  readonly id: number = nextStorage++;
  readonly byteLength: number;
  /** Bytes in the device's layout. Kept as long as the storage lives when they came from the host. */
  host: ArrayBufferView | null;
  device: DeviceBuffer | null = null;
  /** Counts in-place overwrites: a node that remembers another version is stale. */
  version = 0;
  disposed = false;
  /** Nobody has written to it yet: all bytes are 0. */
  blank = false;
  /** Why values are not there, by the offsets at which they begin: 0, or those of an arena's tensors. */
  missing: Map<number, unknown> = NOTHING;
  /** Set where several tensors live here: no single one may free it. */
  shared: Shared | null = null;
  /** The run that last read this storage; idle device copies of host data are dropped. */
  lastRun = -1;
  /** Smallest and largest element, once somebody asked (checks of index tensors). */
  range: readonly [number, number] | null = null;

  constructor(byteLength: number, host: ArrayBufferView | null) {
    this.byteLength = byteLength;
    this.host = host;
  }

  /** Why the value is not there. In an arena that is a matter of its tensors. */
  get failure(): unknown {
    return (this.shared === null && this.missing.get(0)) || null;
  }

  /** Whether there are no bytes anywhere. */
  get empty(): boolean {
    return this.device === null && this.host === null && !this.blank;
  }

  /** Says why all values are lost or could not be computed. */
  lose(reason: unknown): void {
    const offsets = this.shared?.tensors.map(({ slot }) => slot?.offset ?? 0) ?? [0];
    this.missing = new Map(offsets.map((offset) => [offset, reason]));
  }

  /** Throws where values in a range of bytes are missing. */
  check(offset: number, bytes: number): void {
    for (const [at, reason] of this.missing) if (covers(offset, bytes, at)) throw reason;
  }

  /** A range of bytes has been given new values. */
  written(offset: number, bytes: number): void {
    this.blank = false;
    for (const at of this.missing.keys()) if (covers(offset, bytes, at)) this.missing.delete(at);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.host = null;
    this.device?.release();
    this.device = null;
  }
}

/** Whether what begins at `at` lies in a range of bytes, which may be empty. */
function covers(offset: number, bytes: number, at: number): boolean {
  return at >= offset && at < offset + Math.max(bytes, 1);
}

/** Where a tensor with state of its own lives: a part of a storage that `assign` overwrites. */
export interface Slot {
  readonly storage: Storage;
  /** Offset in bytes; a multiple of 256, so that it can be bound. */
  readonly offset: number;
  readonly shape: Shape;
}
