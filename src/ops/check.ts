// Checks of arguments and options, with errors that name who was called: what layers, optimizers, data and all else share with the ops.

import { ShapeError } from "../base/errors.ts";
import type { Shape } from "../base/shape.ts";
import { printed } from "./define.ts";

export { sameShape, sizeOf } from "../base/shape.ts";
export { checkChoice, listOf, refusePromise, withDefaults } from "./arguments.ts";
export { checkNumber, checkOptions, checkWhole, expectTensor, printed } from "./define.ts";

/** Returns `value`; throws a RangeError with the rule where it isn't `right`. */
export function demand<T>(op: string, name: string, value: T, right: boolean, rule: string): T {
  if (right) return value;
  throw new RangeError(`${op}: ${name} must be ${rule}, got ${printed(value)}.`);
}

/** Demands a number that is neither infinite nor NaN. */
export function checkFinite(op: string, name: string, value: number): number {
  return demand(op, name, value, Number.isFinite(value), "a finite number");
}

/** Demands a list. */
export function checkList<T>(op: string, name: string, value: readonly T[]): readonly T[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`${op}: ${name} must be a list, got ${printed(value)}.`);
}

/** Demands a function. */
export function checkFunction(op: string, name: string, value: unknown): void {
  if (typeof value !== "function") throw new TypeError(`${op}: ${name} must be a function, got ${printed(value)}.`);
}

/** An error about the shapes of tensors. */
export function misfit(op: string, rule: string, ...tensors: readonly { readonly shape: Shape }[]): ShapeError {
  return new ShapeError(`${op}: ${rule}`, { op, shapes: tensors.map(({ shape }) => shape) });
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
