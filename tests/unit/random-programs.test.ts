// Random programs have plans, whatever the device: no kernel binds more than it may, and none waits for itself.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { planStep } from "../support/plan-step.ts";
import { randomProgram } from "../support/random-program.ts";

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

test.run();
