// Elementwise ops against float64: each a line, with values, gradients, second derivatives, layouts, sizes, dtypes, special points.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Shape } from "../../src/tensor.ts";
import * as wg from "../../src/tensor.ts";
import { type Check, checkOp, type Op, VIEWS } from "../support/check-op.ts";

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;

/** Where functions of one real number go wrong: limits, zeros, tiny, large and huge numbers. */
const POINTS = [
  NAN,
  INF,
  -INF,
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  2,
  -2,
  1e-10,
  -1e-10,
  1e-4,
  -1e-4,
  0.3,
  3.7,
  -3.7,
  17,
  -17,
  80,
  -80,
  100,
  -100,
  1e4,
  -1e4,
  1e10,
  -1e10,
  3e38,
  -3e38,
];
/** The same for two operands, which are combined in every way. Quotients by more than 1e37 may be 0 on a device. */
const PAIRS = [NAN, INF, -INF, 0, -0, 1, -1, 2, -2.5, 0.3, 7, 1e-10, 1e10, -1e10, 1e30];

const PAIR = [
  [4, 6],
  [4, 6],
] as const;
const INTEGERS = ["i32", "u32", "bool"] as const;

type Details = Omit<Check, "shapes" | "more">;

// Layouts, sizes and f16 are the business of views and kernels, not of the op: each op takes its turn. Nothing (size 0) costs nothing.
let turn = 0;
const inTurn = <T>(...choices: readonly T[]): T => choices[turn % choices.length] as T;

/** A function of one number: [4, 6] is computed in vec4, points and [37, 53] are in scalars. */
function checkUnary(op: Op, details: Details = {}): void {
  turn++;
  const layouts = [inTurn(...VIEWS)];
  const more = [[[0, 3]], inTurn([[]], [[37, 53]], [[8]])];
  checkOp(op, { shapes: [[4, 6]], layouts, more, f16: inTurn(true, false, false), points: POINTS, ...details });
}

/** Functions of real numbers make f32 of integers first: one kind of them each. */
const oneInteger = () => [inTurn(...INTEGERS)];

/** Another form of an op that has been seen in all layouts. */
function checkForm(op: Op, details: Check): void {
  checkOp(op, { layouts: [], f16: false, ...details });
}

/** A function of two numbers, which broadcast. */
function checkBinary(op: Op, details: Details = {}): void {
  turn++;
  const layouts = [inTurn(...VIEWS)];
  const [wide, scalar, empty, large] = [
    [
      [2, 1, 3],
      [5, 1],
    ],
    [[3, 4], []],
    [[0, 4], [4]],
    [[31, 44], [44]],
  ] as const;
  const more = [empty, wide, inTurn<readonly Shape[]>(scalar, large, [[], []])];
  checkOp(op, { shapes: PAIR, layouts, more, f16: inTurn(true, false), points: PAIRS, ...details });
}

const without = (points: readonly number[], ...left: number[]): number[] =>
  points.filter((p) => !left.some((l) => Object.is(l, p)));
const within = (points: readonly number[], low: number, high: number): number[] =>
  points.filter((p) => p >= low && p <= high);

// Signs and roundings
checkUnary(wg.abs, { avoid: [0], dtypes: INTEGERS });
checkUnary(wg.neg, { dtypes: INTEGERS });
checkUnary(wg.sign, { avoid: [0], dtypes: INTEGERS });
checkUnary(wg.ceil, { avoid: [-2, -1, 0, 1, 2], dtypes: INTEGERS, points: [...POINTS, 1.5, 2.5, -1.5, -2.5] });
checkUnary(wg.floor, { avoid: [-2, -1, 0, 1, 2], dtypes: INTEGERS, points: [...POINTS, 1.5, 2.5, -1.5, -2.5] });
checkUnary(wg.trunc, { avoid: [-2, -1, 0, 1, 2], dtypes: INTEGERS, points: [...POINTS, 1.5, 2.5, -1.5, -2.5] });
checkUnary(wg.round, {
  avoid: [-1.5, -0.5, 0.5, 1.5],
  dtypes: INTEGERS,
  points: [...POINTS, 1.5, 2.5, -1.5, -2.5, 0.49999997],
});
checkUnary(wg.frac, { avoid: [-2, -1, 0, 1, 2], dtypes: INTEGERS });

// Exponentials, logarithms, roots
checkUnary(wg.exp, { dtypes: oneInteger() });
checkUnary(wg.exp2, { dtypes: oneInteger() });
checkUnary(wg.expm1, { dtypes: oneInteger() });
checkUnary(wg.log, { range: [0.05, 4], dtypes: oneInteger() });
checkUnary(wg.log2, { range: [0.05, 4], dtypes: oneInteger() });
checkUnary(wg.log10, { range: [0.05, 4], dtypes: oneInteger() });
checkUnary(wg.log1p, { range: [-0.9, 4], dtypes: oneInteger() });
checkUnary(wg.sqrt, { range: [0.05, 4], dtypes: oneInteger() });
checkUnary(wg.rsqrt, { range: [0.05, 4], dtypes: oneInteger() });
checkUnary(wg.square, { dtypes: INTEGERS });
checkUnary(wg.reciprocal, { avoid: [0], dtypes: oneInteger() });

// Angles
checkUnary(wg.sin, { points: [...POINTS, Math.PI, Math.PI / 2, 355, 1e5] });
checkUnary(wg.cos, { points: [...POINTS, Math.PI, Math.PI / 2, 355, 1e5] });
checkUnary(wg.tan, { range: [-1.3, 1.3], points: [...POINTS, Math.PI, Math.PI / 2, 355, 1e5] });
checkUnary(wg.asin, { range: [-0.95, 0.95] });
checkUnary(wg.acos, { range: [-0.95, 0.95] });
checkUnary(wg.atan);
checkUnary(wg.deg2rad, { range: [-180, 180], dtypes: oneInteger() });
checkUnary(wg.rad2deg, { dtypes: oneInteger() });
checkBinary(wg.atan2, { avoid: [0] });

// Hyperbolic functions
checkUnary(wg.sinh);
checkUnary(wg.cosh);
checkUnary(wg.tanh, { dtypes: oneInteger() });
checkUnary(wg.asinh);
checkUnary(wg.acosh, { range: [1.1, 5] });
checkUnary(wg.atanh, { range: [-0.95, 0.95] });

// Special functions
checkUnary(wg.erf);
checkUnary(wg.erfc);
checkUnary(wg.erfinv, { range: [-0.95, 0.95], tolerance: 3e-6 });
checkUnary(wg.lgamma, { range: [0.2, 6] });
checkUnary(wg.digamma, { range: [0.2, 6] });
checkUnary(wg.sinc);
checkUnary(wg.logit, { range: [0.05, 0.95] });
checkForm(wg.logit, {
  shapes: [[4, 6]],
  args: [{ eps: 0.1 }],
  range: [0, 1],
  avoid: [0.1, 0.9],
  points: within(POINTS, -2, 2),
});
checkUnary(wg.isnan, { dtypes: oneInteger() });
checkUnary(wg.isinf, { dtypes: oneInteger() });
checkUnary(wg.isfinite, { dtypes: oneInteger() });
checkUnary(wg.nanToNum, { dtypes: oneInteger() });
checkForm(wg.nanToNum, { shapes: [[4, 6]], args: [{ nan: -1, posinf: 7, neginf: -7 }], points: POINTS });

// Activations
checkUnary(wg.sigmoid, { dtypes: oneInteger() });
checkUnary(wg.logSigmoid);
checkUnary(wg.relu, { avoid: [0], dtypes: ["i32", "u32"] });
checkUnary(wg.relu6, { range: [-3, 9], avoid: [0, 6] });
checkUnary(wg.leakyRelu, { avoid: [0] });
checkForm(wg.leakyRelu, { shapes: [[4, 6]], args: [{ negativeSlope: -0.3 }], avoid: [0], points: POINTS });
checkUnary(wg.elu, { avoid: [0] });
checkForm(wg.elu, { shapes: [[4, 6]], args: [{ alpha: 0.7 }], avoid: [0] });
checkUnary(wg.selu, { avoid: [0] });
checkUnary(wg.celu, { avoid: [0] });
checkForm(wg.celu, { shapes: [[4, 6]], args: [{ alpha: 2.5 }], avoid: [0] });
// 1 + erf cancels in the lower tail, in PyTorch too.
checkUnary(wg.gelu, { pointError: 1e-7 });
checkForm(wg.gelu, { shapes: [[4, 6]], args: [{ approximate: "tanh" }], points: POINTS, pointError: 1e-7 });
checkUnary(wg.silu);
checkUnary(wg.mish);
checkUnary(wg.softplus);
checkForm(wg.softplus, { shapes: [[4, 6]], args: [{ beta: 2, threshold: 3 }], avoid: [1.5], points: POINTS });
checkUnary(wg.softsign, { avoid: [0] });
checkUnary(wg.hardtanh, { avoid: [-1, 1] });
checkForm(wg.hardtanh, { shapes: [[4, 6]], args: [{ minVal: -0.5, maxVal: 1.5 }], avoid: [-0.5, 1.5] });
checkUnary(wg.hardsigmoid, { range: [-5, 5], avoid: [-3, 3] });
checkUnary(wg.hardswish, { range: [-5, 5], avoid: [-3, 3] });
checkUnary(wg.hardshrink, { avoid: [-0.5, 0.5] });
checkUnary(wg.softshrink, { avoid: [-0.5, 0.5] });
checkForm(wg.softshrink, { shapes: [[4, 6]], args: [{ lambd: 1 }], avoid: [-1, 1] });
checkUnary(wg.tanhshrink);
checkOp(wg.threshold, {
  shapes: [[4, 6]],
  args: [0.3, -7],
  avoid: [0.3],
  points: without(POINTS, 0.3),
  dtypes: ["i32"],
  more: [[[0]], [[]]],
});
checkOp(wg.prelu, {
  shapes: [[4, 3, 2], [3]],
  avoid: [0],
  more: [
    [[5], [1]],
    [[0, 3], [3]],
    [[], []],
  ],
});
checkOp(wg.glu, { shapes: [[4, 6]], more: [[[0, 4]], [[17, 20]]] });
checkForm(wg.glu, { shapes: [[4, 3]], args: [{ dim: 0 }] });

// Arithmetic
checkBinary(wg.add, { dtypes: INTEGERS });
checkBinary(wg.sub, { dtypes: INTEGERS });
checkBinary(wg.mul, { dtypes: INTEGERS });
checkBinary(wg.div, { avoid: [0], dtypes: INTEGERS });
checkForm(wg.div, {
  shapes: PAIR,
  args: [{ roundingMode: "floor" }],
  range: [0.5, 9],
  dtypes: ["i32"],
  points: PAIRS,
  pointGradients: false,
  layouts: [],
});
checkForm(wg.div, {
  shapes: PAIR,
  args: [{ roundingMode: "trunc" }],
  range: [0.5, 9],
  dtypes: ["i32"],
  points: PAIRS,
  pointGradients: false,
  layouts: [],
});
checkBinary(wg.floorDivide, { range: [0.5, 9], points: [], dtypes: INTEGERS });
// At points like y = 1e10, y - 1 rounds to y, in PyTorch too: no gradients there.
checkBinary(wg.pow, { range: [0.2, 3], pointGradients: false, dtypes: ["u32"] });
checkForm(wg.pow, { shapes: [[4, 6]], args: [2], dtypes: INTEGERS, points: POINTS });
checkForm(wg.pow, { shapes: [[4, 6]], args: [3], dtypes: INTEGERS, points: POINTS });
checkForm(wg.pow, { shapes: [[4, 6]], args: [0.5], range: [0.1, 3], points: POINTS });
checkForm(wg.pow, { shapes: [[4, 6]], args: [-1.5], range: [0.1, 3], points: POINTS });
checkForm(wg.pow, { shapes: [[4, 6]], args: [5], points: POINTS });
checkForm(wg.pow, { shapes: [[4, 6]], args: [0], points: POINTS });
checkForm(wg.pow, { shapes: [[4, 6]], call: (x) => wg.pow(1.7, x), points: POINTS });
checkBinary(wg.hypot, { range: [0.3, 3], points: [] });
checkBinary(wg.fmod, { range: [0.7, 9], points: PAIRS, pointGradients: false, dtypes: ["i32", "u32"] });
checkBinary(wg.remainder, {
  range: [0.7, 9],
  points: PAIRS,
  pointGradients: false,
  dtypes: ["i32", "u32"],
});
checkBinary(wg.copysign, { avoid: [0], dtypes: ["i32"] });
checkBinary(wg.maximum, { dtypes: INTEGERS });
checkBinary(wg.minimum, { dtypes: INTEGERS });
checkBinary(wg.xlogy, { range: [0.1, 3] });
checkBinary(wg.logaddexp);
checkBinary(wg.logaddexp2);
checkForm(wg.add, { shapes: [[4, 6]], args: [0.3], dtypes: INTEGERS });
checkForm(wg.sub, { shapes: [[4, 6]], call: (x) => wg.sub(2, x), dtypes: INTEGERS });
checkForm(wg.mul, { shapes: [[4, 6]], args: [-3], dtypes: INTEGERS });
checkForm(wg.div, { shapes: [[4, 6]], call: (x) => wg.div(2, x), avoid: [0], points: POINTS });
checkForm(wg.maximum, { shapes: [[4, 6]], args: [0.5], dtypes: ["i32"], points: POINTS });

// Comparison, logic, bits
const COMPARED = { gradient: false, dtypes: INTEGERS } as const;
checkBinary(wg.eq, COMPARED);
checkBinary(wg.ne, COMPARED);
checkBinary(wg.lt, COMPARED);
checkBinary(wg.le, COMPARED);
checkBinary(wg.gt, COMPARED);
checkBinary(wg.ge, COMPARED);
checkBinary(wg.isclose, COMPARED);
checkForm(wg.isclose, {
  shapes: PAIR,
  args: [{ rtol: 0.2, atol: 0.1, equalNan: true }],
  gradient: false,
  points: PAIRS,
});
checkBinary(wg.logicalAnd, COMPARED);
checkBinary(wg.logicalOr, COMPARED);
checkBinary(wg.logicalXor, COMPARED);
checkUnary(wg.logicalNot, COMPARED);

const WHOLE = { shape: [4, 6], dtype: "i32", range: [-1000, 1000] } as const;
const NATURAL = { shape: [4, 6], dtype: "u32", range: [0, 4000000000] } as const;
const TRUTH = { shape: [4, 6], dtype: "bool" } as const;
const SHIFT = { shape: [6], dtype: "i32", values: [0, 1, 5, 31, 32, -1] } as const;
for (const form of [WHOLE, NATURAL, TRUTH]) {
  checkOp(wg.bitwiseAnd, {
    shapes: [form, form],
    more: [
      [
        { ...form, shape: [3, 1] },
        { ...form, shape: [0] },
      ],
    ],
  });
  checkOp(wg.bitwiseOr, { shapes: [form, form] });
  checkOp(wg.bitwiseXor, { shapes: [form, form] });
  checkOp(wg.bitwiseNot, { shapes: [form] });
}
checkOp(wg.bitwiseLeftShift, { shapes: [WHOLE, SHIFT], layouts: ["sliced"] });
checkOp(wg.bitwiseRightShift, { shapes: [WHOLE, SHIFT], layouts: ["sliced"] });
checkOp(wg.bitwiseLeftShift, {
  shapes: [NATURAL, { ...SHIFT, dtype: "u32", values: [0, 1, 5, 31, 32, 40] }],
  layouts: ["sliced"],
});
checkOp(wg.bitwiseRightShift, {
  shapes: [NATURAL, { ...SHIFT, dtype: "u32", values: [0, 1, 5, 31, 32, 40] }],
  layouts: ["sliced"],
});

// Three operands
const CONDITION = { shape: [4, 6], dtype: "bool" } as const;
checkOp(wg.where, {
  shapes: [CONDITION, [4, 6], [4, 6]],
  dtypes: INTEGERS,
  more: [
    [{ ...CONDITION, shape: [3, 1] }, [4], []],
    [{ ...CONDITION, shape: [0, 1] }, [4], []],
  ],
});
checkForm(wg.where, { shapes: [CONDITION, [4, 6]], call: (c, x) => wg.where(c, x, 0.5) });
checkForm(wg.where, { shapes: [CONDITION, [4, 6]], call: (c, x) => wg.where(c, -1, x) });
checkOp(wg.maskedFill, { shapes: [[4, 6], { shape: [6], dtype: "bool" }], args: [7.5], dtypes: INTEGERS });
checkOp(wg.clamp, {
  shapes: [[4, 6]],
  args: [{ min: -0.5, max: 1.2 }],
  avoid: [-0.5, 1.2],
  dtypes: ["i32"],
  points: POINTS,
});
checkForm(wg.clamp, { shapes: [[4, 6]], args: [{ min: 0 }], avoid: [0], dtypes: ["i32", "u32"], points: POINTS });
checkForm(wg.clamp, { shapes: [[4, 6]], args: [{ max: 1 }], avoid: [1], dtypes: ["i32", "u32"], points: POINTS });
checkForm(wg.clamp, { shapes: [[4, 6], [6], [4, 1]], call: (x, min, max) => wg.clamp(x, { min, max }) });
checkOp(wg.lerp, {
  shapes: [[4, 6], [4, 6], [6]],
  points: [NAN, INF, 0, 1, 0.3, -2, 1e10],
  more: [
    [[], [], []],
    [[3, 1], [4], [0, 1, 1]],
  ],
});
checkForm(wg.lerp, {
  shapes: PAIR,
  args: [0.25],
});
checkOp(wg.addcmul, {
  shapes: [[4, 6], [4, 1], [6]],
  args: [{ value: 0.5 }],
  more: [
    [[], [], []],
    [[3, 1], [4], [0, 1, 1]],
  ],
});
checkOp(wg.addcdiv, {
  shapes: [[4, 6], [4, 1], [6]],
  args: [{ value: 0.5 }],
  range: [0.3, 2],
  more: [
    [[], [], []],
    [[3, 1], [4], [0, 1, 1]],
  ],
});
checkOp(wg.to, { shapes: [[4, 6]], args: ["i32"], gradient: false, range: [-9, 9], dtypes: INTEGERS });
checkForm(wg.to, { shapes: [[4, 6]], args: ["bool"], gradient: false, range: [-9, 9], dtypes: INTEGERS });
checkForm(wg.to, { shapes: [[4, 6]], args: ["f32"], dtypes: INTEGERS });

test("a quotient by 1 is still rounded", async () => {
  const x = wg.tensor([1.5, -1.5, 2]);
  for (const [roundingMode, expected] of [
    ["trunc", [1, -1, 2]],
    ["floor", [1, -2, 2]],
  ] as const)
    assert.equal(Array.from(await x.div(1, { roundingMode }).data()), expected);
});

test.run();
