// Staging buffers: the device copies results into them, and the host maps and reads them.

import { DeviceLostError } from "../base/errors.ts";
import { BUFFER_COPY_DST, BUFFER_MAP_READ, MAP_READ } from "./constants.ts";
import type { Range } from "./executable.ts";
import { roundSize } from "./pool.ts";

/** Bytes that free buffers may have together. */
const MOST_KEPT = 8 << 20;

/** Buffers for reading back, by size. Some are kept for later reads of the same size. */
export class StagingBuffers {
  readonly #gpu: GPUDevice;
  readonly #free = new Map<number, GPUBuffer[]>();
  /** Bytes that may still be kept. */
  #room = MOST_KEPT;

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** Encodes copies of device memory into a staging buffer, one behind the other. All but the last have whole words of 4 bytes. */
  copy(encoder: GPUCommandEncoder, parts: readonly { readonly from: Range; readonly bytes: number }[]): GPUBuffer {
    const size = roundSize(parts.reduce((sum, { bytes }) => sum + bytes, 0));
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) this.#room += size;
    const staging = free ?? this.#gpu.createBuffer({ size, usage: BUFFER_MAP_READ | BUFFER_COPY_DST });
    let at = 0;
    for (const { from, bytes } of parts) {
      encoder.copyBufferToBuffer(from.buffer.gpu, from.offset, staging, at, pad4(bytes));
      at += bytes;
    }
    return staging;
  }

  /** Returns the bytes of a submitted copy. Rejects with a DeviceLostError if nothing will come. */
  async download(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      await staging.mapAsync(MAP_READ, 0, pad4(bytes));
    } catch (error) {
      throw new DeviceLostError(`the result could not be read: ${String(error)}`);
    }
    const result = staging.getMappedRange(0, pad4(bytes)).slice(0);
    staging.unmap();
    this.release(staging);
    return result;
  }

  /** Takes back a buffer that nobody will read. */
  release(staging: GPUBuffer): void {
    if (staging.size > this.#room) {
      staging.destroy();
      return;
    }
    this.#room -= staging.size;
    const free = this.#free.get(staging.size);
    if (free === undefined) this.#free.set(staging.size, [staging]);
    else free.push(staging);
  }

  /** Destroys what is free now or comes back later. */
  destroy(): void {
    for (const buffers of this.#free.values()) for (const buffer of buffers) buffer.destroy();
    this.#free.clear();
    this.#room = 0;
  }
}

function pad4(bytes: number): number {
  return Math.max(4, Math.ceil(bytes / 4) * 4);
}
