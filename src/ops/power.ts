// Powers: xʸ for real and whole numbers, and the special forms that common exponents have.

import { type DType, isFloat } from "../base/dtype.ts";
import { recording, type Tensor } from "../graph/tensor.ts";
import { eq, ge, logicalAnd, mul, realFunction2, sub, where } from "./arithmetic.ts";
import { arithmetic, type Binary, binary, constant, convert, promoteOperands, same, type Unary } from "./define.ts";
import { cube, LOG_SPLIT, log, reciprocal, rsqrt, SCALE, SPECIAL_VALUES, sqrt, square } from "./exponential.ts";

// The logarithm of the base carries about 35 bits, in two parts, so that the power is exact to an ulp or two even where it is very
// large. WGSL's own pow is NaN for every negative base.
const HIGH_PART = "fn high_part(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }";

// log2 of x > 0: x = m·2^e, s = (m - 1) / (m + 1), log2 m = 2 / ln 2 · (s + s³/3 + s⁵/5 + …). Parts of 12 bits, cut off by their
// bits, have exact products; compilers may simplify error terms made by sums, but not these.
const LOG2_PARTS = `fn log2_parts(x: f32) -> vec2<f32> {
  let e = log_exponent(x);
  let u = log_fraction(x);
  let m = 1.0 + u;
  let v = 1.0 + m;
  let v_high = high_part(v);
  let v_low = m - (v_high - 1.0);
  let s_high = high_part(u / v);
  let s_low = ((u - s_high * v_high) - s_high * v_low) / v;
  let s = s_high + s_low;
  let z = s * s;
  let series = (((((0.18181818 * z + 0.22222222) * z + 0.28571429) * z + 0.4) * z + 0.66666667) * z) * s * 1.44269504;
  let first = s_high * 2.884765625;
  let rest = s_high * 6.24456777927e-4 + s_low * 2.88539008 + series;
  let high = high_part(e + first + rest);
  return vec2<f32>(high, ((e - high) + first) + rest);
}`;

const POW_TEXT = `fn pow_f32(x: f32, y: f32) -> f32 {
  if (y == 0.0 || x == 1.0) { return 1.0; }
  let xbits = bitcast<u32>(x) & 0x7fffffffu;
  let ybits = bitcast<u32>(y) & 0x7fffffffu;
  if (xbits > 0x7f800000u || ybits > 0x7f800000u) { return not_a_number(); }
  let a = abs(x);
  let whole = ybits >= 0x4b800000u || y == trunc(y);
  let odd = whole && ybits < 0x4b800000u && (i32(y) & 1) != 0;
  if (ybits == 0x7f800000u) {
    if (a == 1.0) { return 1.0; }
    return select(0.0, infinity(), (a > 1.0) == (y > 0.0));
  }
  var r = 0.0;
  if (a == 0.0 || xbits == 0x7f800000u) { r = select(0.0, infinity(), (a == 0.0) == (y < 0.0)); }
  else {
    if (x < 0.0 && !whole) { return not_a_number(); }
    let l = log2_parts(a);
    let estimate = y * l.x + y * l.y;
    if (estimate > 130.0) { r = infinity(); }
    else if (estimate > -160.0) {
      let y_high = high_part(y);
      let n = round(estimate);
      let f = ((y_high * l.x - n) + (y - y_high) * l.x) + y * l.y;
      let p = (((((1.535336188e-4 * f + 1.339887440e-3) * f + 9.618437357e-3) * f + 5.550332471e-2) * f + 2.402264791e-1) * f + 6.931472028e-1) * f + 1.0;
      r = scale_by_power(p, n);
    }
  }
  return select(r, -r, odd && (bitcast<u32>(x) >> 31u) != 0u);
}`;

const INTEGER_POW = `fn pow_i32(x: i32, y: i32) -> i32 {
  if (y < 0) {
    if (x == 1) { return 1; }
    if (x == -1) { return select(1, -1, (y & 1) != 0); }
    return 0;
  }
  return bitcast<i32>(pow_u32(bitcast<u32>(x), u32(y)));
}
fn pow_u32(x: u32, y: u32) -> u32 {
  var r = 1u;
  var base = x;
  for (var left = y; left > 0u; left = left >> 1u) {
    if ((left & 1u) != 0u) { r = r * base; }
    base = base * base;
  }
  return r;
}`;

const realPower: Binary = realFunction2("pow", {
  helpers: [SCALE, SPECIAL_VALUES, LOG_SPLIT, HIGH_PART, LOG2_PARTS, POW_TEXT],
  // As in C: 1 to any power is 1, and so is -1 to an infinite one.
  reference: (x, y) =>
    x === 1 || (x === -1 && Math.abs(y as number) === Number.POSITIVE_INFINITY) ? 1 : (x as number) ** (y as number),
  derivative: (g, out, inputs) => {
    const [x, y] = inputs as [Tensor, Tensor];
    return [x.requiresGrad ? mul(g, slope(x, y)) : null, y.requiresGrad ? mul(g, slopeOfExponent(x, y, out)) : null];
  },
  cost: 80,
});

/** y·x^(y - 1), and 0 for y = 0, also where x is 0. */
function slope(x: Tensor, y: Tensor): Tensor {
  const { definition, attributes } = y.node;
  if (definition.kind === "constant") {
    const exponent = attributes[0] as number;
    return exponent === 0 ? constant(0, x.dtype) : mul(pow(x, exponent - 1), exponent);
  }
  return where(eq(y, 0), 0, mul(y, pow(x, sub(y, 1))));
}

/** xʸ·log x, and 0 where x = 0 and y ≥ 0. */
function slopeOfExponent(x: Tensor, y: Tensor, out: Tensor): Tensor {
  return where(logicalAnd(eq(x, 0), ge(y, 0)), 0, mul(out, log(x)));
}

const wholePower: Binary = binary("pow", {
  dtype: arithmetic,
  wgsl: (t, x, y) => t.call(`pow_${t.operand}`, x, y),
  helpers: [INTEGER_POW],
  reference: (x, y) => integerPower(x as number, y as number),
  derivative: null,
  cost: 40,
});

/** In 32 bits, with wrap-around: the caller's dtype says how to read them. */
function integerPower(x: number, y: number): number {
  if (y < 0) return x === 1 ? 1 : x === -1 ? (y % 2 === 0 ? 1 : -1) : 0;
  let result = 1;
  let base = x;
  for (let left = y; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = Math.imul(result, base);
    base = Math.imul(base, base);
  }
  return result;
}

/** Exponents with a form of their own, cheaper and exact. */
const specialPowers: ReadonlyMap<number, Unary> = new Map<number, Unary>([
  [1, same],
  [2, square],
  [3, cube],
  [0.5, sqrt],
  [-0.5, rsqrt],
  [-1, reciprocal],
  [-2, (x) => reciprocal(square(x))],
]);

/**
 * Raises to a power, xʸ. Real numbers: NaN for a negative base unless y is whole; 0⁰ = 1. Integers stay integers, exact
 * modulo 2³² (a negative power is 0 unless |x| = 1). Throws a RangeError for an integer tensor to a negative whole
 * number, as PyTorch does.
 */
export function pow(x: Tensor | number, y: Tensor | number): Tensor {
  const given = promoteOperands("pow", [x, y]);
  const promoted = given === "f16" && recording.autocast ? "f32" : given;
  if (isFloat(promoted)) {
    const base = convert("pow", x, promoted);
    const special = typeof y === "number" && typeof x !== "number" ? specialPowers.get(y) : undefined;
    return special === undefined ? realPower(base, y) : special(base);
  }
  if (typeof y === "number" && y < 0) {
    throw new RangeError(
      `pow: integers to a negative power are no integers, got exponent ${y}. x.to("f32").pow(${y}) gives real numbers.`,
    );
  }
  const dtype: DType = promoted === "bool" ? "i32" : promoted;
  const base = convert("pow", x, dtype);
  if (y === 2) return square(base);
  return wholePower(base, y);
}
