// Long sums of floats go block by block; all others are one loop, as short as can be.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { explain, full, layerNorm, matmul, type Tensor, tensor } from "../../src/tensor.ts";
import { planStep } from "../support/plan-step.ts";

const input = (...shape: number[]): Tensor => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });

/** The shaders of `tensors` for a GPU, and for a software device with subgroups of 8. */
function shaders(...tensors: Tensor[]): { gpu: string[]; software: string[] } {
  const plan = planStep(() => tensors, { kind: "software", subgroupSize: 8 });
  return {
    gpu: explain(...tensors).kernels.map(({ wgsl }) => wgsl),
    software: plan.steps.map(({ kernel }) => kernel.wgsl),
  };
}

function count(text: string | undefined, part: RegExp): number {
  return text?.match(part)?.length ?? 0;
}

/** Loops of a shader. */
const LOOP = /for \(var/g;
/** Loops over a sum's blocks. */
const BLOCKS = /for \(var block = /g;

test("sums of ordinary length are one loop", () => {
  const sums: [string, Tensor][] = [
    ["columns", input(4096, 64).sum(0)],
    ["rows", input(64, 2048).sum(1)],
    ["rows with a rest", input(64, 4095).sum(1)],
    ["a mean of all", input(128, 128).mean()],
  ];
  for (const [what, sum] of sums) {
    const { gpu, software } = shaders(sum);
    for (const text of [...gpu, ...software]) assert.is(count(text, BLOCKS), 0, what);
    assert.is(count(software[0], /for \(var k/g), 1, what);
  }
  const { software } = shaders(input(4096, 64).sum(0));
  assert.is(count(software[0], LOOP), 1);
});

test("products and what is made of short sums have no blocks", () => {
  const x = input(64, 4096);
  for (const y of [matmul(x, input(4096, 64)), matmul(x, input(4096, 4096)), layerNorm(x, [4096]), x.softmax(1)]) {
    const { gpu, software } = shaders(y);
    for (const text of [...gpu, ...software]) assert.is(count(text, BLOCKS), 0);
  }
});

test("a long sum is two loops, one in the other, with its body written once", () => {
  const sums: [string, Tensor][] = [
    ["columns", input(20_000, 64).sum(0)],
    ["rows with a rest", input(64, 20_001).sum(1)],
    ["no buffer", full([100, 200_000], 0.1).sum(1)],
    ["a mean", input(20_000, 64).mean(0)],
  ];
  for (const [what, sum] of sums) {
    const [text] = shaders(sum).software;
    assert.is(count(text, LOOP), 2, what);
    assert.is(count(text, BLOCKS), 1, what);
    // The bound hides from drivers that would unroll the loops.
    assert.match(text ?? "", /let end = min\(block \+ \d+, \d+ \* i32\(groups\.z\)\);/, what);
  }
  // Lanes that share a row go over a block together.
  const [text] = shaders(full([64, 2_000_000], 0.1).sum(1)).gpu;
  assert.match(text ?? "", /for \(var block = share; block < 2000000; block \+= 22784\)/);
  assert.match(text ?? "", /for \(var k = block; k < end; k \+= 256\)/);
});

test("a part of a long sum is a long sum", () => {
  const [text] = shaders(full([1_000_000], 0.1).sum()).software;
  assert.is(count(text, BLOCKS), 1);
});

test("extremes, integers and products have no blocks", () => {
  const x = input(20_000, 64);
  const whole = tensor(new Int32Array(20_000 * 64), { shape: [20_000, 64] });
  for (const y of [x.amax(0), x.amin(0), whole.sum(0)])
    for (const text of shaders(y).software) assert.is(count(text, BLOCKS), 0);
});

test("a very long contraction is split in parts that are short sums", () => {
  const { gpu, software } = shaders(matmul(input(8, 65_536), input(65_536, 8)));
  for (const texts of [gpu, software]) {
    assert.is(texts.length, 2);
    for (const text of texts) assert.is(count(text, BLOCKS), 0);
  }
  const plan = planStep(() => matmul(input(64, 65_536), input(65_536, 64)));
  assert.equal(plan.steps[0]?.kernel.bindings.at(-1)?.value.shape, [128, 64, 64]);
});

test("a long contraction that no parts fit goes block by block", () => {
  // 65537 is a prime.
  const { gpu, software } = shaders(matmul(input(4, 65_537), input(65_537, 4)));
  for (const texts of [gpu, software]) {
    assert.is(texts.length, 1);
    assert.is(count(texts[0], BLOCKS), 1);
    assert.is(count(texts[0], /\bsum(_0)? = fma/g), 1);
  }
});

test.run();
