// A device's memory: results with buffers of their own or slots in pages, and one workspace for all that lies between kernels.

import type { PooledBuffer } from "./executable.ts";
import { BufferPool, type PoolLimits, ResultPages } from "./pool.ts";

/** The device that memory belongs to. */
export interface Owner {
  readonly gpu: GPUDevice;
  /** Does something when everything that waits before it is done. */
  defer(task: () => void): void;
}

/** Memory that an executable is given or leaves behind. */
export interface DeviceMemory {
  /** The device that it belongs to, and is lost with. */
  readonly device: Owner;
  readonly buffer: PooledBuffer;
  readonly offset: number;
  readonly byteLength: number;
  release(): void;
}

export class Allocator {
  readonly device: Owner;
  readonly pool: BufferPool;
  readonly pages: ResultPages;
  #workspace: PooledBuffer | null = null;

  constructor(device: Owner, limits: PoolLimits) {
    this.device = device;
    this.pool = new BufferPool(device.gpu, limits);
    this.pages = new ResultPages(this.pool);
  }

  /** Memory for a result: a slot in a page when small, a buffer of its own otherwise. */
  allocate(byteLength: number): DeviceMemory {
    const small = ResultPages.fits(byteLength);
    const place = small ? this.pages.acquire() : { buffer: this.pool.acquire(byteLength), offset: 0 };
    let released = false;
    return {
      ...place,
      device: this.device,
      byteLength,
      release: () => {
        if (released) return;
        released = true;
        // In the queue's order: what waits for its pipelines still writes here.
        this.device.defer(() => (small ? this.pages.release(place) : this.pool.release(place.buffer)));
      },
    };
  }

  /** The workspace, with at least so many bytes; null where none have been needed yet. What it held is lost when it grows. */
  workspace(bytes: number): PooledBuffer | null {
    if (bytes > this.workspaceBytes) {
      if (this.#workspace !== null) this.pool.release(this.#workspace);
      this.#workspace = null;
      this.#workspace = this.pool.acquire(bytes);
    }
    return this.#workspace;
  }

  /** Bytes of the workspace as it is. */
  get workspaceBytes(): number {
    return this.#workspace?.size ?? 0;
  }
}
