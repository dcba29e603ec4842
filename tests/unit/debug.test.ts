// WGRAD_DEBUG: what a plan was made of, printed level by level.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { describePlan } from "../../src/engine/debug-node.ts";
import { buildProgram, capture } from "../../src/graph/program.ts";
import { buildPlan } from "../../src/schedule/plan.ts";
import { GUARANTEED } from "../../src/shaders/kernel.ts";
import { tensor } from "../../src/tensor.ts";

function described(level: number): string[] {
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  const captured = capture([{ node: x.mul(3).relu().sum(1).node, slot: null }]);
  const program = buildProgram(
    captured,
    captured.constants.map(() => false),
    true,
  );
  return describePlan(program, buildPlan(program, { device: GUARANTEED, fuse: true }), level).split("\n");
}

test("level 1 prints the program: operands before results, each with dtype and shape", () => {
  const lines = described(1);
  assert.is(lines[0], "plan of 1 kernels, 0 bytes between them");
  const ops = lines.filter((line) => line.startsWith("  %")).map((line) => line.trim().replaceAll(/ +/g, " "));
  assert.equal(ops, [
    "%0 buffer 0 f32[2, 2]",
    "%1 constant(3) f32[]",
    "%2 mul %0 %1 f32[2, 2]",
    "%3 relu %2 f32[2, 2]",
    "%4 sum(1) %3 f32[2, 1]",
    "%5 reshape %4 f32[2]",
  ]);
  assert.is(lines.at(-1), "  results: %5");
});

test("each level adds to those before: kernels, bindings, WGSL", () => {
  const [one, two, three, four] = [1, 2, 3, 4].map(described) as [string[], string[], string[], string[]];
  assert.equal(two.slice(0, one.length), one);
  assert.is(two[one.length], "kernels");
  assert.match(two[one.length + 1] ?? "", /^ {2}0 {2}row {2}.*sum.* bytes .* flops$/);
  assert.equal(three.slice(0, two.length), two);
  assert.equal(
    three.slice(two.length).map((line) => line.trim().replaceAll(/ +/g, " ")),
    ["bindings", "0 reads f32[2, 2] leaf 0", "has f32[2, 1] output 0", "copies at the end: 0"],
  );
  assert.equal(four.slice(0, three.length), three);
  assert.match(four.slice(three.length).join("\n"), "@compute");
});

test.run();
