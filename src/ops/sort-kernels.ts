// Stable sorting along a dim: blocks are sorted in workgroup memory; those of longer rows are merged in pairs, or only their first kept.

import type { DType } from "../base/dtype.ts";
import { type Shape, sizeOf } from "../base/shape.ts";
import type { KernelCall, KernelProgram, ValueType } from "../graph/kernel-program.ts";
import { recordKernel, type Tensor } from "../graph/tensor.ts";
import { defineKernel } from "../shaders/hand-written.ts";
import { range, withSize } from "./arguments.ts";
import { cast } from "./define.ts";
import { pickDistinct, spread } from "./distinct.ts";
import { forEachInvocation } from "./index-kernels.ts";
import { bitsOf, boundTypes, keyOf, keyText } from "./sort-keys.ts";
import { BLOCK, type BlockSort, blockText, EACH, mergeLines, type Rows, rowStart } from "./sort-text.ts";
import { permute, reshape } from "./views.ts";

/** So many per row are found by sorting blocks and keeping the first of each, instead of sorting all. */
const MOST_KEPT = BLOCK / 4;

function rowsOf(shape: Shape, dim: number): Rows {
  const inner = sizeOf(shape.slice(dim + 1));
  return { rows: inner * sizeOf(shape.slice(0, dim)), length: shape[dim] as number, inner };
}

/** Elements per row that are left when each block keeps its first. */
function keptOf(length: number, keep: number): number {
  const whole = Math.ceil(length / BLOCK) - 1;
  return whole * Math.min(keep, BLOCK) + Math.min(keep, length - whole * BLOCK);
}

/** Positions of each block's elements in order, in float64. */
function sortBlocks(
  keys: (row: number, p: number) => number,
  { rows, length }: Rows,
  keep: number,
  visit: (row: number, number: number, p: number, key: number) => void,
): void {
  for (let row = 0; row < rows; row++) {
    let number = 0;
    for (let first = 0; first < length; first += BLOCK) {
      const block = Array.from({ length: Math.min(BLOCK, length - first) }, (_, q) => ({
        p: first + q,
        key: keys(row, first + q),
      }));
      block.sort((a, b) => a.key - b.key);
      for (const { p, key } of block.slice(0, keep)) visit(row, number++, p, key);
    }
  }
}

function startOf(row: number, length: number, inner: number): number {
  return Math.floor(row / inner) * length * inner + (row % inner);
}

/** Attributes of what reads a tensor: dim, descending, elements to keep per block. */
type FromTensor = readonly [dim: number, descending: number, keep: number];

/** Describes how the blocks of a tensor are sorted. */
function blocksOf({
  inputs,
  attributes,
}: KernelCall): Pick<BlockSort, "rows" | "keep" | "key" | "order" | "declarations"> {
  const { shape, dtype } = inputs[0] as ValueType;
  const [dim, descending, keep] = attributes as unknown as FromTensor;
  return {
    rows: rowsOf(shape, dim),
    keep,
    key: `key_of(${bitsOf(dtype, "x[at]")})`,
    order: "p",
    declarations: keyText(dtype, descending === 1),
  };
}

/** Rows of at most one block: their first elements in order, and where they were. */
const rowProgram: KernelProgram = {
  name: "sort",
  inputs: ["x"],
  outputs: ([x], attributes) => {
    const { shape, dtype } = x as ValueType;
    const [dim, , keep] = attributes as unknown as FromTensor;
    const kept = withSize(shape, dim, keep);
    return [
      { name: "y", shape: kept, dtype },
      { name: "indices", shape: kept, dtype: "i32" },
    ];
  },
  write: (call) => {
    const blocks = blocksOf(call);
    const { length, inner } = blocks.rows;
    return {
      ...blockText({
        ...blocks,
        store: [`y[to] = x[${rowStart(length, inner)} + order * ${inner}u];`, "indices[to] = i32(order);"],
        kept: blocks.keep,
        inner,
      }),
      types: boundTypes((call.inputs[0] as ValueType).dtype, "x", "y"),
    };
  },
  reference: (inputs, call) => {
    const { shape, dtype } = call.inputs[0] as ValueType;
    const [dim, descending, keep] = call.attributes as unknown as FromTensor;
    const rows = rowsOf(shape, dim);
    const { length, inner } = rows;
    const x = inputs[0] as Float64Array;
    const at = (row: number, p: number): number => startOf(row, length, inner) + p * inner;
    const [y, indices] = call.outputs.map((output) => new Float64Array(sizeOf(output.shape))) as [
      Float64Array,
      Float64Array,
    ];
    const key = (row: number, p: number): number => keyOf(x[at(row, p)] as number, dtype, descending === 1);
    sortBlocks(key, rows, keep, (row, number, p) => {
      const to = startOf(row, keep, inner) + number * inner;
      y[to] = x[at(row, p)] as number;
      indices[to] = p;
    });
    return [y, indices];
  },
};

/**
 * Keys and positions of sorted blocks, row by row. Behind the positions stands the length of the sorted runs: as data, so that all merges
 * of a sort share one shader.
 */
function pairOutputs(rows: number, count: number): { name: string; shape: number[]; dtype: DType }[] {
  return [
    { name: "keys_out", shape: [rows, count], dtype: "u32" },
    { name: "order_out", shape: [rows * count + 1], dtype: "u32" },
  ];
}

/** How blocks are stored as such outputs. */
function pairStore({ rows, length }: Rows, keep: number): Pick<BlockSort, "store" | "kept" | "inner" | "last"> {
  const kept = keptOf(length, keep);
  return {
    store: ["keys_out[to] = key;", "order_out[to] = order;"],
    kept,
    inner: 1,
    last: `order_out[${rows * kept}u] = ${BLOCK}u;`,
  };
}

const blocksProgram: KernelProgram = {
  name: "sort blocks",
  inputs: ["x"],
  outputs: ([x], attributes) => {
    const [dim, , keep] = attributes as unknown as FromTensor;
    const { rows, length } = rowsOf((x as ValueType).shape, dim);
    return pairOutputs(rows, keptOf(length, keep));
  },
  write: (call) => {
    const blocks = blocksOf(call);
    return {
      ...blockText({ ...blocks, ...pairStore(blocks.rows, blocks.keep) }),
      types: boundTypes((call.inputs[0] as ValueType).dtype, "x"),
    };
  },
  reference: (inputs, call) => {
    const { shape, dtype } = call.inputs[0] as ValueType;
    const [dim, descending, keep] = call.attributes as unknown as FromTensor;
    const rows = rowsOf(shape, dim);
    const x = inputs[0] as Float64Array;
    return pairsReference(call, rows, keep, (row, p) => ({
      key: keyOf(x[startOf(row, rows.length, rows.inner) + p * rows.inner] as number, dtype, descending === 1),
      order: p,
    }));
  },
};

/** Sorts blocks of what earlier blocks have kept. Attribute: elements to keep. */
const againProgram: KernelProgram = {
  name: "sort blocks again",
  inputs: ["keys_in", "order_in"],
  outputs: ([keys], [keep]) => {
    const [rows, length] = (keys as ValueType).shape as [number, number];
    return pairOutputs(rows, keptOf(length, keep as number));
  },
  write: ({ inputs, attributes }) => {
    const rows = rowsOf((inputs[0] as ValueType).shape, 1);
    const [keep] = attributes as [number];
    return blockText({ rows, keep, key: "keys_in[at]", order: "order_in[at]", ...pairStore(rows, keep) });
  },
  reference: ([keys, order], call) => {
    const rows = rowsOf((call.inputs[0] as ValueType).shape, 1);
    return pairsReference(call, rows, call.attributes[0] as number, (row, p) => ({
      key: keys?.[row * rows.length + p] as number,
      order: order?.[row * rows.length + p] as number,
    }));
  },
};

function pairsReference(
  call: KernelCall,
  rows: Rows,
  keep: number,
  pair: (row: number, p: number) => { key: number; order: number },
): Float64Array[] {
  const [keys, order] = call.outputs.map((output) => new Float64Array(sizeOf(output.shape))) as [
    Float64Array,
    Float64Array,
  ];
  const kept = keptOf(rows.length, keep);
  sortBlocks(
    (row, p) => pair(row, p).key,
    rows,
    keep,
    (row, number, p, key) => {
      keys[row * kept + number] = key;
      order[row * kept + number] = pair(row, p).order;
    },
  );
  order[rows.rows * kept] = BLOCK;
  return [keys, order];
}

/** Merges sorted runs in pairs. */
const mergeProgram: KernelProgram = {
  name: "merge sorted",
  inputs: ["keys_in", "order_in"],
  outputs: ([keys]) => pairOutputs(...((keys as ValueType).shape as [number, number])),
  write: ({ inputs }) => {
    const [rows, length] = (inputs[0] as ValueType).shape as [number, number];
    const parts = Math.ceil(length / EACH);
    const body = [
      `let run = order_in[${rows * length}u];`,
      `if (i == 0u) { order_out[${rows * length}u] = 2u * run; }`,
      `let row = i / ${parts}u * ${length}u;`,
      `let first = i % ${parts}u * ${EACH}u;`,
      "let start = first / (2u * run) * (2u * run);",
      `let middle = min(start + run, ${length}u);`,
      `let end = min(middle + run, ${length}u);`,
      `let until = min(first + ${EACH}u, end);`,
      ...mergeLines({
        keys: "keys_in",
        order: "order_in",
        toKeys: "keys_out",
        toOrder: "order_out",
        source: "row",
        target: "row",
      }),
    ];
    return { ...forEachInvocation(rows * parts, body.join("\n")), flops: 4 * rows * length };
  },
  reference: ([keys, order], call) => {
    const [rows, length] = (call.inputs[0] as ValueType).shape as [number, number];
    const run = order?.[rows * length] as number;
    const sortedKeys = new Float64Array(rows * length);
    const sortedOrder = new Float64Array(rows * length + 1);
    sortedOrder[rows * length] = 2 * run;
    for (let row = 0; row < rows; row++) {
      for (let start = 0; start < length; start += 2 * run) {
        const pair = Array.from({ length: Math.min(2 * run, length - start) }, (_, i) => row * length + start + i);
        pair.sort((i, j) => (keys?.[i] as number) - (keys?.[j] as number));
        pair.forEach((from, i) => {
          sortedKeys[row * length + start + i] = keys?.[from] as number;
          sortedOrder[row * length + start + i] = order?.[from] as number;
        });
      }
    }
    return [sortedKeys, sortedOrder];
  },
};

const rowDefinition = defineKernel(rowProgram, ([g], [, indices], [x], [dim]) => [
  g ? spread(g, dim as number, indices as Tensor, (x as Tensor).shape[dim as number] as number) : null,
]);
const blocksDefinition = defineKernel(blocksProgram);
const againDefinition = defineKernel(againProgram);
const mergeDefinition = defineKernel(mergeProgram);

/**
 * The first `keep` elements along `dim` in order, and their positions (i32). Equals keep their order, NaN counts as larger than all
 * others. The gradient goes back to where elements came from. `x` has elements, and `keep` is at least 1.
 */
export function sortAlong(
  x: Tensor,
  dim: number,
  descending: boolean,
  keep: number,
): { values: Tensor; indices: Tensor } {
  const { shape } = x;
  const { rows, length, inner } = rowsOf(shape, dim);
  if (length <= BLOCK) {
    const [values, indices] = recordKernel(rowDefinition, [x], [dim, Number(descending), keep]) as [Tensor, Tensor];
    return { values, indices };
  }
  const few = keep <= MOST_KEPT;
  let pair = recordKernel(blocksDefinition, [x], [dim, Number(descending), few ? keep : BLOCK]) as [Tensor, Tensor];
  let count = few ? keptOf(length, keep) : length;
  if (few) {
    for (; count > keep; count = keptOf(count, keep)) pair = recordKernel(againDefinition, pair, [keep]) as typeof pair;
  } else {
    for (let run = BLOCK; run < length; run *= 2) pair = recordKernel(mergeDefinition, pair) as typeof pair;
  }
  const order = reshape(range(pair[1], 0, 0, rows * count), [rows / inner, inner, count]);
  const kept = range(order, 2, 0, keep);
  const indices = cast(reshape(permute(kept, [0, 2, 1]), withSize(shape, dim, keep)), "i32");
  return { values: pickDistinct(x, dim, indices), indices };
}
