// customKernel: your own WGSL as an op, in the same graph and submit as everything else.

import { checkDType, type DType, isFloat } from "../base/dtype.ts";
import { checkShape, opError, type Shape, sameShape, shapeError } from "../base/shape.ts";
import type { KernelOutput, KernelProgram } from "../graph/kernel-program.ts";
import { recordKernel, Tensor } from "../graph/tensor.ts";
import { defineKernel } from "../shaders/hand-written.ts";
import { cast, checkOptions, checkWhole, constant, convert, expectTensor, printed } from "./define.ts";
import { type KernelSource, type Operand, readKernelSource } from "./kernel-source.ts";
import { detach } from "./memory.ts";
import { expand } from "./views.ts";

/** An output of a kernel. */
export interface CustomOutput {
  /** The sizes of its dims. */
  readonly shape: Shape;
  /** Its dtype. Default f32. */
  readonly dtype?: DType;
  /**
   * What the output holds before the kernel runs: a number everywhere, or a tensor's content (no gradient goes there, unless the tensor is
   * an input as well and `backward` sees to it). Default: undefined.
   */
  readonly initial?: number | Tensor;
}

/** Input tensors: a list, named a, b, c, …, or by name. */
export type CustomInputs = readonly Tensor[] | Readonly<Record<string, Tensor>>;
/** Outputs: one, named `out`; a list, named `out0`, `out1`, …; or by name. A tensor stands for its shape and dtype. */
export type CustomOutputs =
  | (CustomOutput | Tensor)
  | readonly (CustomOutput | Tensor)[]
  | Readonly<Record<string, CustomOutput | Tensor>>;

/** Tensors in the same structure as the inputs or outputs. */
export type TensorsLike<Structure> = Structure extends CustomOutput | Tensor
  ? Tensor
  : Structure extends readonly unknown[]
    ? Tensor[]
    : { [Name in keyof Structure]: Tensor };

/** Gradients of the inputs: a list or by name, with null where there is none. For a single input, a tensor alone. */
export type InputGradients = Tensor | readonly (Tensor | null)[] | Readonly<Record<string, Tensor | null>>;

/** Options of `customKernel`: the text, its inputs and outputs, and how many workgroups run. */
export interface CustomKernelOptions<Inputs extends CustomInputs, Outputs extends CustomOutputs> {
  /** Name of the kernel in errors, in reports and on the GPU. */
  readonly name: string;
  /** The text: the body of a shader, or with `@compute` a whole shader. */
  readonly wgsl: string;
  /** The tensors that the kernel reads: by name, or a list, named a, b, c, … */
  readonly inputs: Inputs;
  /** The tensors that the kernel writes: one, named `out`, a list, named `out0`, `out1`, …, or by name. */
  readonly outputs: Outputs;
  /** Number of workgroups, or the numbers per dimension. */
  readonly workgroups: number | readonly number[];
  /** Invocations per workgroup for a text without `@compute`. Default 64. */
  readonly workgroupSize?: number;
  /** Arithmetic operations of a run, for reports; one per element of the outputs unless told. */
  readonly flops?: number;
  /** From the gradients of the outputs to those of the inputs, by name; null for an input that has none. Without it no gradient goes through. */
  readonly backward?: (
    gradients: TensorsLike<Outputs>,
    inputs: TensorsLike<Inputs>,
    outputs: TensorsLike<Outputs>,
  ) => InputGradients;
}

const OPTIONS = ["name", "wgsl", "inputs", "outputs", "workgroups", "workgroupSize", "flops", "backward"];
const OUTPUT_OPTIONS = ["shape", "dtype", "initial"];
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** Programs by all that they depend on, so that a kernel called again finds its plan. */
const programs = new Map<string, KernelProgram>();
const MOST_PROGRAMS = 512;

/** Values with their names, and how to put others into the same structure. */
interface Named<T> {
  readonly names: readonly string[];
  readonly values: readonly T[];
  readonly like: (tensors: readonly Tensor[]) => unknown;
}

function isOutput(value: CustomOutputs): value is CustomOutput | Tensor {
  return Array.isArray((value as CustomOutput).shape);
}

function named<T>(op: string, what: string, given: unknown, listName: (i: number) => string): Named<T> {
  if (Array.isArray(given))
    return { names: given.map((_, i) => listName(i)), values: given, like: (tensors) => [...tensors] };
  if (typeof given !== "object" || given === null || given instanceof Tensor)
    throw new TypeError(`${op}: ${what} must be a list or an object by name, got ${printed(given)}.`);
  const names = Object.keys(given);
  const wrong = names.find((name) => !/^[A-Za-z]\w*$/.test(name));
  if (wrong !== undefined)
    throw opError`${op}: names of ${what} are those of variables in WGSL, got ${JSON.stringify(wrong)}.`;
  return {
    names,
    values: Object.values(given) as T[],
    like: (tensors) => Object.fromEntries(names.map((name, i) => [name, tensors[i] as Tensor])),
  };
}

function namedOutputs(op: string, outputs: CustomOutputs): Named<CustomOutput | Tensor> {
  if (typeof outputs === "object" && outputs !== null && isOutput(outputs))
    return { names: ["out"], values: [outputs], like: (tensors) => tensors[0] };
  const list = named<CustomOutput | Tensor>(op, "outputs", outputs, (i) => `out${i}`);
  if (list.values.length === 0) throw opError`${op}: a kernel has at least one output, got none.`;
  return list;
}

function checkWorkgroups(op: string, workgroups: number | readonly number[]): number | [number, number, number] {
  if (typeof workgroups === "number") return checkWhole(op, "workgroups", workgroups, 1);
  if (!Array.isArray(workgroups) || workgroups.length < 1 || workgroups.length > 3)
    throw new RangeError(`${op}: workgroups must be a number or up to three, got ${printed(workgroups)}.`);
  const [x, y = 1, z = 1] = workgroups.map((n) => checkWhole(op, "workgroups", n, 1));
  return [x as number, y, z];
}

/** The content that an output starts with, as a tensor of its shape and dtype. */
function initialContent(op: string, name: string, { shape, dtype, initial }: Required<CustomOutput>): Tensor {
  if (typeof initial === "number") return expand(convert(op, initial, dtype), shape);
  const content = detach(expectTensor(op, initial, `the initial content of ${name}`));
  if (content.dtype === dtype && sameShape(content.shape, shape)) return content;
  throw shapeError`${op}: the initial content of ${name} must be ${dtype}${shape}, got ${content.dtype}${content.shape}.`;
}

/** Gradients in the order of the inputs, checked. */
function orderGradients(
  op: string,
  given: unknown,
  inputs: readonly Tensor[],
  names: readonly string[],
): (Tensor | null)[] {
  if (given === undefined || (typeof given !== "object" && given !== null))
    throw new TypeError(`${op}: backward must return gradients (null for none), got ${printed(given)}.`);
  const byName = given instanceof Tensor || Array.isArray(given) ? {} : given;
  const unknown = Object.keys(byName ?? {}).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw opError`${op}: backward returns gradients by the names of the inputs (${names.join(", ")}), got ${JSON.stringify(unknown)}.`;
  const list: unknown[] =
    given instanceof Tensor
      ? [given]
      : Array.isArray(given)
        ? given
        : names.map((name) => (byName as Record<string, unknown> | null)?.[name] ?? null);
  if (list.length !== inputs.length)
    throw opError`${op}: backward must return a gradient (or null) for each of ${inputs.length} inputs, got ${list.length}.`;
  return list.map((gradient, i) => {
    const input = inputs[i] as Tensor;
    if (gradient === null || gradient === undefined || !isFloat(input.dtype)) return null;
    const g = expectTensor(op, gradient, `the gradient of ${names[i]}`);
    if (!sameShape(g.shape, input.shape))
      throw shapeError`${op}: the gradient of ${names[i]} must have its shape, got ${g.shape} for ${input.shape}.`;
    return cast(g, input.dtype);
  });
}

function makeProgram(
  op: string,
  source: KernelSource,
  inputCount: number,
  outputs: readonly KernelOutput[],
  workgroups: number | [number, number, number],
  flops: number | undefined,
): KernelProgram {
  const initials = outputs.flatMap(({ initial }) => (initial === undefined ? [] : [null]));
  return {
    name: op,
    inputs: [...source.names.slice(0, inputCount), ...initials],
    scalars: source.scalars,
    outputs: () => outputs,
    write: (_call, { maxWorkgroups }) => {
      if (typeof workgroups === "number" && workgroups > maxWorkgroups && !source.folds) {
        throw opError`${op}: a device runs at most ${maxWorkgroups} workgroups per dimension, got ${workgroups}. Give [x, y, z], or count rows with num_workgroups.`;
      }
      const { wgsl, entry, preamble, types } = source;
      return { wgsl, entry, preamble, types, workgroups, ...(flops === undefined ? {} : { flops }) };
    },
    reference: null,
  };
}

/**
 * Runs your own WGSL as an op: one dispatch, in the same graph, plan and submit as everything around it.
 *
 * Tensors are bound by name. Without `@compute`, the text is the body of a shader. It knows `index` (the number of the
 * invocation), `group` and `local` (its workgroup, and its number in the workgroup), all u32. There may be more
 * invocations than you asked for, so check `index`. With `@compute`, the text is a whole shader. It may declare its
 * bindings itself: inputs come first, then outputs. bool is stored as u32. The numbers in a uniform block are inputs of
 * one element, by their names. So a text that `explain` shows can be given back as it is.
 *
 * `backward(gradients, inputs, outputs)` gets tensors in the structure of `outputs` and `inputs`, and returns the
 * gradients of the inputs, written in ops or more kernels. Without it, differentiating through the kernel throws.
 *
 * ```js
 * import { customKernel, tensor } from "wgrad";
 *
 * const squared = (x) =>
 *   customKernel({
 *     name: "squared",
 *     inputs: { x },
 *     outputs: { shape: x.shape }, // f32; or by name: { out: { shape, dtype }, … }
 *     workgroups: Math.ceil(x.numel / 64),
 *     wgsl: `if (index < ${x.numel}) { out[index] = x[index] * x[index]; }`,
 *     backward: (g, { x }) => ({ x: g.mul(x).mul(2) }),
 *   });
 * console.log(await squared(tensor([1, 2, 3])).tolist()); // prints [ 1, 4, 9 ]
 * ```
 *
 * Throws a WgradError, ShapeError or DTypeError if text, names, shapes or dtypes do not fit. A mistake in the WGSL
 * rejects the read with a ShaderError that has line and column.
 */
export function customKernel<Inputs extends CustomInputs, Outputs extends CustomOutputs>(
  options: CustomKernelOptions<Inputs, Outputs>,
): TensorsLike<Outputs> {
  checkOptions("customKernel", options, OPTIONS);
  const { name, wgsl, backward } = options ?? ({} as typeof options);
  if (typeof name !== "string" || name === "") throw new TypeError(`customKernel: needs a name, got ${printed(name)}.`);
  const op = `customKernel ${name}`;
  if (typeof wgsl !== "string") throw new TypeError(`${op}: wgsl must be a string, got ${printed(wgsl)}.`);
  const inputs = named<Tensor>(op, "inputs", options.inputs, (i) => LETTERS[i] ?? `in${i}`);
  inputs.values.forEach((x, i) => {
    expectTensor(op, x, `input ${inputs.names[i]}`);
  });
  const specs = namedOutputs(op, options.outputs);
  const workgroups = checkWorkgroups(op, options.workgroups);
  const size = options.workgroupSize;
  if (size !== undefined) checkWhole(op, "workgroupSize", size, 1);
  const { flops } = options;
  if (flops !== undefined && !(flops >= 0))
    throw new RangeError(`${op}: flops must be at least 0, got ${printed(flops)}.`);
  const contents: Tensor[] = [];
  const outputs = specs.values.map((given, i): KernelOutput => {
    const label = specs.names[i] as string;
    const spec: CustomOutput = given instanceof Tensor ? { shape: given.shape, dtype: given.dtype } : given;
    checkOptions(op, spec, OUTPUT_OPTIONS);
    const shape = checkShape(op, spec.shape);
    const dtype = checkDType(op, spec.dtype ?? "f32");
    if (spec.initial === undefined) return { name: label, shape, dtype };
    contents.push(initialContent(op, label, { shape, dtype, initial: spec.initial }));
    return { name: label, shape, dtype, initial: inputs.values.length + contents.length - 1 };
  });
  const key = JSON.stringify([
    name,
    wgsl,
    workgroups,
    size,
    flops,
    inputs.names,
    inputs.values.map((x) => x.dtype),
    outputs.map((o) => [o.name, o.shape, o.dtype, o.initial]),
  ]);
  let program = programs.get(key);
  if (program === undefined) {
    const operands: Operand[] = [
      ...inputs.values.map((x, i): Operand => ({ name: inputs.names[i] as string, dtype: x.dtype, role: "input" })),
      ...outputs.map((o): Operand => ({ name: o.name, dtype: o.dtype, role: "output" })),
    ];
    const source = readKernelSource(op, wgsl, operands, size);
    const declared = outputs.map((o, i) => ({ ...o, name: source.names[inputs.values.length + i] as string }));
    program = makeProgram(name, source, inputs.values.length, declared, workgroups, flops);
    if (programs.size >= MOST_PROGRAMS) programs.delete(programs.keys().next().value as string);
    programs.set(key, program);
  }
  for (const name of program.scalars ?? []) {
    const x = inputs.values[inputs.names.indexOf(name)] as Tensor;
    if (x.numel !== 1)
      throw shapeError`${op}: a number in a uniform block is an input of one element, got ${x.shape} for ${name}.`;
  }
  const definition = defineKernel(program, (gradients, results, tensors) => {
    if (backward === undefined)
      throw opError`${op}: has no backward, so no gradient. Give it one, or x.detach() its inputs.`;
    const given = gradients.map((g, i) => g ?? expand(constant(0), (outputs[i] as KernelOutput).shape));
    const own = tensors.slice(0, inputs.values.length);
    const found = backward(
      specs.like(given) as TensorsLike<Outputs>,
      inputs.like(own) as TensorsLike<Inputs>,
      specs.like(results) as TensorsLike<Outputs>,
    );
    return [...orderGradients(op, found, own, inputs.names), ...contents.map(() => null)];
  });
  return specs.like(recordKernel(definition, [...inputs.values, ...contents])) as TensorsLike<Outputs>;
}
