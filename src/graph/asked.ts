// What the user asked for while ops are recorded: the names that reports and labels give to what computes them.

import { recording } from "./tensor.ts";

/** Runs `run`, which records an op that is made of others. An op that is a part of another one goes by the name of the whole. */
export function asking<T>(op: string, run: () => T): T {
  return recording.asked === null ? naming(op, run) : run();
}

const BACKWARD = " backward";

/** Runs `run`, which records a gradient of `op`. */
export function differentiating<T>(op: string, run: () => T): T {
  return naming(op.endsWith(BACKWARD) ? op : op + BACKWARD, run);
}

function naming<T>(name: string, run: () => T): T {
  const before = recording.asked;
  recording.asked = name;
  try {
    return run();
  } finally {
    recording.asked = before;
  }
}

/** Names of ops in one label: what was asked for, then what gradients need. */
export function joinNames(names: readonly string[], most: number): string {
  const unique = [...new Set(names)];
  const backward = unique.filter((name) => name.endsWith(BACKWARD)).map((name) => name.slice(0, -BACKWARD.length));
  const forward = unique.filter((name) => !name.endsWith(BACKWARD));
  const parts = (list: readonly string[]) => list.slice(0, most).join("+") + (list.length > most ? "+…" : "");
  return [
    ...(forward.length > 0 ? [parts(forward)] : []),
    ...(backward.length > 0 ? [parts(backward) + BACKWARD] : []),
  ].join(", ");
}
