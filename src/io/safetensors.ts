// Safetensors both ways: the file format in which PyTorch's ecosystem exchanges weights.
import { checkOptions, shown } from "../data/check.ts";
import { WgradError } from "../errors.ts";
import { Tensor, uploadable } from "../tensor.ts";
import { fromBfloat16, fromHalves, toHalves } from "./half.ts";
import { type Entry, readHeader, type StoredType, storedBytes, writeHeader } from "./safetensors-header.ts";

/**
 * Writes tensors as a safetensors file: f32 as F32, f16 as F16, i32 as I32, u32 as U32, bool as BOOL. Reading tensors from
 * the GPU takes time, so this is a promise: `const bytes = await toSafetensors(model.stateDict())`. The same values give the
 * same bytes, in whatever order the names come.
 *
 * @throws WgradError when a value is no tensor, a name is `__metadata__`, or `metadata` holds something else than strings.
 */
export function toSafetensors(
  stateDict: Readonly<Record<string, Tensor>>,
  options: SafetensorsOptions = {},
): Promise<Uint8Array> {
  return encodeSafetensors("toSafetensors", stateDict, options);
}

/** What a safetensors file holds besides tensors. */
export interface SafetensorsOptions {
  /** Notes of one's own, strings by name; default none. */
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
  encoded.sort((a, b) => storedBytes[b.type] - storedBytes[a.type] || (a.name < b.name ? -1 : 1));
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
    throw new WgradError(`${what}: metadata must be an object of strings, got ${shown(metadata)}.`);
  }
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value === "string") continue;
    throw new WgradError(
      `${what}: metadata holds strings, got ${shown(value)} as "${name}". JSON.stringify(value) makes one.`,
    );
  }
}

function encode(value: Tensor, data: ArrayLike<number> & ArrayBufferView): { type: StoredType; bytes: Uint8Array } {
  const { dtype } = value;
  switch (dtype) {
    case "f32":
      return { type: "F32", bytes: littleEndian(data, 4) };
    case "i32":
      return { type: "I32", bytes: littleEndian(data, 4) };
    case "u32":
      return { type: "U32", bytes: littleEndian(data, 4) };
    case "bool":
      return { type: "BOOL", bytes: Uint8Array.from(data, (flag) => (flag === 0 ? 0 : 1)) };
    case "f16":
      return { type: "F16", bytes: littleEndian(toHalves(data), 2) };
    default:
      return dtype satisfies never;
  }
}

/** The bytes of an array, each element's lowest first (in either direction); a copy. */
function littleEndian(array: ArrayBufferView, width: number): Uint8Array {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();
  const hostIsLittle = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  if (!hostIsLittle) for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
  return bytes;
}

/**
 * Reads a safetensors file: F32, I32 and U32 as they are, F16 as f16, BOOL as bool; BF16 and F64 become f32, I64, I16 and I8
 * become i32, U64, U16 and U8 u32.
 *
 * @throws WgradError when the bytes are no whole and valid file, or a 64-bit whole number does not fit 32 bits.
 */
export function fromSafetensors(bytes: Uint8Array): Record<string, Tensor> {
  const { entries, start } = readHeader(bytes);
  return Object.fromEntries(
    entries.map((entry) => [entry.name, decode(entry, bytes.subarray(start + entry.begin, start + entry.end))]),
  );
}

/** The file's own notes: the strings under `__metadata__`. @throws WgradError like `fromSafetensors`. */
export function safetensorsMetadata(bytes: Uint8Array): Record<string, string> {
  return { ...readHeader(bytes).metadata };
}

function decode({ name, type, shape }: Entry, bytes: Uint8Array): Tensor {
  const { buffer } = littleEndian(bytes, storedBytes[type]);
  switch (type) {
    case "F32":
      return uploadable(new Float32Array(buffer), shape);
    case "F64":
      return uploadable(Float32Array.from(new Float64Array(buffer)), shape);
    case "F16":
      return uploadable(fromHalves(new Uint16Array(buffer)), shape, "f16");
    case "BF16":
      return uploadable(fromBfloat16(new Uint16Array(buffer)), shape);
    case "I32":
      return uploadable(new Int32Array(buffer), shape);
    case "I16":
      return uploadable(Int32Array.from(new Int16Array(buffer)), shape);
    case "I8":
      return uploadable(Int32Array.from(new Int8Array(buffer)), shape);
    case "I64":
      return uploadable(
        Int32Array.from(narrowed(name, type, new BigInt64Array(buffer), -(2 ** 31), 2 ** 31 - 1)),
        shape,
      );
    case "U32":
      return uploadable(new Uint32Array(buffer), shape);
    case "U16":
      return uploadable(Uint32Array.from(new Uint16Array(buffer)), shape);
    case "U8":
      return uploadable(Uint32Array.from(new Uint8Array(buffer)), shape);
    case "U64":
      return uploadable(Uint32Array.from(narrowed(name, type, new BigUint64Array(buffer), 0, 2 ** 32 - 1)), shape);
    case "BOOL":
      return uploadable(new Uint8Array(buffer), shape, "bool");
    default:
      return type satisfies never;
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
