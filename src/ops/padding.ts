// Padding in four modes.

import { castNumber } from "../base/dtype.ts";
import { checkShape, formatShape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkChoice, range, surrounded, withSize } from "./arguments.ts";
import { checkOptions, checkRepresentable, expectTensor, same } from "./define.ts";
import { cat } from "./joining.ts";
import { flip } from "./movement.ts";
import { expand } from "./views.ts";

/**
 * Adds elements around `x`: `pads` is [before, after] of the last dim, then of the one before, and so on; negative ones
 * crop. Mode "constant" (default) fills with `value` (default 0), "reflect" mirrors without the edge, "replicate"
 * repeats the edge, "circular" goes around. Throws a RangeError for pads that the mode cannot fill.
 */
export function pad(
  x: Tensor,
  pads: readonly number[],
  options: { mode?: "constant" | "reflect" | "replicate" | "circular"; value?: number } = {},
): Tensor {
  expectTensor("pad", x);
  checkOptions("pad", options, ["mode", "value"]);
  const mode = checkChoice("pad", "mode", options.mode ?? "constant", ["constant", "reflect", "replicate", "circular"]);
  const value = options.value ?? 0;
  if (typeof value !== "number") throw new TypeError(`pad: value must be a number, got ${String(value)}.`);
  checkRepresentable("pad", [value], x.dtype, 'x.to("f32") takes any number');
  if (!Array.isArray(pads) || pads.length % 2 !== 0 || pads.some((n) => !Number.isInteger(n))) {
    throw new RangeError(
      `pad: pads are whole numbers in pairs [before, after], last dim first, got ${Array.isArray(pads) ? `[${pads.join(", ")}]` : String(pads)}.`,
    );
  }
  if (pads.length / 2 > x.ndim) {
    throw shapeError`pad: more pairs of pads than dims, got ${pads.length / 2} for ${x.shape}.`;
  }
  const low = x.shape.map((_, i) => pads[2 * (x.ndim - 1 - i)] ?? 0);
  const high = x.shape.map((_, i) => pads[2 * (x.ndim - 1 - i) + 1] ?? 0);
  // Negative sizes have an error of their own.
  checkShape(
    "pad",
    x.shape.map((n, i) => Math.max(n + (low[i] as number) + (high[i] as number), 0)),
  );
  if (mode === "constant") {
    return surrounded(x, low, high, castNumber(value, x.dtype));
  }
  let result = x;
  x.shape.forEach((_, dim) => {
    result = padDim(result, dim, low[dim] as number, high[dim] as number, mode);
  });
  return result === x ? same(x) : result;
}

function padDim(x: Tensor, dim: number, low: number, high: number, mode: "reflect" | "replicate" | "circular"): Tensor {
  if (low === 0 && high === 0) return x;
  if (mode === "circular" && Math.min(low, high) < 0) {
    // Elements that are cut off are no part of the circle.
    const [first, length] = [Math.max(-low, 0), (x.shape[dim] as number) + Math.min(low, 0) + Math.min(high, 0)];
    if (length >= 0) return padDim(range(x, dim, first, length), dim, Math.max(low, 0), Math.max(high, 0), mode);
  }
  const size = x.shape[dim] as number;
  const most = mode === "reflect" ? size - 1 : mode === "circular" ? size : size === 0 ? 0 : Number.POSITIVE_INFINITY;
  if (Math.max(low, high) > most || size + low + high < 0) {
    throw new RangeError(`pad: mode "${mode}" cannot pad dim ${dim} of ${formatShape(x.shape)} by ${low} and ${high}.`);
  }
  const before = Math.max(low, 0);
  const after = Math.max(high, 0);
  const edge = (start: number, count: number): Tensor => expand(range(x, dim, start, 1), withSize(x.shape, dim, count));
  const parts: Tensor[] = [];
  if (before > 0) {
    if (mode === "reflect") parts.push(flip(range(x, dim, 1, before), [dim]));
    else parts.push(mode === "replicate" ? edge(0, before) : range(x, dim, size - before, before));
  }
  parts.push(x);
  if (after > 0) {
    if (mode === "reflect") parts.push(flip(range(x, dim, size - 1 - after, after), [dim]));
    else parts.push(mode === "replicate" ? edge(size - 1, after) : range(x, dim, 0, after));
  }
  const whole = cat(parts, { dim });
  const length = size + low + high;
  return range(whole, dim, Math.max(-low, 0), length);
}
