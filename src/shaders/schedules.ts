// Schedules other than the default ones: which a kernel has, how they are named, and the book of those that measured best.

import type { Group } from "../schedule/group.ts";
import { type ContractionSchedule, contractionSchedules } from "./contraction.ts";
import type { DeviceTraits, Kernel } from "./kernel.ts";
import { type MapSchedule, mapSchedules } from "./map.ts";
import { type RowSchedule, rowSchedules } from "./row.ts";

/** How a kernel of one of the families spreads its work. */
export type Schedule = MapSchedule | RowSchedule | ContractionSchedule;

/** A kernel under another schedule. */
export interface Variant {
  readonly schedule: Schedule;
  readonly kernel: Kernel;
}

/** A kernel under its default schedule. */
export interface Offer extends Variant {
  readonly group: Group;
  readonly write: (schedule: Schedule) => Variant;
}

/** Asked about every kernel that a plan is made with: the schedule to write it under; null leaves the default. */
export type ScheduleBook = (offer: Offer) => Schedule | null;

/** The book of what was chosen, by the signatures of the kernels that it replaces; null where nothing was. */
export function bookOf(chosen: ReadonlyMap<string, Schedule>): ScheduleBook | null {
  return chosen.size === 0 ? null : ({ kernel }) => chosen.get(signatureOf(kernel)) ?? null;
}

/** What a kernel is known by: its shader under the default schedule, and its grid. 64 bits of FNV-1a over both, as 16 digits. */
export function signatureOf({ wgsl, workgroups }: Kernel): string {
  const text = `${wgsl}|${workgroups.join()}`;
  let [low, high] = [0x811c9dc5, 0x6c62272e];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code ^ (low >>> 16), 0x01000193);
  }
  return [high, low].map((n) => (n >>> 0).toString(16).padStart(8, "0")).join("");
}

/** The schedules that a kernel may have instead of its default one. */
export function alternatives({ group, schedule: standard }: Offer, device: DeviceTraits): Schedule[] {
  const all: Schedule[] =
    "perThread" in standard
      ? mapSchedules(standard, group.rows)
      : "lanes" in standard
        ? rowSchedules(standard, group)
        : contractionSchedules(standard, group, device);
  const own = JSON.stringify(standard);
  return all.filter((schedule) => JSON.stringify(schedule) !== own);
}
