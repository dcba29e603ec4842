// Checks of arguments that several composite ops share: sizes per dim, ranks, choices, optional tensors.

import { isFloat } from "../base/dtype.ts";
import { ShapeError } from "../base/errors.ts";
import { dtypeError, normalizeDim, normalizeDims, type Shape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkNumber, checkOptions, checkWhole, expectTensor, printed } from "./define.ts";
import { padded, reshape, strided } from "./views.ts";

/** One dim, several, or all (null, left out or an empty list). */
export type Dims = number | readonly number[] | null;

/** One number for all spatial dims, or one each. */
export type Size = number | readonly number[];

/** The dims that a reduction over `dim` takes, in order; an empty list means all, as in PyTorch. */
export function reducedDims(op: string, dim: Dims | undefined, rank: number): number[] {
  return normalizeDims(op, Array.isArray(dim) && dim.length === 0 ? null : dim, rank);
}

/** Throws a TypeError unless a reduction's `keepdim` is a boolean: it is an argument of its own, not an option. */
export function checkKeepdim(op: string, keepdim: unknown): void {
  if (typeof keepdim === "boolean") return;
  throw new TypeError(`${op}: keepdim must be true or false, got ${printed(keepdim)}. x.${op}(1, true) keeps the dim.`);
}

/** Removes the reduced `dims`, which have size 1, unless they are to be kept. */
export function finishReduction(x: Tensor, dims: readonly number[], keepdim: boolean): Tensor {
  return keepdim || dims.length === 0 ? x : dropDims(x, dims);
}

/** `x` without `dims`, which have size 1. */
export function dropDims(x: Tensor, dims: readonly number[]): Tensor {
  return reshape(
    x,
    x.shape.filter((_, i) => !dims.includes(i)),
  );
}

/** `x` with a dim of size 1 at `dim`. */
export function insertDim(x: Tensor, dim: number): Tensor {
  return reshape(x, [...x.shape.slice(0, dim), 1, ...x.shape.slice(dim)]);
}

/** A shape of `rank` dims that is 1 but for `size` at `dim`. */
export function alongDim(rank: number, dim: number, size: number): number[] {
  const shape = new Array<number>(rank).fill(1);
  if (rank > 0) shape[dim] = size;
  return shape;
}

/** `shape` with another size of one dim. */
export function withSize(shape: Shape, dim: number, size: number): number[] {
  return shape.map((n, i) => (i === dim ? size : n));
}

/** The first elements of each dim, as many as `shape` says. */
export function corner(x: Tensor, shape: Shape): Tensor {
  const zeros = shape.map(() => 0);
  const ones = shape.map(() => 1);
  return strided(x, zeros, ones, shape);
}

/** `length` elements along `dim` from `start` on, `step` apart: the caller has checked the range. */
export function range(x: Tensor, dim: number, start: number, length: number, step: number = 1): Tensor {
  const zeros = x.shape.map(() => 0);
  const ones = x.shape.map(() => 1);
  return strided(x, withSize(zeros, dim, start), withSize(ones, dim, step), withSize(x.shape, dim, length));
}

/** Adds `low` elements before and `high` after those of each dim, all `fill`; negative ones crop. */
export function surrounded(x: Tensor, low: readonly number[], high: readonly number[], fill: number): Tensor {
  const none = x.shape.map(() => 0);
  return padded(x, low, high, none, fill);
}

/** Adds elements before and after those along one dim. */
export function surroundedAlong(x: Tensor, dim: number, low: number, high: number, fill: number): Tensor {
  const zeros = x.shape.map(() => 0);
  return surrounded(x, withSize(zeros, dim, low), withSize(zeros, dim, high), fill);
}

/** A number alone, or a list, as a list of its own. */
export function listOf(op: string, name: string, value: number | readonly number[]): number[] {
  if (typeof value === "number") return [value];
  if (Array.isArray(value)) return [...value];
  throw new TypeError(`${op}: ${name} must be a number or a list of numbers, got ${printed(value)}.`);
}

/** Whole numbers ≥ `least`: one for all of `count` dims (alone or as a list of one), or one each. */
export function checkSizes(op: string, name: string, value: Size, count: number, least: number): number[] {
  if (typeof value === "number") return new Array<number>(count).fill(checkWhole(op, name, value, least));
  if (!Array.isArray(value) || (value.length !== count && value.length !== 1)) {
    throw new RangeError(`${op}: ${name} must be a number or a list of ${count}, got ${printed(value)}.`);
  }
  if (value.length !== count) return checkSizes(op, name, value[0] as number, count, least);
  return value.map((n: number) => checkWhole(op, name, n, least));
}

/** Options as given or, where they are left out, by default. */
export type Complete<Given, Defaults> = {
  [K in keyof Defaults]: Defaults[K] | (K extends keyof Given ? NonNullable<Given[K]> : never);
};

/** The options that have `defaults`; throws where one is given that is neither among these nor named in `others`. */
export function withDefaults<
  Given extends object,
  Defaults extends { readonly [K in keyof Given]?: Given[K] | null | undefined },
>(op: string, options: Given | undefined, defaults: Defaults, ...others: string[]): Complete<Given, Defaults> {
  checkOptions(op, options, [...Object.keys(defaults), ...others]);
  const given = (options ?? {}) as Defaults;
  const entries = Object.entries(defaults).map(([name, value]) => [name, given[name as keyof Defaults] ?? value]);
  return Object.fromEntries(entries) as Complete<Given, Defaults>;
}

/** Returns the options of an op, with `defaults` for those that were left out. */
export type Filled<Options, Defaults> = {
  readonly [Name in keyof Options]-?: Exclude<Options[Name], null | undefined> | Defaults[Name & keyof Defaults];
};

/** The same of an op, whose options all have defaults. Throws also where the default is a number and the option is none. */
export function filled<
  Options extends object,
  const Defaults extends { readonly [Name in keyof Options]-?: Options[Name] | null },
>(op: string, options: Options, defaults: Defaults): Filled<Options, Defaults> {
  const all = withDefaults(op, options as Readonly<Record<string, unknown>>, defaults as Record<string, unknown>);
  for (const [name, value] of Object.entries(defaults))
    if (typeof value === "number") checkNumber(op, name, all[name] as number);
  return all as Filled<Options, Defaults>;
}

/** Demands one of `choices`. */
export function checkChoice<T extends string>(op: string, name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  throw new RangeError(`${op}: ${name} must be ${choices.map((c) => `"${c}"`).join(", ")}, got ${printed(value)}.`);
}

/** Demands that `x` is a tensor with one of the ranks that `form` describes. */
export function checkRank(op: string, x: Tensor, ranks: readonly number[], form: string, what = "the input"): Tensor {
  expectTensor(op, x, what);
  if (ranks.includes(x.ndim)) return x;
  throw shapeError`${op}: ${what} must be ${form}, got ${x.shape}.`;
}

/** Demands an image of `spatial` dims behind the channels, with a batch in front or without. */
export function checkImage(op: string, x: Tensor, spatial: number): Tensor {
  const names = ["L", "H, W", "D, H, W"][spatial - 1];
  return checkRank(op, x, [spatial + 1, spatial + 2], `[N, C, ${names}] or [C, ${names}]`);
}

/** Demands that `x` is a float tensor. */
export function checkFloat(op: string, x: Tensor, what = "the input"): Tensor {
  expectTensor(op, x, what);
  if (isFloat(x.dtype)) return x;
  throw dtypeError`${op}: ${what} must be a float tensor, got ${x.dtype}. x.to("f32") converts.`;
}

/** An optional tensor of just this shape, or null. */
export function optionalTensor(
  op: string,
  name: string,
  value: Tensor | null | undefined,
  shape: Shape,
): Tensor | null {
  if (value === undefined || value === null) return null;
  expectTensor(op, value, name);
  if (value.ndim === shape.length && value.shape.every((n, i) => n === shape[i])) return value;
  throw shapeError`${op}: ${name} must be ${shape}, got ${value.shape}.`;
}

/** `dim` of a tensor that has at least one; throws a ShapeError for a scalar. */
export function dimOf(op: string, x: Tensor, dim: number): number {
  if (expectTensor(op, x).ndim === 0)
    throw new ShapeError(`${op}: needs at least one dim, got a scalar. x.reshape([1]) has one.`, {
      op,
      shapes: [x.shape],
    });
  return normalizeDim(op, dim, x.ndim);
}

/**
 * Throws a TypeError where a function that must be synchronous has returned a promise: what it does after an `await` comes too late. Should the
 * promise be rejected, nobody is left to hear of it, and that must not end the program.
 */
export function refusePromise(op: string, result: unknown, what = "the function"): void {
  if (typeof result !== "object" || result === null || !("then" in result) || typeof result.then !== "function") return;
  Promise.resolve(result).catch(() => undefined);
  throw new TypeError(`${op}: ${what} must be synchronous, got a promise. Await what it returns instead.`);
}
