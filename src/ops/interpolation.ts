// Linear combinations of several tensors: lerp, addcmul, addcdiv.

import type { Tensor } from "../graph/tensor.ts";
import { filled } from "./arguments.ts";
import { add, mul, sub, trueDivide } from "./arithmetic.ts";
import { elementwise, expectTensor, factorFor, floating } from "./define.ts";

const interpolation = elementwise("lerp", {
  dtype: floating,
  // Either form hits its own end exactly.
  wgsl: (t, a, b, w) =>
    `select(${b} - (${b} - ${a}) * (${t.float(1)} - ${w}), ${a} + ${w} * (${b} - ${a}), ${w} < ${t.float(0.5)})`,
  reference: (...operands) => {
    const [a, b, w] = operands as [number, number, number];
    return w < 0.5 ? a + w * (b - a) : b - (b - a) * (1 - w);
  },
  derivative: (g, _out, [a, b, w]) => {
    const [start, end, weight] = [a as Tensor, b as Tensor, w as Tensor];
    const toEnd = start.requiresGrad || end.requiresGrad ? mul(g, weight) : null;
    return [
      start.requiresGrad && toEnd !== null ? sub(g, toEnd) : null,
      toEnd,
      weight.requiresGrad ? mul(g, sub(end, start)) : null,
    ];
  },
  cost: 5,
});

/** Goes from x to end: x + weight·(end - x). Weight 0 gives x and weight 1 gives end exactly. */
export function lerp(x: Tensor, end: Tensor | number, weight: Tensor | number): Tensor {
  return interpolation(expectTensor("lerp", x), end, weight);
}

/** x + value·a·b (default value 1). Integers stay integers: the value's fraction is cut off, as in PyTorch. */
export function addcmul(x: Tensor, a: Tensor | number, b: Tensor | number, options: { value?: number } = {}): Tensor {
  expectTensor("addcmul", x);
  const product = mul(a, b);
  const value = factorFor(scale("addcmul", options), product, x);
  return add(x, value === 1 ? product : mul(product, value));
}

/** x + value·a / b (default value 1). */
export function addcdiv(x: Tensor, a: Tensor | number, b: Tensor | number, options: { value?: number } = {}): Tensor {
  const value = scale("addcdiv", options);
  expectTensor("addcdiv", x);
  const quotient = trueDivide(a, b);
  return add(x, value === 1 ? quotient : mul(quotient, value));
}

function scale(op: string, options: { value?: number }): number {
  return filled(op, options, { value: 1 }).value;
}
