// OneCycleLR: up and down again within one training, momentum the other way.

import { WgradError } from "../errors.ts";
import { checkOptions } from "../tensor.ts";
import {
  checkNumber,
  checkWhole,
  LRScheduler,
  type Schedulable,
  type ScheduledGroup,
  type SchedulerOptions,
} from "./scheduler.ts";

export interface OneCycleOptions extends SchedulerOptions {
  /** Number of steps of the whole training; or give `epochs` and `stepsPerEpoch`. */
  totalSteps?: number;
  epochs?: number;
  stepsPerEpoch?: number;
  /** Part of the steps in which the rate rises. Default 0.3. */
  pctStart?: number;
  /** Default "cos". */
  annealStrategy?: "cos" | "linear";
  /** Lowers `momentum` (or the first beta) while the rate rises. Default true. */
  cycleMomentum?: boolean;
  /** Momentum at the peak. Default 0.85. */
  baseMomentum?: number | readonly number[];
  /** Momentum at both ends. Default 0.95. */
  maxMomentum?: number | readonly number[];
  /** maxLr / initial rate. Default 25. */
  divFactor?: number;
  /** Initial rate / final rate. Default 1e4. */
  finalDivFactor?: number;
  /** Falls back to the initial rate before it falls to the final one. Default false. */
  threePhase?: boolean;
}

interface CycledGroup extends ScheduledGroup {
  maxLr?: number;
  minLr?: number;
  maxMomentum?: number;
  baseMomentum?: number;
  momentum?: number;
  betas?: readonly number[];
}

type Rate = "initialLr" | "maxLr" | "minLr";
type Momentum = "maxMomentum" | "baseMomentum";

interface Phase {
  readonly end: number;
  readonly lr: readonly [Rate, Rate];
  readonly momentum: readonly [Momentum, Momentum];
}

/**
 * The 1cycle policy (Smith and Topin 2018): from maxLr / divFactor up to `maxLr` (a number, or one per group), then down
 * to maxLr / divFactor / finalDivFactor. Call `step()` after every batch.
 */
export class OneCycleLR extends LRScheduler {
  readonly totalSteps: number;
  readonly cycleMomentum: boolean;
  readonly annealStrategy: "cos" | "linear";
  readonly #phases: readonly Phase[];

  constructor(optimizer: Schedulable, maxLr: number | readonly number[], options: OneCycleOptions = {}) {
    checkOptions("OneCycleLR", options, [
      "totalSteps",
      "epochs",
      "stepsPerEpoch",
      "pctStart",
      "annealStrategy",
      "cycleMomentum",
      "baseMomentum",
      "maxMomentum",
      "divFactor",
      "finalDivFactor",
      "threePhase",
      "lastEpoch",
    ]);
    super(optimizer, options);
    const {
      pctStart = 0.3,
      annealStrategy = "cos",
      cycleMomentum = true,
      divFactor = 25,
      finalDivFactor = 1e4,
    } = options;
    const totalSteps = options.totalSteps ?? (options.epochs ?? Number.NaN) * (options.stepsPerEpoch ?? Number.NaN);
    if (Number.isNaN(totalSteps)) {
      throw new RangeError("OneCycleLR: needs totalSteps, or both epochs and stepsPerEpoch.");
    }
    checkWhole("OneCycleLR", "totalSteps", totalSteps);
    checkNumber("OneCycleLR", "divFactor", divFactor);
    checkNumber("OneCycleLR", "finalDivFactor", finalDivFactor);
    if (!(pctStart >= 0 && pctStart <= 1)) {
      throw new RangeError(`OneCycleLR: pctStart must be within [0, 1], got ${pctStart}.`);
    }
    if (annealStrategy !== "cos" && annealStrategy !== "linear") {
      throw new RangeError(`OneCycleLR: annealStrategy must be "cos" or "linear", got "${String(annealStrategy)}".`);
    }
    this.totalSteps = totalSteps;
    this.annealStrategy = annealStrategy;
    this.cycleMomentum = cycleMomentum;
    this.#phases = phases(totalSteps, pctStart, options.threePhase ?? false);
    const groups: readonly CycledGroup[] = optimizer.paramGroups;
    const peaks = perGroup("maxLr", maxLr, groups.length);
    if (cycleMomentum && !("momentum" in optimizer.defaults || "betas" in optimizer.defaults)) {
      throw new WgradError(
        "OneCycleLR: the optimizer has neither momentum nor betas to cycle. Pass { cycleMomentum: false }.",
      );
    }
    if (this.lastEpoch === -1) {
      const high = perGroup("maxMomentum", options.maxMomentum ?? 0.95, groups.length);
      const low = perGroup("baseMomentum", options.baseMomentum ?? 0.85, groups.length);
      groups.forEach((group, i) => {
        group.maxLr = peaks[i] ?? 0;
        group.initialLr = group.maxLr / divFactor;
        group.minLr = group.initialLr / finalDivFactor;
        if (!cycleMomentum) return;
        group.maxMomentum = high[i] ?? 0.95;
        group.baseMomentum = low[i] ?? 0.85;
        setMomentum(group, group.maxMomentum);
      });
      this.baseLrs = groups.map((group) => group.initialLr ?? group.lr);
    }
    this.start();
  }

  protected override nextLrs(): number[] {
    const { lastEpoch, totalSteps } = this;
    if (lastEpoch > totalSteps) {
      throw new RangeError(
        `OneCycleLR: step ${lastEpoch} is beyond the ${totalSteps} that were planned. Give a larger totalSteps.`,
      );
    }
    let start = 0;
    let phase = this.#phases[0];
    for (const next of this.#phases) {
      start = phase === next ? 0 : (phase?.end ?? 0);
      phase = next;
      if (lastEpoch <= next.end) break;
    }
    if (phase === undefined) return [];
    const { lr, momentum, end } = phase;
    const part = (lastEpoch - start) / (end - start);
    const groups: readonly CycledGroup[] = this.optimizer.paramGroups;
    if (this.cycleMomentum) {
      for (const group of groups) {
        setMomentum(group, this.#anneal(group[momentum[0]] ?? 0, group[momentum[1]] ?? 0, part));
      }
    }
    return groups.map((group) => this.#anneal(group[lr[0]] ?? 0, group[lr[1]] ?? 0, part));
  }

  #anneal(start: number, end: number, part: number): number {
    if (this.annealStrategy === "linear") return (end - start) * part + start;
    return end + ((start - end) / 2) * (Math.cos(Math.PI * part) + 1);
  }
}

function phases(totalSteps: number, pctStart: number, threePhase: boolean): Phase[] {
  const rise: Phase = {
    end: pctStart * totalSteps - 1,
    lr: ["initialLr", "maxLr"],
    momentum: ["maxMomentum", "baseMomentum"],
  };
  if (!threePhase) {
    return [rise, { end: totalSteps - 1, lr: ["maxLr", "minLr"], momentum: ["baseMomentum", "maxMomentum"] }];
  }
  return [
    rise,
    { end: 2 * pctStart * totalSteps - 2, lr: ["maxLr", "initialLr"], momentum: ["baseMomentum", "maxMomentum"] },
    { end: totalSteps - 1, lr: ["initialLr", "minLr"], momentum: ["maxMomentum", "maxMomentum"] },
  ];
}

function perGroup(name: string, value: number | readonly number[], count: number): readonly number[] {
  const list = typeof value === "number" ? new Array<number>(count).fill(value) : value;
  if (list.length !== count) {
    throw new RangeError(`OneCycleLR: ${name} must be a number or one for each of the ${count} groups, got [${list}].`);
  }
  for (const one of list) checkNumber("OneCycleLR", name, one);
  return list;
}

function setMomentum(group: CycledGroup, value: number): void {
  if (group.betas === undefined) group.momentum = value;
  else group.betas = [value, ...group.betas.slice(1)];
}
