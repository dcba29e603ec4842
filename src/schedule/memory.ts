// Memory by lifetime: blocks that are never alive together share bytes.

import { bytesOf, type DType } from "../base/dtype.ts";
import { sizeOf } from "../base/shape.ts";

/** Blocks begin at multiples of this: the largest `minStorageBufferOffsetAlignment` of WebGPU. */
export const SLOT_ALIGNMENT = 256;

/** Bytes that a value takes in memory. */
export function bytesFor(value: { readonly shape: readonly number[]; readonly dtype: DType }): number {
  // Buffers are read as vec4 too, and an empty tensor still needs something to bind.
  return Math.max(16, roundUp(sizeOf(value.shape) * bytesOf(value.dtype), 16));
}

export interface Interval {
  /** First and last step in which the block is alive. */
  start: number;
  end: number;
  bytes: number;
}

export interface Layout {
  readonly offsets: readonly number[];
  readonly size: number;
}

/** Places blocks by decreasing size, each in the smallest gap between those alive with it. */
export function layOut(blocks: readonly Interval[], alignment: number): Layout {
  const align = (n: number) => roundUp(n, alignment);
  const order = [...blocks.keys()].sort((a, b) => {
    const [x, y] = [blocks[a] as Interval, blocks[b] as Interval];
    return y.bytes - x.bytes || x.start - y.start;
  });
  const offsets = new Array<number>(blocks.length).fill(0);
  // Placed blocks by stretches of time, so that short-lived ones meet only those of their time.
  const last = blocks.reduce((most, { end }) => Math.max(most, end), 0);
  const stretch = Math.ceil(Math.sqrt(last + 1));
  const placed: number[][] = Array.from({ length: 1 + Math.floor(last / stretch) }, () => []);
  const met = new Int32Array(blocks.length).fill(-1);
  let size = 0;
  for (const i of order) {
    const block = blocks[i] as Interval;
    const bytes = align(block.bytes);
    const stretches = placed.slice(Math.floor(block.start / stretch), 1 + Math.floor(block.end / stretch));
    const neighbours: { from: number; to: number }[] = [];
    for (const there of stretches)
      for (const j of there) {
        const other = blocks[j] as Interval;
        if (met[j] === i || other.start > block.end || block.start > other.end) continue;
        met[j] = i;
        const from = offsets[j] as number;
        neighbours.push({ from, to: from + align(other.bytes) });
      }
    neighbours.sort((a, b) => a.from - b.from);
    let best = -1;
    let bestGap = Number.POSITIVE_INFINITY;
    let cursor = 0;
    for (const n of neighbours) {
      const gap = n.from - cursor;
      if (gap >= bytes && gap < bestGap) {
        best = cursor;
        bestGap = gap;
      }
      cursor = Math.max(cursor, n.to);
    }
    offsets[i] = best >= 0 ? best : cursor;
    size = Math.max(size, (offsets[i] as number) + bytes);
    for (const there of stretches) there.push(i);
  }
  return { offsets, size };
}

/** Largest sum of simultaneously live bytes: no layout of the blocks takes less. */
export function liveBytesOf(blocks: readonly Interval[], alignment: number): number {
  const changes = new Map<number, number>();
  for (const { start, end, bytes } of blocks) {
    const taken = roundUp(bytes, alignment);
    changes.set(start, (changes.get(start) ?? 0) + taken);
    changes.set(end + 1, (changes.get(end + 1) ?? 0) - taken);
  }
  let live = 0;
  let peak = 0;
  for (const at of [...changes.keys()].sort((a, b) => a - b)) {
    live += changes.get(at) as number;
    peak = Math.max(peak, live);
  }
  return peak;
}

function roundUp(n: number, alignment: number): number {
  return Math.ceil(n / alignment) * alignment;
}
