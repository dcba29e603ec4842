// Larger, smaller, close, finite: questions about numbers, and choices that follow from them.

import { isFloat } from "../base/dtype.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { WgslContext } from "../graph/wgsl-context.ts";
import { filled } from "./arguments.ts";
import { ge, gt, IS_NAN, le, logicalAnd, lt, where } from "./arithmetic.ts";
import {
  arithmetic,
  checkNumber,
  checkOptions,
  convert,
  elementwise,
  expectTensor,
  floating,
  floatQuestion,
  keep,
  promoteOperands,
  same,
  type Unary,
  unary,
} from "./define.ts";

const FINITE_TEXT = `fn is_finite(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) < U(0x7f800000u); }
fn is_infinite(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) == U(0x7f800000u); }`;

/** A question about the bits of x, which a WGSL function answers. */
function question(name: string, call: string, text: string, reference: (x: number) => boolean): Unary {
  return unary(name, {
    dtype: floatQuestion,
    wgsl: (t, x) => t.call(call, x),
    helpers: [text],
    reference: (x) => (reference(x as number) ? 1 : 0),
    derivative: null,
    cost: 2,
  });
}

/** True where x is NaN, as bool. */
export const isnan: Unary = question("isnan", "is_nan", IS_NAN, Number.isNaN);
/** True where x is ∞ or -∞, as bool. */
export const isinf: Unary = question(
  "isinf",
  "is_infinite",
  FINITE_TEXT,
  (x) => Math.abs(x) === Number.POSITIVE_INFINITY,
);
/** True where x is neither infinite nor NaN, as bool. */
export const isfinite: Unary = question("isfinite", "is_finite", FINITE_TEXT, Number.isFinite);

const CLOSE_TEXT = `fn is_close(x: f32, y: f32, relative: f32, absolute: f32, equal_nan: f32) -> bool {
  if (is_nan(x) || is_nan(y)) { return equal_nan != 0.0 && is_nan(x) && is_nan(y); }
  if (!is_finite(x) || !is_finite(y)) { return bitcast<u32>(x) == bitcast<u32>(y); }
  return abs(x - y) <= absolute + relative * abs(y);
}`;

const closeness = elementwise("isclose", {
  dtype: floatQuestion,
  wgsl: (t, ...operands) => t.call("is_close", ...operands),
  helpers: [IS_NAN, FINITE_TEXT, CLOSE_TEXT],
  reference: (...operands) => {
    const [x, y, relative, absolute, equalNan] = operands as [number, number, number, number, number];
    if (Number.isNaN(x) || Number.isNaN(y)) return equalNan !== 0 && Number.isNaN(x) && Number.isNaN(y) ? 1 : 0;
    if (!Number.isFinite(x) || !Number.isFinite(y)) return x === y ? 1 : 0;
    return Math.abs(x - y) <= absolute + relative * Math.abs(y) ? 1 : 0;
  },
  derivative: null,
  cost: 8,
});

/**
 * Tells whether |x - y| ≤ atol + rtol·|y|, as bool. Equal infinities are close; NaN only with `equalNan`. Throws a
 * RangeError for a negative tolerance.
 */
export function isclose(
  x: Tensor,
  y: Tensor | number,
  options: { rtol?: number; atol?: number; equalNan?: boolean } = {},
): Tensor {
  const { rtol, atol, equalNan } = filled("isclose", options, { rtol: 1e-5, atol: 1e-8, equalNan: false });
  if (rtol < 0 || atol < 0) throw new RangeError(`isclose: rtol and atol must be ≥ 0, got ${rtol} and ${atol}.`);
  return closeness(expectTensor("isclose", x), y, rtol, atol, equalNan ? 1 : 0);
}

const share = elementwise("shareGradient", {
  dtype: keep,
  wgsl: (t, g, x, y) => `select(select(${g}, ${t.number(0)}, ${x} < ${y}), ${g} * ${t.number(0.5)}, ${x} == ${y})`,
  reference: (g, x, y) => (x === y ? (g as number) / 2 : (x as number) < (y as number) ? 0 : (g as number)),
  derivative: (g, _out, [, x, y]) => [share(g, x as Tensor, y as Tensor), null, null],
  cost: 3,
});

function extremum(
  name: string,
  sign: ">" | "<",
  pick: (x: number, y: number) => number,
): (x: Tensor | number, y: Tensor | number) => Tensor {
  return elementwise(name, {
    dtype: keep,
    wgsl: (t, x, y) => {
      if (t.operand === "bool") return `(${x} ${sign === ">" ? "|" : "&"} ${y})`;
      if (t.operand !== "f32") return `${sign === ">" ? "max" : "min"}(${x}, ${y})`;
      return `select(${y}, ${x}, (${x} ${sign} ${y}) | ${t.call("is_nan", x)})`;
    },
    helpers: [IS_NAN],
    reference: (x, y) => pick(x as number, y as number),
    derivative: (g, _out, inputs) => {
      const [x, y] = inputs as [Tensor, Tensor];
      const [larger, smaller] = sign === ">" ? [x, y] : [y, x];
      return [x.requiresGrad ? share(g, larger, smaller) : null, y.requiresGrad ? share(g, smaller, larger) : null];
    },
    cost: 3,
  });
}

/** Takes the larger of two; NaN if either is NaN. Equals share the gradient. */
export const maximum: (x: Tensor | number, y: Tensor | number) => Tensor = extremum("maximum", ">", Math.max);

/** Takes the smaller of two; NaN if either is NaN. Equals share the gradient. */
export const minimum: (x: Tensor | number, y: Tensor | number) => Tensor = extremum("minimum", "<", Math.min);

/** g where low ≤ x ≤ high (or low < x < high), else 0: the gradient of clamped functions, one node. */
function gate(
  name: string,
  comparison: "<" | "<=",
  inside: (x: number, low: number, high: number) => boolean,
): (...operands: (Tensor | number)[]) => Tensor {
  const apply: (...operands: (Tensor | number)[]) => Tensor = elementwise(name, {
    dtype: keep,
    wgsl: (t: WgslContext, g, x, low, high) =>
      `select(${t.number(0)}, ${g}, (${low} ${comparison} ${x}) & (${x} ${comparison} ${high}))`,
    reference: (g, x, low, high) => (inside(x as number, low as number, high as number) ? (g as number) : 0),
    derivative: (g, _out, [, x, low, high]) => [apply(g, x as Tensor, low as Tensor, high as Tensor), null, null, null],
    cost: 3,
  });
  return apply;
}

/** `gradientWithin(g, x, low, high)`: g where low ≤ x ≤ high, else 0. */
export const gradientWithin: (...operands: (Tensor | number)[]) => Tensor = gate(
  "gradientWithin",
  "<=",
  (x, low, high) => low <= x && x <= high,
);

/** `gradientInside(g, x, low, high)`: g where low < x < high, else 0. */
export const gradientInside: (...operands: (Tensor | number)[]) => Tensor = gate(
  "gradientInside",
  "<",
  (x, low, high) => low < x && x < high,
);

/** Where a limit takes the place of x: NaN passes every comparison untouched, and so it stays NaN; a limit that is NaN makes NaN. */
function limits(t: WgslContext, x: string, sign: "<" | ">", limit: string): string {
  return `(${x} ${sign} ${limit}) | ${t.call("is_nan", limit)}`;
}

const clampBoth = elementwise("clamp", {
  dtype: arithmetic,
  wgsl: (t, x, low, high) => {
    if (t.operand !== "f32") return `min(max(${x}, ${low}), ${high})`;
    const raised = `select(${x}, ${low}, ${limits(t, x, "<", low)})`;
    return `select(${raised}, ${high}, ${limits(t, raised, ">", high)})`;
  },
  helpers: [IS_NAN],
  reference: (...operands) => {
    const [x, low, high] = operands as [number, number, number];
    const raised = x >= low || Number.isNaN(x) ? x : low;
    return raised <= high || Number.isNaN(raised) ? raised : high;
  },
  derivative: (g, _out, inputs) => {
    const [x, low, high] = inputs as [Tensor, Tensor, Tensor];
    return [
      x.requiresGrad ? gradientWithin(g, x, low, high) : null,
      low.requiresGrad ? where(logicalAnd(lt(x, low), lt(low, high)), g, 0) : null,
      high.requiresGrad ? where(gt(maximum(x, low), high), g, 0) : null,
    ];
  },
  cost: 3,
});

/** x, but the limit where x is on the wrong side of it. */
function clampSide(name: string, sign: "<" | ">"): (x: Tensor, limit: Tensor) => Tensor {
  const [wgslName, within, beyond] = sign === "<" ? (["max", ge, lt] as const) : (["min", le, gt] as const);
  return elementwise(name, {
    dtype: arithmetic,
    wgsl: (t, x, limit) =>
      t.operand === "f32" ? `select(${x}, ${limit}, ${limits(t, x, sign, limit)})` : `${wgslName}(${x}, ${limit})`,
    helpers: [IS_NAN],
    reference: (given, other) => {
      const [x, limit] = [given as number, other as number];
      return Number.isNaN(x) || (sign === "<" ? x >= limit : x <= limit) ? x : limit;
    },
    derivative: (g, _out, inputs) => {
      const [x, limit] = inputs as [Tensor, Tensor];
      return [where(within(x, limit), g, 0), limit.requiresGrad ? where(beyond(x, limit), g, 0) : null];
    },
    cost: 2,
  });
}

const clampBelow = clampSide("clampMin", "<");
const clampAbove = clampSide("clampMax", ">");

/**
 * Limits x to `min` … `max`, which are numbers or tensors that broadcast. `max` wins over `min`. The gradient passes
 * where nothing was cut off, the limits included. Throws a RangeError if neither limit is given.
 */
export function clamp(x: Tensor, options: { min?: Tensor | number | null; max?: Tensor | number | null } = {}): Tensor {
  expectTensor("clamp", x);
  checkOptions("clamp", options, ["min", "max"]);
  const { min = null, max = null } = options;
  const { operand } = arithmetic("clamp", promoteOperands("clamp", [x, min ?? x, max ?? x]));
  const limit = (name: string, value: Tensor | number | null): Tensor | null =>
    typeof value === "number" ? convert("clamp", checkNumber("clamp", name, value), operand) : value;
  const [low, high] = [limit("min", min), limit("max", max)];
  if (low !== null && high !== null) return clampBoth(x, low, high);
  if (low !== null) return clampBelow(x, low);
  if (high !== null) return clampAbove(x, high);
  throw new RangeError("clamp: give min, max or both, got neither. x.clamp({ min: 0 }) is the form.");
}

const NAN_TO_NUM_TEXT = `fn nan_to_num(x: F, nan: F, high: F, low: F) -> F {
  let bits = bitcast<U>(x);
  let finite = select(select(x, low, bits == U(0xff800000u)), high, bits == U(0x7f800000u));
  return select(finite, nan, (bits & U(0x7fffffffu)) > U(0x7f800000u));
}`;

const replaceSpecial = elementwise("nanToNum", {
  dtype: floating,
  wgsl: (t, ...operands) => t.call("nan_to_num", ...operands),
  helpers: [NAN_TO_NUM_TEXT],
  reference: (...operands) => {
    const [x, nan, high, low] = operands as [number, number, number, number];
    if (Number.isNaN(x)) return nan;
    return x === Number.POSITIVE_INFINITY ? high : x === Number.NEGATIVE_INFINITY ? low : x;
  },
  derivative: (g, _out, [x]) => [where(isfinite(x as Tensor), g, 0), null, null, null],
  cost: 5,
});

/**
 * Replaces NaN by `nan` (default 0), ∞ by `posinf` and -∞ by `neginf` (defaults: the largest finite numbers of the
 * dtype).
 */
export function nanToNum(
  x: Tensor,
  options: { nan?: number; posinf?: number | null; neginf?: number | null } = {},
): Tensor {
  expectTensor("nanToNum", x);
  checkOptions("nanToNum", options, ["nan", "posinf", "neginf"]);
  if (!isFloat(x.dtype)) return same(x);
  const largest = x.dtype === "f16" ? 65504 : 3.4028234663852886e38;
  return replaceSpecial(x, options.nan ?? 0, options.posinf ?? largest, options.neginf ?? -largest);
}
