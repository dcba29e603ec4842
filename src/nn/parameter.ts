// Parameters: the tensors of a module that an optimizer trains.

import { checkOptions, expectTensor, sizeOf } from "../ops/check.ts";
import { noGrad, type Shape, Tensor, tensor, zeros } from "../tensor.ts";
import * as init from "./init.ts";

const parameters = /* @__PURE__ */ new WeakSet<Tensor>();

/**
 * Makes a trainable copy of `value`: a tensor with `requiresGrad` that a Module finds among its properties. The copy is
 * state, not an expression: a random `value` is drawn once.
 */
export function parameter(value: Tensor, options: { requiresGrad?: boolean } = {}): Tensor {
  checkOptions("parameter", options, ["requiresGrad"]);
  const result = zeros(expectTensor("parameter", value).shape, {
    dtype: value.dtype,
    requiresGrad: options.requiresGrad ?? true,
  });
  noGrad(() => result.assign(value.detach()));
  parameters.add(result);
  return result;
}

/** A tensor that `parameter()` or `new nn.Parameter()` made. */
export type Parameter = Tensor;

/** `parameter` in PyTorch's spelling: `this.weight = new nn.Parameter(randn([3, 3]))`. */
export const Parameter: new (value: Tensor, options?: { requiresGrad?: boolean }) => Tensor =
  parameter as unknown as new (
    value: Tensor,
    options?: { requiresGrad?: boolean },
  ) => Tensor;

/**
 * A tensor full of `value` that has memory of its own from the start, for weights and buffers that a compiled step
 * overwrites (to such a step, `ones()` as such is a constant).
 */
export function filled(shape: Shape, value: number, options: { requiresGrad?: boolean } = {}): Tensor {
  return tensor(new Float32Array(sizeOf(shape)).fill(value), { shape, requiresGrad: options.requiresGrad ?? false });
}

/** A parameter of zeros, which its layer draws. */
export function blank(...shape: number[]): Tensor {
  return zeros(shape, { requiresGrad: true });
}

/** Draws parameters from U(-1/√fan, 1/√fan), as most layers of PyTorch do; null stands for one that a layer is without. */
export function draw(fan: number, ...parameters: (Tensor | null)[]): void {
  const b = 1 / Math.sqrt(fan);
  for (const parameter of parameters) if (parameter !== null) init.uniform(parameter, { a: -b, b });
}

/**
 * Whether a property's value is a parameter: made by `parameter()`, or any leaf tensor with `requiresGrad` (seen once, it
 * stays a parameter when it is frozen later with `requiresGrad = false`).
 */
export function isParameter(value: unknown): value is Tensor {
  if (!(value instanceof Tensor)) return false;
  if (parameters.has(value)) return true;
  if (!value.requiresGrad || value.node.leaf !== value) return false;
  parameters.add(value);
  return true;
}
