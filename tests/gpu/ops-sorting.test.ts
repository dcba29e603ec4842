// Sorting against float64: any dim and dtype, one block or many, ties, numbers that are none.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/tensor.ts";
import { checkOp } from "../support/check-op.ts";

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;

checkOp(wg.sort, {
  shapes: [[3, 4, 5]],
  args: [{ dim: 1 }],
  dtypes: ["i32", "u32", "bool"],
  more: [[[0, 3]], [[2, 1]], [[2, 1100]]],
});
checkOp(wg.sort, {
  shapes: [[3, 4, 5]],
  args: [{ descending: true }],
  dtypes: ["i32", "bool"],
  layouts: [],
  more: [[[2, 2, 1030, 3]]],
});
for (const descending of [false, true]) {
  checkOp(wg.sort, {
    shapes: [{ shape: [2, 8], values: [1, NAN, 0, -0, -INF, INF, NAN, -1e-20, 5, 5, 4, 5, 4, 4, -5, -6] }],
    args: [{ descending }],
    gradient: false,
    layouts: [],
  });
}
checkOp(wg.argsort, { shapes: [[3, 4, 5]], args: [{ dim: 0 }], gradient: false, layouts: ["broadcast"], f16: false });
checkOp(wg.msort, { shapes: [[6, 3]], layouts: ["transposed"], more: [[[]]], f16: false });
checkOp(wg.topk, {
  shapes: [[3, 4, 5]],
  args: [2, { dim: 1 }],
  dtypes: ["i32"],
  more: [[[2, 2100, 2]]],
});
checkOp(wg.topk, { shapes: [[3, 1100]], args: [300, { largest: false }], layouts: [], gradient: false, f16: false });
checkOp(wg.kthvalue, { shapes: [[3, 7]], args: [3], layouts: ["transposed"], f16: false });
checkOp(wg.kthvalue, { shapes: [[5, 2, 3]], args: [2, { dim: 0, keepdim: true }], layouts: [], f16: false });
checkOp(wg.median, { shapes: [[3, 4, 5]], args: [1], dtypes: ["i32"] });
checkOp(wg.median, { shapes: [[3, 5]], layouts: ["transposed"], dtypes: ["i32"] });
checkOp(wg.median, {
  shapes: [{ shape: [2, 5], values: [1, NAN, 3, NAN, 2, 5, -INF, INF, INF, 7] }],
  args: [1, true],
  gradient: false,
  layouts: [],
  f16: false,
});
checkOp(wg.searchsorted, {
  shapes: [
    { shape: [5], values: [-1, 0, 0, 1, 1.5] },
    { shape: [2, 4], values: [0, -2, 1.5, 0.5, 1, 7, -1, -0.5] },
  ],
  dtypes: ["i32"],
  gradient: false,
  layouts: ["sliced"],
});
checkOp(wg.searchsorted, {
  shapes: [
    { shape: [2, 3], values: [-1, 0, INF, 2, 2, NAN] },
    { shape: [2, 4], values: [0, NAN, 1.5, INF, 1, 2, 3, -INF] },
  ],
  args: [{ right: true }],
  gradient: false,
  layouts: [],
  f16: false,
});

/** Numbers in no order, many of them equal. */
function scattered(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (Math.imul(i, 0x9e3779b1) >>> 8) % (count / 2));
}

test("a row of 2^20 is sorted, stably", async () => {
  const count = 2 ** 20;
  const numbers = scattered(count);
  const x = wg.tensor(numbers, { requiresGrad: true });
  const { values, indices } = x.sort();
  const weights = Float32Array.from({ length: count }, (_, i) => i % 1000);
  const [g] = wg.grad(values, [x], { gradOutputs: wg.tensor(weights) }) as [wg.Tensor];
  const order = Uint32Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => (numbers[a] as number) - (numbers[b] as number) || a - b,
  );
  await wg.realize(values, indices, g);
  const [found, sorted, back] = await Promise.all([indices.data(), values.data(), g.data()]);
  let wrong = 0;
  for (const [i, from] of order.entries()) {
    if (found[i] !== from || sorted[i] !== numbers[from] || back[from] !== weights[i]) wrong++;
  }
  assert.is(wrong, 0);
  const best = await x.topk(5).indices.data();
  const largest = Array.from(order).sort((a, b) => (numbers[b] as number) - (numbers[a] as number) || a - b);
  assert.equal([...best], largest.slice(0, 5));
});

test("a row that fits into workgroup memory takes one dispatch, a long one shares its merges' shader", () => {
  const x = (...shape: number[]): wg.Tensor => wg.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });
  const row = wg.explain(...Object.values(x(64, 1024).sort()));
  assert.is(row.kernels.length, 1);
  assert.is(wg.explain(x(64, 1024).argsort()).kernels.length, 1);
  assert.is(wg.explain(...Object.values(x(3, 4, 5).topk(2, { dim: 1 }))).kernels.length, 1);
  const long = wg.explain(...Object.values(x(100_000).sort()));
  assert.equal(
    long.kernels.map((k) => k.family),
    ["kernel", "kernel", "kernel", "kernel", "kernel", "kernel", "kernel", "kernel", "map"],
  );
  assert.is(new Set(long.kernels.map((k) => k.wgsl)).size, 3);
  assert.is(wg.explain(x(100_000).topk(10).values).kernels.length, 3);
});

test.run();
