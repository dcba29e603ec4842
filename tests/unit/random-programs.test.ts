// Random programs have plans, whatever the device: no kernel binds more than it may, and none waits for itself.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { OutOfMemoryError } from "../../src/base/errors.ts";
import { variablesOf } from "../../src/graph/index-expression.ts";
import { buildProgram, walkInline } from "../../src/graph/program.ts";
import { sameIndices } from "../../src/schedule/alignment.ts";
import { fuse } from "../../src/schedule/fusion.ts";
import type { Home } from "../../src/shaders/group.ts";
import { captureStep, planStep } from "../support/plan-step.ts";
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
      for (const { kernel, bindings: bound } of plan.steps)
        assert.ok(bound.length <= bindings, `graph ${seed}: "${kernel.name}" binds ${bound.length} of ${bindings}`);
    }
  }
});

test("a kernel reads its own reductions at the element at hand, with the variables that it has", () => {
  let reads = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const captured = captureStep(() => randomGraph(new Dice(seed), 1 + (seed % 5)));
    const program = buildProgram(
      captured,
      captured.constants.map(() => false),
      true,
    );
    const { groups, homes } = fuse(program, { bindings: 8, fuse: true });
    for (const group of groups.filter(({ kind }) => kind !== "kernel")) {
      const own = new Map(group.reductions.map((reduction) => [reduction.value, reduction]));
      const results = group.stored.map((value) => ({ value, home: homes.get(value) as Home }));
      for (const { home } of results)
        for (const name of variablesOf(home.coordinates))
          assert.ok(name.startsWith("o") || home.domain === "full", `graph ${seed}: ${name} in ${home.domain}`);
      const bodies = group.reductions.map(({ body, coordinates }) => ({ value: body, coordinates }));
      const places = results.map(({ value, home }) => ({ value, coordinates: home.coordinates }));
      walkInline([...bodies, ...places], ({ value, coordinates }) => {
        const result = own.get(value)?.result;
        if (result !== undefined) {
          reads++;
          assert.ok(sameIndices(coordinates, result), `graph ${seed}: a ${value.definition.name} is read elsewhere`);
        }
        if (result !== undefined || value.leaf !== null || group.reads.has(value)) return false;
        assert.is.not(value.definition.kind, "reduce", `graph ${seed}: ${value.definition.name} is computed nowhere`);
        return true;
      });
    }
  }
  assert.ok(reads > 100);
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
