// Schedules other than the default ones: which a kernel has, how they are named, and the book of those that measured best.

import type { HandWritten, Kernel } from "../graph/definition.ts";
import type { DeviceTraits, KernelSchedule } from "../graph/kernel-program.ts";
import { contractionSchedules } from "./contraction-schedule.ts";
import type { Group } from "./group.ts";
import { type MapSchedule, mapSchedules } from "./map.ts";
import { type RowSchedule, rowSchedules } from "./row-schedule.ts";
import type { ContractionSchedule } from "./tile.ts";
import { throughWorkgroup } from "./workgroup-tile.ts";

/** How a kernel of one of the families spreads its work. */
export type Schedule = MapSchedule | RowSchedule | ContractionSchedule | KernelSchedule;

/** A kernel under its default schedule. */
export interface Offer {
  readonly schedule: Schedule;
  readonly kernel: Kernel;
  readonly group: Group;
  /** The kernel under another schedule. */
  readonly write: (schedule: Schedule) => Kernel;
}

/** Schedules other than the default ones, and what it takes to write them. */
export interface ScheduleBook {
  /** Asked about every kernel that a plan is made with: the schedule to write it under; null leaves the default. */
  readonly choose: (offer: Offer) => Schedule | null;
  /** No default schedule goes through workgroup memory: who has no book doesn't load this. */
  readonly throughWorkgroup: typeof throughWorkgroup;
}

/** What plans are made for. */
export interface PlanTraits extends DeviceTraits {
  /** Schedules that were measured on this device, if any. */
  readonly schedules?: ScheduleBook | null;
}

/** A book that chooses so. */
export function bookBy(choose: ScheduleBook["choose"]): ScheduleBook {
  return { choose, throughWorkgroup };
}

/** The book of what was chosen, by the signatures of the kernels that it replaces; null where nothing was. */
export function bookOf(chosen: ReadonlyMap<string, Schedule>): ScheduleBook | null {
  return chosen.size === 0 ? null : bookBy(({ kernel }) => chosen.get(signatureOf(kernel)) ?? null);
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
  const all = schedulesOf(group, standard, device);
  const own = JSON.stringify(standard);
  return all.filter((schedule) => JSON.stringify(schedule) !== own);
}

function schedulesOf(group: Group, standard: Schedule, device: DeviceTraits): readonly Schedule[] {
  switch (group.kind) {
    case "map":
      return mapSchedules(standard as MapSchedule, group.rows);
    case "row":
      return rowSchedules(standard as RowSchedule, group);
    case "contraction":
      return contractionSchedules(standard as ContractionSchedule, group, device);
    case "kernel":
      return group.handWritten === null ? [] : handWrittenSchedules(group.handWritten, device);
    default:
      return group.kind satisfies never;
  }
}

/** A hand-written kernel's schedules, but for the first: that is its default. */
function handWrittenSchedules(
  { definition, attributes, inputs }: HandWritten,
  device: DeviceTraits,
): readonly KernelSchedule[] {
  const { program } = definition;
  const all = program.schedules?.({ inputs, outputs: program.outputs(inputs, attributes), attributes }, device);
  return all?.slice(1) ?? [];
}
