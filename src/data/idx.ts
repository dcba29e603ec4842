// Parser of IDX, the file format of MNIST and its relatives (Y. LeCun, "The MNIST database", file formats).
import { WgradError } from "../errors.ts";
import type { DType } from "../tensor.ts";

/** Any array type an IDX file can hold; the class of `data` tells the file's own element type. */
export type IdxData = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** What an IDX file holds. */
export interface IdxArray {
  /** The elements, row-major; of an unsigned-byte file a view of the given bytes, else a copy in host byte order. */
  readonly data: IdxData;
  readonly shape: readonly number[];
  /** The dtype that a tensor of these elements has without loss of whole numbers: `"i32"` or `"f32"`. */
  readonly dtype: DType;
}

interface ElementType {
  readonly name: string;
  readonly bytes: number;
  readonly dtype: DType;
  readonly read: (bytes: Uint8Array, count: number) => IdxData;
}

/** Fills `result` with the big-endian elements of `bytes`. */
function swapped<T extends IdxData>(bytes: Uint8Array, result: T, read: (view: DataView, offset: number) => number): T {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < result.length; i++) result[i] = read(view, i * result.BYTES_PER_ELEMENT);
  return result;
}

function elementType(code: number): ElementType | undefined {
  switch (code) {
    case 0x08:
      return { name: "unsigned byte", bytes: 1, dtype: "i32", read: (bytes) => bytes };
    case 0x09:
      return {
        name: "signed byte",
        bytes: 1,
        dtype: "i32",
        read: (bytes, count) => new Int8Array(bytes.buffer, bytes.byteOffset, count),
      };
    case 0x0b:
      return {
        name: "short",
        bytes: 2,
        dtype: "i32",
        read: (bytes, count) => swapped(bytes, new Int16Array(count), (view, offset) => view.getInt16(offset)),
      };
    case 0x0c:
      return {
        name: "int",
        bytes: 4,
        dtype: "i32",
        read: (bytes, count) => swapped(bytes, new Int32Array(count), (view, offset) => view.getInt32(offset)),
      };
    case 0x0d:
      return {
        name: "float",
        bytes: 4,
        dtype: "f32",
        read: (bytes, count) => swapped(bytes, new Float32Array(count), (view, offset) => view.getFloat32(offset)),
      };
    case 0x0e:
      return {
        name: "double",
        bytes: 8,
        dtype: "f32",
        read: (bytes, count) => swapped(bytes, new Float64Array(count), (view, offset) => view.getFloat64(offset)),
      };
    default:
      return undefined;
  }
}

const hex = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

/**
 * Parses an IDX file: two zero bytes, one byte of element type (0x08 unsigned byte, 0x09 signed byte, 0x0b short,
 * 0x0c int, 0x0d float, 0x0e double), one byte with the number of dimensions, a big-endian 32-bit size per dimension,
 * then the elements, big-endian, the last dimension fastest.
 *
 * @throws WgradError when the bytes are not IDX, are cut short, or go on behind the last element.
 */
export function idx(bytes: Uint8Array): IdxArray {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError("idx: the argument must be a Uint8Array of the file's bytes.");
  if (bytes.length < 4) {
    throw new WgradError(`idx: an IDX file starts with 4 bytes of header, got ${bytes.length} bytes. Is it cut short?`);
  }
  const [zero0 = 0, zero1 = 0, code = 0, ndim = 0] = bytes;
  if (zero0 === 0x1f && zero1 === 0x8b) {
    throw new WgradError("idx: these bytes are gzip-compressed (they start with 0x1f 0x8b). Decompress them first.");
  }
  const type = elementType(code);
  if (zero0 !== 0 || zero1 !== 0 || type === undefined) {
    const got = [...bytes.subarray(0, 4)].map(hex).join(" ");
    throw new WgradError(
      "idx: an IDX file starts with 0x00 0x00, an element type from 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e and the number " +
        `of dimensions, got ${got}. Is it another kind of file?`,
    );
  }
  const start = 4 + 4 * ndim;
  if (bytes.length < start) {
    throw new WgradError(
      `idx: the header announces ${ndim} dimensions, which take ${start} bytes, got ${bytes.length} bytes. Is it cut short?`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: ndim }, (_, dim) => view.getUint32(4 + 4 * dim));
  const count = shape.reduce((product, size) => product * size, 1);
  const expected = start + count * type.bytes;
  if (bytes.length !== expected) {
    const what = `idx: the header announces ${type.name} [${shape}], ${expected} bytes in all, got ${bytes.length} bytes`;
    throw new WgradError(
      bytes.length < expected
        ? `${what}. The file is cut short by ${expected - bytes.length} bytes: fetch it again.`
        : `${what}. There are ${bytes.length - expected} bytes too many behind the data.`,
    );
  }
  return { data: type.read(bytes.subarray(start), count), shape, dtype: type.dtype };
}
