// Adam and AdamW.

import { add, div, maximum, mul, sqrt, sub } from "../tensor.ts";
import {
  type CommonOptions,
  Optimizer,
  type ParamGroup,
  type ParamsInput,
  type Update,
  type Updated,
} from "./optimizer.ts";
import { decayed, moments } from "./rules.ts";

/** Options of `Adam` and `AdamW`. */
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
 * Adam: m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²; p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + eps) (Kingma and
 * Ba 2015). The default lr is 1e-3.
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

  protected override slots(group: ParamGroup<AdamOptions>): readonly Slot[] {
    return group.amsgrad ? ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"] : ["exp_avg", "exp_avg_sq"];
  }

  /** Whether weights decay by themselves, not by a penalty in the gradient. */
  protected get decoupled(): boolean {
    return false;
  }

  protected override update(update: Update<AdamOptions, Slot>): Updated<Slot> {
    const { state, group, number } = update;
    const { parameter, gradient } = decayed(update, this.decoupled);
    const { exp_avg, exp_avg_sq } = moments(update, gradient);
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
    // Anything but options goes on as it is: to be refused.
    const isOptions = typeof options === "object" && options !== null && !Array.isArray(options);
    super(params, isOptions ? { ...options, weightDecay: options.weightDecay ?? 0.01 } : options);
  }

  protected override get decoupled(): boolean {
    return true;
  }
}
