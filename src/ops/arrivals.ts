// What an index sends to each place: the last of the sources, their number, product and extremes. Few are looked at by every place,
// many are sorted.

import { sizeOf } from "../base/shape.ts";
import { type Tensor, withGrad } from "../graph/tensor.ts";
import { alongDim, dropDims, insertDim, range, withSize } from "./arguments.ts";
import { add, eq, gt, logicalAnd, mul, sub, trueDivide, where } from "./arithmetic.ts";
import { maximum, minimum } from "./comparison.ts";
import { cast, constant } from "./define.ts";
import { floorDivide } from "./division.ts";
import { flatPlaces, gatherAlong, isInside, isMasked, pickInside, pickRows, scatterSum } from "./gathering.ts";
import { countIndices, inverseOf, sortIndices, startsOf } from "./index-kernels.ts";
import { iota } from "./iota.ts";
import { derivativeOf, withDerivative } from "./memory.ts";
import { productOver } from "./product.ts";
import { highest, lowest, maxOver, minOver, sumOver } from "./reductions.ts";
import { remainder } from "./rounding.ts";
import { neighbour, recurrence } from "./scans.ts";
import { makeSegments, type Segments } from "./segment-kernels.ts";
import { reshape } from "./views.ts";

/** Which sources (dim + 1) go to each place (dim). */
function arrivals(index: Tensor, dim: number, size: number): Tensor {
  return eq(insertDim(index, dim), reshape(iota(size), alongDim(index.ndim + 1, dim, size)));
}

/** `total` [.., size, 1, ..] without the dim of the sources. */
function perPlace(total: Tensor, dim: number): Tensor {
  return dropDims(total, [dim + 1]);
}

/** As `gatherAlong`, with 0 where the index is out of range. */
function gatherInside(x: Tensor, dim: number, index: Tensor): Tensor {
  const size = x.shape[dim] as number;
  const at = cast(index, "i32");
  const inside = isInside(at, size);
  return where(inside, gatherAlong(x, dim, minimum(maximum(at, 0), size - 1)), constant(0, x.dtype));
}

/** The number of sources that go to each place; i32. */
export function countArrivals(index: Tensor, dim: number, size: number): Tensor {
  const shape = withSize(index.shape, dim, size);
  return isMasked(index, dim, size)
    ? perPlace(sumOver(cast(arrivals(index, dim, size), "i32"), [dim + 1]), dim)
    : reshape(countIndices(flatPlaces(index, dim, size), sizeOf(shape)), shape);
}

/** Where along `dim` the last source is that goes to each place, or -1. */
export function lastArrivals(index: Tensor, dim: number, size: number): Tensor {
  const count = index.shape[dim] as number;
  if (isMasked(index, dim, size)) {
    const position = reshape(iota(count), alongDim(index.ndim + 1, dim + 1, count));
    return perPlace(maxOver(where(arrivals(index, dim, size), position, -1), [dim + 1]), dim);
  }
  const shape = withSize(index.shape, dim, size);
  const total = sizeOf(shape);
  const sorted = sortIndices(flatPlaces(index, dim, size), total);
  const starts = startsOf(sorted);
  const [begin, end] = [range(starts, 0, 0, total), range(starts, 0, 1, total)];
  const source = pickRows(sorted.order, 0, maximum(sub(end, 1), 0));
  const along = remainder(floorDivide(source, sizeOf(index.shape.slice(dim + 1))), count);
  return reshape(where(gt(end, begin), along, -1), shape);
}

// A source has a gradient where it is the last; attributes: dim.
const lastDerivative = derivativeOf("scatter", (g, _out, [, , index, last], attributes) => {
  const [at, of] = [attributes[0] as number, index as Tensor];
  const count = of.shape[at] as number;
  const position = reshape(iota(count), alongDim(of.ndim, at, count));
  const won = eq(sub(gatherInside(add(last as Tensor, 1), at, of), 1), position);
  return [null, where(won, gatherInside(g, at, of), 0), null, null];
});

/** The sources that come last, for each place; places without any have anything. */
export function takeLast(sources: Tensor, index: Tensor, last: Tensor, dim: number): Tensor {
  const found = withGrad(false, () => gatherAlong(sources, dim, maximum(last, 0)));
  return withDerivative(lastDerivative, found, [sources, index, last], [dim]);
}

/** Where it is known which of the sorted values of a list are equal: each one's product of those before or behind. */
function othersProduct(values: Tensor, keys: Tensor, reverse: boolean): Tensor {
  const same = eq(keys, neighbour(keys, 0, reverse, -1));
  return recurrence(where(same, neighbour(values, 0, reverse, 0), 0), where(same, constant(0), 1), 0, reverse, false);
}

const segmentProducts: Segments = makeSegments("prod", ([g], _outputs, inputs) => {
  if (!g) return [null];
  const [source, order, keys] = inputs as readonly [Tensor, Tensor, Tensor];
  const sorted = pickRows(reshape(source, [source.numel]), 0, order);
  const others = mul(othersProduct(sorted, keys, false), othersProduct(sorted, keys, true));
  const gradient = mul(pickInside(reshape(g, [g.numel]), 0, keys), others);
  return [reshape(pickRows(gradient, 0, inverseOf(order)), source.shape)];
});

/** The product of the sources that go to each place; 1 where there are none. */
export function arrivingProduct(sources: Tensor, index: Tensor, dim: number, size: number): Tensor {
  const shape = withSize(index.shape, dim, size);
  if (isMasked(index, dim, size)) {
    const chosen = where(arrivals(index, dim, size), insertDim(sources, dim), constant(1, sources.dtype));
    return perPlace(productOver(chosen, [dim + 1]), dim);
  }
  const places = flatPlaces(index, dim, size);
  const sorted = sortIndices(places, sizeOf(shape));
  return reshape(segmentProducts(reshape(sources, [1, sources.numel, 1]), sorted, places), shape);
}

const segmentExtremes: Record<"amax" | "amin", Segments> = {
  amax: makeSegments("amax", null),
  amin: makeSegments("amin", null),
};

function extremeOfArrivals(kind: "amax" | "amin", sources: Tensor, index: Tensor, dim: number, size: number): Tensor {
  const worst = (kind === "amax" ? lowest : highest)[sources.dtype];
  const shape = withSize(index.shape, dim, size);
  if (isMasked(index, dim, size)) {
    const chosen = where(arrivals(index, dim, size), insertDim(sources, dim), constant(worst, sources.dtype));
    return perPlace((kind === "amax" ? maxOver : minOver)(chosen, [dim + 1]), dim);
  }
  const places = flatPlaces(index, dim, size);
  const sorted = sortIndices(places, sizeOf(shape));
  return reshape(segmentExtremes[kind](reshape(sources, [1, sources.numel, 1]), sorted, places), shape);
}

// Equals share the gradient, the place's own value among them where it counts; attributes: dim, whether it counts.
const extremeDerivative = derivativeOf("scatterReduce", (g, out, [, given, own, index], attributes) => {
  const [dim, counts] = attributes as [number, number];
  const [sources, old, of] = [given as Tensor, own as Tensor, index as Tensor];
  const at = cast(of, "i32");
  const size = out.shape[dim] as number;
  const inside = isInside(at, size);
  const hit = logicalAnd(inside, eq(sources, gatherInside(out, dim, of)));
  const keeps = logicalAnd(eq(old, out), constant(counts, "bool"));
  const number = add(scatterSum(cast(hit, g.dtype), of, dim, size), cast(keeps, g.dtype));
  const share = trueDivide(g, maximum(number, 1));
  return [null, where(hit, gatherInside(share, dim, of), 0), where(keeps, share, 0), null];
});

/** The largest (smallest) of the sources that go to each place, and of what is there (`own`) where that counts. NaN wins. */
export function arrivingExtreme(
  kind: "amax" | "amin",
  sources: Tensor,
  index: Tensor,
  dim: number,
  own: Tensor,
  includeOwn: boolean,
): Tensor {
  const size = own.shape[dim] as number;
  const value = withGrad(false, () => {
    const total = extremeOfArrivals(kind, sources, index, dim, size);
    return includeOwn ? (kind === "amax" ? maximum : minimum)(total, own) : total;
  });
  return withDerivative(extremeDerivative, value, [sources, own, index], [dim, Number(includeOwn)]);
}
