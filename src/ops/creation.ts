// Tensors from nothing: from host values (copied at once), and from constants and ranges (lazy, no memory until needed).

import { bytesOf, checkDType, type DType, dtypeOfArray, encode, isFloat, type TypedArray } from "../base/dtype.ts";
import { ShapeError } from "../base/errors.ts";
import { checkShape, dtypeError, type Shape, shapeError, sizeOf } from "../base/shape.ts";
import { constantNode, stateNode } from "../graph/node.ts";
import { Cell } from "../graph/storage.ts";
import { Tensor } from "../graph/tensor.ts";
import { add, eq, mul, trueDivide } from "./arithmetic.ts";
import {
  cast,
  checkNumber,
  checkOptions,
  checkRepresentable,
  checkWhole,
  constant,
  expectTensor,
  printed,
} from "./define.ts";
import { lerp } from "./interpolation.ts";
import { iota } from "./iota.ts";
import { expand, reshape } from "./views.ts";

/** Numbers or booleans, nested as deep as the tensor has dims; typed arrays may be the innermost level. */
export type NestedArray = number | boolean | TypedArray | readonly NestedArray[];

/** Options of every function that makes a tensor. */
export interface CreationOptions {
  /** Element type. */
  dtype?: DType;
  /** Whether `backward()` collects a gradient here; float tensors only. */
  requiresGrad?: boolean;
}

const CREATION: readonly string[] = ["dtype", "requiresGrad"];

function isTypedArray(x: unknown): x is TypedArray {
  return (
    ArrayBuffer.isView(x) && !(x instanceof DataView) && !(x instanceof BigInt64Array) && !(x instanceof BigUint64Array)
  );
}

function withRequiresGrad(op: string, x: Tensor, requiresGrad: boolean | undefined): Tensor {
  if (requiresGrad !== true) return x;
  if (!isFloat(x.dtype)) {
    throw dtypeError`${op}: only float tensors have gradients, got ${x.dtype} with requiresGrad. dtype: "f32" would fit.`;
  }
  x.requiresGrad = true;
  return x;
}

/** A tensor with state of its own over bytes in the device's layout. */
function fromBytes(bytes: Float32Array | Int32Array | Uint32Array | Uint16Array, shape: Shape, dtype: DType): Tensor {
  const length = Math.ceil(bytes.byteLength / 4) * 4;
  let host = bytes;
  if (length !== bytes.byteLength) {
    // Buffers are written in words of 4 bytes: an odd number of halves gets a companion.
    host = new Uint16Array(length / 2);
    host.set(bytes);
  }
  const cell = new Cell(length, dtype, host);
  return new Tensor(stateNode(cell, 0, shape, dtype), { cell, offset: 0, shape });
}

/** Collects the leaves of nested arrays; says where a row has another length or a value is no number. */
class Flattener {
  readonly shape: number[] = [];
  readonly values: number[] = [];
  /** dtypes of the leaves: booleans, plain numbers (null) and typed arrays. */
  readonly kinds = new Set<DType | null>();

  constructor(values: readonly NestedArray[]) {
    let level: NestedArray = values;
    while (Array.isArray(level) || isTypedArray(level)) {
      this.shape.push(level.length);
      if (isTypedArray(level) || level.length === 0) break;
      level = level[0] as NestedArray;
    }
    this.#add(values, []);
  }

  #add(value: NestedArray, path: number[]): void {
    const depth = path.length;
    const expected = this.shape[depth];
    if (Array.isArray(value) || isTypedArray(value)) {
      if (expected === undefined) throw ragged(this.shape, path, `an array of ${value.length}`, "a number");
      if (value.length !== expected) throw ragged(this.shape, path, `${value.length} values`, String(expected));
      if (isTypedArray(value)) {
        if (depth !== this.shape.length - 1) throw ragged(this.shape, path, "a flat typed array", "a nested array");
        this.kinds.add(dtypeOfArray(value));
        for (const v of value) this.values.push(v);
      } else {
        for (let i = 0; i < value.length; i++) this.#add(value[i] as NestedArray, [...path, i]);
      }
      return;
    }
    if (typeof value !== "number" && typeof value !== "boolean") {
      const what = value instanceof Tensor ? "a tensor; stack([…]) joins tensors" : describe(value);
      throw new TypeError(`tensor: values must be numbers or booleans, got ${what}${at(path)}.`);
    }
    if (expected !== undefined)
      throw ragged(this.shape, path, `the ${typeof value} ${String(value)}`, `an array of ${expected}`);
    this.kinds.add(typeof value === "boolean" ? "bool" : null);
    this.values.push(Number(value));
  }

  get dtype(): DType {
    if (this.kinds.size !== 1) return "f32";
    const [kind] = this.kinds;
    return kind ?? "f32";
  }
}

function at(path: readonly number[]): string {
  return path.length === 0 ? "" : ` at [${path.join("][")}]`;
}

function ragged(shape: Shape, path: readonly number[], found: string, expected: string): ShapeError {
  return new ShapeError(
    `tensor: nested arrays must be regular, got ${found} where the first ones give ${expected}${at(path)}.`,
    {
      op: "tensor",
      shapes: [shape],
    },
  );
}

function checkCount(op: string, count: number, shape: Shape): void {
  if (count === sizeOf(shape)) return;
  throw shapeError`${op}: ${count} values don't fill shape ${shape} (${sizeOf(shape)} elements).`;
}

/** Whether `bytes` shares memory with what the user gave. */
function ownCopy(bytes: Float32Array | Int32Array | Uint32Array | Uint16Array, given: unknown): typeof bytes {
  return bytes === given ? bytes.slice() : bytes;
}

/**
 * Makes a tensor of numbers (f32), booleans (bool) or a typed array (its own dtype; Float64Array gives f32). Nested
 * arrays give the dims. The values are copied. `shape` reads flat values in another shape; `dtype` converts. Throws a
 * ShapeError for ragged arrays or a shape that does not fit, a TypeError for values that are no numbers, and a
 * RangeError for numbers that an integer dtype cannot hold.
 */
export function tensor(values: NestedArray, options: CreationOptions & { shape?: Shape } = {}): Tensor {
  checkOptions("tensor", options, ["shape", ...CREATION]);
  if (values instanceof Tensor)
    throw new TypeError(
      "tensor: the values are a tensor already; x.detach() gives another handle, x.to(dtype) converts.",
    );
  if (options.dtype !== undefined) checkDType("tensor", options.dtype);
  if (options.shape !== undefined) checkShape("tensor", options.shape);
  let flat: ArrayLike<number>;
  let shape: Shape;
  let own: DType;
  if (isTypedArray(values)) {
    // Engines without this property throw an error of their own below.
    if ((values.buffer as { detached?: boolean }).detached === true)
      throw new TypeError("tensor: the array was transferred elsewhere, and has no values.");
    flat = values;
    shape = [values.length];
    own = dtypeOfArray(values);
  } else if (Array.isArray(values)) {
    const flattened = new Flattener(values);
    flat = flattened.values;
    shape = flattened.shape;
    own = flattened.dtype;
  } else if (typeof values === "number" || typeof values === "boolean") {
    flat = [Number(values)];
    shape = [];
    own = typeof values === "boolean" ? "bool" : "f32";
  } else {
    throw new TypeError(
      `tensor: values must be a number, a boolean, nested arrays of these or a typed array, got ${describe(values)}.`,
    );
  }
  const dtype = options.dtype ?? own;
  if (options.shape !== undefined) {
    checkCount("tensor", flat.length, options.shape);
    shape = [...options.shape];
  }
  checkRepresentable("tensor", flat, dtype);
  return withRequiresGrad(
    "tensor",
    fromBytes(ownCopy(encode(flat, dtype), values), shape, dtype),
    options.requiresGrad,
  );
}

function describe(x: unknown): string {
  return typeof x === "bigint" ? `the bigint ${x}n` : printed(x);
}

/**
 * Makes a tensor of a typed array as `tensor` does, but without a copy if the array is in the device's layout already.
 * Do not write to the array afterwards.
 */
export function uploadable(data: TypedArray, shape: Shape, dtype: DType = dtypeOfArray(data)): Tensor {
  if (!isTypedArray(data)) throw new TypeError(`uploadable: the data must be a typed array, got ${describe(data)}.`);
  checkCount("uploadable", data.length, checkShape("uploadable", shape));
  return fromBytes(encode(data, checkDType("uploadable", dtype)), [...shape], dtype);
}

function filled(op: string, shape: Shape, value: number, options: CreationOptions): Tensor {
  checkOptions(op, options, CREATION);
  checkShape(op, shape);
  const dtype = checkDType(op, options.dtype ?? "f32");
  checkRepresentable(op, [value], dtype);
  // A node of its own: `constant` shares nodes, and this one may become a leaf.
  const scalar = new Tensor(constantNode(value, dtype));
  return withRequiresGrad(op, expand(scalar, [...shape]), options.requiresGrad);
}

/** Makes a tensor of zeros. The default dtype is f32. */
export function zeros(shape: Shape, options: CreationOptions = {}): Tensor {
  return filled("zeros", shape, 0, options);
}

/** Makes a tensor of ones. The default dtype is f32. */
export function ones(shape: Shape, options: CreationOptions = {}): Tensor {
  return filled("ones", shape, 1, options);
}

/** Makes a tensor with `value` everywhere. The default dtype is f32. */
export function full(shape: Shape, value: number | boolean, options: CreationOptions = {}): Tensor {
  if (typeof value !== "number" && typeof value !== "boolean")
    throw new TypeError(`full: the value must be a number, got ${describe(value)}.`);
  return filled("full", shape, Number(value), options);
}

function like(op: string, x: Tensor, value: number, options: CreationOptions): Tensor {
  const { shape, dtype } = expectTensor(op, x);
  checkOptions(op, options, CREATION);
  return filled(op, shape, value, { ...options, dtype: options.dtype ?? dtype });
}

/** Makes zeros in the shape and dtype of `x`. */
export function zerosLike(x: Tensor, options: CreationOptions = {}): Tensor {
  return like("zerosLike", x, 0, options);
}

/** Makes ones in the shape and dtype of `x`. */
export function onesLike(x: Tensor, options: CreationOptions = {}): Tensor {
  return like("onesLike", x, 1, options);
}

/** Makes a tensor with `value` everywhere in the shape and dtype of `x`. */
export function fullLike(x: Tensor, value: number | boolean, options: CreationOptions = {}): Tensor {
  if (typeof value !== "number" && typeof value !== "boolean")
    throw new TypeError(`fullLike: the value must be a number, got ${describe(value)}.`);
  return like("fullLike", x, Number(value), options);
}

/** Makes the n × m matrix (default m = n) with ones on the main diagonal. */
export function eye(n: number, options: CreationOptions & { m?: number } = {}): Tensor {
  checkOptions("eye", options, ["m", ...CREATION]);
  checkWhole("eye", "n", n, 0);
  const m = checkWhole("eye", "m", options.m ?? n, 0);
  const dtype = checkDType("eye", options.dtype ?? "f32");
  checkShape("eye", [n, m]);
  return withRequiresGrad("eye", cast(eq(reshape(iota(n), [n, 1]), iota(m)), dtype), options.requiresGrad);
}

/** Options of `arange`. */
export type ArangeOptions = CreationOptions & { step?: number };

/**
 * Makes the numbers start, start + step, … up to but without end. `arange(end, options?)` starts at 0. The dtype is i32
 * if all three are whole, else f32. With an integer dtype, fractions of start and step are cut off (after counting; if
 * the step is below 1, those of the results). Throws a RangeError if the step is 0 or leads away from the end.
 */
export function arange(
  startOrEnd: number,
  endOrOptions?: number | null | ArangeOptions,
  optionsBehind: ArangeOptions = {},
): Tensor {
  const alone = typeof endOrOptions !== "number";
  const options = alone ? (endOrOptions ?? optionsBehind) : optionsBehind;
  checkOptions("arange", options, ["step", ...CREATION]);
  const from = alone ? 0 : checkFinite("arange", "start", startOrEnd);
  const to = alone ? checkFinite("arange", "end", startOrEnd) : checkFinite("arange", "end", endOrOptions);
  const step = checkFinite("arange", "step", options.step ?? 1);
  if (step === 0) throw new RangeError("arange: the step must not be 0.");
  if ((to - from) * step < 0) {
    throw new RangeError(`arange: a step of ${step} never leads from ${from} to ${to}. { step: ${-step} } would.`);
  }
  const whole = Number.isInteger(from) && Number.isInteger(to) && Number.isInteger(step);
  const dtype = checkDType("arange", options.dtype ?? (whole ? "i32" : "f32"));
  const [count] = checkShape("arange", [Math.ceil((to - from) / step)]) as [number];
  const [first, by] = isFloat(dtype) || Math.abs(step) < 1 ? [from, step] : [Math.trunc(from), Math.trunc(step)];
  if (count > 0) checkRepresentable("arange", [first, first + (count - 1) * by], dtype);
  // In integers all the way: exact beyond 2^24.
  const exact = Number.isInteger(first) && Number.isInteger(by) && Math.max(Math.abs(from), Math.abs(to)) < 2 ** 31;
  let result = exact ? iota(count, "i32") : cast(iota(count, "i32"), "f32");
  if (by !== 1) result = mul(result, by);
  if (first !== 0) result = add(result, first);
  return withRequiresGrad("arange", cast(result, dtype), options.requiresGrad);
}

function checkFinite(op: string, name: string, value: number): number {
  checkNumber(op, name, value);
  if (!Number.isFinite(value)) throw new RangeError(`${op}: ${name} must be finite, got ${value}.`);
  return value;
}

/**
 * Makes `steps` evenly spaced numbers from start to end, both included. With an integer dtype, fractions of start, end
 * and the numbers between are cut off. (PyTorch 1.13 cuts those between in blocks whose size depends on the processor.)
 */
export function linspace(start: number, end: number, steps: number, options: CreationOptions = {}): Tensor {
  checkOptions("linspace", options, CREATION);
  checkFinite("linspace", "start", start);
  checkFinite("linspace", "end", end);
  checkShape("linspace", [checkWhole("linspace", "steps", steps, 0)]);
  const dtype = checkDType("linspace", options.dtype ?? "f32");
  const [from, to] = isFloat(dtype) ? [start, end] : [Math.trunc(start), Math.trunc(end)];
  // lerp hits both ends exactly.
  const along = steps > 1 ? trueDivide(iota(steps), steps - 1) : cast(iota(steps), "f32");
  return withRequiresGrad("linspace", cast(lerp(constant(from), to, along), dtype), options.requiresGrad);
}

/** Bytes of a tensor of this shape and dtype. */
export function byteSize(shape: Shape, dtype: DType): number {
  return sizeOf(shape) * bytesOf(dtype);
}
