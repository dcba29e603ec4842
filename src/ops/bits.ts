// Bits of integers: complement and shifts.

import { isFloat } from "../base/dtype.ts";
import { dtypeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { logicalNot } from "./arithmetic.ts";
import { type Binary, binary, type DTypeRule, expectTensor, integral, type Unary, unary } from "./define.ts";

const complement: Unary = unary("bitwiseNot", {
  dtype: integral,
  wgsl: (_t, x) => `~${x}`,
  reference: (x) => ~(x as number),
  derivative: null,
});

/** Bitwise complement; of bools: logical. Throws a DTypeError for floats. */
export function bitwiseNot(x: Tensor): Tensor {
  return expectTensor("bitwiseNot", x).dtype === "bool" ? logicalNot(x) : complement(x);
}

/** Integers; bool counts as i32. */
const shiftable: DTypeRule = (op, d) => {
  if (isFloat(d)) throw dtypeError`${op}: operands must be integer tensors, got ${d}. x.to("i32") converts.`;
  return d === "bool" ? { operand: "i32", result: "i32" } : { operand: d, result: d };
};

// WGSL takes shifts modulo 32; beyond the width all bits are gone (or all are the sign). A negative y counts as beyond.
const SHIFTS = `fn shift_left_i32(x: i32, y: i32) -> i32 { return select(0, x << (bitcast<u32>(y) & 31u), bitcast<u32>(y) < 32u); }
fn shift_left_u32(x: u32, y: u32) -> u32 { return select(0u, x << (y & 31u), y < 32u); }
fn shift_right_i32(x: i32, y: i32) -> i32 { return x >> min(bitcast<u32>(y), 31u); }
fn shift_right_u32(x: u32, y: u32) -> u32 { return select(0u, x >> (y & 31u), y < 32u); }`;

const beyond = (y: number): boolean => !(y >= 0 && y < 32);

/** x · 2^y in integers; 0 where y is negative or beyond 31. Throws a DTypeError for floats. */
export const bitwiseLeftShift: Binary = binary("bitwiseLeftShift", {
  dtype: shiftable,
  wgsl: (t, x, y) => t.call(`shift_left_${t.operand}`, x, y),
  helpers: [SHIFTS],
  reference: (x, y) => (beyond(y as number) ? 0 : (x as number) << (y as number)),
  derivative: null,
  cost: 3,
});

/** ⌊x / 2^y⌋ in integers; only the sign is left where y is negative or beyond 31. Throws a DTypeError for floats. */
export const bitwiseRightShift: Binary = binary("bitwiseRightShift", {
  dtype: shiftable,
  wgsl: (t, x, y) => t.call(`shift_right_${t.operand}`, x, y),
  helpers: [SHIFTS],
  reference: (x, y) => Math.floor((x as number) / 2 ** (beyond(y as number) ? 32 : (y as number))),
  derivative: null,
  cost: 3,
});
