// LRScheduler: the base of learning-rate schedules, which set the `lr` of each parameter group epoch by epoch.

import { checkWhole, demand, printed } from "../check.ts";
import { WgradError } from "../errors.ts";
import { copy, snakeCase } from "./state.ts";

/** A parameter group as schedules see it. */
export interface ScheduledGroup {
  lr: number;
  initialLr?: number;
}

/** An optimizer as schedules see it. */
export interface Schedulable {
  readonly paramGroups: readonly ScheduledGroup[];
  readonly defaults: object;
}

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

const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;
const isPositive = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 1;
const isEpoch = (value: unknown): boolean => Number.isFinite(value) && (value as number) >= -1;
const oneOf =
  (...choices: string[]) =>
  (value: unknown): boolean =>
    choices.includes(value as string);

/** What a state may hold, where a value of the field's kind alone won't do. */
const RULES: Readonly<Record<string, (value: unknown) => boolean>> = {
  lastEpoch: isEpoch,
  TCur: isEpoch,
  stepCount: isCount,
  patience: isCount,
  cooldown: isCount,
  numBadEpochs: isCount,
  cooldownCounter: isCount,
  stepSize: isPositive,
  totalIters: isPositive,
  totalSteps: isPositive,
  TMax: isPositive,
  T0: isPositive,
  Ti: isPositive,
  TMult: isPositive,
  annealStrategy: oneOf("cos", "linear"),
  mode: oneOf("min", "max"),
  thresholdMode: oneOf("rel", "abs"),
  milestones: (value) => Array.isArray(value) && value.every((n, i) => isCount(n) && n >= (value[i - 1] ?? 0)),
  // The first metric is better than infinity.
  best: (value) => typeof value === "number" && !Number.isNaN(value),
};

/** Whether a field may be given this value, `present` being the one that it has. Lists have a number per group. */
function fits(field: string, present: unknown, value: unknown): boolean {
  const rule = RULES[field];
  if (rule !== undefined) return rule(value);
  if (!Array.isArray(present))
    return typeof present === "number" ? Number.isFinite(value) : typeof value === typeof present;
  return Array.isArray(value) && value.every(Number.isFinite) && value.length === present.length;
}

/** The rate that a schedule has set last in a group: another one comes from the optimizer's state, or from the user. */
const scheduled = new WeakMap<ScheduledGroup, number>();

/** Demands an epoch to go to. */
export function checkEpoch(schedule: string, epoch: number): void {
  demand(schedule, "epoch", epoch, Number.isFinite(epoch) && epoch >= 0, "a number ≥ 0");
}

/** What all schedules share: an optimizer, the rates that it was given, and a state of plain data. */
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
 * Base of the schedules. Making one sets the learning rates of epoch 0; call `step()` after each epoch (OneCycleLR: after
 * each batch), after `optimizer.step()`. A group's initial rate stays in `group.initialLr`.
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
