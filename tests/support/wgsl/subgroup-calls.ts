// Subgroup operations: an invocation hands in what it has, waits for its subgroup, and takes what another lane had.

import { components } from "./builtins.ts";
import type { Context } from "./scope.ts";
import { refuse, scalarOf, type Value } from "./types.ts";

/** The lane that an operation reads, from one's own lane and the operation's second argument. */
export const SOURCE_LANES: Readonly<Record<string, (lane: number, argument: number) => number>> = {
  subgroupBroadcast: (_lane, n) => n,
  subgroupShuffle: (_lane, n) => n,
  subgroupShuffleXor: (lane, n) => lane ^ n,
  subgroupShuffleUp: (lane, n) => lane - n,
  subgroupShuffleDown: (lane, n) => lane + n,
};

/** Writes a subgroup operation; null where the name is another function's. */
export function callSubgroup(name: string, args: readonly Value[], line: number, context: Context): Value | null {
  if (!Object.hasOwn(SOURCE_LANES, name)) return null;
  const { code, sites } = context;
  const [value, lane] = args;
  if (value === undefined || lane === undefined) return refuse(line, `${name} with ${args.length} arguments`);
  const site = sites.push({ name, line }) - 1;
  const scalar = scalarOf(value.type, line);
  const parts = components(value, scalar === "int" ? "i32" : scalar, value.parts.length, line);
  const result = code.hold(`yield { site: ${site}, values: [${parts.join(", ")}], argument: ${lane.parts[0]} }`);
  return { type: value.type, parts: parts.map((_, i) => code.hold(`${result}[${i}]`)) };
}
