// NAdam: Adam with Nesterov momentum.

import { add, div, mul, sqrt, sub } from "../tensor.ts";
import {
  type CommonOptions,
  Optimizer,
  type ParamGroup,
  type ParamsInput,
  type Update,
  type Updated,
} from "./optimizer.ts";
import { decayed, moments } from "./rules.ts";
import type { Counters } from "./state.ts";

/** Options of `NAdam`. */
export interface NAdamOptions extends CommonOptions {
  /** Decay of the averages of gradient and squared gradient. Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps: number;
  /** L2 penalty, or decay where decoupled. Default 0. */
  weightDecay: number;
  /** Growth of the momentum. Default 4e-3. */
  momentumDecay: number;
  /** Decays the parameter as AdamW does. Default false. */
  decoupledWeightDecay: boolean;
  /** Ascends instead. Default false. */
  maximize: boolean;
}

type Slot = "exp_avg" | "exp_avg_sq";

/** μₜ = β₁ (1 - 0.96^(t · momentumDecay) / 2) */
function momentum(group: NAdamOptions, step: number): number {
  return group.betas[0] * (1 - 0.5 * 0.96 ** (step * group.momentumDecay));
}

/**
 * NAdam: With Adam's m and v, and Πₜ = Π μᵢ: p ← p - lr ((1 - μₜ) / (1 - Πₜ) g + μₜ₊₁ / (1 - Πₜ μₜ₊₁) m) / (√(v / (1 -
 * β₂ᵗ)) + eps) (Dozat 2016). The default lr is 2e-3.
 */
export class NAdam extends Optimizer<NAdamOptions, Slot> {
  constructor(params: ParamsInput<NAdamOptions>, options: Partial<NAdamOptions> = {}) {
    const defaults = {
      lr: 2e-3,
      betas: [0.9, 0.999] as const,
      eps: 1e-8,
      weightDecay: 0,
      momentumDecay: 4e-3,
      decoupledWeightDecay: false,
      maximize: false,
    };
    super(params, defaults, options);
  }

  protected override slots(): readonly Slot[] {
    return ["exp_avg", "exp_avg_sq"];
  }

  protected override newCounters(): Counters {
    return { step: 0, mu_product: 1 };
  }

  protected override advance(counters: Counters, group: ParamGroup<NAdamOptions>): void {
    counters.step += 1;
    counters.mu_product = (counters.mu_product ?? 1) * momentum(group, counters.step);
  }

  protected override update(update: Update<NAdamOptions, Slot>): Updated<Slot> {
    const { group, number } = update;
    const { parameter, gradient } = decayed(update, group.decoupledWeightDecay);
    const state = moments(update, gradient);
    const correction = number(({ step }) => 1 / (1 - group.betas[1] ** step));
    const gradientWeight = number(
      ({ step, mu_product = 1 }) => (group.lr * (1 - momentum(group, step))) / (1 - mu_product),
    );
    const averageWeight = number(({ step, mu_product = 1 }) => {
      const next = momentum(group, step + 1);
      return (group.lr * next) / (1 - mu_product * next);
    });
    const move = add(mul(gradient, gradientWeight), mul(state.exp_avg, averageWeight));
    const denominator = add(sqrt(mul(state.exp_avg_sq, correction)), group.eps);
    return { parameter: sub(parameter, div(move, denominator)), state };
  }
}
