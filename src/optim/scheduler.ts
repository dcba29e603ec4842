// LRScheduler: the base of learning-rate schedules, which set the `lr` of each parameter group epoch by epoch.

import { checkWhole, demand } from "../check.ts";
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

  /** Continues from a `stateDict()`. The optimizer's own state holds the learning rates. */
  loadStateDict(state: SchedulerState): void {
    const what = `${this.constructor.name}.loadStateDict`;
    if (typeof state !== "object" || state === null) {
      throw new TypeError(`${what}: a state is an object, got ${String(state)}.`);
    }
    const fields = this.#data().map(([field]) => field);
    const missing = fields.map(stateName).filter((name) => !(name in state));
    if (missing.length > 0) {
      throw new WgradError(`${what}: the state lacks ${missing.join(", ")}. Was it saved by another schedule?`);
    }
    for (const field of fields) (this as Record<string, unknown>)[field] = copy(state[stateName(field)]);
  }

  /** Notes the groups' rates. */
  protected noteLrs(): void {
    this.lastLr = this.#optimizer.paramGroups.map((group) => group.lr);
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
