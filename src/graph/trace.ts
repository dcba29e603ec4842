// The trace of a compiled step: what the host must do again before every replay.

import type { Trace } from "./recording.ts";
import { recording, type Tensor } from "./tensor.ts";

/** A trace with nothing in it yet, of a step whose nodes follow the node `start`. */
export function newTrace(start: number): Trace<Tensor> {
  return { start, inputs: new Map(), effects: [], guards: [], graded: new Set(), unsettled: false };
}

/** The trace being recorded, if any. */
export function currentTrace(): Trace<Tensor> | null {
  return recording.trace;
}

/** Remembers something to do before every replay; does nothing outside a trace. */
export function traceEffect(effect: () => void): void {
  recording.trace?.effects.push(effect);
}

/**
 * Adds a condition to the compiled step that is being traced: if `holds()` is false before a replay, the step is traced
 * again. Does nothing outside a trace.
 */
export function traceGuard(holds: () => boolean): void {
  recording.trace?.guards.push(holds);
}

/** Calls `refresh` now and again before every replay, because the values that it reads may change. */
export function readAnew<T>(refresh: () => T): T {
  return recording.under({ anew: true }, refresh);
}

/** Whether a value that is read now is read again before each replay. */
export function isReadAnew(): boolean {
  return recording.anew;
}

/** Runs `run` now, and again before each replay of the compiled step that is being traced. */
export function hostEffect(run: () => void): void {
  run();
  traceEffect(run);
}
