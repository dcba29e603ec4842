// A device's memory: results with buffers of their own or slots in pages, and one workspace for all that lies between kernels.

import type { Device } from "./device.ts";
import type { PooledBuffer } from "./executable.ts";
import { BufferPool, floorSize, type PoolLimits, ResultPages, roundSize } from "./pool.ts";

/** Memory that an executable is given or leaves behind. */
export interface DeviceMemory {
  /** The device that it belongs to, and is lost with. */
  readonly device: Device;
  readonly buffer: PooledBuffer;
  readonly offset: number;
  readonly byteLength: number;
  release(): void;
}

export class Allocator {
  readonly #device: Device;
  readonly pool: BufferPool;
  readonly #pages: ResultPages;
  #workspace: PooledBuffer | null = null;

  constructor(device: Device, limits: PoolLimits) {
    this.#device = device;
    this.pool = new BufferPool(device.gpu, limits);
    this.#pages = new ResultPages(this.pool);
  }

  /** Memory for a result: a slot in a page when small, a buffer of its own otherwise. */
  allocate(byteLength: number): DeviceMemory {
    let released = false;
    // In the queue's order: what waits for its pipelines still writes here.
    const once = (free: () => void): void => {
      if (!released) this.#device.defer(free);
      released = true;
    };
    if (ResultPages.fits(byteLength)) {
      const slot = this.#pages.acquire();
      return {
        device: this.#device,
        ...slot,
        byteLength,
        release: () => once(() => this.#pages.release(slot)),
      };
    }
    const buffer = this.pool.acquire(byteLength);
    return {
      device: this.#device,
      buffer,
      offset: 0,
      byteLength,
      release: () => once(() => this.pool.release(buffer)),
    };
  }

  /** The workspace, with at least so many bytes; null where none have been needed yet. What it held is lost when it grows. */
  workspace(bytes: number): PooledBuffer | null {
    if (bytes > (this.#workspace?.size ?? 0)) {
      if (this.#workspace !== null) this.pool.release(this.#workspace);
      this.#workspace = null;
      this.#workspace = this.pool.acquire(bytes);
    }
    return this.#workspace;
  }

  /** How large the workspace may be beside buffers of the given sizes, which are yet to be allocated, and small results. */
  workspaceRoom(sizes: readonly number[]): number {
    const { room } = this.pool;
    if (room === Number.POSITIVE_INFINITY) return room;
    const own = this.#workspace?.size ?? 0;
    const others = sizes.reduce((sum, bytes) => sum + (ResultPages.fits(bytes) ? 256 : roundSize(bytes)), 0);
    return floorSize(room + own - others - this.#pages.next);
  }
}
