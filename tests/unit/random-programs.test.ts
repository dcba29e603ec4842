// Random programs have plans, whatever the device: no kernel binds more than it may, and none waits for itself.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { OutOfMemoryError } from "../../src/errors.ts";
import { planStep } from "../support/plan-step.ts";
import { randomGraph } from "../support/random-graph.ts";
import { Dice, randomProgram } from "../support/random-program.ts";

for (const [length, count] of [
  [30, 90],
  [80, 30],
  [200, 9],
] as const) {
  test(`${count} random programs of about ${length} ops`, () => {
    for (let seed = 1; seed <= count; seed++) {
      const targets = randomProgram(seed, length);
      for (const bindings of [5, 8, 16]) {
        const kind = (seed + bindings) % 2 === 0 ? "gpu" : "software";
        const plan = planStep(() => targets, { bindings, kind, subgroupSize: 8 });
        assert.ok(plan.fused, `program ${seed} is not fused for ${bindings} buffers`);
        for (const { kernel, bindings: bound } of plan.steps) {
          const most = kernel.family === "kernel" ? 8 : bindings;
          assert.ok(bound.length <= most, `program ${seed}: "${kernel.name}" binds ${bound.length} of ${bindings}`);
        }
      }
    }
  });
}

test("250 random graphs of all ops, with first and second gradients", () => {
  for (let seed = 1; seed <= 250; seed++) {
    const targets = randomGraph(new Dice(seed), 1 + (seed % 5));
    for (const bindings of [8, 10, 16]) {
      const kind = (seed + bindings / 2) % 2 === 0 ? "gpu" : "software";
      const plan = planStep(() => targets, { bindings, kind, subgroupSize: seed % 3 === 0 ? 0 : 8 });
      assert.ok(plan.fused, `graph ${seed} is not fused for ${bindings} buffers`);
      for (const { kernel, bindings: bound } of plan.steps)
        assert.ok(bound.length <= bindings, `graph ${seed}: "${kernel.name}" binds ${bound.length} of ${bindings}`);
    }
  }
});

test("random graphs have plans for less memory, or none because of the memory", () => {
  let frugal = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const targets = randomGraph(new Dice(seed), 1 + (seed % 5));
    const { workspace } = planStep(() => targets);
    try {
      assert.ok(planStep(() => targets, {}, 0.7 * workspace).workspace <= 0.7 * workspace);
      frugal++;
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }
  assert.ok(frugal > 10);
});

test.run();
