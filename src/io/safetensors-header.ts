// The header of a safetensors file: strict reading and writing of names, dtypes, shapes and byte ranges.

import { WgradError } from "../base/errors.ts";
import { messageOf, sizeOf } from "../ops/check.ts";
import type { TypedArray } from "../tensor.ts";

/** Element types of safetensors that are read. */
export type StoredType =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U64"
  | "U32"
  | "U16"
  | "U8"
  | "BOOL";

interface StoredArray {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): TypedArray | BigInt64Array | BigUint64Array;
}

/** The arrays that hold the elements of a file; halves as their bits. */
export const storedArrays: Readonly<Record<StoredType, StoredArray>> = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

/** Bytes per element. */
export function storedBytes(type: StoredType): number {
  return storedArrays[type].BYTES_PER_ELEMENT;
}

/** One tensor of the header, its bytes counted from the end of the header. */
export interface Entry {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the tensors' bytes start in the file. */
  readonly start: number;
}

/** The reference implementation's limit. */
const maxHeader = 100_000_000;

function bad(what: string): WgradError {
  return new WgradError(`fromSafetensors: ${what}`);
}

function damaged(what: string): WgradError {
  return bad(`${what}. The file is damaged.`);
}

/**
 * Reads and checks a header: 8 bytes of length, JSON without double names, every byte behind it in exactly one tensor.
 * @throws WgradError that says what is wrong.
 */
export function readHeader(bytes: Uint8Array): Header {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError("fromSafetensors: the argument must be a Uint8Array of the file's bytes.");
  if (bytes.length < 8)
    throw bad(`a file starts with 8 bytes of header length, got ${bytes.length} bytes. Is it cut short?`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeader) || (bytes.length > 8 && bytes[8] !== 0x7b)) {
    throw bad("the bytes are no safetensors file: no JSON object follows the 8 bytes of header length.");
  }
  const start = 8 + Number(length);
  if (start > bytes.length) {
    throw bad(`the header takes ${start} bytes, got ${bytes.length} bytes. The file is cut short: fetch it again.`);
  }
  const header = parse(bytes.subarray(8, start));
  const entries: Entry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") metadata = metadataOf(value);
    else entries.push(entryOf(name, value));
  }
  checkCover(entries, bytes.length - start);
  return { entries, metadata, start };
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(`the header is not JSON: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw damaged("the header must be a JSON object");
  const double = duplicateKey(text);
  if (double !== undefined) throw damaged(`the header holds "${double}" twice`);
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first key that an object of this valid JSON text holds twice; JSON.parse would keep the last one in silence. */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  let at = 0;
  while (at < text.length) {
    const start = at++;
    const character = text[start];
    if (character === "{") open.push(new Set());
    else if (character === "}") open.pop();
    else if (character === '"') {
      at = stringEnd(text, start);
      if (!colonFollows(text, at)) continue;
      const key = String(JSON.parse(text.slice(start, at)));
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

/** The place behind the closing quote of the string that starts at `start`. No regular expression: they overflow on long ones. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function colonFollows(text: string, start: number): boolean {
  let at = start;
  while (text[at] === " " || text[at] === "\n" || text[at] === "\r" || text[at] === "\t") at++;
  return text[at] === ":";
}

function metadataOf(value: unknown): Record<string, string> {
  if (!isObject(value) || !Object.values(value).every((entry) => typeof entry === "string")) {
    throw damaged("__metadata__ must be an object of strings");
  }
  return value as Record<string, string>;
}

function entryOf(name: string, value: unknown): Entry {
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {};
  if (typeof dtype !== "string" || !isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) {
    throw damaged(`the header's entry "${name}" must have dtype, shape and data_offsets`);
  }
  if (!Object.hasOwn(storedArrays, dtype)) {
    throw bad(
      `"${name}" has the dtype ${dtype}; known are ${Object.keys(storedArrays).join(", ")}. Convert it when saving.`,
    );
  }
  const type = dtype as StoredType;
  const [begin = 0, end = 0] = offsets;
  const size = sizeOf(shape) * storedBytes(type);
  if (end - begin !== size) {
    throw damaged(
      `"${name}", ${type}[${shape}], takes ${size} bytes, but its offsets [${begin}, ${end}] span ${end - begin}`,
    );
  }
  return { name, type, shape, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
}

/** Every byte belongs to exactly one tensor. */
function checkCover(entries: readonly Entry[], size: number): void {
  let at = 0;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) {
      const problem = begin < at ? "overlaps the tensor before it" : `leaves ${begin - at} bytes before it unused`;
      throw damaged(`"${name}" at [${begin}, ${end}] ${problem}`);
    }
    at = end;
  }
  if (at > size) throw bad(`the tensors take ${at} bytes, ${size} are there. The file is cut short: fetch it again.`);
  if (at < size) throw damaged(`there are ${size - at} bytes too many behind the last tensor`);
}

/** The 8 bytes of length and the header, padded with spaces so that the data behind it is aligned to 8 bytes. */
export function writeHeader(
  what: string,
  entries: readonly Entry[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const object: [string, unknown][] = entries.map(({ name, type, shape, begin, end }) => [
    name,
    { dtype: type, shape, data_offsets: [begin, end] },
  ]);
  if (Object.keys(metadata).length > 0) object.unshift(["__metadata__", metadata]);
  // Written member by member, because an object would put keys that look like numbers first and lose "__proto__".
  const text = `{${object.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")}}`;
  const json = new TextEncoder().encode(text);
  if (json.length > maxHeader)
    throw new WgradError(
      `${what}: names, shapes and everything that is no tensor take ${json.length} bytes, the format allows ${maxHeader}. ` +
        "Long lists of numbers fit as tensors.",
    );
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}
