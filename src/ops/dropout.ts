// Dropout: zeroes at random. Its probability is data, so that it may change from step to step.

import { isFloat } from "../base/dtype.ts";
import { dtypeError, type Shape, shapeError } from "../base/shape.ts";
import type { ElementwiseDefinition } from "../graph/definition.ts";
import { nextKey } from "../graph/generator.ts";
import { sourceNode } from "../graph/node.ts";
import { Storage } from "../graph/storage.ts";
import { record, Tensor } from "../graph/tensor.ts";
import { add, ge, mul, sub, where } from "./arithmetic.ts";
import { cast, checkOptions, expectTensor, same } from "./define.ts";
import { rsqrt } from "./exponential.ts";
import { counters, randLike, UNIFORM, uniformReference } from "./random.ts";

/** Options of the dropout functions. */
export interface DropoutOptions {
  /** If false, x is returned unchanged. Default true. */
  training?: boolean;
}

/** A probability: a number, or a 0-dim tensor such as `scalar(() => schedule.p)` for one that changes under `compile`. */
export type Probability = number | Tensor;

/** WGSL: dropout_factor(counter, key, p), 0 with probability p, else 1 / (1 - p). */
export const DROPOUT: readonly string[] = [
  ...UNIFORM,
  "fn dropout_factor(counter: U, key: U, p: F) -> F { return select(1.0 / (1.0 - p), F(0.0), random_uniform(counter, key) < p); }",
];

/** The same number on the host. */
export function dropoutReference(counter: number, key: number, p: number): number {
  return uniformReference(counter, key) < p ? 0 : 1 / (1 - p);
}

const mask: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "dropout",
  wgsl: (t, index, key, p) => t.call("dropout_factor", index as string, key as string, p as string),
  helpers: DROPOUT,
  reference: (index, key, p) => dropoutReference(index as number, key as number, p as number),
  derivative: null,
  cost: 115,
};

/** Checks p and gives it as data; null where nothing is to be dropped. */
export function dropProbability(op: string, x: Tensor, p: Probability, options: DropoutOptions): Tensor | null {
  expectTensor(op, x);
  checkOptions(op, options, ["training"]);
  if (!isFloat(x.dtype))
    throw dtypeError`${op}: the input must be a float tensor, got ${x.dtype}. x.to("f32") converts.`;
  if (p instanceof Tensor) {
    if (p.numel !== 1 || p.ndim !== 0) {
      throw shapeError`${op}: p must be a number or a 0-dim tensor, got shape ${p.shape}.`;
    }
    return options.training === false ? null : cast(p, "f32");
  }
  if (typeof p !== "number" || !(p >= 0 && p <= 1))
    throw new RangeError(`${op}: p must lie in 0 … 1, got ${String(p)}.`);
  if (options.training === false || p === 0) return null;
  return new Tensor(sourceNode(new Storage(4, new Float32Array([p])), 0, [], "f32"));
}

/** 0 with probability p, else 1 / (1 - p): element i by the numbers that belong to counter i and the key. */
export function dropFactors(shape: Shape, key: Tensor, p: Tensor): Tensor {
  return record(mask, [counters(shape), key, p], shape, "f32");
}

/**
 * In training, sets each element to 0 with probability p (default ½) and multiplies the others by 1 / (1 - p), so that
 * the mean stays. Throws a RangeError for p outside 0 … 1.
 */
export function dropout(x: Tensor, p: Probability = 0.5, options: DropoutOptions = {}): Tensor {
  const drop = dropProbability("dropout", x, p, options);
  return drop === null ? same(x) : mul(x, cast(dropFactors(x.shape, nextKey(), drop), x.dtype));
}

/** Applies dropout to whole channels: each [n, c] of [N, C, H, W] or [N, C, L] is set to 0 or scaled as one. */
export function dropout2d(x: Tensor, p: Probability = 0.5, options: DropoutOptions = {}): Tensor {
  const drop = dropProbability("dropout2d", x, p, options);
  if (x.ndim !== 3 && x.ndim !== 4) {
    throw shapeError`dropout2d: the input must be [N, C, H, W] or [N, C, L], got ${x.shape}.`;
  }
  if (drop === null) return same(x);
  const shape = x.shape.map((n, i) => (i < 2 ? n : 1));
  return mul(x, cast(dropFactors(shape, nextKey(), drop), x.dtype));
}

/** The value that selu saturates at, -λα. */
const SATURATION = -1.7580993408473766;

/**
 * Applies dropout that keeps mean 0 and variance 1 behind selu: dropped elements take selu's lower limit, and all are
 * scaled and shifted (Klambauer et al. 2017).
 */
export function alphaDropout(x: Tensor, p: Probability = 0.5, options: DropoutOptions = {}): Tensor {
  const drop = dropProbability("alphaDropout", x, p, options);
  if (drop === null) return same(x);
  if (p === 1) return mul(x, 0);
  // a = ((1 - p)·(1 + p·s²))^-½ and b = -a·p·s.
  const a = rsqrt(mul(sub(1, drop), add(mul(drop, SATURATION ** 2), 1)));
  const b = mul(mul(a, drop), -SATURATION);
  const kept = ge(randLike(x, { dtype: "f32" }), drop);
  return add(mul(where(kept, x, SATURATION), cast(a, x.dtype)), cast(b, x.dtype));
}
