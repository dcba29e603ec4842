// Safetensors both ways: the file format in which PyTorch's ecosystem exchanges weights.

import { decode as decodeBytes, encode as encodeNumbers } from "../base/dtype.ts";
import { WgradError } from "../base/errors.ts";
import { reordered } from "../data/byte-order.ts";
import { checkOptions, printed } from "../ops/check.ts";
import { type DataArray, type DType, Tensor, type TypedArray, uploadable } from "../tensor.ts";
import {
  type Entry,
  readHeader,
  type StoredType,
  storedArrays,
  storedBytes,
  writeHeader,
} from "./safetensors-header.ts";

/**
 * Writes tensors as a safetensors file: f32 as F32, f16 as F16, i32 as I32, u32 as U32, bool as BOOL. The function is
 * asynchronous because tensors must be read from the GPU: `const bytes = await toSafetensors(model.stateDict())`. The
 * same values give the same bytes, whatever the order of the names.
 *
 * @throws WgradError if a value is no tensor, a name is `__metadata__`, or `metadata` holds something else than
 * strings.
 */
export function toSafetensors(
  stateDict: Readonly<Record<string, Tensor>>,
  options: SafetensorsOptions = {},
): Promise<Uint8Array> {
  return encodeSafetensors("toSafetensors", stateDict, options);
}

/** Options of `toSafetensors`. */
export interface SafetensorsOptions {
  /** Your own notes, strings by name. Default: none. */
  metadata?: Readonly<Record<string, string>>;
}

/** The bytes of a safetensors file, with errors in the name of `what`. */
export async function encodeSafetensors(
  what: string,
  stateDict: Readonly<Record<string, Tensor>>,
  options: SafetensorsOptions,
): Promise<Uint8Array> {
  checkOptions(what, options, ["metadata"]);
  const { metadata = {} } = options;
  checkMetadata(what, metadata);
  if (typeof stateDict !== "object" || stateDict === null || stateDict instanceof Tensor) {
    throw new TypeError(`${what}: a state dict is an object of tensors, got ${printed(stateDict)}.`);
  }
  const named = Object.entries(stateDict).map(([name, value]) => {
    if (name === "__metadata__") throw new WgradError(`${what}: a tensor cannot be named "__metadata__". Rename it.`);
    if (!(value instanceof Tensor)) {
      throw new WgradError(`${what}: "${name}" must be a Tensor, got ${typeof value}. Wrap it with tensor().`);
    }
    return { name, value };
  });
  const encoded = await Promise.all(
    named.map(async ({ name, value }) => ({ name, shape: value.shape, ...encode(value, await value.data()) })),
  );
  // Wide elements first keeps all of them aligned; names as second key make the bytes a function of the values.
  encoded.sort((a, b) => storedBytes(b.type) - storedBytes(a.type) || (a.name < b.name ? -1 : 1));
  let at = 0;
  const entries = encoded.map(({ name, type, shape, bytes }): Entry => {
    const begin = at;
    at += bytes.length;
    return { name, type, shape, begin, end: at };
  });
  const header = writeHeader(what, entries, metadata);
  const file = new Uint8Array(header.length + at);
  file.set(header);
  entries.forEach(({ begin }, i) => {
    const part = encoded[i];
    if (part !== undefined) file.set(part.bytes, header.length + begin);
  });
  return file;
}

function checkMetadata(what: string, metadata: unknown): void {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) {
    throw new WgradError(`${what}: metadata must be an object of strings, got ${printed(metadata)}.`);
  }
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value === "string") continue;
    throw new WgradError(
      `${what}: metadata holds strings, got ${printed(value)} as "${name}". JSON.stringify(value) makes one.`,
    );
  }
}

/** The safetensors type of each dtype. */
const STORED_AS: Readonly<Record<DType, StoredType>> = { f32: "F32", f16: "F16", i32: "I32", u32: "U32", bool: "BOOL" };

function encode({ dtype }: Tensor, data: DataArray): { type: StoredType; bytes: Uint8Array } {
  const type = STORED_AS[dtype];
  if (dtype === "bool") return { type, bytes: Uint8Array.from(data, (flag) => (flag === 0 ? 0 : 1)) };
  return { type, bytes: reordered(encodeNumbers(data, dtype), storedBytes(type), "little") };
}

/**
 * Reads a safetensors file. F32, I32, U32, F16 and BOOL keep their types. BF16 and F64 become f32; I64, I16 and I8
 * become i32; U64, U16 and U8 become u32.
 *
 * @throws WgradError if the bytes are not a whole and valid file, or a 64-bit whole number does not fit 32 bits.
 */
export function fromSafetensors(bytes: Uint8Array): Record<string, Tensor> {
  const { entries, start } = readHeader(bytes);
  return Object.fromEntries(
    entries.map((entry) => [entry.name, decode(entry, bytes.subarray(start + entry.begin, start + entry.end))]),
  );
}

/**
 * Reads the notes of a safetensors file: the strings under `__metadata__`. Throws a WgradError as `fromSafetensors`
 * does.
 */
export function safetensorsMetadata(bytes: Uint8Array): Record<string, string> {
  return { ...readHeader(bytes).metadata };
}

function decode({ name, type, shape }: Entry, bytes: Uint8Array): Tensor {
  const { buffer } = reordered(bytes, storedBytes(type), "little");
  const array = new storedArrays[type](buffer);
  switch (type) {
    case "F16":
      return uploadable(decodeBytes(buffer, "f16", array.length), shape, "f16");
    case "BF16":
      // Each is the upper half of an f32.
      return uploadable(new Float32Array(Uint32Array.from(array as Uint16Array, (bits) => bits << 16).buffer), shape);
    case "BOOL":
      return uploadable(array as Uint8Array, shape, "bool");
    case "U16":
    case "U8":
      return uploadable(array as Uint16Array | Uint8Array, shape, "u32");
    case "I64":
      return uploadable(Int32Array.from(narrowed(name, type, array as BigInt64Array, -(2 ** 31), 2 ** 31 - 1)), shape);
    case "U64":
      return uploadable(Uint32Array.from(narrowed(name, type, array as BigUint64Array, 0, 2 ** 32 - 1)), shape);
    default:
      // As they are, or widened to 32 bits.
      return uploadable(array as TypedArray, shape);
  }
}

function narrowed(
  name: string,
  type: StoredType,
  values: BigInt64Array | BigUint64Array,
  low: number,
  high: number,
): number[] {
  return Array.from(values as Iterable<bigint>, (value) => {
    if (value < BigInt(low) || value > BigInt(high)) {
      throw new WgradError(
        `fromSafetensors: "${name}" (${type}) holds ${value}, which does not fit 32 bits (${low} to ${high}). Tensors hold no 64-bit numbers.`,
      );
    }
    return Number(value);
  });
}
