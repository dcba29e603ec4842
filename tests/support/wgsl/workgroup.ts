// Runs the invocations of a workgroup that wait for one another: at barriers all of them, at subgroup operations those of a subgroup.

import type { Dice } from "../random-program.ts";
import type { Now } from "./memory.ts";
import type { Builtins, CompiledModule, Invocation, Waiting } from "./module.ts";
import { SOURCE_LANES } from "./subgroup-calls.ts";

/** Invocations that should have met have not. */
export class ControlFlowError extends Error {
  override readonly name = "ControlFlowError";
}

export interface Workgroup {
  readonly module: CompiledModule;
  readonly now: Now;
  readonly invoke: (builtins: Builtins) => Invocation | undefined;
  readonly builtinsOf: (local: number) => Builtins;
  readonly subgroupOf: (local: number) => number;
  /** Number of the first invocation among those of all workgroups. */
  readonly first: number;
  readonly order: readonly number[];
}

interface Thread {
  readonly local: number;
  readonly lane: number;
  readonly subgroup: Subgroup;
  readonly steps: Invocation;
  /** Where it waits; null while it may run or where it has ended. */
  waiting: Waiting | null;
  ended: boolean;
  /** What it goes on with. */
  given: unknown;
}

interface Subgroup {
  readonly lanes: Thread[];
  /** The operation that some of them are at, and how many. */
  site: number;
  arrived: number;
}

/** Runs all invocations to their end. */
export function runTogether(group: Workgroup, dice: Dice): void {
  const { module, now, first } = group;
  const threads = startAll(group);
  const ready = [...threads];
  let unfinished = threads.length;
  while (unfinished > 0) {
    while (ready.length > 0) {
      const k = dice.below(ready.length);
      const thread = ready[k] as Thread;
      ready[k] = ready[ready.length - 1] as Thread;
      ready.pop();
      now.invocation = first + thread.local;
      const { value, done } = thread.steps.next(thread.given);
      if (done === true) {
        thread.ended = true;
        unfinished--;
        continue;
      }
      thread.waiting = value;
      if (!Object.hasOwn(SOURCE_LANES, siteOf(module, value).name)) continue;
      const { subgroup } = thread;
      if (subgroup.arrived === 0) subgroup.site = value.site;
      if (subgroup.site === value.site) subgroup.arrived++;
      if (subgroup.arrived === subgroup.lanes.length) {
        subgroup.arrived = 0;
        exchange(module, subgroup.lanes);
        ready.push(...subgroup.lanes);
      }
    }
    if (unfinished > 0) {
      passBarrier(module, threads, now);
      ready.push(...threads);
    }
  }
}

/** All invocations, none of which has begun. */
function startAll({ order, builtinsOf, subgroupOf, invoke }: Workgroup): Thread[] {
  const subgroups = new Map<number, Subgroup>();
  return order.map((local) => {
    const builtins = builtinsOf(local);
    const number = subgroupOf(local);
    const subgroup = subgroups.get(number) ?? { lanes: [], site: -1, arrived: 0 };
    subgroups.set(number, subgroup);
    const thread: Thread = {
      local,
      lane: builtins.subgroup_invocation_id as number,
      subgroup,
      steps: invoke(builtins) as Invocation,
      waiting: null,
      ended: false,
      given: undefined,
    };
    subgroup.lanes.push(thread);
    return thread;
  });
}

function siteOf(module: CompiledModule, { site }: Waiting): { readonly name: string; readonly line: number } {
  return module.sites[site] as { name: string; line: number };
}

/** Gives every lane of a subgroup what it asks for. */
function exchange(module: CompiledModule, lanes: readonly Thread[]): void {
  const byLane = new Map(lanes.map((thread) => [thread.lane, thread]));
  const results = lanes.map(({ lane, waiting }) => {
    const { name, line } = siteOf(module, waiting as Waiting);
    const from = SOURCE_LANES[name]?.(lane, (waiting as Waiting).argument) as number;
    const source = byLane.get(from);
    // WGSL leaves the value open; nothing that we write may ask for it.
    if (source === undefined)
      throw new ControlFlowError(`line ${line}: ${name} reads lane ${from} of a subgroup of ${lanes.length}`);
    return (source.waiting as Waiting).values;
  });
  lanes.forEach((thread, i) => {
    thread.given = results[i];
    thread.waiting = null;
  });
}

/** All invocations must be at the same barrier. */
function passBarrier(module: CompiledModule, threads: readonly Thread[], now: Now): void {
  const sites = new Set(threads.map(({ ended, waiting }) => (ended || waiting === null ? -1 : waiting.site)));
  const places = [...sites].map((site) => {
    const { name, line } = module.sites[site] ?? { name: "the end", line: null };
    return line === null ? name : `${name} at line ${line}`;
  });
  const [site] = sites;
  const name = site === undefined ? undefined : module.sites[site]?.name;
  if (sites.size !== 1 || name === undefined || Object.hasOwn(SOURCE_LANES, name))
    throw new ControlFlowError(`invocations of a workgroup wait at different places: ${places.sort().join(", ")}`);
  if (name === "storageBarrier") now.storageEpoch++;
  else now.workgroupEpoch++;
  for (const thread of threads) {
    thread.waiting = null;
    thread.given = undefined;
  }
}
