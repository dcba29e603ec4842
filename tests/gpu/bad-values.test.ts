// Bad labels, indices and numbers: an error where the host knows them, NaN where only the device does, never a plausible number.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { ShapeError } from "../../src/base/errors.ts";
import * as wg from "../../src/index.ts";
import { expectError } from "../support/failure.ts";
import { interpret } from "../support/reference.ts";

const { compile, crossEntropy, grad, init, nn, nllLoss, ones, tensor, zeros } = wg;
type Tensor = wg.Tensor;

const device = await init();
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
/** What integers have in place of NaN. */
const NONE = -(2 ** 31);

const ints = (...values: number[]): Tensor => tensor(values, { dtype: "i32" });
/** Integers that only the device knows. */
const unseen = (...values: number[]): Tensor => ints(...values).add(zeros([values.length], { dtype: "i32" }).mul(2));
const floats = (...values: number[]): Tensor => tensor(values).mul(1);

/** A tensor, and the numbers that it must have, about. */
type Row = readonly [title: string, x: Tensor, expected: readonly number[]];

/** Computes all of them together, on the device and, unless it rounds, by the float64 reference. */
async function expectAll(rows: readonly Row[], reference = true): Promise<void> {
  const computed = rows.map(([, x]) => (reference ? (interpret([x])[0] as Float64Array) : null));
  await wg.realize(...rows.map(([, x]) => x));
  for (const [i, [title, x, expected]] of rows.entries()) {
    for (const [by, found] of [
      ["the device", await x.data()],
      ["the reference", computed[i]],
    ] as const) {
      if (!found) continue;
      const values = Array.from(found);
      const right = values.every((v, at) => {
        const e = expected[at] as number;
        return Object.is(v, e) || v === e || (v !== 0 && Math.abs(v - e) <= 1e-5 * Math.abs(e));
      });
      assert.ok(right && values.length === expected.length, `${title}, ${by}: ${values} instead of ${expected}`);
    }
  }
}

/** The gradient of the sum of what `f` makes of these numbers. */
function slope(f: (x: Tensor) => Tensor, ...values: number[]): Tensor {
  const x = tensor(values, { requiresGrad: true });
  return grad(f(x).sum(), [x])[0] as Tensor;
}

/** A matrix on the host, of whose columns the first is good and the second is bad. */
const columns = (good: readonly number[], bad: readonly number[], dtype: wg.DType = "i32"): [Tensor, Tensor] => {
  const x = tensor(
    good.flatMap((g, i) => [g, bad[i] as number]),
    { shape: [good.length, 2], dtype },
  );
  return [x.select(1, 0), x.select(1, 1)];
};

test("checks look at what an op reads, through views and casts, and at nothing else", async () => {
  const [good, bad] = columns([0, 1], [7, 8]);
  const [goodReal, badReal] = columns([0.2, 1], [7, 8], "f32");
  const table = tensor(
    [
      [1, 2],
      [3, 4],
      [5, 6],
    ].flat(),
    { shape: [3, 2] },
  );
  const logits = zeros([2, 3]);
  const logP = zeros([4, 2, 3]).logSoftmax(2);
  const targets = tensor([1, 2, 9, 1, 9, 9], { dtype: "i32", shape: [2, 3] });
  const both = (index: Tensor): Tensor => index.reshape([2, 1]).expand([2, 2]);
  const calls: readonly (readonly [string, (index: Tensor) => Tensor])[] = [
    ["crossEntropy", (index) => crossEntropy(logits, index)],
    ["nllLoss", (index) => nllLoss(logits, index)],
    ["embedding", (index) => wg.embedding(index, table)],
    ["gather", (index) => table.gather(0, both(index))],
    ["indexSelect", (index) => table.indexSelect(0, index)],
    ["take", (index) => table.take(index)],
    ["takeAlongDim", (index) => table.takeAlongDim(both(index), { dim: 0 })],
    ["oneHot", (index) => index.oneHot(3)],
    ["scatter", (index) => table.scatter(0, both(index), 1)],
    ["scatterAdd", (index) => table.scatterAdd(0, both(index), ones([2, 2]))],
    ["scatterReduce", (index) => table.scatterReduce(0, both(index), ones([2, 2]), "prod")],
    ["indexAdd", (index) => table.indexAdd(0, index, ones([2, 2]))],
    ["searchsorted", (index) => wg.searchsorted(tensor([1, 2]), tensor([1]), { sorter: index })],
    ["narrow", (index) => table.narrow(0, index.select(0, 1), 2)],
    ["ctcLoss", (index) => wg.ctcLoss(logP, targets, [4, 4], index)],
  ];
  for (const [op, call] of calls) {
    call(good);
    call(goodReal.to("i32"));
    expectError(() => call(bad), RangeError, new RegExp(`^${op}: `));
    expectError(() => call(badReal.to("i32")), RangeError, new RegExp(`^${op}: `));
  }
  expectError(() => wg.bernoulli(badReal), RangeError, /^bernoulli: .*0 … 1, got 7\./);
  expectError(() => wg.multinomial(tensor([1, 0, 1, 0], { shape: [2, 2] }).t(), 1), RangeError, /^multinomial: /);
  wg.multinomial(tensor([1, -2, 1, 3], { shape: [2, 2] }).select(1, 0), 1);
  expectError(() => wg.binaryCrossEntropy(badReal, ones([2])), RangeError, /^binaryCrossEntropy: .*got 7\./);
  expectError(() => wg.ctcLoss(logP, targets, [4, 4], [2, 2]), RangeError, /^ctcLoss: target 9 /);
  expectError(() => wg.ctcLoss(logP, ints(1, 2, 1), [4, 4], [2, 2]), RangeError, /^ctcLoss: .* add up to 4, got 3/);
  const labels = tensor(Int32Array.of(7, 0, 8, 1), { shape: [2, 2] });
  await expectAll([
    ["a column", crossEntropy(zeros([2, 3]), labels.select(1, 1)), [Math.log(3)]],
    [
      "a padded, turned and repeated view",
      wg.bincount(labels.t().narrow(0, 1, 1).reshape([2]).pad([0, 1], { value: 3 })),
      [1, 1, 0, 1],
    ],
    ["counts of a column", ints(5, 6).repeatInterleave(labels.select(1, 1), { dim: 0 }), [6]],
    ["as many classes as a column has", good.oneHot(-1).flatten(), [1, 0, 0, 1]],
  ]);
  expectError(() => crossEntropy(zeros([2, 3]), wg.full([2], 3, { dtype: "i32" })), RangeError, /class 3 /);
  expectError(() => crossEntropy(zeros([4, 3]), wg.arange(4)), RangeError, /class 3 /);
});

test("a class is ignored, or is a class", async () => {
  expectError(() => crossEntropy(zeros([3, 3]), ints(1, 20, 255), { ignoreIndex: 255 }), RangeError, /class 20 /);
  expectError(() => crossEntropy(zeros([3, 3]), ints(1, -1, -100)), RangeError, /class -1 /);
  expectError(() => nllLoss(zeros([3, 3]), ints(1, -1, -100)), RangeError, /class -1 /);
  await expectAll([
    ["ignored", crossEntropy(zeros([3, 3]), ints(1, 2, 255), { ignoreIndex: 255 }), [Math.log(3)]],
    ["none is counted", crossEntropy(zeros([2, 3]), unseen(-100, -100)), [nan]],
  ]);
});

test("classes that only the device knows spoil their rows, and the gradients of these", async () => {
  const labels = (): Tensor => unseen(1, 20, -100, 0, -1);
  const [third, none] = [Math.log(3), { reduction: "none" }] as const;
  const step = compile((given: Tensor) => [
    crossEntropy(zeros([3, 3]), given, none),
    crossEntropy(zeros([3, 3]), given),
  ]);
  const [rows, mean] = step(ints(0, 20, 255)) as [Tensor, Tensor];
  const [, good] = step(ints(0, 2, -100)) as [Tensor, Tensor];
  const rowSlopes = (options: object): Tensor =>
    slope((x) => crossEntropy(x.reshape([2, 2]), unseen(1, 2), { reduction: "sum", ...options }), 0, 0, 0, 0);
  await expectAll([
    ["mean", crossEntropy(zeros([5, 3]), labels()), [nan]],
    ["rows", crossEntropy(zeros([5, 3]), labels(), none), [third, nan, 0, third, nan]],
    ["smoothed", crossEntropy(zeros([5, 3]), labels(), { ...none, labelSmoothing: 0.1 }), [third, nan, 0, third, nan]],
    [
      "weighted",
      crossEntropy(zeros([5, 3]), labels(), { ...none, weight: tensor([2, 1, 3]) }),
      [third, nan, 0, 2 * third, nan],
    ],
    ["nllLoss", nllLoss(ones([5, 3]), labels(), none), [-1, nan, -0, -1, nan]],
    ["gradient", rowSlopes({}), [0.5, -0.5, nan, nan]],
    ["gradient where class 0 is ignored", rowSlopes({ ignoreIndex: 0 }), [0.5, -0.5, nan, nan]],
    ["of NaN", crossEntropy(zeros([2, 3]), floats(nan, 1).to("i32"), none), [nan, third]],
  ]);
  const compiled: Row[] = [
    ["compiled", rows, [third, nan, nan]],
    ["its mean", mean, [nan]],
    ["its mean of others", good, [third]],
  ];
  await expectAll(compiled, false);
});

test("a compiled step that knew its labels is traced again when they are others", async () => {
  const labels = ints(0, 1);
  const step = compile(() => crossEntropy(tensor([3, 0, 0, 0], { shape: [2, 2] }), labels));
  const losses = [Math.log(1 + Math.exp(-3)), Math.log(2)] as const;
  const mean = (losses[0] + losses[1]) / 2;
  const found: Row[] = [["known", step(), [mean]]];
  for (const [first, expected] of [
    [-100, losses[1]],
    [7, nan],
    [0, mean],
  ] as const) {
    labels.assign(ints(first, 1));
    found.push([`with ${first}`, step(), [expected]]);
  }
  await expectAll(found, false);
});

test("indices that only the device knows", async () => {
  const at = (...values: number[]): Tensor => unseen(...values);
  const column = at(0, 3).reshape([1, 2]);
  await expectAll([
    ["gather", tensor([1, 2, 3]).gather(0, at(0, 3, -1)), [1, nan, nan]],
    ["gather of integers", ints(5, 6, 7).gather(0, at(0, 3, -1)), [5, NONE, NONE]],
    ["indexSelect", tensor([1, 2, 3]).indexSelect(0, at(2, 3)), [3, nan]],
    ["take", tensor([1, 2, 3]).take(at(0, 3, -1, -4)), [1, nan, 3, nan]],
    ["embedding", wg.embedding(at(0, 3), ones([3, 1])).flatten(), [1, nan]],
    ["oneHot", at(0, 3).oneHot(2).flatten(), [1, 0, NONE, NONE]],
    ["scatter", zeros([3, 3]).scatter(0, column, 5).flatten(), [5, nan, 0, 0, nan, 0, 0, nan, 0]],
    [
      "scatterAdd",
      zeros([3, 3])
        .scatterAdd(0, column, ones([1, 2]))
        .flatten(),
      [1, nan, 0, 0, nan, 0, 0, nan, 0],
    ],
    [
      "scatterReduce",
      ones([3, 2])
        .scatterReduce(0, column, ones([1, 2]), "sum")
        .flatten(),
      [2, nan, 1, nan, 1, nan],
    ],
    ["indexAdd", zeros([2]).indexAdd(0, at(0, 2), ones([2])), [nan, nan]],
    ["indexAdd of integers", ints(0, 0).indexAdd(0, at(0, 2), ints(1, 1)), [NONE, NONE]],
    ["searchsorted", wg.searchsorted(tensor([1, 2]), tensor([1]), { sorter: at(0, 2) }), [NONE]],
    ["bernoulli", wg.bernoulli(floats(nan, 2, 0, 1, -1)), [nan, nan, 0, 1, nan]],
    [
      "multinomial",
      wg.multinomial(floats(nan, 1, 0, 0, 1, -1, 1, 0).reshape([4, 2]), 1).flatten(),
      [NONE, NONE, NONE, 0],
    ],
    ["what isn't finite stays where it goes", zeros([3]).indexAdd(0, ints(0, 1, 1), tensor([nan, 1, 2])), [nan, 3, 0]],
  ]);
});

test("lengths and targets of ctcLoss that only the device knows", async () => {
  const logP = zeros([4, 2, 3]).logSoftmax(2);
  const targets = tensor([1, 2, 1, 1, 2, 1], { dtype: "i32", shape: [2, 3] });
  const all = { reduction: "none", zeroInfinity: true } as const;
  const expected = (await wg.ctcLoss(logP, targets, [4, 4], [2, 2], all).data())[0] as number;
  await expectAll([
    ["targets", wg.ctcLoss(logP, unseen(1, 2, 9, 1, 9, 9).reshape([2, 3]), [4, 4], [2, 2], all), [expected, nan]],
    ["input lengths", wg.ctcLoss(logP, targets, unseen(4, 5), [2, 2], all), [expected, nan]],
    ["target lengths", wg.ctcLoss(logP, targets, [4, 4], unseen(2, 4), all), [expected, nan]],
  ]);
});

test("NaN stays NaN, and infinities have the gradients of their limits", async () => {
  const none = { reduction: "none" } as const;
  const bce = (x: Tensor): Tensor => wg.binaryCrossEntropy(x, ones([x.numel]), none);
  const apart = [inf, -inf, nan, 1, -1, 0.5, 0] as const;
  const toZero = (loss: typeof wg.huberLoss) => (x: Tensor) => loss(x, zeros([x.numel]), none);
  const grid = (options: wg.GridSampleOptions): Tensor =>
    wg
      .gridSample(
        ones([1, 1, 3, 3]),
        tensor([
          [
            [
              [nan, 0],
              [0, nan],
              [0, 0],
            ],
          ],
        ]),
        options,
      )
      .flatten();
  await expectAll([
    ["binaryCrossEntropy", bce(tensor([nan, 0, 1])), [nan, 100, -0]],
    ["outside 0 … 1", bce(floats(1.5, -0.5, 0.5)), [nan, nan, Math.log(2)]],
    ["its gradient", slope((x) => bce(x.mul(1)), nan, 1.5, -0.5, 0.5), [nan, nan, nan, -2]],
    ["gridSample", grid({}), [nan, nan, 1]],
    ["nearest", grid({ mode: "nearest", paddingMode: "border" }), [nan, nan, 1]],
    ["bicubic", grid({ mode: "bicubic", paddingMode: "reflection" }), [nan, nan, 1]],
    ["huberLoss", slope(toZero(wg.huberLoss), ...apart), [1, -1, nan, 1, -1, 0.5, 0]],
    ["smoothL1Loss", slope(toZero(wg.smoothL1Loss), ...apart), [1, -1, nan, 1, -1, 0.5, 0]],
    ["digamma", tensor([3.4e38, inf, -inf, nan]).digamma(), [88.7220083, inf, nan, nan]],
    ["lgamma", tensor([-1e-40, 1e-40, 0, -1e-12]).lgamma(), [92.1034, 92.1034, inf, 27.6310211]],
    ["logit", slope((x) => x.logit(), -0.5, 1.5, 0, 0.5, nan), [nan, nan, inf, 4, nan]],
    ["relu", slope((x) => x.relu(), nan, 1, 0, -1), [1, 1, 0, 0]],
    ["a limit below", slope((x) => x.clamp({ min: 0 }), nan, 1, 0, -1), [0, 1, 1, 0]],
    ["rounded quotients", slope((x) => x.div(0, { roundingMode: "trunc" }), 0, 1), [0, 0]],
    ["norm of p ½", slope((x) => x.norm({ p: 0.5 }), 0, 4), [0, 1]],
    ["logcumsumexp", slope((x) => x.logcumsumexp(0), 3, nan, 2), [nan, nan, nan]],
    ["whole numbers of NaN", tensor([nan, 1e20, -1.5]).mul(1).to("i32"), [NONE, 2 ** 31 - 128, -1]],
    ["dropout by NaN", ones([2]).mul(wg.dropout(ones([2]), tensor(nan).mul(1))), [nan, nan]],
  ]);
});

const hasHalf = device.gpu.features.has("shader-f16");
(hasHalf ? test : test.skip)("f16 keeps its small numbers", async () => {
  const values = [1e-7, -6e-8, 2.9e-8, -2.9e-8, 6.1e-5, 6.0975e-5, 65519, 65520, nan, -0];
  const host = await tensor(values, { dtype: "f16" }).data();
  await expectAll(
    [
      ["stored", tensor(values).to("f16"), [...host]],
      ["on the way", tensor(values).to("f16").to("f32"), [...host]],
    ],
    false,
  );
  assert.is(1 / ((await tensor([1, -0]).to("f16").data())[1] as number), -inf);
});

test("results of more than 2^31 - 1 elements are refused at the line", () => {
  const many = (): Tensor => ones([65536]);
  const calls: readonly (readonly [string, () => unknown])[] = [
    ["pad", () => ones([2]).pad([0, 2 ** 31])],
    ["outer", () => wg.outer(many(), many())],
    ["expand", () => ones([1]).expand([65536, 65536])],
    ["diagEmbed", () => many().diagEmbed()],
    [
      "tril",
      () =>
        many()
          .mul(ones([65536, 1]))
          .tril(),
    ],
    ["oneHot", () => wg.arange(65536).oneHot(65536)],
    ["eye", () => wg.eye(65536)],
    ["repeat", () => ones([2]).repeat([2 ** 31])],
    ["tile", () => ones([2]).tile([2 ** 31])],
    ["repeatInterleave", () => many().repeatInterleave(65536)],
    ["kron", () => wg.kron(many(), many())],
    ["unfold", () => ones([200_000]).unfold(0, 100_000, 1)],
    ["cat", () => wg.cat([ones([2 ** 30]), ones([2 ** 30])])],
    ["stack", () => wg.stack([ones([2 ** 30]), ones([2 ** 30])])],
    ["meshgrid", () => wg.meshgrid(many(), many())],
    ["interpolate", () => ones([1, 1, 2]).interpolate({ size: 2 ** 31 })],
    ["adaptiveAvgPool1d", () => ones([1, 1, 3]).adaptiveAvgPool1d(2 ** 31)],
    ["linspace", () => wg.linspace(0, 1, 2 ** 31)],
    ["bincount", () => wg.bincount(ints(2 ** 31 - 1))],
    ["cdist", () => wg.cdist(ones([65536, 1]), ones([65536, 1]))],
    ["indexSelect", () => ones([65536, 2]).indexSelect(1, zeros([65536], { dtype: "i32" }))],
    ["embedding", () => wg.embedding(zeros([65536, 256], { dtype: "i32" }), ones([2, 256]))],
    ["tensordot", () => wg.tensordot(many(), many(), { dims: 0 })],
    ["einsum", () => wg.einsum("i,j->ij", many(), many())],
  ];
  for (const [op, call] of calls) expectError(call, ShapeError, new RegExp(`^${op}: .*2\\^31 - 1 elements`));
});

test("MultiheadAttention: a query that sees nothing gives the last projection's bias, and weights of 0", async () => {
  const layer = new nn.MultiheadAttention(4, 2, { batchFirst: true });
  const x = wg.randn([2, 3, 4], { requiresGrad: true });
  // Of the first sequence all keys are hidden, of the second none.
  const hidden = tensor([true, true, true, false, false, false]).reshape([2, 3]);
  for (const keyPaddingMask of [hidden, wg.where(hidden, -inf, 0)]) {
    const [y, weights] = layer.forward(x, x, x, { keyPaddingMask }) as [Tensor, Tensor];
    const [dx] = grad(y.square().sum().add(weights.square().sum()), [x]) as [Tensor];
    await wg.realize(y, weights, dx);
    const [values, seen, slopes] = [await y.data(), await weights.data(), await dx.data()];
    const bias = await (layer.out_proj.bias as Tensor).data();
    values.slice(0, 12).forEach((v, i) => {
      assert.is(v, bias[i % 4]);
    });
    assert.equal([...seen.slice(0, 9)], new Array(9).fill(0));
    assert.equal([...slopes.slice(0, 12)].map(Math.abs), new Array(12).fill(0));
    for (const all of [values, seen, slopes]) assert.ok(all.every((v) => Number.isFinite(v)));
    assert.ok(slopes.slice(12).every((v) => v !== 0));
  }
});

test.run();
