// Attention as kernels: one dispatch forward, two backward, no matrix of weights in memory.

import { type Shape, sameShape, sizeOf, stridesOf } from "../base/shape.ts";
import type { KernelDefinition, Strided } from "../graph/definition.ts";
import type { KernelCall, KernelOutput, KernelProgram, ValueType } from "../graph/kernel-program.ts";
import type { Node } from "../graph/node.ts";
import { stridedSource } from "../graph/strided.ts";
import { recording, recordKernel, type Tensor, withGrad } from "../graph/tensor.ts";
import { defineKernel } from "../shaders/hand-written.ts";
import { type AttentionInputs, composedGradients } from "./attention-composed.ts";
import { type AttentionValues, backwardReference, forwardReference } from "./attention-reference.ts";
import {
  type AttentionKernel,
  type AttentionProblem,
  type AttentionSchedule,
  AttentionWriter,
  attentionSchedules,
  type BackwardOperands,
  type Operand,
} from "./attention-text.ts";
import { cast } from "./define.ts";
import { derivativeOf, withDerivative } from "./memory.ts";
import { permute, reshape, strided } from "./views.ts";

/** Elements that a part of the gradients' buffer is aligned to. */
const ALIGNMENT = 64;

const align = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

/** A part of the gradients' buffer: where it is, and its strides in the order of the dims. */
interface Part {
  readonly offset: number;
  readonly strides: readonly number[];
}

/** The gradients' buffer: dq, dk, dv, and from `sums` on a number per query, each at the beginning of a vec4. */
interface GradientLayout {
  readonly parts: readonly [Part, Part, Part];
  readonly sums: number;
  readonly length: number;
}

/** Dims from the slowest to the fastest in memory. */
function orderOf(strides: readonly number[]): number[] {
  return [...strides.keys()].sort((a, b) => (strides[b] as number) - (strides[a] as number) || a - b);
}

/** Strides of `shape` without gaps, its dims in the given order. */
function denseStrides(shape: Shape, order: readonly number[]): number[] {
  const dense = stridesOf(order.map((i) => shape[i] as number));
  return shape.map((_, dim) => dense[order.indexOf(dim)] as number);
}

/** Whether views of one base, one behind the other in their dims' strides, are all of it and nothing twice. */
function areWhole(views: readonly { readonly source: Strided<Node>; readonly shape: Shape }[]): boolean {
  const [first] = views;
  if (first === undefined) return false;
  const { base, strides } = first.source;
  const same = views.every(
    ({ source, shape }) => source.base === base && sameShape(source.strides, strides) && sameShape(shape, first.shape),
  );
  if (!same) return false;
  const offsets = views.map(({ source }) => source.offset).sort((a, b) => a - b);
  const step = (offsets[1] ?? 0) - (offsets[0] as number);
  if (offsets[0] !== 0 || offsets.some((o, i) => o !== i * step)) return false;
  const digits = first.shape.map((size, i) => ({ size, stride: strides[i] as number }));
  digits.push({ size: views.length, stride: step });
  let next = 1;
  for (const { size, stride } of digits.filter((d) => d.size > 1).sort((a, b) => a.stride - b.stride)) {
    if (stride !== next) return false;
    next *= size;
  }
  return next === sizeOf(base.shape);
}

/** Gradients lie as what they are gradients of: where queries, keys and values are parts of one tensor, theirs are one, too. */
function gradientLayout(tensors: readonly [Tensor, Tensor, Tensor], rows: number): GradientLayout {
  const views = tensors.map(({ node }) => ({ source: stridedSource(node), shape: node.shape }));
  const parts = new Array<Part>(3);
  let length = 0;
  const together = (group: readonly number[]): void => {
    const members = group.map((i) => views[i] as (typeof views)[number]);
    if (group.length > 1 && !areWhole(members)) return;
    members.forEach(({ source, shape }, k) => {
      const alone = group.length === 1;
      parts[group[k] as number] = alone
        ? { offset: length, strides: denseStrides(shape, orderOf(source.strides)) }
        : { offset: length + source.offset, strides: source.strides };
    });
    length += align(members.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
  };
  for (const group of [[0, 1, 2], [1, 2], [0], [1], [2]])
    if (group.every((i) => parts[i] === undefined)) together(group);
  return { parts: parts as unknown as GradientLayout["parts"], sums: length, length: length + align(4 * rows) };
}

/** A part of a vector as a tensor. */
function partOf(buffer: Tensor, { offset, strides }: Part, shape: Shape): Tensor {
  // Dims that are gaps in the part are cut to one element: what lies around it is seen with it first.
  const order = orderOf(strides);
  const sizes: number[] = [];
  const counts: number[] = [];
  let above = 1;
  for (const dim of [...order].reverse()) {
    const size = shape[dim] as number;
    const stride = strides[dim] as number;
    const gap = size === 1 ? 1 : stride / above;
    sizes.unshift(size, gap);
    counts.unshift(size, 1);
    above *= gap * size;
  }
  let rest = offset;
  const around = stridesOf(sizes);
  const starts = sizes.map((_, i) => {
    const start = counts[i] === 1 ? Math.floor(rest / (around[i] as number)) % (sizes[i] as number) : 0;
    rest -= start * (around[i] as number);
    return start;
  });
  // What is left begins before the part: a multiple of the whole.
  const lattice = reshape(strided(buffer, [rest], [1], [sizeOf(sizes)]), sizes);
  const ones = sizes.map(() => 1);
  const cut = strided(lattice, starts, ones, counts);
  const inOrder = reshape(
    cut,
    order.map((dim) => shape[dim] as number),
  );
  return permute(inOrder, inverse(order));
}

function inverse(order: readonly number[]): number[] {
  return order.map((_, i) => order.indexOf(i));
}

/** Which optional inputs kernels have. */
interface Form {
  readonly mask: boolean;
  readonly dropout: boolean;
}

type Programs = Readonly<Record<AttentionKernel, KernelProgram>>;

const FORWARD = ["q", "k", "v"];
const QUERIES = ["q", "k", "v", "g", "out", "logs"];
const KEYS = ["q", "k", "v", "g", "logs"];

/** A kernel's inputs by name: q, k and v, and what else it has. */
type Inputs<T> = Record<"q" | "k" | "v", T> & Partial<Record<"mask" | "key" | "p" | "g" | "out", T>>;

function named<T>(names: readonly (string | null)[], values: readonly T[]): Inputs<T> {
  const entries = names.flatMap((name, i) => (name === null ? [] : [[name, values[i] as T]]));
  return Object.fromEntries(entries) as Inputs<T>;
}

/** What a call's kernel computes and reads. Attributes begin with whether the attention is causal and its scale. */
function problemOf(
  names: readonly (string | null)[],
  { inputs, layouts, attributes }: KernelCall,
): AttentionProblem & Inputs<Operand> {
  const operands = inputs.map(({ shape, dtype }, i): Operand => {
    const name = names[i] as string;
    const width = shape[shape.length - 1] as number;
    return { name, binding: name, dtype, offset: 0, strides: stridesOf(shape), width, ...layouts?.[i] };
  });
  const all = named(names, operands);
  const [q, k] = inputs as readonly [ValueType, ValueType];
  return {
    ...all,
    batch: q.shape.slice(0, -2),
    queries: q.shape[q.shape.length - 2] as number,
    keys: k.shape[k.shape.length - 2] as number,
    causal: attributes[0] === 1,
    scale: attributes[1] as number,
    dropout: all.key !== undefined,
  };
}

function resultOperand({ batch, queries, q, v }: AttentionProblem, order: readonly number[]): Operand {
  const { width } = v;
  const strides = denseStrides([...batch, queries, width], order);
  return { name: "out", binding: "out", dtype: q.dtype, offset: 0, strides, width };
}

/** Attributes of the backward kernels: causal, scale, length, sums, then each part's offset and strides. */
function backwardOperands(
  { q, k, v, g }: AttentionProblem & Inputs<Operand>,
  attributes: readonly number[],
): BackwardOperands {
  const rank = q.strides.length;
  const [dq, dk, dv] = [q, k, v].map(({ name, width }, i): Operand => {
    const [offset, ...strides] = attributes.slice(4 + i * (rank + 1), 4 + (i + 1) * (rank + 1)) as [number];
    return { name: `d${name}`, binding: "gradients", dtype: "f32", offset, strides, width };
  }) as [Operand, Operand, Operand];
  return { g: g as Operand, sums: attributes[3] as number, dq, dk, dv };
}

function valuesOf({ q, k, v, mask, key, p }: Inputs<Float64Array>): AttentionValues {
  const dropout = key === undefined || p === undefined ? null : ([key[0], p[0]] as [number, number]);
  return { q, k, v, mask: mask ?? null, dropout };
}

function makePrograms(form: Form): Programs {
  const optional = [...(form.mask ? ["mask"] : []), ...(form.dropout ? ["key", "p"] : [])];
  const program = (
    kernel: AttentionKernel,
    inputs: readonly (string | null)[],
    rest: Pick<KernelProgram, "name" | "outputs" | "reference">,
  ): KernelProgram => ({
    ...rest,
    inputs,
    strided: true,
    scalars: ["key", "p"],
    schedules: (call, device) => attentionSchedules(kernel, problemOf(inputs, call), device),
    write: (call, device, given) => {
      const problem = problemOf(inputs, call);
      const schedule = given as AttentionSchedule | null;
      const writer = (...others: Operand[]) => new AttentionWriter(kernel, problem, others, device, schedule);
      if (kernel === "forward") {
        const out = resultOperand(problem, call.attributes.slice(2));
        return writer(out).forward(out);
      }
      const operands = backwardOperands(problem, call.attributes);
      const { g, dq, dk, dv } = operands;
      if (kernel === "keys") return writer(g, dk, dv).keys(operands);
      const out = problem.out as Operand;
      return writer(g, dq, out).queries(operands, out);
    },
  });
  const forwardNames = [...FORWARD, ...optional];
  const forward = program("forward", forwardNames, {
    name: "attention",
    outputs: ([q, , v], attributes) => {
      const { shape, dtype } = q as ValueType;
      const all = [...shape.slice(0, -1), (v as ValueType).shape[shape.length - 1] as number];
      return [
        { name: "out", shape: attributes.slice(2).map((i) => all[i] as number), dtype },
        { name: "logs", shape: shape.slice(0, -1), dtype: "f32" },
      ];
    },
    reference: (values, call) => {
      const problem = problemOf(forwardNames, call);
      const out = resultOperand(problem, call.attributes.slice(2));
      return forwardReference(problem, valuesOf(named(forwardNames, values)), out);
    },
  });
  const backward = (side: "queries" | "keys", names: readonly (string | null)[]): KernelProgram =>
    program(side, names, {
      name: `attention backward (${side})`,
      outputs: (_inputs, attributes) => {
        const output: KernelOutput = { name: "gradients", shape: [attributes[2] as number], dtype: "f32" };
        return [side === "queries" ? output : { ...output, initial: names.indexOf(null) }];
      },
      reference: (values, call) => {
        const given = named(names, values);
        const start = values[names.indexOf(null)];
        const gradients = start === undefined ? new Float64Array(call.attributes[2] as number) : start.slice();
        const problem = problemOf(names, call);
        const operands = backwardOperands(problem, call.attributes);
        backwardReference(problem, valuesOf(given), operands, given.g as Float64Array, gradients, side);
        return [gradients];
      },
    });
  return {
    forward,
    queries: backward("queries", [...QUERIES, ...optional]),
    keys: backward("keys", [...KEYS, ...optional, null]),
  };
}

/** The gradient of a value that kernels have computed flows through the ops that say the same. */
const throughOps = derivativeOf("attention", (g) => [null, g]);

const definitions = new Map<string, KernelDefinition<Tensor>>();

/** The forward kernel of a form; its gradient runs the other two. */
function definitionOf(form: Form): KernelDefinition<Tensor> {
  const key = `${form.mask} ${form.dropout}`;
  const known = definitions.get(key);
  if (known !== undefined) return known;
  const programs = makePrograms(form);
  const [queries, keys] = [defineKernel(programs.queries), defineKernel(programs.keys)];
  const forward = defineKernel(programs.forward, ([gradient], [out, logs], inputs, attributes) => {
    if (gradient === null || gradient === undefined) return [];
    const [q, k, v] = inputs as [Tensor, Tensor, Tensor];
    const optional = inputs.slice(3);
    const back = inverse(attributes.slice(2));
    const g = cast(permute(gradient, back), q.dtype);
    const result = permute(out as Tensor, back);
    const layout = gradientLayout([q, k, v], sizeOf(q.shape.slice(0, -1)));
    const backward = [
      ...attributes.slice(0, 2),
      layout.length,
      layout.sums,
      ...layout.parts.flatMap(({ offset, strides }) => [offset, ...strides]),
    ];
    const found = withGrad(false, () => {
      const [first] = recordKernel(queries, [q, k, v, g, result, logs as Tensor, ...optional], backward);
      let buffer = first as Tensor;
      if (k.requiresGrad || v.requiresGrad) {
        const [both] = recordKernel(keys, [q, k, v, g, logs as Tensor, ...optional, buffer], backward);
        buffer = both as Tensor;
      }
      return [q, k, v].map((x, i) => cast(partOf(buffer, layout.parts[i] as Part, x.shape), x.dtype));
    });
    if (!recording.gradients) return found;
    const mask = form.mask ? (optional[0] as Tensor) : null;
    const dropout = form.dropout ? (optional.slice(-2) as [Tensor, Tensor]) : null;
    const composed = composedGradients(
      { q, k, v, mask, isCausal: attributes[0] === 1, scale: attributes[1] as number, dropout },
      g,
    );
    return found.map((x, i) => withDerivative(throughOps, x, [composed[i] as Tensor], []));
  });
  definitions.set(key, forward);
  return forward;
}

/** Attention in one dispatch, and two for its gradient. */
export function attentionKernels({ q, k, v, mask, isCausal, scale, dropout }: AttentionInputs): Tensor {
  const definition = definitionOf({ mask: mask !== null, dropout: dropout !== null });
  // The result lies as the queries do, so that heads are side by side again without being moved.
  const { strides } = stridedSource(q.node);
  const order = strides.includes(0) ? [...strides.keys()] : orderOf(strides);
  const inputs = [q, k, v, mask, ...(dropout ?? [])].filter((x) => x !== null);
  const [out] = recordKernel(definition, inputs, [Number(isCausal), scale, ...order]);
  return permute(out as Tensor, inverse(order));
}
