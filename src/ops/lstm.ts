// Long short-term memory: one direction of one layer over time, and one step.

import { formatShape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkRank, filled } from "./arguments.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { cast } from "./define.ts";
import { square } from "./exponential.ts";
import { tanh } from "./hyperbolic.ts";
import { linear, matmul } from "./linear-algebra.ts";
import { derivativeOf, Slots, slotLength, slotsOf, withDerivative } from "./memory.ts";
import {
  beside,
  checkLength,
  checkRecurrence,
  checkState,
  gateOf,
  gatesOf,
  overRows,
  projectInput,
  type RecurrentWeights,
  slotOf,
  statesBefore,
  stepOf,
  stepsOf,
} from "./recurrence.ts";
import { sigmoid } from "./sigmoid.ts";
import { permute } from "./views.ts";

/** Weights of an LSTM; the gates are i, f, g, o. */
export interface LSTMWeights extends RecurrentWeights {
  /** [P, H]: projects h to a smaller size (Sak et al. 2014). */
  readonly weightHr?: Tensor | null;
}

/** The cell's next content: σ(f)·c + σ(i)·tanh(g) of the gates' sums [B, 4·H]; c null stands for zeros. */
function nextCell(gates: Tensor, c: Tensor | null, hidden: number): Tensor {
  const added = mul(sigmoid(gateOf(gates, 0, hidden)), tanh(gateOf(gates, 2, hidden)));
  return c === null ? added : add(mul(sigmoid(gateOf(gates, 1, hidden)), c), added);
}

/** Computes the output of the cell: σ(o)·tanh(c). */
function shown(gates: Tensor, c: Tensor, hidden: number): Tensor {
  return mul(sigmoid(gateOf(gates, 3, hidden)), tanh(c));
}

/**
 * Back through time by hand. Left to the ops, every step's gradient of the projected input would be as large as all steps', and each
 * weight would get a product per step; so it is one buffer of the gates' gradients, and one product per weight.
 * Inputs: value, projected input, weightHh, [h0], [c0], [weightHr, what was projected], gates of each step.
 */
const overTime = derivativeOf("lstm", (g, out, inputs, attributes) => {
  const [reverse, hasH, hasC, hasProjection] = attributes.map(Boolean) as [boolean, boolean, boolean, boolean];
  const [value, projected, weightHh, ...others] = inputs as [Tensor, Tensor, Tensor, ...Tensor[]];
  const h0 = hasH ? (others.shift() as Tensor) : null;
  const c0 = hasC ? (others.shift() as Tensor) : null;
  const weightHr = hasProjection ? (others.shift() as Tensor) : null;
  const shownBefore = hasProjection ? (others.shift() as Tensor) : null;
  const [length, batch, width] = projected.shape as readonly [number, number, number];
  const hidden = width / 4;
  const hShape = [batch, weightHh.shape[1] as number];
  const cShape = [batch, hidden];
  const cStart = length * slotLength(hShape);
  const order = stepsOf(length, reverse);
  const gateGradients = new Slots([batch, 5, hidden]);
  const outputGradients = new Slots(hShape);
  let dh: Tensor | null = null;
  let dc: Tensor | null = null;
  for (let k = length - 1; k >= 0; k--) {
    const t = order[k] as number;
    const gates = others[t] as Tensor;
    const [i, f, n, o] = [0, 1, 2, 3].map((gate) => (gate === 2 ? tanh : sigmoid)(gateOf(gates, gate, hidden))) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    // From the value and not from `out`: this formula takes no gradient of c but the last, and is differentiated itself.
    const c = tanh(slotOf(value, cStart, t, cShape));
    const previous = k === 0 ? c0 : slotOf(value, cStart, order[k - 1] as number, cShape);
    const given = slotOf(g, 0, t, hShape);
    let dShown: Tensor = dh === null ? given : add(given, dh);
    if (weightHr !== null) dShown = matmul(outputGradients.put(t, dShown), weightHr);
    const later: Tensor = dc ?? slotOf(g, cStart, t, cShape);
    const dCell = add(mul(dShown, mul(o, sub(1, square(c)))), later);
    // Values that don't depend on the gradient are computed apart: so the kernel of the step before stores two values, not five.
    const slopes = beside([
      mul(n, mul(i, sub(1, i))),
      previous === null ? mul(f, 0) : mul(previous, mul(f, sub(1, f))),
      mul(i, sub(1, square(n))),
      mul(c, mul(o, sub(1, o))),
      f,
    ]);
    const all = gateGradients.put(t, mul(beside([dCell, dCell, dCell, dShown, dCell]), slopes));
    dh = matmul(gatesOf(all, 0, 4), weightHh);
    dc = gatesOf(all, 4, 1);
  }
  const dGates = gatesOf(slotsOf(gateGradients.packed(), 0, length, [batch, 5, hidden]), 0, 4);
  const states = statesBefore(slotsOf(out, 0, length, hShape), h0, reverse);
  const gradients: (Tensor | null)[] = [null, dGates, overRows(dGates, states)];
  if (h0 !== null) gradients.push(dh);
  if (c0 !== null) gradients.push(dc);
  if (shownBefore !== null) {
    const dOutputs = slotsOf(outputGradients.packed(), 0, length, hShape);
    gradients.push(overRows(dOutputs, slotsOf(shownBefore, 0, length, cShape)));
  }
  return gradients;
});

/**
 * One direction of one LSTM layer over [T, B, I]: per step i, f, o = σ, g = tanh of x·weightIhᵀ + biasIh + h·weightHhᵀ + biasHh,
 * c ← f c + i g, h ← o tanh c (with `weightHr` projected by it). From h0 and c0 (null: zeros), with `reverse` from the last step to the
 * first. Returns h after each step [T, B, H], and the last h and c. A step takes two kernels, forward and backward. Throws a
 * ShapeError where sizes don't fit (Hochreiter and Schmidhuber 1997).
 */
export function lstm(
  x: Tensor,
  state: readonly [Tensor | null, Tensor | null] | null,
  weights: LSTMWeights,
  options: { readonly reverse?: boolean } = {},
): [Tensor, [Tensor, Tensor]] {
  const op = "lstm";
  const { reverse } = filled(op, options, { reverse: false });
  const weightHr = weights?.weightHr ?? null;
  const { hidden, output, weightIh, weightHh, biasIh, biasHh } = checkRecurrence(
    op,
    x,
    "[T, B, I]",
    3,
    weights,
    4,
    weightHr !== null,
  );
  const [length, batch] = x.shape as readonly [number, number, number];
  const projection = weightHr === null ? null : cast(checkProjection(op, weightHr, output, hidden), "f32");
  const h0 = checkState(op, "h0", state?.[0], batch, output);
  const c0 = checkState(op, "c0", state?.[1], batch, hidden);
  const order = stepsOf(checkLength(op, length), reverse);
  const projected = projectInput(x, weightIh, biasIh, biasHh);
  const turned = permute(weightHh, [1, 0]);
  const hs = new Slots([batch, output]);
  const cs = new Slots([batch, hidden], length * slotLength([batch, output]));
  const seen = new Slots([batch, hidden]);
  const gates = new Array<Tensor>(length);
  let h = h0;
  let c = c0;
  for (const t of order) {
    const given = stepOf(projected, t);
    const sums = h === null ? given : add(given, matmul(h, turned));
    gates[t] = sums;
    c = cs.put(t, nextCell(sums, c, hidden));
    const out = shown(sums, c, hidden);
    h = hs.put(t, projection === null ? out : matmul(seen.put(t, out), permute(projection, [1, 0])));
  }
  const buffer = withDerivative(
    overTime,
    hs.packed(cs),
    [projected, weightHh, h0, c0, projection, projection === null ? null : seen.packed(), ...gates].filter(
      (x) => x !== null,
    ),
    [reverse, h0 !== null, c0 !== null, projection !== null].map(Number),
  );
  const last = order[length - 1] as number;
  const results = [
    slotsOf(buffer, 0, length, [batch, output]),
    slotOf(buffer, 0, last, [batch, output]),
    slotOf(buffer, cs.start, last, [batch, hidden]),
  ].map((result) => cast(result, x.dtype)) as [Tensor, Tensor, Tensor];
  return [results[0], [results[1], results[2]]];
}

function checkProjection(op: string, weightHr: Tensor, output: number, hidden: number): Tensor {
  checkRank(op, weightHr, [2], "[P, H]", "weightHr");
  if (weightHr.shape[0] === output && weightHr.shape[1] === hidden) return weightHr;
  throw shapeError`${op}: weightHr must be ${formatShape([output, hidden])}, got ${weightHr.shape}.`;
}

/**
 * One step of an LSTM: x [B, I] and state [h, c] (null: zeros) → [h, c], each [B, H]. As a step of `lstm`. Throws a ShapeError where
 * sizes don't fit.
 */
export function lstmCell(
  x: Tensor,
  state: readonly [Tensor, Tensor] | null,
  weights: RecurrentWeights,
): [Tensor, Tensor] {
  const op = "lstmCell";
  const { hidden, weightIh, weightHh, biasIh, biasHh } = checkRecurrence(op, x, "[B, I]", 2, weights, 4, false);
  const batch = x.shape[0] as number;
  const h0 = checkState(op, "h", state?.[0], batch, hidden);
  const c0 = checkState(op, "c", state?.[1], batch, hidden);
  const given = projectInput(x, weightIh, biasIh, biasHh);
  const sums = h0 === null ? given : add(given, linear(h0, weightHh));
  const c = nextCell(sums, c0, hidden);
  return [cast(shown(sums, c, hidden), x.dtype), cast(c, x.dtype)];
}
