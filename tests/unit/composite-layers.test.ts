// Normalization, attention and losses against loops, derivatives against central differences, and the errors they throw.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DTypeError, ShapeError } from "../../src/base/errors.ts";
import * as wg from "../../src/tensor.ts";
import { expectError } from "../support/failure.ts";
import {
  checkDerivatives,
  checkLoops,
  expectValues,
  Grid,
  grid,
  numbers,
  places,
  same,
  total,
} from "../support/loops.ts";
import { interpret } from "../support/reference.ts";

const { tensor, zeros } = wg;
const integers = (values: readonly number[], shape: readonly number[] = [values.length]): wg.Tensor =>
  tensor(Int32Array.from(values), { shape });

const average = (v: readonly number[]): number => total(v.length, (i) => v[i] as number) / v.length;
const variance = (v: readonly number[]): number => average(v.map((n) => (n - average(v)) ** 2));
const standardize = (value: number, v: readonly number[]): number =>
  (value - average(v)) / Math.sqrt(variance(v) + 1e-5);
const row = (x: Grid, i: number): number[] => Array.from({ length: x.shape[1] as number }, (_, j) => x.at([i, j]));

// Normalization

checkLoops(
  "layerNorm",
  [[3, 5], [5], [5]],
  (x, weight, bias) => x.layerNorm([5], { weight, bias }),
  (x, w, b) => grid([3, 5], (i, j) => standardize(x.at([i, j]), row(x, i)) * w.at([j]) + b.at([j])),
);
checkLoops(
  "layerNorm over two dims",
  [[2, 3, 2]],
  (x) => x.layerNorm([3, 2]),
  (x) =>
    grid([2, 3, 2], (n, i, j) =>
      standardize(
        x.at([n, i, j]),
        [...places([3, 2])].map((p) => x.at([n, ...p])),
      ),
    ),
);
checkLoops(
  "rmsNorm",
  [[3, 4], [4]],
  (x, weight) => x.rmsNorm(4, { weight, eps: 1e-3 }),
  (x, w) => grid([3, 4], (i, j) => (x.at([i, j]) * w.at([j])) / Math.sqrt(average(row(x, i).map((v) => v * v)) + 1e-3)),
);
checkLoops(
  "groupNorm",
  [[2, 4, 3], [4], [4]],
  (x, weight, bias) => x.groupNorm(2, { weight, bias }),
  (x, w, b) =>
    grid([2, 4, 3], (n, c, i) => {
      const group = [...places([2, 3])].map(([d, k]) => x.at([n, 2 * (c >> 1) + (d as number), k as number]));
      return standardize(x.at([n, c, i]), group) * w.at([c]) + b.at([c]);
    }),
);
checkLoops(
  "instanceNorm",
  [[2, 2, 4]],
  (x) => x.instanceNorm(),
  (x) =>
    grid([2, 2, 4], (n, c, i) =>
      standardize(
        x.at([n, c, i]),
        [0, 1, 2, 3].map((k) => x.at([n, c, k])),
      ),
    ),
);
const channel = (x: Grid, c: number): number[] =>
  [...places([x.shape[0] as number, x.shape[2] as number])].map(([n, i]) => x.at([n as number, c, i as number]));
checkLoops(
  "batchNorm in training",
  [[3, 2, 2], [2], [2]],
  (x, weight, bias) => x.batchNorm(null, null, { weight, bias, training: true }),
  (x, w, b) => grid([3, 2, 2], (n, c, i) => standardize(x.at([n, c, i]), channel(x, c)) * w.at([c]) + b.at([c])),
);
checkLoops(
  "batchNorm by running statistics",
  [[3, 2], [2], [2]],
  (x, m, v) => x.batchNorm(m, v),
  (x, m, v) => grid([3, 2], (n, c) => (x.at([n, c]) - m.at([c])) / Math.sqrt(v.at([c]) + 1e-5)),
  { range: [0.5, 2] },
);
checkLoops(
  "localResponseNorm",
  [[1, 5, 2]],
  (x) => x.localResponseNorm(3, { alpha: 0.5, beta: 0.75, k: 2 }),
  (x) =>
    grid(
      [1, 5, 2],
      (n, c, i) => x.at([n, c, i]) / (2 + 0.5 * (total(3, (k) => x.at([n, c + k - 1, i]) ** 2) / 3)) ** 0.75,
    ),
);

test("batchNorm moves the running statistics, with the unbiased variance", () => {
  const x = tensor(numbers(24), { shape: [4, 2, 3] });
  const [m, v] = [tensor([0.5, -0.5]), tensor([1, 2])];
  x.batchNorm(m, v, { training: true, momentum: 0.25 });
  const data = new Grid([4, 2, 3], numbers(24));
  expectValues(
    m,
    [2],
    [0, 1].map((c) => 0.75 * (c === 0 ? 0.5 : -0.5) + 0.25 * average(channel(data, c))),
  );
  expectValues(
    v,
    [2],
    [0, 1].map((c) => 0.75 * (c + 1) + (0.25 * variance(channel(data, c)) * 12) / 11),
  );
});

// Attention

const attend =
  (allowed: (i: number, j: number) => boolean) =>
  (q: Grid, k: Grid, v: Grid): Grid =>
    grid([2, 3, 2], (n, i, d) => {
      const power = (j: number): number =>
        allowed(i, j) ? Math.exp(total(4, (e) => q.at([n, i, e]) * k.at([n, j, e])) / 2) : 0;
      return total(3, (j) => power(j) * v.at([n, j, d])) / total(3, power);
    });
const qkv = [
  [2, 3, 4],
  [2, 3, 4],
  [2, 3, 2],
];
checkLoops(
  "attention",
  qkv,
  (q, k, v) => wg.scaledDotProductAttention(q, k, v),
  attend(() => true),
);
checkLoops(
  "attention, causal",
  qkv,
  (q, k, v) => wg.scaledDotProductAttention(q, k, v, { isCausal: true }),
  attend((i, j) => j <= i),
);
checkLoops(
  "attention with a mask of allowed keys",
  qkv,
  (q, k, v) => wg.scaledDotProductAttention(q, k, v, { attnMask: tensor([true, false, true]) }),
  attend((_, j) => j !== 1),
);
checkLoops(
  "attention with added scores",
  [...qkv, [3, 3]],
  (q, k, v, attnMask) => wg.scaledDotProductAttention(q, k, v, { attnMask, scale: 1 }),
  (q, k, v, m) =>
    grid([2, 3, 2], (n, i, d) => {
      const power = (j: number): number => Math.exp(total(4, (e) => q.at([n, i, e]) * k.at([n, j, e])) + m.at([i, j]));
      return total(3, (j) => power(j) * v.at([n, j, d])) / total(3, power);
    }),
);

// Losses by element

type Pair = (x: number, t: number) => number;
const softplus = (x: number): number => Math.log1p(Math.exp(x));
const elementLosses: [
  string,
  (x: wg.Tensor, t: wg.Tensor, o: { reduction?: "mean" | "sum" | "none" }) => wg.Tensor,
  Pair,
  [number, number],
  boolean?,
][] = [
  ["mseLoss", (x, t, o) => x.mseLoss(t, o), (x, t) => (x - t) ** 2, [-2, 2]],
  ["l1Loss", (x, t, o) => x.l1Loss(t, o), (x, t) => Math.abs(x - t), [-2, 2]],
  [
    "smoothL1Loss",
    (x, t, o) => x.smoothL1Loss(t, { ...o, beta: 0.7 }),
    (x, t) => (Math.abs(x - t) < 0.7 ? (x - t) ** 2 / 1.4 : Math.abs(x - t) - 0.35),
    [-2, 2],
  ],
  [
    "huberLoss",
    (x, t, o) => x.huberLoss(t, { ...o, delta: 0.7 }),
    (x, t) => (Math.abs(x - t) < 0.7 ? (x - t) ** 2 / 2 : 0.7 * (Math.abs(x - t) - 0.35)),
    [-2, 2],
  ],
  [
    "binaryCrossEntropy",
    (x, t, o) => x.binaryCrossEntropy(t, o),
    (x, t) => -(t * Math.log(x) + (1 - t) * Math.log(1 - x)),
    [0.1, 0.9],
  ],
  [
    "binaryCrossEntropyWithLogits",
    (x, t, o) => x.binaryCrossEntropyWithLogits(t, o),
    (x, t) => t * softplus(-x) + (1 - t) * softplus(x),
    [-3, 3],
  ],
  ["klDiv", (x, t, o) => x.klDiv(t, o), (x, t) => t * (Math.log(t) - x), [0.1, 2]],
  ["klDiv of logarithms", (x, t, o) => x.klDiv(t, { ...o, logTarget: true }), (x, t) => Math.exp(t) * (t - x), [-2, 0]],
  ["poissonNllLoss", (x, t, o) => x.poissonNllLoss(t, o), (x, t) => Math.exp(x) - t * x, [0, 2]],
  [
    "poissonNllLoss of rates",
    (x, t, o) => x.poissonNllLoss(t, { ...o, logInput: false, full: true }),
    (x, t) => x - t * Math.log(x + 1e-8) + (t > 1 ? t * Math.log(t) - t + Math.log(2 * Math.PI * t) / 2 : 0),
    [0.2, 3],
  ],
];
for (const [name, call, of, range] of elementLosses) {
  for (const reduction of ["none", "sum", "mean"] as const) {
    checkLoops(
      `${name}, ${reduction}`,
      [
        [3, 4],
        [3, 4],
      ],
      (x, t) => call(x, t, { reduction }),
      (x, t) => {
        const losses = grid([3, 4], (i, j) => of(x.at([i, j]), t.at([i, j])));
        if (reduction === "none") return losses;
        return new Grid([], [total(12, (i) => losses.data[i] as number) / (reduction === "mean" ? 12 : 1)]);
      },
      { range, second: reduction === "none" },
    );
  }
}
checkLoops(
  "binaryCrossEntropyWithLogits, weighted",
  [[3, 4], [3, 4], [4]],
  (x, t, posWeight) =>
    x.binaryCrossEntropyWithLogits(t, { posWeight, weight: tensor([[1], [2], [3]]), reduction: "none" }),
  (x, t, p) =>
    grid(
      [3, 4],
      (i, j) =>
        (i + 1) * (p.at([j]) * t.at([i, j]) * softplus(-x.at([i, j])) + (1 - t.at([i, j])) * softplus(x.at([i, j]))),
    ),
);
checkLoops(
  "gaussianNllLoss",
  [
    [3, 4],
    [3, 4],
    [3, 1],
  ],
  (x, t, v) => x.gaussianNllLoss(t, v, { full: true, reduction: "none" }),
  (x, t, v) =>
    grid(
      [3, 4],
      (i, j) =>
        (Math.log(v.at([i, 0])) + (x.at([i, j]) - t.at([i, j])) ** 2 / v.at([i, 0]) + Math.log(2 * Math.PI)) / 2,
    ),
  { range: [0.5, 2] },
);

test("binaryCrossEntropy and its gradient stay finite at 0 and 1", () => {
  const p = tensor([0, 1, 0, 1], { requiresGrad: true });
  const loss = p.binaryCrossEntropy(tensor([0, 1, 1, 0]), { reduction: "none" });
  expectValues(loss, [4], [0, 0, 100, 100]);
  const [g] = interpret(wg.grad(loss.sum(), [p])) as [Float64Array];
  same(g, [0, 0, -1e12, 1e12], 1e-6, "gradient");
});

test("klDiv of target 0 is 0, and batchmean divides by the batch", () => {
  expectValues(tensor([-1, -2]).klDiv(tensor([0, 1]), { reduction: "none" }), [2], [0, 2]);
  expectValues(zeros([2, 3]).klDiv(wg.ones([2, 3]).mul(2), { reduction: "batchmean" }), [], [6 * Math.log(2)]);
});

// Losses of classes

interface ClassCase {
  readonly shape: number[];
  readonly target: number[];
  readonly weight?: number[];
  readonly ignoreIndex?: number;
  readonly labelSmoothing?: number;
}

const classCases: Record<string, ClassCase> = {
  plain: { shape: [4, 3], target: [2, 0, 1, 2] },
  "without batch": { shape: [3], target: [1] },
  weighted: { shape: [4, 3], target: [2, 0, 1, 2], weight: [1, 2, 0.5] },
  "with ignored targets": { shape: [4, 3], target: [2, -100, 1, -100] },
  "with an ignored class": { shape: [4, 3], target: [2, 0, 1, 2], ignoreIndex: 2, weight: [1, 2, 0.5] },
  smoothed: { shape: [4, 3], target: [2, 0, -100, 1], labelSmoothing: 0.3 },
  "smoothed and weighted": {
    shape: [3, 3],
    target: [2, 0, 1],
    labelSmoothing: 0.2,
    weight: [1, 2, 0.5],
    ignoreIndex: 0,
  },
  "of images": { shape: [2, 3, 2, 2], target: [0, 2, 1, 1, 2, 2, 0, 1] },
};

/** Loss and weight of every target, straight from the definition. */
function classLoss(x: Grid, c: ClassCase, reduction: "none" | "mean" | "sum"): Grid {
  const dim = x.shape.length === 1 ? 0 : 1;
  const classes = x.shape[dim] as number;
  const shape = x.shape.filter((_, d) => d !== dim);
  const smoothing = c.labelSmoothing ?? 0;
  const weight = (k: number): number => c.weight?.[k] ?? 1;
  const results = [...places(shape)].map((place, n) => {
    const target = c.target[n] as number;
    if (target === (c.ignoreIndex ?? -100)) return { loss: 0, weight: 0 };
    const logit = (k: number): number => x.at([...place.slice(0, dim), k, ...place.slice(dim)]);
    const norm = Math.log(total(classes, (k) => Math.exp(logit(k))));
    const term = (k: number): number => weight(k) * (norm - logit(k));
    return {
      loss: (1 - smoothing) * term(target) + (smoothing / classes) * total(classes, term),
      weight: weight(target),
    };
  });
  const losses = results.map((r) => r.loss);
  if (reduction === "none") return new Grid(shape, losses);
  const sum = losses.reduce((a, b) => a + b, 0);
  return new Grid([], [reduction === "sum" ? sum : sum / results.reduce((a, r) => a + r.weight, 0)]);
}

for (const [name, c] of Object.entries(classCases)) {
  const target = integers(c.target, c.shape.length === 1 ? [] : c.shape.filter((_, d) => d !== 1));
  const { ignoreIndex = -100, labelSmoothing = 0 } = c;
  const options = { ignoreIndex, ...(c.weight === undefined ? {} : { weight: tensor(c.weight) }) };
  for (const reduction of ["none", "mean", "sum"] as const) {
    const loop = (x: Grid): Grid => classLoss(x, c, reduction);
    checkLoops(
      `crossEntropy ${name}, ${reduction}`,
      [c.shape],
      (x) => x.crossEntropy(target, { ...options, labelSmoothing, reduction }),
      loop,
    );
    if (labelSmoothing > 0) continue;
    checkLoops(
      `nllLoss ${name}, ${reduction}`,
      [c.shape],
      (x) => x.logSoftmax(c.shape.length === 1 ? 0 : 1).nllLoss(target, { ...options, reduction }),
      loop,
      { second: false },
    );
  }
}
checkLoops(
  "crossEntropy of probabilities",
  [
    [2, 3, 2],
    [2, 3, 2],
  ],
  (x, t) => x.crossEntropy(t, { labelSmoothing: 0.3, weight: tensor([1, 2, 0.5]) }),
  (x, t) => {
    const loss = (n: number, i: number): number => {
      const norm = Math.log(total(3, (k) => Math.exp(x.at([n, k, i]))));
      return total(3, (k) => (0.7 * t.at([n, k, i]) + 0.1) * ([1, 2, 0.5][k] as number) * (norm - x.at([n, k, i])));
    };
    return new Grid([], [average([loss(0, 0), loss(0, 1), loss(1, 0), loss(1, 1)])]);
  },
  { range: [0, 1] },
);

test("crossEntropy survives huge logits, and the mean of nothing is NaN", () => {
  const x = tensor(
    [
      [1000, 0],
      [-1000, 1000],
    ],
    { requiresGrad: true },
  );
  const loss = x.crossEntropy(integers([1, 1]), { reduction: "none" });
  expectValues(loss, [2], [1000, 0]);
  expectValues(wg.grad(loss.sum(), [x])[0] as wg.Tensor, [2, 2], [1, -1, 0, 0]);
  expectValues(zeros([1, 2]).crossEntropy(integers([-100])), [], [Number.NaN]);
});

// Losses on pairs and triples

const sign = tensor([1, -1, 1, -1]);
const signs = [1, -1, 1, -1] as const;
const side = (i: number): number => signs[i] as number;
checkLoops(
  "hingeEmbeddingLoss",
  [[4]],
  (x) => x.hingeEmbeddingLoss(sign, { reduction: "none" }),
  (x) => grid([4], (i) => (side(i) === 1 ? x.at([i]) : Math.max(0, 1 - x.at([i])))),
);
checkLoops(
  "marginRankingLoss",
  [[4], [4]],
  (x, y) => x.marginRankingLoss(y, sign, { margin: 0.5 }),
  (x, y) => new Grid([], [total(4, (i) => Math.max(0, 0.5 - side(i) * (x.at([i]) - y.at([i])))) / 4]),
);
checkLoops(
  "cosineEmbeddingLoss",
  [
    [4, 3],
    [4, 3],
  ],
  (x, y) => x.cosineEmbeddingLoss(y, sign, { margin: 0.1, reduction: "none" }),
  (x, y) =>
    grid([4], (i) => {
      const product = (a: Grid, b: Grid): number => total(3, (k) => a.at([i, k]) * b.at([i, k]));
      const cosine = product(x, y) / Math.sqrt(product(x, x) * product(y, y));
      return side(i) === 1 ? 1 - cosine : Math.max(0, cosine - 0.1);
    }),
);
for (const swap of [false, true]) {
  checkLoops(
    `tripletMarginLoss${swap ? " with swap" : ""}`,
    [
      [4, 3],
      [4, 3],
      [4, 3],
    ],
    (a, p, n) => a.tripletMarginLoss(p, n, { swap, reduction: "none" }),
    (a, p, n) =>
      grid([4], (i) => {
        const distance = (x: Grid, y: Grid): number =>
          Math.sqrt(total(3, (k) => (x.at([i, k]) - y.at([i, k]) + 1e-6) ** 2));
        return Math.max(0, 1 + distance(a, p) - (swap ? Math.min(distance(a, n), distance(p, n)) : distance(a, n)));
      }),
  );
}

test("a layer of everything has derivatives", () => {
  const x = tensor(numbers(24), { shape: [2, 3, 4], requiresGrad: true });
  const y = x.layerNorm(4).matmul(x.transpose(1, 2)).softmax(-1).matmul(x);
  checkDerivatives(y.logSoftmax(1).mul(x).sum(0), [x], true);
});

// Errors

const x43 = zeros([4, 3]);
const wrong: [string, () => unknown, new (...args: never[]) => Error, RegExp][] = [
  ["layerNorm of another size", () => x43.layerNorm([4]), ShapeError, /^layerNorm: the last dims must be \[4\]/],
  [
    "groupNorm of channels that don't divide",
    () => zeros([2, 3, 2]).groupNorm(2),
    ShapeError,
    /^groupNorm: the channels must be a multiple/,
  ],
  [
    "batchNorm of one value",
    () => zeros([1, 3]).batchNorm(null, null, { training: true }),
    ShapeError,
    /^batchNorm: needs more than one value/,
  ],
  [
    "batchNorm with a running mean of another size",
    () => x43.batchNorm(zeros([4]), zeros([4])),
    ShapeError,
    /^batchNorm: runningMean must be \[3\]/,
  ],
  [
    "batchNorm of integers",
    () => integers([1, 2], [2, 1]).batchNorm(null, null, { training: true }),
    DTypeError,
    /^batchNorm/,
  ],
  [
    "attention of other widths",
    () => wg.scaledDotProductAttention(x43, zeros([4, 2]), x43),
    ShapeError,
    /^scaledDotProductAttention: needs/,
  ],
  [
    "attention with two masks",
    () => wg.scaledDotProductAttention(x43, x43, x43, { attnMask: zeros([4, 4]), isCausal: true }),
    Error,
    /not both/,
  ],
  [
    "mseLoss of [4] and [3]",
    () => zeros([4]).mseLoss(zeros([3])),
    ShapeError,
    /^mseLoss: shapes don't broadcast, got \[4\] and \[3\]/,
  ],
  [
    "binaryCrossEntropyWithLogits of [N] and [N, 1]",
    () => zeros([4]).binaryCrossEntropyWithLogits(zeros([4, 1])),
    ShapeError,
    /^binaryCrossEntropyWithLogits: input and target must have one shape.*reshape\(\[4\]\)/,
  ],
  [
    "l1Loss with an unknown reduction",
    () => x43.l1Loss(x43, { reduction: "max" as "mean" }),
    RangeError,
    /^l1Loss: reduction must be/,
  ],
  [
    "crossEntropy with float classes",
    () => x43.crossEntropy(zeros([4])),
    DTypeError,
    /^crossEntropy: class indices must be i32/,
  ],
  [
    "crossEntropy with a target of another shape",
    () => x43.crossEntropy(integers([0, 1, 2])),
    ShapeError,
    /^crossEntropy: class indices for \[4, 3\] must be \[4\]/,
  ],
  [
    "crossEntropy with a class too many",
    () => x43.crossEntropy(integers([0, 1, 2, 3])),
    RangeError,
    /^crossEntropy: class 3 is out of range for 3 classes/,
  ],
  [
    "crossEntropy with a weight of another size",
    () => x43.crossEntropy(integers([0, 1, 2, 0]), { weight: zeros([4]) }),
    ShapeError,
    /^crossEntropy: weight must be \[3\]/,
  ],
  [
    "crossEntropy with too much smoothing",
    () => x43.crossEntropy(integers([0, 1, 2, 0]), { labelSmoothing: 2 }),
    RangeError,
    /^crossEntropy: labelSmoothing/,
  ],
  [
    "gaussianNllLoss with a variance that doesn't fit",
    () => x43.gaussianNllLoss(x43, zeros([3, 1])),
    ShapeError,
    /^gaussianNllLoss: the variance/,
  ],
  ["huberLoss with delta 0", () => x43.huberLoss(x43, { delta: 0 }), RangeError, /^huberLoss: delta must be > 0/],
];
for (const [name, run, kind, wording] of wrong) {
  test(`throws: ${name}`, () => expectError(run, kind, wording));
}

test("crossEntropy lets the ignored index be out of range", () => {
  assert.not.throws(() => x43.crossEntropy(integers([0, 255, 2, 1]), { ignoreIndex: 255 }));
});

test.run();
