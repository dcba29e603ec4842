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
  /** Leaves whose gradients the step itself has forgotten: what it adds then does not depend on what was there. */
  readonly zeroed: Set<Tensor>;
  /** Set when a tensor got state of its own meanwhile: its old value is a constant of this trace, so the next call must trace again. */
  unsettled: boolean;
}

/** A trace with nothing in it yet, of a step whose nodes follow the node `start`. */
export function newTrace(start: number): Trace {
  return { start, inputs: new Map(), effects: [], guards: [], zeroed: new Set(), unsettled: false };
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

/**
 * Adds a condition to the compiled step that is being traced: if `holds()` is false before a replay, the step is traced
 * again. Does nothing outside a trace.
 */
export function traceGuard(holds: () => boolean): void {
  current?.guards.push(holds);
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

/** Whether a value that is read now is read again before each replay. */
export function isReadAnew(): boolean {
  return anew;
}

/** Runs `run` now, and again before each replay of the compiled step that is being traced. */
export function hostEffect(run: () => void): void {
  run();
  traceEffect(run);
}
