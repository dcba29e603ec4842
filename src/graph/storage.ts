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

export class Storage {
  readonly id: number = nextStorage++;
  readonly byteLength: number;
  /** Bytes in the device's layout. Kept as long as the storage lives when they came from the host. */
  host: ArrayBufferView | null;
  device: DeviceBuffer | null = null;
  /** Counts in-place overwrites: a node that remembers another version is stale. */
  version = 0;
  disposed = false;
  /** Why the value could not be computed. */
  failure: unknown = null;
  /** Several tensors live here (an Arena): no single one may free it. */
  shared = false;
  /** Those tensors. */
  members: readonly Tensor[] = [];
  /** The run that last read this storage; idle device copies of host data are dropped. */
  lastRun = -1;
  /** Smallest and largest element, once somebody asked (checks of index tensors). */
  range: readonly [number, number] | null = null;

  constructor(byteLength: number, host: ArrayBufferView | null) {
    this.byteLength = byteLength;
    this.host = host;
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.host = null;
    this.device?.release();
    this.device = null;
  }
}

/** Where a tensor with state of its own lives: a part of a storage that `assign` overwrites. */
export interface Slot {
  readonly storage: Storage;
  /** Offset in bytes; a multiple of 256, so that it can be bound. */
  readonly offset: number;
  readonly shape: Shape;
}
