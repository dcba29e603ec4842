// Parser of IDX, the file format of MNIST and its relatives (Y. LeCun, "The MNIST database", file formats).

import { WgradError } from "../base/errors.ts";
import { sizeOf } from "../ops/check.ts";
import type { DType } from "../tensor.ts";
import { reordered } from "./byte-order.ts";

/** The typed arrays that an IDX file can become. The class of `data` tells the element type of the file. */
export type IdxData = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** The content of an IDX file. */
export interface IdxArray {
  /**
   * The elements, row-major. Unsigned bytes are a view of the given bytes; other types are a copy in the byte order of
   * the machine.
   */
  readonly data: IdxData;
  /** The sizes of the dims. */
  readonly shape: readonly number[];
  /** The dtype of a tensor that holds these elements without loss of whole numbers: `"i32"` or `"f32"`. */
  readonly dtype: DType;
}

type ElementArray = { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBuffer): IdxData };

/** Element types by code. */
const ELEMENTS = new Map<number, { name: string; array: ElementArray; dtype: DType }>([
  [0x08, { name: "unsigned byte", array: Uint8Array, dtype: "i32" }],
  [0x09, { name: "signed byte", array: Int8Array, dtype: "i32" }],
  [0x0b, { name: "short", array: Int16Array, dtype: "i32" }],
  [0x0c, { name: "int", array: Int32Array, dtype: "i32" }],
  [0x0d, { name: "float", array: Float32Array, dtype: "f32" }],
  [0x0e, { name: "double", array: Float64Array, dtype: "f32" }],
]);

const hex = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

/**
 * Parses an IDX file, the format of MNIST. It has two zero bytes, one byte for the element type (0x08 unsigned byte,
 * 0x09 signed byte, 0x0b short, 0x0c int, 0x0d float, 0x0e double), one byte with the number of dims, a big-endian
 * 32-bit size per dim, and then the elements, big-endian, the last dim fastest.
 *
 * @throws WgradError if the bytes are not IDX, are cut short, or go on after the last element.
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
  const type = ELEMENTS.get(code);
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
  const expected = start + sizeOf(shape) * type.array.BYTES_PER_ELEMENT;
  if (bytes.length !== expected) {
    const what = `idx: the header announces ${type.name} [${shape}], ${expected} bytes in all, got ${bytes.length} bytes`;
    throw new WgradError(
      bytes.length < expected
        ? `${what}. The file is cut short by ${expected - bytes.length} bytes: fetch it again.`
        : `${what}. There are ${bytes.length - expected} bytes too many behind the data.`,
    );
  }
  const elements = bytes.subarray(start);
  const { array, dtype } = type;
  if (array === Uint8Array) return { data: elements, shape, dtype };
  return { data: new array(reordered(elements, array.BYTES_PER_ELEMENT, "big").buffer), shape, dtype };
}
