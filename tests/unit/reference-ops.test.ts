// Elementwise ops in float64: values at the edges, derivatives against central differences, second derivatives of the smooth ones.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Node } from "../../src/graph/node.ts";
import type { Tensor } from "../../src/tensor.ts";
import * as wg from "../../src/tensor.ts";
import { interpret } from "../support/reference.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const f = Math.fround;

const values = suite("values");

function numbersOf(x: Tensor): number[] {
  return [...(interpret([x])[0] as Float64Array)];
}

/** Equal to about f32's precision: numbers that are part of a program are f32. NaN equals NaN, infinities themselves. */
function assertClose(found: readonly number[], expected: readonly number[], what: string, tolerance = 1e-7): void {
  assert.is(found.length, expected.length, `${what}: number of values`);
  found.forEach((a, i) => {
    const e = expected[i] as number;
    const ok = Number.isNaN(e) ? Number.isNaN(a) : a === e || Math.abs(a - e) <= tolerance * Math.abs(e) + 1e-12;
    assert.ok(ok, `${what}: value ${i} is ${a}, not ${e}`);
  });
}

type UnaryCase = readonly [op: (x: Tensor) => Tensor, inputs: readonly number[], expected: readonly number[]];

const unaryCases: Readonly<Record<string, UnaryCase>> = {
  abs: [wg.abs, [-2, -0, 3, -inf, nan], [2, 0, 3, inf, nan]],
  neg: [wg.neg, [-2, 3, inf, nan], [2, -3, -inf, nan]],
  sign: [wg.sign, [-2, 0, 3, -inf, nan], [-1, 0, 1, -1, 0]],
  ceil: [wg.ceil, [-1.5, 1.5, 2, inf], [-1, 2, 2, inf]],
  floor: [wg.floor, [-1.5, 1.5, 2, -inf], [-2, 1, 2, -inf]],
  round: [wg.round, [0.5, 1.5, 2.5, -0.5, -1.5, 2.25], [0, 2, 2, 0, -2, 2]],
  trunc: [wg.trunc, [-1.5, 1.5, 2], [-1, 1, 2]],
  frac: [wg.frac, [-1.5, 1.25, 2, inf], [-0.5, 0.25, 0, nan]],
  exp: [wg.exp, [0, 1, -inf, inf, nan], [1, Math.E, 0, inf, nan]],
  exp2: [wg.exp2, [0, 3, -2, 0.5, -inf], [1, 8, 0.25, Math.SQRT2, 0]],
  expm1: [wg.expm1, [0, 2 ** -40, -inf], [0, 2 ** -40, -1]],
  log: [wg.log, [0, 1, -1, inf], [-inf, 0, nan, inf]],
  log2: [wg.log2, [8, 0.25, 0, -1], [3, -2, -inf, nan]],
  log10: [wg.log10, [1000, 1, 0], [3, 0, -inf]],
  log1p: [wg.log1p, [0, 2 ** -40, -1, -2], [0, 2 ** -40, -inf, nan]],
  sqrt: [wg.sqrt, [4, 0, -1, inf], [2, 0, nan, inf]],
  rsqrt: [wg.rsqrt, [4, 0, -1, inf], [0.5, inf, nan, 0]],
  square: [wg.square, [-3, inf], [9, inf]],
  reciprocal: [wg.reciprocal, [4, 0, -inf], [0.25, inf, 0]],
  sin: [wg.sin, [0, f(0.5), inf], [0, Math.sin(0.5), nan]],
  cos: [wg.cos, [0, 1], [1, Math.cos(1)]],
  tan: [wg.tan, [0, 1], [0, Math.sin(1) / Math.cos(1)]],
  asin: [wg.asin, [1, -1, 2], [Math.PI / 2, -Math.PI / 2, nan]],
  acos: [wg.acos, [1, -1, 2], [0, Math.PI, nan]],
  atan: [wg.atan, [1, inf, -inf], [Math.PI / 4, Math.PI / 2, -Math.PI / 2]],
  sinh: [wg.sinh, [1, inf], [(Math.E - 1 / Math.E) / 2, inf]],
  cosh: [wg.cosh, [0, 1, -inf], [1, (Math.E + 1 / Math.E) / 2, inf]],
  tanh: [wg.tanh, [0, 1, inf, -inf], [0, (Math.E ** 2 - 1) / (Math.E ** 2 + 1), 1, -1]],
  asinh: [wg.asinh, [0, 1], [0, Math.log(1 + Math.SQRT2)]],
  acosh: [wg.acosh, [1, 2, 0.5], [0, Math.log(2 + Math.sqrt(3)), nan]],
  atanh: [wg.atanh, [0, 0.5, 1, -1, 2], [0, Math.log(3) / 2, inf, -inf, nan]],
  sigmoid: [wg.sigmoid, [0, 1, -inf, inf, nan], [0.5, Math.E / (1 + Math.E), 0, 1, nan]],
  logSigmoid: [wg.logSigmoid, [0, -1000, 1000], [-Math.LN2, -1000, 0]],
  relu: [wg.relu, [-1, 0, 2, nan, inf], [0, 0, 2, nan, inf]],
  relu6: [wg.relu6, [-1, 3, 7, nan], [0, 3, 6, nan]],
  leakyRelu: [(x) => wg.leakyRelu(x, { negativeSlope: 0.5 }), [-2, 3, nan], [-1, 3, nan]],
  elu: [(x) => wg.elu(x, { alpha: 2 }), [-inf, 0, 3], [-2, 0, 3]],
  selu: [wg.selu, [-inf, 0, 1], [-1.7580993408473766, 0, 1.0507009873554805]],
  celu: [(x) => wg.celu(x, { alpha: 2 }), [-2, 3], [2 * (1 / Math.E - 1), 3]],
  gelu: [wg.gelu, [0, 1, -1], [0, 0.8413447460685429, -0.15865525393145707]],
  geluTanh: [(x) => wg.gelu(x, { approximate: "tanh" }), [0, 1], [0, 0.8411919906082768]],
  silu: [wg.silu, [0, 1], [0, Math.E / (1 + Math.E)]],
  mish: [wg.mish, [0, 1], [0, Math.tanh(Math.log(1 + Math.E))]],
  softplus: [wg.softplus, [0, 30, -1000], [Math.LN2, 30, 0]],
  softplusBeta: [(x) => wg.softplus(x, { beta: 2, threshold: 3 }), [1, 2], [Math.log(1 + Math.E ** 2) / 2, 2]],
  softsign: [wg.softsign, [-3, 1], [-0.75, 0.5]],
  hardtanh: [(x) => wg.hardtanh(x, { minVal: -2 }), [-3, -1.5, 4, nan], [-2, -1.5, 1, nan]],
  hardsigmoid: [wg.hardsigmoid, [-4, 0, 1, 4, nan], [0, 0.5, 2 / 3, 1, nan]],
  hardswish: [wg.hardswish, [-4, 1, 4], [0, 2 / 3, 4]],
  hardshrink: [wg.hardshrink, [-1, 0.5, -0.25, nan], [-1, 0, 0, nan]],
  softshrink: [(x) => wg.softshrink(x, { lambd: 1 }), [-3, 0.5, 3, nan], [-2, 0, 2, nan]],
  tanhshrink: [wg.tanhshrink, [1], [1 - Math.tanh(1)]],
  threshold: [(x) => wg.threshold(x, 1, 20), [0, 1, 2, nan], [20, 20, 2, nan]],
  glu: [wg.glu, [1, 2, 0, 1000], [0.5, 2]],
  erf: [wg.erf, [0, 1, -inf], [0, 0.8427007929497149, -1]],
  erfc: [wg.erfc, [0, 1, 5, -inf], [1, 0.15729920705028513, 1.5374597944280349e-12, 2]],
  erfinv: [wg.erfinv, [0, 0.5, 1, -1, 2], [0, 0.4769362762044699, inf, -inf, nan]],
  lgamma: [
    wg.lgamma,
    [0.5, 5, 0, -1, -1.5, inf],
    [Math.log(Math.PI) / 2, Math.log(24), inf, inf, Math.log((4 / 3) * Math.sqrt(Math.PI)), inf],
  ],
  digamma: [wg.digamma, [1, 0.5, 0, -0, -1], [-0.5772156649015329, -0.5772156649015329 - 2 * Math.LN2, -inf, inf, nan]],
  sinc: [wg.sinc, [0, 0.5, 2], [1, 2 / Math.PI, 0]],
  logit: [wg.logit, [0, 0.5, 0.75, 1, 2], [-inf, 0, Math.log(3), inf, nan]],
  logitEps: [(x) => wg.logit(x, { eps: 0.25 }), [0, 0.5, 2], [-Math.log(3), 0, Math.log(3)]],
  isnan: [wg.isnan, [nan, inf, 0], [1, 0, 0]],
  isinf: [wg.isinf, [nan, inf, -inf, 0], [0, 1, 1, 0]],
  isfinite: [wg.isfinite, [nan, inf, 1], [0, 0, 1]],
  nanToNum: [(x) => wg.nanToNum(x, { nan: 7, posinf: 8 }), [nan, inf, -inf, 1], [7, 8, -3.4028234663852886e38, 1]],
  clamp: [(x) => wg.clamp(x, { min: -1, max: 2 }), [-3, 0, 5, nan], [-1, 0, 2, nan]],
  clampMin: [(x) => wg.clamp(x, { min: 1 }), [-3, 4, nan], [1, 4, nan]],
  clampMax: [(x) => wg.clamp(x, { max: 1 }), [-3, 4, nan], [-3, 1, nan]],
  clampCrossed: [(x) => wg.clamp(x, { min: 2, max: 1 }), [-3, 4], [1, 1]],
  logicalNot: [wg.logicalNot, [0, 2, nan], [1, 0, 0]],
  deg2rad: [wg.deg2rad, [180], [Math.PI]],
  rad2deg: [wg.rad2deg, [1], [180 / Math.PI]],
  powTwo: [(x) => wg.pow(x, 2), [-3, inf], [9, inf]],
  powThree: [(x) => wg.pow(x, 3), [-3], [-27]],
  powHalf: [(x) => wg.pow(x, 0.5), [4, -1], [2, nan]],
  powMinusTwo: [(x) => wg.pow(x, -2), [4, 0], [0.0625, inf]],
  powZero: [(x) => wg.pow(x, 0), [4, 0, nan], [1, 1, 1]],
  powOf: [(x) => wg.pow(2, x), [3, -1], [8, 0.5]],
};

for (const [name, [op, inputs, expected]] of Object.entries(unaryCases)) {
  values(name, () => assertClose(numbersOf(op(wg.tensor([...inputs]))), expected, name));
}

type BinaryCase = readonly [
  op: (x: Tensor, y: Tensor) => Tensor,
  x: readonly number[],
  y: readonly number[],
  expected: readonly number[],
];

const binaryCases: Readonly<Record<string, BinaryCase>> = {
  pow: [
    wg.pow,
    [-8, -2, -2, 0, 0, 0, 1, nan, -1, inf, -inf, 2, 0.5],
    [1 / 3, 3, -2, 0, -1, 2, nan, 0, inf, -1, 3, -inf, inf],
    [nan, -8, 0.25, 1, inf, 0, 1, 1, 1, 0, -inf, 0, 0],
  ],
  fmod: [wg.fmod, [5, -5, 5, inf, 1, 1e30], [3, 3, 0, 2, inf, 3], [2, -2, nan, nan, 1, f(1e30) % 3]],
  remainder: [wg.remainder, [5, -5, 5, -5, 5, 1], [3, 3, -3, -3, 0, -inf], [2, 1, -1, -2, nan, -inf]],
  floorDivide: [wg.floorDivide, [7, -7, 7], [2, 2, 0], [3, -4, inf]],
  maximum: [wg.maximum, [1, nan, 3, -inf], [2, 1, nan, inf], [2, nan, nan, inf]],
  minimum: [wg.minimum, [1, nan, 3, -inf], [2, 1, nan, inf], [1, nan, nan, -inf]],
  atan2: [
    wg.atan2,
    [1, 1, -1, 0, 0, inf],
    [1, -1, -1, -1, 0, inf],
    [Math.PI / 4, (3 * Math.PI) / 4, (-3 * Math.PI) / 4, Math.PI, 0, Math.PI / 4],
  ],
  hypot: [wg.hypot, [3, 2 ** 100, inf, nan], [4, 2 ** 100, nan, 1], [5, 2 ** 100.5, inf, nan]],
  copysign: [wg.copysign, [1, -2, 3], [-0, 1, -inf], [-1, 2, -3]],
  xlogy: [wg.xlogy, [0, 2, 0, nan], [0, Math.fround(Math.E), nan, 1], [0, 2, nan, nan]],
  logaddexp: [wg.logaddexp, [0, 1000, inf, -inf], [0, 1000, inf, -inf], [Math.LN2, 1000 + Math.LN2, inf, -inf]],
  isclose: [wg.isclose, [1, 1, inf, nan], [1 + 2 ** -20, 1.001, inf, nan], [1, 0, 1, 0]],
  iscloseNaN: [
    (x, y) => wg.isclose(x, y, { rtol: 0, atol: 1, equalNan: true }),
    [1, nan, -inf],
    [2, nan, inf],
    [1, 1, 0],
  ],
  eq: [wg.eq, [1, nan], [1, nan], [1, 0]],
  ne: [wg.ne, [1, nan], [1, nan], [0, 1]],
  lt: [wg.lt, [1, 1, nan], [2, 1, 1], [1, 0, 0]],
  le: [wg.le, [1, 1, 3], [2, 1, 1], [1, 1, 0]],
  gt: [wg.gt, [1, 3], [2, 1], [0, 1]],
  ge: [wg.ge, [1, 3], [1, 4], [1, 0]],
  logicalXor: [wg.logicalXor, [0, 1, 2], [1, 0, 3], [1, 1, 0]],
  lerp: [(x, y) => wg.lerp(x, y, 0.25), [1, 0], [5, 8], [2, 2]],
  prelu: [wg.prelu, [-2, 4], [0.5], [-1, 4]],
};

for (const [name, [op, x, y, expected]] of Object.entries(binaryCases)) {
  values(name, () => assertClose(numbersOf(op(wg.tensor([...x]), wg.tensor([...y]))), expected, name));
}

values("addcmul and addcdiv", () => {
  const [x, a, b] = [wg.tensor([1, 2]), wg.tensor([3, 4]), wg.tensor([2, 8])];
  assertClose(numbersOf(wg.addcmul(x, a, b, { value: 0.5 })), [4, 18], "addcmul");
  assertClose(numbersOf(wg.addcdiv(x, a, b, { value: 2 })), [4, 3], "addcdiv");
  assertClose(numbersOf(wg.addcdiv(x, a, b)), [2.5, 2.5], "addcdiv");
});

values("integers wrap, shift and divide exactly", () => {
  const i32 = (...v: number[]) => wg.tensor(v, { dtype: "i32" });
  const u32 = (...v: number[]) => wg.tensor(v, { dtype: "u32" });
  assert.equal(numbersOf(wg.pow(i32(3, -2, 46341, 0), 2)), [9, 4, -2147479015, 0]);
  assert.equal(numbersOf(wg.pow(i32(3, -2, 10, 0), i32(19, 31, 10, 0))), [1162261467, -2147483648, 1410065408, 1]);
  assert.equal(numbersOf(wg.pow(i32(2, 1, -1), i32(-1, -5, -3))), [0, 1, -1]);
  assert.equal(numbersOf(wg.pow(u32(3, 65537), u32(21, 2))), [10460353203 - 2 * 2 ** 32, 131073]);
  assert.equal(numbersOf(wg.mul(i32(123456789), i32(987654321))), [Math.imul(123456789, 987654321)]);
  assert.equal(numbersOf(wg.bitwiseLeftShift(i32(1, 1, 1, -3), i32(31, 32, -1, 2))), [-2147483648, 0, 0, -12]);
  assert.equal(numbersOf(wg.bitwiseRightShift(i32(-8, 8, -8), i32(1, 32, -1))), [-4, 0, -1]);
  assert.equal(numbersOf(wg.bitwiseRightShift(u32(4294967295, 8), u32(31, 32))), [1, 0]);
  assert.equal(numbersOf(wg.bitwiseNot(i32(0, 5))), [-1, -6]);
  assert.equal(numbersOf(wg.bitwiseNot(u32(0))), [4294967295]);
  assert.equal(numbersOf(wg.bitwiseNot(wg.tensor([true, false]))), [0, 1]);
  assert.equal(numbersOf(wg.remainder(i32(-7, 7, 7), i32(3, -3, 0))), [2, -2, 0]);
  assert.equal(numbersOf(wg.fmod(i32(-7, 7), i32(3, -3))), [-1, 1]);
  assert.equal(numbersOf(wg.maximum(wg.tensor([true, false]), wg.tensor([false, false]))), [1, 0]);
});

values("dtypes follow the promotion rules", () => {
  const i = wg.tensor([1, 2], { dtype: "i32" });
  const b = wg.tensor([true, false]);
  assert.is(wg.exp(i).dtype, "f32");
  assert.is(wg.pow(i, 2).dtype, "i32");
  assert.is(wg.pow(i, 0.5).dtype, "f32");
  assert.is(wg.square(b).dtype, "i32");
  assert.is(wg.relu(i).dtype, "i32");
  assert.is(wg.isnan(i).dtype, "bool");
  assert.is(wg.clamp(i, { min: 0 }).dtype, "i32");
  assert.is(wg.clamp(i, { min: 0.5 }).dtype, "f32");
  assert.is(wg.maximum(b, b).dtype, "bool");
  assert.is(wg.fmod(i, 2).dtype, "i32");
  assert.is(wg.round(i).dtype, "i32");
  assert.is(wg.gelu(wg.tensor([1], { dtype: "f16" })).dtype, "f16");
});

values("wrong arguments throw where they are written", () => {
  const x = wg.tensor([1, 2]);
  const i = wg.tensor([1, 2], { dtype: "i32" });
  assert.throws(() => wg.clamp(x), /clamp: give min, max or both/);
  assert.throws(() => wg.clamp(x, { min: nan }), /clamp: min must be a number/);
  assert.throws(() => wg.pow(i, -1), /pow: integers to a negative power/);
  assert.throws(() => wg.bitwiseNot(x), /bitwiseNot: operands must be integer/);
  assert.throws(() => wg.bitwiseLeftShift(x, 1), /bitwiseLeftShift: operands must be integer/);
  assert.throws(() => wg.isclose(x, x, { rtol: -1 }), /isclose: rtol and atol must be ≥ 0/);
  assert.throws(() => wg.softplus(x, { beta: 0 }), /softplus: beta must not be 0/);
  assert.throws(() => wg.gelu(x, { approximate: "erf" as "tanh" }), /gelu: approximate must be/);
  assert.throws(() => wg.glu(wg.tensor([1, 2, 3])), /glu: dim 0 must have even size/);
  assert.throws(
    () => wg.prelu(wg.zeros([2, 3]), wg.zeros([2])),
    /prelu: the weight must have 1 element or one per channel/,
  );
  assert.throws(() => wg.elu(x, { negativeSlope: 1 } as object), /elu: unknown option "negativeSlope"/);
  assert.throws(() => wg.maximum(x, "3" as unknown as number), /maximum: each operand must be a tensor/);
  assert.throws(() => wg.add(x, wg.zeros([3])), /add: shapes don't broadcast/);
});

values.run();

const derivatives = suite("derivatives");

/** Along each operand: the derivative recorded by `grad` against central differences, in float64; `order` 2 goes on from there. */
function checkDerivative(
  op: (...operands: Tensor[]) => Tensor,
  operands: readonly (readonly number[])[],
  order: 1 | 2,
  what: string,
): void {
  const inputs = operands.map((values) => wg.tensor([...values], { requiresGrad: true }));
  const y = op(...inputs);
  const weights = (of: Tensor): Tensor => wg.onesLike(of);
  inputs.forEach((x, k) => {
    const [first] = wg.grad(y, [x], { gradOutputs: weights(y) }) as [Tensor];
    compare(y, first, x, `${what}: derivative by operand ${k}`);
    if (order === 1) return;
    inputs.forEach((z, l) => {
      if (!first.requiresGrad) return;
      const [second] = wg.grad(first, [z], { gradOutputs: weights(first) }) as [Tensor];
      compare(first, second, z, `${what}: second derivative by operands ${k} and ${l}`);
    });
  });
}

/** dy / dx against (y(x + h) - y(x - h)) / 2h, for all elements at once: every element depends on its own. */
function compare(y: Tensor, derivative: Tensor, x: Tensor, what: string): void {
  const at = numbersOf(x);
  const steps = at.map((v) => 1e-5 * Math.max(Math.abs(v), 0.1));
  const moved = (sign: number): Float64Array => {
    const given = new Map<Node, Float64Array>([
      [x.node, Float64Array.from(at, (v, i) => v + sign * (steps[i] as number))],
    ]);
    return interpret([y], given)[0] as Float64Array;
  };
  const [above, below] = [moved(1), moved(-1)];
  numbersOf(derivative).forEach((d, i) => {
    const numeric = ((above[i] as number) - (below[i] as number)) / (2 * (steps[i] as number));
    const size = Math.max(Math.abs(numeric), Math.abs(d), 1e-3);
    assert.ok(
      Math.abs(d - numeric) <= 2e-6 * size + 1e-9,
      `${what} at ${at[i]}: ${d}, by central differences ${numeric}`,
    );
  });
}

const REAL = [-3.7, -2.2, -1.3, -0.7, -0.21, 0.13, 0.6, 1.1, 1.9, 2.6, 3.4];
const POSITIVE = [0.05, 0.3, 0.8, 1.2, 2.5, 7.5, 40];
const UNIT = [-0.93, -0.5, -0.1, 0.2, 0.55, 0.9];

/** Smooth on the points: second derivatives are checked, too. */
const smooth: Readonly<Record<string, readonly [(x: Tensor) => Tensor, readonly number[]]>> = {
  exp: [wg.exp, REAL],
  exp2: [wg.exp2, REAL],
  expm1: [wg.expm1, REAL],
  log: [wg.log, POSITIVE],
  log2: [wg.log2, POSITIVE],
  log10: [wg.log10, POSITIVE],
  log1p: [wg.log1p, POSITIVE],
  sqrt: [wg.sqrt, POSITIVE],
  rsqrt: [wg.rsqrt, POSITIVE],
  square: [wg.square, REAL],
  reciprocal: [wg.reciprocal, REAL],
  sin: [wg.sin, REAL],
  cos: [wg.cos, REAL],
  tan: [wg.tan, UNIT],
  asin: [wg.asin, UNIT],
  acos: [wg.acos, UNIT],
  atan: [wg.atan, REAL],
  sinh: [wg.sinh, REAL],
  cosh: [wg.cosh, REAL],
  tanh: [wg.tanh, REAL],
  asinh: [wg.asinh, REAL],
  acosh: [wg.acosh, [1.2, 1.9, 5]],
  atanh: [wg.atanh, UNIT],
  sigmoid: [wg.sigmoid, REAL],
  logSigmoid: [wg.logSigmoid, REAL],
  elu: [(x) => wg.elu(x, { alpha: 0.7 }), REAL],
  selu: [wg.selu, REAL],
  celu: [(x) => wg.celu(x, { alpha: 0.7 }), REAL],
  gelu: [wg.gelu, REAL],
  geluTanh: [(x) => wg.gelu(x, { approximate: "tanh" }), REAL],
  silu: [wg.silu, REAL],
  mish: [wg.mish, REAL],
  softplus: [(x) => wg.softplus(x, { beta: 2 }), REAL],
  softplusThreshold: [(x) => wg.softplus(x, { threshold: 1.5 }), REAL],
  softsign: [wg.softsign, REAL],
  tanhshrink: [wg.tanhshrink, REAL],
  hardswish: [wg.hardswish, REAL],
  erf: [wg.erf, REAL],
  erfc: [wg.erfc, REAL],
  erfinv: [wg.erfinv, UNIT],
  lgamma: [wg.lgamma, [...POSITIVE, -0.4, -1.3, -2.6]],
  digamma: [wg.digamma, [...POSITIVE, -0.4, -1.3, -2.6]],
  sinc: [wg.sinc, [0, ...REAL]],
  logit: [wg.logit, [0.1, 0.45, 0.5, 0.9]],
  logitEps: [(x) => wg.logit(x, { eps: 0.2 }), [0.1, 0.3, 0.7, 0.9]],
  deg2rad: [wg.deg2rad, REAL],
  rad2deg: [wg.rad2deg, REAL],
  pow2: [(x) => wg.pow(x, 2), REAL],
  pow3: [(x) => wg.pow(x, 3), REAL],
  pow5: [(x) => wg.pow(x, 5), REAL],
  powMinus2: [(x) => wg.pow(x, -2), REAL],
  powMinusHalf: [(x) => wg.pow(x, -0.5), POSITIVE],
  powFraction: [(x) => wg.pow(x, 1.7), POSITIVE],
  powOf: [(x) => wg.pow(3, x), REAL],
};

for (const [name, [op, points]] of Object.entries(smooth))
  derivatives(name, () => checkDerivative(op, [points], 2, name));

/** With kinks or steps between the points. */
const piecewise: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  abs: wg.abs,
  neg: wg.neg,
  sign: wg.sign,
  ceil: wg.ceil,
  floor: wg.floor,
  round: wg.round,
  trunc: wg.trunc,
  frac: wg.frac,
  relu: wg.relu,
  relu6: wg.relu6,
  leakyRelu: (x) => wg.leakyRelu(x, { negativeSlope: 0.2 }),
  hardtanh: wg.hardtanh,
  hardsigmoid: wg.hardsigmoid,
  hardshrink: wg.hardshrink,
  softshrink: wg.softshrink,
  threshold: (x) => wg.threshold(x, 0.3, 5),
  clamp: (x) => wg.clamp(x, { min: -1, max: 1.5 }),
  clampMin: (x) => wg.clamp(x, { min: -1 }),
  clampMax: (x) => wg.clamp(x, { max: 1.5 }),
  nanToNum: wg.nanToNum,
  fmod: (x) => wg.fmod(x, 1.5),
  remainder: (x) => wg.remainder(x, 1.5),
  maximum: (x) => wg.maximum(x, 0.5),
  minimum: (x) => wg.minimum(x, 0.5),
  copysign: (x) => wg.copysign(x, -1),
  where: (x) => wg.where(x.gt(0), x.mul(2), x.mul(3)),
};

for (const [name, op] of Object.entries(piecewise)) derivatives(name, () => checkDerivative(op, [REAL], 1, name));

const A = [0.7, 1.9, 0.4, 2.2, 1.3];
const B = [1.4, 0.6, 2.7, 0.9, 1.8];
const C = [0.3, 0.8, 0.55, 0.1, 0.95];

const several: Readonly<Record<string, readonly [(...operands: Tensor[]) => Tensor, number]>> = {
  add: [wg.add as (...x: Tensor[]) => Tensor, 2],
  sub: [wg.sub as (...x: Tensor[]) => Tensor, 2],
  mul: [wg.mul as (...x: Tensor[]) => Tensor, 2],
  div: [(x, y) => wg.div(x as Tensor, y as Tensor), 2],
  pow: [(x, y) => wg.pow(x as Tensor, y as Tensor), 2],
  fmod: [(x, y) => wg.fmod(x as Tensor, y as Tensor), 2],
  remainder: [(x, y) => wg.remainder(x as Tensor, wg.neg(y as Tensor)), 2],
  maximum: [(x, y) => wg.maximum(x as Tensor, y as Tensor), 2],
  minimum: [(x, y) => wg.minimum(x as Tensor, y as Tensor), 2],
  atan2: [(x, y) => wg.atan2(x as Tensor, y as Tensor), 2],
  hypot: [(x, y) => wg.hypot(x as Tensor, y as Tensor), 2],
  xlogy: [(x, y) => wg.xlogy(x as Tensor, y as Tensor), 2],
  logaddexp: [(x, y) => wg.logaddexp(x as Tensor, y as Tensor), 2],
  lerp: [(x, y, w) => wg.lerp(x as Tensor, y as Tensor, w as Tensor), 3],
  addcmul: [(x, y, w) => wg.addcmul(x as Tensor, y as Tensor, w as Tensor, { value: 0.5 }), 3],
  addcdiv: [(x, y, w) => wg.addcdiv(x as Tensor, y as Tensor, w as Tensor, { value: 0.5 }), 3],
  clamp: [(x, low, high) => wg.clamp(x as Tensor, { min: high as Tensor, max: low as Tensor }), 3],
};

for (const [name, [op, count]] of Object.entries(several)) {
  derivatives(name, () => checkDerivative(op, [A, B, C].slice(0, count), 2, name));
}

derivatives("prelu", () => {
  checkDerivative((x) => wg.prelu(x as Tensor, wg.tensor([0.3])), [REAL], 1, "prelu");
  const x = wg.tensor([[-1, 2, -3]]);
  const weight = wg.tensor([0.1, 0.2, 0.3], { requiresGrad: true });
  const [g] = wg.grad(wg.sum(wg.prelu(x, weight)), [weight]) as [Tensor];
  assert.equal(numbersOf(g), [-1, 0, -3]);
});

function gradientsAt(op: (...x: Tensor[]) => Tensor, ...operands: number[]): number[] {
  const inputs = operands.map((v) => wg.tensor(v, { requiresGrad: true }));
  return wg.grad(op(...inputs), inputs).map((g) => numbersOf(g)[0] as number);
}

derivatives("at the corners, as in PyTorch", () => {
  assert.equal(gradientsAt(wg.relu as never, 0), [0]);
  assert.equal(gradientsAt(wg.abs as never, 0), [0]);
  assert.equal(
    gradientsAt((x) => wg.clamp(x as Tensor, { min: 0, max: 1 }), 0),
    [1],
  );
  assert.equal(
    gradientsAt((x) => wg.clamp(x as Tensor, { min: 0, max: 1 }), 1),
    [1],
  );
  assert.equal(
    gradientsAt((x) => wg.hardtanh(x as Tensor), 1),
    [0],
  );
  assert.equal(gradientsAt(wg.maximum as never, 2, 2), [0.5, 0.5]);
  assert.equal(gradientsAt(wg.minimum as never, 2, 2), [0.5, 0.5]);
  assert.equal(
    gradientsAt((x) => wg.sqrt(x as Tensor), 0),
    [inf],
  );
  const power = (exponent: number) => gradientsAt((x) => wg.pow(x as Tensor, exponent), 0)[0] as number;
  assert.equal([0, 1, 2, 0.5, 1.5, -1].map(power), [0, 1, 0, inf, 0, -inf]);
  assert.equal(gradientsAt(wg.pow as never, 0, 0), [0, 0]);
  assert.equal(gradientsAt(wg.pow as never, 0, 1), [1, 0]);
  assert.equal(gradientsAt(wg.pow as never, -2, 3).slice(0, 1), [12]);
  assert.equal(gradientsAt(wg.xlogy as never, 0, 0).slice(0, 1), [0]);
  assert.equal(gradientsAt(wg.sinc as never, 0), [0]);
  assert.equal(
    gradientsAt((x) => wg.nanToNum(x as Tensor), nan),
    [0],
  );
});

derivatives("broadcast operands sum their gradients", () => {
  const x = wg.tensor([[1, 2, 3]], { requiresGrad: true });
  const y = wg.tensor([[1], [2]], { requiresGrad: true });
  const [gx, gy] = wg.grad(wg.sum(wg.mul(x, y)), [x, y]) as [Tensor, Tensor];
  assert.equal(
    [gx.shape, numbersOf(gx)],
    [
      [1, 3],
      [3, 3, 3],
    ],
  );
  assert.equal(
    [gy.shape, numbersOf(gy)],
    [
      [2, 1],
      [6, 6],
    ],
  );
});

derivatives("beyond what is known, a message says so", () => {
  const x = wg.tensor(2, { requiresGrad: true });
  let y: Tensor = wg.lgamma(x);
  for (let i = 0; i < 3; i++) [y] = wg.grad(y, [x]) as [Tensor];
  assert.throws(() => wg.grad(y, [x]), /only two derivatives of digamma/);
});

derivatives.run();
