// Random graphs of all the public ops, with first and second gradients: short, over odd shapes, each result read by several others.

import {
  bilinear,
  cat,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  einsum,
  embedding,
  grad,
  gru,
  kron,
  linear,
  lstm,
  scaledDotProductAttention,
  stack,
  type Tensor,
  tensor,
  WgradError,
  where,
} from "../../src/index.ts";
import type { Dice } from "./random-program.ts";

type Op = (x: Tensor) => Tensor;

/** Sizes of leaves' dims, and the elements that a result has at most. */
const SIZES = [1, 2, 2, 3, 3, 4, 5, 7, 8];
const MOST = 2000;

/** Ops on what `beside` finds to go with an operand; all of them may throw where an operand's shape does not fit. */
function opsOf(dice: Dice, beside: (x: Tensor) => Tensor): readonly (readonly Op[])[] {
  const { below, pick } = { below: (n: number) => dice.below(n), pick: <T>(list: readonly T[]) => dice.pick(list) };
  const chance = (share: number): boolean => dice.next() < share;
  const dim = (x: Tensor): number => below(x.ndim) - (chance(0.3) ? x.ndim : 0);
  const size = (x: Tensor, d: number): number => x.shape.at(d) as number;
  const dims = (x: Tensor): number[] => x.shape.map((_, i) => i).filter(() => chance(0.5));
  const fresh = (...shape: readonly number[]): Tensor => dice.leaf(shape, chance(0.3));
  const positive = (x: Tensor): Tensor => x.square().add(0.5);
  const numbers = (shape: readonly number[], n: number): Tensor => {
    const count = shape.reduce((product, k) => product * k, 1);
    return tensor(
      Int32Array.from({ length: count }, () => below(n)),
      { shape },
    );
  };
  const withDim = (shape: readonly number[], d: number, n: number): number[] =>
    shape.with(d < 0 ? d + shape.length : d, n);
  /** `x` with as many dims as an op of images (or signals) takes. */
  const ranked = (x: Tensor, rank: number): Tensor =>
    x.ndim > rank
      ? x.reshape([-1, ...x.shape.slice(x.ndim - rank + 1)])
      : x.reshape([...Array(rank - x.ndim).fill(1), ...x.shape]);
  /** A few steps of `x`. */
  const sequence = (x: Tensor): Tensor => ranked(x, 3).slice([0, 4]);
  const factors = (n: number): number[] => {
    const shape: number[] = [];
    for (let rest = n, rank = 1 + below(4); rest > 1 || shape.length < rank; ) {
      const fits = [1, 2, 3, 4, 5, 6, 7, 8].filter((k) => rest % k === 0);
      const next = shape.length >= rank ? rest : pick(fits);
      shape.push(next);
      rest /= next;
    }
    return shape;
  };
  const strided = (x: Tensor, d: number): Tensor => {
    const n = size(x, d);
    const step = 1 + below(3);
    return x.slice(...x.shape.map((_, i) => (i === (d + x.ndim) % x.ndim ? ([below(n), n, step] as const) : null)));
  };
  const reduced = [
    "sum",
    "mean",
    "amax",
    "amin",
    "max",
    "min",
    "prod",
    "logsumexp",
    "nansum",
    "variance",
    "std",
  ] as const;
  const smooth = [
    "tanh",
    "sigmoid",
    "sin",
    "cos",
    "gelu",
    "silu",
    "softplus",
    "elu",
    "mish",
    "erf",
    "square",
    "atan",
    "softsign",
  ] as const;
  const rough = [
    "relu",
    "abs",
    "relu6",
    "hardswish",
    "leakyRelu",
    "hardshrink",
    "softshrink",
    "round",
    "sign",
    "selu",
  ] as const;
  const elementwise: readonly Op[] = [
    (x) => x[pick(smooth)](),
    (x) => x[pick(smooth)](),
    (x) => x[pick(rough)](),
    (x) => x[pick(["add", "sub", "mul", "maximum", "minimum", "atan2", "logaddexp"] as const)](beside(x)),
    (x) => x[pick(["add", "sub", "mul"] as const)](beside(x)),
    (x) => x[pick(["add", "mul"] as const)](pick([1, 0.5, 2, 0])),
    (x) => x.div(positive(beside(x))),
    (x) => positive(x).pow(pick([2, 0.5, -1, beside(x)])),
    (x) => positive(x)[pick(["log", "sqrt", "rsqrt", "reciprocal", "lgamma"] as const)](),
    (x) => where(x.gt(beside(x)), x, beside(x)),
    (x) => x.clamp({ min: -0.5, max: pick([0.5, beside(x)]) }),
    (x) => x.lerp(beside(x), pick([0.3, beside(x)])),
    (x) => x.maskedFill(x.gt(0.3), pick([0, 1])),
    (x) => x.glu({ dim: dim(x) }),
    (x) => x.detach().mul(beside(x)),
  ];
  /** Views of all elements. */
  const rearranged: readonly Op[] = [
    (x) => x.reshape(factors(x.numel)),
    (x) => x.reshape(factors(x.numel)),
    (x) => x.permute(x.shape.map((_, i) => i).sort(() => dice.next() - 0.5)),
    (x) => x.transpose(dim(x), dim(x)),
    (x) => x.flip(dims(x)),
    (x) => x.roll(1 + below(3), chance(0.7) ? { dims: dim(x) } : {}),
    (x) => x.unsqueeze(below(x.ndim + 1)),
    (x) => x.squeeze(),
    (x) => x.rot90(),
  ];
  const views: readonly Op[] = [
    (x) => x.flatten({ startDim: below(x.ndim) }),
    (x) => x.narrow(dim(x), 0, 1 + below(2)),
    (x) => x.narrow(0, below(size(x, 0)), 1),
    (x) => x.select(0, below(size(x, 0))),
    (x) => x.select(-1, below(size(x, -1))),
    (x) => strided(x, dim(x)),
    (x) => x.pad([below(2), below(3)]),
    (x) => x.pad([0, 0, below(3), below(2)], { value: pick([0, 1]) }),
    (x) => ranked(x, 3).pad([1, below(2)], { mode: pick(["reflect", "replicate", "circular"] as const) }),
    (x) => x.expand([1 + below(3), ...x.shape]),
    (x) => x.unfold(dim(x), 2, 1 + below(2)),
    (x) => x.repeat(x.shape.map(() => 1 + below(2))),
    (x) => x.repeatInterleave(1 + below(3), { dim: dim(x) }),
    (x) => cat([x, chance(0.5) ? x.tanh() : fresh(...x.shape)], { dim: dim(x) }),
    (x) => stack([x, beside(x).add(x.mul(0))], { dim: dim(x) }),
    (x) => pick(x.chunk(2, { dim: dim(x) })),
    (x) => pick(x.unbind({ dim: dim(x) })),
    (x) => x.diagonal({ offset: below(2) }),
    (x) => x.diagEmbed(),
    (x) => x[pick(["tril", "triu"] as const)]({ diagonal: below(3) - 1 }),
    (x) => ranked(x, 4).im2col([2, 1], { padding: below(2) }),
    (x) => ranked(x, 4).pixelUnshuffle(2),
  ];
  const reductions: readonly Op[] = [
    (x) => x[pick(reduced)](dim(x), chance(0.5)),
    (x) => x[pick(reduced)](dims(x), chance(0.5)),
    (x) => x.sum(dims(x), chance(0.5)),
    (x) => x[pick(["sum", "mean", "max", "min"] as const)](),
    (x) => x.norm({ p: pick([1, 2, 3]), dim: dim(x), keepdim: chance(0.5) }),
    (x) => x[pick(["softmax", "logSoftmax", "softmin"] as const)](dim(x)),
    (x) => x.softmax(dim(x)),
    (x) => x[pick(["cumsum", "cumprod", "logcumsumexp"] as const)](dim(x)),
    (x) => x[pick(["cummax", "cummin"] as const)](dim(x)).values,
    (x) => x.sort({ dim: dim(x), descending: chance(0.5) }).values,
    (x) => x.topk(1 + below(2), { dim: dim(x) }).values,
    (x) => x.median(dim(x), chance(0.5)).values,
    (x) => x.kthvalue(1, { dim: dim(x) }).values,
    (x) => x.layerNorm([size(x, -1)]),
    (x) => x.rmsNorm([size(x, -1)], { weight: fresh(size(x, -1)) }),
    (x) => x.groupNorm(1),
    (x) => x.batchNorm(null, null, { training: true, weight: fresh(size(x, 1)) }),
    (x) => ranked(x, 3).instanceNorm(),
    (x) => ranked(x, 3).localResponseNorm(2),
    (x) => x.normalize({ dim: dim(x) }),
    (x) => x.cosineSimilarity(beside(x), { dim: dim(x) }),
    (x) => x.pairwiseDistance(beside(x)),
  ];
  const indexed: readonly Op[] = [
    (x) => {
      const d = dim(x);
      return x.gather(d, numbers(withDim(x.shape, d, 1 + below(3)), size(x, d)));
    },
    (x) => {
      const d = dim(x);
      return x.indexSelect(d, numbers([1 + below(4)], size(x, d)));
    },
    (x) => {
      const d = dim(x);
      return x.takeAlongDim(x.argsort({ dim: d }), { dim: d });
    },
    (x) => {
      const d = dim(x);
      return x.gather(d, x[pick(["argmax", "argmin"] as const)](d, true));
    },
    (x) => x.take(numbers([2, 3], x.numel)),
    (x) => {
      const d = dim(x);
      const n = 1 + below(4);
      return x.indexAdd(d, numbers([n], size(x, d)), fresh(...withDim(x.shape, d, n)));
    },
    (x) => {
      const d = dim(x);
      const n = 1 + below(4);
      return fresh(...withDim(x.shape, d, n)).indexAdd(d, numbers([size(x, d)], n), x);
    },
    (x) => {
      const d = dim(x);
      return fresh(...x.shape).scatterAdd(d, numbers(x.shape, size(x, d)), x);
    },
    (x) => {
      const d = dim(x);
      return x.scatterReduce(
        d,
        numbers(x.shape, size(x, d)),
        fresh(...x.shape),
        pick(["sum", "mean", "amax"] as const),
      );
    },
    (x) => embedding(numbers([2, 3], size(x, 0)), x.reshape([size(x, 0), -1])),
    (x) => x.mul(x.argmax(dim(x), true).to("f32").mul(0.1)),
  ];
  const products: readonly Op[] = [
    (x) => x.matmul(fresh(size(x, -1), 1 + below(4))).mul(0.5),
    (x) => x.matmul(x.transpose(-1, -2)).mul(0.3),
    (x) => linear(x, fresh(1 + below(5), size(x, -1)), { bias: null }),
    (x) => bilinear(x, x.tanh(), fresh(2, size(x, -1), size(x, -1))),
    (x) => x.reshape([-1]).outer(fresh(1 + below(3))),
    (x) => kron(x, fresh(2, 1)),
    (x) => einsum("ij,kj->ik", ranked(x, 2), fresh(3, size(ranked(x, 2), 1))).mul(0.5),
    (x) => einsum("bij,bkj->bik", ranked(x, 3), ranked(x, 3).sin()).mul(0.3),
    (x) => einsum("ij->ji", ranked(x, 2)),
    (x) =>
      conv1d(ranked(x, 3), fresh(2, size(ranked(x, 3), 1), 1 + below(3)), { padding: below(2), stride: 1 + below(2) }),
    (x) =>
      conv2d(ranked(x, 4), fresh(1 + below(3), size(ranked(x, 4), 1), 1 + below(3), 1 + below(2)), {
        padding: 1,
        stride: 1 + below(2),
      }),
    (x) => conv2d(ranked(x, 4), fresh(size(ranked(x, 4), 1), 1, 2, 2), { padding: 1, groups: size(ranked(x, 4), 1) }),
    (x) => conv3d(ranked(x, 5), fresh(2, size(ranked(x, 5), 1), 1, 2, 1), { padding: 1 }),
    (x) => convTranspose1d(ranked(x, 3), fresh(size(ranked(x, 3), 1), 2, 2), { stride: 1 + below(2) }),
    (x) => convTranspose2d(ranked(x, 4), fresh(size(ranked(x, 4), 1), 2, 2, 1), { stride: 1 + below(2) }),
    (x) => ranked(x, 3)[pick(["avgPool1d", "maxPool1d"] as const)](2, { stride: 1 + below(2), padding: below(2) }),
    (x) => ranked(x, 4)[pick(["avgPool2d", "maxPool2d"] as const)](2, { stride: 1 + below(2), padding: below(2) }),
    (x) => ranked(x, 4)[pick(["adaptiveAvgPool2d", "adaptiveMaxPool2d"] as const)]([1 + below(3), 1 + below(3)]),
    (x) =>
      ranked(x, 4).interpolate({
        size: [1 + below(4), 1 + below(4)],
        mode: pick(["bilinear", "nearest"] as const),
      }),
    (x) => ranked(x, 4).interpolate({ size: [1 + below(4), 1 + below(4)], mode: "bilinear", alignCorners: true }),
    (x) => ranked(x, 4).interpolate({ scaleFactor: 2, mode: pick(["bilinear", "nearest"] as const) }),
    (x) =>
      ranked(x, 4).gridSample(fresh(size(ranked(x, 4), 0), 2, 3, 2), {
        paddingMode: pick(["zeros", "border"] as const),
      }),
    (x) => scaledDotProductAttention(ranked(x, 3), ranked(x, 3).cos(), ranked(x, 3), { isCausal: chance(0.5) }),
    (x) => ranked(x, 2).cdist(fresh(3, size(ranked(x, 2), 1))),
    (x) => gru(sequence(x), null, cells(3, x))[0],
    (x) => lstm(sequence(x), null, cells(4, x))[0],
  ];
  const cells = (gates: number, x: Tensor) => ({
    weightIh: fresh(gates * 2, size(x, -1)),
    weightHh: fresh(gates * 2, 2),
    biasIh: fresh(gates * 2),
    biasHh: fresh(gates * 2),
  });
  const labels = (x: Tensor): Tensor => numbers([size(x, 0), ...x.shape.slice(2)], size(x, 1));
  const losses: readonly Op[] = [
    (x) => x[pick(["mseLoss", "l1Loss", "smoothL1Loss", "huberLoss"] as const)](fresh(...x.shape)),
    (x) => x.binaryCrossEntropyWithLogits(fresh(...x.shape).square()),
    (x) =>
      x
        .logSoftmax(dim(x))
        .klDiv(fresh(...x.shape).softmax(dim(x)), { reduction: pick(["sum", "mean", "none"] as const) }),
    (x) => x.poissonNllLoss(fresh(...x.shape).square()),
    (x) => x.gaussianNllLoss(fresh(...x.shape), positive(beside(x)).add(x.mul(0))),
    (x) =>
      x.crossEntropy(labels(x), { reduction: pick(["sum", "mean", "none"] as const), labelSmoothing: pick([0, 0.1]) }),
    (x) => x.logSoftmax(1).nllLoss(labels(x), { weight: positive(fresh(size(x, 1))) }),
    (x) => x.tripletMarginLoss(fresh(...x.shape), fresh(...x.shape)),
    (x) => x.softMarginLoss(fresh(...x.shape).sign()),
  ];
  return pick([
    [elementwise, elementwise, rearranged, rearranged, views, reductions, reductions, indexed, products, losses],
    [elementwise, rearranged, reductions],
    [elementwise, views, reductions],
    [elementwise, rearranged, views, reductions, products],
  ]);
}

/** Tensors to compute: some of a random graph of about `length` ops, its first gradients and its second ones. */
export function randomGraph(
  dice: Dice,
  length: number,
  { sizes = SIZES, most = MOST }: { sizes?: readonly number[]; most?: number } = {},
): Tensor[] {
  // Few sizes, so that many shapes have as many elements as others.
  const own = Array.from({ length: 3 }, () => dice.pick(sizes));
  const shape = (): number[] => Array.from({ length: 1 + dice.below(dice.next() < 0.2 ? 6 : 4) }, () => dice.pick(own));
  const leaves = Array.from({ length: 1 + dice.below(3) }, (_, i) => {
    for (;;) {
      const wanted = shape();
      if (wanted.reduce((product, n) => product * n, 1) <= most / 2) return dice.leaf(wanted, i < 2);
    }
  });
  const pool = [...leaves];
  const recent = (): Tensor =>
    pool[pool.length - 1 - dice.below(Math.min(pool.length, dice.next() < 0.6 ? 2 : 6))] as Tensor;
  /** Something that broadcasts with `x`: what fits, or a part, or as much of something else as fits. */
  const beside = (x: Tensor): Tensor => {
    const kind = dice.below(6);
    const d = dice.below(x.ndim);
    if (kind === 0) return x.select(0, dice.below(x.shape[0] as number));
    if (kind === 1) return x.narrow(d, dice.below(x.shape[d] as number), 1);
    if (kind === 2) return x.sum(d, true);
    const other = Array.from({ length: 4 }, recent).find((y) => y !== x && y.numel >= x.numel);
    if (kind === 3 || other === undefined) return dice.leaf(x.shape, false);
    if (kind === 4)
      return other
        .flatten()
        .narrow(0, dice.below(other.numel - x.numel + 1), x.numel)
        .reshape(x.shape);
    return other
      .slice(...other.shape.map((n, i) => [0, Math.min(n, x.shape[i] ?? 1)] as const))
      .sum()
      .tanh();
  };
  const kinds = opsOf(dice, beside);
  for (let i = 0, tries = 0; i < length && tries < 20 * length; tries++) {
    const x = recent();
    try {
      const result = dice.pick(dice.pick(kinds))(x.ndim === 0 ? x.add(1).expand(shape()) : x);
      if (result.numel === 0 || result.numel > most || result.ndim > 6 || result.dtype !== "f32") continue;
      pool.push(result);
      i++;
    } catch (error) {
      // The op does not take such a shape.
      const refused = error instanceof WgradError || error instanceof RangeError;
      if (!refused || error.message.startsWith("internal")) throw error;
    }
  }
  const results = pool.slice(leaves.length);
  const outputs = results.filter((_, i) => i === results.length - 1 || dice.next() < 0.2);
  const wanted = leaves.filter((leaf) => leaf.requiresGrad);
  const first = gradients(dice, outputs, wanted);
  const second = dice.next() < 0.6 ? gradients(dice, first, wanted) : [];
  const targets = [outputs, first, second].filter((values) => values.length > 0 && dice.next() < 0.6).flat();
  return targets.length > 0 ? targets : [...outputs, ...first];
}

/** Gradients of one number that `values` make. */
function gradients(dice: Dice, values: readonly Tensor[], leaves: readonly Tensor[]): Tensor[] {
  const number: readonly ((x: Tensor) => Tensor)[] = [
    (x) => x.sum(),
    (x) => x.sum(),
    (x) => x.mean(),
    (x) => x.square().mean(),
    (x) => x.mul(dice.leaf(x.shape, false)).sum(),
  ];
  const parts = values.filter((x) => x.requiresGrad).map((x) => dice.pick(number)(x));
  if (parts.length === 0) return [];
  const loss = parts.reduce((sum, x) => sum.add(x));
  return grad(loss, leaves, { allowUnused: true }).filter((g) => g !== null);
}
