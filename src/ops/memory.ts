// Ops about where values lie, not what they are: copies, packing, and leaving the gradient behind.

import { type Shape, sizeOf } from "../base/shape.ts";
import type { Derivative, PlainDefinition } from "../graph/definition.ts";
import { COPY, Node } from "../graph/node.ts";
import { record, type Tensor } from "../graph/tensor.ts";
import { reshape, strided } from "./views.ts";

/** `x` in memory of its own; copies with different numbers are never merged. */
export function copy(x: Tensor, number: number): Tensor {
  return record(COPY, [x], x.shape, x.dtype, [number]);
}

/** A node that copies another one, with no handle on it. */
export function copyOf(node: Node, number: number): Node {
  return new Node(COPY, [node], node.shape, node.dtype, [number], false, true);
}

const aliasDefinition: PlainDefinition<Tensor> = { kind: "alias", name: "detach", derivative: null };

/** The same values, cut off from the gradient. */
export function detach(x: Tensor): Tensor {
  return record(aliasDefinition, [x], x.shape, x.dtype);
}

/** Makes a derivative for `withDerivative`: gradients for [value, ...inputs], of which the first is null. */
export function derivativeOf(name: string, derivative: Derivative<Tensor>): PlainDefinition<Tensor> {
  return { kind: "alias", name, derivative };
}

/**
 * `value`, differentiated by a formula of its own instead of by the ops that made it: `derivative` (made once, with `derivativeOf`)
 * gives the gradients of `inputs`: what is differentiated, then what the formula needs besides.
 */
export function withDerivative(
  derivative: PlainDefinition<Tensor>,
  value: Tensor,
  inputs: readonly Tensor[],
  attributes: readonly number[],
): Tensor {
  return record(derivative, [value, ...inputs], value.shape, value.dtype, attributes);
}

const packDefinition: PlainDefinition<Tensor> = {
  kind: "pack",
  name: "pack",
  derivative: (g, _out, inputs, offsets) => inputs.map((x, i) => partOf(g, offsets[i] as number, x.shape)),
};

/** A vector of `length` f32 with each value's elements from its offset on; what lies between is undefined. */
export function pack(values: readonly Tensor[], offsets: readonly number[], length: number): Tensor {
  const copies = values.map((value, i) => copy(value, 0.5 + (offsets[i] as number)));
  return record(packDefinition, copies, [length], "f32", offsets);
}

/** The elements of a vector from `offset` on, in `shape`. */
export function partOf(x: Tensor, offset: number, shape: Shape): Tensor {
  return reshape(strided(x, [offset], [1], [sizeOf(shape)]), shape);
}

/**
 * Values of one shape, f32, each computed right into its slot of a buffer: nothing is moved, however many there are. What `put` returns
 * is to be read from there on, so that the value is stored once.
 */
export class Slots {
  readonly shape: Shape;
  readonly start: number;
  readonly #copies: Tensor[] = [];
  readonly #offsets: number[] = [];

  /** Slots that begin at element `start` of the buffer. */
  constructor(shape: Shape, start = 0) {
    this.shape = shape;
    this.start = start;
  }

  /** Stores `x` in a slot. */
  put(slot: number, x: Tensor): Tensor {
    const offset = this.start + slot * slotLength(this.shape);
    const stored = copy(x, 0.5 + offset);
    this.#copies.push(stored);
    this.#offsets.push(offset);
    return stored;
  }

  /** The buffer with all slots, as a vector; `others` share it. */
  packed(...others: Slots[]): Tensor {
    const all = [this, ...others];
    const copies = all.flatMap((s) => s.#copies);
    const length = all.reduce((sum, s) => sum + s.#copies.length * slotLength(s.shape), 0);
    return record(
      packDefinition,
      copies,
      [length],
      "f32",
      all.flatMap((s) => s.#offsets),
    );
  }
}

/** `count` slots of `shape` from element `start` of a buffer on, as [count, ...shape]. */
export function slotsOf(buffer: Tensor, start: number, count: number, shape: Shape): Tensor {
  const stride = slotLength(shape);
  const size = sizeOf(shape);
  const rows = reshape(strided(buffer, [start], [1], [count * stride]), [count, stride]);
  return reshape(strided(rows, [0, 0], [1, 1], [count, size]), [count, ...shape]);
}

/** Elements that a slot of `shape` takes in a pack: aligned so that it can be bound. */
export function slotLength(shape: readonly number[]): number {
  return Math.max(64, Math.ceil(sizeOf(shape) / 64) * 64);
}
