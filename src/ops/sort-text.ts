// The text of kernels that sort: blocks in workgroup memory, and merges of sorted runs.

import type { KernelText } from "../graph/kernel-program.ts";
import { entryPoint } from "../graph/kernel-text.ts";

/** Elements that a workgroup sorts: keys and positions, twice, are the 16 KiB of workgroup memory that every device has. */
export const BLOCK = 1024;
/** Elements that an invocation sorts in registers, and merges in workgroup memory. */
const OWN = 8;
/** Elements that an invocation merges in global memory; divides BLOCK. */
export const EACH = 16;
/** A tensor as rows along a dim: elements of a row are `inner` apart. */
export interface Rows {
  readonly rows: number;
  readonly length: number;
  readonly inner: number;
}

/** WGSL: where a row begins, for `length` elements per row. */
export function rowStart(length: number, inner: number): string {
  return inner === 1 ? `row * ${length}u` : `row / ${inner}u * ${length * inner}u + row % ${inner}u`;
}

/** A kernel that sorts blocks: the parts in which such kernels differ. */
export interface BlockSort {
  readonly rows: Rows;
  readonly keep: number;
  /** WGSL: the key and the position of the element at `at`, number `p` of its row. */
  readonly key: string;
  readonly order: string;
  /** Lines that store element `order` with its key as number `p` of the result's row. */
  readonly store: readonly string[];
  /** Elements per row of the result, and how far they are apart. */
  readonly kept: number;
  readonly inner: number;
  readonly declarations?: string;
  readonly last?: string;
}

/** Where a merge reads and writes; all are WGSL. Runs lie at `source`, results at `target`. */
interface Merge {
  readonly keys: string;
  readonly order: string;
  readonly toKeys: string;
  readonly toOrder: string;
  readonly source: string;
  readonly target: string;
}

/**
 * WGSL: merges runs [start, middle) and [middle, end), elements `first` to `until` of the result. Where these begin in both runs is found by
 * bisection (Odeh et al. 2012). Equals of the first run go first: that makes it stable.
 */
export function mergeLines({ keys, order, toKeys, toOrder, source, target }: Merge): string[] {
  return [
    "let before = first - start;",
    "var low = max(before, end - middle) - (end - middle);",
    "var high = min(before, middle - start);",
    "while (low < high) {",
    "  let half = (low + high) / 2u;",
    `  let behind = ${keys}[${source} + start + half] > ${keys}[${source} + middle + before - 1u - half];`,
    "  low = select(half + 1u, low, behind);",
    "  high = select(high, half, behind);",
    "}",
    `var a = ${source} + start + low;`,
    `var b = ${source} + middle + before - low;`,
    // Behind the last element may lie what others write.
    `let last = ${source} + end - 1u;`,
    `var left = ${keys}[min(a, last)];`,
    `var right = ${keys}[min(b, last)];`,
    `for (var to = ${target} + first; to < ${target} + until; to++) {`,
    `  let second = b < ${source} + end && (a >= ${source} + middle || left > right);`,
    "  let taken = select(a, b, second);",
    `  ${toKeys}[to] = select(left, right, second);`,
    `  ${toOrder}[to] = ${order}[taken];`,
    `  let next = ${keys}[min(taken + 1u, last)];`,
    "  a += select(1u, 0u, second);",
    "  b += select(0u, 1u, second);",
    "  left = select(next, left, second);",
    "  right = select(right, next, second);",
    "}",
  ];
}

/** WGSL: sorts an invocation's elements in registers, by swaps of neighbours: stable, and no index is computed. */
function ownLines(): string[] {
  const each = Array.from({ length: OWN }, (_, i) => i);
  const swaps = (first: number): string[] =>
    each
      .slice(first, OWN - 1)
      .flatMap((i) =>
        (i - first) % 2 === 1
          ? []
          : [
              "{",
              `  let swap = k${i} > k${i + 1};`,
              `  let k = min(k${i}, k${i + 1});`,
              `  k${i + 1} = max(k${i}, k${i + 1});`,
              `  k${i} = k;`,
              `  let o = select(o${i}, o${i + 1}, swap);`,
              `  o${i + 1} = select(o${i + 1}, o${i}, swap);`,
              `  o${i} = o;`,
              "}",
            ],
      );
  return [
    ...each.flatMap((i) => [`var k${i} = keys[first + ${i}u];`, `var o${i} = orders[first + ${i}u];`]),
    `for (var round = 0u; round < ${OWN / 2}u * groups.z; round++) {`,
    ...[...swaps(0), ...swaps(1)].map((line) => `  ${line}`),
    "}",
    ...each.flatMap((i) => [`keys[first + ${i}u] = k${i};`, `orders[first + ${i}u] = o${i};`]),
  ];
}

/** Sorts blocks of rows: each invocation its own elements, then in workgroup memory runs of 8, 16, 32, … become pairs in order. */
export function blockText(sort: BlockSort): KernelText {
  const { rows, length, inner } = sort.rows;
  const blocks = Math.ceil(length / BLOCK);
  const width = 2 ** Math.ceil(Math.log2(Math.max(Math.min(length, BLOCK), OWN)));
  const slots = Math.min(BLOCK, Math.max(64, 2 ** Math.ceil(Math.log2(rows * width))));
  const threads = slots / OWN;
  const perGroup = slots / width;
  const groups = blocks > 1 ? rows * blocks : Math.ceil(rows / perGroup);
  // Times the number of workgroups in a dimension that has one: drivers unroll every loop whose length they know.
  const loop = (lines: readonly string[]): string[] => [
    `for (var step = local; step < ${slots}u * groups.z; step += ${threads}u) {`,
    ...lines.map((line) => `  ${line}`),
    "}",
  ];
  // Neighbours in memory are neighbours among the invocations.
  const across = inner > 1 && perGroup > 1;
  const place = [
    ...(across
      ? [`let q = step / ${perGroup}u;`, `let slot = step % ${perGroup}u * ${width}u + q;`]
      : ["let slot = step;", `let q = step % ${width}u;`]),
    ...(blocks > 1
      ? [`let row = group / ${blocks}u;`, `let block = group % ${blocks}u;`, `let p = block * ${BLOCK}u + q;`]
      : [`let row = group * ${perGroup}u + slot / ${width}u;`, "let p = q;"]),
  ];
  const kept = Math.min(sort.keep, BLOCK);
  const to = blocks > 1 ? `block * ${kept}u + q` : `q * ${sort.inner}u`;
  const merge = mergeLines({
    keys: "keys",
    order: "orders",
    toKeys: "keys",
    toOrder: "orders",
    source: "here",
    target: "there",
  });
  const body = [
    `if (group >= ${groups}u) { return; }`,
    ...loop([
      ...place,
      "var key = 0xffffffffu;",
      "var order = 0u;",
      `if (row < ${rows}u && p < ${length}u) {`,
      `  let at = ${rowStart(length, inner)} + p * ${inner}u;`,
      `  key = ${sort.key};`,
      `  order = ${sort.order};`,
      "}",
      "keys[slot] = key;",
      "orders[slot] = order;",
    ]),
    "workgroupBarrier();",
    `let first = local * ${OWN}u;`,
    `let until = first + ${OWN}u * groups.z;`,
    ...ownLines(),
    "workgroupBarrier();",
    "var here = 0u;",
    ...(width > OWN
      ? [
          `for (var run = ${OWN}u * groups.z; run < ${width}u; run *= 2u) {`,
          `  let there = ${slots}u - here;`,
          "  let start = first / (2u * run) * (2u * run);",
          "  let middle = start + run;",
          "  let end = middle + run;",
          ...merge.map((line) => `  ${line}`),
          "  workgroupBarrier();",
          "  here = there;",
          "}",
        ]
      : []),
    ...loop([
      ...place,
      `if (row < ${rows}u && q < ${kept}u && p < ${length}u) {`,
      "  let key = keys[here + slot];",
      "  let order = orders[here + slot];",
      `  let to = ${rowStart(sort.kept, sort.inner)} + ${to};`,
      ...sort.store.map((line) => `  ${line}`),
      "}",
    ]),
    ...(sort.last === undefined ? [] : [`if (group == 0u && local == 0u) { ${sort.last} }`]),
  ];
  const declarations = [
    ...(sort.declarations === undefined ? [] : [sort.declarations]),
    `var<workgroup> keys: array<u32, ${2 * slots}>;`,
    `var<workgroup> orders: array<u32, ${2 * slots}>;`,
  ];
  return {
    wgsl: `${declarations.join("\n")}\n\n${entryPoint(threads, body.join("\n"))}`,
    workgroups: groups,
    flops: 4 * rows * length * Math.log2(width),
  };
}
