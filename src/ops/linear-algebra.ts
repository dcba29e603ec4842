// Products of matrices: every one is a sum of products, which the compiler recognizes as a contraction.

import type { ShapeError } from "../base/errors.ts";
import { broadcastShapes, checkShape, normalizeDim, type Shape, sameShape, shapeError, sizeOf } from "../base/shape.ts";
import { asking } from "../graph/asked.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkRank, dropDims, filled, insertDim, optionalTensor } from "./arguments.ts";
import { add, mul } from "./arithmetic.ts";
import { asHalf } from "./autocast.ts";
import { checkOptions, checkWhole, expectTensor, factorFor } from "./define.ts";
import { sumOver } from "./reductions.ts";
import { permute, reshape } from "./views.ts";

function innerError(op: string, a: Tensor, b: Tensor, k: number, l: number): ShapeError {
  const rank = b.ndim;
  let remedy = `The last dim of the first must equal the last ${rank >= 2 ? "but one " : ""}of the second.`;
  if (rank >= 2 && b.shape[rank - 1] === k) remedy = rank === 2 ? "b.t() would fit." : "b.transpose(-2, -1) would fit.";
  else if (a.ndim >= 2 && a.shape[a.ndim - 2] === l)
    remedy = a.ndim === 2 ? "a.t() would fit." : "a.transpose(-2, -1) would fit.";
  return shapeError`${op}: inner sizes differ: ${a.shape} × ${b.shape} (${k} ≠ ${l}). ${remedy}`;
}

/** a[B…, M, K] · b[B…, K, N] with equal batch dims, or with none at b. */
function contract(a: Tensor, b: Tensor): Tensor {
  const product = mul(insertDim(a, a.ndim), insertDim(b, b.ndim - 2));
  return summed(product, product.ndim - 2);
}

/** The sum over `dim`, which disappears. */
function summed(x: Tensor, dim: number): Tensor {
  return dropDims(sumOver(x, [dim]), [dim]);
}

/** Demands batch dims that broadcast. */
function checkBatches(op: string, a: Tensor, b: Tensor): void {
  const [first, second] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  for (let back = 1; back <= Math.min(first.length, second.length); back++) {
    const [m, n] = [first[first.length - back], second[second.length - back]];
    if (m === n || m === 1 || n === 1) continue;
    throw shapeError`${op}: batch dims don't broadcast: ${a.shape} × ${b.shape} (${m} ≠ ${n}). All dims but the last two must be equal or 1, aligned at the end.`;
  }
}

function multiply(op: string, x: Tensor, y: Tensor): Tensor {
  return asking(op, () => product(op, x, y));
}

function product(op: string, x: Tensor, y: Tensor): Tensor {
  const a = asHalf(expectTensor(op, x));
  const b = asHalf(expectTensor(op, y, "the second argument"));
  if (a.ndim === 0 || b.ndim === 0) {
    throw shapeError`${op}: needs vectors or matrices, got ${a.shape} × ${b.shape}. mul scales by a number.`;
  }
  const k = a.shape[a.ndim - 1] as number;
  const l = b.shape[Math.max(b.ndim - 2, 0)] as number;
  if (k !== l) throw innerError(op, a, b, k, l);
  if (b.ndim === 1) {
    const product = mul(a, b);
    return summed(product, product.ndim - 1);
  }
  if (a.ndim === 1) {
    const product = mul(insertDim(a, 1), b);
    return summed(product, product.ndim - 2);
  }
  const [m, n] = [a.shape[a.ndim - 2] as number, b.shape[b.ndim - 1] as number];
  const aBatch = a.shape.slice(0, -2);
  const bBatch = b.shape.slice(0, -2);
  const shape = checkShape(op, [...aBatch, m, n]);
  if (sizeOf(bBatch) === 1 && bBatch.length <= aBatch.length) {
    // One matrix for all batches: they are just more rows.
    const rows = reshape(a, [sizeOf(aBatch) * m, k]);
    return reshape(contract(rows, reshape(b, [k, n])), shape);
  }
  if (sameShape(aBatch, bBatch)) {
    const batch = sizeOf(aBatch);
    return reshape(contract(reshape(a, [batch, m, k]), reshape(b, [batch, k, n])), shape);
  }
  checkBatches(op, a, b);
  checkShape(op, [...broadcastShapes(op, aBatch, bBatch), m, n]);
  return contract(a, b);
}

/**
 * Multiplies matrices. Vectors and matrices are as in linear algebra; more dims in front are batches, which broadcast.
 * A vector on the left is a row, on the right a column, and its dim disappears. Throws a ShapeError if inner sizes
 * differ.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  return multiply("matmul", a, b);
}

const RANKS = ["a scalar", "a vector", "a matrix", "[B, M, K]"];

/** Demands two tensors of these ranks. */
function checkRanks(op: string, a: Tensor, b: Tensor, [first, second]: readonly [number, number]): void {
  checkRank(op, a, [first], RANKS[first] as string, "the first argument");
  checkRank(op, b, [second], second === 3 ? "[B, K, N]" : (RANKS[second] as string), "the second argument");
}

/** [M, K] · [K, N] → [M, N]; no broadcasting. */
export function mm(a: Tensor, b: Tensor): Tensor {
  checkRanks("mm", a, b, [2, 2]);
  return multiply("mm", a, b);
}

/** [B, M, K] · [B, K, N] → [B, M, N]; no broadcasting. */
export function bmm(a: Tensor, b: Tensor): Tensor {
  checkRanks("bmm", a, b, [3, 3]);
  if (a.shape[0] !== b.shape[0])
    throw shapeError`bmm: batch sizes differ: ${a.shape} × ${b.shape}. matmul broadcasts them.`;
  return multiply("bmm", a, b);
}

/** [M, K] · [K] → [M]. */
export function mv(a: Tensor, b: Tensor): Tensor {
  checkRanks("mv", a, b, [2, 1]);
  return multiply("mv", a, b);
}

/** Σ aᵢ bᵢ of two vectors. */
export function dot(a: Tensor, b: Tensor): Tensor {
  checkRanks("dot", a, b, [1, 1]);
  return multiply("dot", a, b);
}

/** aᵢ bⱼ of two vectors: [M], [N] → [M, N]. */
export function outer(a: Tensor, b: Tensor): Tensor {
  checkRanks("outer", a, b, [1, 1]);
  checkShape("outer", [a.numel, b.numel]);
  return mul(insertDim(a, 1), b);
}

/**
 * Computes x · weightᵀ + bias: [..., in], [out, in], [out] → [..., out]. A weight [in] (and a scalar bias) gives [...].
 * Throws a ShapeError if the sizes differ.
 */
export function linear(x: Tensor, weight: Tensor, options: { bias?: Tensor | null } = {}): Tensor {
  const op = "linear";
  checkOptions(op, options, ["bias"]);
  expectTensor(op, x);
  checkRank(op, weight, [1, 2], "[out, in] or [in]", "the weight");
  const inputs = weight.shape[weight.ndim - 1] as number;
  if (x.ndim === 0 || x.shape[x.ndim - 1] !== inputs) {
    const flat = x.ndim > 1 && sizeOf(x.shape.slice(1)) === inputs ? " x.flatten({ startDim: 1 }) would fit." : "";
    throw shapeError`${op}: the last dim of the input must be ${inputs}, got ${x.shape} for weight ${weight.shape}.${flat}`;
  }
  const outShape = weight.shape.slice(0, -1);
  const given = optionalTensor(op, "bias", options.bias, outShape);
  const bias = given === null ? null : asHalf(given);
  const batch = x.shape.slice(0, -1);
  const rows = reshape(asHalf(x), weight.ndim === 2 ? [sizeOf(batch), 1, inputs] : [sizeOf(batch), inputs]);
  const total = asking("matmul", () => {
    const products = mul(rows, asHalf(weight));
    return sumOver(products, [products.ndim - 1]);
  });
  const result = reshape(total, [sizeOf(batch), ...outShape]);
  const shape = [...batch, ...outShape];
  return reshape(bias === null ? result : add(result, bias), shape);
}

/** Computes x1ᵢ Wₒᵢⱼ x2ⱼ + bₒ: [..., I], [..., J], weight [O, I, J] → [..., O]. Throws a ShapeError if sizes differ. */
export function bilinear(x1: Tensor, x2: Tensor, weight: Tensor, options: { bias?: Tensor | null } = {}): Tensor {
  const op = "bilinear";
  checkOptions(op, options, ["bias"]);
  checkRank(op, weight, [3], "[out, in1, in2]", "the weight");
  const [outputs, in1, in2] = weight.shape as readonly [number, number, number];
  expectTensor(op, x1);
  expectTensor(op, x2, "the second argument");
  const batch = x1.shape.slice(0, -1);
  if (
    x1.ndim === 0 ||
    x1.shape[x1.ndim - 1] !== in1 ||
    x2.shape[x2.ndim - 1] !== in2 ||
    !sameShape(batch, x2.shape.slice(0, -1))
  ) {
    throw shapeError`${op}: needs [*, ${in1}] and [*, ${in2}] for weight ${weight.shape}, got ${x1.shape} and ${x2.shape}.`;
  }
  const bias = optionalTensor(op, "bias", options.bias, [outputs]);
  const n = sizeOf(batch);
  const columns = reshape(permute(weight, [1, 0, 2]), [in1, outputs * in2]);
  const half = reshape(contract(reshape(x1, [n, in1]), columns), [n, outputs, in2]);
  const result = summed(mul(half, reshape(x2, [n, 1, in2])), 2);
  return reshape(bias === null ? result : add(result, bias), [...batch, outputs]);
}

function scaledSum(op: string, input: Tensor, product: Tensor, options: { beta?: number; alpha?: number }): Tensor {
  const factors = filled(op, options, { beta: 1, alpha: 1 });
  expectTensor(op, input);
  const alpha = factorFor(factors.alpha, input, product);
  const beta = factorFor(factors.beta, input, product);
  if (!sameShape(broadcastShapes(op, input.shape, product.shape), product.shape)) {
    throw shapeError`${op}: the input must broadcast to ${product.shape}, got ${input.shape}.`;
  }
  const scaled = alpha === 1 ? product : mul(product, alpha);
  // beta = 0 means that the input doesn't count, NaN or not.
  if (beta === 0) return scaled;
  const x = asHalf(input);
  return add(beta === 1 ? x : mul(x, beta), scaled);
}

/** beta · input + alpha · (mat1 · mat2) (both default 1, of integers cut to whole numbers); the input broadcasts. */
export function addmm(
  input: Tensor,
  mat1: Tensor,
  mat2: Tensor,
  options: { beta?: number; alpha?: number } = {},
): Tensor {
  checkRank("addmm", mat1, [2], "a matrix", "mat1");
  checkRank("addmm", mat2, [2], "a matrix", "mat2");
  return scaledSum("addmm", input, multiply("addmm", mat1, mat2), options);
}

/** beta · input + alpha · (batch1 · batch2) (both default 1, as in `addmm`) of [B, M, K] and [B, K, N]; the input broadcasts. */
export function baddbmm(
  input: Tensor,
  batch1: Tensor,
  batch2: Tensor,
  options: { beta?: number; alpha?: number } = {},
): Tensor {
  return scaledSum("baddbmm", input, bmm(batch1, batch2), options);
}

/**
 * Sums products over dims of both: `dims: n` (default 2) joins the last n dims of `a` with the first n of `b`, `dims:
 * [ofA, ofB]` the listed ones. The result has the other dims of a, then those of b. Throws a ShapeError if joined sizes
 * differ.
 */
export function tensordot(
  a: Tensor,
  b: Tensor,
  options: { dims?: number | readonly [readonly number[], readonly number[]] } = {},
): Tensor {
  const op = "tensordot";
  checkOptions(op, options, ["dims"]);
  expectTensor(op, a);
  expectTensor(op, b, "the second argument");
  const dims = options.dims ?? 2;
  let ofA: number[];
  let ofB: number[];
  if (typeof dims === "number") {
    checkWhole(op, "dims", dims, 0);
    if (dims > a.ndim || dims > b.ndim)
      throw new RangeError(`${op}: dims must be at most ${Math.min(a.ndim, b.ndim)} here, got ${dims}.`);
    ofA = Array.from({ length: dims }, (_, i) => a.ndim - dims + i);
    ofB = Array.from({ length: dims }, (_, i) => i);
  } else {
    if (!Array.isArray(dims) || dims.length !== 2)
      throw new RangeError(`${op}: dims are a number or two lists, got ${String(dims)}.`);
    ofA = dims[0].map((d: number) => normalizeDim(op, d, a.ndim));
    ofB = dims[1].map((d: number) => normalizeDim(op, d, b.ndim));
  }
  const fits = ofA.length === ofB.length && new Set(ofA).size === ofA.length && new Set(ofB).size === ofB.length;
  if (!fits || ofA.some((d, i) => a.shape[d] !== b.shape[ofB[i] as number])) {
    throw shapeError`${op}: joined sizes must be equal, got dims [${ofA.join(", ")}] of ${a.shape} and [${ofB.join(", ")}] of ${b.shape}.`;
  }
  const restA = [...a.shape.keys()].filter((d) => !ofA.includes(d));
  const restB = [...b.shape.keys()].filter((d) => !ofB.includes(d));
  const sizes = (x: Tensor, list: number[]): Shape => list.map((d) => x.shape[d] as number);
  const inner = sizeOf(sizes(a, ofA));
  const left = reshape(permute(a, [...restA, ...ofA]), [sizeOf(sizes(a, restA)), inner]);
  const right = reshape(permute(b, [...ofB, ...restB]), [inner, sizeOf(sizes(b, restB))]);
  const shape = checkShape(op, [...sizes(a, restA), ...sizes(b, restB)]);
  return reshape(contract(left, right), shape);
}

/**
 * Computes the Kronecker product: every element of `a` times all of `b`, as blocks. Missing dims count as 1, in front.
 */
export function kron(a: Tensor, b: Tensor): Tensor {
  expectTensor("kron", a);
  expectTensor("kron", b, "the second argument");
  const rank = Math.max(a.ndim, b.ndim);
  const full = (x: Tensor): number[] => [...new Array<number>(rank - x.ndim).fill(1), ...x.shape];
  const [sizesA, sizesB] = [full(a), full(b)];
  const shape = checkShape(
    "kron",
    sizesA.map((n, i) => n * (sizesB[i] as number)),
  );
  const left = reshape(
    a,
    sizesA.flatMap((n) => [n, 1]),
  );
  const right = reshape(
    b,
    sizesB.flatMap((n) => [1, n]),
  );
  return reshape(mul(left, right), shape);
}
