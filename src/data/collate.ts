// Collation: many samples of a dataset become one batch, a tensor per field.

import { dtypeOfArray } from "../base/dtype.ts";
import { WgradError } from "../base/errors.ts";
import { misfit, sameShape, sizeOf } from "../ops/check.ts";
import { type DType, stack, Tensor, type TypedArray, uploadable } from "../tensor.ts";
import { arrayFor, flattened, type HostArray, isHostArray, isTypedArray } from "./column.ts";

/** The type of a batch: each field of a sample becomes a tensor with the batch as first dim. */
export type Collated<Sample> = unknown extends Sample
  ? Tensor[]
  : Sample extends Tensor | TypedArray | HostArray | number | boolean
    ? Tensor
    : { -readonly [K in keyof Sample]: Tensor };

/** dtypes of plain-number fields, by name: given by the dataset, or fixed by the first batch. */
export type NumberTypes = Map<string, DType>;

/**
 * Puts samples together: a Tensor field is stacked, arrays are copied one behind the other, numbers become `[batch]`.
 * A field of plain numbers is i32 when all numbers of the first batch are whole, else f32, and stays so (`types`).
 *
 * @throws ShapeError when the samples' shapes differ, WgradError when their kinds do.
 */
export function collate(samples: readonly unknown[], types: NumberTypes): unknown {
  const [first] = samples;
  if (isField(first)) return collateField("sample", samples, types);
  if (typeof first === "object" && first !== null) {
    const fields = Array.isArray(first) ? [...first.keys()].map(String) : Object.keys(first);
    const tensors = fields.map((field) =>
      collateField(
        field,
        samples.map((sample) => pick(sample, field)),
        types,
      ),
    );
    return Array.isArray(first) ? tensors : Object.fromEntries(fields.map((field, i) => [field, tensors[i]]));
  }
  throw new WgradError(`DataLoader: a sample must be an array or object of fields, got ${typeof first}.`);
}

function isField(value: unknown): boolean {
  return (
    value instanceof Tensor ||
    isTypedArray(value) ||
    isHostArray(value) ||
    typeof value === "number" ||
    typeof value === "boolean"
  );
}

function pick(sample: unknown, field: string): unknown {
  return typeof sample === "object" && sample !== null ? (sample as Record<string, unknown>)[field] : undefined;
}

function collateField(field: string, values: readonly unknown[], types: NumberTypes): Tensor {
  const [first] = values;
  if (first instanceof Tensor) {
    return stack(every(field, values, (value): value is Tensor => value instanceof Tensor, "tensors"));
  }
  if (typeof first === "number") {
    return numbers(
      field,
      every(field, values, (value): value is number => typeof value === "number", "numbers"),
      types,
    );
  }
  if (typeof first === "boolean") {
    const flags = every(field, values, (value): value is boolean => typeof value === "boolean", "booleans");
    return uploadable(Uint8Array.from(flags, Number), [flags.length], "bool");
  }
  const arrays = values.map((value) => hostArray(field, value));
  const shape = arrays[0]?.shape ?? [];
  const dtype = arrays[0]?.dtype ?? "f32";
  const size = sizeOf(shape);
  const data = arrayFor(dtype, arrays.length * size);
  arrays.forEach((array, i) => {
    if (!sameShape(array.shape, shape)) {
      const problem = `the samples of a batch need equal shapes, got [${shape}] and [${array.shape}] in field ${field}.`;
      throw misfit("DataLoader", `${problem} Pad them, or give a collate function.`, { shape }, array);
    }
    data.set(array.data, i * size);
  });
  return uploadable(data, [arrays.length, ...shape], dtype);
}

function every<T>(field: string, values: readonly unknown[], is: (value: unknown) => value is T, kind: string): T[] {
  if (!values.every(is)) {
    throw new WgradError(`DataLoader: field ${field} must be of one kind in all samples; the first ones are ${kind}.`);
  }
  return values as T[];
}

function numbers(field: string, values: readonly number[], types: NumberTypes): Tensor {
  let dtype = types.get(field);
  if (dtype === undefined) {
    dtype = values.every((value) => Number.isInteger(value)) ? "i32" : "f32";
    types.set(field, dtype);
  }
  const broken = dtype === "f32" || dtype === "f16" ? undefined : values.find((value) => !Number.isInteger(value));
  if (broken !== undefined) {
    throw new WgradError(
      `DataLoader: field ${field} is ${dtype} (the numbers before were whole), got ${broken}. ` +
        `Give the dataset a property dtypes = { "${field}": "f32" }.`,
    );
  }
  const data = arrayFor(dtype, values.length);
  data.set(values);
  return uploadable(data, [values.length], dtype);
}

function hostArray(field: string, value: unknown): HostArray & { dtype: DType } {
  if (isTypedArray(value)) return { data: value, shape: [value.length], dtype: dtypeOfArray(value) };
  if (isHostArray(value)) return { ...value, dtype: value.dtype ?? dtypeOfArray(value.data) };
  if (Array.isArray(value)) {
    const { data, shape, regular } = flattened(value);
    if (regular && data.every((element): element is number => typeof element === "number")) {
      return { data: Float32Array.from(data), shape, dtype: "f32" };
    }
    throw misfit("DataLoader", `field ${field} must be a regular nested array of numbers, got one of ragged lengths.`);
  }
  throw new WgradError(
    `DataLoader: field ${field} must be a number, boolean, typed array, array of numbers, { data, shape } or Tensor, got ${
      value === null ? "null" : typeof value
    }. A collate function can put other things together.`,
  );
}
