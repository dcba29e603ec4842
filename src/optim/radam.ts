// RAdam: Adam whose adaptive rate is rectified while the variance is uncertain.

import { add, div, gt, mul, sqrt, sub, where } from "../tensor.ts";
import { type CommonOptions, Optimizer, type ParamsInput, type Update, type Updated } from "./optimizer.ts";
import { decayed, moments } from "./rules.ts";

/** Options of `RAdam`. */
export interface RAdamOptions extends CommonOptions {
  /** Decay of the averages of gradient and squared gradient. Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps: number;
  /** L2 penalty, or decay where decoupled. Default 0. */
  weightDecay: number;
  /** Decays the parameter as AdamW does. Default false. */
  decoupledWeightDecay: boolean;
  /** Ascends instead. Default false. */
  maximize: boolean;
}

type Slot = "exp_avg" | "exp_avg_sq";

/** √(1 - β₂ᵗ) times the variance rectification rₜ, or 0 while ρₜ ≤ 5. */
function rectification(beta2: number, step: number): number {
  const correction = 1 - beta2 ** step;
  const limit = 2 / (1 - beta2) - 1;
  const rho = limit - (2 * step * beta2 ** step) / correction;
  if (rho <= 5) return 0;
  return Math.sqrt((correction * (rho - 4) * (rho - 2) * limit) / ((limit - 4) * (limit - 2) * rho));
}

/**
 * RAdam: With Adam's m and v: p ← p - lr m / (1 - β₁ᵗ) · rₜ √(1 - β₂ᵗ) / (√v + eps), without the last factor while the
 * variance's degrees of freedom ρₜ ≤ 5 (Liu et al. 2020). The default lr is 1e-3.
 */
export class RAdam extends Optimizer<RAdamOptions, Slot> {
  constructor(params: ParamsInput<RAdamOptions>, options: Partial<RAdamOptions> = {}) {
    const defaults = {
      lr: 1e-3,
      betas: [0.9, 0.999] as const,
      eps: 1e-8,
      weightDecay: 0,
      decoupledWeightDecay: false,
      maximize: false,
    };
    super(params, defaults, options);
  }

  protected override slots(): readonly Slot[] {
    return ["exp_avg", "exp_avg_sq"];
  }

  protected override update(update: Update<RAdamOptions, Slot>): Updated<Slot> {
    const { group, number } = update;
    const { parameter, gradient } = decayed(update, group.decoupledWeightDecay);
    const state = moments(update, gradient);
    const stepSize = number(({ step }) => group.lr / (1 - group.betas[0] ** step));
    const rectified = number(({ step }) => rectification(group.betas[1], step));
    const adaptive = where(gt(rectified, 0), div(rectified, add(sqrt(state.exp_avg_sq), group.eps)), 1);
    return { parameter: sub(parameter, mul(mul(state.exp_avg, stepSize), adaptive)), state };
  }
}
