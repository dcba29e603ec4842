// One column of a dataset held on the host: many equally shaped elements, handed out in batches as typed arrays.

import { checkDType, dtypeOfArray } from "../base/dtype.ts";
import { checkFinite, misfit, sizeOf } from "../ops/check.ts";
import type { DType, Shape, TypedArray } from "../tensor.ts";

/** A typed array with its shape, row-major. */
export interface HostArray {
  /** The elements. */
  readonly data: TypedArray;
  /** The sizes of the dims. */
  readonly shape: Shape;
  /** dtype of the tensors that are made of it. Default: that of the typed array; 64-bit floats become f32. */
  readonly dtype?: DType;
}

/**
 * A host array whose elements are stored compactly, for example as bytes. Each stands for `value · scale + offset` in
 * f32, and is converted batch by batch.
 */
export interface ScaledArray extends HostArray {
  /** Factor of each element. Default 1. */
  readonly scale?: number;
  /** Added to each element. Default 0. */
  readonly offset?: number;
}

/** Whether `value` is a typed array of a kind that tensors are made of. */
export function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && "length" in value && "BYTES_PER_ELEMENT" in value && !isBigIntArray(value);
}

function isBigIntArray(value: ArrayBufferView): boolean {
  return value instanceof BigInt64Array || value instanceof BigUint64Array;
}

/** Whether `value` has a typed array and a shape. */
export function isHostArray(value: unknown): value is HostArray {
  return typeof value === "object" && value !== null && "data" in value && "shape" in value && isTypedArray(value.data);
}

/** The elements of a nested array in order, with the shape that it has if it is `regular`. */
export function flattened(nested: readonly unknown[]): { data: unknown[]; shape: number[]; regular: boolean } {
  const shape: number[] = [];
  for (let level: unknown = nested; Array.isArray(level); level = level[0]) shape.push(level.length);
  let regular = true;
  const data: unknown[] = [];
  const visit = (value: unknown, depth: number): void => {
    if (!Array.isArray(value)) {
      regular &&= depth === shape.length;
      data.push(value);
      return;
    }
    regular &&= value.length === shape[depth];
    for (const element of value) visit(element, depth + 1);
  };
  visit(nested, 0);
  return { data, shape, regular };
}

/** A zeroed array of the kind in which tensors of `dtype` are uploaded. */
export function arrayFor(dtype: DType, length: number): Float32Array | Int32Array | Uint32Array | Uint8Array {
  switch (dtype) {
    case "f32":
    case "f16":
      return new Float32Array(length);
    case "i32":
      return new Int32Array(length);
    case "u32":
      return new Uint32Array(length);
    case "bool":
      return new Uint8Array(length);
    default:
      return dtype satisfies never;
  }
}

/** `[n, …]` elements of one shape; the first dim counts the samples. */
export class Column {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly #data: TypedArray;
  readonly #itemShape: Shape;
  readonly #itemSize: number;
  readonly #scale: number;
  readonly #offset: number;
  readonly #table: Float32Array | null;

  /** @throws ShapeError when the shape has no dims or does not fit the number of elements. */
  constructor(input: TypedArray | ScaledArray) {
    const {
      data,
      shape,
      dtype,
      scale = 1,
      offset = 0,
    }: ScaledArray = isTypedArray(input) ? { data: input, shape: [input.length] } : input;
    if (
      !Array.isArray(shape) ||
      shape.length === 0 ||
      sizeOf(shape) !== data.length ||
      shape.some((size) => !Number.isInteger(size) || size < 0)
    ) {
      const rule = `the shape must start with the number of samples and fit the ${data.length} elements, got [${shape}].`;
      throw misfit("TensorDataset", rule, { shape });
    }
    checkFinite("TensorDataset", "scale", scale);
    checkFinite("TensorDataset", "offset", offset);
    const scaled = scale !== 1 || offset !== 0;
    this.shape = shape;
    this.dtype = dtype === undefined ? (scaled ? "f32" : dtypeOfArray(data)) : checkDType("TensorDataset", dtype);
    this.#data = data;
    this.#itemShape = shape.slice(1);
    this.#itemSize = sizeOf(this.#itemShape);
    this.#scale = scale;
    this.#offset = offset;
    const bytes = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
    this.#table = bytes && scaled ? Float32Array.from({ length: 256 }, (_, byte) => byte * scale + offset) : null;
  }

  get length(): number {
    return this.shape[0] as number;
  }

  /** The samples at `indices`, one behind the other, in an array of their own. */
  gather(indices: ArrayLike<number>): HostArray & { readonly dtype: DType } {
    const size = this.#itemSize;
    const target = arrayFor(this.dtype, indices.length * size);
    for (let i = 0; i < indices.length; i++) this.#copy(indices[i] as number, target, i * size);
    return { data: target, shape: [indices.length, ...this.#itemShape], dtype: this.dtype };
  }

  /** One sample, in an array of its own. */
  item(index: number): HostArray & { readonly dtype: DType } {
    return { ...this.gather([index]), shape: this.#itemShape };
  }

  #copy(index: number, target: Float32Array | Int32Array | Uint32Array | Uint8Array, at: number): void {
    const size = this.#itemSize;
    const start = index * size;
    const data = this.#data;
    const table = this.#table;
    const scale = this.#scale;
    const offset = this.#offset;
    if (table !== null) {
      for (let i = 0; i < size; i++) target[at + i] = table[data[start + i] as number] as number;
    } else if (scale !== 1 || offset !== 0) {
      for (let i = 0; i < size; i++) target[at + i] = (data[start + i] as number) * scale + offset;
    } else if (this.dtype === "bool") {
      for (let i = 0; i < size; i++) target[at + i] = data[start + i] === 0 ? 0 : 1;
    } else {
      target.set(data.subarray(start, start + size), at);
    }
  }
}
