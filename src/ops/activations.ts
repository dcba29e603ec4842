// Activation functions that are elementwise and piecewise simple, or built on the exponential.

import { normalizeDim, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { WgslContext } from "../graph/wgsl-context.ts";
import { filled, range } from "./arguments.ts";
import { add, gt, le, mul, ne, realFunction, trueDivide, where } from "./arithmetic.ts";
import { gradientInside } from "./comparison.ts";
import {
  arithmetic,
  checkNumber,
  elementwise,
  expectTensor,
  factorFor,
  floating,
  type Unary,
  unary,
} from "./define.ts";
import { EXPM1, exp, square } from "./exponential.ts";
import { TANH, tanh } from "./hyperbolic.ts";
import { abs } from "./rounding.ts";
import { sigmoid, softplus } from "./sigmoid.ts";
import { reshape } from "./views.ts";

/** max(0, x); NaN stays NaN. The gradient at 0 is 0. */
export const relu: Unary = unary("relu", {
  dtype: arithmetic,
  wgsl: (t, x) => (t.operand === "u32" ? x : `select(${x}, ${t.number(0)}, ${x} < ${t.number(0)})`),
  reference: (x) => ((x as number) < 0 ? 0 : (x as number)),
  derivative: (g, out) => [where(le(out, 0), 0, g)],
});

const clampedLine = elementwise("hardtanh", {
  dtype: arithmetic,
  wgsl: (_t, x, low, high) => `select(select(${x}, min(${low}, ${high}), ${x} < ${low}), ${high}, ${x} > ${high})`,
  reference: (...operands) => {
    const [x, low, high] = operands as [number, number, number];
    return x > high ? high : x < low ? Math.min(low, high) : x;
  },
  derivative: (g, _out, [x, low, high]) => [gradientInside(g, x as Tensor, low as Tensor, high as Tensor), null, null],
  cost: 3,
});

/** min(max(0, x), 6). The gradient at the corners is 0. */
export function relu6(x: Tensor): Tensor {
  return clampedLine(expectTensor("relu6", x), 0, 6);
}

/**
 * x between minVal (-1) and maxVal (1), else the nearer limit, maxVal where minVal exceeds it; of integers the limits are cut
 * to whole numbers. The gradient at the corners is 0.
 */
export function hardtanh(x: Tensor, options: { minVal?: number; maxVal?: number } = {}): Tensor {
  expectTensor("hardtanh", x);
  const { minVal, maxVal } = filled("hardtanh", options, { minVal: -1, maxVal: 1 });
  return clampedLine(x, factorFor(minVal, x), factorFor(maxVal, x));
}

/** x for x > 0, else weight·x. */
function slopedLine(name: string): (x: Tensor, weight: Tensor | number) => Tensor {
  return elementwise(name, {
    dtype: floating,
    wgsl: (t, x, weight) => `select(${x} * ${weight}, ${x}, ${x} > ${t.float(0)})`,
    reference: (x, weight) => ((x as number) > 0 ? (x as number) : (x as number) * (weight as number)),
    derivative: (g, _out, inputs) => {
      const [x, weight] = inputs as [Tensor, Tensor];
      const positive = gt(x, 0);
      return [
        x.requiresGrad ? where(positive, g, mul(g, weight)) : null,
        weight.requiresGrad ? where(positive, 0, mul(g, x)) : null,
      ];
    },
    cost: 2,
  });
}

const leaky = slopedLine("leakyRelu");
const parametric = slopedLine("prelu");

/** x for x > 0, else negativeSlope·x (default slope 0.01). */
export function leakyRelu(x: Tensor, options: { negativeSlope?: number } = {}): Tensor {
  expectTensor("leakyRelu", x);
  return leaky(x, filled("leakyRelu", options, { negativeSlope: 0.01 }).negativeSlope);
}

/** x for x > 0, else weight·x; weight has one element, or one per channel (dim 1). */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  expectTensor("prelu", x);
  expectTensor("prelu", weight, "the weight");
  const channels = x.ndim >= 2 ? (x.shape[1] as number) : 1;
  if (weight.numel === 1) return parametric(x, reshape(weight, []));
  if (weight.ndim !== 1 || weight.shape[0] !== channels) {
    throw shapeError`prelu: the weight must have 1 element or one per channel, got ${weight.shape} for ${x.shape} (${channels} channels).`;
  }
  return parametric(x, reshape(weight, [channels, ...new Array<number>(x.ndim - 2).fill(1)]));
}

// scale·(x for x > 0, else alpha·(e^(x·rate) - 1)): elu, selu and celu are cases of this.
const EXPONENTIAL_LINE = `fn exponential_line(x: F, alpha: F, scale: F, rate: F) -> F {
  return scale * select(alpha * expm1_f32(x * rate), x, x > F(0.0));
}`;

function times(x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : mul(x, factor);
}

function exponentialLine(name: string): (...operands: (Tensor | number)[]) => Tensor {
  return elementwise(name, {
    dtype: floating,
    wgsl: (t, ...operands) => t.call("exponential_line", ...operands),
    helpers: [...EXPM1, EXPONENTIAL_LINE],
    reference: (...operands) => {
      const [x, alpha, scale, rate] = operands as [number, number, number, number];
      return scale * (x > 0 ? x : alpha * Math.expm1(x * rate));
    },
    // Below 0 the slope is scale·alpha·rate·e^(x·rate); made of out, it would have lost its digits near the limit.
    derivative: (g, _out, [x, ...numbers]) => {
      const [alpha, scale, rate] = numbers.map((n) => n.node.attributes[0] as number) as [number, number, number];
      const slope = times(exp(times(x as Tensor, rate)), scale * alpha * rate);
      return [mul(g, where(gt(x as Tensor, 0), scale, slope)), null, null, null];
    },
    cost: 24,
  });
}

const eluLine = exponentialLine("elu");
const seluLine = exponentialLine("selu");
const celuLine = exponentialLine("celu");

/** x for x > 0, else alpha·(eˣ - 1) (default alpha 1). */
export function elu(x: Tensor, options: { alpha?: number } = {}): Tensor {
  expectTensor("elu", x);
  return eluLine(x, filled("elu", options, { alpha: 1 }).alpha, 1, 1);
}

/** Self-normalizing elu, λ·(x for x > 0, else α·(eˣ - 1)) (Klambauer et al. 2017). */
export function selu(x: Tensor): Tensor {
  return seluLine(expectTensor("selu", x), 1.6732632423543772, 1.0507009873554805, 1);
}

/** max(0, x) + min(0, alpha·(e^(x / alpha) - 1)) (default alpha 1). */
export function celu(x: Tensor, options: { alpha?: number } = {}): Tensor {
  expectTensor("celu", x);
  const { alpha } = filled("celu", options, { alpha: 1 });
  if (alpha === 0) throw new RangeError("celu: alpha must not be 0.");
  return celuLine(x, alpha, 1, 1 / alpha);
}

/** x·tanh(log(1 + eˣ)) (Misra 2019). */
export function mish(x: Tensor): Tensor {
  return mul(expectTensor("mish", x), tanh(softplus(x)));
}

/** x / (1 + |x|). */
export const softsign: Unary = unary("softsign", {
  dtype: floating,
  wgsl: (t, x) => `${x} / (${t.float(1)} + abs(${x}))`,
  reference: (x) => (x as number) / (1 + Math.abs(x as number)),
  derivative: (g, _out, [x]) => [trueDivide(g, square(add(abs(x as Tensor), 1)))],
  cost: 6,
});

/** WGSL: `line` between -3 and 3, 0 below and `above` above. */
function betweenThrees(t: WgslContext, x: string, line: string, above: string): string {
  return `select(select(${line}, ${t.float(0)}, ${x} <= ${t.float(-3)}), ${above}, ${x} >= ${t.float(3)})`;
}

/** min(max(0, x / 6 + ½), 1). */
export const hardsigmoid: Unary = unary("hardsigmoid", {
  dtype: floating,
  wgsl: (t, x) => betweenThrees(t, x, `(${x} + ${t.float(3)}) / ${t.float(6)}`, t.float(1)),
  reference: (x) => ((x as number) <= -3 ? 0 : (x as number) >= 3 ? 1 : ((x as number) + 3) / 6),
  derivative: (g, _out, [x]) => [gradientInside(mul(g, 1 / 6), x as Tensor, -3, 3)],
  cost: 6,
});

/** x·hardsigmoid(x). */
export const hardswish: Unary = unary("hardswish", {
  dtype: floating,
  wgsl: (t, x) => betweenThrees(t, x, `${x} * (${x} + ${t.float(3)}) / ${t.float(6)}`, x),
  reference: (x) =>
    (x as number) <= -3 ? 0 : (x as number) >= 3 ? (x as number) : ((x as number) * ((x as number) + 3)) / 6,
  derivative: (g, _out, [x]) => [mul(g, hardswishSlope(x as Tensor))],
  cost: 7,
});

const hardswishSlope: Unary = unary("hardswishSlope", {
  dtype: floating,
  wgsl: (t, x) => betweenThrees(t, x, `${x} / ${t.float(3)} + ${t.float(0.5)}`, t.float(1)),
  reference: (x) => ((x as number) <= -3 ? 0 : (x as number) >= 3 ? 1 : (x as number) / 3 + 0.5),
  derivative: (g, _out, [x]) => [gradientInside(mul(g, 1 / 3), x as Tensor, -3, 3)],
  cost: 6,
});

const hardThreshold = elementwise("hardshrink", {
  dtype: floating,
  wgsl: (t, x, lambda) => `select(${x}, ${t.float(0)}, abs(${x}) <= ${lambda})`,
  reference: (x, lambda) => (Math.abs(x as number) <= (lambda as number) ? 0 : (x as number)),
  derivative: (g, out) => [where(ne(out, 0), g, 0), null],
  cost: 2,
});

/** 0 where |x| ≤ lambd (default ½), else x. */
export function hardshrink(x: Tensor, options: { lambd?: number } = {}): Tensor {
  return hardThreshold(expectTensor("hardshrink", x), filled("hardshrink", options, { lambd: 0.5 }).lambd);
}

const softThreshold = elementwise("softshrink", {
  dtype: floating,
  // NaN passes through the subtraction.
  wgsl: (_t, x, lambda) =>
    `${x} - select(select(${x}, ${lambda}, ${x} > ${lambda}), -(${lambda}), ${x} < -(${lambda}))`,
  reference: (x, lambda) => {
    const limit = lambda as number;
    return (x as number) - ((x as number) > limit ? limit : (x as number) < -limit ? -limit : (x as number));
  },
  derivative: (g, out) => [where(ne(out, 0), g, 0), null],
  cost: 4,
});

/** x moved towards 0 by lambd (default ½), 0 where it would cross. Throws a RangeError for a negative lambd. */
export function softshrink(x: Tensor, options: { lambd?: number } = {}): Tensor {
  const { lambd } = filled("softshrink", options, { lambd: 0.5 });
  if (lambd < 0) throw new RangeError(`softshrink: lambd must be ≥ 0, got ${lambd}.`);
  return softThreshold(expectTensor("softshrink", x), lambd);
}

// Near 0 the difference is that of the series of tanh.
const TANHSHRINK_TEXT = `fn tanhshrink_near(z: F) -> F {
  return (((5.70498872745e-3 * z - 2.06390887954e-2) * z + 5.37397155531e-2) * z - 1.33314422036e-1) * z + 3.33332819422e-1;
}
fn tanhshrink_f32(x: F) -> F {
  return select(x - tanh_f32(x), x * x * x * tanhshrink_near(x * x), abs(x) < F(0.625));
}`;

/** x - tanh x. */
export const tanhshrink: Unary = realFunction("tanhshrink", {
  helpers: [...TANH, TANHSHRINK_TEXT],
  reference: (operand) => {
    const x = operand as number;
    const z = x * x;
    return z < 1e-4 ? x * z * (1 / 3 - z * (2 / 15 - (z * 17) / 315)) : x - Math.tanh(x);
  },
  derivative: (g, _out, [x]) => [mul(g, square(tanh(x as Tensor)))],
  cost: 26,
});

const cut = elementwise("threshold", {
  dtype: arithmetic,
  wgsl: (_t, x, limit, value) => `select(${x}, ${value}, ${x} <= ${limit})`,
  reference: (x, limit, value) => ((x as number) <= (limit as number) ? value : x) as number,
  derivative: (g, _out, [x, limit]) => [where(le(x as Tensor, limit as Tensor), 0, g), null, null],
  cost: 2,
});

/** x where x > limit, else value. */
export function threshold(x: Tensor, limit: number, value: number): Tensor {
  return cut(
    expectTensor("threshold", x),
    checkNumber("threshold", "the threshold", limit),
    checkNumber("threshold", "the value", value),
  );
}

/** Gated linear unit: the first half of `dim` (default: the last) times the sigmoid of the second (Dauphin et al. 2017). */
export function glu(x: Tensor, options: { dim?: number } = {}): Tensor {
  expectTensor("glu", x);
  const given = filled("glu", options, { dim: -1 });
  if (x.ndim === 0) throw shapeError`glu: a scalar has no halves, got shape ${x.shape}.`;
  const dim = normalizeDim("glu", given.dim, x.ndim);
  const size = x.shape[dim] as number;
  if (size % 2 !== 0) {
    throw shapeError`glu: dim ${dim} must have even size, got ${x.shape} (${size}).`;
  }
  const half = size / 2;
  return mul(range(x, dim, 0, half), sigmoid(range(x, dim, half, half)));
}
