// Ops about where values lie, not what they are: copies, packing, and leaving the gradient behind.

import { COPY, type PlainDefinition } from "../graph/node.ts";
import { record, type Tensor } from "../graph/tensor.ts";
import { sizeOf } from "../shape.ts";

/** `x` in memory of its own; copies with different numbers are never merged. */
export function copy(x: Tensor, number: number): Tensor {
  return record(COPY, [x], x.shape, x.dtype, [number]);
}

const aliasDefinition: PlainDefinition = { kind: "alias", name: "detach", derivative: null };

/** The same values, cut off from the gradient. */
export function detach(x: Tensor): Tensor {
  return record(aliasDefinition, [x], x.shape, x.dtype);
}

const packDefinition: PlainDefinition = { kind: "pack", name: "pack", derivative: null };

/** A vector of `length` f32 with each value's elements from its offset on; what lies between is undefined. */
export function pack(values: readonly Tensor[], offsets: readonly number[], length: number): Tensor {
  const copies = values.map((value, i) => copy(value, 0.5 + (offsets[i] as number)));
  return record(packDefinition, copies, [length], "f32", offsets);
}

/** Elements that a slot of `shape` takes in a pack: aligned so that it can be bound. */
export function slotLength(shape: readonly number[]): number {
  return Math.max(64, Math.ceil(sizeOf(shape) / 64) * 64);
}
