// Adagrad.

import { add, div, mul, sqrt, square, sub } from "../tensor.ts";
import {
  type CommonOptions,
  Optimizer,
  type ParamGroup,
  type ParamsInput,
  type Update,
  type Updated,
} from "./optimizer.ts";
import { penalized } from "./rules.ts";

/** Options of `Adagrad`. */
export interface AdagradOptions extends CommonOptions {
  /** Decay of the learning rate. Default 0. */
  lrDecay: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** The first value of the sum of squares. Default 0. */
  initialAccumulatorValue: number;
  /** Added to the denominator. Default 1e-10. */
  eps: number;
  /** Ascends instead. Default false. */
  maximize: boolean;
}

/**
 * Adagrad: s ← s + g²; p ← p - lr / (1 + (t - 1) lrDecay) · g / (√s + eps) (Duchi et al. 2011). The default lr is 1e-2.
 */
export class Adagrad extends Optimizer<AdagradOptions, "sum"> {
  constructor(params: ParamsInput<AdagradOptions>, options: Partial<AdagradOptions> = {}) {
    const defaults = { lr: 1e-2, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10, maximize: false };
    super(params, defaults, options);
  }

  protected override slots(): readonly "sum"[] {
    return ["sum"];
  }

  protected override initial(_slot: "sum", group: ParamGroup<AdagradOptions>): number {
    return group.initialAccumulatorValue;
  }

  protected override update(update: Update<AdagradOptions, "sum">): Updated<"sum"> {
    const { parameter, state, group, number } = update;
    const gradient = penalized(update);
    const lr = number(({ step }) => group.lr / (1 + (step - 1) * group.lrDecay));
    const sum = add(state.sum, square(gradient));
    return { parameter: sub(parameter, mul(div(gradient, add(sqrt(sum), group.eps)), lr)), state: { sum } };
  }
}
