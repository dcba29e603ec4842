// Products and convolutions against loops, derivatives against central differences, and the errors they throw.

import { test } from "uvu";
import { ShapeError, WgradError } from "../../src/base/errors.ts";
import * as wg from "../../src/tensor.ts";
import { expectError } from "../support/failure.ts";
import { checkDerivatives, checkLoops, expectValues, Grid, grid, numbers, places, total } from "../support/loops.ts";

type Size = readonly [number, number];

// Products

checkLoops(
  "matmul",
  [
    [3, 4],
    [4, 2],
  ],
  wg.matmul,
  (a, b) => grid([3, 2], (i, j) => total(4, (k) => a.at([i, k]) * b.at([k, j]))),
);
checkLoops(
  "matmul of vectors",
  [[4], [4]],
  wg.matmul,
  (a, b) => new Grid([], [total(4, (k) => a.at([k]) * b.at([k]))]),
);
checkLoops("matmul of a row", [[4], [2, 4, 3]], wg.matmul, (a, b) =>
  grid([2, 3], (n, j) => total(4, (k) => a.at([k]) * b.at([n, k, j]))),
);
checkLoops("matmul of a column", [[2, 3, 4], [4]], wg.matmul, (a, b) =>
  grid([2, 3], (n, i) => total(4, (k) => a.at([n, i, k]) * b.at([k]))),
);
checkLoops(
  "matmul of a batch by one matrix",
  [
    [2, 2, 3, 4],
    [4, 2],
  ],
  wg.matmul,
  (a, b) => grid([2, 2, 3, 2], (n, m, i, j) => total(4, (k) => a.at([n, m, i, k]) * b.at([k, j]))),
);
checkLoops(
  "matmul of one matrix by a batch",
  [
    [3, 4],
    [2, 4, 2],
  ],
  wg.matmul,
  (a, b) => grid([2, 3, 2], (n, i, j) => total(4, (k) => a.at([i, k]) * b.at([n, k, j]))),
);
checkLoops(
  "matmul of equal batches",
  [
    [2, 3, 2, 4],
    [2, 3, 4, 2],
  ],
  wg.matmul,
  (a, b) => grid([2, 3, 2, 2], (n, m, i, j) => total(4, (k) => a.at([n, m, i, k]) * b.at([n, m, k, j]))),
);
checkLoops(
  "matmul of broadcasting batches",
  [
    [3, 1, 2, 4],
    [2, 4, 2],
  ],
  wg.matmul,
  (a, b) => grid([3, 2, 2, 2], (n, m, i, j) => total(4, (k) => a.at([n, 0, i, k]) * b.at([m, k, j]))),
);
checkLoops(
  "matmul over nothing",
  [
    [2, 0],
    [0, 3],
  ],
  wg.matmul,
  () => new Grid([2, 3]),
  { second: false },
);
checkLoops("outer", [[3], [2]], wg.outer, (a, b) => grid([3, 2], (i, j) => a.at([i]) * b.at([j])));
checkLoops(
  "linear",
  [[2, 3, 4], [5, 4], [5]],
  (x, w, bias) => wg.linear(x, w, { bias }),
  (x, w, b) => grid([2, 3, 5], (n, m, o) => b.at([o]) + total(4, (k) => x.at([n, m, k]) * w.at([o, k]))),
);
checkLoops(
  "linear with one output",
  [[3, 4], [4]],
  (x, w) => wg.linear(x, w),
  (x, w) => grid([3], (n) => total(4, (k) => x.at([n, k]) * w.at([k]))),
);
checkLoops(
  "bilinear",
  [[3, 2], [3, 4], [5, 2, 4], [5]],
  (x, y, w, bias) => wg.bilinear(x, y, w, { bias }),
  (x, y, w, b) =>
    grid([3, 5], (n, o) => b.at([o]) + total(2, (i) => total(4, (j) => x.at([n, i]) * w.at([o, i, j]) * y.at([n, j])))),
);
checkLoops(
  "addmm",
  [[3], [2, 4], [4, 3]],
  (c, a, b) => wg.addmm(c, a, b, { beta: 0.5, alpha: 2 }),
  (c, a, b) => grid([2, 3], (i, j) => 0.5 * c.at([j]) + 2 * total(4, (k) => a.at([i, k]) * b.at([k, j]))),
);
checkLoops(
  "tensordot of listed dims",
  [
    [2, 3, 4],
    [4, 5, 3],
  ],
  (a, b) =>
    wg.tensordot(a, b, {
      dims: [
        [1, 2],
        [2, 0],
      ],
    }),
  (a, b) => grid([2, 5], (i, j) => total(3, (k) => total(4, (l) => a.at([i, k, l]) * b.at([l, j, k])))),
);
checkLoops(
  "kron",
  [
    [2, 3],
    [2, 2],
  ],
  wg.kron,
  (a, b) => grid([4, 6], (i, j) => a.at([i >> 1, j >> 1]) * b.at([i % 2, j % 2])),
);
checkLoops(
  "cdist",
  [
    [3, 4],
    [2, 4],
  ],
  (a, b) => wg.cdist(a, b),
  (a, b) => grid([3, 2], (i, j) => Math.sqrt(total(4, (k) => (a.at([i, k]) - b.at([j, k])) ** 2))),
);
checkLoops(
  "pairwiseDistance",
  [
    [3, 4],
    [3, 4],
  ],
  (a, b) => wg.pairwiseDistance(a, b, { p: 1, eps: 0 }),
  (a, b) => grid([3], (i) => total(4, (k) => Math.abs(a.at([i, k]) - b.at([i, k])))),
);
checkLoops(
  "cosineSimilarity",
  [
    [3, 4],
    [1, 4],
  ],
  (a, b) => wg.cosineSimilarity(a, b),
  (a, b) =>
    grid([3], (i) => {
      const product = (p: Grid, q: Grid, m: number, n: number): number => total(4, (k) => p.at([m, k]) * q.at([n, k]));
      return product(a, b, i, 0) / Math.sqrt(product(a, a, i, i) * product(b, b, 0, 0));
    }),
);

/** Every combination of the labels' values, straight from the definition. */
function einsumLoop(equation: string, ...operands: Grid[]): Grid {
  const [left, right] = equation.split("->") as [string, string];
  const terms = left.split(",");
  const sizes = new Map<string, number>();
  terms.forEach((term, i) => {
    [...term].forEach((label, d) => {
      sizes.set(label, Math.max(sizes.get(label) ?? 1, (operands[i] as Grid).shape[d] as number));
    });
  });
  const labels = [...sizes.keys()];
  const result = new Grid([...right].map((label) => sizes.get(label) as number));
  for (const place of places([...sizes.values()])) {
    const value = (label: string): number => place[labels.indexOf(label)] as number;
    let product = 1;
    terms.forEach((term, i) => {
      const operand = operands[i] as Grid;
      product *= operand.at([...term].map((label, d) => (operand.shape[d] === 1 ? 0 : value(label))));
    });
    result.add([...right].map(value), product);
  }
  return result;
}

for (const [equation, ...shapes] of [
  ["ij,jk->ik", [2, 3], [3, 4]],
  ["bij,bjk->bik", [2, 2, 3], [2, 3, 2]],
  ["ij->ji", [2, 3]],
  ["ii->i", [3, 3]],
  ["ii->", [3, 3]],
  ["iij,j->i", [2, 2, 3], [3]],
  ["ij,kl->", [2, 2], [2, 3]],
  ["i,j,k->kij", [2], [3], [2]],
  ["bqd,bkd,bkv->bqv", [2, 2, 3], [2, 4, 3], [2, 4, 2]],
  ["ab,b->ab", [2, 3], [1]],
  ["abc,cd,de->ae", [2, 2, 3], [3, 2], [2, 3]],
] as const) {
  checkLoops(
    `einsum ${equation}`,
    shapes,
    (...x) => wg.einsum(equation, ...x),
    (...x) => einsumLoop(equation, ...x),
  );
}
checkLoops(
  "einsum with an ellipsis",
  [
    [2, 3, 2, 4],
    [3, 4, 2],
  ],
  (a, b) => wg.einsum("...ij,...jk->...ik", a, b),
  (a, b) => grid([2, 3, 2, 2], (n, m, i, k) => total(4, (j) => a.at([n, m, i, j]) * b.at([m, j, k]))),
);
checkLoops(
  "einsum without a result",
  [
    [2, 3],
    [3, 4],
  ],
  (a, b) => wg.einsum("kb, ba", a, b),
  (a, b) => grid([4, 2], (i, k) => total(3, (j) => a.at([k, j]) * b.at([j, i]))),
);

// Convolution

interface Shape2 {
  readonly stride: Size;
  readonly padding: Size;
  readonly dilation: Size;
  readonly groups: number;
}

/** Where tap (a, b) of the window at (i, j) lies. */
function tap(s: Shape2, i: number, j: number, a: number, b: number): Size {
  return [i * s.stride[0] + a * s.dilation[0] - s.padding[0], j * s.stride[1] + b * s.dilation[1] - s.padding[1]];
}

function convLoop(x: Grid, w: Grid, s: Shape2): Grid {
  const [n, , h, v] = x.shape as [number, number, number, number];
  const [o, c, kh, kw] = w.shape as [number, number, number, number];
  const count = (size: number, k: number, d: 0 | 1): number =>
    Math.floor((size + 2 * s.padding[d] - s.dilation[d] * (k - 1) - 1) / s.stride[d]) + 1;
  return grid([n, o, count(h, kh, 0), count(v, kw, 1)], (b, out, i, j) => {
    const first = Math.floor(out / (o / s.groups)) * c;
    return total(c, (ch) =>
      total(kh, (p) => total(kw, (q) => x.at([b, first + ch, ...tap(s, i, j, p, q)]) * w.at([out, ch, p, q]))),
    );
  });
}

const plain: Shape2 = { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };
const convolutions: [string, number[], number[], Shape2][] = [
  ["plain", [2, 2, 4, 5], [3, 2, 3, 2], plain],
  ["padded, strided", [1, 2, 5, 4], [2, 2, 3, 3], { ...plain, padding: [1, 2], stride: [2, 1] }],
  ["dilated", [1, 1, 6, 5], [2, 1, 2, 3], { ...plain, dilation: [3, 2], padding: [1, 0] }],
  ["in groups", [1, 4, 4, 3], [6, 2, 2, 2], { ...plain, groups: 2 }],
  ["by channel", [2, 3, 4, 4], [3, 1, 3, 3], { ...plain, groups: 3, padding: [1, 1] }],
  ["by channel, twice as many out", [1, 2, 3, 4], [4, 1, 2, 2], { ...plain, groups: 2 }],
  ["of points", [2, 3, 2, 3], [4, 3, 1, 1], plain],
  ["of points, strided", [1, 2, 4, 5], [3, 2, 1, 1], { ...plain, stride: [2, 3] }],
  ["of one row", [1, 2, 3, 5], [2, 2, 1, 3], { ...plain, stride: [2, 2], padding: [0, 1] }],
];
for (const [name, input, weight, s] of convolutions) {
  checkLoops(
    `conv2d ${name}`,
    [input, weight],
    (x, w) => wg.conv2d(x, w, s),
    (x, w) => convLoop(x, w, s),
  );
}
checkLoops(
  "conv2d with bias, without batch, same size",
  [[2, 4, 3], [3, 2, 2, 3], [3]],
  (x, w, bias) => wg.conv2d(x, w, { bias, padding: "same" }),
  (x, w, b) =>
    grid(
      [3, 4, 3],
      (o, i, j) =>
        b.at([o]) + total(2, (c) => total(2, (p) => total(3, (q) => x.at([c, i + p, j + q - 1]) * w.at([o, c, p, q])))),
    ),
);
checkLoops(
  "conv1d",
  [
    [2, 2, 7],
    [3, 2, 3],
  ],
  (x, w) => wg.conv1d(x, w, { stride: 2, padding: 1 }),
  (x, w) =>
    grid([2, 3, 4], (n, o, i) => total(2, (c) => total(3, (k) => x.at([n, c, 2 * i + k - 1]) * w.at([o, c, k])))),
);
checkLoops(
  "conv3d",
  [
    [1, 2, 3, 3, 3],
    [2, 2, 2, 1, 2],
  ],
  (x, w) => wg.conv3d(x, w),
  (x, w) =>
    grid([1, 2, 2, 3, 2], (n, o, i, j, k) =>
      total(2, (c) => total(2, (p) => total(2, (q) => x.at([n, c, i + p, j, k + q]) * w.at([o, c, p, 0, q])))),
    ),
);

/** Every input spreads the kernel. */
function convTransposeLoop(x: Grid, w: Grid, s: Shape2, extra: Size): Grid {
  const [n, channels, h, v] = x.shape as [number, number, number, number];
  const [, perGroup, kh, kw] = w.shape as [number, number, number, number];
  const size = (length: number, k: number, d: 0 | 1): number =>
    (length - 1) * s.stride[d] - 2 * s.padding[d] + s.dilation[d] * (k - 1) + extra[d] + 1;
  const result = new Grid([n, perGroup * s.groups, size(h, kh, 0), size(v, kw, 1)]);
  for (const [b, c, i, j] of places(x.shape) as Iterable<[number, number, number, number]>) {
    const first = Math.floor(c / (channels / s.groups)) * perGroup;
    for (const [o, p, q] of places([perGroup, kh, kw]) as Iterable<[number, number, number]>) {
      result.add([b, first + o, ...tap(s, i, j, p, q)], x.at([b, c, i, j]) * w.at([c, o, p, q]));
    }
  }
  return result;
}

const transposed: [string, number[], number[], Shape2, Size][] = [
  ["plain", [2, 2, 3, 2], [2, 3, 2, 3], plain, [0, 0]],
  ["strided", [1, 2, 3, 3], [2, 2, 3, 2], { ...plain, stride: [2, 3], padding: [1, 0] }, [1, 2]],
  ["in groups, dilated", [1, 4, 2, 3], [4, 2, 2, 2], { ...plain, groups: 2, dilation: [2, 1], stride: [1, 2] }, [1, 0]],
  ["cropped", [1, 1, 4, 4], [1, 2, 2, 2], { ...plain, padding: [2, 1] }, [0, 0]],
];
for (const [name, input, weight, s, outputPadding] of transposed) {
  checkLoops(
    `convTranspose2d ${name}`,
    [input, weight],
    (x, w) => wg.convTranspose2d(x, w, { ...s, outputPadding }),
    (x, w) => convTransposeLoop(x, w, s, outputPadding),
  );
}

test("convolution of an empty batch", () => {
  const w = wg.tensor(numbers(18), { shape: [1, 2, 3, 3], requiresGrad: true });
  const y = wg.conv2d(wg.zeros([0, 2, 4, 4]), w);
  expectValues(y, [0, 1, 2, 2], []);
  expectValues(wg.grad(y.sum(), [w])[0] as wg.Tensor, [1, 2, 3, 3], new Float64Array(18));
});

test("a product of a tensor with itself", () => {
  const x = wg.tensor(numbers(9), { shape: [3, 3], requiresGrad: true });
  checkDerivatives(x.matmul(x).matmul(x.t()), [x], true);
});

// Errors

const zeros = wg.zeros;
const image = zeros([1, 3, 8, 8]);
const wrong: [string, () => unknown, new (...args: never[]) => Error, RegExp][] = [
  [
    "matmul of other inner sizes",
    () => zeros([32, 784]).matmul(zeros([128, 64])),
    ShapeError,
    /^matmul: inner sizes differ: \[32, 784\] × \[128, 64\] \(784 ≠ 128\)/,
  ],
  ["matmul that needs a transpose", () => zeros([2, 3]).matmul(zeros([4, 3])), ShapeError, /b\.t\(\) would fit/],
  ["matmul with a scalar", () => zeros([2, 3]).matmul(zeros([])), ShapeError, /^matmul: needs vectors or matrices/],
  [
    "matmul of batches that don't broadcast",
    () => zeros([2, 3, 4]).matmul(zeros([3, 4, 2])),
    ShapeError,
    /^matmul: batch dims don't broadcast/,
  ],
  ["mm of batches", () => zeros([2, 3, 4]).mm(zeros([4, 2])), ShapeError, /^mm: the first argument must be a matrix/],
  ["bmm of other batch sizes", () => zeros([2, 3, 4]).bmm(zeros([3, 4, 2])), ShapeError, /^bmm: batch sizes differ/],
  ["dot of other lengths", () => zeros([3]).dot(zeros([4])), ShapeError, /^dot: inner sizes differ/],
  [
    "linear of an unflattened image",
    () => wg.linear(zeros([2, 28, 28]), zeros([10, 784])),
    ShapeError,
    /flatten\(\{ startDim: 1 \}\) would fit/,
  ],
  [
    "linear with a bias of another size",
    () => wg.linear(zeros([2, 3]), zeros([4, 3]), { bias: zeros([3]) }),
    ShapeError,
    /^linear: bias must be \[4\]/,
  ],
  [
    "einsum of other sizes",
    () => wg.einsum("ij,jk->ik", zeros([2, 3]), zeros([4, 2])),
    ShapeError,
    /^einsum: a label's sizes/,
  ],
  [
    "einsum with an unknown label",
    () => wg.einsum("ij->ik", zeros([2, 3])),
    WgradError,
    /^einsum: the result's label "k"/,
  ],
  [
    "einsum with too few tensors",
    () => wg.einsum("ij,jk->ik", zeros([2, 3])),
    WgradError,
    /^einsum: each tensor needs a term/,
  ],
  [
    "conv2d with other channels",
    () => wg.conv2d(image, zeros([4, 2, 3, 3])),
    ShapeError,
    /^conv2d: the input must have 2 channels/,
  ],
  [
    "conv2d of a flat image",
    () => wg.conv2d(zeros([8, 8]), zeros([4, 3, 3, 3])),
    ShapeError,
    /^conv2d: the input must be \[N, C, H, W\]/,
  ],
  [
    "conv2d with too large a kernel",
    () => wg.conv2d(image, zeros([4, 3, 9, 3])),
    ShapeError,
    /^conv2d: the kernel must fit/,
  ],
  [
    "conv2d with stride 0",
    () => wg.conv2d(image, zeros([4, 3, 3, 3]), { stride: 0 }),
    RangeError,
    /^conv2d: stride must be a whole number ≥ 1/,
  ],
  [
    "conv2d of the same size with a stride",
    () => wg.conv2d(image, zeros([4, 3, 3, 3]), { stride: 2, padding: "same" }),
    RangeError,
    /needs stride 1/,
  ],
  [
    "conv2d in groups that don't fit",
    () => wg.conv2d(image, zeros([4, 3, 3, 3]), { groups: 2 }),
    ShapeError,
    /^conv2d: channels must be multiples of groups/,
  ],
  [
    "convTranspose2d with too large an outputPadding",
    () => wg.convTranspose2d(image, zeros([3, 2, 3, 3]), { outputPadding: 1 }),
    RangeError,
    /^convTranspose2d: outputPadding/,
  ],
];
for (const [name, run, kind, wording] of wrong) {
  test(`throws: ${name}`, () => expectError(run, kind, wording));
}

test.run();
