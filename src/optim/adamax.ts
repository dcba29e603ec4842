// Adamax: Adam with the infinity norm.

import { abs, add, div, maximum, mul, sub } from "../tensor.ts";
import { type CommonOptions, Optimizer, type ParamsInput, type Update, type Updated } from "./optimizer.ts";
import { moving, penalized, scaled } from "./rules.ts";

/** Options of `Adamax`. */
export interface AdamaxOptions extends CommonOptions {
  /** Decay of the average gradient and of the largest one. Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to |g|. Default 1e-8. */
  eps: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Ascends instead. Default false. */
  maximize: boolean;
}

type Slot = "exp_avg" | "exp_inf";

/**
 * Adamax: m ← β₁ m + (1 - β₁) g; u ← max(β₂ u, |g| + eps); p ← p - lr / (1 - β₁ᵗ) · m / u (Kingma and Ba 2015, section
 * 7.1). The default lr is 2e-3.
 */
export class Adamax extends Optimizer<AdamaxOptions, Slot> {
  constructor(params: ParamsInput<AdamaxOptions>, options: Partial<AdamaxOptions> = {}) {
    super(params, { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maximize: false }, options);
  }

  protected override slots(): readonly Slot[] {
    return ["exp_avg", "exp_inf"];
  }

  protected override update(update: Update<AdamaxOptions, Slot>): Updated<Slot> {
    const { parameter, state, group, number } = update;
    const gradient = penalized(update);
    const exp_avg = moving(state.exp_avg, gradient, () => group.betas[0]);
    const faded = scaled(state.exp_inf, () => group.betas[1]);
    const exp_inf = maximum(faded, add(abs(gradient), group.eps));
    const stepSize = number(({ step }) => group.lr / (1 - group.betas[0] ** step));
    return { parameter: sub(parameter, mul(div(exp_avg, exp_inf), stepSize)), state: { exp_avg, exp_inf } };
  }
}
