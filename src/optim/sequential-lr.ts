// SequentialLR: one schedule after another.

import { WgradError } from "../base/errors.ts";
import { checkList, checkOptions, checkWhole } from "../ops/check.ts";
import { type LRScheduler, type Schedulable, Schedule, type SchedulerState } from "./scheduler.ts";

/**
 * Runs schedules one after another: schedule i until epoch `milestones[i]`, when the next one starts at its own epoch
 * 0.
 */
export class SequentialLR extends Schedule {
  readonly #schedulers: readonly LRScheduler[];
  readonly milestones: readonly number[];

  constructor(
    optimizer: Schedulable,
    schedulers: readonly LRScheduler[],
    milestones: readonly number[],
    options: Record<string, never> = {},
  ) {
    checkOptions("SequentialLR", options, []);
    super(optimizer);
    checkList("SequentialLR", "schedulers", schedulers);
    checkList("SequentialLR", "milestones", milestones);
    if (schedulers.length === 0 || milestones.length !== schedulers.length - 1) {
      throw new RangeError(
        `SequentialLR: needs one milestone less than schedules, got ${schedulers.length} schedules and ${milestones.length} milestones.`,
      );
    }
    milestones.forEach((epoch, i) => {
      checkWhole("SequentialLR", "every milestone", epoch, (milestones[i - 1] ?? 0) + 1);
    });
    for (const scheduler of schedulers) {
      if (scheduler?.optimizer !== optimizer) {
        throw new WgradError("SequentialLR: all schedules must be of the same optimizer as SequentialLR itself.");
      }
    }
    this.#schedulers = [...schedulers];
    this.milestones = [...milestones];
    // Making the schedules has moved the rates to every schedule's epoch 0 in turn: back to that of the first.
    for (const group of optimizer.paramGroups) group.lr = group.initialLr ?? group.lr;
    for (const scheduler of schedulers) scheduler.lastEpoch -= 1;
    const first = schedulers[0] as LRScheduler;
    first.stepCount = 0;
    first.step();
    this.noteLrs();
  }

  /** Goes to the next epoch. */
  step(): void {
    this.lastEpoch += 1;
    const passed = this.milestones.filter((epoch) => epoch <= this.lastEpoch).length;
    const scheduler = this.#schedulers[passed];
    if (scheduler === undefined) return;
    if (passed > 0 && this.milestones[passed - 1] === this.lastEpoch) scheduler.step(0);
    else scheduler.step();
    this.noteLrs();
  }

  /** Own state and that of the schedules. */
  override stateDict(): SchedulerState {
    return { ...super.stateDict(), _schedulers: this.#schedulers.map((scheduler) => scheduler.stateDict()) };
  }

  override checked(state: SchedulerState): () => void {
    this.demandState(state, "_schedulers");
    const saved = state._schedulers;
    if (!Array.isArray(saved) || saved.length !== this.#schedulers.length) {
      throw new WgradError(
        `SequentialLR.loadStateDict: the state is not one of ${this.#schedulers.length} schedules. Make it with the same ones.`,
      );
    }
    // PyTorch's state has another name for the milestones.
    const milestones = state.milestones ?? state._milestones;
    const takeOwn = super.checked({ ...state, milestones });
    if ((milestones as number[]).length !== this.milestones.length) throw this.misfit("milestones", milestones);
    const takes = this.#schedulers.map((scheduler, i) => scheduler.checked(saved[i] as SchedulerState));
    return () => {
      const which = this.areScheduled();
      const { paramGroups } = this.optimizer;
      const before = paramGroups.map(({ lr }) => lr);
      // The one that has had its turn last sets the rates; those of the others are none of theirs any more.
      for (const take of takes) take();
      paramGroups.forEach((group, i) => {
        group.lr = before[i] ?? group.lr;
      });
      takeOwn();
      this.restoreLrs(which);
    };
  }
}
