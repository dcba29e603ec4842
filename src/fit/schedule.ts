// When a learning-rate schedule steps.
import { OneCycleLR, ReduceLROnPlateau } from "../optim/lr.ts";
import type { Schedule } from "./options.ts";

/** The schedule, if it steps after each training step. */
export function schedulesSteps(schedule: Schedule | undefined): Schedule | undefined {
  return schedule instanceof OneCycleLR ? schedule : undefined;
}

/** Steps a schedule at the end of an epoch; only ReduceLROnPlateau looks at the monitored value. */
export function stepEpoch(schedule: Schedule | undefined, monitored: number): void {
  if (schedule instanceof ReduceLROnPlateau) schedule.step(monitored);
  else if (!(schedule instanceof OneCycleLR)) schedule?.step();
}
