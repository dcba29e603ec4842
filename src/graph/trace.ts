// The trace of a compiled step: what the host must do again before every replay, in recorded order.

import type { Node } from "./node.ts";
import type { Tensor } from "./tensor.ts";

export interface Trace {
  /** Nodes that are younger than this one are the step's own. */
  readonly start: number;
  /** Tensors from outside that the step computes with. */
  readonly inputs: Map<Tensor, Node>;
  readonly effects: (() => void)[];
  /** What has been read as it was and is in the step for good: replays must find it so, or the step is traced again. */
  readonly guards: (() => boolean)[];
  /** Leaves whose gradients before the call do not matter any more: the step itself has forgotten them, or a guard says what they are. */
  readonly graded: Set<Tensor>;
  /** Set when a tensor got state of its own meanwhile: its old value is a constant of this trace, so the next call must trace again. */
  unsettled: boolean;
}

/** A trace with nothing in it yet, of a step whose nodes follow the node `start`. */
export function newTrace(start: number): Trace {
  return { start, inputs: new Map(), effects: [], guards: [], graded: new Set(), unsettled: false };
}

let current: Trace | null = null;

/** The trace being recorded, if any. */
export function currentTrace(): Trace | null {
  return current;
}

/** Runs `run` while recording into `trace`. */
export function withTrace<T>(trace: Trace, run: () => T): T {
  const before = current;
  current = trace;
  try {
    return run();
  } finally {
    current = before;
  }
}

/** Remembers something to do before every replay; does nothing outside a trace. */
export function traceEffect(effect: () => void): void {
  current?.effects.push(effect);
}

/** Says what a replay of the compiled step being traced takes for granted; does nothing outside a trace. */
export function traceGuard(holds: () => boolean): void {
  current?.guards.push(holds);
}

/** Says that the step being traced reads a leaf's gradient, which replays must find as it is. */
export function guardGradient(leaf: Tensor): void {
  if (current === null || current.graded.has(leaf)) return;
  current.graded.add(leaf);
  // The step's own leaves are others in the next trace.
  if (leaf.slot === null && leaf.lastNode.id > current.start) return;
  const { gradient } = leaf;
  traceGuard(() => leaf.gradient === gradient);
}

let anew = false;

/** Calls `refresh`, which is called again before every replay: what it reads may change. */
export function readAnew<T>(refresh: () => T): T {
  const before = anew;
  anew = true;
  try {
    return refresh();
  } finally {
    anew = before;
  }
}

/** Whether what is read at present is read again before every replay. */
export function isReadAnew(): boolean {
  return anew;
}

/** Runs `run` now, and again before every replay of the compiled step that is being traced. */
export function hostEffect(run: () => void): void {
  run();
  traceEffect(run);
}
