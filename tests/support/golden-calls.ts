// Runs golden calls (an op, its arguments, what PyTorch says of it): records the call and its gradients, and compares.

import { readFileSync } from "node:fs";
import { formatShape, sizeOf } from "../../src/base/shape.ts";
import * as wg from "../../src/index.ts";
import { type GoldenArray, mismatch } from "../reference/golden.ts";
import { interpret } from "./reference.ts";

/** A tensor argument: an array of the file, and how it lies in memory where it is no plain one. */
interface InputEntry {
  readonly array: number;
  /** A permuted view: the dims from the slowest to the fastest. */
  readonly order?: readonly number[];
  /** Dims along which it repeats. */
  readonly repeated?: readonly number[];
  /** Every second element of something larger. */
  readonly sliced?: true;
}

/** A call, and what PyTorch says of it. */
export interface Call {
  readonly op: string;
  /** PyTorch's name of the op, where another one than ours was called. */
  readonly torch?: string;
  /** What is special about the call. */
  readonly note?: string;
  readonly args: readonly unknown[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly inputs: readonly InputEntry[];
  readonly outputs: readonly {
    readonly path?: string | number;
    readonly array: number;
    readonly absolute?: number;
    readonly gradient?: number;
  }[];
  readonly gradients?: readonly { readonly input: number; readonly array: number; readonly absolute: number }[];
}

/** A file of calls. */
export interface Calls {
  readonly relative: number;
  readonly calls: readonly Call[];
  array(number: number): GoldenArray;
}

interface Content {
  relative: number;
  /** Inputs that are plain memory may be just numbers of arrays. */
  cases: (Omit<Call, "inputs"> & { inputs: (InputEntry | number)[] })[];
  arrays: { dtype: GoldenArray["dtype"]; shape: number[]; offset: number }[];
}

/** Reads <path>.json and <path>.bin. */
export function loadCalls(path: string): Calls {
  const content = JSON.parse(readFileSync(`${path}.json`, "utf8")) as Content;
  const file = readFileSync(`${path}.bin`);
  // A copy: a file's bytes may start anywhere in Node's pool, typed arrays only at multiples of 4.
  const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
  return {
    relative: content.relative,
    calls: content.cases.map((call) => ({
      ...call,
      inputs: call.inputs.map((entry) => (typeof entry === "number" ? { array: entry } : entry)),
    })),
    array(number) {
      const { dtype, shape, offset } = content.arrays[number] as Content["arrays"][number];
      const make = { f32: Float32Array, i32: Int32Array, bool: Uint8Array }[dtype];
      return { dtype, shape, data: new make(bytes as ArrayBuffer, offset, sizeOf(shape)) };
    },
  };
}

/** A call in words. */
export function describe(call: Call, file: Calls): string {
  const shown = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    const entry = value as { input?: number; number?: string };
    if (entry.input === undefined) return entry.number ?? "";
    const { array, ...layout } = call.inputs[entry.input] as InputEntry;
    const { dtype, shape } = file.array(array);
    return `${dtype}${formatShape(shape)}${Object.keys(layout).join("")}`;
  };
  const options = Object.entries(call.options ?? {}).map(([key, value]) => `${key}: ${shown(value)}`);
  const parts = [...call.args.map(shown), ...(options.length > 0 ? [`{ ${options.join(", ")} }`] : [])];
  return `${call.op}(${parts.join(", ")})${call.note === undefined ? "" : `, ${call.note}`}`;
}

/** A recorded result or gradient with the numbers that PyTorch has for it. */
export interface Expected {
  readonly kind: "forward" | "gradient";
  readonly where: string;
  readonly tensor: wg.Tensor;
  readonly array: GoldenArray;
  readonly absolute: number;
}

/** A recorded call: what to compare, its results, and the inputs that gradients are taken by. */
export interface Recorded {
  readonly expected: Expected[];
  readonly outputs: readonly wg.Tensor[];
  readonly inputs: readonly wg.Tensor[];
}

type Op = (...args: unknown[]) => unknown;
const functions = wg as unknown as Readonly<Record<string, Op | undefined>>;
const methods = wg.Tensor.prototype as unknown as Readonly<Record<string, Op | undefined>>;

/** An array's elements picked by coordinates, row-major. */
function rearranged(array: GoldenArray, shape: readonly number[], strides: readonly number[]): GoldenArray["data"] {
  const result = array.data.slice(0, sizeOf(shape));
  const coordinates = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < result.length; i++) {
    result[i] = array.data[coordinates.reduce((sum, c, d) => sum + c * (strides[d] as number), 0)] as number;
    for (let d = shape.length - 1; d >= 0; d--) {
      const next = (coordinates[d] as number) + 1;
      coordinates[d] = next < (shape[d] as number) ? next : 0;
      if (next < (shape[d] as number)) break;
    }
  }
  return result;
}

/** The tensor of an input: a leaf, or a view of one. */
function inputTensor(entry: InputEntry, array: GoldenArray, requiresGrad: boolean): wg.Tensor {
  const { dtype, shape } = array;
  const strides = shape.map((_, d) => sizeOf(shape.slice(d + 1)));
  if (entry.order !== undefined) {
    const order = entry.order;
    const turned = order.map((d) => shape[d] as number);
    const data = rearranged(
      array,
      turned,
      order.map((d) => strides[d] as number),
    );
    const inverse = shape.map((_, d) => order.indexOf(d));
    return wg.tensor(data, { shape: turned, dtype, requiresGrad }).permute(inverse);
  }
  if (entry.repeated !== undefined) {
    const repeated = entry.repeated;
    const small = shape.map((n, d) => (repeated.includes(d) ? 1 : n));
    return wg.tensor(rearranged(array, small, strides), { shape: small, dtype, requiresGrad }).expand(shape);
  }
  if (entry.sliced === true && shape.length > 0) {
    const wide = [...shape.slice(0, -1), 2 * (shape.at(-1) as number)];
    const data = array.data.slice(0, 0).constructor as new (n: number) => typeof array.data;
    const spread = new data(sizeOf(wide));
    array.data.forEach((value, i) => {
      spread[2 * i] = value;
    });
    const whole = wg.tensor(spread, { shape: wide, dtype, requiresGrad });
    return whole.slice(...shape.map((_, d) => (d === shape.length - 1 ? ([0, wide[d], 2] as const) : null)));
  }
  return wg.tensor(array.data, { shape, dtype, requiresGrad });
}

/** An argument of the file: literals, and objects that stand for tensors, holes and numbers that JSON has not. */
function decode(value: unknown, inputs: readonly wg.Tensor[]): unknown {
  if (Array.isArray(value)) return value.map((item) => decode(item, inputs));
  if (value === null || typeof value !== "object") return value;
  const entry = value as { input?: number; number?: string };
  if (entry.input !== undefined) return inputs[entry.input];
  return entry.number === undefined ? undefined : Number(entry.number);
}

/** Records a call as a function or a method, and its gradients; throws where the op does. */
export function recordCall(call: Call, file: Calls, asMethod: boolean): Recorded {
  const differentiable = new Set(call.gradients?.map(({ input }) => input));
  const inputs = call.inputs.map((entry, i) => inputTensor(entry, file.array(entry.array), differentiable.has(i)));
  const args = call.args.map((arg) => decode(arg, inputs));
  if (call.options !== undefined) {
    const entries = Object.entries(call.options).map(([key, value]) => [key, decode(value, inputs)]);
    args.push(Object.fromEntries(entries));
  }
  const [first, ...rest] = args;
  const method = first instanceof wg.Tensor ? methods[call.op] : undefined;
  const op = functions[call.op];
  if (op === undefined) throw new Error(`${call.op} is not there`);
  const result = asMethod && method !== undefined ? method.call(first as never, ...rest) : op(...args);
  const outputs = call.outputs.map(({ path }) => {
    const picked = path === undefined ? result : (result as Record<string, unknown>)[path];
    if (!(picked instanceof wg.Tensor)) throw new Error(`result ${path ?? ""} is no tensor`);
    return picked;
  });
  const expected: Expected[] = call.outputs.map(({ path, array, absolute }, i) => ({
    kind: "forward",
    where: path === undefined ? "result" : `result ${path}`,
    tensor: outputs[i] as wg.Tensor,
    array: file.array(array),
    absolute: absolute ?? 0,
  }));
  const weighted = call.outputs.flatMap(({ gradient }, i) =>
    gradient === undefined ? [] : [{ output: outputs[i] as wg.Tensor, weight: file.array(gradient) }],
  );
  const wanted = call.gradients ?? [];
  if (wanted.length === 0) return { expected, outputs, inputs: [] };
  const gradients = wg.grad(
    weighted.map(({ output }) => output),
    wanted.map(({ input }) => inputs[input] as wg.Tensor),
    {
      gradOutputs: weighted.map(({ weight, output }) =>
        wg.tensor(weight.data, { shape: output.shape, dtype: weight.dtype }),
      ),
    },
  );
  wanted.forEach(({ input, array, absolute }, i) => {
    expected.push({
      kind: "gradient",
      where: `gradient of input ${input}`,
      tensor: gradients[i] as wg.Tensor,
      array: file.array(array),
      absolute,
    });
  });
  return { expected, outputs, inputs: wanted.map(({ input }) => inputs[input] as wg.Tensor) };
}

/** What is wrong with a tensor's values, shape or dtype, in words; null where nothing is. */
export function problemOf(expected: Expected, got: ArrayLike<number>, relative: number): string | null {
  const { tensor, array, absolute, where } = expected;
  if (formatShape(tensor.shape) !== formatShape(array.shape)) {
    return `${where}: shape ${formatShape(tensor.shape)} instead of ${formatShape(array.shape)}`;
  }
  if (tensor.dtype !== array.dtype) return `${where}: dtype ${tensor.dtype} instead of ${array.dtype}`;
  const exact = array.dtype !== "f32";
  // Devices may flush smaller numbers to 0.
  const problem = mismatch(got, array.data, exact ? 0 : absolute + 1.2e-38, exact ? 0 : relative);
  return problem === null ? null : `${where}: ${problem}`;
}

/** The same by the float64 interpreter, rounded to the dtype: no device. */
export function interpretedProblems(expected: readonly Expected[], relative: number): (string | null)[] {
  const values = interpret(expected.map(({ tensor }) => tensor));
  return expected.map((e, i) => {
    const value = values[i] as Float64Array;
    return problemOf(e, e.array.dtype === "f32" ? value.map(Math.fround) : value, relative);
  });
}

/** The same on the device. */
export async function deviceProblems(expected: readonly Expected[], relative: number): Promise<(string | null)[]> {
  await wg.realize(...expected.map(({ tensor }) => tensor));
  const problems: (string | null)[] = [];
  for (const e of expected) problems.push(problemOf(e, await e.tensor.data(), relative));
  return problems;
}
