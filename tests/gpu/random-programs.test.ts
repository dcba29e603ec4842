// Random programs: what the kernels of their plans compute is what the ops mean.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { init } from "../../src/index.ts";
import { dataAsGpu } from "../support/as-gpu.ts";
import { randomProgram } from "../support/random-program.ts";
import { interpret } from "../support/reference.ts";

await init();

for (let seed = 1; seed <= 24; seed++) {
  test(`random program ${seed}`, async () => {
    const targets = randomProgram(seed, 24);
    const expected = interpret(targets);
    // Every third as a GPU would compute it.
    const got = seed % 3 === 1 ? await dataAsGpu(...targets) : await Promise.all(targets.map((x) => x.data()));
    got.forEach((values, i) => {
      const wanted = expected[i] as Float64Array;
      assert.is(values.length, wanted.length);
      const scale = wanted.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-2);
      wanted.forEach((x, j) => {
        const error = Math.abs((values[j] as number) - x) / scale;
        assert.ok(error < 1e-3, `target ${i}, element ${j}: ${values[j]}, expected ${x}`);
      });
    });
  });
}

test.run();
