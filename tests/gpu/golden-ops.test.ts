// Every op against PyTorch: values, dtypes, shapes and gradients of the cases in tests/reference/data/ops-*.json, all by the float64
// interpreter and, since every distinct kernel has to be compiled, every third on the device.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Call,
  describe,
  deviceProblems,
  interpretedProblems,
  loadCalls,
  recordCall,
} from "../support/golden-calls.ts";

const TOPICS = [
  "elementwise",
  "reduction",
  "movement",
  "indexing",
  "linear-algebra",
  "convolution",
  "normalization",
  "loss",
] as const;

/** One case in so many goes to the device: of every op the first one at least. */
const DEVICE_SHARE = 3;

for (const topic of TOPICS) {
  const file = loadCalls(`tests/reference/data/ops-${topic}`);
  const tests = suite(`PyTorch's ${topic} cases`);
  const counts = new Map<string, number>();

  const run = async (call: Call, asMethod: boolean, onDevice: boolean): Promise<void> => {
    const { expected } = recordCall(call, file, asMethod);
    const wrong = (problems: readonly (string | null)[]) => problems.filter((problem) => problem !== null);
    assert.equal(wrong(interpretedProblems(expected, file.relative)), [], "by the interpreter");
    if (onDevice) assert.equal(wrong(await deviceProblems(expected, file.relative)), [], "on the device");
  };

  for (const call of file.calls) {
    const number = counts.get(call.op) ?? 0;
    counts.set(call.op, number + 1);
    tests(describe(call, file), () => run(call, number % 2 === 1, number % DEVICE_SHARE === 0));
  }
  tests.run();
}
