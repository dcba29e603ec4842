// Lion: the sign of an interpolated momentum.

import { sign, sub } from "../tensor.ts";
import { type CommonOptions, Optimizer, type ParamsInput, type Update, type Updated } from "./optimizer.ts";
import { direction, moving, scaled, shrunk } from "./rules.ts";

/** Options of `Lion`. */
export interface LionOptions extends CommonOptions {
  /** Weight of the momentum in the direction, and its decay. Default [0.9, 0.99]. */
  betas: readonly [number, number];
  /** Decoupled decay. Default 0. */
  weightDecay: number;
  /** Ascends instead. Default false. */
  maximize: boolean;
}

/**
 * Lion: p ← (1 - lr · weightDecay) p - lr sign(β₁ m + (1 - β₁) g); m ← β₂ m + (1 - β₂) g (Chen et al. 2023). The
 * default lr is 1e-4.
 */
export class Lion extends Optimizer<LionOptions, "exp_avg"> {
  constructor(params: ParamsInput<LionOptions>, options: Partial<LionOptions> = {}) {
    super(params, { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0, maximize: false }, options);
  }

  protected override slots(): readonly "exp_avg"[] {
    return ["exp_avg"];
  }

  protected override update(update: Update<LionOptions, "exp_avg">): Updated<"exp_avg"> {
    const { state, group } = update;
    const gradient = direction(update);
    const move = sign(moving(state.exp_avg, gradient, () => group.betas[0]));
    const exp_avg = moving(state.exp_avg, gradient, () => group.betas[1]);
    const step = scaled(move, () => group.lr);
    return { parameter: sub(shrunk(update), step), state: { exp_avg } };
  }
}
