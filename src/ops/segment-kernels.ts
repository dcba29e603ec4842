// Kernels that combine what sorted indices bring together: one invocation per result, in the order of the sources.

import type { DType } from "../base/dtype.ts";
import { sizeOf } from "../base/shape.ts";
import type { KernelDefinition } from "../graph/definition.ts";
import { forLanes } from "../graph/helpers.ts";
import type { KernelCall, KernelProgram, KernelText, ValueType } from "../graph/kernel-program.ts";
import { recordKernel, type Tensor } from "../graph/tensor.ts";
import { defineKernel } from "../shaders/hand-written.ts";
import { IS_NAN } from "./arithmetic.ts";
import { forEachInvocation, lowerBound, type SortedIndices, startsOf } from "./index-kernels.ts";
import { highest, lowest } from "./reductions.ts";

export type SegmentKind = "sum" | "prod" | "amax" | "amin";

/** Sources whose total is known beforehand where they go to one place: so nobody walks a list of millions alone. */
const CHUNK = 128;
/** Shorter lists are walked as they are. */
const WALKED = 8192;
/** Results up to which each looks up for itself where its sources begin. */
const SEARCHED = 65_536;

const references: Record<SegmentKind, (a: number, b: number) => number> = {
  sum: (a, b) => a + b,
  prod: (a, b) => a * b,
  amax: (a, b) => (Number.isNaN(a) || a > b ? a : b),
  amin: (a, b) => (Number.isNaN(a) || a < b ? a : b),
};

const identities: Record<SegmentKind, (dtype: DType) => number> = {
  sum: () => 0,
  prod: () => 1,
  amax: (dtype) => lowest[dtype],
  amin: (dtype) => highest[dtype],
};

/** Sources [outer, count, inner], and how many lie side by side in one invocation. */
interface Layout {
  readonly outer: number;
  readonly count: number;
  readonly inner: number;
  readonly width: 1 | 4;
  readonly dtype: DType;
}

function layoutOf(kind: SegmentKind, source: ValueType): Layout {
  const [outer, count, all] = source.shape as readonly [number, number, number];
  const width = kind === "sum" && all % 4 === 0 ? 4 : 1;
  return { outer, count, inner: all / width, width, dtype: source.dtype };
}

/** Types and functions that both kernels share. */
function declarations(kind: SegmentKind, { dtype, width }: Layout): { text: string; type: string; stored: string } {
  const scalar = dtype === "f16" ? "f32" : dtype;
  const [type, stored] = width === 4 ? [`vec4<${scalar}>`, `vec4<${dtype}>`] : [scalar, dtype as string];
  const extreme = (sign: string, better: string) =>
    scalar === "f32" ? `select(b, a, (a ${sign} b) || is_nan(a))` : `${better}(a, b)`;
  const combined = { sum: "a + b", prod: "a * b", amax: extreme(">", "max"), amin: extreme("<", "min") }[kind];
  const infinite = kind === "amax" ? "z" : "y";
  const number = identities[kind](dtype);
  const identity = Number.isFinite(number)
    ? number === -(2 ** 31)
      ? "i32(-2147483648)"
      : `${scalar}(${number})`
    : `bitcast<f32>(special_bits.${infinite})`;
  const text = [
    ...(kind === "amax" || kind === "amin" ? forLanes([IS_NAN], 1) : []),
    `fn identity() -> ${type} { return ${width === 4 ? `${type}(${identity})` : identity}; }`,
    `fn combine(a: ${type}, b: ${type}) -> ${type} { return ${combined}; }`,
  ].join("\n");
  return { text, type, stored };
}

// Inputs: sources, order, keys, what the derivative needs, then starts and totals of chunks where there are any. Attributes: size, whether there are starts, totals.
function segmentText(kind: SegmentKind, call: KernelCall): KernelText {
  const [size, hasStarts, hasTotals] = call.attributes as [number, number, number];
  const layout = layoutOf(kind, call.inputs[0] as ValueType);
  const { outer, count, inner } = layout;
  const { text, type, stored } = declarations(kind, layout);
  const chunks = Math.ceil(count / CHUNK);
  const bounds =
    hasStarts === 1
      ? "var k = u32(starts[v]);\nlet end = u32(starts[v + 1u]);"
      : "var k = first_of(i32(v));\nlet end = first_of(i32(v) + 1);";
  const step = `total = combine(total, ${type}(source[(o * ${count}u + u32(order[k])) * ${inner}u + j]));`;
  const walk =
    hasTotals === 1
      ? `
while (k < end) {
  if (k % ${CHUNK}u == 0u && k + ${CHUNK}u <= end) {
    total = combine(total, totals[(o * ${chunks}u + k / ${CHUNK}u) * ${inner}u + j]);
    k += ${CHUNK}u;
  } else {
    ${step}
    k++;
  }
}`
      : `
for (; k < end; k++) {
  ${step}
}`;
  const threads = outer * size * inner;
  const body = `
let j = i % ${inner}u;
let v = i / ${inner}u % ${size}u;
let o = i / ${size * inner}u;
${bounds}
var total = identity();${walk}
out[i] = ${stored === type ? "total" : `${stored}(total)`};`;
  return {
    ...forEachInvocation(threads, body, hasStarts === 1 ? text : `${text}\n${lowerBound(count)}`),
    types: { source: `array<${stored}>`, totals: `array<${type}>`, out: `array<${stored}>` },
    flops: outer * count * inner,
  };
}

/** Calls `visit` for every source in sorted order with its place in memory and its key. */
function eachSource(
  call: KernelCall,
  order: Float64Array,
  keys: Float64Array,
  visit: (at: number, o: number, key: number, j: number, k: number) => void,
): void {
  const [outer, count, inner] = (call.inputs[0] as ValueType).shape as readonly [number, number, number];
  for (let o = 0; o < outer; o++)
    for (let k = 0; k < count; k++)
      for (let j = 0; j < inner; j++) visit((o * count + (order[k] as number)) * inner + j, o, keys[k] as number, j, k);
}

function segmentProgram(kind: SegmentKind): KernelProgram {
  return {
    name: `${kind} by index`,
    inputs: ["source", "order", "keys", null, "starts", "totals"],
    outputs: ([source], [size]) => {
      const { shape, dtype } = source as ValueType;
      const [outer, , inner] = shape as readonly [number, number, number];
      return [{ name: "out", shape: [outer, size as number, inner], dtype }];
    },
    write: (call) => segmentText(kind, call),
    reference: ([source, order, keys], call) => {
      const size = call.attributes[0] as number;
      const { shape, dtype } = call.inputs[0] as ValueType;
      const [outer, , inner] = shape as readonly [number, number, number];
      const result = new Float64Array(outer * size * inner).fill(identities[kind](dtype));
      eachSource(call, order as Float64Array, keys as Float64Array, (at, o, key, j) => {
        if (key >= size) return;
        const place = (o * size + key) * inner + j;
        result[place] = references[kind](result[place] as number, (source as Float64Array)[at] as number);
      });
      return [result];
    },
  };
}

function chunkProgram(kind: SegmentKind): KernelProgram {
  return {
    name: `${kind} of chunks`,
    inputs: ["source", "order", "keys"],
    outputs: ([source]) => {
      const { shape, dtype } = source as ValueType;
      const [outer, count, inner] = shape as readonly [number, number, number];
      return [
        { name: "totals", shape: [outer, Math.ceil(count / CHUNK), inner], dtype: dtype === "f16" ? "f32" : dtype },
      ];
    },
    write: (call) => {
      const layout = layoutOf(kind, call.inputs[0] as ValueType);
      const { outer, count, inner } = layout;
      const { text, type, stored } = declarations(kind, layout);
      const chunks = Math.ceil(count / CHUNK);
      const threads = outer * chunks * inner;
      const body = `
let j = i % ${inner}u;
let first = i / ${inner}u % ${chunks}u * ${CHUNK}u;
let o = i / ${chunks * inner}u;
if (first + ${CHUNK}u > ${count}u || keys[first] != keys[min(first + ${CHUNK - 1}u, ${count - 1}u)]) { return; }
var total = identity();
for (var k = first; k < first + ${CHUNK}u; k++) {
  total = combine(total, ${type}(source[(o * ${count}u + u32(order[k])) * ${inner}u + j]));
}
totals[i] = total;`;
      return {
        ...forEachInvocation(threads, body, text),
        types: { source: `array<${stored}>`, totals: `array<${type}>` },
      };
    },
    reference: ([source, order, keys], call) => {
      const { shape, dtype } = call.inputs[0] as ValueType;
      const [outer, count, inner] = shape as readonly [number, number, number];
      const chunks = Math.ceil(count / CHUNK);
      const totals = new Float64Array(outer * chunks * inner).fill(identities[kind](dtype));
      eachSource(call, order as Float64Array, keys as Float64Array, (at, o, _key, j, k) => {
        const place = (o * chunks + Math.floor(k / CHUNK)) * inner + j;
        totals[place] = references[kind](totals[place] as number, (source as Float64Array)[at] as number);
      });
      return [totals];
    },
  };
}

/** Combines sources [outer, count, inner] by sorted indices of their middle dim → [outer, size, inner]; `indices` is that list unsorted. */
export type Segments = (source: Tensor, sorted: SortedIndices, indices: Tensor) => Tensor;

/** Makes one; its derivative gets the source, the order, the sorted keys and the unsorted list as inputs. */
export function makeSegments(kind: SegmentKind, derivative: KernelDefinition<Tensor>["derivative"]): Segments {
  const definition = defineKernel(segmentProgram(kind), derivative);
  const chunks = defineKernel(chunkProgram(kind));
  return (source, sorted, indices) => {
    const { order, keys, count, size } = sorted;
    const { outer, inner } = layoutOf(kind, source);
    const inputs = [source, order, keys, indices];
    const hasStarts = outer * size * inner > SEARCHED || count > WALKED;
    if (hasStarts) inputs.push(startsOf(sorted));
    const hasTotals = count > WALKED;
    if (hasTotals) inputs.push(recordKernel(chunks, [source, order, keys])[0] as Tensor);
    return recordKernel(definition, inputs, [size, Number(hasStarts), Number(hasTotals)])[0] as Tensor;
  };
}

/** Elements of a result, for decisions. */
export function resultSize(source: Tensor, size: number): number {
  return (sizeOf(source.shape) / Math.max(source.shape[1] as number, 1)) * size;
}
