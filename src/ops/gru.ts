// Gated recurrent units: one direction of one layer over time, and one step.

import type { Tensor } from "../graph/tensor.ts";
import { filled, insertDim } from "./arguments.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { cast, constant } from "./define.ts";
import { square } from "./exponential.ts";
import { tanh } from "./hyperbolic.ts";
import { linear } from "./linear-algebra.ts";
import { derivativeOf, Slots, slotsOf, withDerivative } from "./memory.ts";
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
import { sumOver } from "./reductions.ts";
import { sigmoid } from "./sigmoid.ts";
import { expand, reshape, rolled } from "./views.ts";

interface Gates {
  readonly r: Tensor;
  readonly z: Tensor;
  readonly n: Tensor;
}

/** The gates of the input's part and the state's part, each [B, 3·H]. */
function gatesFrom(given: Tensor, recurrent: Tensor, hidden: number): Gates {
  const both = (k: number): Tensor => sigmoid(add(gateOf(given, k, hidden), gateOf(recurrent, k, hidden)));
  const [r, z] = [both(0), both(1)];
  return { r, z, n: tanh(add(gateOf(given, 2, hidden), mul(r, gateOf(recurrent, 2, hidden)))) };
}

/** (1 - z)·n + z·h; h null stands for zeros. */
function nextState({ z, n }: Gates, h: Tensor | null): Tensor {
  return h === null ? sub(n, mul(z, n)) : add(n, mul(z, sub(h, n)));
}

/** The state's part of the gates, h·weightᵀ + bias; h null stands for zeros. */
function recurrentPart(h: Tensor | null, weight: Tensor, bias: Tensor | null, batch: number): Tensor {
  if (h !== null) return linear(h, weight, { bias });
  return expand(bias ?? constant(0, "f32"), [batch, weight.shape[0] as number]);
}

/**
 * Back through time by hand, as in lstm.ts. The gates' gradients stand in the order n·r, r, z, n, so that the first three are the
 * state's part and the last three the input's.
 * Inputs: value, projected input, weightHh, [biasHh], [h0], the state's part of the gates of each step.
 */
const overTime = derivativeOf("gru", (g, out, inputs, attributes) => {
  const [reverse, hasBias, hasH] = attributes.map(Boolean) as [boolean, boolean, boolean];
  const [, projected, weightHh, ...others] = inputs as [Tensor, Tensor, Tensor, ...Tensor[]];
  if (hasBias) others.shift();
  const h0 = hasH ? (others.shift() as Tensor) : null;
  const [length, batch, width] = projected.shape as readonly [number, number, number];
  const hidden = width / 3;
  const shape = [batch, hidden];
  const order = stepsOf(length, reverse);
  const turned = rolled(reshape(weightHh, [3, hidden, hidden]), [1, 0, 0]);
  const gateGradients = new Slots([batch, 5, hidden]);
  let dh: Tensor | null = null;
  for (let k = length - 1; k >= 0; k--) {
    const t = order[k] as number;
    const recurrent = others[t] as Tensor;
    const { r, z, n } = gatesFrom(stepOf(projected, t), recurrent, hidden);
    const previous = k === 0 ? h0 : slotOf(out, 0, order[k - 1] as number, shape);
    const given = slotOf(g, 0, t, shape);
    const total: Tensor = dh === null ? given : add(given, dh);
    const byN = mul(sub(1, z), sub(1, square(n)));
    const byZ = mul(previous === null ? mul(n, -1) : sub(previous, n), mul(z, sub(1, z)));
    const byR = mul(mul(byN, gateOf(recurrent, 2, hidden)), mul(r, sub(1, r)));
    const all = gateGradients.put(t, mul(insertDim(total, 1), beside([mul(byN, r), byR, byZ, byN, z])));
    dh = add(throughGates(all, turned), gatesOf(all, 4, 1));
  }
  const dAll = slotsOf(gateGradients.packed(), 0, length, [batch, 5, hidden]);
  const dRecurrent = gatesOf(dAll, 0, 3);
  const states = statesBefore(slotsOf(out, 0, length, shape), h0, reverse);
  const gradients: (Tensor | null)[] = [null, gatesOf(dAll, 1, 3), inOrder(overRows(dRecurrent, states))];
  if (hasBias) gradients.push(inOrder(sumOver(dRecurrent, [0, 1])));
  if (h0 !== null) gradients.push(dh);
  return gradients;
});

/** Rows n, r, z as r, z, n. */
function inOrder(x: Tensor): Tensor {
  const width = x.shape[x.ndim - 1] as number;
  const flat = reshape(x, x.ndim === 2 ? [3, (x.shape[0] as number) / 3, width] : [3, width / 3, 1]);
  return reshape(rolled(flat, [2, 0, 0]), x.ndim === 2 ? x.shape : [width]);
}

/** Σ over gates and units of the first three gradients [B, 3 of 5, H] × weight [3, H, H]: two sums, so that a rolled weight costs nothing. */
function throughGates(gradients: Tensor, weight: Tensor): Tensor {
  const [batch, , hidden] = gradients.shape as readonly [number, number, number];
  const three = reshape(gatesOf(gradients, 0, 3), [batch, 3, hidden, 1]);
  return reshape(sumOver(mul(three, weight), [1, 2]), [batch, hidden]);
}

/**
 * One direction of one GRU layer over [T, B, I]: per step r, z = σ(x·weightIhᵀ + biasIh + h·weightHhᵀ + biasHh),
 * n = tanh(x·weightIhᵀ + biasIh + r·(h·weightHhᵀ + biasHh)), h ← (1 - z) n + z h. From h0 (null: zeros), with `reverse` from the last
 * step to the first. Returns h after each step [T, B, H], and the last. A step takes two kernels, forward and backward. Throws a
 * ShapeError where sizes don't fit (Cho et al. 2014).
 */
export function gru(
  x: Tensor,
  h0: Tensor | null,
  weights: RecurrentWeights,
  options: { readonly reverse?: boolean } = {},
): [Tensor, Tensor] {
  const op = "gru";
  const { reverse } = filled(op, options, { reverse: false });
  const { hidden, weightIh, weightHh, biasIh, biasHh } = checkRecurrence(op, x, "[T, B, I]", 3, weights, 3, false);
  const [length, batch] = x.shape as readonly [number, number, number];
  const first = checkState(op, "h0", h0, batch, hidden);
  const order = stepsOf(checkLength(op, length), reverse);
  const projected = projectInput(x, weightIh, biasIh);
  const hs = new Slots([batch, hidden]);
  const parts = new Array<Tensor>(length);
  let h = first;
  for (const t of order) {
    const part = recurrentPart(h, weightHh, biasHh, batch);
    parts[t] = part;
    h = hs.put(t, nextState(gatesFrom(stepOf(projected, t), part, hidden), h));
  }
  const buffer = withDerivative(
    overTime,
    hs.packed(),
    [projected, weightHh, biasHh, first, ...parts].filter((x) => x !== null),
    [reverse, biasHh !== null, first !== null].map(Number),
  );
  const last = slotOf(buffer, 0, order[length - 1] as number, [batch, hidden]);
  return [cast(slotsOf(buffer, 0, length, [batch, hidden]), x.dtype), cast(last, x.dtype)];
}

/** One step of a GRU: x [B, I] and h [B, H] (null: zeros) → h [B, H]. As a step of `gru`. Throws a ShapeError where sizes don't fit. */
export function gruCell(x: Tensor, h: Tensor | null, weights: RecurrentWeights): Tensor {
  const op = "gruCell";
  const { hidden, weightIh, weightHh, biasIh, biasHh } = checkRecurrence(op, x, "[B, I]", 2, weights, 3, false);
  const batch = x.shape[0] as number;
  const state = checkState(op, "h", h, batch, hidden);
  const part = recurrentPart(state, weightHh, biasHh, batch);
  return cast(nextState(gatesFrom(projectInput(x, weightIh, biasIh), part, hidden), state), x.dtype);
}
