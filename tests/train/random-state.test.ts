// Random programs with state: assign, dispose, scope, step, backward, compile and reads in any order mean what the eager model says.

import { test } from "uvu";
import { init } from "../../src/index.ts";
import { judge, printed } from "../support/state-judge.ts";
import { stateProgram } from "../support/state-program.ts";

await init();

/** `node scripts/run.mjs tests/support/state-fuzz.ts --count N` tries many more, and makes those that fail smaller. */
const PROGRAMS = 40;

for (let seed = 1; seed <= PROGRAMS; seed++) {
  test(`program ${seed}`, async () => {
    const lines = stateProgram(seed, 10);
    const failure = await judge(lines);
    if (failure !== null) throw new Error(printed(lines, failure));
  });
}

test.run();
