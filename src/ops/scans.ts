// Cumulative ops: sums, products, extremes and log-sums along a dim, as parallel scans.

import type { DType } from "../base/dtype.ts";
import { normalizeDim } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { alongDim, surroundedAlong } from "./arguments.ts";
import { eq, IS_NAN, logicalAnd, mul, ne, sub, where } from "./arithmetic.ts";
import { asSingle, asSingleFloat } from "./autocast.ts";
import { cast, constant, expectTensor, same } from "./define.ts";
import { exp } from "./exponential.ts";
import { iota } from "./iota.ts";
import { highest, lowest, summable } from "./reductions.ts";
import { type Monoid, makeScan, type Scan } from "./scan-kernels.ts";
import { reshape } from "./views.ts";

const zero: Record<DType, string> = { f32: "0.0", f16: "0.0", i32: "0i", u32: "0u", bool: "0u" };
const one: Record<DType, string> = { f32: "1.0", f16: "1.0", i32: "1i", u32: "1u", bool: "1u" };
/** States are kept in f32 where elements are f16. */
const wide = (dtype: DType): DType => (dtype === "f16" ? "f32" : dtype);

/** Each element's neighbour before it along `dim` (after it, when reversed); `fill` where there is none. */
export function neighbour(x: Tensor, dim: number, reverse: boolean, fill: number): Tensor {
  const low = reverse ? -1 : 1;
  return surroundedAlong(x, dim, low, -low, fill);
}

/** 0, 1, 2, … along `dim`, with sizes of 1 else. */
function positions(x: Tensor, dim: number): Tensor {
  const size = x.shape[dim] as number;
  return reshape(iota(size), alongDim(x.ndim, dim, size));
}

const sumMonoid: Monoid = {
  name: "cumsum",
  inputs: 1,
  state: (dtype) => [wide(dtype)],
  results: (dtype) => [dtype],
  identity: (dtype) => [zero[dtype]],
  load: ([x]) => [x as string],
  combine: "return State(x.a + y.a);",
  store: (s) => [`${s}.a`],
  reference: {
    identity: () => [0],
    load: ([x]) => [x as number],
    combine: ([x], [y]) => [(x as number) + (y as number)],
    store: ([s]) => [s as number],
  },
};

const sums: Scan = makeScan(sumMonoid, ([g], _results, _inputs, dim, { reverse }) => [
  g ? (sums([g], dim, { reverse: !reverse })[0] as Tensor) : null,
]);

/**
 * yᵢ = cᵢ · yᵢ₋₁ + dᵢ along a dim (backwards when reversed), y = 0 before the first; shifted: yᵢ = cᵢ₋₁ · yᵢ₋₁ + dᵢ. The derivative of every
 * cumulative op is one of these.
 */
const recurrenceMonoid: Monoid = {
  name: "recurrence",
  inputs: 2,
  shifts: 0,
  state: () => ["f32", "f32"],
  results: (dtype) => [dtype],
  identity: () => ["1.0", "0.0"],
  load: ([c, d]) => [c as string, d as string],
  combine: "return State(x.a * y.a, y.a * x.b + y.b);",
  store: (s) => [`${s}.b`],
  reference: {
    identity: () => [1, 0],
    load: ([c, d]) => [c as number, d as number],
    combine: ([c, y], [d, z]) => [(c as number) * (d as number), (d as number) * (y as number) + (z as number)],
    store: ([, y]) => [y as number],
  },
};

const recurrences: Scan = makeScan(recurrenceMonoid, ([g], [y], [c], dim, { reverse, shifted }) => {
  if (!g) return [null, null];
  const result = y as Tensor;
  const d = recurrence(c as Tensor, g, dim, !reverse, !shifted);
  const factor = shifted ? mul(neighbour(d, dim, !reverse, 0), result) : mul(d, neighbour(result, dim, reverse, 0));
  return [factor, d];
});

/** The recurrence of `recurrenceMonoid` along `dim`. */
export function recurrence(c: Tensor, d: Tensor, dim: number, reverse: boolean, shifted: boolean): Tensor {
  return recurrences([c, d], dim, { reverse, shifted })[0] as Tensor;
}

const productMonoid: Monoid = {
  ...sumMonoid,
  name: "cumprod",
  identity: (dtype) => [one[dtype]],
  combine: "return State(x.a * y.a);",
  reference: {
    ...sumMonoid.reference,
    identity: () => [1],
    combine: ([x], [y]) => [(x as number) * (y as number)],
  },
};

const products: Scan = makeScan(productMonoid, ([g], [y], [x], dim, { reverse }) => {
  if (!g) return [null];
  // d(yᵢ)/d(xₖ) = yₖ₋₁ · xₖ₊₁ ⋯ xᵢ: no division, so zeros are as good as other numbers.
  const after = recurrence(x as Tensor, g, dim, !reverse, true);
  return [mul(neighbour(y as Tensor, dim, reverse, 1), after)];
});

/** Where an element is at least as good as what came before, it wins: the last of the equals. NaN wins over all. */
function extremeMonoid(name: string, sign: ">=" | "<=", worst: Record<DType, number>): Monoid {
  const better = (x: number, y: number): boolean => (sign === ">=" ? y >= x : y <= x);
  const code: Record<DType, string> = {
    f32: sign === ">=" ? "bitcast<f32>(special_bits.z)" : "bitcast<f32>(special_bits.y)",
    f16: sign === ">=" ? "bitcast<f32>(special_bits.z)" : "bitcast<f32>(special_bits.y)",
    i32: sign === ">=" ? "i32(-2147483648)" : "2147483647i",
    u32: sign === ">=" ? "0u" : "4294967295u",
    bool: "0u",
  };
  return {
    name,
    inputs: 1,
    state: (dtype) => [wide(dtype), "i32"],
    results: (dtype) => [dtype, "i32"],
    identity: (dtype) => [code[dtype], "0i"],
    load: ([x], i) => [x as string, `i32(${i})`],
    combine: `if (is_nan(f32(y.a)) || (!is_nan(f32(x.a)) && y.a ${sign} x.a)) { return y; } return x;`,
    store: (s) => [`${s}.a`, `${s}.b`],
    helpers: IS_NAN,
    reference: {
      identity: (dtype) => [worst[dtype], 0],
      load: ([x], i) => [x as number, i],
      combine: (x, y) => {
        const [a, b] = [x[0] as number, y[0] as number];
        return Number.isNaN(b) || (!Number.isNaN(a) && better(a, b)) ? y : x;
      },
      store: (s) => s,
    },
  };
}

/** The gradient goes to the elements that the indices name: runs of equal indices are summed where they begin. */
function makeExtremes(monoid: Monoid): Scan {
  return makeScan(monoid, ([g], [, index], _inputs, dim) => {
    if (!g) return [null];
    const chosen = index as Tensor;
    const same = cast(eq(chosen, neighbour(chosen, dim, true, -1)), g.dtype);
    return [where(eq(chosen, positions(chosen, dim)), recurrence(same, g, dim, true, false), 0)];
  });
}

const maxima: Scan = makeExtremes(extremeMonoid("cummax", ">=", lowest));
const minima: Scan = makeExtremes(extremeMonoid("cummin", "<=", highest));

/** log Σ eˣ as the largest x (the lowest f32 for -∞) and Σ e^(x - largest). */
const logSumMonoid: Monoid = {
  name: "logcumsumexp",
  inputs: 1,
  state: () => ["f32", "f32"],
  results: (dtype) => [dtype],
  identity: () => ["LEAST", "0.0"],
  load: ([x]) => [`clamp(${x}, LEAST, -LEAST)`, `mass(${x})`],
  combine: `
  let m = max(x.a, y.a);
  if (is_nan(x.b) || is_nan(y.b)) { return State(m, bitcast<f32>(special_bits.x)); }
  return State(m, x.b * exp(x.a - m) + y.b * exp(y.a - m));
`,
  store: (s) => [`log_of(${s}.a, ${s}.b)`],
  helpers: `${IS_NAN}
const LEAST = -3.4028234e38;
fn mass(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (bits == 0xff800000u) { return 0.0; }
  return select(1.0, bitcast<f32>(special_bits.x), is_nan(x));
}
fn log_of(largest: f32, mass: f32) -> f32 {
  if (mass == 0.0) { return bitcast<f32>(special_bits.z); }
  if (is_nan(mass)) { return mass; }
  return select(largest + log(mass), bitcast<f32>(special_bits.y), largest == -LEAST);
}`,
  reference: {
    identity: () => [Number.NEGATIVE_INFINITY],
    load: ([x]) => [x as number],
    combine: ([x], [y]) => {
      const [a, b] = [x as number, y as number];
      const m = Math.max(a, b);
      return [Number.isFinite(m) ? m + Math.log1p(Math.exp(Math.min(a, b) - m)) : m];
    },
    store: (s) => s,
  },
};

const logSums: Scan = makeScan(logSumMonoid, ([g], [result], [input], dim, { reverse }) => {
  if (!g) return [null];
  const [x, y] = [input as Tensor, result as Tensor];
  // d/d(xₖ) = e^(xₖ - yₖ) · (gₖ + e^(yₖ - yₖ₊₁) · (gₖ₊₁ + …)): no exponent is positive, so nothing overflows.
  const next = neighbour(y, dim, !reverse, Number.NEGATIVE_INFINITY);
  const some = ne(y, Number.NEGATIVE_INFINITY);
  const ratio = powerOfE(y, next, logicalAnd(some, ne(next, Number.NEGATIVE_INFINITY)));
  const sum = recurrence(ratio, g, dim, !reverse, false);
  return [mul(powerOfE(x, y, ne(x, Number.NEGATIVE_INFINITY)), sum)];
});

/** e^(x - y) where `mask` holds, else 0; without a NaN in the derivative either. */
function powerOfE(x: Tensor, y: Tensor, mask: Tensor): Tensor {
  return where(mask, exp(where(mask, sub(x, y), 0)), 0);
}

/** The dim to scan, or null for a tensor without dims, which stays as it is. */
function scanDim(op: string, x: Tensor, dim: number): number | null {
  const at = normalizeDim(op, dim, expectTensor(op, x).ndim);
  return x.ndim === 0 ? null : at;
}

/** The scan of what `prepare` makes of x; a tensor without dims stays as that. */
function running(op: string, x: Tensor, dim: number, prepare: (x: Tensor) => Tensor, scan: Scan): Tensor {
  const at = scanDim(op, x, dim);
  const values = prepare(x);
  if (at === null) return same(values);
  return scan([values], at)[0] as Tensor;
}

/** Converts to the dtype that running sums and products take. */
const countable = (x: Tensor): Tensor => asSingle(summable(x));

/** Computes running sums along `dim`: yᵢ = x₀ + … + xᵢ. bool is counted in i32. */
export function cumsum(x: Tensor, dim: number): Tensor {
  return running("cumsum", x, dim, countable, sums);
}

/** Computes running products along `dim`: yᵢ = x₀ ⋯ xᵢ. The gradient is right even if elements are 0. */
export function cumprod(x: Tensor, dim: number): Tensor {
  return running("cumprod", x, dim, countable, products);
}

/** The product of what comes before each element along `dim` (behind it, when reversed); of nothing 1. */
export function productsBefore(x: Tensor, dim: number, reverse: boolean): Tensor {
  return neighbour(products([x], dim, { reverse })[0] as Tensor, dim, reverse, 1);
}

/** Computes running log-sums along `dim`: yᵢ = log(e^x₀ + … + e^xᵢ), without overflow. */
export function logcumsumexp(x: Tensor, dim: number): Tensor {
  return running("logcumsumexp", x, dim, asSingleFloat, logSums);
}

function runningExtreme(op: string, scan: Scan, x: Tensor, dim: number): { values: Tensor; indices: Tensor } {
  const at = scanDim(op, x, dim);
  if (at === null) return { values: same(x), indices: constant(0, "i32") };
  const given = x.dtype === "bool" ? cast(x, "i32") : x;
  const [values, indices] = scan([given], at) as [Tensor, Tensor];
  return { values: cast(values, x.dtype), indices };
}

/**
 * Computes running maxima along `dim`, and where they are (i32): the last of the equals. NaN wins. The gradient goes to
 * those elements.
 */
export function cummax(x: Tensor, dim: number): { values: Tensor; indices: Tensor } {
  return runningExtreme("cummax", maxima, x, dim);
}

/**
 * Computes running minima along `dim`, and where they are (i32): the last of the equals. NaN wins. The gradient goes to
 * those elements.
 */
export function cummin(x: Tensor, dim: number): { values: Tensor; indices: Tensor } {
  return runningExtreme("cummin", minima, x, dim);
}
