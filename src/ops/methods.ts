// Every op whose first argument is a tensor: each export here is a function and, installed by methods.ts, a method of Tensor. Files that hold
// ops alone are exported as they are, so that a new op in one of them touches that file only.

export * from "./activations.ts";
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
export * from "./attention.ts";
export * from "./bits.ts";
export * from "./classification-losses.ts";
export { clamp, isclose, isfinite, isinf, isnan, maximum, minimum, nanToNum } from "./comparison.ts";
export * from "./convolution.ts";
export * from "./counting.ts";
export { fullLike, onesLike, zerosLike } from "./creation.ts";
export { ctcLoss, type Lengths } from "./ctc-loss.ts";
export * from "./division.ts";
export { alphaDropout, dropout, dropout2d } from "./dropout.ts";
export { exp, exp2, expm1, hypot, log, log1p, log2, log10, reciprocal, rsqrt, sqrt, square } from "./exponential.ts";
export { amax, amin, argmax, argmin, max, min } from "./extremes.ts";
export * from "./gelu.ts";
export * from "./grid-sample.ts";
export * from "./gru.ts";
export { acosh, asinh, atanh, cosh, sinh, tanh } from "./hyperbolic.ts";
export * from "./image-layout.ts";
export { embedding, gather, indexSelect, maskedFill, take, takeAlongDim } from "./indexing.ts";
export * from "./interpolation.ts";
export { chunk, meshgrid, repeat, repeatInterleave, split, tile, unbind } from "./joining.ts";
export * from "./linear-algebra.ts";
export * from "./losses.ts";
export * from "./lstm.ts";
export * from "./matrix-parts.ts";
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
export * from "./multinomial.ts";
export * from "./normalization.ts";
export * from "./norms.ts";
export * from "./padding.ts";
export * from "./pooling.ts";
export * from "./power.ts";
export { bernoulli, randLike, randnLike } from "./random.ts";
export * from "./ranking-losses.ts";
export { all, any, countNonzero, logsumexp, mean, nanmean, nansum, prod, std, sum, variance } from "./reduction-ops.ts";
export * from "./resizing.ts";
export * from "./rnn.ts";
export * from "./rope.ts";
export { abs, ceil, copysign, fmod, frac, remainder, round, sign } from "./rounding.ts";
export { cummax, cummin, cumprod, cumsum, logcumsumexp } from "./scans.ts";
export * from "./scattering.ts";
export * from "./searching.ts";
export { logSigmoid, sigmoid, softplus } from "./sigmoid.ts";
export * from "./softmax.ts";
export { argsort, type Found, kthvalue, median, msort, sort, topk } from "./sorting.ts";
export * from "./special.ts";
export { acos, asin, atan, atan2, cos, deg2rad, rad2deg, sin, tan } from "./trigonometry.ts";
export { expand, permute, reshape } from "./views.ts";
