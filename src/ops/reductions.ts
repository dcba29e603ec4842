// The reductions that all others compose: sum, maximum, minimum (the product is in product.ts).

import { type DType, isFloat } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";
import type { ReduceDefinition } from "../graph/definition.ts";
import { record, type Tensor } from "../graph/tensor.ts";
import { eq, IS_NAN, mul, trueDivide } from "./arithmetic.ts";
import { cast, reduction, same } from "./define.ts";

const sumReduction: ReduceDefinition<Tensor> = reduction("sum", {
  identity: () => 0,
  combine: (_t, a, b) => `${a} + ${b}`,
  reference: (a, b) => a + b,
  // The backward walk repeats the gradient over the summed dims.
  derivative: (g) => [g],
  adds: true,
});

function extreme(
  name: string,
  sign: ">" | "<",
  identity: (dtype: DType) => number,
  better: (a: number, b: number) => boolean,
): ReduceDefinition<Tensor> {
  return reduction(name, {
    identity,
    combine: (t, a, b) => {
      if (t.operand !== "f32") return `${name === "amax" ? "max" : "min"}(${a}, ${b})`;
      return `select(${b}, ${a}, (${a} ${sign} ${b}) | ${t.call("is_nan", a)})`;
    },
    helpers: [IS_NAN],
    reference: (a, b) => (Number.isNaN(a) || better(a, b) ? a : b),
    derivative: (g, out, [x]) => {
      const hit = cast(eq(x as Tensor, out), g.dtype);
      return [mul(g, trueDivide(hit, reduce(sumReduction, hit, axesBetween((x as Tensor).shape, out.shape))))];
    },
  });
}

/** Per dtype what no value is below. */
export const lowest: Record<DType, number> = {
  f32: Number.NEGATIVE_INFINITY,
  f16: Number.NEGATIVE_INFINITY,
  i32: -(2 ** 31),
  u32: 0,
  bool: 0,
};
/** Per dtype what no value is above. */
export const highest: Record<DType, number> = {
  f32: Number.POSITIVE_INFINITY,
  f16: Number.POSITIVE_INFINITY,
  i32: 2 ** 31 - 1,
  u32: 2 ** 32 - 1,
  bool: 1,
};

/** Maximum: NaN wins. */
export const maxReduction: ReduceDefinition<Tensor> = extreme(
  "amax",
  ">",
  (d) => lowest[d],
  (a, b) => a > b,
);
/** Minimum: NaN wins. */
export const minReduction: ReduceDefinition<Tensor> = extreme(
  "amin",
  "<",
  (d) => highest[d],
  (a, b) => a < b,
);

function axesBetween(from: Shape, to: Shape): number[] {
  return from.flatMap((n, i) => (n !== to[i] ? [i] : []));
}

/** Records `definition` over `dims`, which stay with size 1. */
export function reduce(definition: ReduceDefinition<Tensor>, x: Tensor, dims: readonly number[]): Tensor {
  if (dims.length === 0) return same(x);
  const shape = x.shape.map((n, i) => (dims.includes(i) ? 1 : n));
  return record(definition, [x], shape, x.dtype, dims);
}

/** Sum over `dims`, which stay with size 1. */
export function sumOver(x: Tensor, dims: readonly number[]): Tensor {
  return reduce(sumReduction, x, dims);
}

/** Maximum over `dims`, which stay with size 1; NaN wins; the gradient is shared among equals. */
export function maxOver(x: Tensor, dims: readonly number[]): Tensor {
  return reduce(maxReduction, x, dims);
}

/** Minimum over `dims`, which stay with size 1; NaN wins; the gradient is shared among equals. */
export function minOver(x: Tensor, dims: readonly number[]): Tensor {
  return reduce(minReduction, x, dims);
}

/** Whether sums over `dtype` need a wider one first (bool counts). */
export function summable(x: Tensor): Tensor {
  return x.dtype === "bool" ? cast(x, "i32") : x;
}

/** Float dtype for means of `x`. */
export function asFloat(x: Tensor): Tensor {
  return isFloat(x.dtype) ? x : cast(x, "f32");
}
