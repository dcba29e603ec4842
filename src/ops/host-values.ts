// Numbers of a tensor that JavaScript knows, so that ops can refuse wrong indices, lengths and probabilities at the call.

import { castNumber, type DType, fromHalfBits, isDType, toHalfBits } from "../base/dtype.ts";
import { dtypeError, type Shape, sizeOf, stridesOf } from "../base/shape.ts";
import {
  type Condition,
  decideCondition,
  evaluateCondition,
  evaluateIndex,
  type Index,
  linearIndex,
  variable,
  variablesOf,
} from "../graph/index-expression.ts";
import type { Node } from "../graph/node.ts";
import { handleOn, type Tensor } from "../graph/tensor.ts";
import { currentTrace, traceGuard } from "../graph/trace.ts";
import { expectTensor } from "./define.ts";

/** Views that are no plain strides are looked through for so many elements: each takes as long as a hundred others. */
const MOST_UNEVEN = 1 << 16;

/** The source below a tensor's views and casts: numbers on the host, one number, or 0, 1, 2, … */
interface Source {
  readonly read: (place: number) => number;
  /** The node whose bytes the host has. */
  readonly leaf: Node | null;
}

function numbersOf(node: Node): Source | null {
  const { storage, offset, dtype } = node;
  if (storage !== null) {
    if (storage.host === null || storage.freed) return null;
    // A number that is made in a compiled step may be another one in each replay.
    if (storage.byteLength === 4 && node.id > (currentTrace()?.start ?? node.id)) return null;
    // Host bytes are an array of the dtype's elements.
    const values = storage.host as Float32Array | Int32Array | Uint32Array | Uint16Array;
    const first = offset / values.BYTES_PER_ELEMENT;
    const stored = (place: number): number => values[first + place] as number;
    return { leaf: node, read: dtype === "f16" ? (place) => fromHalfBits(stored(place)) : stored };
  }
  const { kind } = node.definition;
  if (kind === "constant") return { leaf: null, read: () => castNumber(node.attributes[0] as number, dtype) };
  return kind === "iota" ? { leaf: null, read: (place) => place } : null;
}

/** Returns the function that a cast to `dtype` applies to a number. */
function converted(reference: (x: number) => number, dtype: DType): (x: number) => number {
  if (dtype === "f16") return (x) => fromHalfBits(toHalfBits(x));
  return (x) => castNumber(reference(x), dtype);
}

/** A tensor's numbers where the host has them: the element at some coordinates, of dims that `shape` names. */
interface Known {
  readonly source: Source;
  readonly at: Index;
  readonly conditions: readonly Condition[];
  /** The value where condition number i fails. */
  readonly fills: readonly number[];
  readonly casts: readonly ((x: number) => number)[];
}

/** Follows views and casts down to what the host has. */
function known({ node: top }: Tensor): Known | null {
  const conditions: Condition[] = [];
  const fills: number[] = [];
  const casts: ((x: number) => number)[] = [];
  let node = top;
  let at: readonly Index[] = top.shape.map((n, d) => variable(`c${d}`, n));
  const finish = (x: number): number => casts.reduceRight((value, convert) => convert(value), x);
  for (;;) {
    const source = numbersOf(node);
    if (source !== null) return { source, at: linearIndex(at, stridesOf(node.shape)), conditions, fills, casts };
    const { definition, inputs } = node;
    const input = inputs[0];
    if (node.storage !== null || input === undefined) return null;
    if (definition.kind === "view") {
      const view = definition.index(at, node.attributes, input.shape, node.shape);
      for (const condition of view.conditions ?? []) {
        conditions.push(condition);
        fills.push(finish(view.fill ?? 0));
      }
      at = view.coordinates;
    } else if (definition.kind === "elementwise") {
      // A cast is called what it makes.
      if (!isDType(definition.name)) return null;
      casts.push(converted(definition.reference, node.dtype));
    } else if (definition.kind !== "alias") return null;
    node = input;
  }
}

/**
 * Calls `visit` with the numbers of `x` in row-major order; `once`: in any order, those that a view repeats once. Returns false, without a
 * call, where the host doesn't know them: they are neither host data nor constants, seen through views and casts.
 */
function visitNumbers(x: Tensor, once: boolean, visit: (value: number) => void): boolean {
  const found = known(x);
  if (found === null) return false;
  const { source, at, fills, casts } = found;
  const open = found.conditions.flatMap((condition, i) =>
    decideCondition(condition) === true ? [] : [{ condition, fill: fills[i] as number }],
  );
  const used = variablesOf([at, ...open.map(({ condition }) => condition.index)]);
  const sizes = x.shape.map((n, d) => (once && !used.has(`c${d}`) ? Math.min(n, 1) : n));
  const read =
    casts.length === 0
      ? source.read
      : (place: number): number => casts.reduceRight((value, convert) => convert(value), source.read(place));
  if (open.length === 0 && at.terms.every(({ atom }) => atom.kind === "variable")) {
    const strides = sizes.map((_, d) => at.terms.find(({ atom }) => atom.key === `c${d}`)?.factor ?? 0);
    eachPlace(sizes, strides, at.constant, (place) => visit(read(place)));
  } else {
    if (sizeOf(sizes) > MOST_UNEVEN) return false;
    const values = new Map<string, number>();
    const inner = stridesOf(sizes);
    for (let i = 0; i < sizeOf(sizes); i++) {
      for (let d = 0; d < sizes.length; d++) {
        values.set(`c${d}`, Math.floor(i / (inner[d] as number)) % (sizes[d] as number));
      }
      // The view nearest to the result decides first.
      const failed = open.find(({ condition }) => !evaluateCondition(condition, values));
      visit(failed === undefined ? read(evaluateIndex(at, values)) : failed.fill);
    }
  }
  if (source.leaf !== null) guard(source.leaf);
  return true;
}

/** Lets the compiled step that is being traced be traced again once the leaf has other numbers. */
function guard({ storage, cell }: Node): void {
  const host = storage?.host;
  traceGuard(() => storage?.host === host && (cell === null || cell.storage === storage));
}

/** Calls `visit` with every place of a strided tensor, row-major. */
function eachPlace(
  sizes: Shape,
  strides: readonly number[],
  start: number,
  visit: (place: number) => void,
  dim: number = 0,
): void {
  const count = sizes[dim];
  const step = strides[dim] as number;
  if (count === undefined) visit(start);
  else if (dim === sizes.length - 1) for (let i = 0, place = start; i < count; i++, place += step) visit(place);
  else for (let i = 0; i < count; i++) eachPlace(sizes, strides, start + i * step, visit, dim + 1);
}

/** The numbers of a tensor in row-major order, or null where the host doesn't know them. */
export function hostNumbers(x: Tensor): number[] | null {
  const numbers: number[] = [];
  return visitNumbers(x, false, (value) => numbers.push(value)) ? numbers : null;
}

/** The first node behind views that has the same elements, in whatever order and number. */
function sameElements(top: Node): Node {
  for (let node = top; ; node = node.inputs[0] as Node) {
    const { definition, storage } = node;
    const through = definition.kind === "view" ? definition.complete === true : definition.kind === "alias";
    if (storage !== null || !through) return node;
  }
}

/** The smallest and the largest number of a leaf's host data, once somebody asked. */
const ranges = new WeakMap<Node, { readonly host: ArrayBufferView; readonly range: readonly [number, number] }>();

/**
 * The smallest and the largest of a tensor's numbers, both NaN where one of them is; null where there are none or the host doesn't know
 * them.
 */
export function hostRange(x: Tensor): readonly [number, number] | null {
  if (x.numel === 0) return null;
  const node = sameElements(x.node);
  const host = node.storage?.host ?? null;
  const seen = ranges.get(node);
  if (seen !== undefined && seen.host === host) {
    guard(node);
    return seen.range;
  }
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let defined = true;
  const seeable = visitNumbers(handleOn(node), true, (value) => {
    if (value < low) low = value;
    if (value > high) high = value;
    if (Number.isNaN(value)) defined = false;
  });
  if (!seeable) return null;
  const range = defined ? ([low, high] as const) : ([Number.NaN, Number.NaN] as const);
  if (host !== null) ranges.set(node, { host, range });
  return range;
}

/** The first of a tensor's numbers that is neither within low … high nor `ignored`; null where the host knows of none. */
export function hostOutsider(x: Tensor, low: number, high: number, ignored: number | null = null): number | null {
  const range = hostRange(x);
  if (range === null || (range[0] >= low && range[1] <= high)) return null;
  let found: number | null = null;
  visitNumbers(x, true, (value) => {
    if (!(value >= low && value <= high) && !Object.is(value, ignored)) found ??= value;
  });
  return found;
}

/** Demands that `index` is integer and, where its values are known on the host, within `least` (0) … size - 1. */
export function checkIndex(op: string, index: Tensor, size: number, least: number = 0): void {
  expectTensor(op, index, "the index");
  if (index.dtype !== "i32" && index.dtype !== "u32") {
    throw dtypeError`${op}: indices must be i32 or u32, got ${index.dtype}. index.to("i32") converts.`;
  }
  const wrong = hostOutsider(index, least, size - 1);
  if (wrong !== null) {
    throw new RangeError(
      `${op}: index ${wrong} is out of range for size ${size}. Indices run from ${least} to ${size - 1}.`,
    );
  }
}
