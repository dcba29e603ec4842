// Signs, roundings and remainders.

import { isFloat } from "../base/dtype.ts";
import type { Tensor } from "../graph/tensor.ts";
import { filled } from "./arguments.ts";
import { floor, mul, neg, realFunction2, trueDivide, trunc } from "./arithmetic.ts";
import { arithmetic, type Binary, binary, expectTensor, keep, same, type Unary, unary } from "./define.ts";
import { SCALE, SPECIAL_VALUES } from "./exponential.ts";

/** Absolute value. Its gradient at 0 is 0. */
export const abs: Unary = unary("abs", {
  dtype: arithmetic,
  wgsl: (t, x) => (t.operand === "u32" ? x : `abs(${x})`),
  reference: (x) => Math.abs(x as number),
  derivative: (g, _out, [x]) => [mul(g, sign(x as Tensor))],
});

/** -1, 0 or 1; 0 for NaN, as in PyTorch. */
export const sign: Unary = unary("sign", {
  dtype: arithmetic,
  wgsl: (t, x) => {
    if (t.operand === "u32") return `min(${x}, ${t.number(1)})`;
    return `select(select(${t.number(0)}, ${t.number(1)}, ${x} > ${t.number(0)}), ${t.number(-1)}, ${x} < ${t.number(0)})`;
  },
  reference: (x) => ((x as number) > 0 ? 1 : (x as number) < 0 ? -1 : 0),
  derivative: (g) => [mul(g, 0)],
});

const ceilFloat: Unary = unary("ceil", {
  dtype: keep,
  wgsl: (_t, x) => `ceil(${x})`,
  reference: (x) => Math.ceil(x as number),
  derivative: (g) => [mul(g, 0)],
});

const roundFloat: Unary = unary("round", {
  dtype: keep,
  wgsl: (_t, x) => `round(${x})`,
  reference: (x) => roundHalfToEven(x as number),
  derivative: (g) => [mul(g, 0)],
});

const fracFloat: Unary = unary("frac", {
  dtype: keep,
  wgsl: (_t, x) => `${x} - trunc(${x})`,
  reference: (x) => (x as number) - Math.trunc(x as number),
  derivative: (g) => [g],
});

function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** Smallest whole number ≥ x. Integers stay as they are. */
export function ceil(x: Tensor): Tensor {
  return isFloat(expectTensor("ceil", x).dtype) ? ceilFloat(x) : same(x);
}

/** Nearest whole number, halves to the even one. Integers stay as they are. */
export function round(x: Tensor, options: { decimals?: number } = {}): Tensor {
  if (!isFloat(expectTensor("round", x).dtype)) return same(x);
  const { decimals } = filled("round", options, { decimals: 0 });
  if (!Number.isInteger(decimals)) throw new RangeError(`round: decimals must be a whole number, got ${decimals}.`);
  const scale = 10 ** Math.abs(decimals);
  if (decimals === 0) return roundFloat(x);
  return decimals > 0 ? trueDivide(roundFloat(mul(x, scale)), scale) : mul(roundFloat(trueDivide(x, scale)), scale);
}

/** The fraction, x - trunc(x), with the sign of x. Of integers it is 0. */
export function frac(x: Tensor): Tensor {
  return isFloat(expectTensor("frac", x).dtype) ? fracFloat(x) : mul(x, 0);
}

// Long division of the significands, 8 bits at a time: exact, whatever the quotient's size.
const FMOD_TEXT = `fn fmod_f32(x: f32, y: f32) -> f32 {
  let a = bitcast<u32>(x) & 0x7fffffffu;
  let b = bitcast<u32>(y) & 0x7fffffffu;
  if (abs(y) == 0.0 || a >= 0x7f800000u || b > 0x7f800000u) { return not_a_number(); }
  if (a < b) { return x; }
  let low = max(b >> 23u, 1u);
  let divisor = (b & 0x007fffffu) | select(0u, 0x00800000u, b >= 0x00800000u);
  var rest = ((a & 0x007fffffu) | select(0u, 0x00800000u, a >= 0x00800000u)) % divisor;
  var left = max(a >> 23u, 1u) - low;
  while (left > 0u && rest != 0u) {
    let shift = min(left, 8u);
    rest = (rest << shift) % divisor;
    left = left - shift;
  }
  let r = scale_by_power(f32(rest), f32(low) - 150.0);
  return select(r, -r, x < 0.0);
}`;

const REMAINDER_TEXT = `fn remainder_f32(x: f32, y: f32) -> f32 {
  let r = fmod_f32(x, y);
  return select(r, r + y, r != 0.0 && ((r < 0.0) != (y < 0.0)));
}`;

const INTEGER_REMAINDER = `fn remainder_i32(x: i32, y: i32) -> i32 {
  let r = x % y;
  return select(r, r + y, r != 0 && ((r < 0) != (y < 0)));
}`;

/** WGSL of fmod_f32 and what it calls. */
export const FMOD: readonly string[] = [SCALE, SPECIAL_VALUES, FMOD_TEXT];

/** Rest of the division that rounds to 0: x - y·trunc(x / y), exactly; it has the sign of x. NaN (integers: 0) where y is 0. */
export const fmod: Binary = binary("fmod", {
  dtype: arithmetic,
  wgsl: (t, x, y) => (t.operand === "f32" ? t.call("fmod_f32", x, y) : `${x} % ${y}`),
  helpers: FMOD,
  reference: (x, y) => (x as number) % (y as number),
  derivative: (g, _out, [x, y]) => [
    g,
    (y as Tensor).requiresGrad ? neg(mul(g, trunc(trueDivide(x as Tensor, y as Tensor)))) : null,
  ],
  cost: 40,
});

/** Rest of the division that rounds down: x - y·⌊x / y⌋, exactly; it has the sign of y. NaN (integers: 0) where y is 0. */
export const remainder: Binary = binary("remainder", {
  dtype: arithmetic,
  wgsl: (t, x, y) => {
    if (t.operand === "f32") return t.call("remainder_f32", x, y);
    return t.operand === "i32" ? t.call("remainder_i32", x, y) : `${x} % ${y}`;
  },
  helpers: [...FMOD, REMAINDER_TEXT, INTEGER_REMAINDER],
  reference: (x, y) => {
    const rest = (x as number) % (y as number);
    return rest !== 0 && rest < 0 !== (y as number) < 0 ? rest + (y as number) : rest;
  },
  derivative: (g, _out, [x, y]) => [
    g,
    (y as Tensor).requiresGrad ? neg(mul(g, floor(trueDivide(x as Tensor, y as Tensor)))) : null,
  ],
  cost: 42,
});

const COPYSIGN_TEXT =
  "fn copysign_f32(x: f32, y: f32) -> f32 { return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(y) & 0x80000000u)); }";

/** |x| with the sign of y, that of -0 included. Its gradient at x = 0 is 0. */
export const copysign: Binary = realFunction2("copysign", {
  helpers: [COPYSIGN_TEXT],
  reference: (x, y) => ((y as number) < 0 || Object.is(y, -0) ? -Math.abs(x as number) : Math.abs(x as number)),
  derivative: (g, out, [x]) => [mul(g, mul(sign(x as Tensor), sign(out))), null],
  cost: 3,
});
