// Parallel scans: running combinations along a dim, in one dispatch, or three where few rows are long.

import type { DType } from "../base/dtype.ts";
import { type Shape, sizeOf } from "../base/shape.ts";
import type { KernelDefinition } from "../graph/definition.ts";
import { forLanes } from "../graph/helpers.ts";
import type {
  DeviceTraits,
  KernelCall,
  KernelOutput,
  KernelProgram,
  KernelText,
  ValueType,
} from "../graph/kernel-program.ts";
import { entryPoint } from "../graph/kernel-text.ts";
import { recordKernel, type Tensor } from "../graph/tensor.ts";
import { defineKernel } from "../shaders/hand-written.ts";
import { rowStart } from "./sort-text.ts";

/** A monoid that is combined along a dim: associative, with an identity, not necessarily commutative. */
export interface Monoid {
  readonly name: string;
  /** Tensors that elements come from. */
  readonly inputs: number;
  /** dtypes of a state's components, for inputs of a dtype. */
  readonly state: (dtype: DType) => readonly DType[];
  /** dtypes of the results. */
  readonly results: (dtype: DType) => readonly DType[];
  /** WGSL: the identity's components. */
  readonly identity: (dtype: DType) => readonly string[];
  /** WGSL: components of the element `i` along the dim, from the inputs' values there and one before. */
  readonly load: (values: readonly string[], i: string) => readonly string[];
  /** WGSL: the body of `fn combine(x: State, y: State) -> State` with components a, b; y comes later. */
  readonly combine: string;
  /** WGSL: results of the state `s`. */
  readonly store: (s: string) => readonly string[];
  readonly helpers?: string;
  /** The same in float64. */
  readonly reference: {
    readonly identity: (dtype: DType) => readonly number[];
    readonly load: (values: readonly number[], i: number) => readonly number[];
    readonly combine: (x: readonly number[], y: readonly number[]) => readonly number[];
    readonly store: (s: readonly number[]) => readonly number[];
  };
  /** Input that is read at the element before, in scan order (0 for the first), where a scan is `shifted`. */
  readonly shifts?: number;
}

/** How a scan runs over its input. */
export interface ScanOptions {
  readonly reverse?: boolean;
  readonly shifted?: boolean;
}

export type ScanDerivative = (
  gradients: readonly (Tensor | null)[],
  results: readonly Tensor[],
  inputs: readonly Tensor[],
  dim: number,
  options: Required<ScanOptions>,
) => readonly (Tensor | null)[];

/** Rows up to this length are scanned by one invocation each, where there are enough of them. */
const SHORT = 32;
const MEDIUM = 256;
const MANY = 2048;
/** Longer rows are cut in blocks where they are few. */
const LONG = 16_384;
const BLOCK = 4096;
const FEW = 64;
const MOST_BLOCKS = 512;

/** Elements that an invocation of a workgroup takes at a time. */
const EACH = 8;

const COMPONENTS = ["a", "b"] as const;

/** WGSL type that elements of a dtype are computed in. */
export const wgslType: Record<DType, string> = { f32: "f32", f16: "f32", i32: "i32", u32: "u32", bool: "u32" };

/** How a kernel sees its input: [outer, length, inner], cut in blocks along the length. */
interface Layout {
  readonly length: number;
  readonly inner: number;
  readonly rows: number;
  readonly blocks: number;
  readonly block: number;
  readonly reverse: boolean;
  readonly shifted: boolean;
}

/** Attributes: dim, reverse, shifted, number of blocks. */
function layoutOf({ shape }: ValueType, attributes: readonly number[]): Layout {
  const [dim, reverse, shifted, blocks] = attributes as [number, number, number, number];
  const length = shape[dim] as number;
  const inner = sizeOf(shape.slice(dim + 1));
  const rows = inner * sizeOf(shape.slice(0, dim));
  return {
    length,
    inner,
    rows,
    blocks,
    block: Math.ceil(length / blocks),
    reverse: reverse === 1,
    shifted: shifted === 1,
  };
}

function blocksOf(shape: Shape, dim: number): number {
  const length = shape[dim] as number;
  const rows = length === 0 ? 0 : sizeOf(shape) / length;
  if (rows === 0 || rows >= FEW || length <= LONG) return 1;
  return Math.min(Math.ceil(length / BLOCK), Math.ceil(MOST_BLOCKS / rows));
}

/** The State type with its functions, and what reads elements. */
function declarations(monoid: Monoid, dtype: DType, layout: Layout): string {
  const types = monoid.state(dtype).map((d) => wgslType[d]);
  const fields = types.map((type, i) => `${COMPONENTS[i]}: ${type}`).join(", ");
  const { length, inner, reverse, shifted } = layout;
  const lines = [
    `struct State { ${fields} }`,
    `fn identity() -> State { return State(${monoid.identity(dtype).join(", ")}); }`,
    `fn combine(x: State, y: State) -> State { ${monoid.combine} }`,
  ];
  const element = wgslType[dtype];
  const values = Array.from({ length: monoid.inputs }, (_, k) => {
    if (!shifted || k !== monoid.shifts) return `${element}(x${k}[at])`;
    const last = reverse ? `i == ${length - 1}u` : "i == 0u";
    // Beyond the ends any element is read, and left out.
    const before = reverse ? `at + ${inner}u` : `at - ${inner}u`;
    return `select(${element}(x${k}[${before}]), ${element}(0), ${last})`;
  });
  lines.push(
    // Element i along the dim, at `at` in memory.
    `fn load(at: u32, i: u32) -> State { return State(${monoid.load(values, "i").join(", ")}); }`,
  );
  if (monoid.helpers !== undefined) lines.unshift(...forLanes([monoid.helpers], 1));
  return lines.join("\n");
}

function position(p: string, { length, reverse }: Layout): string {
  return reverse ? `${length - 1}u - ${p}` : p;
}

/** Which block of which row belongs to `part`, an invocation's or a workgroup's number, and what comes before it. */
function partLines(layout: Layout, part: string, prefixes: readonly string[]): string[] {
  const { rows, length, inner, blocks, block } = layout;
  const cut = blocks > 1;
  return [
    `if (${part} >= ${rows * blocks}u) { return; }`,
    `let row = ${cut ? `${part} / ${blocks}u` : part};`,
    `let base = ${rowStart(length, inner)};`,
    `let first = ${cut ? `${part} % ${blocks}u * ${block}u` : "0u"};`,
    `let end = ${cut ? `min(first + ${block}u, ${length}u)` : `${length}u`};`,
    "var carry = identity();",
    ...(prefixes.length > 0 && cut
      ? [`if (first > 0u) { carry = State(${prefixes.map((name) => `${name}[${part} - 1u]`).join(", ")}); }`]
      : []),
  ];
}

/** Names of what a text reads and writes per component of a state, p0, p1 or t0, t1. */
function perComponent(monoid: Monoid, dtype: DType, letter: string): string[] {
  return monoid.state(dtype).map((_, i) => `${letter}${i}`);
}

/** Stores the components of a state as a part's total. */
function totalLines(totals: readonly string[], part: string, state: string): string[] {
  return totals.map((name, i) => `${name}[${part}] = ${state}.${COMPONENTS[i]};`);
}

function storeLines(monoid: Monoid, results: readonly KernelOutput[], at: string, state: string): string[] {
  const codes = monoid.store(state);
  return results.map(({ name, dtype }, i) => `${name}[${at}] = ${dtype === "f16" ? `f16(${codes[i]})` : codes[i]};`);
}

/** Elements whose states are combined on their own first, so that roundings don't pile up. */
const RUN = 64;

/** One invocation per block of a row, which may be all of it; with `totals` only what each block comes to. */
function sequentialText(monoid: Monoid, call: KernelCall, layout: Layout, totals: boolean): KernelText {
  const { rows, length, inner, blocks, block } = layout;
  const dtype = (call.inputs[0] as ValueType).dtype;
  const body = [
    "let thread = group * 64u + local;",
    ...partLines(layout, "thread", totals ? [] : perComponent(monoid, dtype, "p")),
    "var running = identity();",
    "for (var p = first; p < end; p++) {",
    `  let i = ${position("p", layout)};`,
    `  let at = base + i * ${inner}u;`,
    "  running = combine(running, load(at, i));",
    ...(totals
      ? []
      : [
          "  let state = combine(carry, running);",
          ...storeLines(monoid, call.outputs, "at", "state").map((line) => `  ${line}`),
        ]),
    ...(block > RUN
      ? [
          `  if (p % ${RUN}u == ${RUN - 1}u) {`,
          "    carry = combine(carry, running);",
          "    running = identity();",
          "  }",
        ]
      : []),
    "}",
    ...(totals
      ? ["let total = combine(carry, running);", ...totalLines(perComponent(monoid, dtype, "t"), "thread", "total")]
      : []),
  ];
  return {
    wgsl: `${declarations(monoid, dtype, layout)}\n\n${entryPoint(64, body.join("\n"))}`,
    workgroups: Math.ceil((rows * blocks) / 64),
    flops: (totals ? 1 : 2) * rows * length,
  };
}

/** A workgroup per block of a row, in chunks; with `totals` only what each block comes to. */
function workgroupText(monoid: Monoid, call: KernelCall, layout: Layout, totals: boolean): KernelText {
  const { rows, length, inner, blocks, block } = layout;
  const dtype = (call.inputs[0] as ValueType).dtype;
  const threads = Math.min(256, 2 ** Math.ceil(Math.log2(Math.max(Math.ceil(block / EACH), 1))));
  const chunk = threads * EACH;
  const lines = [
    ...partLines(layout, "group", totals ? [] : perComponent(monoid, dtype, "p")),
    `for (var start = first; start < end; start += ${chunk}u) {`,
    `  let begin = start + local * ${EACH}u;`,
    `  let until = min(begin + ${EACH}u, end);`,
    "  var sum = identity();",
    "  for (var p = begin; p < until; p++) {",
    `    let i = ${position("p", layout)};`,
    `    sum = combine(sum, load(base + i * ${inner}u, i));`,
    "  }",
    // Running states of the invocations' parts.
    "  parts[local] = sum;",
    "  workgroupBarrier();",
    ...(threads > 1
      ? [
          `  for (var step = 1u; step < ${threads}u; step *= 2u) {`,
          "    var before = identity();",
          "    if (local >= step) { before = parts[local - step]; }",
          "    workgroupBarrier();",
          "    sum = combine(before, sum);",
          "    parts[local] = sum;",
          "    workgroupBarrier();",
          "  }",
        ]
      : []),
    ...(totals
      ? []
      : [
          "  var running = carry;",
          "  if (local > 0u) { running = combine(carry, parts[local - 1u]); }",
          "  for (var p = begin; p < until; p++) {",
          `    let i = ${position("p", layout)};`,
          `    let at = base + i * ${inner}u;`,
          "    running = combine(running, load(at, i));",
          ...storeLines(monoid, call.outputs, "at", "running").map((line) => `    ${line}`),
          "  }",
        ]),
    `  carry = combine(carry, parts[${threads - 1}u]);`,
    "  workgroupBarrier();",
    "}",
    ...(totals ? ["if (local == 0u) {", ...totalLines(perComponent(monoid, dtype, "t"), "group", "carry"), "}"] : []),
  ];
  return {
    wgsl: `${declarations(monoid, dtype, layout)}\nvar<workgroup> parts: array<State, ${threads}>;\n\n${entryPoint(threads, lines.join("\n"))}`,
    workgroups: rows * blocks,
    flops: (totals ? 1 : 2) * rows * length,
  };
}

function scanText(monoid: Monoid, call: KernelCall, device: DeviceTraits, totals: boolean): KernelText {
  const layout = layoutOf(call.inputs[0] as ValueType, call.attributes);
  const { length, rows, inner, blocks } = layout;
  // Where invocations share a core, barriers cost more than they bring.
  const alone = length <= SHORT || (length <= MEDIUM && rows >= MANY && inner >= FEW);
  const write = device.kind === "software" || (blocks === 1 && alone) ? sequentialText : workgroupText;
  return write(monoid, call, layout, totals);
}

/** Calls `visit` for every row's elements in scan order, in float64. */
function eachState(
  monoid: Monoid,
  inputs: readonly Float64Array[],
  call: KernelCall,
  visit: (row: number, p: number, at: number, load: () => readonly number[]) => void,
): void {
  const layout = layoutOf(call.inputs[0] as ValueType, call.attributes);
  const { length, inner, rows, reverse, shifted } = layout;
  for (let row = 0; row < rows; row++) {
    const base = Math.floor(row / inner) * length * inner + (row % inner);
    for (let p = 0; p < length; p++) {
      const i = reverse ? length - 1 - p : p;
      const at = base + i * inner;
      const load = () => {
        const values = inputs.slice(0, monoid.inputs).map((x, k) => {
          if (!shifted || k !== monoid.shifts) return x[at] as number;
          return p === 0 ? 0 : (x[reverse ? at + inner : at - inner] as number);
        });
        return monoid.reference.load(values, i);
      };
      visit(row, p, at, load);
    }
  }
}

function scanProgram(monoid: Monoid): KernelProgram {
  const { reference } = monoid;
  return {
    name: monoid.name,
    inputs: [...Array.from({ length: monoid.inputs }, (_, i) => `x${i}`), ...COMPONENTS.map((_, i) => `p${i}`)],
    outputs: ([x]) => {
      const { shape, dtype } = x as ValueType;
      return monoid.results(dtype).map((d, i) => ({ name: `y${i}`, shape, dtype: d }));
    },
    write: (call, device) => scanText(monoid, call, device, false),
    reference: (inputs, call) => {
      const results = call.outputs.map(({ shape }) => new Float64Array(sizeOf(shape)));
      let state: readonly number[] = [];
      eachState(monoid, inputs, call, (_row, p, at, load) => {
        if (p === 0) state = reference.identity((call.inputs[0] as ValueType).dtype);
        state = reference.combine(state, load());
        reference.store(state).forEach((value, k) => {
          (results[k] as Float64Array)[at] = value;
        });
      });
      return results;
    },
  };
}

function totalsProgram(monoid: Monoid): KernelProgram {
  const { reference } = monoid;
  return {
    name: `${monoid.name} totals`,
    inputs: Array.from({ length: monoid.inputs }, (_, i) => `x${i}`),
    outputs: ([x], attributes) => {
      const { rows, blocks } = layoutOf(x as ValueType, attributes);
      return monoid.state((x as ValueType).dtype).map((dtype, i) => ({ name: `t${i}`, shape: [rows, blocks], dtype }));
    },
    write: (call, device) => scanText(monoid, call, device, true),
    reference: (inputs, call) => {
      const { blocks, block } = layoutOf(call.inputs[0] as ValueType, call.attributes);
      const results = call.outputs.map(({ shape }) => new Float64Array(sizeOf(shape)));
      let state: readonly number[] = [];
      eachState(monoid, inputs, call, (row, p, _at, load) => {
        if (p % block === 0) state = reference.identity((call.inputs[0] as ValueType).dtype);
        state = reference.combine(state, load());
        state.forEach((value, k) => {
          (results[k] as Float64Array)[row * blocks + Math.floor(p / block)] = value;
        });
      });
      return results;
    },
  };
}

/** The same combination of states that are given as they are: runs over the totals of blocks. */
function ofStates(monoid: Monoid, dtype: DType): Monoid {
  const state = monoid.state(dtype);
  return {
    ...monoid,
    name: `${monoid.name} of blocks`,
    inputs: state.length,
    state: () => state,
    results: () => state,
    identity: () => monoid.identity(dtype),
    load: (values) => values.map((value, i) => `${wgslType[state[i] as DType]}(${value})`),
    store: (s) => state.map((_, i) => `${s}.${COMPONENTS[i]}`),
    reference: {
      ...monoid.reference,
      identity: () => monoid.reference.identity(dtype),
      load: (values) => values,
      store: (s) => s,
    },
  };
}

/** Scans tensors of one shape along `dim`; returns the results. */
export type Scan = (inputs: readonly Tensor[], dim: number, options?: ScanOptions) => Tensor[];

/** Makes a scan of a monoid with its derivative. */
export function makeScan(monoid: Monoid, derivative: ScanDerivative | null): Scan {
  const definition = defineKernel(
    scanProgram(monoid),
    derivative === null
      ? null
      : (gradients, results, inputs, [dim, reverse, shifted]) =>
          derivative(gradients, results, inputs.slice(0, monoid.inputs), dim as number, {
            reverse: reverse === 1,
            shifted: shifted === 1,
          }),
  );
  const totals = defineKernel(totalsProgram(monoid));
  const running = new Map<DType, KernelDefinition<Tensor>>();
  return (inputs, dim, { reverse = false, shifted = false } = {}) => {
    const { shape, dtype } = inputs[0] as Tensor;
    const blocks = blocksOf(shape, dim);
    const attributes = [dim, Number(reverse), Number(shifted), blocks];
    if (blocks === 1) return recordKernel(definition, inputs, attributes);
    let overBlocks = running.get(dtype);
    if (overBlocks === undefined) {
      overBlocks = defineKernel(scanProgram(ofStates(monoid, dtype)));
      running.set(dtype, overBlocks);
    }
    const prefixes = recordKernel(overBlocks, recordKernel(totals, inputs, attributes), [1, 0, 0, 1]);
    return recordKernel(definition, [...inputs, ...prefixes], attributes);
  };
}
