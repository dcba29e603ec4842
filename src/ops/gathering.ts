// Reading by index and its transpose: the primitives beneath gather, embedding, scatter and their derivatives.

import { NO_VALUE } from "../base/dtype.ts";
import { sizeOf } from "../base/shape.ts";
import type { ElementwiseDefinition } from "../graph/definition.ts";
import { defineGather } from "../graph/gather.ts";
import { record, type Tensor } from "../graph/tensor.ts";
import { alongDim, corner, insertDim, withSize } from "./arguments.ts";
import { add, eq, ge, gt, logicalAnd, logicalNot, lt, mul, where } from "./arithmetic.ts";
import { maximum, minimum } from "./comparison.ts";
import { broadcast, cast, constant } from "./define.ts";
import { hostRange } from "./host-values.ts";
import { sortIndices } from "./index-kernels.ts";
import { iota } from "./iota.ts";
import { maxOver, sumOver } from "./reductions.ts";
import { makeSegments, type Segments } from "./segment-kernels.ts";
import { expand, expandTo, reshape } from "./views.ts";

/** Up to so many sources per place, looking at each is no more than writing the result. */
const FEW = 4;
/** Comparisons that cost less than sorting, of an index for each element and of one for whole rows. */
const MASKED = 1 << 19;
const MASKED_ROWS = 1 << 17;

const gatherDefinition = defineGather((g, _out, [x, index], [dim]) => [
  scatterSum(g, index as Tensor, dim as number, (x as Tensor).shape[dim as number] as number),
  null,
]);

// The index differs along dim only: one row of it says all.
const gatherRowsDefinition = defineGather((g, _out, [x, index], [dim]) => {
  const whole = index as Tensor;
  const count = whole.shape[dim as number] as number;
  const row = corner(whole, alongDim(whole.ndim, dim as number, count));
  return [scatterRows(g, reshape(row, [count]), dim as number, (x as Tensor).shape[dim as number] as number), null];
});

/** Row-wise reading: [..., n, ...] by an index list [T] → [..., T, ...]; the index has been checked. */
export function pickRows(x: Tensor, dim: number, index: Tensor): Tensor {
  const count = index.shape[0] as number;
  const shape = withSize(x.shape, dim, count);
  const whole = expandTo("gather", reshape(index, alongDim(x.ndim, dim, count)), shape, false);
  return record(gatherRowsDefinition, [x, whole], shape, x.dtype, [dim]);
}

/** gather with everything checked; x has the index's sizes but along dim. */
export function gatherAlong(x: Tensor, dim: number, index: Tensor): Tensor {
  return record(gatherDefinition, [x, index], index.shape, x.dtype, [dim]);
}

/** As `pickRows`, with 0 where the index is out of range. */
export function pickInside(x: Tensor, dim: number, index: Tensor): Tensor {
  const size = x.shape[dim] as number;
  const count = index.shape[0] as number;
  if (size === 0) return expand(constant(0, x.dtype), withSize(x.shape, dim, count));
  const list = cast(index, "i32");
  const inside = reshape(isInside(list, size), alongDim(x.ndim, dim, count));
  return where(inside, pickRows(x, dim, minimum(maximum(list, 0), size - 1)), constant(0, x.dtype));
}

/** Whether indices (i32) are in 0 … size - 1. */
export function isInside(index: Tensor, size: number): Tensor {
  return logicalAnd(ge(index, 0), lt(index, size));
}

/** Whether indices are out of range; null where there are none or the host has checked them. */
export function isOutside(index: Tensor, size: number): Tensor | null {
  return index.numel === 0 || hostRange(index) !== null ? null : logicalNot(isInside(index, size));
}

/** The same of any of those along `dim`, which stays with size 1. */
export function isAnyOutside(index: Tensor, dim: number, size: number): Tensor | null {
  const outside = isOutside(index, size);
  return outside && gt(maxOver(cast(outside, "i32"), [dim]), 0);
}

// Chosen and not calculated, in the gradient too: compilers may take 0 · NaN for 0.
const spoiled: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "spoil",
  wgsl: (_t, x, none, wrong) => `select(${x}, ${none}, ${wrong})`,
  reference: (x, none, wrong) => (wrong !== 0 ? (none as number) : (x as number)),
  derivative: (g, _out, [, , wrong]) => [unless(wrong as Tensor, g), null, null],
  cost: 1,
};

/** `x`, or no value where `wrong` holds, and no value for the gradient there either. */
export function unless(wrong: Tensor | null, x: Tensor): Tensor {
  if (wrong === null) return x;
  const operands = [x, constant(NO_VALUE[x.dtype], x.dtype), wrong];
  return record(spoiled, operands, broadcast("where", operands), x.dtype);
}

const segmentSums: Segments = makeSegments("sum", ([g], _outputs, inputs) => [
  g ? pickInside(g, 1, inputs[3] as Tensor) : null,
]);

/** Sums of sources [outer, T, inner] by their places, a list [T] → [outer, size, inner]; places out of range are left out. */
function segmentSum(source: Tensor, places: Tensor, size: number): Tensor {
  return segmentSums(source, sortIndices(places, size), places);
}

/** Where each element of an index goes in the flat result of shape [.., size, ..]; beyond its end where the index is out of range. */
export function flatPlaces(index: Tensor, dim: number, size: number): Tensor {
  const { shape } = index;
  const inner = sizeOf(shape.slice(dim + 1));
  const outer = sizeOf(shape.slice(0, dim));
  const count = shape[dim] as number;
  const at = cast(reshape(index, [outer, count, inner]), "i32");
  let place = inner === 1 ? at : add(mul(at, inner), iota(inner));
  if (outer > 1) place = add(place, reshape(mul(iota(outer), size * inner), [outer, 1, 1]));
  const inside = isInside(at, size);
  return reshape(where(inside, place, outer * size * inner), [index.numel]);
}

/** Whether each place should look at all sources that might go to it. */
export function isMasked(index: Tensor, dim: number, size: number): boolean {
  const count = index.shape[dim] as number;
  return count <= FEW || index.numel * size <= MASKED;
}

/** Sums src where the index says: result[…, v, …] = Σᵢ src[…, i, …] where index[…, i, …] = v, for v < size along dim. */
export function scatterSum(src: Tensor, index: Tensor, dim: number, size: number): Tensor {
  const shape = withSize(src.shape, dim, size);
  if (!isMasked(index, dim, size)) {
    const sums = segmentSum(reshape(src, [1, src.numel, 1]), flatPlaces(index, dim, size), sizeOf(shape));
    return reshape(sums, shape);
  }
  const candidate = reshape(iota(size), alongDim(src.ndim + 1, dim, size));
  const chosen = where(eq(insertDim(index, dim), candidate), insertDim(src, dim), constant(0, src.dtype));
  return reshape(sumOver(chosen, [dim + 1]), shape);
}

/** As `scatterSum` for one index list [T] that counts for all of the other dims. */
export function scatterRows(src: Tensor, index: Tensor, dim: number, size: number): Tensor {
  const count = src.shape[dim] as number;
  const before = sizeOf(src.shape.slice(0, dim));
  const after = sizeOf(src.shape.slice(dim + 1));
  const shape = withSize(src.shape, dim, size);
  if (count > FEW && count * size * before * after > MASKED_ROWS)
    return reshape(segmentSum(reshape(src, [before, count, after]), index, size), shape);
  const chosen = reshape(eq(reshape(iota(size), [size, 1]), index), [size, count, 1]);
  // Chosen, and not multiplied by 0 and 1: what isn't finite stays in its place.
  const parts = where(chosen, reshape(src, [before, 1, count, after]), constant(0, src.dtype));
  return reshape(sumOver(parts, [2]), shape);
}
