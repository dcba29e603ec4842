// RMSprop.

import { add, div, maximum, sqrt, square, sub } from "../tensor.ts";
import {
  type CommonOptions,
  Optimizer,
  type ParamGroup,
  type ParamsInput,
  type Update,
  type Updated,
} from "./optimizer.ts";
import { moving, penalized, scaled } from "./rules.ts";

/** Options of `RMSprop`. */
export interface RMSpropOptions extends CommonOptions {
  /** Decay of the average of squared gradients. Default 0.99. */
  alpha: number;
  /** Added to the denominator. Default 1e-8. */
  eps: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Weight of the past moves. Default 0. */
  momentum: number;
  /** Divides by the estimated standard deviation instead of the root mean square. Default false. */
  centered: boolean;
  /** Ascends instead. Default false. */
  maximize: boolean;
}

type Slot = "square_avg" | "grad_avg" | "momentum_buffer";

/**
 * RMSprop: v ← α v + (1 - α) g²; d = g / (√v + eps), where centered uses √(v - ḡ²) with ḡ ← α ḡ + (1 - α) g; b ←
 * momentum b + d; p ← p - lr b (Tieleman and Hinton 2012; Graves 2013). The default lr is 1e-2.
 */
export class RMSprop extends Optimizer<RMSpropOptions, Slot> {
  constructor(params: ParamsInput<RMSpropOptions>, options: Partial<RMSpropOptions> = {}) {
    const defaults = {
      lr: 1e-2,
      alpha: 0.99,
      eps: 1e-8,
      weightDecay: 0,
      momentum: 0,
      centered: false,
      maximize: false,
    };
    super(params, defaults, options);
  }

  protected override slots(group: ParamGroup<RMSpropOptions>): readonly Slot[] {
    const names: Slot[] = ["square_avg"];
    if (group.momentum > 0) names.push("momentum_buffer");
    if (group.centered) names.push("grad_avg");
    return names;
  }

  protected override update(update: Update<RMSpropOptions, Slot>): Updated<Slot> {
    const { parameter, state, group } = update;
    const gradient = penalized(update);
    const square_avg = moving(state.square_avg, square(gradient), () => group.alpha);
    const next: Partial<Record<Slot, typeof square_avg>> = { square_avg };
    let mean = square_avg;
    if (group.centered) {
      const grad_avg = moving(state.grad_avg, gradient, () => group.alpha);
      next.grad_avg = grad_avg;
      // In f32 the difference of equals may come out below 0.
      mean = maximum(sub(square_avg, square(grad_avg)), 0);
    }
    const move = div(gradient, add(sqrt(mean), group.eps));
    if (group.momentum !== 0) {
      const faded = scaled(state.momentum_buffer, () => group.momentum);
      next.momentum_buffer = add(faded, move);
    }
    const step = scaled(next.momentum_buffer ?? move, () => group.lr);
    return { parameter: sub(parameter, step), state: next };
  }
}
