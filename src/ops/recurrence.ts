// Shared by the recurrent ops: checks, the walk over time, and gates side by side.

import { type Shape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkFloat, checkRank, dropDims, insertDim, optionalTensor, range } from "./arguments.ts";
import { add, eq, where } from "./arithmetic.ts";
import { cast, checkOptions } from "./define.ts";
import { iota } from "./iota.ts";
import { cat } from "./joining.ts";
import { linear, matmul } from "./linear-algebra.ts";
import { slotLength, slotsOf } from "./memory.ts";
import { neighbour } from "./scans.ts";
import { permute, reshape } from "./views.ts";

/** The weights of one direction of one recurrent layer, gates one below the other: G is 1 (RNN), 3 (GRU: r, z, n) or 4 (LSTM: i, f, g, o). */
export interface RecurrentWeights {
  /** [G·H, I]. */
  readonly weightIh: Tensor;
  /** [G·H, H], or [G·H, P] with a projection. */
  readonly weightHh: Tensor;
  /** [G·H]. */
  readonly biasIh?: Tensor | null;
  /** [G·H]. */
  readonly biasHh?: Tensor | null;
}

/** Sizes and checked weights of a recurrent op. */
export interface Recurrence {
  readonly hidden: number;
  /** Size of h: of the projection where there is one. */
  readonly output: number;
  readonly weightIh: Tensor;
  readonly weightHh: Tensor;
  readonly biasIh: Tensor | null;
  readonly biasHh: Tensor | null;
}

/** Checks x [..., I] and the weights of `gates` gates, and computes in f32. */
export function checkRecurrence(
  op: string,
  x: Tensor,
  form: string,
  rank: number,
  weights: RecurrentWeights,
  gates: number,
  projected: boolean,
): Recurrence {
  checkRank(op, checkFloat(op, x), [rank], form);
  // Required, unlike options.
  checkOptions(op, weights ?? null, ["weightIh", "weightHh", "biasIh", "biasHh", "weightHr"]);
  const { weightIh, weightHh } = weights;
  checkRank(op, weightIh, [2], `[${gates}·H, I]`, "weightIh");
  checkRank(op, weightHh, [2], `[${gates}·H, ${projected ? "P" : "H"}]`, "weightHh");
  const [rows, inputs] = weightIh.shape as readonly [number, number];
  const [same, output] = weightHh.shape as readonly [number, number];
  const hidden = rows / gates;
  if (!Number.isInteger(hidden) || same !== rows || (!projected && output !== hidden) || x.shape[rank - 1] !== inputs) {
    throw shapeError`${op}: needs ${form}, weightIh [${gates}·H, I] and weightHh [${gates}·H, ${projected ? "P" : "H"}], got ${x.shape}, ${weightIh.shape} and ${weightHh.shape}.`;
  }
  const bias = (name: "biasIh" | "biasHh"): Tensor | null => {
    const given = optionalTensor(op, name, weights[name], [rows]);
    return given === null ? null : cast(given, "f32");
  };
  return {
    hidden,
    output,
    weightIh: cast(weightIh, "f32"),
    weightHh: cast(weightHh, "f32"),
    biasIh: bias("biasIh"),
    biasHh: bias("biasHh"),
  };
}

/** A state [B, size] in f32, or null for zeros. */
export function checkState(
  op: string,
  name: string,
  state: Tensor | null | undefined,
  batch: number,
  size: number,
): Tensor | null {
  const given = optionalTensor(op, name, state, [batch, size]);
  return given === null ? null : cast(given, "f32");
}

/** Demands at least one step. */
export function checkLength(op: string, length: number): number {
  if (length > 0) return length;
  throw shapeError`${op}: needs at least one step, got a sequence of length 0.`;
}

/** x · weightᵀ with the biases added: the input's part of the gates, of all steps at once. */
export function projectInput(x: Tensor, weight: Tensor, ...biases: (Tensor | null)[]): Tensor {
  const given = biases.filter((b) => b !== null);
  const bias = given.length === 0 ? null : given.reduce((a, b) => add(a, b));
  return linear(cast(x, "f32"), weight, { bias });
}

/** Slot `slot` of slots of `shape` that begin at element `start` of a buffer. */
export function slotOf(buffer: Tensor, start: number, slot: number, shape: Shape): Tensor {
  return reshape(slotsOf(buffer, start + slot * slotLength(shape), 1, shape), shape);
}

/** aᵀ · b of [T, B, N] and [T, B, M] (or without T), summed over all rows: the gradient of a weight [N, M]. */
export function overRows(a: Tensor, b: Tensor): Tensor {
  const rows = (x: Tensor): Tensor => {
    const width = x.shape[x.ndim - 1] as number;
    return reshape(x, [x.shape.slice(0, -1).reduce((n, size) => n * size, 1), width]);
  };
  return matmul(permute(rows(a), [1, 0]), rows(b));
}

/** The states before each step, [T, B, N]: those after it, moved on by one step; `first` (null: zeros) comes before the first. */
export function statesBefore(states: Tensor, first: Tensor | null, reverse: boolean): Tensor {
  if (first === null) return neighbour(states, 0, reverse, 0);
  const rest = range(states, 0, reverse ? 1 : 0, (states.shape[0] as number) - 1);
  const start = insertDim(first, 0);
  return cat(reverse ? [rest, start] : [start, rest]);
}

/** Steps in the order in which a direction takes them. */
export function stepsOf(length: number, reverse: boolean): number[] {
  return Array.from({ length }, (_, i) => (reverse ? length - 1 - i : i));
}

/** Step t of [T, B, N], as [B, N]. */
export function stepOf(x: Tensor, t: number): Tensor {
  return dropDims(range(x, 0, t, 1), [0]);
}

/** Gate k of [B, G·H], as [B, H]. */
export function gateOf(x: Tensor, k: number, hidden: number): Tensor {
  return range(x, 1, k * hidden, hidden);
}

/** Gates `first` … of [B, G, H] or [T, B, G, H], side by side: [B, count·H] or [T, B, count·H]. */
export function gatesOf(x: Tensor, first: number, count: number): Tensor {
  const hidden = x.shape[x.ndim - 1] as number;
  return reshape(range(x, x.ndim - 2, first, count), [...x.shape.slice(0, -2), count * hidden]);
}

/**
 * Tensors [B, H] side by side, as [B, count, H]. Every element chooses among values at one place, which are so computed once each,
 * and not once per side as with `cat`.
 */
export function beside(parts: readonly Tensor[]): Tensor {
  const place = reshape(iota(parts.length), [parts.length, 1]);
  const wide = parts.map((p) => insertDim(p, 1));
  return wide.reduceRight((rest, part, k) => where(eq(place, k), part, rest));
}
