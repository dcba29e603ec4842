// Reductions, movement and indexing against loops, derivatives against central differences, and the errors they throw.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DTypeError, ShapeError } from "../../src/base/errors.ts";
import * as wg from "../../src/tensor.ts";
import { expectError } from "../support/failure.ts";
import { checkDerivatives, checkLoops, expectValues, Grid, grid, numbers, places, total } from "../support/loops.ts";
import { interpret } from "../support/reference.ts";

const { tensor } = wg;
const integers = (values: number[], shape?: number[]): wg.Tensor =>
  tensor(Int32Array.from(values), shape === undefined ? {} : { shape });

// Reductions

/** A reduction of [2, 3, 4] over dim 1 by a function of the three numbers. */
function reduction(name: string, call: (x: wg.Tensor) => wg.Tensor, of: (v: number[]) => number, options = {}): void {
  checkLoops(
    name,
    [[2, 3, 4]],
    call,
    (x) => grid([2, 4], (i, k) => of([0, 1, 2].map((j) => x.at([i, j, k])))),
    options,
  );
}

const average = (v: number[]): number => v.reduce((a, b) => a + b) / v.length;
const squares = (v: number[]): number => total(v.length, (i) => ((v[i] as number) - average(v)) ** 2);

reduction(
  "sum",
  (x) => x.sum(1),
  (v) => v.reduce((a, b) => a + b),
);
reduction("mean", (x) => x.mean(-2), average);
reduction(
  "prod",
  (x) => x.prod(1),
  (v) => v.reduce((a, b) => a * b),
);
reduction(
  "amax",
  (x) => x.amax(1),
  (v) => Math.max(...v),
);
reduction(
  "amin",
  (x) => x.amin([1]),
  (v) => Math.min(...v),
);
reduction(
  "max",
  (x) => x.max(1),
  (v) => Math.max(...v),
);
reduction(
  "min",
  (x) => x.min(1),
  (v) => Math.min(...v),
);
reduction(
  "variance",
  (x) => x.variance(1),
  (v) => squares(v) / 2,
);
reduction(
  "variance without correction",
  (x) => x.variance(1, false, { correction: 0 }),
  (v) => squares(v) / 3,
);
reduction(
  "std",
  (x) => x.std(1),
  (v) => Math.sqrt(squares(v) / 2),
);
reduction(
  "logsumexp",
  (x) => x.logsumexp(1),
  (v) => Math.log(v.reduce((a, b) => a + Math.exp(b), 0)),
);
reduction(
  "norm",
  (x) => x.norm({ dim: 1 }),
  (v) => Math.hypot(...v),
);
reduction(
  "norm, p 1",
  (x) => x.norm({ p: 1, dim: 1 }),
  (v) => v.reduce((a, b) => a + Math.abs(b), 0),
);
reduction(
  "norm, p 3",
  (x) => x.norm({ p: 3, dim: 1 }),
  (v) => Math.cbrt(v.reduce((a, b) => a + Math.abs(b) ** 3, 0)),
);
reduction(
  "norm, p ∞",
  (x) => x.norm({ p: Number.POSITIVE_INFINITY, dim: 1 }),
  (v) => Math.max(...v.map(Math.abs)),
);
reduction(
  "argmax",
  (x) => x.argmax(1),
  (v) => v.indexOf(Math.max(...v)),
  { gradient: false },
);
reduction(
  "argmin",
  (x) => x.argmin(1),
  (v) => v.indexOf(Math.min(...v)),
  { gradient: false },
);
reduction(
  "countNonzero",
  (x) => wg.countNonzero(x.relu(), 1),
  (v) => v.filter((n) => n > 0).length,
  { gradient: false },
);

checkLoops(
  "sum over two dims, kept",
  [[2, 3, 4]],
  (x) => x.sum([0, -1], true),
  (x) => grid([1, 3, 1], (_, j) => total(2, (i) => total(4, (k) => x.at([i, j, k])))),
);
checkLoops(
  "variance of all",
  [[3, 4]],
  (x) => x.variance(),
  (x) => new Grid([], [squares([...x.data]) / 11]),
);
for (const [name, call, of] of [
  ["softmax", (x: wg.Tensor) => x.softmax(-1), (e: number, s: number) => e / s],
  ["logSoftmax", (x: wg.Tensor) => x.logSoftmax(1), (e: number, s: number) => Math.log(e / s)],
] as const) {
  checkLoops(name, [[3, 5]], call, (x) =>
    grid([3, 5], (i, j) =>
      of(
        Math.exp(x.at([i, j])),
        total(5, (k) => Math.exp(x.at([i, k]))),
      ),
    ),
  );
}
checkLoops(
  "softmin",
  [[4, 2]],
  (x) => x.softmin(0),
  (x) => grid([4, 2], (i, j) => Math.exp(-x.at([i, j])) / total(4, (k) => Math.exp(-x.at([k, j])))),
);
checkLoops(
  "normalize",
  [[3, 4]],
  (x) => x.normalize(),
  (x) => grid([3, 4], (i, j) => x.at([i, j]) / Math.sqrt(total(4, (k) => x.at([i, k]) ** 2))),
);

test("nothing reduces as PyTorch says", () => {
  const none = wg.zeros([0, 3]);
  expectValues(none.sum(0), [3], [0, 0, 0]);
  expectValues(none.prod(0), [3], [1, 1, 1]);
  expectValues(none.mean(0), [3], [Number.NaN, Number.NaN, Number.NaN]);
  expectValues(none.all(0), [3], [1, 1, 1]);
  expectValues(none.any(0), [3], [0, 0, 0]);
  expectValues(none.logsumexp(), [], [Number.NEGATIVE_INFINITY]);
  for (const op of ["amax", "max", "amin", "argmax"] as const)
    expectError(() => none[op](0), ShapeError, /nothing to choose from/);
  expectValues(none.amax(1), [0], []);
  expectValues(tensor([3]).variance(), [], [Number.NaN]);
});

test("NaN wins maxima, and the first of the equals is their index", () => {
  const x = tensor([
    [1, 3, 3],
    [2, Number.NaN, 5],
  ]);
  expectValues(x.amax(1), [2], [3, Number.NaN]);
  expectValues(x.argmax(1), [2], [1, 1]);
  expectValues(x.argmin(), [], [4]);
  expectValues(x.nansum(1), [2], [7, 7]);
  expectValues(x.nanmean(0), [3], [1.5, 3, 4]);
});

test("equals share the gradient in amax and max(), the first takes it in max(dim)", () => {
  const x = tensor(
    [
      [1, 3, 3],
      [2, 2, 2],
    ],
    { requiresGrad: true },
  );
  const ones = tensor([1, 1]);
  const third = 1 / 3;
  expectValues(
    wg.grad(x.amax(1), [x], { gradOutputs: ones })[0] as wg.Tensor,
    [2, 3],
    [0, 0.5, 0.5, third, third, third],
  );
  expectValues(wg.grad(x.max(1), [x], { gradOutputs: ones })[0] as wg.Tensor, [2, 3], [0, 1, 0, 1, 0, 0]);
  expectValues(wg.grad(x.min(0).sum(), [x])[0] as wg.Tensor, [2, 3], [1, 0, 0, 0, 1, 1]);
  expectValues(wg.grad(x.max(), [x])[0] as wg.Tensor, [2, 3], [0, 0.5, 0.5, 0, 0, 0]);
});

test("dtypes of reductions", () => {
  const flags = tensor([true, false, true]);
  assert.is(flags.sum().dtype, "i32");
  assert.is(flags.prod().dtype, "i32");
  assert.is(flags.amax().dtype, "bool");
  assert.is(integers([1, 2]).mean().dtype, "f32");
  assert.is(integers([1, 2]).amin().dtype, "i32");
  assert.is(flags.argmax().dtype, "i32");
  assert.is(flags.any().dtype, "bool");
  expectValues(flags.sum(), [], [2]);
  expectValues(flags.all(), [], [0]);
});

test("the norm of 0 has the gradient 0", () => {
  const x = wg.zeros([3], { requiresGrad: true });
  expectValues(wg.grad(x.norm(), [x])[0] as wg.Tensor, [3], [0, 0, 0]);
  expectValues(wg.grad(x.norm({ p: 3 }), [x])[0] as wg.Tensor, [3], [0, 0, 0]);
});

// Movement

checkLoops(
  "cat of three",
  [
    [2, 2],
    [2, 1],
    [2, 3],
  ],
  (...x) => wg.cat(x, { dim: 1 }),
  (a, b, c) => grid([2, 6], (i, j) => (j < 2 ? a.at([i, j]) : j < 3 ? b.at([i, 0]) : c.at([i, j - 3]))),
);
checkLoops(
  "cat of many",
  Array.from({ length: 15 }, (_, i) => [1 + (i % 3), 2]),
  (...x) => wg.cat(x),
  (...x) => {
    const rows = x.flatMap((g) => Array.from({ length: g.shape[0] as number }, (_, i) => [g.at([i, 0]), g.at([i, 1])]));
    return new Grid([rows.length, 2], rows.flat());
  },
);
checkLoops(
  "stack",
  [
    [2, 3],
    [2, 3],
  ],
  (...x) => wg.stack(x, { dim: -1 }),
  (a, b) => grid([2, 3, 2], (i, j, k) => (k === 0 ? a : b).at([i, j])),
);
checkLoops(
  "split and multiply",
  [[5, 2]],
  (x) => {
    const [a, b, c] = x.split(2) as [wg.Tensor, wg.Tensor, wg.Tensor];
    return a.mul(b).mul(c);
  },
  (x) => grid([2, 2], (i, j) => x.at([i, j]) * x.at([2 + i, j]) * x.at([4, j])),
);
checkLoops(
  "pad with a constant, and crop",
  [[3, 4]],
  (x) => x.pad([1, -1, -1, 2], { value: 7 }),
  (x) => grid([4, 4], (i, j) => x.at([i + 1, j - 1], 7)),
);
const mirrored = (i: number, n: number): number => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i);
checkLoops(
  "pad by reflection",
  [[2, 4]],
  (x) => x.pad([3, 2], { mode: "reflect" }),
  (x) => grid([2, 9], (i, j) => x.at([i, mirrored(j - 3, 4)])),
);
checkLoops(
  "pad by replication",
  [[2, 3]],
  (x) => x.pad([1, 2, 0, 1], { mode: "replicate" }),
  (x) => grid([3, 6], (i, j) => x.at([Math.min(i, 1), Math.min(Math.max(j - 1, 0), 2)])),
);
checkLoops(
  "pad around",
  [[2, 3]],
  (x) => x.pad([2, 3], { mode: "circular" }),
  (x) => grid([2, 8], (i, j) => x.at([i, (j + 1) % 3])),
);
checkLoops(
  "repeat",
  [[2, 3]],
  (x) => x.repeat([2, 1, 3]),
  (x) => grid([2, 2, 9], (_, i, j) => x.at([i, j % 3])),
);
checkLoops(
  "tile",
  [[2, 3]],
  (x) => x.tile([2]),
  (x) => grid([2, 6], (i, j) => x.at([i, j % 3])),
);
checkLoops(
  "repeatInterleave",
  [[2, 3]],
  (x) => x.repeatInterleave(2, { dim: 1 }),
  (x) => grid([2, 6], (i, j) => x.at([i, j >> 1])),
);
checkLoops(
  "repeatInterleave by counts",
  [[3]],
  (x) => x.repeatInterleave([1, 0, 3]),
  (x) =>
    new Grid(
      [4],
      [0, 2, 2, 2].map((i) => x.at([i])),
    ),
);
checkLoops(
  "tril",
  [[3, 4]],
  (x) => x.tril({ diagonal: 1 }),
  (x) => grid([3, 4], (i, j) => (j - i <= 1 ? x.at([i, j]) : 0)),
);
checkLoops(
  "triu",
  [[2, 3, 3]],
  (x) => x.triu(),
  (x) => grid([2, 3, 3], (b, i, j) => (j >= i ? x.at([b, i, j]) : 0)),
);
checkLoops(
  "diagonal",
  [[3, 2, 4]],
  (x) => x.diagonal({ offset: -1, dim1: 0, dim2: 2 }),
  (x) => grid([2, 2], (b, i) => x.at([i + 1, b, i])),
);
checkLoops(
  "diagEmbed",
  [[2, 3]],
  (x) => x.diagEmbed({ offset: 1 }),
  (x) => grid([2, 4, 4], (b, i, j) => (j === i + 1 ? x.at([b, i]) : 0)),
);
checkLoops(
  "rot90",
  [[2, 3]],
  (x) => x.rot90(),
  (x) => grid([3, 2], (i, j) => x.at([j, 2 - i])),
);
checkLoops(
  "roll",
  [[3, 4]],
  (x) => x.roll([1, -2], { dims: [0, 1] }),
  (x) => grid([3, 4], (i, j) => x.at([(i + 2) % 3, (j + 2) % 4])),
);
checkLoops(
  "slice",
  [[4, 5, 2]],
  (x) => x.slice([1, -1], [undefined, undefined, 2], 1),
  (x) => grid([2, 3], (i, j) => x.at([i + 1, 2 * j, 1])),
);
checkLoops(
  "unfold",
  [[2, 7]],
  (x) => x.unfold(1, 3, 2),
  (x) => grid([2, 3, 3], (i, o, k) => x.at([i, 2 * o + k])),
);
checkLoops(
  "movedim and flip",
  [[2, 3, 4]],
  (x) => x.movedim(0, -1).flip([0]),
  (x) => grid([3, 4, 2], (i, j, k) => x.at([k, 2 - i, j])),
);
checkLoops(
  "pixelShuffle",
  [[1, 8, 2, 3]],
  (x) => x.pixelShuffle(2),
  (x) => grid([1, 2, 4, 6], (n, c, i, j) => x.at([n, 4 * c + 2 * (i % 2) + (j % 2), i >> 1, j >> 1])),
);
checkLoops(
  "pixelUnshuffle",
  [[2, 4, 6]],
  (x) => x.pixelUnshuffle(2),
  (x) => grid([8, 2, 3], (c, i, j) => x.at([c >> 2, 2 * i + ((c >> 1) & 1), 2 * j + (c & 1)])),
);
const patches = { dilation: [1, 2], padding: [1, 0], stride: [2, 1] } as const;
checkLoops(
  "im2col",
  [[2, 2, 4, 5]],
  (x) => x.im2col([3, 2], patches),
  (x) =>
    grid([2, 12, 6], (n, r, l) =>
      x.at([n, Math.floor(r / 6), 2 * Math.floor(l / 3) + (Math.floor(r / 2) % 3) - 1, (l % 3) + 2 * (r % 2)]),
    ),
);
checkLoops(
  "col2im",
  [[2, 12, 6]],
  (x) => x.col2im([4, 5], [3, 2], patches),
  (x) => {
    const image = new Grid([2, 2, 4, 5]);
    for (const [n, r, l] of places([2, 12, 6]) as Iterable<[number, number, number]>) {
      image.add(
        [n, Math.floor(r / 6), 2 * Math.floor(l / 3) + (Math.floor(r / 2) % 3) - 1, (l % 3) + 2 * (r % 2)],
        x.at([n, r, l]),
      );
    }
    return image;
  },
);

test("oneHot, meshgrid, chunk, unbind", () => {
  expectValues(integers([2, 0]).oneHot(3), [2, 3], [0, 0, 1, 1, 0, 0]);
  const [a, b] = wg.meshgrid(tensor([1, 2]), tensor([3, 4, 5])) as [wg.Tensor, wg.Tensor];
  expectValues(a, [2, 3], [1, 1, 1, 2, 2, 2]);
  expectValues(b, [2, 3], [3, 4, 5, 3, 4, 5]);
  const [c] = wg.meshgrid(tensor([1, 2]), tensor([3, 4, 5]), { indexing: "xy" }) as [wg.Tensor];
  expectValues(c, [3, 2], [1, 2, 1, 2, 1, 2]);
  const [, d] = tensor([1, 2]).meshgrid(tensor([3, 4, 5])) as [wg.Tensor, wg.Tensor];
  expectValues(d, [2, 3], [3, 4, 5, 3, 4, 5]);
  const x = tensor(numbers(10), { shape: [5, 2] });
  assert.equal(
    x.chunk(3).map((part) => part.shape[0]),
    [2, 2, 1],
  );
  assert.equal(x.chunk(4).length, 3);
  assert.is(x.unbind({ dim: 1 }).length, 2);
  assert.equal(
    x.split([1, 0, 4]).map((part) => part.shape[0]),
    [1, 0, 4],
  );
  assert.is(tensor([[true, false]]).tril().dtype, "bool");
  assert.is(wg.cat([integers([1]), tensor([0.5])]).dtype, "f32");
});

// Indexing

test("gather and its gradient", () => {
  const index = integers([2, 0, 0, 1, 1, 1], [3, 2]);
  const x = tensor(numbers(12), { shape: [3, 4], requiresGrad: true });
  const out = x.gather(1, index);
  const values = numbers(12);
  expectValues(
    out,
    [3, 2],
    [2, 0, 4, 5, 9, 9].map((i) => values[i] as number),
  );
  checkDerivatives(out, [x], true);
  checkDerivatives(x.gather(0, integers([2, 2, 0, 1], [1, 4])), [x], true);
});

test("scatterAdd adds what meets, scatter keeps the last", () => {
  const x = tensor(numbers(6), { shape: [2, 3], requiresGrad: true });
  const src = tensor(numbers(8, 3), { shape: [2, 4], requiresGrad: true });
  const index = integers([0, 2, 0, 2, 1, 1, 1, 0], [2, 4]);
  const [a, b] = [numbers(6), numbers(8, 3)];
  const added = new Grid([2, 3], a);
  const written = new Grid([2, 3], a);
  [...places([2, 4])].forEach(([i, j], k) => {
    const target = [i as number, [0, 2, 0, 2, 1, 1, 1, 0][k] as number];
    added.add(target, b[k] as number);
    written.set(target, b[k] as number);
    void j;
  });
  expectValues(x.scatterAdd(1, index, src), [2, 3], added.data);
  expectValues(x.scatter(1, index, src), [2, 3], written.data);
  checkDerivatives(x.scatterAdd(1, index, src), [x, src], true);
  checkDerivatives(x.scatter(1, index, src), [x, src], true);
  // A smaller index touches the first rows only.
  expectValues(x.scatter(0, integers([1, 0], [1, 2]), 9), [2, 3], [a[0], 9, a[2], 9, a[4], a[5]] as number[]);
});

test("scatterReduce", () => {
  const x = tensor([1, 2, 3, 4], { requiresGrad: true });
  const src = tensor([5, 6, 7, 0.5], { requiresGrad: true });
  const index = integers([0, 0, 2, 2]);
  const run = (reduce: "sum" | "prod" | "mean" | "amax" | "amin", includeSelf = true): wg.Tensor =>
    x.scatterReduce(0, index, src, reduce, { includeSelf });
  expectValues(run("sum"), [4], [12, 2, 10.5, 4]);
  expectValues(run("prod"), [4], [30, 2, 10.5, 4]);
  expectValues(run("mean"), [4], [4, 2, 3.5, 4]);
  expectValues(run("amax"), [4], [6, 2, 7, 4]);
  expectValues(run("amin"), [4], [1, 2, 0.5, 4]);
  expectValues(run("mean", false), [4], [5.5, 2, 3.75, 4]);
  for (const reduce of ["sum", "prod", "mean", "amax", "amin"] as const) checkDerivatives(run(reduce), [x, src], true);
});

test("indexSelect, indexAdd, take, takeAlongDim, maskedFill", () => {
  const x = tensor(numbers(24), { shape: [2, 3, 4], requiresGrad: true });
  const v = numbers(24);
  const index = integers([2, 0, 2]);
  const selected = x.indexSelect(1, index);
  expectValues(
    selected,
    [2, 3, 4],
    grid([2, 3, 4], (i, j, k) => v[12 * i + 4 * ([2, 0, 2][j] as number) + k] as number).data,
  );
  checkDerivatives(selected, [x], true);
  const src = tensor(numbers(24, 4), { shape: [2, 3, 4], requiresGrad: true });
  const sum = new Grid([2, 3, 4], v);
  [...places([2, 3, 4])].forEach(([i, j, k], n) => {
    sum.add([i as number, [2, 0, 2][j as number] as number, k as number], 2 * (numbers(24, 4)[n] as number));
  });
  expectValues(x.indexAdd(1, index, src, { alpha: 2 }), [2, 3, 4], sum.data);
  checkDerivatives(x.indexAdd(1, index, src), [x, src], true);
  expectValues(x.take(integers([23, 0], [2, 1])), [2, 1], [v[23], v[0]] as number[]);
  expectValues(
    x.takeAlongDim(x.argmax(2, true), { dim: 2 }).squeeze({ dim: 2 }),
    [2, 3],
    interpret([x.amax(2)])[0] as Float64Array,
  );
  checkDerivatives(x.takeAlongDim(x.argmax(2, true), { dim: 2 }), [x], true);
  expectValues(
    x.maskedFill(x.gt(0), -1),
    [2, 3, 4],
    v.map((n) => (n > 0 ? -1 : n)),
  );
});

test("embedding: rows, their gradient, and none for the padding", () => {
  const weight = tensor(numbers(8), { shape: [4, 2], requiresGrad: true });
  const indices = integers([3, 1, 1, 0], [2, 2]);
  const rows = wg.embedding(indices, weight);
  const v = numbers(8);
  expectValues(
    rows,
    [2, 2, 2],
    [6, 7, 2, 3, 2, 3, 0, 1].map((i) => v[i] as number),
  );
  checkDerivatives(rows, [weight], true);
  const [g] = wg.grad(wg.embedding(indices, weight, { paddingIdx: 1 }).sum(), [weight]);
  expectValues(g as wg.Tensor, [4, 2], [1, 1, 0, 0, 0, 0, 1, 1]);
});

// Errors

const x23 = tensor(numbers(6), { shape: [2, 3] });
const wrong: [string, () => unknown, new (...args: never[]) => Error, RegExp][] = [
  ["sum over a dim twice", () => x23.sum([0, -2]), RangeError, /^sum: each dim may be named once/],
  ["sum over a dim beyond", () => x23.sum(2), RangeError, /^sum: dim must be/],
  ["max of nothing", () => wg.zeros([0]).max(), ShapeError, /^max: nothing to choose from/],
  ["softmax without that dim", () => x23.softmax(5), RangeError, /^softmax: dim/],
  ["unknown option", () => x23.norm({ q: 1 } as object), Error, /^norm: unknown option "q"/],
  [
    "cat of other sizes",
    () => wg.cat([x23, wg.zeros([2, 4])]),
    ShapeError,
    /^cat: sizes must be equal but along dim 0/,
  ],
  ["cat of nothing", () => wg.cat([]), TypeError, /^cat: needs a list/],
  ["stack of other shapes", () => wg.stack([x23, x23.t()]), ShapeError, /^stack: shapes must be equal/],
  ["split sizes that don't add up", () => x23.split([1, 1], { dim: 1 }), ShapeError, /^split: sizes must add up/],
  ["narrow beyond the end", () => x23.narrow(1, 2, 2), RangeError, /^narrow: start 2 with length 2/],
  ["select beyond the end", () => x23.select(0, 2), RangeError, /^select: index 2 is out of range/],
  ["slice by a negative step", () => x23.slice([0, 2, -1]), RangeError, /^slice: the step of dim 0/],
  ["t of three dims", () => wg.zeros([1, 2, 3]).t(), ShapeError, /transpose\(-2, -1\)/],
  ["unflatten into what doesn't fit", () => x23.unflatten(1, [2, 2]), ShapeError, /^unflatten/],
  ["pad by reflection beyond the size", () => x23.pad([3, 0], { mode: "reflect" }), RangeError, /^pad: mode "reflect"/],
  ["pad in an unknown mode", () => x23.pad([1, 1], { mode: "mirror" as "reflect" }), RangeError, /^pad: mode must be/],
  ["repeat with fewer numbers than dims", () => x23.repeat([2]), ShapeError, /^repeat: needs a repetition/],
  ["pixelShuffle of 3 channels", () => wg.zeros([3, 2, 2]).pixelShuffle(2), ShapeError, /^pixelShuffle/],
  ["gather by floats", () => x23.gather(0, x23), DTypeError, /^gather: indices must be i32 or u32/],
  ["gather out of range", () => x23.gather(1, integers([3], [1, 1])), RangeError, /^gather: index 3 is out of range/],
  ["gather by another rank", () => x23.gather(1, integers([0])), ShapeError, /^gather: the index must have 2 dims/],
  ["embedding out of range", () => wg.embedding(integers([-1]), x23), RangeError, /^embedding: index -1/],
  [
    "scatterAdd of too small a source",
    () => x23.scatterAdd(1, integers([0, 1], [1, 2]), wg.zeros([1, 1])),
    ShapeError,
    /^scatterAdd: the source/,
  ],
  ["maskedFill by numbers", () => x23.maskedFill(x23, 0), DTypeError, /^maskedFill: the mask must be bool/],
  [
    "maskedFill by a mask that doesn't broadcast",
    () => tensor([1, 2]).maskedFill(tensor([true, false, true]), 0),
    ShapeError,
    /^maskedFill: .*broadcast/,
  ],
  ["oneHot of too few classes", () => integers([3]).oneHot(3), RangeError, /^oneHot: index 3/],
];
for (const [name, run, kind, wording] of wrong) {
  test(`throws: ${name}`, () => expectError(run, kind, wording));
}

test.run();
