// Rotary position embedding: positions as rotations of pairs of features (Su et al. 2021).

import { formatShape, shapeError } from "../base/shape.ts";
import { Tensor } from "../graph/tensor.ts";
import { alongDim, checkFloat, filled } from "./arguments.ts";
import { add, eq, floor, lt, mul, where } from "./arithmetic.ts";
import { cast, checkNumber } from "./define.ts";
import { exp } from "./exponential.ts";
import { iota } from "./iota.ts";
import { flip } from "./movement.ts";
import { cos, sin } from "./trigonometry.ts";
import { reshape, rolled } from "./views.ts";

/** Options of `rope`. */
export interface RopeOptions {
  /** Base of the frequencies. Default 10000. */
  readonly base?: number;
  /** Position of the first element; a 0-dim tensor where it changes from call to call, as when decoding. Default 0. */
  readonly offset?: number | Tensor;
  /** Pairs are neighbours (2i, 2i + 1), as in the paper; else i and i + D/2, as in GPT-NeoX and LLaMA's usual weights. Default false. */
  readonly interleaved?: boolean;
}

/**
 * Rotates the pairs of features of x [..., T, D] by angles that grow with the position: (a, b) at position t = offset, offset + 1, … becomes
 * (a cos θ - b sin θ, b cos θ + a sin θ) with θ = t · base^(-2i/D) for pair i. Dot products of two so rotated vectors depend on the
 * distance of their positions. For queries and keys [B, heads, T, D]. Throws a ShapeError unless D is even.
 */
export function rope(x: Tensor, options: RopeOptions = {}): Tensor {
  const op = "rope";
  const { base, offset: given, interleaved } = filled(op, options, { base: 10_000, offset: null, interleaved: false });
  const offset = given ?? 0;
  checkFloat(op, x);
  const { ndim, shape } = x;
  const size = shape[ndim - 1] as number;
  if (ndim < 2 || size % 2 !== 0) {
    throw shapeError`${op}: the input must be [..., T, D] with an even D, got ${shape}.`;
  }
  if (base <= 0) throw new RangeError(`${op}: base must be > 0, got ${base}.`);
  if (offset instanceof Tensor && offset.ndim > 0) {
    throw shapeError`${op}: offset must be a number or a 0-dim tensor, got ${formatShape(offset.shape)}.`;
  }
  if (typeof offset === "number") checkNumber(op, "offset", offset);
  const half = size / 2;
  const feature = cast(iota(size), "f32");
  const pair = interleaved
    ? floor(mul(feature, 0.5))
    : cast(where(isFirst(size, half), iota(size), add(iota(size), -half)), "f32");
  const frequency = exp(mul(pair, (-2 * Math.log(base)) / size));
  const position = add(cast(iota(shape[ndim - 2] as number), "f32"), offset);
  const angle = mul(reshape(position, [position.numel, 1]), frequency);
  const first = interleaved ? eq(add(feature, mul(pair, -2)), 0) : isFirst(size, half);
  const partner = interleaved
    ? reshape(flip(reshape(x, [...shape.slice(0, -1), half, 2]), [ndim]), shape)
    : rolled(
        x,
        alongDim(ndim, ndim - 1, half).map((n, i) => (i === ndim - 1 ? n : 0)),
      );
  const sine = sin(angle);
  return add(mul(x, cast(cos(angle), x.dtype)), mul(partner, cast(where(first, mul(sine, -1), sine), x.dtype)));
}

/** Whether a feature is the first of its pair (i, i + D/2). */
function isFirst(size: number, half: number): Tensor {
  return lt(iota(size), half);
}
