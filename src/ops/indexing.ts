// Reading by index: gather and what is made of it, and counting indices.

import { broadcastShapes, checkShape, dtypeError, shapeError } from "../base/shape.ts";
import { type Tensor, withGrad } from "../graph/tensor.ts";
import { checkRank, corner, dimOf, filled, insertDim, withSize } from "./arguments.ts";
import { add, gt, lt, mul, ne, trueDivide, where } from "./arithmetic.ts";
import {
  cast,
  checkNumber,
  checkOptions,
  convert,
  elementwise,
  expectTensor,
  floating,
  type Operand,
} from "./define.ts";
import { gatherAlong, pickRows } from "./gathering.ts";
import { checkIndex, hostRange } from "./host-values.ts";
import { countIndices } from "./index-kernels.ts";
import { norm } from "./norms.ts";
import { expand, reshape } from "./views.ts";

/** Demands that `index` has the rank of `x` and is nowhere larger but along `dim`. */
export function checkIndexShape(op: string, x: Tensor, dim: number, index: Tensor, what: string): void {
  if (index.ndim !== x.ndim || index.shape.some((n, i) => i !== dim && n > (x.shape[i] as number))) {
    throw shapeError`${op}: the index must have ${x.ndim} dims, none but dim ${dim} larger than ${what}'s, got ${index.shape} for ${x.shape}.`;
  }
}

/** The first elements of `x` in each dim but `dim`, as many as the index has. */
export function narrowTo(x: Tensor, dim: number, index: Tensor): Tensor {
  return corner(x, withSize(index.shape, dim, x.shape[dim] as number));
}

/**
 * Picks an element by an index for each: out[i][j] = x[index[i][j]][j] for dim 0, and so on. The result has the shape
 * of the index. A scalar counts as a vector of one element. Throws a DTypeError unless the index is integer, and a
 * RangeError if it is out of range. If only the device knows the index, a wrong one gives NaN (of i32 -2^31, of u32
 * 2^32 - 1, of bool false), and nothing gets its gradient.
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  const op = "gather";
  expectTensor(op, x);
  expectTensor(op, index, "the index");
  if (x.ndim === 0 && index.ndim <= 1) {
    return reshape(gather(reshape(x, [1]), dim, reshape(index, [index.numel])), index.shape);
  }
  const at = dimOf(op, x, dim);
  checkIndexShape(op, x, at, index, "the input");
  checkIndex(op, index, x.shape[at] as number);
  return gatherAlong(narrowTo(x, at, index), at, index);
}

/** Picks slices along `dim` by a list of indices [T]. Indices are checked as in `gather`. */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  const op = "indexSelect";
  if (expectTensor(op, x).ndim === 0 && index.numel === 1) return reshape(indexSelect(reshape(x, [1]), dim, index), []);
  const at = dimOf(op, x, dim);
  checkRank(op, index, [0, 1], "a vector", "the index");
  checkIndex(op, index, x.shape[at] as number);
  checkShape(op, withSize(x.shape, at, index.numel));
  return pickRows(x, at, reshape(index, [index.numel]));
}

/**
 * Picks elements of the flattened tensor; negative indices count from the end. The result has the shape of the index.
 * Indices are checked as in `gather`.
 */
export function take(x: Tensor, index: Tensor): Tensor {
  const size = expectTensor("take", x).numel;
  checkIndex("take", index, size, -size);
  const known = hostRange(index);
  const unsigned = index.dtype === "u32" || (known !== null && known[0] >= 0);
  const places = unsigned ? index : where(lt(index, 0), add(index, size), index);
  return reshape(pickRows(reshape(x, [size]), 0, reshape(places, [index.numel])), index.shape);
}

/**
 * Picks elements along `dim` by an index that broadcasts with `x` in the other dims, such as argmax and argsort give.
 * Without `dim`, flattens both. Indices are checked as in `gather`.
 */
export function takeAlongDim(x: Tensor, index: Tensor, options: { dim?: number } = {}): Tensor {
  const op = "takeAlongDim";
  checkOptions(op, options, ["dim"]);
  expectTensor(op, x);
  expectTensor(op, index, "the index");
  if (options.dim === undefined) return take(x, reshape(index, [index.numel]));
  const dim = dimOf(op, x, options.dim);
  if (index.ndim !== x.ndim) {
    throw shapeError`${op}: the index must have ${x.ndim} dims, got ${index.shape} for ${x.shape}.`;
  }
  checkIndex(op, index, x.shape[dim] as number);
  const common = broadcastShapes(op, withSize(x.shape, dim, 1), withSize(index.shape, dim, 1));
  const grown = (t: Tensor): Tensor => expand(t, withSize(common, dim, t.shape[dim] as number));
  return gatherAlong(grown(x), dim, grown(index));
}

// PyTorch overwrites rows that are too long, so their gradient is that of the new row.
const scaledValue = elementwise("scaledValue", {
  dtype: floating,
  wgsl: (_t, x, factor) => `${x} * ${factor}`,
  reference: (x, factor) => (x as number) * (factor as number),
  derivative: (g) => [g, null],
});

const scaledGradient = elementwise("scaledGradient", {
  dtype: floating,
  wgsl: (_t, x) => x,
  reference: (x) => x as number,
  derivative: (g, _out, [, factor]) => [mul(g, factor as Tensor), null],
  cost: 0,
});

export interface EmbeddingOptions {
  /** The row (negative: from the end) that gets no gradient. */
  readonly paddingIdx?: number | null;
  /** Rows that are longer are read as if they had this length (the weight itself stays as it is, other than in PyTorch). */
  readonly maxNorm?: number | null;
  /** The p of the lengths for `maxNorm`. Default 2. */
  readonly normType?: number;
  /** Divides a row's gradient by how often the row is read. Default false. */
  readonly scaleGradByFreq?: boolean;
}

/**
 * Looks up rows of `weight` [V, D] by index: [*] → [*, D]. Throws a DTypeError unless the indices are integer, and a
 * RangeError if they are out of range. If only the device knows the indices, the rows of wrong ones are NaN.
 */
export function embedding(indices: Tensor, weight: Tensor, options: EmbeddingOptions = {}): Tensor {
  const op = "embedding";
  const {
    paddingIdx: padding,
    maxNorm,
    normType: p,
    scaleGradByFreq,
  } = filled(op, options, {
    paddingIdx: null,
    maxNorm: null,
    normType: 2,
    scaleGradByFreq: false,
  });
  expectTensor(op, indices, "the indices");
  checkRank(op, weight, [2], "[numEmbeddings, embeddingDim]", "the weight");
  const [rows, width] = weight.shape as readonly [number, number];
  checkIndex(op, indices, rows);
  const list = reshape(indices, [indices.numel]);
  const shape = checkShape(op, [...indices.shape, width]);
  let found = pickRows(weight, 0, list);
  const learns = found.requiresGrad;
  if (maxNorm !== null) {
    checkNumber(op, "maxNorm", maxNorm);
    const length = withGrad(false, () => norm(found, { p, dim: 1, keepdim: true }));
    const factor = where(gt(length, maxNorm), trueDivide(maxNorm, add(length, 1e-7)), 1);
    found = scaledValue(found, factor);
  }
  if (learns && scaleGradByFreq) {
    const times = reshape(pickRows(countIndices(list, rows), 0, list), [list.numel, 1]);
    found = scaledGradient(found, trueDivide(1, cast(times, found.dtype)));
  }
  if (padding === null) return reshape(found, shape);
  if (!Number.isInteger(padding) || padding < -rows || padding >= rows) {
    throw new RangeError(`${op}: paddingIdx must be within the ${rows} rows, got ${padding}.`);
  }
  if (!learns) return reshape(found, shape);
  const fixed = withGrad(false, () => pickRows(weight, 0, list));
  const learned = insertDim(ne(list, padding < 0 ? padding + rows : padding), 1);
  return reshape(where(learned, found, fixed), shape);
}

/**
 * Puts `value` where `mask` holds and keeps `x` elsewhere, in the dtype of x. Mask and x broadcast. Throws a DTypeError
 * unless the mask is bool.
 */
export function maskedFill(x: Tensor, mask: Tensor, value: Operand): Tensor {
  const op = "maskedFill";
  expectTensor(op, x);
  expectTensor(op, mask, "the mask");
  if (mask.dtype !== "bool") {
    throw dtypeError`${op}: the mask must be bool, got ${mask.dtype}. mask.ne(0) makes one of numbers.`;
  }
  broadcastShapes(op, x.shape, mask.shape);
  if (typeof value === "number" || typeof value === "boolean") return where(mask, convert(op, value, x.dtype), x);
  if (expectTensor(op, value, "the value").ndim !== 0) {
    throw shapeError`${op}: the value must be a number or a scalar, got ${value.shape}. where(mask, value, x) takes tensors.`;
  }
  return where(mask, cast(value, x.dtype), x);
}
