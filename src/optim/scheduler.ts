// LRScheduler: the base of learning-rate schedules, which set the `lr` of each parameter group epoch by epoch.

import { WgradError } from "../errors.ts";

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
  return stateNames[field] ?? field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isData(value: unknown): boolean {
  return Array.isArray(value) ? value.every(isData) : ["number", "string", "boolean"].includes(typeof value);
}

/** The fields of `schedule` that are plain data, by PyTorch's names. */
export function dataOf(schedule: object): SchedulerState {
  const fields = Object.entries(schedule).filter(([, value]) => isData(value));
  return Object.fromEntries(
    fields.map(([name, value]) => [stateName(name), Array.isArray(value) ? [...value] : value]),
  );
}

/** Sets the fields of `schedule` from what `dataOf` returned. */
export function restoreData(schedule: object, state: SchedulerState): void {
  if (typeof state !== "object" || state === null) {
    throw new TypeError(`${schedule.constructor.name}.loadStateDict: a state is an object, got ${String(state)}.`);
  }
  const fields = Object.keys(dataOf(schedule));
  const missing = fields.filter((name) => !(name in state));
  if (missing.length > 0) {
    throw new WgradError(
      `${schedule.constructor.name}.loadStateDict: the state lacks ${missing.join(", ")}. Was it saved by another schedule?`,
    );
  }
  const target = schedule as Record<string, unknown>;
  for (const [field, value] of Object.entries(schedule)) {
    if (!isData(value)) continue;
    const saved = state[stateName(field)];
    target[field] = Array.isArray(saved) ? [...saved] : saved;
  }
}

/** Checks that `optimizer` is one. */
export function checkOptimizer(schedule: string, optimizer: Schedulable): void {
  if (typeof optimizer !== "object" || optimizer === null || !Array.isArray(optimizer.paramGroups)) {
    throw new TypeError(`${schedule}: the first argument must be an optimizer.`);
  }
}

/** Demands a finite number of at least `least`. */
export function checkNumber(
  schedule: string,
  name: string,
  value: number,
  least: number = Number.NEGATIVE_INFINITY,
): void {
  if (typeof value !== "number" || !Number.isFinite(value) || value < least) {
    const rule = least === Number.NEGATIVE_INFINITY ? "a finite number" : `a number ≥ ${least}`;
    throw new RangeError(`${schedule}: ${name} must be ${rule}, got ${String(value)}.`);
  }
}

/** Demands a whole number of at least `least`. */
export function checkWhole(schedule: string, name: string, value: number, least = 1): void {
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(`${schedule}: ${name} must be a whole number ≥ ${least}, got ${String(value)}.`);
  }
}

/**
 * Base of the schedules. Making one sets the learning rates of epoch 0; call `step()` after each epoch (OneCycleLR: after
 * each batch), after `optimizer.step()`. A group's initial rate stays in `group.initialLr`.
 */
export abstract class LRScheduler {
  readonly #optimizer: Schedulable;
  /** Number of the current epoch. */
  lastEpoch: number;
  /** The groups' initial learning rates. */
  baseLrs: number[];
  /** Calls of `step()`, the initial one included. */
  stepCount = 0;
  /** The groups' learning rates as last set. */
  lastLr: number[] = [];

  constructor(optimizer: Schedulable, options: SchedulerOptions = {}) {
    checkOptimizer(this.constructor.name, optimizer);
    this.#optimizer = optimizer;
    this.lastEpoch = options.lastEpoch ?? -1;
    checkWhole(this.constructor.name, "lastEpoch", this.lastEpoch, -1);
    this.baseLrs = optimizer.paramGroups.map((group) => {
      if (this.lastEpoch === -1) group.initialLr ??= group.lr;
      if (group.initialLr === undefined) {
        throw new WgradError(
          `${this.constructor.name}: resuming at epoch ${this.lastEpoch} needs initialLr in every group. Load the optimizer's state first.`,
        );
      }
      return group.initialLr;
    });
  }

  /** The optimizer whose learning rates are set. */
  get optimizer(): Schedulable {
    return this.#optimizer;
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
      checkNumber(this.constructor.name, "epoch", epoch, 0);
      this.lastEpoch = epoch;
      this.apply(this.closedLrs());
    }
  }

  /** The groups' learning rates as last set. */
  getLastLr(): number[] {
    return [...this.lastLr];
  }

  /** Everything but the optimizer, as plain data. */
  stateDict(): SchedulerState {
    return dataOf(this);
  }

  /** Continues from a `stateDict()`. The optimizer's own state holds the learning rates. */
  loadStateDict(state: SchedulerState): void {
    restoreData(this, state);
  }

  /** Sets the learning rates of epoch 0: each subclass calls it at the end of its constructor. */
  protected start(): void {
    this.stepCount = 0;
    this.step();
  }

  /** `rule` for each group: its present rate, its initial rate, its number. */
  protected each(rule: (lr: number, base: number, index: number) => number): number[] {
    return this.#optimizer.paramGroups.map((group, i) => rule(group.lr, this.baseLrs[i] ?? group.lr, i));
  }

  protected apply(lrs: number[]): void {
    this.#optimizer.paramGroups.forEach((group, i) => {
      group.lr = lrs[i] ?? group.lr;
    });
    this.lastLr = this.#optimizer.paramGroups.map((group) => group.lr);
  }
}
