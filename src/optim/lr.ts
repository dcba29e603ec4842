// optim.lr: learning-rate schedules.

export * from "./one-cycle.ts";
export * from "./plateau.ts";
export {
  LRScheduler,
  type Schedulable,
  type ScheduledGroup,
  type SchedulerOptions,
  type SchedulerState,
} from "./scheduler.ts";
export * from "./schedules.ts";
export * from "./sequential-lr.ts";
