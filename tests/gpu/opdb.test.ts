// PyTorch's own op test inputs on the device: a few of every op run, all are planned. tests/unit/opdb.test.ts interprets them all, and
// `npm run opdb -- --device` runs the whole database.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/index.ts";
import { type Call, describe, deviceProblems, loadCalls, recordCall } from "../support/golden-calls.ts";

const file = loadCalls("tests/reference/data/opdb");
const ops = new Map<string, Call[]>();
for (const sample of file.calls) ops.set(sample.op, [...(ops.get(sample.op) ?? []), sample]);

/** One sample with gradients and one without, where there are; not the first ones, which are the plainest. */
function chosen(samples: readonly Call[]): Call[] {
  const [differentiable, others] = [samples.filter((s) => s.gradients), samples.filter((s) => !s.gradients)];
  return [differentiable, others].flatMap((list) => list[Math.floor(list.length / 2)] ?? []);
}

const tests = suite("PyTorch's op database on the device");
for (const samples of ops.values()) {
  const few = chosen(samples);
  tests(few.map((sample) => describe(sample, file)).join(" and "), async () => {
    for (const sample of samples) {
      if (!few.includes(sample)) wg.explain(...recordCall(sample, file, false).expected.map(({ tensor }) => tensor));
    }
    // In one run, so that their kernels compile side by side.
    const expected = few.flatMap((sample) => recordCall(sample, file, false).expected);
    const problems = await deviceProblems(expected, file.relative);
    assert.equal(
      problems.filter((problem) => problem !== null),
      [],
    );
  });
}
tests.run();
