// Waiting in Node without taking a core from those who compute.

/** Milliseconds. A pause costs as much again when what is waited for comes just behind its beginning. */
const longestPause = 0.5;
const shortestPause = 0.02;
/** Of the time waited so far: what a pause may add to it. */
const share = 1 / 8;

let pending = 0;
let resting = false;
let since = 0;
let cell: Int32Array | null = null;

/**
 * Lets the thread sleep a little in every turn of the event loop until `work` has settled.
 *
 * Dawn asks for finished work once per turn and asks for the next turn at once, so a process that waits keeps a core busy. Where shaders
 * run on the same cores, that made a kernel on two cores take twice its time. Pauses grow with the time waited: what is short is
 * seen at once, what is long an eighth too late, but never more than half a millisecond.
 */
export function restDuring(work: Promise<unknown>): void {
  pending++;
  since = performance.now();
  const settled = (): void => {
    pending--;
  };
  work.then(settled, settled);
  if (resting) return;
  resting = true;
  setImmediate(turn);
}

function turn(): void {
  if (pending === 0) {
    resting = false;
    return;
  }
  const pause = Math.min((performance.now() - since) * share, longestPause);
  cell ??= new Int32Array(new SharedArrayBuffer(4));
  if (pause >= shortestPause) Atomics.wait(cell, 0, 0, pause);
  setImmediate(turn);
}
