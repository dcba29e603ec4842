// OneCycleLR: up and down again within one training, momentum the other way.

import { WgradError } from "../base/errors.ts";
import { checkChoice, checkFinite, checkWhole, demand, withDefaults } from "../ops/check.ts";
import {
  LRScheduler,
  type Schedulable,
  type ScheduledGroup,
  type SchedulerOptions,
  type SchedulerState,
} from "./scheduler.ts";

/** Options of `OneCycleLR`. */
export interface OneCycleOptions extends SchedulerOptions {
  /** Number of steps of the whole training; or give `epochs` and `stepsPerEpoch`. */
  totalSteps?: number;
  /** Number of epochs, in place of `totalSteps`. */
  epochs?: number;
  /** Number of steps in each of them. */
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
 * Raises the learning rate from maxLr / divFactor to `maxLr` (a number, or one per group), then lowers it to maxLr /
 * divFactor / finalDivFactor: the 1cycle policy (Smith and Topin 2018). Call `step()` after every batch.
 */
export class OneCycleLR extends LRScheduler {
  readonly totalSteps: number;
  readonly cycleMomentum: boolean;
  readonly annealStrategy: "cos" | "linear";
  readonly #pctStart: number;
  readonly #threePhase: boolean;
  /** The groups' momenta as last set. */
  #momenta: (number | undefined)[] = [];

  constructor(optimizer: Schedulable, maxLr: number | readonly number[], options: OneCycleOptions = {}) {
    const all = withDefaults("OneCycleLR", options, {
      totalSteps: null,
      epochs: Number.NaN,
      stepsPerEpoch: Number.NaN,
      pctStart: 0.3,
      annealStrategy: "cos" as const,
      cycleMomentum: true,
      baseMomentum: 0.85,
      maxMomentum: 0.95,
      divFactor: 25,
      finalDivFactor: 1e4,
      threePhase: false,
      lastEpoch: -1,
    });
    super(optimizer, all);
    const groups: readonly CycledGroup[] = optimizer.paramGroups;
    const peaks = perGroup("maxLr", maxLr, groups.length);
    const { pctStart, cycleMomentum, divFactor, finalDivFactor } = all;
    const totalSteps = all.totalSteps ?? all.epochs * all.stepsPerEpoch;
    if (Number.isNaN(totalSteps)) {
      throw new RangeError("OneCycleLR: needs totalSteps, or both epochs and stepsPerEpoch.");
    }
    checkWhole("OneCycleLR", "totalSteps", totalSteps, 1);
    checkFinite("OneCycleLR", "divFactor", divFactor);
    checkFinite("OneCycleLR", "finalDivFactor", finalDivFactor);
    demand("OneCycleLR", "pctStart", pctStart, pctStart >= 0 && pctStart <= 1, "within [0, 1]");
    this.annealStrategy = checkChoice("OneCycleLR", "annealStrategy", all.annealStrategy, ["cos", "linear"]);
    this.totalSteps = totalSteps;
    this.cycleMomentum = cycleMomentum;
    this.#pctStart = pctStart;
    this.#threePhase = all.threePhase;
    if (cycleMomentum && !("momentum" in optimizer.defaults || "betas" in optimizer.defaults)) {
      throw new WgradError(
        "OneCycleLR: the optimizer has neither momentum nor betas to cycle. Pass { cycleMomentum: false }.",
      );
    }
    if (this.lastEpoch === -1) {
      const high = perGroup("maxMomentum", all.maxMomentum, groups.length);
      const low = perGroup("baseMomentum", all.baseMomentum, groups.length);
      groups.forEach((group, i) => {
        group.maxLr = peaks[i] as number;
        group.initialLr = group.maxLr / divFactor;
        group.minLr = group.initialLr / finalDivFactor;
        if (!cycleMomentum) return;
        group.maxMomentum = high[i] as number;
        group.baseMomentum = low[i] as number;
      });
      this.baseLrs = groups.map((group) => group.initialLr ?? group.lr);
    }
    this.start();
  }

  /** Momenta are restored like rates. */
  override checked(state: SchedulerState): () => void {
    const take = super.checked(state);
    return () => {
      const groups: readonly CycledGroup[] = this.optimizer.paramGroups;
      const which = groups.map((group, i) => momentumOf(group) === this.#momenta[i]);
      take();
      if (this.lastEpoch >= 0) this.#setMomenta(which);
    };
  }

  protected override nextLrs(): number[] {
    const { lastEpoch, totalSteps } = this;
    if (lastEpoch > totalSteps) {
      throw new RangeError(
        `OneCycleLR: step ${lastEpoch} is beyond the ${totalSteps} that were planned. Give a larger totalSteps.`,
      );
    }
    const groups: readonly CycledGroup[] = this.optimizer.paramGroups;
    this.#setMomenta(groups.map(() => true));
    const { part, lr } = this.#place();
    return groups.map((group) => this.#anneal(group[lr[0]] ?? 0, group[lr[1]] ?? 0, part));
  }

  /** The phase of the present epoch, and which part of it is over. */
  #place(): Phase & { readonly part: number } {
    const { lastEpoch } = this;
    const all = phases(this.totalSteps, this.#pctStart, this.#threePhase);
    // The last phase may end a fraction before the last step.
    const after = all.findIndex((phase) => lastEpoch <= phase.end);
    const number = after < 0 ? all.length - 1 : after;
    const start = all[number - 1]?.end ?? 0;
    const phase = all[number] as Phase;
    const length = phase.end - start;
    return { ...phase, part: length === 0 ? 1 : (lastEpoch - start) / length };
  }

  /** Gives the groups that `which` says the momenta of the present epoch. */
  #setMomenta(which: readonly boolean[]): void {
    if (!this.cycleMomentum) return;
    const groups: readonly CycledGroup[] = this.optimizer.paramGroups;
    const { part, momentum } = this.#place();
    groups.forEach((group, i) => {
      if (which[i]) setMomentum(group, this.#anneal(group[momentum[0]] ?? 0, group[momentum[1]] ?? 0, part));
    });
    this.#momenta = groups.map(momentumOf);
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
  const right = Array.isArray(list) && list.length === count;
  demand("OneCycleLR", name, list, right, `a number or one for each of the ${count} groups`);
  for (const one of list) checkFinite("OneCycleLR", name, one);
  return list;
}

function momentumOf({ betas, momentum }: CycledGroup): number | undefined {
  return betas === undefined ? momentum : betas[0];
}

function setMomentum(group: CycledGroup, value: number): void {
  if (group.betas === undefined) group.momentum = value;
  else group.betas = [value, ...group.betas.slice(1)];
}
