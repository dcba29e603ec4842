// Random programs: what the kernels of their plans compute is what the ops mean.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { init, type Tensor } from "../../src/index.ts";
import { dataAsGpu, dataPlanned } from "../support/as-gpu.ts";
import { randomGraph } from "../support/random-graph.ts";
import { Dice, randomProgram } from "../support/random-program.ts";
import { interpret } from "../support/reference.ts";

await init();

/** What is computed for `targets`, every third time as a GPU would compute it. */
async function checkTargets(seed: number, targets: readonly Tensor[]): Promise<void> {
  const expected = interpret(targets);
  const got = seed % 3 === 1 ? await dataAsGpu(...targets) : await Promise.all(targets.map((x) => x.data()));
  checkValues(got, expected);
}

function checkValues(got: readonly ArrayLike<number>[], expected: readonly Float64Array[]): void {
  got.forEach((values, i) => {
    const wanted = expected[i] as Float64Array;
    assert.is(values.length, wanted.length);
    const scale = wanted.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-2);
    wanted.forEach((x, j) => {
      const error = Math.abs((values[j] as number) - x) / scale;
      assert.ok(error < 1e-3, `target ${i}, element ${j}: ${values[j]}, expected ${x}`);
    });
  });
}

for (let seed = 1; seed <= 24; seed++)
  test(`random program ${seed}`, () => checkTargets(seed, randomProgram(seed, 24)));

for (let seed = 1; seed <= 30; seed++)
  test(`random graph ${seed} of all ops`, () => checkTargets(seed, randomGraph(new Dice(seed), 1 + (seed % 4))));

// Kernels of 414 are cut again after they were cut.
for (const seed of [6, 21, 33, 63, 98, 414])
  test(`random program ${seed}, cut into kernels that bind few buffers`, async () => {
    const targets = randomProgram(seed, 8 + (seed % 30));
    const expected = interpret(targets);
    for (const bindings of [5, 7, 8]) checkValues(await dataPlanned(targets, { bindings }), expected);
  });

test.run();
