// Stochastic gradient descent with momentum.

import { add, mul, scalar, sub, type Tensor } from "../tensor.ts";
import {
  type CommonOptions,
  Optimizer,
  type ParamGroup,
  type ParamsInput,
  type Update,
  type Updated,
} from "./optimizer.ts";
import { penalized } from "./rules.ts";

/** Options of `SGD`. */
export interface SGDOptions extends CommonOptions {
  /** Weight of the past directions. Default 0. */
  momentum: number;
  /** Fraction of the gradient that momentum leaves out. Default 0. */
  dampening: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Nesterov's momentum: looks one step ahead. Default false. */
  nesterov: boolean;
  /** Ascends instead. Default false. */
  maximize: boolean;
}

/**
 * Stochastic gradient descent, with momentum: g ← g + weightDecay p; b ← momentum b + (1 - dampening) g, at first b ←
 * g; p ← p - lr b, with Nesterov p ← p - lr (g + momentum b) (Sutskever et al. 2013, in PyTorch's form). The default lr
 * is 1e-3.
 */
export class SGD extends Optimizer<SGDOptions, "momentum_buffer"> {
  constructor(params: ParamsInput<SGDOptions>, options: Partial<SGDOptions> = {}) {
    const defaults = { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false };
    super(params, defaults, options);
  }

  protected override check(options: SGDOptions): void {
    super.check(options);
    if (options.nesterov && (options.momentum <= 0 || options.dampening !== 0)) {
      throw new RangeError(
        `SGD: nesterov needs momentum > 0 and dampening 0, got ${options.momentum} and ${options.dampening}.`,
      );
    }
  }

  protected override slots(group: ParamGroup<SGDOptions>): readonly "momentum_buffer"[] {
    return group.momentum === 0 ? [] : ["momentum_buffer"];
  }

  protected override update(update: Update<SGDOptions, "momentum_buffer">): Updated<"momentum_buffer"> {
    const { parameter, state, group, number } = update;
    const lr = scalar(() => group.lr);
    const gradient = penalized(update);
    if (group.momentum === 0) return { parameter: sub(parameter, mul(gradient, lr)) };
    const momentum = scalar(() => group.momentum);
    const fresh: Tensor =
      group.dampening === 0
        ? gradient
        : mul(
            gradient,
            number(({ step }) => (step === 1 ? 1 : 1 - group.dampening)),
          );
    const buffer = add(mul(state.momentum_buffer, momentum), fresh);
    const move = group.nesterov ? add(gradient, mul(buffer, momentum)) : buffer;
    return { parameter: sub(parameter, mul(move, lr)), state: { momentum_buffer: buffer } };
  }
}
