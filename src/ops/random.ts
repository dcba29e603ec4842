// Random tensors: functions of the element's index and of a key that is data, so that every replay draws anew.

import { checkDType, type DType, isFloat } from "../base/dtype.ts";
import { checkShape, dtypeError, type Shape, sizeOf } from "../base/shape.ts";
import type { ElementwiseDefinition } from "../graph/definition.ts";
import { nextKey } from "../graph/generator.ts";
import { record, type Tensor } from "../graph/tensor.ts";
import { ge, le, logicalAnd, lt, mul, where } from "./arithmetic.ts";
import type { CreationOptions } from "./creation.ts";
import { cast, checkOptions, checkWhole, constant, expectTensor } from "./define.ts";
import { LOG } from "./exponential.ts";
import { hostOutsider, hostRange } from "./host-values.ts";
import { iota } from "./iota.ts";
import { THREEFRY, threefry } from "./threefry.ts";
import { SIN_PI, WIDE_PRODUCT } from "./trigonometry.ts";
import { reshape } from "./views.ts";

const CREATION: readonly string[] = ["dtype", "requiresGrad"];

const UNIFORM_TEXT =
  "fn random_uniform(counter: U, key: U) -> F { return F(threefry(counter, key).x >> U(8u)) * 5.9604644775390625e-8; }";

/** WGSL: random_uniform(counter, key) in [0, 1), a multiple of 2^-24. */
export const UNIFORM: readonly string[] = [...THREEFRY, UNIFORM_TEXT];

/** The same number on the host. */
export function uniformReference(counter: number, key: number): number {
  return (threefry([counter, 0], [key, 0])[0] >>> 8) * 2 ** -24;
}

const uniform: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "rand",
  wgsl: (t, index, key) => t.call("random_uniform", index as string, key as string),
  helpers: UNIFORM,
  reference: (index, key) => uniformReference(index as number, key as number),
  derivative: null,
  cost: 110,
};

// Box and Muller (1958). The radius takes all 32 bits, so that the tails reach 6.7 deviations.
const NORMAL_TEXT = `fn random_normal(counter: U, key: U) -> F {
  let bits = threefry(counter, key);
  let radius = sqrt(-2.0 * log_f32((F(bits.x) + 0.5) * 2.3283064365386963e-10));
  return radius * cos_pi(F(bits.y >> U(8u)) * 1.1920928955078125e-7);
}`;

const normal: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "randn",
  wgsl: (t, index, key) => t.call("random_normal", index as string, key as string),
  helpers: [...THREEFRY, ...LOG, ...SIN_PI, NORMAL_TEXT],
  reference: (index, key) => {
    const [a, b] = threefry([index as number, 0], [key as number, 0]);
    // The conversion to f32 rounds, and near 1 the logarithm would show it.
    const radius = Math.sqrt(-2 * Math.log(Math.fround(Math.fround(a) + 0.5) * 2 ** -32));
    return radius * Math.cos(Math.PI * (b >>> 8) * 2 ** -23);
  },
  derivative: null,
  cost: 160,
};

const whole: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "randint",
  wgsl: (t, index, key, low, range) =>
    `bitcast<${t.typeOf("i32")}>(${low} + ${t.call("random_below", index as string, key as string, range as string)})`,
  helpers: [
    ...THREEFRY,
    ...WIDE_PRODUCT,
    "fn random_below(counter: U, key: U, range: U) -> U { return multiply_wide(threefry(counter, key).x, range).high; }",
  ],
  reference: (...operands) => {
    const [index, key, low, range] = operands as [number, number, number, number];
    return (low + highProduct(threefry([index, 0], [key, 0])[0], range)) | 0;
  },
  derivative: null,
  cost: 125,
};

/** ⌊a·b / 2³²⌋ for words a and b, exactly. */
function highProduct(a: number, b: number): number {
  return Number((BigInt(a) * BigInt(b)) >> 32n);
}

/** The index of every element of `shape`, as u32. */
export function counters(shape: Shape): Tensor {
  return reshape(iota(sizeOf(shape), "u32"), shape);
}

function floatDType(op: string, options: CreationOptions, fallback: DType): DType {
  const dtype = checkDType(op, options.dtype ?? fallback);
  if (!isFloat(dtype)) {
    throw dtypeError`${op}: random real numbers need a float dtype, got ${dtype}. { dtype: "f32" } would fit; randint makes integers.`;
  }
  return dtype;
}

function finish(x: Tensor, dtype: DType, options: CreationOptions): Tensor {
  const result = cast(x, dtype);
  if (options.requiresGrad === true) result.requiresGrad = true;
  return result;
}

/** A draw of floats, for what `rand` and its kin ask for. */
type Draw = (op: string, shape: Shape, dtype: DType, options: CreationOptions) => Tensor;

function drawOf(definition: ElementwiseDefinition<Tensor>): Draw {
  return (op, shape, dtype, options) => {
    const index = counters(checkShape(op, shape));
    return finish(record(definition, [index, nextKey()], index.shape, "f32"), dtype, options);
  };
}

const normals: Draw = drawOf(normal);
const uniforms: Draw = drawOf(uniform);

/** Rounding to nearest could give 1: halves take 11 bits only. */
const uniformsOf: Draw = (op, shape, dtype, options) =>
  dtype === "f16"
    ? finish(mul(cast(mul(uniforms(op, shape, "f32", {}), 2048), "u32"), 1 / 2048), dtype, options)
    : uniforms(op, shape, dtype, options);

function randomReal(op: string, draw: Draw, shape: Shape, options: CreationOptions, fallback: DType): Tensor {
  checkOptions(op, options, CREATION);
  return draw(op, checkShape(op, shape), floatDType(op, options, fallback), options);
}

/** Draws uniform random numbers in [0, 1). */
export function rand(shape: Shape, options: CreationOptions = {}): Tensor {
  return randomReal("rand", uniformsOf, shape, options, "f32");
}

/** Draws normal random numbers of mean 0 and variance 1. */
export function randn(shape: Shape, options: CreationOptions = {}): Tensor {
  return randomReal("randn", normals, shape, options, "f32");
}

/** Draws uniform random numbers in [0, 1) in the shape and dtype of `x`. */
export function randLike(x: Tensor, options: CreationOptions = {}): Tensor {
  return randomReal("randLike", uniformsOf, expectTensor("randLike", x).shape, options, x.dtype);
}

/** Draws normal random numbers in the shape and dtype of `x`. */
export function randnLike(x: Tensor, options: CreationOptions = {}): Tensor {
  return randomReal("randnLike", normals, expectTensor("randnLike", x).shape, options, x.dtype);
}

/**
 * Draws random whole numbers from low to high - 1. The default dtype is i32. Throws a RangeError unless low < high,
 * both within i32.
 */
export function randint(low: number, high: number, shape: Shape, options: CreationOptions = {}): Tensor {
  checkOptions("randint", options, CREATION);
  checkWhole("randint", "low", low, -(2 ** 31));
  checkWhole("randint", "high", high, -(2 ** 31));
  if (low >= high || high > 2 ** 31) {
    throw new RangeError(`randint: low must be less than high and both within i32, got ${low} and ${high}.`);
  }
  const dtype = checkDType("randint", options.dtype ?? "i32");
  if (options.requiresGrad === true && !isFloat(dtype)) {
    throw dtypeError`randint: only float tensors have gradients, got ${dtype} with requiresGrad.`;
  }
  const index = counters(checkShape("randint", shape));
  const operands = [index, nextKey(), constant(low >>> 0, "u32"), constant((high - low) >>> 0, "u32")];
  // A range of 2³² is all bits: its word is 0, and 2³² - 1 is as good.
  if (high - low === 2 ** 32) operands[3] = constant(2 ** 32 - 1, "u32");
  return finish(record(whole, operands, index.shape, "i32"), dtype, options);
}

// "Swap or not" (Hoang, Morris and Rogaway 2012): every round pairs x with (k - x) mod n and swaps the pairs whose coin says so. A
// permutation of any n, element by element, so that it replays on the device like every other random op.
const PERMUTATION_TEXT = `fn hash_bits(x: u32) -> u32 {
  var h = (x ^ (x >> 16u)) * 0x85ebca6bu;
  h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
  return h ^ (h >> 16u);
}
fn random_place(index: u32, key: u32, size: u32) -> u32 {
  let rounds = 16u + 8u * (32u - countLeadingZeros(size));
  var x = index;
  for (var round = 0u; round < rounds; round = round + 1u) {
    let word = hash_bits(key + round * 0x9e3779b9u);
    let k = multiply_wide(word, size).high;
    let partner = select(k + (size - x), k - x, k >= x);
    let coin = hash_bits(hash_bits(word ^ 0x5bd1e995u) + max(x, partner));
    x = select(x, partner, (coin & 1u) != 0u);
  }
  return x;
}`;

function hashBits(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const permutation: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "randperm",
  wgsl: (t, index, key, size) =>
    `bitcast<${t.typeOf("i32")}>(${t.call("random_place", index as string, key as string, size as string)})`,
  helpers: [...WIDE_PRODUCT, PERMUTATION_TEXT],
  reference: (...operands) => {
    const [index, key, size] = operands as [number, number, number];
    const rounds = 16 + 8 * (32 - Math.clz32(size));
    let x = index;
    for (let round = 0; round < rounds; round++) {
      const word = hashBits((key + Math.imul(round, 0x9e37_79b9)) >>> 0);
      const k = highProduct(word, size);
      const partner = k >= x ? k - x : k + (size - x);
      const coin = hashBits((hashBits((word ^ 0x5bd1_e995) >>> 0) + Math.max(x, partner)) >>> 0);
      if ((coin & 1) !== 0) x = partner;
    }
    return x;
  },
  derivative: null,
  cost: 4000,
};

/** Puts the whole numbers 0 … n - 1 in random order. The default dtype is i32. */
export function randperm(n: number, options: CreationOptions = {}): Tensor {
  checkOptions("randperm", options, CREATION);
  checkShape("randperm", [checkWhole("randperm", "n", n, 0)]);
  const dtype = checkDType("randperm", options.dtype ?? "i32");
  const index = iota(n, "u32");
  return finish(record(permutation, [index, nextKey(), constant(n, "u32")], [n], "i32"), dtype, options);
}

/**
 * Draws 1 with probability p, else 0, for each element of `p`, in its shape and dtype. Throws a RangeError for p
 * outside 0 … 1; if only the device knows p, the result is NaN.
 */
export function bernoulli(p: Tensor): Tensor {
  expectTensor("bernoulli", p, "the probabilities");
  if (!isFloat(p.dtype)) {
    throw dtypeError`bernoulli: probabilities must be a float tensor, got ${p.dtype}. p.to("f32") converts.`;
  }
  const wrong = hostOutsider(p, 0, 1);
  if (wrong !== null) throw new RangeError(`bernoulli: probabilities must lie in 0 … 1, got ${wrong}.`);
  const drawn = cast(lt(uniforms("bernoulli", p.shape, "f32", {}), p), p.dtype);
  return hostRange(p) === null ? where(logicalAnd(ge(p, 0), le(p, 1)), drawn, Number.NaN) : drawn;
}
