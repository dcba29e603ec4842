// Quotients that are rounded: down, or towards 0.

import type { Tensor } from "../graph/tensor.ts";
import { mul, trueDivide } from "./arithmetic.ts";
import { arithmetic, type Binary, binary, convert, elementwise, promoteOperands } from "./define.ts";
import { FMOD } from "./rounding.ts";

// WGSL leaves division by zero of integers at x / 0 = x and x % 0 = 0: always defined, never a trap.
const truncateQuotient: Binary = binary("div", {
  dtype: arithmetic,
  wgsl: (_t, x, y) => `${x} / ${y}`,
  reference: (x, y) => (y === 0 ? (x as number) : Math.trunc((x as number) / (y as number))),
  derivative: null,
  cost: 8,
});

const FLOOR_DIVIDE = `fn floor_divide(x: i32, y: i32) -> i32 {
  let q = x / y;
  return select(q, q - 1, (x % y != 0) && ((x < 0) != (y < 0)));
}`;

const floorQuotient: Binary = binary("floorDivide", {
  dtype: arithmetic,
  wgsl: (t, x, y) => (t.operand === "i32" ? t.call("floor_divide", x, y) : `${x} / ${y}`),
  helpers: [FLOOR_DIVIDE],
  reference: (x, y) => (y === 0 ? (x as number) : Math.floor((x as number) / (y as number))),
  derivative: null,
  cost: 10,
});

const FLOAT_FLOOR_DIVIDE = `fn floor_divide_f32(x: f32, y: f32) -> f32 {
  if (abs(y) == 0.0) { return x / y; }
  let r = fmod_f32(x, y);
  var q = (x - r) / y;
  if (r != 0.0 && ((r < 0.0) != (y < 0.0))) { q = q - 1.0; }
  let f = floor(q);
  return select(f, f + 1.0, q - f > 0.5);
}`;

// From the exact remainder, as Python and PyTorch do: the rounded quotient may lie on the other side of a whole number.
const floatFloorQuotient = elementwise("floorDivide", {
  dtype: arithmetic,
  wgsl: (t, x, y) => t.call("floor_divide_f32", x, y),
  helpers: [...FMOD, FLOAT_FLOOR_DIVIDE],
  reference: (x, y) => floorDivideReference(x as number, y as number),
  derivative: (g) => [mul(g, 0), mul(g, 0)],
  cost: 48,
});

const floatTruncatedQuotient = elementwise("div", {
  dtype: arithmetic,
  wgsl: (_t, x, y) => `trunc(${x} / ${y})`,
  reference: (x, y) => Math.trunc((x as number) / (y as number)),
  derivative: (g) => [mul(g, 0), mul(g, 0)],
  cost: 5,
});

function floorDivideReference(x: number, y: number): number {
  if (y === 0) return x / y;
  const r = x % y;
  const q = (x - r) / y - (r !== 0 && r < 0 !== y < 0 ? 1 : 0);
  return Math.floor(q) + (q - Math.floor(q) > 0.5 ? 1 : 0);
}

/**
 * Divides: x / y, in f32 for integers. `roundingMode: "trunc"` and `"floor"` round the quotient and keep integers
 * integer. Throws a RangeError for another rounding mode.
 */
export function div(
  x: Tensor | number,
  y: Tensor | number,
  options: { roundingMode?: "trunc" | "floor" | null } = {},
): Tensor {
  return quotient("div", x, y, options.roundingMode ?? null);
}

function quotient(op: string, x: Tensor | number, y: Tensor | number, mode: "trunc" | "floor" | null): Tensor {
  if (mode === null) return trueDivide(x, y);
  if (mode !== "trunc" && mode !== "floor")
    throw new RangeError(`div: roundingMode must be "trunc", "floor" or null, got ${String(mode)}.`);
  const dtype = promoteOperands(op, [x, y]);
  if (dtype === "f32" || dtype === "f16")
    return mode === "trunc" ? floatTruncatedQuotient(x, y) : floatFloorQuotient(x, y);
  const [a, b] = [convert(op, x, dtype), convert(op, y, dtype)];
  return mode === "trunc" ? truncateQuotient(a, b) : floorQuotient(a, b);
}

/** ⌊x / y⌋. */
export function floorDivide(x: Tensor, y: Tensor | number): Tensor {
  return quotient("floorDivide", x, y, "floor");
}
