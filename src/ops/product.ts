// The product over dims, whose gradient needs more than arithmetic.

import type { ReduceDefinition } from "../graph/node.ts";
import type { Tensor } from "../graph/tensor.ts";
import { eq, mul, where } from "./arithmetic.ts";
import { reduction } from "./define.ts";
import { iota } from "./iota.ts";
import { reduce } from "./reductions.ts";
import { permute, reshape } from "./views.ts";

const productReduction: ReduceDefinition = reduction("prod", {
  identity: () => 1,
  combine: (_t, a, b) => `${a} * ${b}`,
  reference: (a, b) => a * b,
  derivative: (g, _out, [x], dims) => [mul(g, productOfOthers(x as Tensor, dims))],
});

/** Product over `dims`, which stay with size 1. */
export function productOver(x: Tensor, dims: readonly number[]): Tensor {
  return reduce(productReduction, x, dims);
}

/** For every element the product of the others over `dims`: right where elements are 0, too. */
function productOfOthers(x: Tensor, dims: readonly number[]): Tensor {
  const keptDims = [...x.shape.keys()].filter((i) => !dims.includes(i));
  const order = [...keptDims, ...dims];
  const sizes = order.map((i) => x.shape[i] as number);
  const kept = sizes.slice(0, keptDims.length);
  const count = sizes.slice(keptDims.length).reduce((n, size) => n * size, 1);
  const rows = reshape(permute(x, order), [...kept, 1, count]);
  const own = eq(reshape(iota(count), [count, 1]), iota(count));
  const others = productOver(where(own, 1, rows), [kept.length + 1]);
  return permute(
    reshape(others, sizes),
    order.map((_, i) => order.indexOf(i)),
  );
}
