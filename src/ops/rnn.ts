// Simple (Elman) recurrent networks: one direction of one layer over time, and one step.

import type { Tensor } from "../graph/tensor.ts";
import { relu } from "./activations.ts";
import { checkChoice, filled } from "./arguments.ts";
import { add, gt, mul, sub, where } from "./arithmetic.ts";
import { cast } from "./define.ts";
import { square } from "./exponential.ts";
import { tanh } from "./hyperbolic.ts";
import { linear, matmul } from "./linear-algebra.ts";
import { derivativeOf, Slots, slotsOf, withDerivative } from "./memory.ts";
import {
  checkLength,
  checkRecurrence,
  checkState,
  overRows,
  projectInput,
  type RecurrentWeights,
  slotOf,
  statesBefore,
  stepOf,
  stepsOf,
} from "./recurrence.ts";

/** The function that a simple recurrent network applies to its sums. */
export type RecurrentNonlinearity = "tanh" | "relu";

function nonlinearityOf(op: string, value: RecurrentNonlinearity): (x: Tensor) => Tensor {
  return checkChoice(op, "nonlinearity", value, ["tanh", "relu"]) === "tanh" ? tanh : relu;
}

/** Back through time by hand, as in lstm.ts. Inputs: value, projected input, weightHh, [h0]. */
const overTime = derivativeOf("rnn", (g, out, inputs, attributes) => {
  const [reverse, hasH, rectified] = attributes.map(Boolean) as [boolean, boolean, boolean];
  const [, projected, weightHh, h0 = null] = inputs as [Tensor, Tensor, Tensor, Tensor | undefined];
  const [length, batch, hidden] = projected.shape as readonly [number, number, number];
  const shape = [batch, hidden];
  const order = stepsOf(length, reverse);
  const sums = new Slots(shape);
  let dh: Tensor | null = null;
  for (let k = length - 1; k >= 0; k--) {
    const t = order[k] as number;
    const h = slotOf(out, 0, t, shape);
    const given = slotOf(g, 0, t, shape);
    const total: Tensor = dh === null ? given : add(given, dh);
    const slope = rectified ? where(gt(h, 0), total, 0) : mul(total, sub(1, square(h)));
    dh = matmul(sums.put(t, slope), weightHh);
  }
  const dSums = slotsOf(sums.packed(), 0, length, shape);
  const states = statesBefore(slotsOf(out, 0, length, shape), h0, reverse);
  return [null, dSums, overRows(dSums, states), ...(hasH ? [dh] : [])];
});

/**
 * One direction of one simple recurrent layer over [T, B, I]: h ← tanh(x·weightIhᵀ + biasIh + h·weightHhᵀ + biasHh), or relu of it. From
 * h0 (null: zeros), with `reverse` from the last step to the first. Returns h after each step [T, B, H], and the last. A step takes one
 * kernel, forward and backward. Throws a ShapeError where sizes don't fit (Elman 1990).
 */
export function rnn(
  x: Tensor,
  h0: Tensor | null,
  weights: RecurrentWeights,
  options: { readonly reverse?: boolean; readonly nonlinearity?: RecurrentNonlinearity } = {},
): [Tensor, Tensor] {
  const op = "rnn";
  const { reverse, nonlinearity } = filled(op, options, { reverse: false, nonlinearity: "tanh" });
  const apply = nonlinearityOf(op, nonlinearity);
  const { hidden, weightIh, weightHh, biasIh, biasHh } = checkRecurrence(op, x, "[T, B, I]", 3, weights, 1, false);
  const [length, batch] = x.shape as readonly [number, number, number];
  const first = checkState(op, "h0", h0, batch, hidden);
  const order = stepsOf(checkLength(op, length), reverse);
  const projected = projectInput(x, weightIh, biasIh, biasHh);
  const hs = new Slots([batch, hidden]);
  let h = first;
  for (const t of order) {
    const given = stepOf(projected, t);
    h = hs.put(t, apply(h === null ? given : add(given, linear(h, weightHh))));
  }
  const buffer = withDerivative(
    overTime,
    hs.packed(),
    [projected, weightHh, first].filter((x) => x !== null),
    [reverse, first !== null, apply === relu].map(Number),
  );
  const last = slotOf(buffer, 0, order[length - 1] as number, [batch, hidden]);
  return [cast(slotsOf(buffer, 0, length, [batch, hidden]), x.dtype), cast(last, x.dtype)];
}

/** One step of a simple recurrent network: x [B, I] and h [B, H] (null: zeros) → h [B, H]. As a step of `rnn`. Throws a ShapeError where sizes don't fit. */
export function rnnCell(
  x: Tensor,
  h: Tensor | null,
  weights: RecurrentWeights,
  options: { readonly nonlinearity?: RecurrentNonlinearity } = {},
): Tensor {
  const op = "rnnCell";
  const apply = nonlinearityOf(op, filled(op, options, { nonlinearity: "tanh" }).nonlinearity);
  const { hidden, weightIh, weightHh, biasIh, biasHh } = checkRecurrence(op, x, "[B, I]", 2, weights, 1, false);
  const state = checkState(op, "h", h, x.shape[0] as number, hidden);
  const given = projectInput(x, weightIh, biasIh, biasHh);
  return cast(apply(state === null ? given : add(given, linear(state, weightHh))), x.dtype);
}
