// Waiting in Node: other work goes on, the thread sleeps in between, and it ends with what was waited for.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { restDuring } from "../../src/runtime/rest.ts";

const tests = suite("rest");

/** Turns of the event loop until `work` has settled. */
async function turns(work: Promise<unknown>): Promise<number> {
  let count = 0;
  let running = true;
  const stop = (): void => {
    running = false;
  };
  work.then(stop, stop);
  while (running) {
    count++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return count;
}

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

tests("few turns of the event loop pass while something is waited for, and as many as ever afterwards", async () => {
  const work = after(100);
  restDuring(work);
  const waiting = await turns(work);
  // Half a millisecond each, and more of them while the wait is young.
  assert.ok(waiting > 3 && waiting < 1000, `${waiting} turns`);
  const free = await turns(after(100));
  assert.ok(free > 1000, `${free} turns`);
});

tests("work that fails ends the wait like work that succeeds, and its error stays its own", async () => {
  const work = after(20).then(() => {
    throw new Error("failed");
  });
  restDuring(work);
  await work.then(assert.unreachable, () => undefined);
  const free = await turns(after(100));
  assert.ok(free > 1000, `${free} turns`);
});

tests("of several at a time the last one ends it", async () => {
  const [short, long] = [after(10), after(120)];
  restDuring(short);
  restDuring(long);
  await short;
  const waiting = await turns(long);
  assert.ok(waiting > 3 && waiting < 1500, `${waiting} turns`);
});

tests.run();
