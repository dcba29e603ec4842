// A device's memory: results in buffers or in slots of pages, and one workspace for intermediate values.

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

  /** Returns the workspace with at least so many bytes; null if none were needed yet. Its content is lost when it grows. */
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
