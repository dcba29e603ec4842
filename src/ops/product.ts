// The product over dims, whose gradient needs more than arithmetic.

import type { ReduceDefinition } from "../graph/definition.ts";
import type { Tensor } from "../graph/tensor.ts";
import { insertDim } from "./arguments.ts";
import { eq, mul, where } from "./arithmetic.ts";
import { reduction } from "./define.ts";
import { iota } from "./iota.ts";
import { reduce } from "./reductions.ts";
import { productsBefore } from "./scans.ts";
import { permute, reshape } from "./views.ts";

const productReduction: ReduceDefinition<Tensor> = reduction("prod", {
  identity: () => 1,
  combine: (_t, a, b) => `${a} * ${b}`,
  reference: (a, b) => a * b,
  derivative: (g, _out, [x], dims) => [mul(g, productOfOthers(x as Tensor, dims))],
});

/** Product over `dims`, which stay with size 1. */
export function productOver(x: Tensor, dims: readonly number[]): Tensor {
  return reduce(productReduction, x, dims);
}

/** Up to so many elements a product of all others each is one kernel, and cheaper than two scans. */
const FEW = 32;

/** For every element the product of the others over `dims`: right where elements are 0, too. */
function productOfOthers(x: Tensor, dims: readonly number[]): Tensor {
  const keptDims = [...x.shape.keys()].filter((i) => !dims.includes(i));
  const order = [...keptDims, ...dims];
  const sizes = order.map((i) => x.shape[i] as number);
  const kept = sizes.slice(0, keptDims.length);
  const count = sizes.slice(keptDims.length).reduce((n, size) => n * size, 1);
  const rows = reshape(permute(x, order), [...kept, count]);
  const last = kept.length;
  const others =
    count <= FEW ? othersOfFew(rows) : mul(productsBefore(rows, last, false), productsBefore(rows, last, true));
  return permute(
    reshape(others, sizes),
    order.map((_, i) => order.indexOf(i)),
  );
}

/** Row by row, with 1 in place of the element itself. */
function othersOfFew(rows: Tensor): Tensor {
  const last = rows.ndim - 1;
  const count = rows.shape[last] as number;
  const own = eq(reshape(iota(count), [count, 1]), iota(count));
  return productOver(where(own, 1, insertDim(rows, last)), [last + 1]);
}
