// Every op whose first argument is a tensor: each export here is a function and, installed by tensor.ts, a method of Tensor.

export {
  celu,
  elu,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  leakyRelu,
  mish,
  prelu,
  relu,
  relu6,
  selu,
  softshrink,
  softsign,
  tanhshrink,
  threshold,
} from "./activations.ts";
export {
  add,
  bitwiseAnd,
  bitwiseOr,
  bitwiseXor,
  eq,
  floor,
  ge,
  gt,
  le,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  lt,
  mul,
  ne,
  neg,
  sub,
  trunc,
} from "./arithmetic.ts";
export { scaledDotProductAttention } from "./attention.ts";
export { bitwiseLeftShift, bitwiseNot, bitwiseRightShift } from "./bits.ts";
export { crossEntropy, nllLoss } from "./classification-losses.ts";
export { clamp, isclose, isfinite, isinf, isnan, maximum, minimum, nanToNum } from "./comparison.ts";
export { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d } from "./convolution.ts";
export { bincount } from "./counting.ts";
export { fullLike, onesLike, zerosLike } from "./creation.ts";
export { ctcLoss, type Lengths } from "./ctc-loss.ts";
export { div, floorDivide } from "./division.ts";
export { alphaDropout, dropout, dropout2d } from "./dropout.ts";
export { exp, exp2, expm1, hypot, log, log1p, log2, log10, reciprocal, rsqrt, sqrt, square } from "./exponential.ts";
export { amax, amin, argmax, argmin, max, min } from "./extremes.ts";
export { gelu, silu } from "./gelu.ts";
export { gridSample } from "./grid-sample.ts";
export { gru, gruCell } from "./gru.ts";
export { acosh, asinh, atanh, cosh, sinh, tanh } from "./hyperbolic.ts";
export { col2im, fold, im2col, pixelShuffle, pixelUnshuffle, unfold2d } from "./image-layout.ts";
export { embedding, gather, indexSelect, maskedFill, take, takeAlongDim } from "./indexing.ts";
export { addcdiv, addcmul, lerp } from "./interpolation.ts";
export { chunk, repeat, repeatInterleave, split, tile, unbind } from "./joining.ts";
export {
  addmm,
  baddbmm,
  bilinear,
  bmm,
  dot,
  kron,
  linear,
  matmul,
  mm,
  mv,
  outer,
  tensordot,
} from "./linear-algebra.ts";
export {
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  gaussianNllLoss,
  huberLoss,
  klDiv,
  l1Loss,
  mseLoss,
  poissonNllLoss,
  smoothL1Loss,
} from "./losses.ts";
export { lstm, lstmCell } from "./lstm.ts";
export { diag, diagEmbed, diagonal, oneHot, rot90, tril, triu } from "./matrix-parts.ts";
export {
  broadcastTo,
  flatten,
  flip,
  movedim,
  narrow,
  roll,
  select,
  slice,
  squeeze,
  t,
  transpose,
  unflatten,
  unfold,
  unsqueeze,
  view,
} from "./movement.ts";
export { multinomial } from "./multinomial.ts";
export { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm, rmsNorm } from "./normalization.ts";
export { cdist, cosineSimilarity, norm, normalize, pairwiseDistance } from "./norms.ts";
export { pad } from "./padding.ts";
export {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  avgPool1d,
  avgPool2d,
  maxPool1d,
  maxPool2d,
} from "./pooling.ts";
export { pow } from "./power.ts";
export { bernoulli, randLike, randnLike } from "./random.ts";
export { cosineEmbeddingLoss, hingeEmbeddingLoss, marginRankingLoss, tripletMarginLoss } from "./ranking-losses.ts";
export { all, any, countNonzero, logsumexp, mean, nanmean, nansum, prod, std, sum, variance } from "./reduction-ops.ts";
export { interpolate } from "./resizing.ts";
export { rnn, rnnCell } from "./rnn.ts";
export { rope } from "./rope.ts";
export { abs, ceil, copysign, fmod, frac, remainder, round, sign } from "./rounding.ts";
export { cummax, cummin, cumprod, cumsum, logcumsumexp } from "./scans.ts";
export { indexAdd, scatter, scatterAdd, scatterReduce } from "./scattering.ts";
export { searchsorted } from "./searching.ts";
export { logSigmoid, sigmoid, softplus } from "./sigmoid.ts";
export { logSoftmax, softmax, softmin } from "./softmax.ts";
export { argsort, type Found, kthvalue, median, msort, sort, topk } from "./sorting.ts";
export { digamma, erf, erfc, erfinv, lgamma, logaddexp, logit, sinc, xlogy } from "./special.ts";
export { acos, asin, atan, atan2, cos, deg2rad, rad2deg, sin, tan } from "./trigonometry.ts";
export { expand, permute, reshape } from "./views.ts";
