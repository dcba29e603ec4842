// dtypes: promotion, storage and the typed arrays that carry them on the host.

import { DTypeError } from "./errors.ts";

/** Element type of a tensor. bool is stored as u32. f16 is computed in f32 and rounded when it is stored. */
export type DType = "f32" | "f16" | "i32" | "u32" | "bool";

/** The typed arrays that `tensor` takes. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** What `data()` resolves to. f16 comes as Float32Array, bool as Uint8Array. */
export type DataArray = Float32Array | Int32Array | Uint32Array | Uint8Array;

/** From narrow to wide: the order of promotion. */
export const DTYPES: readonly DType[] = ["bool", "u32", "i32", "f16", "f32"];

export function isDType(value: unknown): value is DType {
  return DTYPES.includes(value as DType);
}

export function checkDType(op: string, dtype: DType): DType {
  if (!isDType(dtype)) {
    throw new DTypeError(`${op}: dtype must be one of ${DTYPES.join(", ")}, got ${String(dtype)}.`, { op });
  }
  return dtype;
}

export function isFloat(dtype: DType): boolean {
  return dtype === "f32" || dtype === "f16";
}

/** The wider of two dtypes: bool < u32 < i32 < f16 < f32. */
export function promote(a: DType, b: DType): DType {
  return DTYPES.indexOf(a) >= DTYPES.indexOf(b) ? a : b;
}

/** The dtype that a plain number or boolean takes beside a tensor: weak, so it never widens a float. */
export function numberDType(value: number | boolean, beside: DType): DType {
  if (typeof value === "boolean") return "bool";
  if (isFloat(beside)) return beside;
  if (!Number.isInteger(value)) return "f32";
  return beside === "bool" ? "i32" : beside;
}

/** The number in place of a missing value, such as an index out of range: NaN, or for integers the least plausible number. */
export const NO_VALUE: Readonly<Record<DType, number>> = {
  f32: Number.NaN,
  f16: Number.NaN,
  i32: -(2 ** 31),
  u32: 2 ** 32 - 1,
  bool: 0,
};

/** Bytes per element in a GPU buffer. */
export function bytesOf(dtype: DType): number {
  return dtype === "f16" ? 2 : 4;
}

/** The dtype that a typed array stands for. */
export function dtypeOfArray(array: TypedArray): DType {
  if (array instanceof Float32Array || array instanceof Float64Array) return "f32";
  if (array instanceof Uint32Array) return "u32";
  return "i32";
}

/** One number as `dtype` holds it. */
export function castNumber(value: number, dtype: DType): number {
  if (isFloat(dtype)) return Math.fround(value);
  if (dtype === "bool") return value !== 0 ? 1 : 0;
  return dtype === "i32" ? value | 0 : value >>> 0;
}

/** The bytes of a GPU buffer as a typed array. */
type Stored = Float32Array | Uint16Array | Int32Array | Uint32Array;

const ARRAYS = { f32: Float32Array, f16: Uint16Array, i32: Int32Array, u32: Uint32Array, bool: Uint32Array } as const;

/** A GPU buffer's bytes, `count` elements of them, as they are. */
export function viewOf(bytes: ArrayBuffer, dtype: DType, count?: number): Stored {
  return new ARRAYS[dtype](bytes, 0, count);
}

/** Packs host numbers into the bytes that a GPU buffer of `dtype` holds. */
export function encode(values: ArrayLike<number>, dtype: DType): Stored {
  if (dtype === "f16") return Uint16Array.from(values, toHalfBits);
  if (dtype === "bool") return Uint32Array.from(values, (v) => (v !== 0 ? 1 : 0));
  const Numbers = ARRAYS[dtype];
  return values instanceof Numbers ? values : Numbers.from(values);
}

/** Reads a GPU buffer's bytes as what `data()` hands out. */
export function decode(bytes: ArrayBuffer, dtype: DType, count: number): DataArray {
  const view = viewOf(bytes, dtype, count);
  if (dtype === "bool") return Uint8Array.from(view);
  return view instanceof Uint16Array ? Float32Array.from(view, fromHalfBits) : view;
}

/** One f32, and its bits. */
const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** IEEE 754 binary16 bits of `value`, rounded to nearest even. */
export function toHalfBits(value: number): number {
  float[0] = value;
  const bits = floatBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00;
  if (magnitude >= 0x4780_0000) return sign | 0x7c00;
  if (magnitude < 0x3880_0000) {
    // Subnormal halves: adding 0.5 lets the f32 adder round to a multiple of 2^-24.
    float[0] = Math.abs(Math.fround(value)) + 0.5;
    return sign | ((floatBits[0] as number) - 0x3f00_0000);
  }
  return sign | ((magnitude - 0x3800_0000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The number that IEEE 754 binary16 `bits` stand for. */
export function fromHalfBits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
