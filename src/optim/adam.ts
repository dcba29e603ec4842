// Adam and AdamW.

import { add, div, maximum, mul, sqrt, square, sub, type Tensor } from "../tensor.ts";
import {
  type CommonOptions,
  Optimizer,
  type ParamGroup,
  type ParamsInput,
  type Update,
  type Updated,
} from "./optimizer.ts";
import { direction, moving, nonNegative, penalized, shrunk, twoBetas } from "./rules.ts";

export interface AdamOptions extends CommonOptions {
  /** Decay of the averages of gradient and squared gradient. Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps: number;
  /** L2 penalty (Adam, default 0) or decoupled decay (AdamW, default 0.01). */
  weightDecay: number;
  /** Divides by the largest average so far (Reddi et al. 2018). Default false. */
  amsgrad: boolean;
  /** Ascends instead. Default false. */
  maximize: boolean;
}

type Slot = "exp_avg" | "exp_avg_sq" | "max_exp_avg_sq";

/**
 * m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;  p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + eps)
 * (Kingma and Ba 2015). lr 1e-3 unless told.
 */
export class Adam extends Optimizer<AdamOptions, Slot> {
  constructor(params: ParamsInput<AdamOptions>, options: Partial<AdamOptions> = {}) {
    const defaults = {
      lr: 1e-3,
      betas: [0.9, 0.999] as const,
      eps: 1e-8,
      weightDecay: 0,
      amsgrad: false,
      maximize: false,
    };
    super(params, defaults, options);
  }

  protected override check(options: AdamOptions): void {
    nonNegative(this.constructor.name, options, "lr", "eps", "weightDecay");
    twoBetas(this.constructor.name, options.betas);
  }

  protected override slots(group: ParamGroup<AdamOptions>): readonly Slot[] {
    return group.amsgrad ? ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"] : ["exp_avg", "exp_avg_sq"];
  }

  protected override update(update: Update<AdamOptions, Slot>): Updated<Slot> {
    return this.adam(update, update.parameter, penalized(update));
  }

  /** Adam's move of `parameter` along `gradient`. */
  protected adam(
    { state, group, number }: Update<AdamOptions, Slot>,
    parameter: Tensor,
    gradient: Tensor,
  ): Updated<Slot> {
    const exp_avg = moving(state.exp_avg, gradient, () => group.betas[0]);
    const exp_avg_sq = moving(state.exp_avg_sq, square(gradient), () => group.betas[1]);
    const stepSize = number(({ step }) => group.lr / (1 - group.betas[0] ** step));
    const correction = number(({ step }) => 1 / Math.sqrt(1 - group.betas[1] ** step));
    const largest = group.amsgrad ? maximum(state.max_exp_avg_sq, exp_avg_sq) : exp_avg_sq;
    const denominator = add(mul(sqrt(largest), correction), group.eps);
    return {
      parameter: sub(parameter, mul(div(exp_avg, denominator), stepSize)),
      state: { exp_avg, exp_avg_sq, ...(group.amsgrad ? { max_exp_avg_sq: largest } : {}) },
    };
  }
}

/** Adam with decoupled weight decay: p ← (1 - lr · weightDecay) p before each of Adam's moves (Loshchilov and Hutter 2019). */
export class AdamW extends Adam {
  constructor(params: ParamsInput<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(params, { ...options, weightDecay: options.weightDecay ?? 0.01 });
  }

  protected override update(update: Update<AdamOptions, Slot>): Updated<Slot> {
    return this.adam(update, shrunk(update.parameter, update.group), direction(update));
  }
}
