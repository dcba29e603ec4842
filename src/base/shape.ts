// Shapes: sizes, strides, broadcasting and dim arithmetic, with the errors that belong to them.

import { DTypeError, ShapeError, WgradError } from "./errors.ts";

/** The sizes of the dims of a tensor; `[]` for a single number. */
export type Shape = readonly number[];

/** Number of elements: the product of the sizes (1 for `[]`). */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i] as number;
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `[32, 784]` as errors print it. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

type ErrorTag<E> = (text: TemplateStringsArray, ...values: (string | number | Shape | undefined)[]) => E;

function tagOf<E>(Type: new (message: string, details: { op: string; shapes: Shape[] }) => E): ErrorTag<E> {
  return (text, ...values) => {
    const shapes: Shape[] = [];
    const printed = values.map((value) => {
      if (typeof value !== "object") return value;
      shapes.push(value);
      return formatShape(value);
    });
    const op = text[0] === "" ? values[0] : text[0]?.split(":")[0];
    return new Type(String.raw({ raw: text }, ...printed), { op: String(op), shapes });
  };
}

/** A ShapeError of a text that begins with its op: shapeError`${op}: …, got ${x.shape}.` prints shapes and keeps them as those at fault. */
export const shapeError: ErrorTag<ShapeError> = tagOf(ShapeError);
/** The same for dtypes. */
export const dtypeError: ErrorTag<DTypeError> = tagOf(DTypeError);
/** The same for what is neither. */
export const opError: ErrorTag<WgradError> = tagOf(WgradError);

/** Checks that `shape` is a list of whole sizes ≥ 0 and returns it. */
export function checkShape(op: string, shape: Shape): Shape {
  if (!Array.isArray(shape)) throw shapeError`${op}: a shape is an array of sizes, got ${String(shape ?? "nothing")}.`;
  for (const n of shape) {
    if (!Number.isInteger(n) || n < 0) {
      throw shapeError`${op}: sizes must be whole numbers ≥ 0, got ${shape}.`;
    }
  }
  if (sizeOf(shape) > 0x7fff_ffff) {
    throw shapeError`${op}: a tensor holds at most 2^31 - 1 elements, got ${shape}.`;
  }
  return shape;
}

/** NumPy's broadcasting of two or more shapes: aligned at the last dim, sizes equal or 1. */
export function broadcastShapes(op: string, ...shapes: Shape[]): Shape {
  const rank = Math.max(...shapes.map((s) => s.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const offset = rank - shape.length;
    for (let i = 0; i < shape.length; i++) {
      const n = shape[i] as number;
      const m = result[offset + i] as number;
      if (m === 1) result[offset + i] = n;
      else if (n !== 1 && n !== m) {
        throw new ShapeError(
          `${op}: shapes don't broadcast, got ${shapes.map(formatShape).join(" and ")} (${m} ≠ ${n} at dim ${offset + i}). ` +
            "Aligned at the last dim, sizes must be equal or 1.",
          { op, shapes },
        );
      }
    }
  }
  return result;
}

/** A possibly negative dim as an index into a shape of `rank` dims (a scalar counts as one dim, as in PyTorch). */
export function normalizeDim(op: string, dim: number, rank: number): number {
  const range = Math.max(rank, 1);
  if (!Number.isInteger(dim) || dim < -range || dim >= range) {
    throw new RangeError(
      `${op}: dim must be a whole number from ${-range} to ${range - 1} for ${rank} dims, got ${dimText(dim)}.`,
    );
  }
  return dim < 0 ? dim + range : dim;
}

function dimText(dim: unknown): string {
  if (dim === undefined) return "nothing";
  if (typeof dim === "string") return JSON.stringify(dim);
  if (Array.isArray(dim)) return `[${dim.map(dimText).join(", ")}]`;
  return typeof dim === "object" && dim !== null ? "an object" : String(dim);
}

/** One dim, several or none (all) as a sorted list without doubles. */
export function normalizeDims(op: string, dim: number | readonly number[] | null | undefined, rank: number): number[] {
  if (dim === undefined || dim === null) return Array.from({ length: rank }, (_, i) => i);
  const dims = (Array.isArray(dim) ? dim : [dim]).map((d) => normalizeDim(op, d, rank));
  if (new Set(dims).size !== dims.length) {
    throw new RangeError(`${op}: each dim may be named once, got [${dims.join(", ")}].`);
  }
  if (rank === 0) return [];
  return dims.sort((a, b) => a - b);
}

/** Resolves the one `-1` in a target shape of `reshape`. */
export function inferShape(op: string, from: Shape, to: Shape): Shape {
  const size = sizeOf(from);
  const unknown = to.indexOf(-1);
  if (unknown < 0) {
    checkShape(op, to);
    if (sizeOf(to) !== size) {
      throw shapeError`${op}: the number of elements must stay, got ${from} (${size}) → ${to} (${sizeOf(to)}).`;
    }
    return to;
  }
  const known = to.filter((_, i) => i !== unknown);
  checkShape(op, known);
  const rest = sizeOf(known);
  if (rest === 0 || size % rest !== 0) {
    throw shapeError`${op}: -1 in ${to} cannot be inferred from ${from} (${size} elements).`;
  }
  return to.map((n, i) => (i === unknown ? size / rest : n));
}
