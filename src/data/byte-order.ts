// Byte order of files.

/** Returns a copy of the bytes. If the order of files differs from that of the host, each element of `width` bytes is reversed. */
export function reordered(array: ArrayBufferView, width: number, order: "little" | "big"): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();
  const host = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? "little" : "big";
  if (order === host) return bytes;
  for (let start = 0; start < bytes.length; start += width) {
    for (let low = start, high = start + width - 1; low < high; low++, high--) {
      const byte = bytes[low] as number;
      bytes[low] = bytes[high] as number;
      bytes[high] = byte;
    }
  }
  return bytes;
}
