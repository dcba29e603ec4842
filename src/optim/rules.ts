// Shared by the formulas of the optimizers: checks of options, weight decay, moving averages. All numbers that may change are scalars.

import { demand } from "../ops/check.ts";
import { add, mul, neg, scalar, square, type Tensor } from "../tensor.ts";

/** Options that must not be negative, whichever optimizer has them. */
const NON_NEGATIVE = [
  "lr",
  "eps",
  "weightDecay",
  "momentum",
  "momentumDecay",
  "alpha",
  "lrDecay",
  "initialAccumulatorValue",
] as const;

/** Throws where an option that must not be negative is, and unless betas are two numbers within [0, 1). */
export function checkUsual(optimizer: string, options: object & { betas?: readonly number[] }): void {
  for (const name of NON_NEGATIVE) {
    if (!(name in options)) continue;
    const value = (options as Record<string, unknown>)[name];
    demand(optimizer, name, value, typeof value === "number" && value >= 0, "a number ≥ 0");
  }
  if (!("betas" in options)) return;
  const { betas } = options;
  demand(optimizer, "betas", betas, Array.isArray(betas) && betas.length === 2, "two numbers");
  for (const beta of betas ?? []) fraction(optimizer, "betas", beta);
}

/** Throws unless the option is a number within [0, 1). */
export function fraction(optimizer: string, name: string, value: number): void {
  demand(optimizer, name, value, typeof value === "number" && value >= 0 && value < 1, "within [0, 1)");
}

interface Decayed {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly group: { readonly lr: number; readonly weightDecay: number; readonly maximize: boolean };
}

/** x times a number that is read anew at every step. */
export function scaled(x: Tensor, factor: () => number): Tensor {
  return mul(x, scalar(factor));
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
    scaled(parameter, () => group.weightDecay),
  );
}

/** (1 - lr · weightDecay) · p: decoupled weight decay (Loshchilov and Hutter 2019). */
export function shrunk({ parameter, group }: Decayed): Tensor {
  if (group.weightDecay === 0) return parameter;
  return scaled(parameter, () => 1 - group.lr * group.weightDecay);
}

/** Parameter and gradient with weight decay of either kind. */
export function decayed(update: Decayed, decoupled: boolean): { parameter: Tensor; gradient: Tensor } {
  return decoupled
    ? { parameter: shrunk(update), gradient: direction(update) }
    : { parameter: update.parameter, gradient: penalized(update) };
}

/** beta · average + (1 - beta) · value, where beta is read anew at every step. */
export function moving(average: Tensor, value: Tensor, beta: () => number): Tensor {
  return add(
    scaled(average, beta),
    scaled(value, () => 1 - beta()),
  );
}

/** Adam's averages: m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g². */
export function moments(
  { state, group }: { state: Averages; group: { readonly betas: readonly [number, number] } },
  gradient: Tensor,
): Averages {
  return {
    exp_avg: moving(state.exp_avg, gradient, () => group.betas[0]),
    exp_avg_sq: moving(state.exp_avg_sq, square(gradient), () => group.betas[1]),
  };
}

interface Averages {
  readonly exp_avg: Tensor;
  readonly exp_avg_sq: Tensor;
}
