// PyTorch's own op test inputs, by the float64 interpreter: what ops record means what PyTorch computes, and so do their gradients.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Call, describe, interpretedProblems, loadCalls, recordCall } from "../support/golden-calls.ts";

const file = loadCalls("tests/reference/data/opdb");
const ops = new Map<string, Call[]>();
for (const sample of file.calls) ops.set(sample.op, [...(ops.get(sample.op) ?? []), sample]);

const tests = suite("PyTorch's op database");
for (const [op, samples] of ops) {
  tests(`${op}: ${samples.length} samples`, () => {
    const wrong: string[] = [];
    samples.forEach((sample, i) => {
      const fail = (problem: string) => wrong.push(`${sample.torch}: ${describe(sample, file)}: ${problem}`);
      try {
        // Every second sample is called as a method.
        const problems = interpretedProblems(recordCall(sample, file, i % 2 === 1).expected, file.relative);
        for (const problem of problems) if (problem !== null) fail(problem);
      } catch (error) {
        fail(error instanceof Error ? error.message : String(error));
      }
    });
    assert.equal(wrong, []);
  });
}
tests.run();
