// What the optimizers' formulas share: checks of options, weight decay, moving averages. All numbers that may change are scalars.

import { add, mul, neg, scalar, type Tensor } from "../tensor.ts";

/** Throws unless the option is a number of at least 0. */
export function nonNegative(optimizer: string, options: object, ...names: string[]): void {
  for (const name of names) {
    const value = (options as Record<string, unknown>)[name];
    if (typeof value !== "number" || !(value >= 0)) {
      throw new RangeError(`${optimizer}: ${name} must be a number ≥ 0, got ${String(value)}.`);
    }
  }
}

/** Throws unless the option is a number, or each number of a list, within [0, 1). */
export function fraction(optimizer: string, name: string, value: number | readonly number[]): void {
  for (const one of typeof value === "number" ? [value] : value) {
    if (typeof one !== "number" || !(one >= 0 && one < 1)) {
      throw new RangeError(`${optimizer}: ${name} must be within [0, 1), got ${String(value)}.`);
    }
  }
}

/** Throws unless the option is two numbers within [0, 1). */
export function twoBetas(optimizer: string, betas: readonly [number, number]): void {
  if (!Array.isArray(betas) || betas.length !== 2) {
    throw new RangeError(`${optimizer}: betas must be two numbers, got ${String(betas)}.`);
  }
  fraction(optimizer, "betas", betas);
}

interface Decayed {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly group: { readonly weightDecay: number; readonly maximize: boolean };
}

/** ±g: the gradient of what is minimized. */
export function direction({ gradient, group }: Decayed): Tensor {
  return group.maximize ? neg(gradient) : gradient;
}

/** ±g + weightDecay · p: the gradient with an L2 penalty. */
export function penalized(update: Decayed): Tensor {
  const { parameter, group } = update;
  if (group.weightDecay === 0) return direction(update);
  return add(
    direction(update),
    mul(
      parameter,
      scalar(() => group.weightDecay),
    ),
  );
}

/** (1 - lr · weightDecay) · p: decoupled weight decay (Loshchilov and Hutter 2019). */
export function shrunk(parameter: Tensor, group: { readonly lr: number; readonly weightDecay: number }): Tensor {
  if (group.weightDecay === 0) return parameter;
  return mul(
    parameter,
    scalar(() => 1 - group.lr * group.weightDecay),
  );
}

/** beta · average + (1 - beta) · value, where beta is read anew at every step. */
export function moving(average: Tensor, value: Tensor, beta: () => number): Tensor {
  return add(
    mul(average, scalar(beta)),
    mul(
      value,
      scalar(() => 1 - beta()),
    ),
  );
}
