// Cumulative ops against float64: any dim, one workgroup or several per row, ties, zeros, numbers that are none.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/tensor.ts";
import { mismatch } from "../reference/golden.ts";
import { dataAsGpu } from "../support/as-gpu.ts";
import { checkOp } from "../support/check-op.ts";
import { interpret } from "../support/reference.ts";

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;

checkOp(wg.cumsum, {
  shapes: [[3, 4, 5]],
  args: [-1],
  dtypes: ["i32", "u32", "bool"],
  more: [[[]], [[0, 3]], [[3, 0]], [[2, 700]], [[2, 16_500]]],
});
checkOp(wg.cumsum, {
  shapes: [[3, 4, 5]],
  args: [1],
  layouts: ["transposed"],
  more: [[[2, 300, 3]], [[1, 17_000, 2]]],
});
checkOp(wg.cumprod, { shapes: [[3, 4, 5]], args: [-1], dtypes: ["i32"], range: [0.7, 1.4], layouts: ["sliced"] });
checkOp(wg.cumprod, {
  shapes: [{ shape: [3, 5], values: [2, 0, 3, 4, 1, 1, 2, 3, 0, 2, 0, 5, 0, 1, 2] }],
  args: [1],
  layouts: [],
});
checkOp(wg.cumprod, { shapes: [[40, 3]], args: [0], range: [0.7, 1.4], layouts: [], tolerance: 1e-5 });
checkOp(wg.logcumsumexp, {
  shapes: [[3, 4, 5]],
  args: [1],
  range: [-30, 30],
  layouts: ["transposed"],
  more: [[[2, 0]], [[1, 16_500]]],
});
checkOp(wg.logcumsumexp, {
  shapes: [{ shape: [3, 4], values: [-INF, -INF, 2, -INF, 1, -INF, 3, 80, 200, 1, -300, 199] }],
  args: [1],
  gradient: false,
  layouts: [],
  f16: false,
});
checkOp(wg.logcumsumexp, {
  shapes: [{ shape: [5], values: [1, INF, 2, NAN, 1] }],
  args: [0],
  gradient: false,
  layouts: [],
});
for (const op of [wg.cummax, wg.cummin]) {
  checkOp(op, {
    shapes: [[3, 4, 5]],
    args: [1],
    dtypes: ["i32", "u32", "bool"],
    layouts: ["sliced"],
    more: [[[0, 2]], [[1, 16_500]]],
  });
  checkOp(op, {
    shapes: [{ shape: [3, 4], values: [1, 3, 3, 2, 2, 2, 1, 1, -2, 1, -2, 1] }],
    args: [1],
    gradient: false,
    layouts: [],
  });
  checkOp(op, {
    shapes: [{ shape: [2, 5], values: [1, NAN, 3, NAN, 2, -INF, -INF, INF, INF, -INF] }],
    args: [1],
    gradient: false,
    layouts: [],
  });
}

test("a row of millions takes three dispatches, many rows take one", async () => {
  assert.is(
    wg.kernels(
      wg
        .zeros([1 << 21])
        .add(wg.tensor([1]))
        .cumsum(0),
    ),
    4,
  );
  assert.is(
    wg.kernels(
      wg
        .tensor(new Float32Array(1 << 16))
        .reshape([64, 1024])
        .cumsum(1),
    ),
    1,
  );
  const count = 1 << 21;
  const ones = wg.tensor(new Int32Array(count).fill(1));
  const sums = await ones.cumsum(0).data();
  assert.ok(sums.every((v, i) => v === i + 1));
  const fractions = await wg
    .tensor(Float32Array.from({ length: count }, (_, i) => (i % 7) / 7))
    .cumsum(0)
    .data();
  let exact = 0;
  let worst = 0;
  for (const [i, v] of fractions.entries()) {
    exact += Math.fround((i % 7) / 7);
    worst = Math.max(worst, Math.abs(v - exact) / (exact + 1));
  }
  assert.ok(worst <= 1e-6, `relative error ${worst}`);
});

test("workgroups that scan together give the same", async () => {
  const numbers = Float32Array.from({ length: 5200 }, (_, i) => Math.sin(i * i));
  const x = wg.tensor(numbers, { shape: [2, 2600] });
  const column = x.reshape([2600, 2]);
  const long = wg.tensor(
    Float32Array.from({ length: 20_000 }, (_, i) => Math.cos(i * i)),
    { requiresGrad: true },
  );
  const { values, indices } = long.cummax(0);
  const [g] = wg.grad(values, [long], { gradOutputs: wg.tensor(numbers).repeat([4]).slice([0, 20_000]) });
  const results = [x.cumsum(1), column.cumsum(0), x.logcumsumexp(1), values, indices, g as wg.Tensor];
  const found = await dataAsGpu(...results);
  for (const [i, exact] of interpret(results).entries()) {
    const problem = mismatch(found[i] as ArrayLike<number>, exact, 1e-4, 2e-6);
    assert.is(problem, null, `result ${i}: ${problem}`);
  }
});

test("the gradient of log-sums is finite where elements are -∞", async () => {
  const x = wg.tensor([-INF, -INF, 2, -INF, 2], { requiresGrad: true });
  const [g] = wg.grad(x.logcumsumexp(0), [x], { gradOutputs: wg.tensor([1, 2, 3, 4, 8]) }) as [wg.Tensor];
  assert.equal([...(await g.data())], [0, 0, 11, 0, 4]);
});

test("the dim is checked", () => {
  assert.throws(() => wg.zeros([2, 3]).cumsum(2), RangeError);
  assert.throws(() => wg.zeros([]).cummax(1), RangeError);
});

test.run();
