// Buffers by size: handed out, taken back, reused; and small results packed in pages.

import { OutOfMemoryError } from "../base/errors.ts";
import { BUFFER_COPY_DST, BUFFER_COPY_SRC, BUFFER_STORAGE } from "./constants.ts";
import type { PooledBuffer } from "./executable.ts";

const STORAGE_USAGE = BUFFER_STORAGE | BUFFER_COPY_SRC | BUFFER_COPY_DST;

/** A size class: at most an eighth is wasted. */
export function roundSize(bytes: number): number {
  if (bytes <= 4096) return Math.max(256, Math.ceil(bytes / 256) * 256);
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** The largest size of at most `bytes` that wastes nothing; 0 where there is none. */
export function floorSize(bytes: number): number {
  if (bytes < 256) return 0;
  if (bytes <= 4096) return Math.floor(bytes / 256) * 256;
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.floor(bytes / step) * step;
}

export interface PoolLimits {
  readonly maxBufferSize: number;
  /** Bytes that may be allocated in all; Infinity when not limited. */
  readonly memoryLimit: number;
}

/** Storage buffers: live ones and free ones kept for reuse. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #limits: PoolLimits;
  readonly #all = new Set<PooledBuffer>();
  readonly #free = new Map<number, PooledBuffer[]>();
  #next = 1;
  liveBytes = 0;
  pooledBytes = 0;
  peakBytes = 0;

  constructor(device: GPUDevice, limits: PoolLimits) {
    this.#device = device;
    this.#limits = limits;
  }

  /** A buffer of at least `bytes`; its content is undefined. */
  acquire(bytes: number): PooledBuffer {
    const size = roundSize(bytes);
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) {
      this.pooledBytes -= size;
      this.liveBytes += size;
      return free;
    }
    if (size > this.#limits.maxBufferSize) {
      throw new OutOfMemoryError(
        `out of memory: one buffer of ${size} bytes is more than this device's maxBufferSize of ${this.#limits.maxBufferSize}.`,
      );
    }
    if (this.liveBytes + this.pooledBytes + size > this.#limits.memoryLimit) this.trim();
    const missing = this.liveBytes + size - this.#limits.memoryLimit;
    if (missing > 0) {
      throw new OutOfMemoryError(
        `out of memory: ${missing} bytes more than the memoryLimit of ${this.#limits.memoryLimit} are needed.`,
      );
    }
    const gpu = this.#device.createBuffer({ size, usage: STORAGE_USAGE });
    this.liveBytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes + this.pooledBytes);
    const buffer = { id: this.#next++, gpu, size };
    this.#all.add(buffer);
    return buffer;
  }

  /** Bytes that can still be allocated if free buffers are given up; Infinity without a limit. */
  get room(): number {
    return this.#limits.memoryLimit - this.liveBytes;
  }

  /** Takes a buffer back. Queued work that still uses it runs before its next user. */
  release(buffer: PooledBuffer): void {
    if (!this.#all.has(buffer)) return;
    let list = this.#free.get(buffer.size);
    if (list === undefined) {
      list = [];
      this.#free.set(buffer.size, list);
    }
    list.push(buffer);
    this.liveBytes -= buffer.size;
    this.pooledBytes += buffer.size;
  }

  /** Destroys the free buffers once the queue has finished with them. */
  trim(): void {
    const buffers = [...this.#free.values()].flat();
    this.#free.clear();
    this.pooledBytes = 0;
    for (const b of buffers) this.#all.delete(b);
    const destroy = () => {
      for (const b of buffers) b.gpu.destroy();
    };
    this.#device.queue.onSubmittedWorkDone().then(destroy, () => undefined);
  }

  /** Destroys all buffers, those in use as well: nobody will ask for one any more. */
  destroy(): void {
    for (const { gpu } of this.#all) gpu.destroy();
    this.#all.clear();
    this.#free.clear();
    this.liveBytes = 0;
    this.pooledBytes = 0;
  }
}

const PAGE = 1 << 20;
const SLOT = 256;

/** Small results: slots of 256 bytes in pages, so that a kept loss doesn't cost a buffer. */
export class ResultPages {
  readonly #pool: BufferPool;
  readonly #free: { buffer: PooledBuffer; offset: number }[] = [];

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Bytes that the next small result will take: a page, where none has a slot left. */
  get next(): number {
    return this.#free.length === 0 ? PAGE : 0;
  }

  static fits(bytes: number): boolean {
    return bytes <= SLOT;
  }

  acquire(): { buffer: PooledBuffer; offset: number } {
    if (this.#free.length === 0) {
      const buffer = this.#pool.acquire(PAGE);
      for (let offset = PAGE - SLOT; offset >= 0; offset -= SLOT) this.#free.push({ buffer, offset });
    }
    return this.#free.pop() as { buffer: PooledBuffer; offset: number };
  }

  release(slot: { buffer: PooledBuffer; offset: number }): void {
    this.#free.push(slot);
  }
}
