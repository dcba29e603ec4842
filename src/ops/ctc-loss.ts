// Connectionist temporal classification: the loss of sequences without alignment (Graves et al. 2006).

import { dtypeError, formatShape, shapeError } from "../base/shape.ts";
import { Tensor } from "../graph/tensor.ts";
import { checkFloat, checkRank, dropDims, insertDim, range, surroundedAlong } from "./arguments.ts";
import { add, eq, floor, ge, gt, logicalAnd, logicalOr, lt, mul, ne, sub, trueDivide, where } from "./arithmetic.ts";
import { maximum, minimum } from "./comparison.ts";
import { tensor } from "./creation.ts";
import { cast, checkWhole, constant, expectTensor } from "./define.ts";
import { exp, log } from "./exponential.ts";
import { amax } from "./extremes.ts";
import { gatherAlong, isOutside, unless } from "./gathering.ts";
import { hostNumbers, hostOutsider, hostRange } from "./host-values.ts";
import { iota } from "./iota.ts";
import { type LossOptions, lossOptions } from "./loss-reduction.ts";
import { derivativeOf, Slots, slotsOf, withDerivative } from "./memory.ts";
import { flip } from "./movement.ts";
import { stepOf } from "./recurrence.ts";
import { mean, sum } from "./reduction-ops.ts";
import { sumOver } from "./reductions.ts";
import { expand, permute, reshape } from "./views.ts";

/** Lengths of the sequences of a batch: integers as tensor [N] or array; a number for a single sequence. */
export type Lengths = Tensor | readonly number[] | number;

export interface CTCLossOptions extends LossOptions {
  /** Index of the blank. Default 0. */
  readonly blank?: number;
  /** Losses that are infinite (the target doesn't fit into the input) count as 0, and so do their gradients. Default false. */
  readonly zeroInfinity?: boolean;
}

/** The logarithm of 0: finite, since shaders may assume that infinities never occur. */
const NEVER = -1e30;
/** A smaller number is the logarithm of 0, with other terms added. */
const IMPOSSIBLE = -1e29;
/** Emission that stands for a step behind the sequence's end. */
const OVER = 1e30;

/** `x` stored once, whoever reads it. */
function stored(x: Tensor): Tensor {
  const slot = new Slots(x.shape);
  slot.put(0, x);
  return reshape(slotsOf(slot.packed(), 0, 1, x.shape), x.shape);
}

/** x [N, W] moved along by `places`, with NEVER coming in. */
function shifted(x: Tensor, places: number): Tensor {
  return surroundedAlong(x, 1, places, -places, NEVER);
}

/** log(eᵃ + eᵇ + eᶜ). */
function logAddExp3(a: Tensor, b: Tensor, c: Tensor): Tensor {
  const most = maximum(maximum(a, b), c);
  return add(most, log(add(add(exp(sub(a, most)), exp(sub(b, most))), exp(sub(c, most)))));
}

/** log Σ over the last dim of eˣ where `mask` holds: [N, W] → [N]. */
function logSumWhere(x: Tensor, mask: Tensor): Tensor {
  const kept = where(mask, x, NEVER);
  const most = amax(kept, 1, true);
  const total = sumOver(where(mask, exp(sub(kept, most)), 0), [1]);
  return dropDims(add(most, log(total)), [1]);
}

/**
 * PyTorch's gradient by the log-probabilities: eˡᵒᵍᵖ less the probability that the symbol is emitted at that step, given the target. It is the
 * gradient by the logits where the log-probabilities are a logSoftmax of them, and passes through that unchanged.
 * Inputs: losses [N], logProbs [T, N, C], symbols [N, W], emissions [T, N, W], penalties [N, W], forward variables [T, N, W], ends [N, W],
 * log-probability of the target [N].
 */
const backwards = derivativeOf("ctcLoss", (g, _out, inputs, [zeroInfinity]) => {
  const [, logProbs, symbols, emissions, penalties, forward, ends, total] = inputs as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const [length, batch, classes] = logProbs.shape as readonly [number, number, number];
  const width = symbols.shape[1] as number;
  const slots = new Slots([batch, width]);
  // log-probability of the rest of the target after this step and place.
  // In a buffer of their own: this recursion and the forward one may share kernels, whose slices then lie equally far into each.
  const turned = stored(flip(emissions, 0));
  let rest = slots.put(length - 1, where(ends, 0, constant(NEVER)));
  for (let t = length - 2; t >= 0; t--) {
    const emission = stepOf(turned, length - 2 - t);
    const next = add(emission, rest);
    const reached = logAddExp3(next, shifted(next, -1), shifted(add(next, penalties), -2));
    rest = slots.put(t, where(gt(emission, 0.5 * OVER), rest, reached));
  }
  const after = slotsOf(slots.packed(), 0, length, [batch, width]);
  const seen = exp(minimum(sub(add(forward, after), reshape(total, [batch, 1])), 0));
  // Σ over places of one symbol, as a product with one-hot rows: [N, T, W] · [N, W, C].
  const place = cast(eq(insertDim(symbols, 2), iota(classes)), "f32");
  const product = mul(reshape(permute(seen, [1, 0, 2]), [batch, length, width, 1]), insertDim(place, 1));
  const emitted = permute(reshape(sumOver(product, [2]), [batch, length, classes]), [1, 0, 2]);
  const over = gt(range(emissions, 2, 0, 1), 0.5 * OVER);
  const impossible = reshape(lt(total, IMPOSSIBLE), [batch, 1]);
  const slope = where(impossible, zeroInfinity === 1 ? 0 : Number.NaN, sub(exp(logProbs), emitted));
  return [null, mul(where(over, 0, slope), reshape(g, [batch, 1]))];
});

interface Batch {
  /** [T, N, C]. */
  readonly logProbs: Tensor;
  /** [N]. */
  readonly inputLengths: Tensor;
  /** [N]. */
  readonly targetLengths: Tensor;
  /** [N, most]: the targets, garbage behind their ends. */
  readonly targets: Tensor;
  readonly batched: boolean;
}

function lengthsOf(op: string, name: string, value: Lengths, batch: number, most: number): Tensor {
  const given = typeof value === "number" ? [value] : value;
  const lengths =
    given instanceof Tensor
      ? given
      : tensor(
          given.map((n) => checkWhole(op, name, n, 0)),
          { dtype: "i32" },
        );
  if (lengths.dtype !== "i32" && lengths.dtype !== "u32") {
    throw dtypeError`${op}: ${name} must be integers, got ${lengths.dtype}. x.to("i32") converts.`;
  }
  if (lengths.numel !== batch || lengths.ndim > 1) {
    throw shapeError`${op}: ${name} must be ${formatShape([batch])}, got ${lengths.shape}.`;
  }
  const wrong = hostOutsider(lengths, 0, most);
  if (wrong !== null) throw new RangeError(`${op}: ${name} must be in 0 … ${most}, got ${wrong}.`);
  return cast(reshape(lengths, [batch]), "i32");
}

/** Demands classes in the targets up to their lengths, as far as the host knows both. */
function checkSymbols(op: string, targets: Tensor, lengths: Tensor, classes: number): void {
  const ends = hostNumbers(lengths);
  if (ends === null) return;
  const room = targets.shape[targets.ndim - 1] as number;
  const starts = ends.map((_, row) =>
    targets.ndim === 2 ? row * room : ends.slice(0, row).reduce((sum, end) => sum + end, 0),
  );
  const behind = (starts[starts.length - 1] ?? 0) + (ends[ends.length - 1] ?? 0);
  if (behind > targets.numel)
    throw new RangeError(`${op}: targetLengths add up to ${behind}, got ${targets.numel} targets.`);
  if (hostOutsider(targets, 0, classes - 1) === null) return;
  const symbols = hostNumbers(targets) ?? [];
  for (const [row, start] of starts.entries()) {
    const used = symbols.slice(start, start + (ends[row] as number));
    const wrong = used.find((symbol) => !(symbol >= 0 && symbol < classes));
    if (wrong === undefined) continue;
    throw new RangeError(
      `${op}: target ${wrong} is out of range for ${classes} classes. Classes run from 0 to ${classes - 1}.`,
    );
  }
}

function batchOf(op: string, logProbs: Tensor, targets: Tensor, inputs: Lengths, lengths: Lengths): Batch {
  checkRank(op, checkFloat(op, logProbs, "logProbs"), [2, 3], "[T, N, C] or [T, C]", "logProbs");
  checkRank(op, targets, [1, 2], "[N, S], or all targets one after the other", "targets");
  const batched = logProbs.ndim === 3;
  const x = cast(batched ? logProbs : insertDim(logProbs, 1), "f32");
  const [length, batch] = x.shape as readonly [number, number, number];
  if (length === 0) throw shapeError`${op}: logProbs must hold at least one step, got ${formatShape(logProbs.shape)}.`;
  const rows = targets.ndim === 2;
  const room = targets.shape[targets.ndim - 1] as number;
  if (rows && targets.shape[0] !== batch) {
    throw shapeError`${op}: targets must be ${formatShape([batch, room])} for logProbs ${logProbs.shape}, got ${targets.shape}.`;
  }
  const inputLengths = lengthsOf(op, "inputLengths", inputs, batch, length);
  const targetLengths = lengthsOf(op, "targetLengths", lengths, batch, room);
  checkSymbols(op, targets, targetLengths, x.shape[2] as number);
  const symbols = cast(targets, "i32");
  if (rows) return { logProbs: x, inputLengths, targetLengths, targets: symbols, batched };
  // One after the other: target n begins where those before it end.
  const before = lt(iota(batch), reshape(iota(batch), [batch, 1]));
  const starts = sumOver(where(before, targetLengths, 0), [1]);
  const known = hostRange(targetLengths);
  const most = known === null ? room : known[1];
  const at = add(starts, iota(most));
  const wide =
    room === 0 ? expand(constant(0, "i32"), [batch, most]) : gatherAlong(expand(symbols, [batch, room]), 1, at);
  return { logProbs: x, inputLengths, targetLengths, targets: wide, batched };
}

/**
 * -log of the probability that a target is emitted, summed over all alignments with repetitions and blanks: logProbs [T, N, C] (or [T, C]),
 * targets [N, S] (or one after the other, [ΣS]), lengths [N]. The mean divides each loss by its target's length, then takes the mean over
 * the batch. By the forward recursion in logarithms, a kernel a step; the gradient is PyTorch's, which takes logProbs to be a logSoftmax.
 * Throws a ShapeError, a DTypeError, or a RangeError where the host knows of lengths or classes out of range; where only the device does, that
 * sequence's loss is NaN.
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Lengths,
  targetLengths: Lengths,
  options: CTCLossOptions = {},
): Tensor {
  const op = "ctcLoss";
  const { reduction, blank, zeroInfinity } = lossOptions(op, options, { blank: 0, zeroInfinity: false });
  expectTensor(op, logProbs, "logProbs");
  const given = batchOf(op, logProbs, targets, inputLengths, targetLengths);
  const [length, batch, classes] = given.logProbs.shape as readonly [number, number, number];
  if (checkWhole(op, "blank", blank, 0) >= classes)
    throw new RangeError(`${op}: blank must be below ${classes}, got ${blank}.`);

  // Blanks between and around the symbols; padded so that each step's slice can be bound by itself.
  const most = given.targets.shape[1] as number;
  const width = roundUp(2 * most + 1, 64 / commonPower(batch));
  const place = iota(width);
  const ends = reshape(given.targetLengths, [batch, 1]);
  const symbol = cast(floor(mul(cast(place, "f32"), 0.5)), "i32");
  const odd = eq(sub(place, mul(symbol, 2)), 1);
  const inside = logicalAnd(odd, lt(symbol, ends));
  const at = expand(minimum(symbol, Math.max(most - 1, 0)), [batch, width]);
  const symbols =
    most === 0
      ? expand(constant(blank, "i32"), [batch, width])
      : where(inside, gatherAlong(given.targets, 1, at), blank);
  const before = surroundedAlong(symbols, 1, 2, -2, blank);
  const skips = logicalAnd(ne(symbols, blank), ne(symbols, before));
  const penalties = stored(where(skips, 0, constant(NEVER)));
  const ended = logicalOr(eq(place, mul(ends, 2)), eq(place, sub(mul(ends, 2), 1)));

  const index = expand(symbols, [length, batch, width]);
  const over = ge(reshape(iota(length), [length, 1, 1]), reshape(given.inputLengths, [batch, 1]));
  const emissions = stored(where(over, OVER, maximum(gatherAlong(given.logProbs, 2, index), NEVER)));

  const slots = new Slots([batch, width]);
  let alpha = expand(where(eq(place, 0), 0, constant(NEVER)), [batch, width]);
  for (let t = 0; t < length; t++) {
    const emission = stepOf(emissions, t);
    const reached = logAddExp3(alpha, shifted(alpha, 1), add(shifted(alpha, 2), penalties));
    alpha = slots.put(t, where(gt(emission, 0.5 * OVER), alpha, add(emission, reached)));
  }
  const forward = slotsOf(slots.packed(), 0, length, [batch, width]);
  const total = logSumWhere(stepOf(forward, length - 1), ended);
  const raw = where(lt(total, IMPOSSIBLE), zeroInfinity ? 0 : Number.POSITIVE_INFINITY, mul(total, -1));
  const saved = [given.logProbs, symbols, emissions, penalties, forward, ended, total];
  let found = withDerivative(backwards, raw, saved, [Number(zeroInfinity)]);
  found = unless(isOutside(given.inputLengths, length + 1), found);
  found = unless(isOutside(given.targetLengths, most + 1), found);
  const losses = cast(found, logProbs.dtype);
  if (reduction === "none") return given.batched ? losses : reshape(losses, []);
  if (reduction === "sum") return sum(losses);
  return mean(trueDivide(losses, maximum(given.targetLengths, 1)));
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** The largest power of two up to 64 that divides `n`. */
function commonPower(n: number): number {
  let power = 1;
  while (power < 64 && n > 0 && n % (2 * power) === 0) power *= 2;
  return power;
}
