// LRScheduler: the base of learning-rate schedules, which set the `lr` of each parameter group epoch by epoch.

import { WgradError } from "../base/errors.ts";
import { checkWhole, demand, printed } from "../ops/check.ts";
import { copy, snakeCase } from "./state.ts";

/** A parameter group as schedules see it. */
export interface ScheduledGroup {
  /** The current learning rate. */
  lr: number;
  /** The learning rate that the schedule began with. */
  initialLr?: number;
}

/** An optimizer as schedules see it. */
export interface Schedulable {
  /** The groups whose rates the schedule sets. */
  readonly paramGroups: readonly ScheduledGroup[];
  /** Options for groups that do not give their own. */
  readonly defaults: object;
}

/** Options of every schedule. */
export interface SchedulerOptions {
  /** Number of the last epoch, to resume a training; -1 (default) starts one. */
  lastEpoch?: number;
}

/** A schedule's state in plain data, by PyTorch's names. */
export type SchedulerState = Record<string, unknown>;

const stateNames: Readonly<Record<string, string>> = {
  stepCount: "_step_count",
  lastLr: "_last_lr",
  TMax: "T_max",
  T0: "T_0",
  Ti: "T_i",
  TMult: "T_mult",
  TCur: "T_cur",
};

function stateName(field: string): string {
  return stateNames[field] ?? snakeCase(field);
}

function isData(value: unknown): boolean {
  return Array.isArray(value) ? value.every(isData) : ["number", "string", "boolean"].includes(typeof value);
}

/** The least that a number of a state may be; from 0 on whole numbers are meant. */
const LEAST: Readonly<Record<string, number>> = {
  lastEpoch: -1,
  TCur: -1,
  stepCount: 0,
  patience: 0,
  cooldown: 0,
  numBadEpochs: 0,
  cooldownCounter: 0,
  stepSize: 1,
  totalIters: 1,
  totalSteps: 1,
  TMax: 1,
  T0: 1,
  Ti: 1,
  TMult: 1,
};

const CHOICES: Readonly<Record<string, readonly unknown[]>> = {
  annealStrategy: ["cos", "linear"],
  mode: ["min", "max"],
  thresholdMode: ["rel", "abs"],
};

/** Whether a field may be given this value; `present` is its current value. Lists have a number per group, except for milestones. */
function fits(field: string, present: unknown, value: unknown): boolean {
  const choices = CHOICES[field];
  if (choices !== undefined) return choices.includes(value);
  if (Array.isArray(present)) {
    if (!Array.isArray(value)) return false;
    if (field !== "milestones") return value.every(Number.isFinite) && value.length === present.length;
    return value.every((n, i) => Number.isInteger(n) && n >= (value[i - 1] ?? 0));
  }
  if (typeof present !== "number") return typeof value === typeof present;
  const least = LEAST[field] ?? Number.NEGATIVE_INFINITY;
  // Any metric is better than the infinite one that a schedule begins with.
  const right = least >= 0 ? Number.isInteger(value) : field === "best" || Number.isFinite(value);
  return right && typeof value === "number" && value >= least;
}

/** The rate that a schedule has last set in a group. Another rate comes from the state of the optimizer, or from the user. */
const scheduled = new WeakMap<ScheduledGroup, number>();

/** Demands an epoch to go to. */
export function checkEpoch(schedule: string, epoch: number): void {
  demand(schedule, "epoch", epoch, Number.isFinite(epoch) && epoch >= 0, "a number ≥ 0");
}

/** Base of all schedules: an optimizer, its initial rates, and a state of plain data. */
export abstract class Schedule {
  readonly #optimizer: Schedulable;
  /** Number of the current epoch. */
  lastEpoch = 0;
  /** The groups' learning rates as last set. */
  lastLr: number[] = [];

  constructor(optimizer: Schedulable) {
    if (typeof optimizer !== "object" || optimizer === null || !Array.isArray(optimizer.paramGroups)) {
      throw new TypeError(`${this.constructor.name}: the first argument must be an optimizer.`);
    }
    this.#optimizer = optimizer;
  }

  /** The optimizer whose learning rates are set. */
  get optimizer(): Schedulable {
    return this.#optimizer;
  }

  /** The groups' learning rates as last set. */
  getLastLr(): number[] {
    return [...this.lastLr];
  }

  /** Everything but the optimizer, as plain data. */
  stateDict(): SchedulerState {
    return Object.fromEntries(this.#data().map(([field, value]) => [stateName(field), copy(value)]));
  }

  /**
   * Continues from a `stateDict()`, all or nothing. The groups get the rates of that time, save those that have come from elsewhere since a
   * schedule set them: with the optimizer's state, or by hand.
   * @throws WgradError for a state that lacks something or holds what the schedule cannot have.
   */
  loadStateDict(state: SchedulerState): void {
    this.checked(state)();
  }

  /** Checks a state; returns what takes it, which cannot fail. */
  checked(state: SchedulerState): () => void {
    const data = this.#data();
    this.demandState(state, ...data.map(([field]) => stateName(field)));
    const values = data.map(([field, present]): [string, unknown] => {
      const value = state[stateName(field)];
      if (!fits(field, present, value)) throw this.misfit(stateName(field), value);
      return [field, copy(value)];
    });
    return () => {
      for (const [field, value] of values) (this as Record<string, unknown>)[field] = value;
      this.restoreLrs(this.areScheduled());
    };
  }

  /** Throws where `state` is no object with these members. */
  protected demandState(state: SchedulerState, ...names: string[]): void {
    const what = `${this.constructor.name}.loadStateDict`;
    if (typeof state !== "object" || state === null) {
      throw new TypeError(`${what}: a state is an object, got ${printed(state)}.`);
    }
    const missing = names.filter((name) => !Object.hasOwn(state, name));
    if (missing.length > 0) {
      throw new WgradError(`${what}: the state lacks ${missing.join(", ")}. Was it saved by another schedule?`);
    }
  }

  /** The error of a state with a wrong value. */
  protected misfit(name: string, value: unknown): WgradError {
    return new WgradError(
      `${this.constructor.name}.loadStateDict: the state is not one of this schedule, got ${printed(value)} as ${name}. Nothing was loaded.`,
    );
  }

  /** For each group, whether its rate was set by a schedule. */
  protected areScheduled(): boolean[] {
    return this.#optimizer.paramGroups.map((group) => scheduled.get(group) === group.lr);
  }

  /** Gives the groups that `which` says the rates as last set. */
  protected restoreLrs(which: readonly boolean[]): void {
    this.#optimizer.paramGroups.forEach((group, i) => {
      if (!which[i]) return;
      group.lr = this.lastLr[i] ?? group.lr;
      scheduled.set(group, group.lr);
    });
  }

  /** Notes the groups' rates. */
  protected noteLrs(): void {
    this.lastLr = this.#optimizer.paramGroups.map((group) => group.lr);
    for (const group of this.#optimizer.paramGroups) scheduled.set(group, group.lr);
  }

  /** The fields that are plain data. */
  #data(): [string, unknown][] {
    return Object.entries(this).filter(([, value]) => isData(value));
  }
}

/**
 * Base class of the schedules. A new schedule sets the learning rates of epoch 0. Call `step()` after each epoch
 * (OneCycleLR: after each batch), after `optimizer.step()`. The initial rate of a group stays in `group.initialLr`.
 */
export abstract class LRScheduler extends Schedule {
  /** The groups' initial learning rates. */
  baseLrs: number[];
  /** Calls of `step()`, the initial one included. */
  stepCount = 0;

  constructor(optimizer: Schedulable, options: SchedulerOptions = {}) {
    super(optimizer);
    const { name } = this.constructor;
    this.lastEpoch = checkWhole(name, "lastEpoch", options.lastEpoch ?? -1, -1);
    this.baseLrs = optimizer.paramGroups.map((group) => {
      if (this.lastEpoch === -1) group.initialLr ??= group.lr;
      if (group.initialLr === undefined) {
        throw new WgradError(
          `${name}: resuming at epoch ${this.lastEpoch} needs initialLr in every group. Load the optimizer's state first.`,
        );
      }
      return group.initialLr;
    });
  }

  /** The learning rates of epoch `lastEpoch`, from those of the epoch before (which are in the groups). */
  protected abstract nextLrs(): number[];

  /** The learning rates of epoch `lastEpoch` from the initial ones, where a formula gives them. */
  protected closedLrs(): number[] {
    return this.nextLrs();
  }

  /** Goes to the next epoch, or to the given one. */
  step(epoch?: number): void {
    this.stepCount += 1;
    if (epoch === undefined) {
      this.lastEpoch += 1;
      this.apply(this.nextLrs());
    } else {
      checkEpoch(this.constructor.name, epoch);
      this.lastEpoch = epoch;
      this.apply(this.closedLrs());
    }
  }

  /** Sets the learning rates of epoch 0: each subclass calls it at the end of its constructor. */
  protected start(): void {
    this.stepCount = 0;
    this.step();
  }

  /** `rule` for each group: its present rate, its initial rate, its number. */
  protected each(rule: (lr: number, base: number, index: number) => number): number[] {
    return this.optimizer.paramGroups.map((group, i) => rule(group.lr, this.baseLrs[i] ?? group.lr, i));
  }

  protected apply(lrs: number[]): void {
    this.optimizer.paramGroups.forEach((group, i) => {
      group.lr = lrs[i] ?? group.lr;
    });
    this.noteLrs();
  }
}
