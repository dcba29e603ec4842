// Draws from weights: classes drawn by their weights, with replacement or without.

import { type Tensor, withGrad } from "../graph/tensor.ts";
import { formatShape, type Shape, shapeError } from "../shape.ts";
import { checkFloat, checkRank, filled, range } from "./arguments.ts";
import { add, mul, neg, trueDivide } from "./arithmetic.ts";
import { minimum } from "./comparison.ts";
import { cast, checkWhole, hostRange } from "./define.ts";
import { log1p } from "./exponential.ts";
import { argmax } from "./extremes.ts";
import { rand } from "./random.ts";
import { cumsum } from "./scans.ts";
import { searchsorted } from "./searching.ts";
import { topk } from "./sorting.ts";

/** Exponential random numbers of mean 1, positive and fine near 0: the shortest of a million times must not be equal. */
function waitingTimes(shape: Shape): Tensor {
  const uniform = add(rand(shape), add(mul(rand(shape), 2 ** -24), 2 ** -50));
  return neg(log1p(neg(minimum(uniform, 1 - 2 ** -24))));
}

/**
 * `n` classes (i32) for every row of weights p [C] or [N, C], which need not sum to 1: [n] or [N, n]. With `replacement` by inverting the
 * distribution function; without (the default) the `n` smallest of exponential waiting times with rates p, in the order in which they
 * come (Efraimidis and Spirakis 2006): then at least `n` weights must not be 0. Throws a RangeError for n > C without replacement, and for
 * weights known to be negative or all 0.
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
  if (known !== null && known[0] < 0) throw new RangeError(`${op}: weights must be ≥ 0, got ${known[0]}.`);
  if (known !== null && known[1] === 0) throw new RangeError(`${op}: some weight must be > 0, got only 0.`);
  return withGrad(false, () => {
    const weights = cast(p, "f32");
    if (!replacement) {
      const race = trueDivide(weights, waitingTimes(p.shape));
      return n === 1 ? argmax(race, last, true) : topk(race, n, { dim: last }).indices;
    }
    const sums = cumsum(weights, last);
    const total = range(sums, last, classes - 1, 1);
    // Less than the total after rounding too, so that the search ends at a class with weight.
    return searchsorted(sums, mul(rand([...p.shape.slice(0, -1), n]), total), { right: true });
  });
}
