// Draws from weights: classes drawn by their weights, with replacement or without.

import { formatShape, type Shape, shapeError } from "../base/shape.ts";
import { type Tensor, withGrad } from "../graph/tensor.ts";
import { checkFloat, checkRank, filled, range } from "./arguments.ts";
import { add, ge, gt, le, logicalAnd, logicalOr, lt, mul, neg, trueDivide } from "./arithmetic.ts";
import { minimum } from "./comparison.ts";
import { cast, checkWhole } from "./define.ts";
import { log1p } from "./exponential.ts";
import { argmax } from "./extremes.ts";
import { unless } from "./gathering.ts";
import { hostNumbers, hostOutsider, hostRange } from "./host-values.ts";
import { rand } from "./random.ts";
import { minOver, sumOver } from "./reductions.ts";
import { cumsum } from "./scans.ts";
import { searchsorted } from "./searching.ts";
import { topk } from "./sorting.ts";

/** The largest f32. */
const LARGEST = 2 ** 128 - 2 ** 104;

/** Exponential random numbers of mean 1, positive and fine near 0: the shortest of a million times must not be equal. */
function waitingTimes(shape: Shape): Tensor {
  const uniform = add(rand(shape), add(mul(rand(shape), 2 ** -24), 2 ** -50));
  return neg(log1p(neg(minimum(uniform, 1 - 2 ** -24))));
}

/**
 * Draws `n` classes (i32) for every row of weights p [C] or [N, C], which need not sum to 1: [n] or [N, n]. With
 * `replacement`, it inverts the distribution function. Without it (the default), it takes the `n` smallest of
 * exponential waiting times with rates p, in the order in which they come (Efraimidis and Spirakis 2006); then at least
 * `n` weights must not be 0. Throws a RangeError for n > C without replacement, and for weights that are negative, not
 * finite, or all 0; if only the device knows the weights, the classes of such a row are -2^31.
 */
export function multinomial(p: Tensor, n: number, options: { readonly replacement?: boolean } = {}): Tensor {
  const op = "multinomial";
  const { replacement } = filled(op, options, { replacement: false });
  checkRank(op, checkFloat(op, p, "the weights"), [1, 2], "[C] or [N, C]", "the weights");
  checkWhole(op, "n", n, 1);
  const last = p.ndim - 1;
  const classes = p.shape[last] as number;
  if (classes === 0) throw shapeError`${op}: there must be a class to draw, got weights ${p.shape}.`;
  if (!replacement && n > classes) {
    throw new RangeError(
      `${op}: ${n} of ${classes} classes can't be drawn without replacement, got weights ${formatShape(p.shape)}. { replacement: true } draws classes again.`,
    );
  }
  const known = hostRange(p);
  if (known !== null) checkWeights(op, p, replacement ? 1 : n);
  return withGrad(false, () => {
    const weights = cast(p, "f32");
    const wrong = known === null ? isWrong(weights, last, replacement ? 1 : n) : null;
    return unless(wrong, drawn(weights, n, replacement));
  });
}

/** Demands finite weights ≥ 0, so many of them > 0 in every row. */
function checkWeights(op: string, p: Tensor, least: number): void {
  const wrong = hostOutsider(p, 0, LARGEST);
  if (wrong !== null)
    throw new RangeError(`${op}: weights must be ≥ 0${wrong > 0 ? " and finite" : ""}, got ${wrong}.`);
  const numbers = hostNumbers(p) ?? [];
  const classes = p.shape[p.ndim - 1] as number;
  for (let row = 0; row < numbers.length; row += classes) {
    const possible = numbers.slice(row, row + classes).filter((weight) => weight > 0).length;
    if (possible >= least) continue;
    const rule = least === 1 ? "some weight" : `${least} weights of a row, as many as are drawn without replacement,`;
    throw new RangeError(`${op}: ${rule} must be > 0, got ${possible === 0 ? "only 0" : possible}.`);
  }
}

/** Whether a row's weights are not what `checkWeights` demands, with size 1 instead of the classes. */
function isWrong(weights: Tensor, dim: number, least: number): Tensor {
  const allowed = logicalAnd(ge(weights, 0), le(weights, LARGEST));
  const possible = sumOver(cast(gt(weights, 0), "i32"), [dim]);
  return logicalOr(lt(possible, least), lt(minOver(cast(allowed, "i32"), [dim]), 1));
}

function drawn(weights: Tensor, n: number, replacement: boolean): Tensor {
  const last = weights.ndim - 1;
  if (!replacement) {
    const race = trueDivide(weights, waitingTimes(weights.shape));
    return n === 1 ? argmax(race, last, true) : topk(race, n, { dim: last }).indices;
  }
  const sums = cumsum(weights, last);
  const total = range(sums, last, (weights.shape[last] as number) - 1, 1);
  // Less than the total after rounding too, so that the search ends at a class with weight.
  return searchsorted(sums, mul(rand([...weights.shape.slice(0, -1), n]), total), { right: true });
}
