// Functions that read a tensor, differentiate it, or give it a new value.

import { leafGradients } from "../autograd/backward.ts";
import { checkDType, type DataArray, type DType, decode } from "../base/dtype.ts";
import { opError, sameShape, shapeError } from "../base/shape.ts";
import { checkDevice, dataBytes, flush, openDevice, readBytes, synchronize } from "../engine/engine.ts";
import { addGradients, isAssigned, keepLoss, markAssigned, noteGradients, unmarkAssigned } from "../engine/requests.ts";
import type { Node } from "../graph/node.ts";
import { Cell } from "../graph/storage.ts";
import { internally, sharedBy, type Tensor, withGrad } from "../graph/tensor.ts";
import { currentTrace } from "../graph/trace.ts";
import { cast, convert, expectTensor, same } from "../ops/define.ts";
import { detach as detached } from "../ops/memory.ts";
import { expand } from "../ops/views.ts";

/** Nested arrays of numbers, as deep as the tensor has dims. */
export type Nested = number | boolean | Nested[];

/** Reads the elements in row-major order. f16 comes as Float32Array, bool as Uint8Array. */
export async function data(x: Tensor): Promise<DataArray> {
  return decode(await readBytes(x), x.dtype, x.numel);
}

/**
 * Reads the only element of `x` as a number (1 or 0 for bool). Rejects with a ShapeError if `x` has more elements, or
 * none.
 */
export async function item(x: Tensor): Promise<number> {
  if (x.numel !== 1) {
    throw shapeError`item: the tensor must have one element, got ${x.shape}. x.data() reads all.`;
  }
  return (await data(x))[0] as number;
}

/** Reads the elements as nested arrays: a number for a 0-dim tensor, booleans for bool. */
export async function tolist(x: Tensor): Promise<Nested> {
  const values = await data(x);
  const bool = x.dtype === "bool";
  let at = 0;
  const build = (dim: number): Nested => {
    if (dim === x.ndim) {
      const value = values[at++] as number;
      return bool ? value !== 0 : value;
    }
    return Array.from({ length: x.shape[dim] as number }, () => build(dim + 1));
  };
  return build(0);
}

/**
 * Computes the tensors now, in one submit. Resolves when the device has finished. Use it for values that you will read
 * or reuse later.
 */
export function realize(...tensors: Tensor[]): Promise<void> {
  const done = computeNow(tensors);
  // A caller that does not wait learns of a failure when it reads. An unhandled rejection must not end the program.
  done.catch(() => undefined);
  return done;
}

async function computeNow(tensors: readonly Tensor[]): Promise<void> {
  tensors.forEach((t, i) => {
    expectTensor("realize", t, `argument ${i}`);
  });
  const nodes = tensors.map((t) => t.node);
  flush(nodes, null);
  await openDevice();
  await synchronize(0);
  checkDevice();
  for (const { storage } of nodes) if (storage !== null && storage.failure !== null) throw storage.failure;
}

/** Returns the same values without their history: no gradient flows through the result. */
export function detach(x: Tensor): Tensor {
  return detached(expectTensor("detach", x));
}

/**
 * Adds the derivative of `x` into `.grad` of every leaf that has `requiresGrad`. `x` must be a scalar, unless
 * `gradient`, a tensor of its shape, weights its elements. The next `optimizer.step()` computes the value of `x` along
 * with the step.
 */
export function backward(x: Tensor, gradient?: Tensor): void {
  expectTensor("backward", x);
  internally(() => {
    const found = leafGradients(x, gradient);
    withGrad(false, () => addGradients(found));
    noteGradients(found.keys());
    keepLoss(
      x.node,
      [...found.values()].map((g) => g.node),
    );
  });
}

/**
 * Gives a tensor a new value, from here on. Tensors that were computed from the old value keep it. The assignment is
 * recorded; the next submit carries it out. `value` is broadcast to the shape of `x`; a ShapeError is thrown if that
 * does not work.
 */
export function assign(x: Tensor, value: Tensor | number): Tensor {
  expectTensor("assign", x);
  const old = x.node;
  if (old.leaf === null && old.requiresGrad) {
    throw opError`assign: only leaves have a value of their own, this tensor is the result of an op.`;
  }
  internally(() => withGrad(false, () => assignTo(x, old, value)));
  return x;
}

function assignTo(x: Tensor, old: Node, value: Tensor | number): void {
  const given =
    typeof value === "number" ? convert("assign", value, x.dtype) : expectTensor("assign", value, "the value");
  if (given.ndim > x.ndim || !given.shape.every((n, i) => n === 1 || n === x.shape[x.ndim - given.ndim + i])) {
    throw shapeError`assign: the value must broadcast to the tensor's shape, got ${given.shape} for ${x.shape}.`;
  }
  let next = cast(given, x.dtype);
  if (!sameShape(next.shape, x.shape)) next = expand(next, x.shape);
  if (next.node === old) return;
  if (x.slot === null) {
    x.slot = { cell: new Cell(dataBytes(x), x.dtype), offset: 0, shape: x.shape };
    const trace = currentTrace();
    if (trace !== null) trace.unsettled = true;
  }
  const shared = sharedBy(x.slot.cell);
  if (shared !== null && x !== shared.whole && isAssigned(shared.whole)) {
    // From here on each tensor has a value of its own.
    for (const part of shared.tensors) markAssigned(part, part.lastNode);
    unmarkAssigned(shared.whole);
  }
  // A node of its own: neither a parameter's mark as leaf nor its place in the slot may reach one that others hold.
  x.replaceNode(detached(next).node);
  markAssigned(x, old);
  if (x !== shared?.whole) return;
  for (const tensor of shared.tensors) {
    if (tensor.slot?.cell !== x.slot.cell) continue;
    unmarkAssigned(tensor);
    tensor.rebind();
  }
}

/**
 * Converts `x` to another dtype. Between floats, the gradient passes through. Real numbers that become integers lose
 * their fraction; a number out of range becomes the nearest number in range that f32 can hold (negative numbers in u32
 * count modulo 2^32).
 */
export function to(x: Tensor, dtype: DType): Tensor {
  const result = cast(expectTensor("to", x), checkDType("to", dtype));
  return result === x ? same(x) : result;
}
