// Muon: momentum orthogonalized by Newton-Schulz iterations, for the matrices of a network.

import { newtonSchulz } from "../nn/newton-schulz.ts";
import { checkChoice, demand, misfit } from "../ops/check.ts";
import { sub, type Tensor } from "../tensor.ts";
import { type CommonOptions, Optimizer, type ParamsInput, type Update, type Updated } from "./optimizer.ts";
import { direction, fraction, moving, scaled, shrunk } from "./rules.ts";

/** Options of `Muon`. */
export interface MuonOptions extends CommonOptions {
  /** Decoupled decay. Default 0.1. */
  weightDecay: number;
  /** Decay of the averaged gradient. Default 0.95. */
  momentum: number;
  /** Looks one step ahead. Default true. */
  nesterov: boolean;
  /** Coefficients a, b, c of the iteration. Default [3.4445, -4.775, 2.0315]. */
  nsCoefficients: readonly [number, number, number];
  /** Least norm to divide by. Default 1e-7. */
  eps: number;
  /** Number of iterations. Default 5. */
  nsSteps: number;
  /** "original" scales lr by √max(1, rows / columns), "matchRmsAdamw" by 0.2 √max(rows, columns). Default "original". */
  adjustLrFn: "original" | "matchRmsAdamw" | "match_rms_adamw";
  /** Ascends instead. Default false. */
  maximize: boolean;
}

/**
 * Muon: m ← β m + (1 - β) g; u = m, with Nesterov (1 - β) g + β m; p ← (1 - lr · weightDecay) p - lr′ orthogonalized(u)
 * (Jordan et al. 2024, in PyTorch's form, here in f32 throughout). Takes matrices only: train biases, norms and
 * embeddings with AdamW. The default lr is 1e-3.
 */
export class Muon extends Optimizer<MuonOptions, "momentum_buffer"> {
  constructor(params: ParamsInput<MuonOptions>, options: Partial<MuonOptions> = {}) {
    const defaults = {
      lr: 1e-3,
      weightDecay: 0.1,
      momentum: 0.95,
      nesterov: true,
      nsCoefficients: [3.4445, -4.775, 2.0315] as const,
      eps: 1e-7,
      nsSteps: 5,
      adjustLrFn: "original" as const,
      maximize: false,
    };
    super(params, defaults, options);
  }

  protected override get elementwise(): boolean {
    return false;
  }

  protected override check(options: MuonOptions): void {
    super.check(options);
    fraction("Muon", "momentum", options.momentum);
    const { nsSteps, adjustLrFn } = options;
    const isCount = Number.isInteger(nsSteps) && nsSteps >= 0 && nsSteps < 100;
    demand("Muon", "nsSteps", nsSteps, isCount, "a whole number below 100");
    checkChoice("Muon", "adjustLrFn", adjustLrFn, ["original", "matchRmsAdamw", "match_rms_adamw"]);
  }

  protected override checkParameter(parameter: Tensor): void {
    if (parameter.ndim === 2) return;
    const problem = `takes matrices only, got a parameter of shape [${parameter.shape}].`;
    throw misfit("Muon", `${problem} Give it to AdamW instead.`, parameter);
  }

  protected override slots(): readonly "momentum_buffer"[] {
    return ["momentum_buffer"];
  }

  protected override update(update: Update<MuonOptions, "momentum_buffer">): Updated<"momentum_buffer"> {
    const { state, group } = update;
    const gradient = direction(update);
    const momentum = (): number => group.momentum;
    const momentum_buffer = moving(state.momentum_buffer, gradient, momentum);
    const ahead = group.nesterov ? moving(momentum_buffer, gradient, momentum) : momentum_buffer;
    const [rows = 1, columns = 1] = update.parameter.shape;
    const ratio =
      group.adjustLrFn === "original"
        ? Math.sqrt(Math.max(1, rows / columns))
        : 0.2 * Math.sqrt(Math.max(rows, columns));
    const move = scaled(newtonSchulz(ahead, group.nsCoefficients, group.nsSteps, group.eps), () => group.lr * ratio);
    return { parameter: sub(shrunk(update), move), state: { momentum_buffer } };
  }
}
