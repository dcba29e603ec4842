// Arithmetic, comparison and choice: the elementwise ops that every derivative is made of.

import { dtypeError } from "../base/shape.ts";
import type { ElementwiseDefinition } from "../graph/definition.ts";
import { record, type Tensor } from "../graph/tensor.ts";
import {
  arithmetic,
  type Binary,
  binary,
  broadcast,
  checkNumber,
  checkOptions,
  comparison,
  convert,
  elementwise,
  expectTensor,
  floating,
  integral,
  keep,
  logical,
  type Operand,
  promoteOperands,
  same,
  type Unary,
  unary,
} from "./define.ts";

/** The parts of a real function besides its text, which defines name_f32. */
type RealFunction = Omit<Parameters<typeof unary>[1], "dtype" | "wgsl">;

/** Makes a function of a real number that helpers compute as `name_f32`. */
export function realFunction(name: string, options: RealFunction): Unary {
  return unary(name, { ...options, dtype: floating, wgsl: (t, x) => t.call(`${name}_f32`, x) });
}

/** The same for functions of two. */
export function realFunction2(name: string, options: RealFunction): Binary {
  return binary(name, { ...options, dtype: floating, wgsl: (t, x, y) => t.call(`${name}_f32`, x, y) });
}

/** WGSL: a NaN test on the bits, since compilers may assume that NaN never occurs. */
export const IS_NAN = "fn is_nan(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u); }";

const plainAdd = elementwise("add", {
  dtype: arithmetic,
  wgsl: (_t, x, y) => `${x} + ${y}`,
  reference: (x, y) => (x as number) + (y as number),
  derivative: (g) => [g, g],
  modular: true,
  // -0 + 0 would be 0. Drivers drop the 0 just the same, and without it what follows is one kernel less.
  neutral: [0, 0],
  adds: true,
});

/** Adds: x + alpha·y (default alpha 1). */
export function add(x: Tensor | number, y: Tensor | number, options?: { alpha?: number }): Tensor {
  return plainAdd(x, scaled("add", y, options));
}

const plainSub = elementwise("sub", {
  dtype: arithmetic,
  wgsl: (_t, x, y) => `${x} - ${y}`,
  reference: (x, y) => (x as number) - (y as number),
  derivative: (g) => [g, neg(g)],
  modular: true,
  neutral: [null, 0],
});

/** Subtracts: x - alpha·y (default alpha 1). */
export function sub(x: Tensor | number, y: Tensor | number, options?: { alpha?: number }): Tensor {
  return plainSub(x, scaled("sub", y, options));
}

function scaled(op: string, y: Tensor | number, options: { alpha?: number } | undefined): Tensor | number {
  if (options === undefined) return y;
  checkOptions(op, options, ["alpha"]);
  const alpha = checkNumber(op, "alpha", options.alpha ?? 1);
  if (alpha === 1) return y;
  return typeof y === "number" ? y * alpha : mul(y, alpha);
}

/** Multiplies: x · y. */
export const mul: (x: Tensor | number, y: Tensor | number) => Tensor = elementwise("mul", {
  dtype: arithmetic,
  wgsl: (_t, x, y) => `${x} * ${y}`,
  reference: (x, y) => (x as number) * (y as number),
  derivative: (g, _out, [x, y]) => [mul(g, y as Tensor), mul(g, x as Tensor)],
  modular: true,
  absorbing: 0,
  neutral: [1, 1],
  multiplies: true,
});

/** Changes the sign: -x. */
export const neg: Unary = unary("neg", {
  dtype: arithmetic,
  wgsl: (t, x) => (t.operand === "u32" ? `${t.number(0)} - ${x}` : `-(${x})`),
  reference: (x) => -(x as number),
  derivative: (g) => [neg(g)],
});

/** Quotient of real numbers, x / y: the plain case of `div`. */
export const trueDivide: (x: Tensor | number, y: Tensor | number) => Tensor = elementwise("div", {
  dtype: floating,
  wgsl: (_t, x, y) => `${x} / ${y}`,
  reference: (x, y) => (x as number) / (y as number),
  derivative: (g, out, [, y]) => [trueDivide(g, y as Tensor), neg(mul(trueDivide(g, y as Tensor), out))],
  cost: 4,
  neutral: [null, 1],
});

const floorFloat: Unary = unary("floor", {
  dtype: keep,
  wgsl: (_t, x) => `floor(${x})`,
  reference: (x) => Math.floor(x as number),
  derivative: (g) => [mul(g, 0)],
});

const truncFloat: Unary = unary("trunc", {
  dtype: keep,
  wgsl: (_t, x) => `trunc(${x})`,
  reference: (x) => Math.trunc(x as number),
  derivative: (g) => [mul(g, 0)],
});

/** Largest whole number ≤ x. Integers stay as they are. */
export function floor(x: Tensor): Tensor {
  return isWhole(expectTensor("floor", x)) ? same(x) : floorFloat(x);
}

/** x without its fraction. Integers stay as they are. */
export function trunc(x: Tensor): Tensor {
  return isWhole(expectTensor("trunc", x)) ? same(x) : truncFloat(x);
}

function isWhole(x: Tensor): boolean {
  return x.dtype !== "f32" && x.dtype !== "f16";
}

function compare(name: string, sign: string, reference: (x: number, y: number) => boolean): Binary {
  return binary(name, {
    dtype: comparison,
    wgsl: (_t, x, y) => `(${x} ${sign} ${y})`,
    reference: (x, y) => (reference(x as number, y as number) ? 1 : 0),
    derivative: null,
  });
}

/** x = y, as bool. */
export const eq: Binary = compare("eq", "==", (x, y) => x === y);
/** x ≠ y, as bool. */
export const ne: Binary = binary("ne", {
  dtype: comparison,
  // Drivers may compare ordered, where NaN ≠ x is false.
  wgsl: (_t, x, y) => `!(${x} == ${y})`,
  reference: (x, y) => (x !== y ? 1 : 0),
  derivative: null,
});
/** x < y, as bool. */
export const lt: Binary = compare("lt", "<", (x, y) => x < y);
/** x ≤ y, as bool. */
export const le: Binary = compare("le", "<=", (x, y) => x <= y);
/** x > y, as bool. */
export const gt: Binary = compare("gt", ">", (x, y) => x > y);
/** x ≥ y, as bool. */
export const ge: Binary = compare("ge", ">=", (x, y) => x >= y);

const choose: ElementwiseDefinition<Tensor> = {
  kind: "elementwise",
  name: "where",
  wgsl: (_t, x, y, c) => `select(${y}, ${x}, ${c})`,
  reference: (x, y, c) => (c !== 0 ? (x as number) : (y as number)),
  derivative: (g, _out, [, , c]) => [where(c as Tensor, g, 0), where(c as Tensor, 0, g), null],
  cost: 1,
};

/**
 * Takes `a` where `condition` holds and `b` elsewhere. All three broadcast. Throws a DTypeError unless the condition is
 * bool.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  expectTensor("where", condition, "the condition");
  if (condition.dtype !== "bool") {
    throw dtypeError`where: the condition must be bool, got ${condition.dtype}. x.ne(0) makes a condition of numbers.`;
  }
  const dtype = promoteOperands("where", [a, b]);
  const operands = [convert("where", a, dtype), convert("where", b, dtype), condition];
  return record(choose, operands, broadcast("where", operands), dtype);
}

function logicalOp(name: string, sign: string, reference: (x: boolean, y: boolean) => boolean): Binary {
  return binary(name, {
    dtype: logical,
    wgsl: (_t, x, y) => `(${x} ${sign} ${y})`,
    reference: (x, y) => (reference(x !== 0, y !== 0) ? 1 : 0),
    derivative: null,
  });
}

/** Both true (not 0), as bool. */
export const logicalAnd: Binary = logicalOp("logicalAnd", "&", (x, y) => x && y);
/** One or both true, as bool. */
export const logicalOr: Binary = logicalOp("logicalOr", "|", (x, y) => x || y);
/** Just one true, as bool. */
export const logicalXor: Binary = logicalOp("logicalXor", "!=", (x, y) => x !== y);

/** True where x is 0, as bool. */
export const logicalNot: Unary = unary("logicalNot", {
  dtype: logical,
  wgsl: (_t, x) => `!${x}`,
  reference: (x) => (x !== 0 ? 0 : 1),
  derivative: null,
});

function bitwise(name: string, sign: string, reference: (x: number, y: number) => number): Binary {
  return binary(name, {
    dtype: integral,
    wgsl: (t, x, y) => (t.operand === "bool" && sign === "^" ? `(${x} != ${y})` : `(${x} ${sign} ${y})`),
    reference: (x, y) => reference(x as number, y as number),
    derivative: null,
    modular: true,
  });
}

/** Bitwise and; of bools: logical. */
export const bitwiseAnd: Binary = bitwise("bitwiseAnd", "&", (x, y) => x & y);
/** Bitwise or; of bools: logical. */
export const bitwiseOr: Binary = bitwise("bitwiseOr", "|", (x, y) => x | y);
/** Bitwise exclusive or; of bools: logical. */
export const bitwiseXor: Binary = bitwise("bitwiseXor", "^", (x, y) => x ^ y);
