// 16-bit floats as safetensors files hold them: IEEE 754 binary16 and bfloat16.

/** The numbers that IEEE 754 halves stand for. */
export function fromHalves(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

/** The IEEE 754 halves nearest to the values, ties to even. */
export function toHalves(values: ArrayLike<number>): Uint16Array {
  const floats = Float32Array.from(values);
  return Uint16Array.from(new Uint32Array(floats.buffer), toHalf);
}

/** The half nearest to an f32, both as bits. */
function toHalf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // From 65520 up, the nearest half is infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  // Subnormal halves are multiples of 2⁻²⁴. The f32's fraction with its leading one, times 2^(exponent − 150), in them:
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign;
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const half = 1 << (shift - 1);
  const rest = fraction & ((1 << shift) - 1);
  const floor = fraction >>> shift;
  return sign | (floor + (rest > half || (rest === half && floor % 2 === 1) ? 1 : 0));
}

/** The numbers that bfloat16 values stand for: each is the upper half of an f32. */
export function fromBfloat16(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}
