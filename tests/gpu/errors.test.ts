// Wrong calls: each throws where it is written, in the class and the words that help, and leaves everything working.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  DeviceLostError,
  DisposedTensorError,
  DTypeError,
  OutOfMemoryError,
  ShapeError,
  WgradError,
} from "../../src/base/errors.ts";
import * as wg from "../../src/index.ts";
import { type ErrorClass, failure } from "../support/failure.ts";

const { data, io, nn, optim } = wg;
const { ones, tensor, zeros } = wg;

/** What was tried, the wrong call, the class of its error and what the message must say. */
type Row = readonly [title: string, call: () => unknown, expected: ErrorClass, words: RegExp];

let device = await wg.init();

/** What the types forbid and a JavaScript program can still write. */
const untyped = (value: unknown): never => value as never;

const ints = (...values: number[]): wg.Tensor => tensor(values, { dtype: "i32" });
const weights = (...shape: number[]): wg.Tensor => zeros(shape, { requiresGrad: true });

/** What holds for every message: whole sentences, no internals, nothing printed that has no text. */
function checkMessage(error: Error): void {
  const { message } = error;
  assert.not.match(message, /undefined|\[object |internal:|Cannot read|is not a function|is not iterable|NaN ≠/);
  assert.match(message, /[.?]$/, `ends with a whole sentence: ${message}`);
}

const shapes: Row[] = [
  [
    "matmul, inner sizes",
    () => ones([2, 3]).matmul(ones([4, 3])),
    ShapeError,
    /^matmul: .*\[2, 3\].*\[4, 3\].*3 ≠ 4.*\.t\(\)/,
  ],
  ["matmul of a scalar", () => ones([]).matmul(ones([3])), ShapeError, /^matmul: /],
  [
    "matmul, batches",
    () => ones([2, 4, 3]).matmul(ones([5, 3, 4])),
    ShapeError,
    /^matmul: .*\[2, 4, 3\] × \[5, 3, 4\] \(2 ≠ 5\)/,
  ],
  ["mm of three dims", () => ones([2, 3, 3]).mm(ones([3, 3])), ShapeError, /^mm: .*\[2, 3, 3\]/],
  ["bmm, batch sizes", () => ones([2, 3, 4]).bmm(ones([3, 4, 5])), ShapeError, /^bmm: .*\[2, 3, 4\].*\[3, 4, 5\]/],
  ["mv, sizes", () => ones([2, 3]).mv(ones([4])), ShapeError, /^mv: .*\[2, 3\].*\[4\].*the last of the second/],
  ["dot, sizes", () => ones([3]).dot(ones([4])), ShapeError, /^dot: .*\[3\].*\[4\]/],
  [
    "add, no broadcasting",
    () => ones([2, 3]).add(ones([2, 4])),
    ShapeError,
    /^add: .*\[2, 3\] and \[2, 4\].*equal or 1/,
  ],
  [
    "where, no broadcasting",
    () => wg.where(ones([3]).gt(0), ones([2]), 0),
    ShapeError,
    /^where: .*\[2\] and \[\] and \[3\]/,
  ],
  ["lerp, no broadcasting", () => ones([2]).lerp(ones([3]), 0.5), ShapeError, /^lerp: .*\[2\].*\[3\]/],
  [
    "cat, other sizes",
    () => wg.cat([ones([2, 3]), ones([3, 4])], { dim: 1 }),
    ShapeError,
    /^cat: .*\[2, 3\].*\[3, 4\]/,
  ],
  ["cat of nothing", () => wg.cat([]), TypeError, /^cat: .*at least one/],
  ["stack, shapes", () => wg.stack([ones([2]), ones([3])]), ShapeError, /^stack: .*\[2\].*\[3\]/],
  [
    "conv2d, channels",
    () => wg.conv2d(ones([1, 3, 8, 8]), ones([4, 2, 3, 3])),
    ShapeError,
    /^conv2d: .*2 channels for weight \[4, 2, 3, 3\].*\[1, 3, 8, 8\]/,
  ],
  [
    "conv2d, groups",
    () => wg.conv2d(ones([1, 3, 8, 8]), ones([4, 1, 3, 3]), { groups: 3 }),
    ShapeError,
    /^conv2d: .*groups/,
  ],
  [
    "conv2d, groups of 0",
    () => wg.conv2d(ones([1, 3, 8, 8]), ones([4, 3, 3, 3]), { groups: 0 }),
    RangeError,
    /^conv2d: groups must be .*got 0/,
  ],
  [
    "conv2d, stride 0",
    () => wg.conv2d(ones([1, 3, 8, 8]), ones([4, 3, 3, 3]), { stride: 0 }),
    RangeError,
    /^conv2d: stride must be .*got 0/,
  ],
  [
    "conv2d, kernel wider than the input",
    () => wg.conv2d(ones([1, 1, 2, 2]), ones([1, 1, 3, 3])),
    ShapeError,
    /^conv2d: the kernel must fit into the padded input.*\[3, 3\].*\[1, 1, 2, 2\]/,
  ],
  ["conv2d, a matrix", () => wg.conv2d(ones([8, 8]), ones([4, 3, 3, 3])), ShapeError, /^conv2d: .*\[8, 8\]/],
  [
    "conv2d, bias",
    () => wg.conv2d(ones([1, 3, 8, 8]), ones([4, 3, 3, 3]), { bias: ones([3]) }),
    ShapeError,
    /^conv2d: bias must be \[4\], got \[3\]/,
  ],
  [
    "maxPool2d, padding",
    () => ones([1, 1, 8, 8]).maxPool2d(2, { padding: 2 }),
    RangeError,
    /^maxPool2d: padding .*half/,
  ],
  [
    "linear, features",
    () => ones([2, 3]).linear(ones([5, 4])),
    ShapeError,
    /^linear: the last dim of the input must be 4, got \[2, 3\].*\[5, 4\]/,
  ],
  [
    "linear, bias",
    () => ones([2, 3]).linear(ones([5, 3]), { bias: ones([4]) }),
    ShapeError,
    /^linear: bias must be \[5\], got \[4\]/,
  ],
  ["nn.Linear, features", () => new nn.Linear(4, 5).forward(ones([2, 3])), ShapeError, /^linear: .*\[2, 3\].*\[5, 4\]/],
  ["reshape, count", () => ones([2, 3]).reshape([4, 2]), ShapeError, /^reshape: .*\[2, 3\] \(6\).*\[4, 2\] \(8\)/],
  ["reshape, -1", () => ones([2, 3]).reshape([4, -1]), ShapeError, /^reshape: -1 in \[4, -1\].*\[2, 3\]/],
  [
    "reshape, two -1",
    () => ones([2, 3]).reshape([-1, -1]),
    ShapeError,
    /^reshape: one size can be -1 at most, got \[-1, -1\]/,
  ],
  [
    "reshape, a number",
    () => ones([6]).reshape(untyped(6)),
    ShapeError,
    /^reshape: the shape is an array, got 6\. x\.reshape\(\[/,
  ],
  ["permute, too few", () => ones([2, 3, 4]).permute([1, 0]), ShapeError, /^permute: .*\[1, 0\].*\[2, 3, 4\]/],
  ["expand, sizes", () => ones([2, 3]).expand([2, 4]), ShapeError, /^expand: .*\[2, 3\].*\[2, 4\]/],
  ["expand, fewer dims", () => ones([2, 3]).expand([3]), ShapeError, /^expand: .*\[2, 3\].*\[3\]/],
  ["expand, a number", () => ones([1]).expand(untyped(3)), ShapeError, /^expand: the shape is an array, got 3/],
  ["permute, a number", () => ones([2, 3]).permute(untyped(1)), ShapeError, /^permute: .*got 1/],
  ["broadcastTo, sizes", () => ones([2]).broadcastTo([3]), ShapeError, /^broadcastTo: .*\[2\].*\[3\]/],
  ["unflatten, count", () => ones([6]).unflatten(0, [4, 2]), ShapeError, /^unflatten: .*6.*\[4, 2\]/],
  ["mseLoss", () => ones([2, 3]).mseLoss(ones([2, 4])), ShapeError, /^mseLoss: .*\[2, 3\].*\[2, 4\]/],
  [
    "crossEntropy, targets",
    () => ones([4, 10]).crossEntropy(ints(1, 2, 3)),
    ShapeError,
    /^crossEntropy: .*\[4, 10\].*\[4\].*\[3\]/,
  ],
  [
    "crossEntropy, weight",
    () => ones([2, 3]).crossEntropy(ints(0, 1), { weight: ones([2]) }),
    ShapeError,
    /^crossEntropy: weight must be \[3\], got \[2\]/,
  ],
  [
    "binaryCrossEntropy",
    () => ones([2]).binaryCrossEntropy(ones([3])),
    ShapeError,
    /^binaryCrossEntropy: .*\[2\].*\[3\]/,
  ],
  [
    "layerNorm, shape",
    () => ones([2, 3]).layerNorm([4]),
    ShapeError,
    /^layerNorm: .*\[4\].*\[2, 3\]|^layerNorm: .*\[2, 3\].*\[4\]/,
  ],
  ["groupNorm, groups", () => ones([2, 6, 4]).groupNorm(4), ShapeError, /^groupNorm: .*6.*4|^groupNorm: .*4.*6/],
  [
    "batchNorm, running mean",
    () => ones([2, 3]).batchNorm(ones([4]), ones([3])),
    ShapeError,
    /^batchNorm: .*\[3\].*\[4\]/,
  ],
  [
    "attention, sizes",
    () => wg.scaledDotProductAttention(ones([1, 4, 8]), ones([1, 4, 6]), ones([1, 4, 8])),
    ShapeError,
    /^scaledDotProductAttention: .*\[1, 4, 8\].*\[1, 4, 6\]/,
  ],
  ["einsum, sizes", () => wg.einsum("ij,jk->ik", ones([2, 3]), ones([4, 5])), ShapeError, /^einsum: .*3 and 4 for "j"/],
  [
    "einsum, operands",
    () => wg.einsum("ij,jk->ik", ones([2, 3])),
    Error,
    /^einsum: each tensor needs a term \(1 tensors, 2 terms\)/,
  ],
  [
    "gather, dims",
    () => ones([2, 3]).gather(1, ints(0, 1)),
    ShapeError,
    /^gather: .*\[2, 3\].*\[2\]|^gather: .*\[2\].*\[2, 3\]/,
  ],
  ["maskedFill, mask", () => ones([2, 3]).maskedFill(ones([4]).gt(0), 0), ShapeError, /^maskedFill: .*\[2, 3\].*\[4\]/],
  ["pad, odd list", () => ones([2, 3]).pad([1]), Error, /^pad: .*\[1\]/],
  ["split, sizes", () => ones([5]).split([2, 2]), ShapeError, /^split: .*\[2, 2\].*5/],
  [
    "tensor, shape",
    () => tensor([1, 2, 3], { shape: [2, 2] }),
    ShapeError,
    /^tensor: 3 values don't fill shape \[2, 2\]/,
  ],
  ["tensor, ragged", () => tensor([[1, 2], [3]]), ShapeError, /^tensor: nested arrays must be regular.*at \[1\]/],
  [
    "tensor, a number among rows",
    () => tensor([[1, 2], 3]),
    ShapeError,
    /^tensor: nested arrays must be regular.*at \[1\]/,
  ],
  [
    "tensor, a row among numbers",
    () => tensor([1, [2]]),
    ShapeError,
    /^tensor: nested arrays must be regular.*at \[1\]/,
  ],
];

const dtypes: Row[] = [
  ["where, condition", () => wg.where(ones([2]), 1, 0), DTypeError, /^where: the condition must be .*bool.*got f32/],
  ["bitwiseAnd of floats", () => ones([2]).bitwiseAnd(1), DTypeError, /^bitwiseAnd: .*integer.*f32.*\.to\("i32"\)/],
  ["bitwiseNot of floats", () => ones([2]).bitwiseNot(), DTypeError, /^bitwiseNot: .*f32/],
  ["shift of floats", () => ones([2]).bitwiseLeftShift(1), DTypeError, /^bitwiseLeftShift: .*f32/],
  [
    "gather, index",
    () => ones([2]).gather(0, zeros([2])),
    DTypeError,
    /^gather: indices must be i32 or u32, got f32.*\.to\("i32"\)/,
  ],
  ["indexSelect, index", () => ones([2]).indexSelect(0, zeros([2])), DTypeError, /^indexSelect: indices.*f32/],
  ["embedding, indices", () => wg.embedding(zeros([2]), ones([4, 3])), DTypeError, /^embedding: indices.*f32/],
  ["oneHot, classes", () => zeros([2]).oneHot(3), DTypeError, /^oneHot: .*f32/],
  [
    "requiresGrad, creation",
    () => tensor([1, 2], { dtype: "i32", requiresGrad: true }),
    DTypeError,
    /^tensor: only float tensors have gradients, got i32/,
  ],
  [
    "requiresGrad, later",
    () => {
      ints(1).requiresGrad = true;
    },
    WgradError,
    /^requiresGrad: only float tensors have gradients, got i32/,
  ],
  [
    "crossEntropy, class targets",
    () => ones([2, 3]).crossEntropy(zeros([2])),
    DTypeError,
    /^crossEntropy: class indices must be i32 or u32, got f32/,
  ],
  [
    "crossEntropy, logits",
    () => zeros([2, 3], { dtype: "i32" }).crossEntropy(ints(0, 1)),
    DTypeError,
    /^crossEntropy: .*float.*i32/,
  ],
  ["unknown dtype", () => zeros([2], { dtype: untyped("float32") }), DTypeError, /^zeros: .*"?f32"?.*float32/],
  ["to an unknown dtype", () => ones([2]).to(untyped("f64")), DTypeError, /^to: .*f64/],
  ["maskedFill, mask", () => ones([2]).maskedFill(ints(0, 1), 0), DTypeError, /^maskedFill: .*bool.*i32/],
  ["backward of integers", () => ints(1).sum().backward(), DTypeError, /^backward: .*i32/],
  [
    "values that don't fit",
    () => tensor([2 ** 31], { dtype: "i32" }),
    RangeError,
    /^tensor: i32 holds .*2147483648 at element 0/,
  ],
  [
    "values that are no numbers",
    () => tensor([Number.NaN], { dtype: "i32" }),
    RangeError,
    /^tensor: i32 holds whole numbers.*NaN/,
  ],
  ...(
    [
      ["lt", () => ints(5).lt(3e9)],
      ["eq", () => ints(5).eq(-3e9)],
      ["maximum", () => ints(5).maximum(3e9)],
      ["minimum", () => ints(5).minimum(-3e9)],
      ["clamp", () => ints(5).clamp({ max: 3e9 })],
      ["clamp", () => ints(5).clamp({ min: -3e9, max: 0 })],
      ["mul", () => ints(5).mul(4e9)],
      ["pow", () => ints(5).pow(3e9)],
      ["remainder", () => ints(5).remainder(3e9)],
      ["floorDivide", () => ints(5).floorDivide(3e9)],
      ["where", () => wg.where(tensor([true]), ints(5), 3e9)],
      ["maskedFill", () => ints(5).maskedFill(tensor([true]), 3e9)],
      ["bitwiseAnd", () => ints(5).bitwiseAnd(4294967295)],
      ["bitwiseRightShift", () => ints(5).bitwiseRightShift(4294967295)],
      ["add", () => ints(5).add(2147483648)],
      ["add", () => tensor([true]).add(3e9)],
      ["pad", () => ints(5).pad([1, 1], { value: 3e9 })],
      ["scatter", () => ints(5).scatter(0, ints(0), 3e9)],
      ["assign", () => ints(5).assign(3e9)],
      ["searchsorted", () => ints(5).searchsorted(3e9)],
    ] as const
  ).map(
    ([op, call]): Row => [
      `${op}, a number beyond i32`,
      call,
      RangeError,
      new RegExp(`^${op}: i32 holds whole numbers from -2147483648 to 2147483647, got -?[2-4]\\d{9}\\. `),
    ],
  ),
  [
    "lt, a number beyond u32",
    () => tensor([5], { dtype: "u32" }).lt(4294967296),
    RangeError,
    /^lt: u32 holds whole numbers from 0 to 4294967295, got 4294967296\. /,
  ],
  [
    "gt, a negative number for u32",
    () => tensor([5], { dtype: "u32" }).gt(-1),
    RangeError,
    /^gt: u32 holds .*got -1\. /,
  ],
];

const dims: Row[] = [
  [
    "norm of nothing",
    () => zeros([0]).norm({ p: Number.POSITIVE_INFINITY }),
    ShapeError,
    /^norm: nothing to choose from .*\[0\]/,
  ],
  [
    "norm over nothing",
    () => zeros([2, 0]).norm({ p: Number.NEGATIVE_INFINITY, dim: 1 }),
    ShapeError,
    /^norm: nothing to choose from .*\[2, 0\]/,
  ],
  [
    "randint, the ends for a shape",
    () => wg.randint(0, 5, untyped(undefined)),
    ShapeError,
    /^randint: a shape is an array of sizes, got nothing/,
  ],
  [
    "split without size",
    () => ones([4]).split(untyped(undefined)),
    TypeError,
    /^split: size must be a whole number or a list of them, got nothing/,
  ],
  [
    "matmul, too large",
    () => ones([100000, 2]).matmul(ones([2, 100000])),
    ShapeError,
    /^matmul: a tensor holds at most 2\^31 - 1 elements, got \[100000, 100000\]/,
  ],
  [
    "matmul, batches that are too large",
    () => ones([1000, 1, 1000, 2]).matmul(ones([3000, 2, 1000])),
    ShapeError,
    /^matmul: a tensor holds at most .*\[1000, 3000, 1000, 1000\]/,
  ],
  ["sum of a word", () => ones([2, 3]).sum(untyped("1")), RangeError, /^sum: dim must be .*got "1"/],
  ["softmax of an array", () => ones([2, 3]).softmax(untyped([1])), RangeError, /^softmax: dim must be .*got \[1\]/],
  ["select without dim", () => ones([2, 3]).select(untyped(undefined), 0), RangeError, /^select: .*got nothing/],
  ["sum", () => ones([2, 3]).sum(2), RangeError, /^sum: dim must be .*from -2 to 1 for 2 dims, got 2/],
  ["sum, half", () => ones([2, 3]).sum(0.5), RangeError, /^sum: dim .*got 0\.5/],
  ["softmax", () => ones([2]).softmax(-2), RangeError, /^softmax: dim .*got -2/],
  [
    "softmax, none",
    () => ones([2]).softmax(untyped(undefined)),
    RangeError,
    /^softmax: the dim is missing\. x\.softmax\(-1\)/,
  ],
  ["cat", () => wg.cat([ones([2]), ones([2])], { dim: 1 }), RangeError, /^cat: dim .*got 1/],
  ["transpose", () => ones([2, 3]).transpose(0, 2), RangeError, /^transpose: dim .*got 2/],
  ["unsqueeze", () => ones([2]).unsqueeze(3), RangeError, /^unsqueeze: dim .*got 3/],
  ["flatten", () => ones([2, 3]).flatten({ startDim: 1, endDim: 0 }), RangeError, /^flatten: .*startDim/],
  [
    "mean, twice the same",
    () => ones([2, 3]).mean([0, 0]),
    RangeError,
    /^mean: each dim may be named once, got \[0, 0\]/,
  ],
  [
    "sum, twice the same by a negative",
    () => ones([2, 3]).sum([1, -1]),
    RangeError,
    /^sum: each dim may be named once, got \[1, 1\]/,
  ],
  ["permute, twice the same", () => ones([2, 3]).permute([1, 1]), ShapeError, /^permute: .*once.*\[1, 1\]/],
  ["flip, out of range", () => ones([2, 3]).flip([2]), RangeError, /^flip: dim .*got 2/],
  ["argmax, a string", () => ones([2]).argmax(untyped("0")), RangeError, /^argmax: dim .*got "0"/],
];

const indices: Row[] = [
  [
    "embedding",
    () => wg.embedding(ints(0, 4), ones([4, 3])),
    RangeError,
    /^embedding: index 4 is out of range for size 4\. Indices run from 0 to 3/,
  ],
  ["nn.Embedding", () => new nn.Embedding(4, 3).forward(ints(-1)), RangeError, /^embedding: index -1 is out of range/],
  [
    "indexSelect",
    () => ones([3]).indexSelect(0, ints(3)),
    RangeError,
    /^indexSelect: index 3 is out of range for size 3/,
  ],
  [
    "gather",
    () => ones([2, 3]).gather(1, tensor([[5]], { dtype: "i32" })),
    RangeError,
    /^gather: index 5 is out of range for size 3/,
  ],
  ["take", () => ones([2, 3]).take(ints(6)), RangeError, /^take: index 6 is out of range for size 6/],
  [
    "crossEntropy, class",
    () => ones([2, 3]).crossEntropy(ints(0, 3)),
    RangeError,
    /^crossEntropy: class 3 is out of range for 3 classes/,
  ],
  ["nllLoss, class", () => ones([2, 3]).nllLoss(ints(0, -1)), RangeError, /^nllLoss: class -1 is out of range/],
  ["oneHot, class", () => ints(0, 3).oneHot(3), RangeError, /^oneHot: .*3/],
  ["select", () => ones([2]).select(0, 2), RangeError, /^select: .*2/],
  ["narrow", () => ones([4]).narrow(0, 3, 2), RangeError, /^narrow: .*3.*2.*4/],
  ["slice, an index", () => ones([2, 2]).slice(null, 2), RangeError, /^slice: .*2/],
  ["slice, too many ranges", () => ones([2]).slice(0, 0), Error, /^slice: .*2.*\[2\]|^slice: .*1/],
];

const empty: Row[] = [
  ["max of nothing", () => zeros([0]).max(), ShapeError, /^max: .*\[0\]/],
  ["amin over an empty dim", () => zeros([2, 0]).amin(1), ShapeError, /^amin: .*\[2, 0\]/],
  ["argmax of nothing", () => zeros([0, 3]).argmax(0), ShapeError, /^argmax: .*\[0, 3\]/],
];

const sizes: Row[] = [
  ["NaN", () => zeros([2, Number.NaN]), ShapeError, /^zeros: sizes must be whole numbers ≥ 0, got \[2, NaN\]/],
  ["negative", () => wg.rand([-1]), ShapeError, /^rand: sizes must be whole numbers ≥ 0, got \[-1\]/],
  ["fraction", () => wg.full([1.5], 0), ShapeError, /^full: sizes must be whole numbers ≥ 0, got \[1\.5\]/],
  ["too many elements", () => zeros([2 ** 20, 2 ** 20]), ShapeError, /^zeros: .*2\^31/],
  ["a number for a shape", () => zeros(untyped(3)), ShapeError, /^zeros: a shape is an array of sizes, got 3/],
  ["eye", () => wg.eye(-1), Error, /^eye: .*-1/],
  ["arange, step 0", () => wg.arange(0, 4, { step: 0 }), RangeError, /^arange: the step must not be 0/],
  ["arange, NaN", () => wg.arange(Number.NaN), RangeError, /^arange: .*NaN/],
  ["linspace, steps", () => wg.linspace(0, 1, 1.5), RangeError, /^linspace: steps .*1\.5/],
  ["randint, empty range", () => wg.randint(3, 3, [2]), RangeError, /^randint: .*3/],
  ["randperm", () => wg.randperm(-2), RangeError, /^randperm: .*-2/],
  ["repeat", () => ones([2]).repeat([-1]), Error, /^repeat: .*-1/],
  ["chunk", () => ones([2]).chunk(0), RangeError, /^chunk: .*0/],
  ["split", () => ones([2]).split(0), RangeError, /^split: .*0/],
  ["dropout, p", () => ones([2]).dropout(1.5), RangeError, /^dropout: p .*1\.5/],
  ["nn.Dropout, p", () => new nn.Dropout(-0.1), RangeError, /^Dropout: p must be between 0 and 1, got -0\.1/],
  ["nn.Linear, NaN features", () => new nn.Linear(Number.NaN, 2), RangeError, /^Linear: inFeatures must be .*NaN/],
  ["nn.Conv2d, groups", () => new nn.Conv2d(3, 4, 3, { groups: 2 }), RangeError, /^Conv2d: .*groups/],
  ["oneHot, classes", () => ints(0).oneHot(0.5), RangeError, /^oneHot: .*0\.5/],
  [
    "crossEntropy, smoothing",
    () => ones([2, 3]).crossEntropy(ints(0, 1), { labelSmoothing: 2 }),
    RangeError,
    /^crossEntropy: labelSmoothing .*2/,
  ],
  ["manualSeed", () => wg.manualSeed(Number.NaN), RangeError, /^manualSeed: the seed must be a whole number, got NaN/],
];

const options: Row[] = [
  [
    "unknown",
    () => wg.conv2d(ones([1, 1, 4, 4]), ones([1, 1, 3, 3]), untyped({ strides: 2 })),
    WgradError,
    /^conv2d: unknown option "strides"\. It takes \{ .*stride/,
  ],
  [
    "unknown, of tensor()",
    () => tensor([1], untyped({ requires_grad: true })),
    WgradError,
    /^tensor: unknown option "requires_grad".*requiresGrad/,
  ],
  [
    "unknown, of a loss",
    () => ones([2]).mseLoss(ones([2]), untyped({ reduce: "sum" })),
    WgradError,
    /^mseLoss: unknown option "reduce".*reduction/,
  ],
  ["unknown, of zeros", () => zeros([2], untyped({ type: "i32" })), WgradError, /^zeros: unknown option "type".*dtype/],
  [
    "unknown, of gelu",
    () => ones([2]).gelu(untyped({ approx: "tanh" })),
    WgradError,
    /^gelu: unknown option "approx".*approximate/,
  ],
  [
    "positional options",
    () => wg.conv2d(ones([1, 1, 4, 4]), ones([1, 1, 3, 3]), untyped(2)),
    TypeError,
    /^conv2d: .*options object.*stride/,
  ],
  [
    "keepdim as an option",
    () => ones([2, 3]).sum(1, untyped({ keepdim: true })),
    TypeError,
    /^sum: keepdim must be true or false, got an object/,
  ],
  ["keepdim of median", () => ones([2, 3]).median(1, untyped("yes")), TypeError, /^median: keepdim .*got "yes"/],
  [
    "a word that is none",
    () => ones([2]).mseLoss(ones([2]), { reduction: untyped("avg") }),
    RangeError,
    /^mseLoss: reduction must be .*"mean".*got .*avg/,
  ],
  [
    "gelu, approximate",
    () => ones([2]).gelu({ approximate: untyped("fast") }),
    RangeError,
    /^gelu: approximate must be .*"tanh".*fast/,
  ],
  [
    "pad, mode",
    () => ones([4]).pad([1, 1], { mode: untyped("mirror") }),
    RangeError,
    /^pad: mode must be .*"reflect".*mirror/,
  ],
  [
    "div, rounding",
    () => ones([2]).div(2, { roundingMode: untyped("up") }),
    RangeError,
    /^div: roundingMode must be .*"floor".*up/,
  ],
  [
    "stride, a word",
    () => wg.conv2d(ones([1, 1, 4, 4]), ones([1, 1, 3, 3]), { stride: untyped("2") }),
    RangeError,
    /^conv2d: stride must be .*got "2"/,
  ],
  [
    "stride, three numbers",
    () => wg.conv2d(ones([1, 1, 4, 4]), ones([1, 1, 3, 3]), { stride: [1, 1, 1] }),
    RangeError,
    /^conv2d: stride must be a number or a list of 2/,
  ],
  ["clamp, bounds", () => ones([2]).clamp(untyped({ lower: 0 })), WgradError, /^clamp: unknown option "lower".*min/],
  ["clamp, nothing", () => ones([2]).clamp({}), Error, /^clamp: .*min/],
  [
    "leakyRelu, NaN",
    () => ones([2]).leakyRelu({ negativeSlope: Number.NaN }),
    RangeError,
    /^leakyRelu: negativeSlope must be a number, got NaN/,
  ],
];

const operands: Row[] = [
  [
    "a number for a tensor",
    () => wg.relu(untyped(3)),
    TypeError,
    /^relu: the first argument must be a tensor, got the number 3/,
  ],
  [
    "a number for a matrix",
    () => ones([2, 2]).matmul(untyped(2)),
    TypeError,
    /^matmul: .*must be a tensor, got the number 2/,
  ],
  ["nothing", () => ones([2]).add(untyped(undefined)), TypeError, /^add: .*must be a tensor, got nothing/],
  [
    "an array",
    () => ones([2]).mul(untyped([1, 2])),
    TypeError,
    /^mul: .*must be a tensor, got an array; tensor\(array\)/,
  ],
  ["a string", () => ones([2]).sub(untyped("1")), TypeError, /^sub: .*must be a tensor, got "1"/],
  ["an object", () => ones([2]).sub(untyped({ value: 1 })), TypeError, /^sub: .*must be a tensor, got an object/],
  ["cat of a tensor", () => wg.cat(untyped(ones([2]))), TypeError, /^cat: .*(array|list)/],
  ["cat of numbers", () => wg.cat(untyped([1, 2])), TypeError, /^cat: .*must be a tensor/],
  ["softmax of a number", () => wg.softmax(untyped(1), 0), TypeError, /^softmax: .*must be a tensor/],
  ["sum of a number", () => wg.sum(untyped(1)), TypeError, /^sum: .*must be a tensor/],
  ["reshape of a number", () => wg.reshape(untyped(1), [1]), TypeError, /^reshape: .*must be a tensor/],
  [
    "crossEntropy of an array",
    () => ones([1, 3]).crossEntropy(untyped([1])),
    TypeError,
    /^crossEntropy: .*must be a tensor, got an array/,
  ],
  [
    "realize of a promise",
    () => wg.realize(untyped(Promise.resolve())),
    TypeError,
    /^realize: argument 0 must be a tensor, got a Promise/,
  ],
  ["tensor of tensors", () => tensor(untyped([ones([2])])), TypeError, /^tensor: .*stack/],
  [
    "tensor of words",
    () => tensor(untyped(["1"])),
    TypeError,
    /^tensor: values must be numbers or booleans, got "1" at \[0\]/,
  ],
  ["tensor of an object", () => tensor(untyped(null)), TypeError, /^tensor: values must be a number, .*got null/],
  ["tensor of big integers", () => tensor(untyped(new BigInt64Array(2))), TypeError, /^tensor: /],
  ["einsum, equation", () => wg.einsum("i->j", ones([2])), Error, /^einsum: .*"?j/],
  [
    "Module.forward of a number",
    () => new nn.Linear(2, 2).forward(untyped(1)),
    TypeError,
    /^linear: .*must be a tensor, got the number 1/,
  ],
];

const autograd: Row[] = [
  [
    "backward of a vector",
    () => ones([3], { requiresGrad: true }).mul(2).backward(),
    ShapeError,
    /^backward: only a scalar .*\[3\].*gradient of its shape/,
  ],
  [
    "backward, gradient's shape",
    () =>
      ones([3], { requiresGrad: true })
        .mul(2)
        .backward(ones([2])),
    ShapeError,
    /^backward: .*\[2\].*\[3\]/,
  ],
  ["backward without requiresGrad", () => ones([3]).sum().backward(), WgradError, /^backward: .*requiresGrad: true/],
  [
    "noGrad of an async function",
    () => wg.noGrad(async () => {}),
    TypeError,
    /^noGrad: the function must be synchronous/,
  ],
  [
    "backward through a compiled function",
    () =>
      wg
        .compile((x: wg.Tensor) => x.square().sum())(weights(2))
        .backward(),
    WgradError,
    /^backward: .*compiled function, whose results carry no graph/,
  ],
  [
    "backward under noGrad",
    () => wg.noGrad(() => ones([3], { requiresGrad: true }).sum()).backward(),
    WgradError,
    /^backward: .*noGrad/,
  ],
  [
    "grad, input without requiresGrad",
    () => wg.grad(ones([3], { requiresGrad: true }).sum(), ones([3])),
    WgradError,
    /^grad: input 0 of shape \[3\] has no requiresGrad/,
  ],
  [
    "grad, output without requiresGrad",
    () => wg.grad(ones([3]).sum(), ones([3], { requiresGrad: true })),
    WgradError,
    /^grad: .*requiresGrad: true/,
  ],
  [
    "grad of a vector",
    () => {
      const x = ones([3], { requiresGrad: true });
      return wg.grad(x.mul(2), x);
    },
    ShapeError,
    /^grad: only a scalar .*\[3\]/,
  ],
  [
    "grad, gradOutputs",
    () => {
      const x = ones([3], { requiresGrad: true });
      return wg.grad(x.mul(2), x, { gradOutputs: ones([4]) });
    },
    ShapeError,
    /^grad: .*\[4\].*\[3\]/,
  ],
  [
    "grad, an input that is none",
    () => wg.grad(ones([3], { requiresGrad: true }).sum(), untyped([1])),
    TypeError,
    /^grad: input 0 must be a tensor/,
  ],
  [
    "requiresGrad of a result",
    () => {
      ones([3], { requiresGrad: true }).mul(2).requiresGrad = false;
    },
    WgradError,
    /^requiresGrad: only leaves .*detach/,
  ],
  [
    "item of several",
    () => ones([2]).item(),
    ShapeError,
    /^item: the tensor must have one element, got \[2\]\. x\.data\(\)/,
  ],
  ["assign, shape", () => zeros([2, 3]).assign(ones([2])), ShapeError, /^assign: .*\[2\] for \[2, 3\]/],
  ["assign, wider", () => zeros([1]).assign(ones([2])), ShapeError, /^assign: .*\[2\] for \[1\]/],
  [
    "assign to a result",
    () => ones([3], { requiresGrad: true }).mul(2).assign(0),
    WgradError,
    /^assign: only leaves .*result of an op/,
  ],
  [
    "assign, an array",
    () => zeros([2]).assign(untyped([1, 2])),
    TypeError,
    /^assign: the value must be a tensor, got an array/,
  ],
];

const lifetime: Row[] = [
  [
    "reading what was disposed of",
    () => {
      const x = tensor([1, 2]);
      x.dispose();
      return x.data();
    },
    DisposedTensorError,
    /shape \[2\] was disposed of/,
  ],
  [
    "computing with what was disposed of",
    () => {
      const x = tensor([1, 2]);
      x.dispose();
      return x.add(1);
    },
    DisposedTensorError,
    /shape \[2\] was disposed of/,
  ],
  [
    "a tensor of a closed scope",
    () => {
      let kept = zeros([1]);
      wg.scope(() => {
        kept = ones([2]).add(1);
      });
      return kept.data();
    },
    DisposedTensorError,
    /shape \[2\] was disposed of/,
  ],
  [
    "reading while compiling",
    () => {
      let read: Promise<number> = Promise.resolve(0);
      const step = wg.compile((x: wg.Tensor) => {
        read = x.sum().item();
        return x;
      });
      step(ones([2]));
      return read;
    },
    WgradError,
    /^compile: values cannot be read .*Return them from the compiled function/,
  ],
];

const optimizers: Row[] = [
  [
    "no parameters",
    () => new optim.SGD([], { lr: 0.1 }),
    RangeError,
    /^SGD: the list of parameters is empty\. Pass model\.parameters\(\)/,
  ],
  ["negative lr", () => new optim.Adam([weights(2)], { lr: -1 }), RangeError, /^Adam: lr must .*-1/],
  ["NaN lr", () => new optim.SGD([weights(2)], { lr: Number.NaN }), RangeError, /^SGD: lr must .*NaN/],
  ["a word for lr", () => new optim.SGD([weights(2)], { lr: untyped("0.1") }), RangeError, /^SGD: lr must .*0\.1/],
  ["betas", () => new optim.AdamW([weights(2)], { betas: [0.9, 1] }), RangeError, /^AdamW: .*betas.*1/],
  [
    "negative momentum",
    () => new optim.SGD([weights(2)], { lr: 0.1, momentum: -0.5 }),
    RangeError,
    /^SGD: momentum .*-0\.5/,
  ],
  [
    "nesterov without momentum",
    () => new optim.SGD([weights(2)], { lr: 0.1, nesterov: true }),
    RangeError,
    /^SGD: nesterov .*momentum/,
  ],
  [
    "the same parameter twice",
    () => {
      const w = weights(2);
      return new optim.SGD([w, w], { lr: 0.1 });
    },
    WgradError,
    /^SGD: .*(twice|once)/,
  ],
  ["a result", () => new optim.SGD([weights(2).mul(2)], { lr: 0.1 }), WgradError, /^SGD: .*leaf|^SGD: .*result of/],
  [
    "numbers",
    () => new optim.SGD(untyped([1]), { lr: 0.1 }),
    TypeError,
    /^SGD: the parameters must be tensors, or groups/,
  ],
  [
    "a module",
    () => new optim.SGD(untyped(new nn.Linear(2, 2)), { lr: 0.1 }),
    TypeError,
    /^SGD: .*model\.parameters\(\)/,
  ],
  ["nothing", () => new optim.SGD(untyped(undefined), { lr: 0.1 }), TypeError, /^SGD: .*model\.parameters\(\)/],
  [
    "unknown option",
    () => new optim.SGD([weights(2)], untyped({ lr: 0.1, weight_decay: 1 })),
    WgradError,
    /^SGD: unknown option "weight_decay".*weightDecay/,
  ],
  [
    "state of other groups",
    () => new optim.SGD([weights(2)], { lr: 0.1 }).loadStateDict({ state: {}, param_groups: [] }),
    WgradError,
    /^SGD\.loadStateDict: .*groups/,
  ],
  [
    "StepLR, step size",
    () => new optim.lr.StepLR(new optim.SGD([weights(2)], { lr: 0.1 }), 0),
    RangeError,
    /^StepLR: stepSize .*0/,
  ],
  ["a scheduler of no optimizer", () => new optim.lr.StepLR(untyped({}), 1), TypeError, /^StepLR: .*optimizer/],
  [
    "clipGradNorm, NaN",
    () => nn.utils.clipGradNorm([weights(2)], Number.NaN),
    RangeError,
    /^clipGradNorm: maxNorm .*NaN/,
  ],
];

const model = () => new nn.Sequential(new nn.Linear(2, 3), new nn.Linear(3, 1));

async function contents(module: wg.nn.Module): Promise<unknown[]> {
  return Promise.all(Object.values(module.stateDict()).map((value) => value.tolist()));
}

const idxHeader = (...bytes: number[]) => data.idx(Uint8Array.from(bytes));

/** A safetensors file with this header. */
function safetensors(header: string, contents = 0): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + contents);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 8);
  return bytes;
}

const files: Row[] = [
  [
    "loadStateDict of nothing",
    () => model().loadStateDict(untyped(null)),
    TypeError,
    /^loadStateDict: a state dict is an object of tensors/,
  ],
  [
    "loadStateDict of numbers",
    () => model().loadStateDict(untyped({ "0.weight": 1 })),
    TypeError,
    /^loadStateDict: "0\.weight" must be a tensor, got the number 1/,
  ],
  [
    "DataLoader, batch size",
    () => new data.DataLoader(new data.TensorDataset(ones([4, 2])), { batchSize: 0 }),
    RangeError,
    /^DataLoader: batchSize must be .*1, got 0/,
  ],
  [
    "DataLoader, half a batch",
    () => new data.DataLoader(new data.TensorDataset(ones([4, 2])), { batchSize: 1.5 }),
    RangeError,
    /^DataLoader: batchSize .*1\.5/,
  ],
  [
    "DataLoader, prefetch",
    () => new data.DataLoader(new data.TensorDataset(ones([4, 2])), { prefetch: -1 }),
    RangeError,
    /^DataLoader: prefetch .*-1/,
  ],
  [
    "DataLoader, seed",
    () => new data.DataLoader(new data.TensorDataset(ones([4, 2])), { seed: Number.NaN }),
    RangeError,
    /^DataLoader: seed .*NaN/,
  ],
  [
    "DataLoader, unknown option",
    () => new data.DataLoader(new data.TensorDataset(ones([4, 2])), untyped({ batch_size: 2 })),
    WgradError,
    /^DataLoader: unknown option "batch_size".*batchSize/,
  ],
  [
    "DataLoader of an array",
    () => new data.DataLoader(untyped({}), { batchSize: 2 }),
    TypeError,
    /^DataLoader: a dataset has .*new TensorDataset/,
  ],
  [
    "TensorDataset, lengths",
    () => new data.TensorDataset(ones([4, 2]), ones([3])),
    ShapeError,
    /^TensorDataset: .*4.*3/,
  ],
  [
    "randomSplit, too many",
    () => data.randomSplit(new data.TensorDataset(ones([4])), [3, 2]),
    RangeError,
    /^randomSplit: .*4/,
  ],
  ["KFold, one fold", () => new data.KFold(1), RangeError, /^KFold: .*1/],
  ["safetensors, too short", () => io.fromSafetensors(new Uint8Array(4)), WgradError, /^fromSafetensors: .*4/],
  [
    "safetensors, header cut short",
    () => io.fromSafetensors(safetensors('{"a":{}}').subarray(0, 12)),
    WgradError,
    /^fromSafetensors: .*(cut|truncated|short)/,
  ],
  ["safetensors, no JSON", () => io.fromSafetensors(safetensors("{a: 1}")), WgradError, /^fromSafetensors: .*JSON/],
  [
    "safetensors, contents cut short",
    () => io.fromSafetensors(safetensors('{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', 12)),
    WgradError,
    /^fromSafetensors: .*12.*16|^fromSafetensors: .*16.*12/,
  ],
  [
    "safetensors, offsets",
    () => io.fromSafetensors(safetensors('{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,12]}}', 12)),
    WgradError,
    /^fromSafetensors: "a".*\[4\].*12/,
  ],
  [
    "safetensors, dtype",
    () => io.fromSafetensors(safetensors('{"a":{"dtype":"X9","shape":[4],"data_offsets":[0,16]}}', 16)),
    WgradError,
    /^fromSafetensors: "a".*X9/,
  ],
  [
    "safetensors, negative shape",
    () => io.fromSafetensors(safetensors('{"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}', 16)),
    WgradError,
    /^fromSafetensors: .*"a" must have dtype, shape and data_offsets/,
  ],
  [
    "safetensors, a string",
    () => io.fromSafetensors(untyped("model.safetensors")),
    TypeError,
    /^fromSafetensors: the argument must be a Uint8Array/,
  ],
  [
    "toSafetensors of numbers",
    () => io.toSafetensors(untyped({ a: 1 })),
    WgradError,
    /^toSafetensors: "a" must be a Tensor, got number/,
  ],
  ["idx, a string", () => data.idx(untyped("images.idx")), TypeError, /^idx: the argument must be a Uint8Array/],
  ["idx, too short", () => idxHeader(0, 0, 8), WgradError, /^idx: .*4 bytes.*got 3 bytes/],
  ["idx, compressed", () => idxHeader(0x1f, 0x8b, 8, 0), WgradError, /^idx: .*gzip.*Decompress/],
  ["idx, another file", () => idxHeader(0x89, 0x50, 0x4e, 0x47), WgradError, /^idx: .*0x00 0x00.*got 0x89/],
  [
    "idx, header cut short",
    () => idxHeader(0, 0, 8, 2, 0, 0, 0, 1),
    WgradError,
    /^idx: .*2 dimensions.*12 bytes.*8 bytes/,
  ],
  ["idx, contents cut short", () => idxHeader(0, 0, 8, 1, 0, 0, 0, 3, 1, 2), WgradError, /^idx: .*cut short by 1 byte/],
  [
    "compile, async",
    () => wg.compile(async (x: wg.Tensor) => x)(ones([2])),
    TypeError,
    /^compile: the function must be synchronous/,
  ],
  ["compile, no function", () => wg.compile(untyped(3)), TypeError, /^compile: the argument must be a function, got 3/],
  ["init, memory limit", () => wg.init({ memoryLimit: -1 }), RangeError, /^init: memoryLimit must be .*-1/],
  [
    "init, NaN as memory limit",
    () => wg.init({ memoryLimit: Number.NaN }),
    RangeError,
    /^init: memoryLimit must be .*NaN/,
  ],
  ["init, seed", () => wg.init({ seed: 0.5 }), RangeError, /seed must be a whole number, got 0\.5/],
];

const groups = {
  shapes,
  dtypes,
  dims,
  indices,
  empty,
  sizes,
  options,
  operands,
  autograd,
  lifetime,
  optimizers,
  files,
};
for (const [group, rows] of Object.entries(groups)) {
  for (const [title, call, expected, words] of rows) {
    test(`${group}: ${title}`, async () => {
      const error = await failure(call);
      assert.instance(error, expected, `${error.constructor.name}: ${error.message}`);
      assert.match(error.message, words);
      checkMessage(error);
    });
  }
}

test("loadStateDict names all that does not fit, and loads nothing", async () => {
  const net = model();
  const before = await contents(net);
  const fitting = { "0.weight": ones([3, 2]), "0.bias": ones([3]), "1.weight": ones([1, 3]), "1.bias": ones([1]) };
  const { "1.bias": _, ...missing } = fitting;
  const wrong: [Record<string, wg.Tensor>, ErrorClass, RegExp][] = [
    [missing, WgradError, /missing key "1\.bias"\. Nothing was loaded\. With \{ strict: false \}/],
    [{ ...fitting, "2.weight": ones([1]) }, WgradError, /unexpected key "2\.weight"\. Nothing was loaded/],
    [
      { ...fitting, "1.weight": ones([3]) },
      ShapeError,
      /"1\.weight" is \[3\] .* \[1,3\] in the model\. Nothing was loaded/,
    ],
    [
      { ...missing, "9.bias": ones([1]), "0.bias": ones([2]) },
      ShapeError,
      /missing key "1\.bias"; unexpected key "9\.bias"; "0\.bias"/,
    ],
  ];
  for (const [stateDict, expected, words] of wrong) {
    const error = await failure(() => net.loadStateDict(stateDict));
    assert.instance(error, expected);
    assert.match(error.message, words);
    checkMessage(error);
    assert.equal(await contents(net), before);
  }
  // Without strict a wrong shape still is one.
  const error = await failure(() => net.loadStateDict({ "0.weight": ones([2, 3]) }, { strict: false }));
  assert.instance(error, ShapeError);
  assert.equal(await contents(net), before);
});

test("an optimizer's loadStateDict checks shapes before it loads anything", async () => {
  const w = tensor([1, 2], { requiresGrad: true });
  const optimizer = new optim.SGD([w], { lr: 0.1, momentum: 0.9 });
  w.square().sum().backward();
  optimizer.step();
  const saved = optimizer.stateDict();
  const error = await failure(() =>
    optimizer.loadStateDict({ ...saved, state: { 0: { step: 1, momentum_buffer: ones([3]) } } }),
  );
  assert.instance(error, ShapeError);
  assert.match(
    error.message,
    /^SGD\.loadStateDict: "momentum_buffer" of parameter 0 is \[3\] .* Nothing was loaded\.$/,
  );
  const buffer = optimizer.stateDict().state[0]?.momentum_buffer;
  assert.instance(buffer, wg.Tensor);
  assert.equal(await (buffer as wg.Tensor).tolist(), [2, 4]);
});

test("errors say their op and the shapes at fault", async () => {
  const error = await failure(() => ones([2, 3]).matmul(ones([4, 3])));
  assert.instance(error, WgradError);
  assert.is((error as WgradError).op, "matmul");
  assert.equal((error as WgradError).shapes, [
    [2, 3],
    [4, 3],
  ]);
  assert.is(error.name, "ShapeError");
});

test("a failed call leaves no gradients and no mode behind", async () => {
  const x = ones([2], { requiresGrad: true });
  await failure(() => wg.noGrad(() => x.add(ones([3]))));
  assert.ok(wg.isGradEnabled());
  await failure(() => wg.scope(() => x.add(ones([3]))));
  await failure(() => x.mul(2).backward());
  assert.is(x.grad, null);
  const step = wg.compile((y: wg.Tensor) => y.add(ones([3])));
  await failure(() => step(ones([2])));
  assert.equal(await step(ones([1])).tolist(), [2, 2, 2]);
});

test("too much memory rejects the read and leaves what there was", async () => {
  const kept = tensor([1, 2, 3]);
  const small = await wg.init({ memoryLimit: 16 * 2 ** 20 });
  const huge = wg.rand([8 * 2 ** 20]);
  const error = await failure(() => huge.add(1).data());
  assert.instance(error, OutOfMemoryError);
  assert.match(error.message, /^out of memory: .*memoryLimit/);
  checkMessage(error);
  assert.equal(await kept.mul(2).tolist(), [2, 4, 6]);
  small.destroy();
  device = await wg.init();
});

test("after all that, ordinary work gives right results", async () => {
  const a = tensor([
    [1, 2],
    [3, 4],
  ]);
  assert.equal(await a.matmul(a).tolist(), [
    [7, 10],
    [15, 22],
  ]);
  assert.equal(await wg.cat([a, a.t()], { dim: 1 }).sum(0).tolist(), [4, 6, 3, 7]);
  const w = tensor([[1, -1]], { requiresGrad: true });
  const optimizer = new optim.SGD([w], { lr: 0.5 });
  const loss = a.linear(w).square().mean();
  loss.backward();
  optimizer.step();
  // Both predictions are -1: the loss is 1, its gradient -1·(1 + 3) and -1·(2 + 4).
  assert.is(await loss.item(), 1);
  assert.equal(await w.tolist(), [[3, 2]]);
});

test("a closed device rejects what it is asked for, and init() opens another", async () => {
  const x = wg.rand([4]);
  await wg.realize(x);
  const host = tensor([1, 2]);
  device.destroy();
  for (const call of [() => x.add(1).data(), () => wg.realize(x.mul(2))]) {
    const error = await failure(call);
    assert.instance(error, DeviceLostError);
    checkMessage(error);
  }
  device = await wg.init();
  assert.equal(await host.add(1).tolist(), [2, 3]);
  device.destroy();
});

test("a lost device says why, in whole sentences", async () => {
  const lost = await wg.init();
  const x = wg.rand([4]);
  await wg.realize(x);
  lost.gpu.destroy();
  await lost.gpu.lost;
  const error = await failure(() => x.add(1).data());
  assert.instance(error, DeviceLostError);
  assert.match((error as Error).message, /^the device was lost \(destroyed\): .*[^.]\. init\(\) opens a new one\.$/);
});

test("an array that was transferred has no values to make a tensor of", () => {
  const values = new Float32Array([1, 2]);
  structuredClone(values, { transfer: [values.buffer] });
  // Node 20 can't tell, and throws an error of its own.
  const known = "detached" in ArrayBuffer.prototype;
  assert.throws(() => tensor(values), known ? /^tensor: the array was transferred elsewhere/ : /detached/);
});

test.run();
