// Resizing images: nearest and bilinear.

import { checkShape, formatShape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { alongDim, checkChoice, checkRank, checkSizes, range, type Size } from "./arguments.ts";
import { add, floor, mul, sub } from "./arithmetic.ts";
import { maximum, minimum } from "./comparison.ts";
import { cast, checkOptions, same } from "./define.ts";
import { floorDivide } from "./division.ts";
import { pickRows } from "./gathering.ts";
import { iota } from "./iota.ts";
import { repeatedAlong } from "./joining.ts";
import { asFloat } from "./reductions.ts";
import { reshape } from "./views.ts";

/** Options of `interpolate`. */
export interface InterpolateOptions {
  /** Size of the spatial dims. Either this or `scaleFactor`. */
  readonly size?: Size;
  /** Factor of the spatial dims; sizes are rounded down. */
  readonly scaleFactor?: Size;
  /** Default "nearest". */
  readonly mode?: "nearest" | "bilinear";
  /** Bilinear: whether the corners' centres stay where they are, and not the image's edges. Default false. */
  readonly alignCorners?: boolean;
}

/** From input to output size of one dim; `step` is the distance in the input per element of the output. */
interface Scale {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly exact: boolean;
}

function scalesOf(op: string, x: Tensor, spatial: number, options: InterpolateOptions): Scale[] {
  const { size, scaleFactor } = options;
  if ((size === undefined || size === null) === (scaleFactor === undefined || scaleFactor === null)) {
    throw new RangeError(`${op}: needs either size or scaleFactor.`);
  }
  const sizes = x.shape.slice(-spatial);
  if (sizes.includes(0)) throw shapeError`${op}: the image must not be empty, got ${x.shape}.`;
  if (size !== undefined && size !== null) {
    return checkSizes(op, "size", size, spatial, 1).map((to, i) => ({
      from: sizes[i] as number,
      to,
      step: (sizes[i] as number) / to,
      exact: true,
    }));
  }
  const factors = typeof scaleFactor === "number" ? sizes.map(() => scaleFactor) : (scaleFactor as readonly number[]);
  if (!Array.isArray(factors) || factors.length !== spatial || factors.some((f) => !(f > 0) || !Number.isFinite(f))) {
    throw new RangeError(
      `${op}: scaleFactor must be a number > 0 or a list of ${spatial}, got ${String(scaleFactor)}.`,
    );
  }
  return factors.map((factor: number, i: number) => {
    const from = sizes[i] as number;
    const to = Math.floor(from * factor);
    if (to < 1) throw new RangeError(`${op}: scaleFactor ${factor} leaves nothing of ${formatShape(x.shape)}.`);
    return { from, to, step: 1 / factor, exact: to === from * factor };
  });
}

function nearestDim(x: Tensor, dim: number, s: Scale): Tensor {
  if (s.to === s.from && s.exact) return x;
  if (s.exact && s.to % s.from === 0) {
    return repeatedAlong(x, dim, s.to / s.from);
  }
  if (s.exact && s.from % s.to === 0) {
    return range(x, dim, 0, s.to, s.from / s.to);
  }
  const index = s.exact
    ? floorDivide(mul(iota(s.to), s.from), s.to)
    : minimum(cast(floor(mul(cast(iota(s.to), "f32"), s.step)), "i32"), s.from - 1);
  return pickRows(x, dim, index);
}

function linearDim(x: Tensor, dim: number, s: Scale, alignCorners: boolean): Tensor {
  if (s.to === s.from && (s.exact || alignCorners)) return x;
  const i = cast(iota(s.to), "f32");
  const place = alignCorners
    ? mul(i, s.to > 1 ? (s.from - 1) / (s.to - 1) : 0)
    : maximum(sub(mul(add(i, 0.5), s.step), 0.5), 0);
  const low = minimum(cast(floor(place), "i32"), s.from - 1);
  const high = minimum(add(low, 1), s.from - 1);
  const weight = cast(reshape(minimum(sub(place, cast(low, "f32")), 1), alongDim(x.ndim, dim, s.to)), x.dtype);
  return add(mul(pickRows(x, dim, low), sub(1, weight)), mul(pickRows(x, dim, high), weight));
}

/**
 * Resizes the spatial dims of [N, C, L] or [N, C, H, W] (nearest) or [N, C, H, W] (bilinear) to `size` or by `scaleFactor`. Throws a
 * ShapeError for other ranks, a RangeError unless just one of size and scaleFactor is given.
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  const op = "interpolate";
  checkOptions(op, options, ["size", "scaleFactor", "mode", "alignCorners"]);
  const { mode: wanted = "nearest", alignCorners = false } = options ?? {};
  const mode = checkChoice(op, "mode", wanted, ["nearest", "bilinear"]);
  if (mode === "nearest") checkRank(op, x, [3, 4, 5], "[N, C, L], [N, C, H, W] or [N, C, D, H, W]");
  else checkRank(op, x, [4], '[N, C, H, W] for mode "bilinear"');
  if (mode === "nearest" && alignCorners) throw new RangeError(`${op}: alignCorners is an option of mode "bilinear".`);
  const scales = scalesOf(op, x, x.ndim - 2, options ?? {});
  checkShape(op, [...x.shape.slice(0, 2), ...scales.map(({ to }) => to)]);
  let result = mode === "bilinear" ? asFloat(x) : x;
  scales.forEach((s, i) => {
    result = mode === "nearest" ? nearestDim(result, i + 2, s) : linearDim(result, i + 2, s, alignCorners);
  });
  return result === x ? same(x) : result;
}
