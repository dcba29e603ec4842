// The trace of a compiled step: what the host must do again before every replay.

import type { Trace } from "./recording.ts";
import { recording, type Tensor } from "./tensor.ts";

/** A trace with nothing in it yet, of a step whose nodes follow the node `start`. */
export function newTrace(start: number): Trace<Tensor> {
  return { start, inputs: new Map(), effects: [], guards: [], zeroed: new Set(), unsettled: false };
}

/** The trace being recorded, if any. */
export function currentTrace(): Trace<Tensor> | null {
  return recording.trace;
}

/** Remembers something to do before every replay; does nothing outside a trace. */
export function traceEffect(effect: () => void): void {
  recording.trace?.effects.push(effect);
}

/** Says what a replay of the compiled step being traced takes for granted; does nothing outside a trace. */
export function traceGuard(holds: () => boolean): void {
  recording.trace?.guards.push(holds);
}

/** Calls `refresh`, which is called again before every replay: what it reads may change. */
export function readAnew<T>(refresh: () => T): T {
  return recording.under({ anew: true }, refresh);
}

/** Whether what is read at present is read again before every replay. */
export function isReadAnew(): boolean {
  return recording.anew;
}

/** Runs `run` now, and again before every replay of the compiled step that is being traced. */
export function hostEffect(run: () => void): void {
  run();
  traceEffect(run);
}
