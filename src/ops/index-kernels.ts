// Kernels over lists of indices: sorting them, finding where each value begins, counting, inverting.

import { sizeOf } from "../base/shape.ts";
import type { KernelCall, KernelProgram, KernelText, ValueType } from "../graph/kernel-program.ts";
import { entryPoint } from "../graph/kernel-text.ts";
import { recordKernel, type Tensor } from "../graph/tensor.ts";
import { defineKernel } from "../shaders/hand-written.ts";
import { constant } from "./define.ts";
import { cumsum } from "./scans.ts";
import { expand } from "./views.ts";

/** A list of indices in stable order of their values. Those out of range come last, as the value `size`. */
export interface SortedIndices {
  /** The values in order. */
  readonly keys: Tensor;
  /** Where in the list they were. */
  readonly order: Tensor;
  readonly count: number;
  readonly size: number;
}

/** Lists up to this length are sorted in one dispatch, by counting what comes before each. */
const SMALL = 1024;
/** Bits that a pass sorts by, at most. */
const DIGIT = 6;
const THREADS = 64;

/** A kernel that runs the body in each of `count` invocations, numbered `i`, behind what it declares. */
export function forEachInvocation(
  count: number,
  body: string,
  declarations = "",
): Pick<KernelText, "wgsl" | "workgroups"> {
  const lines = `let i = group * ${THREADS}u + local;\nif (i >= ${count}u) { return; }\n${body.trim()}`;
  return {
    wgsl: `${declarations}\n\n${entryPoint(THREADS, lines)}`.trimStart(),
    workgroups: Math.ceil(count / THREADS),
  };
}

const lengthOf = (type: ValueType | undefined): number => (type === undefined ? 0 : sizeOf(type.shape));

/** WGSL of the value that an index counts as: itself, or `size` where it is out of range. */
function keyFunction(dtype: string, size: number): string {
  const outside = dtype === "u32" ? `index >= ${size}u` : `index < 0 || index >= ${size}`;
  return `fn key_of(index: ${dtype}) -> i32 { return select(i32(index), ${size}, ${outside}); }`;
}

const keyOf = (index: number, size: number): number => (index >= 0 && index < size ? index : size);

/** Positions of the keys in stable order. */
function stableOrder(keys: Float64Array): number[] {
  return [...keys.keys()].sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
}

const pairOf = (count: number) =>
  [
    { name: "sorted", shape: [count], dtype: "i32" },
    { name: "placed", shape: [count], dtype: "i32" },
  ] as const;

// Attributes: size.
const rankProgram: KernelProgram = {
  name: "rank indices",
  inputs: ["indices"],
  outputs: ([indices]) => pairOf(lengthOf(indices)),
  write: ({ inputs, attributes }) => {
    const count = lengthOf(inputs[0]);
    const body = `
let own = key_of(indices[i]);
var rank = 0u;
for (var j = 0u; j < ${count}u; j++) {
  let other = key_of(indices[j]);
  rank += select(0u, 1u, other < own || (other == own && j < i));
}
sorted[rank] = own;
placed[rank] = i32(i);`;
    const text = forEachInvocation(count, body, keyFunction((inputs[0] as ValueType).dtype, attributes[0] as number));
    return { ...text, flops: 3 * count * count };
  },
  reference: ([indices], { attributes }) => {
    const keys = (indices as Float64Array).map((index) => keyOf(index, attributes[0] as number));
    const order = stableOrder(keys);
    return [Float64Array.from(order, (i) => keys[i] as number), Float64Array.from(order)];
  },
};

/** One pass over a digit: attributes are size, shift, bits, keys per invocation. */
interface Pass {
  readonly count: number;
  readonly size: number;
  readonly shift: number;
  readonly digits: number;
  readonly each: number;
  readonly threads: number;
}

function passOf(call: Pick<KernelCall, "inputs" | "attributes">): Pass {
  const [size, shift, bits, each] = call.attributes as [number, number, number, number];
  const count = lengthOf(call.inputs[0]);
  return { count, size, shift, digits: 2 ** bits, each, threads: Math.ceil(count / each) };
}

function passText(pass: Pass, dtype: string): string {
  return `${keyFunction(dtype, pass.size)}
fn digit_of(key: i32) -> u32 { return (u32(key) >> ${pass.shift}u) & ${pass.digits - 1}u; }`;
}

const digitOf = (key: number, { shift, digits }: Pass): number => Math.floor(key / 2 ** shift) % digits;

const countDigitsProgram: KernelProgram = {
  name: "count digits",
  inputs: ["indices"],
  outputs: (inputs, attributes) => {
    const { digits, threads } = passOf({ inputs, attributes });
    return [{ name: "counts", shape: [digits * threads], dtype: "i32" }];
  },
  write: (call) => {
    const pass = passOf(call);
    const body = `
var found: array<i32, ${pass.digits}>;
for (var k = i * ${pass.each}u; k < min(i * ${pass.each}u + ${pass.each}u, ${pass.count}u); k++) {
  found[digit_of(key_of(indices[k]))]++;
}
for (var digit = 0u; digit < ${pass.digits}u; digit++) { counts[digit * ${pass.threads}u + i] = found[digit]; }`;
    return forEachInvocation(pass.threads, body, passText(pass, (call.inputs[0] as ValueType).dtype));
  },
  reference: ([indices], call) => {
    const pass = passOf(call);
    const counts = new Float64Array(pass.digits * pass.threads);
    (indices as Float64Array).forEach((index, k) => {
      const at = digitOf(keyOf(index, pass.size), pass) * pass.threads + Math.floor(k / pass.each);
      counts[at] = (counts[at] as number) + 1;
    });
    return [counts];
  },
};

const placeDigitsProgram: KernelProgram = {
  name: "place by digits",
  inputs: ["indices", "running", "places"],
  outputs: ([indices]) => pairOf(lengthOf(indices)),
  write: (call) => {
    const pass = passOf(call);
    const body = `
var next: array<u32, ${pass.digits}>;
for (var digit = 0u; digit < ${pass.digits}u; digit++) {
  let at = digit * ${pass.threads}u + i;
  next[digit] = select(0u, u32(running[max(at, 1u) - 1u]), at > 0u);
}
for (var k = i * ${pass.each}u; k < min(i * ${pass.each}u + ${pass.each}u, ${pass.count}u); k++) {
  let key = key_of(indices[k]);
  let digit = digit_of(key);
  let at = next[digit];
  next[digit] = at + 1u;
  sorted[at] = key;
  placed[at] = ${call.inputs.length > 2 ? "places[k]" : "i32(k)"};
}`;
    return forEachInvocation(pass.threads, body, passText(pass, (call.inputs[0] as ValueType).dtype));
  },
  reference: ([indices, , places], call) => {
    const pass = passOf(call);
    const keys = (indices as Float64Array).map((index) => keyOf(index, pass.size));
    const order = stableOrder(keys.map((key) => digitOf(key, pass)));
    return [Float64Array.from(order, (i) => keys[i] as number), Float64Array.from(order, (i) => places?.[i] ?? i)];
  },
};

const rank = defineKernel(rankProgram);
const countDigits = defineKernel(countDigitsProgram);
const placeDigits = defineKernel(placeDigitsProgram);

/** Sorts a list of indices by value, stable: in one dispatch when it is short, else digit by digit. */
export function sortIndices(indices: Tensor, size: number): SortedIndices {
  const count = indices.numel;
  if (count <= SMALL) {
    const [keys, order] = recordKernel(rank, [indices], [size]) as [Tensor, Tensor];
    return { keys, order, count, size };
  }
  const bits = Math.max(Math.ceil(Math.log2(size + 1)), 1);
  const passes = Math.ceil(bits / DIGIT);
  const width = Math.ceil(bits / passes);
  const each = Math.max(16, 2 ** width);
  let keys = indices;
  let order: Tensor | null = null;
  for (let pass = 0; pass < passes; pass++) {
    const attributes = [size + (pass === 0 ? 0 : 1), pass * width, width, each];
    const running = cumsum(recordKernel(countDigits, [keys], attributes)[0] as Tensor, 0);
    const inputs: Tensor[] = order === null ? [keys, running] : [keys, running, order];
    [keys, order] = recordKernel(placeDigits, inputs, attributes) as [Tensor, Tensor];
  }
  return { keys, order: order as Tensor, count, size };
}

// Attributes: size.
const startsProgram: KernelProgram = {
  name: "find starts",
  inputs: ["keys"],
  outputs: (_inputs, [size]) => [{ name: "starts", shape: [(size as number) + 1], dtype: "i32" }],
  write: ({ inputs, attributes }) =>
    forEachInvocation(
      (attributes[0] as number) + 1,
      "starts[i] = i32(first_of(i32(i)));",
      lowerBound(lengthOf(inputs[0])),
    ),
  reference: ([keys], { attributes }) => {
    const sorted = keys as Float64Array;
    const starts = new Float64Array((attributes[0] as number) + 1);
    for (let v = 0, k = 0; v < starts.length; v++) {
      while (k < sorted.length && (sorted[k] as number) < v) k++;
      starts[v] = k;
    }
    return [starts];
  },
};

/** WGSL: where in the sorted `keys` those of a value begin. */
export function lowerBound(count: number): string {
  return `fn first_of(value: i32) -> u32 {
  var low = 0u;
  var high = ${count}u;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (keys[middle] < value) { low = middle + 1u; } else { high = middle; }
  }
  return low;
}`;
}

const starts = defineKernel(startsProgram);

/** Where among the sorted indices each value from 0 to `size` begins: the last is the number of those in range. */
export function startsOf({ keys, size }: SortedIndices): Tensor {
  return recordKernel(starts, [keys], [size])[0] as Tensor;
}

const invertProgram: KernelProgram = {
  name: "invert order",
  inputs: ["order"],
  outputs: ([order]) => [{ name: "inverse", shape: [lengthOf(order)], dtype: "i32" }],
  write: ({ inputs }) => forEachInvocation(lengthOf(inputs[0]), "inverse[order[i]] = i32(i);"),
  reference: ([order]) => {
    const inverse = new Float64Array((order as Float64Array).length);
    (order as Float64Array).forEach((at, i) => {
      inverse[at] = i;
    });
    return [inverse];
  },
};

const invert = defineKernel(invertProgram);

/** The inverse of a permutation. */
export function inverseOf(order: Tensor): Tensor {
  return recordKernel(invert, [order])[0] as Tensor;
}

// Attributes: size. Whole numbers may come in any order: their sum is the same.
const tallyProgram: KernelProgram = {
  name: "count indices",
  inputs: ["indices", null],
  outputs: (_inputs, [size]) => [{ name: "counts", shape: [size as number], dtype: "i32", initial: 1 }],
  write: ({ inputs, attributes }) => {
    const [count, size] = [lengthOf(inputs[0]), attributes[0] as number];
    const body = `
let key = key_of(indices[i]);
if (key < ${size}) { atomicAdd(&counts[key], 1); }`;
    const text = forEachInvocation(count, body, keyFunction((inputs[0] as ValueType).dtype, size));
    return { ...text, types: { counts: "array<atomic<i32>>" } };
  },
  reference: ([indices, zeros], { attributes }) => {
    const counts = (zeros as Float64Array).slice();
    for (const index of indices as Float64Array) {
      const key = keyOf(index, attributes[0] as number);
      if (key < counts.length) counts[key] = (counts[key] as number) + 1;
    }
    return [counts];
  },
};

const tally = defineKernel(tallyProgram);

/** How often each value below `size` is in a list of indices; i32. */
export function countIndices(indices: Tensor, size: number): Tensor {
  const zeros = expand(constant(0, "i32"), [size]);
  return indices.numel === 0 ? zeros : (recordKernel(tally, [indices, zeros], [size])[0] as Tensor);
}
