// Adadelta.

import { add, div, mul, sqrt, square, sub } from "../tensor.ts";
import { type CommonOptions, Optimizer, type ParamsInput, type Update, type Updated } from "./optimizer.ts";
import { fraction, moving, penalized, scaled } from "./rules.ts";

/** Options of `Adadelta`. */
export interface AdadeltaOptions extends CommonOptions {
  /** Decay of the averages. Default 0.9. */
  rho: number;
  /** Added under both roots. Default 1e-6. */
  eps: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Ascends instead. Default false. */
  maximize: boolean;
}

type Slot = "square_avg" | "acc_delta";

/**
 * Adadelta: v ← ρ v + (1 - ρ) g²; d = √(u + eps) / √(v + eps) · g; u ← ρ u + (1 - ρ) d²; p ← p - lr d (Zeiler 2012).
 * The default lr is 1.
 */
export class Adadelta extends Optimizer<AdadeltaOptions, Slot> {
  constructor(params: ParamsInput<AdadeltaOptions>, options: Partial<AdadeltaOptions> = {}) {
    super(params, { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false }, options);
  }

  protected override check(options: AdadeltaOptions): void {
    super.check(options);
    fraction("Adadelta", "rho", options.rho);
  }

  protected override slots(): readonly Slot[] {
    return ["square_avg", "acc_delta"];
  }

  protected override update(update: Update<AdadeltaOptions, Slot>): Updated<Slot> {
    const { parameter, state, group } = update;
    const gradient = penalized(update);
    const square_avg = moving(state.square_avg, square(gradient), () => group.rho);
    const delta = mul(div(sqrt(add(state.acc_delta, group.eps)), sqrt(add(square_avg, group.eps))), gradient);
    const acc_delta = moving(state.acc_delta, square(delta), () => group.rho);
    const move = scaled(delta, () => group.lr);
    return { parameter: sub(parameter, move), state: { square_avg, acc_delta } };
  }
}
