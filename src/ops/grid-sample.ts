// Sampling an image where a grid says: nearest, bilinear and bicubic, with zeros, border or reflection outside.

import { shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkChoice, checkFloat, checkRank, filled, insertDim, range } from "./arguments.ts";
import { add, eq, floor, mul, sub, where } from "./arithmetic.ts";
import { isnan, maximum, minimum } from "./comparison.ts";
import { cast } from "./define.ts";
import { floorDivide } from "./division.ts";
import { isInside, pickRows } from "./gathering.ts";
import { iota } from "./iota.ts";
import { sumOver } from "./reductions.ts";
import { abs, fmod, round } from "./rounding.ts";
import { permute, reshape } from "./views.ts";

/** Options of `gridSample`. */
export interface GridSampleOptions {
  /** Default "bilinear". */
  readonly mode?: "bilinear" | "nearest" | "bicubic";
  /** The values outside of the image: zeros, the nearest pixel of the border, or the mirrored image. Default "zeros". */
  readonly paddingMode?: "zeros" | "border" | "reflection";
  /** Whether -1 and 1 are the centres of the corner pixels, and not their outer edges. Default false. */
  readonly alignCorners?: boolean;
}

type Padding = "zeros" | "border" | "reflection";

/** Mirrors x at `low` and `high` (twice the bounds, so that halves are whole) until it lies between. */
function reflected(x: Tensor, low: number, high: number): Tensor {
  if (low === high) return mul(x, 0);
  const [start, span] = [low / 2, (high - low) / 2];
  const distance = abs(sub(x, start));
  const rest = fmod(distance, span);
  const flips = floorDivide(distance, span);
  const even = eq(sub(flips, mul(floor(mul(flips, 0.5)), 2)), 0);
  return where(even, add(rest, start), sub(span + start, rest));
}

/** A coordinate in pixels, brought into the image as the padding says. */
function inside(x: Tensor, size: number, padding: Padding, alignCorners: boolean): Tensor {
  if (padding === "zeros") return x;
  const mirrored =
    padding === "border" ? x : alignCorners ? reflected(x, 0, 2 * (size - 1)) : reflected(x, -1, 2 * size - 1);
  return minimum(maximum(mirrored, 0), size - 1);
}

/** -1 … 1 as pixels of `size`. */
function unnormalized(x: Tensor, size: number, alignCorners: boolean): Tensor {
  return alignCorners ? mul(add(x, 1), (size - 1) / 2) : mul(sub(mul(add(x, 1), size), 1), 0.5);
}

/** Keys' cubic kernel with a = -0.75 at the four taps around t in 0 … 1. */
function cubicWeights(t: Tensor): Tensor[] {
  const a = -0.75;
  const near = (x: Tensor): Tensor => add(mul(mul(sub(mul(x, a + 2), a + 3), x), x), 1);
  const far = (x: Tensor): Tensor => sub(mul(add(mul(sub(mul(x, a), 5 * a), x), 8 * a), x), 4 * a);
  return [far(add(t, 1)), near(t), near(sub(1, t)), far(sub(2, t))];
}

/**
 * Samples x [N, C, H, W] at the places of grid [N, H′, W′, 2] → [N, C, H′, W′] (Jaderberg et al. 2015). A place is (x,
 * y), from -1 (left, top) to 1 (right, bottom); where one is NaN, the result is. The image has a gradient, and so has
 * the grid, except for "nearest". Throws a ShapeError if sizes do not fit.
 */
export function gridSample(x: Tensor, grid: Tensor, options: GridSampleOptions = {}): Tensor {
  const op = "gridSample";
  const { mode, paddingMode, alignCorners } = filled(op, options, {
    mode: "bilinear",
    paddingMode: "zeros",
    alignCorners: false,
  });
  checkChoice(op, "mode", mode, ["bilinear", "nearest", "bicubic"]);
  const padding = checkChoice(op, "paddingMode", paddingMode, ["zeros", "border", "reflection"]);
  checkRank(op, checkFloat(op, x), [4], "[N, C, H, W]");
  checkRank(op, checkFloat(op, grid, "the grid"), [4], "[N, H′, W′, 2]", "the grid");
  const [batch, channels, height, width] = x.shape as readonly [number, number, number, number];
  const [same, rows, columns, pair] = grid.shape as readonly [number, number, number, number];
  if (same !== batch || pair !== 2 || height === 0 || width === 0) {
    throw shapeError`${op}: needs an image [N, C, H, W] with pixels and a grid [N, H′, W′, 2], got ${x.shape} and ${grid.shape}.`;
  }
  const places = rows * columns;
  const sides = [
    { size: width, stride: 1 },
    { size: height, stride: width },
  ].map(({ size, stride }, k): Side => {
    const picked = range(cast(grid, "f32"), 3, k, 1);
    const at = unnormalized(reshape(picked, [batch, places]), size, alignCorners);
    return sideOf(at, size, stride, mode, padding, alignCorners);
  });
  const [across, down] = sides as [Side, Side];
  const taps = across.taps;
  // Taps are the first two dims: those down, those across.
  const wide = (t: Tensor, dim: 0 | 1): Tensor => insertDim(t, 1 - dim);
  const first = reshape(mul(iota(batch), height * width), [batch, 1]);
  const index = add(add(wide(down.index, 0), wide(across.index, 1)), first);
  const weight = cast(mul(wide(down.weight, 0), wide(across.weight, 1)), x.dtype);
  const image = reshape(permute(x, [1, 0, 2, 3]), [channels, batch * height * width]);
  const found = pickRows(image, 1, reshape(index, [taps * taps * batch * places]));
  const values = reshape(found, [channels, taps, taps, batch, places]);
  const sampled = reshape(sumOver(mul(values, weight), [1, 2]), [channels, batch, rows, columns]);
  return permute(sampled, [1, 0, 2, 3]);
}

/** The taps along one side, [taps, N, places]: where they are in the image, and their weights (0 outside). */
interface Side {
  readonly taps: number;
  readonly index: Tensor;
  readonly weight: Tensor;
}

function sideOf(
  at: Tensor,
  size: number,
  stride: number,
  mode: "bilinear" | "nearest" | "bicubic",
  padding: Padding,
  alignCorners: boolean,
): Side {
  // The cubic kernel's taps are brought inside one by one, and not their centre.
  const x = mode === "bicubic" ? at : inside(at, size, padding, alignCorners);
  const taps = mode === "nearest" ? 1 : mode === "bilinear" ? 2 : 4;
  const base = mode === "nearest" ? round(x) : floor(x);
  const step = reshape(iota(taps), [taps, 1, 1]);
  const raw = add(base, cast(sub(step, taps === 4 ? 1 : 0), "f32"));
  const place = mode === "bicubic" ? inside(raw, size, padding, alignCorners) : raw;
  const within = isInside(place, size);
  const t = sub(x, base);
  const weights = taps === 1 ? null : taps === 2 ? [sub(1, t), t] : cubicWeights(t);
  const known = weights === null ? cast(within, "f32") : where(within, chosen(weights, step), 0);
  const weight = where(isnan(at), at, known);
  const index = mul(cast(minimum(maximum(place, 0), size - 1), "i32"), stride);
  return { taps, index, weight };
}

/** Each tap's own: tensors [N, places] as [taps, N, places]. */
function chosen(parts: readonly Tensor[], step: Tensor): Tensor {
  return parts.reduceRight((rest, part, k) => where(eq(step, k), part, rest));
}
