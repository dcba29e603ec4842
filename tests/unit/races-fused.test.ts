// Map and row kernels in all their schedules, run by the interpreter of WGSL: no invocation races with another one.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Tensor, tensor } from "../../src/index.ts";
import { checkRaces, covered, withGradients } from "../support/races.ts";
import { Dice } from "../support/random-program.ts";

const dice = new Dice(7);
const leaf = (...shape: number[]): Tensor => dice.leaf(shape, true);
const half = (...shape: number[]): Tensor => leaf(...shape).to("f16");

test("maps: vectors and single elements, many per invocation, several results", () => {
  checkRaces(() => leaf(4, 1040).mul(leaf(4, 1040)).add(leaf(1040)));
  checkRaces(() => leaf(2051).mul(2).tanh());
  checkRaces(() => {
    const x = leaf(1030, 2).exp();
    return [x, x.mul(leaf(1030, 2)).transpose(0, 1)];
  });
  checkRaces(() => leaf(9, 8).transpose(0, 1).pad([1, 2]).flip([0]));
  checkRaces(() => [leaf(1).add(leaf(1)), leaf(1, 1).exp()]);
  checkRaces(() => half(5, 7).mul(half(7)), { tolerance: 2e-3 });
});

test("rows: sums along and across, softmax, norms, with their gradients", () => {
  checkRaces(() => leaf(5, 300).sum(1));
  checkRaces(() => leaf(70, 9).sum(0));
  checkRaces(() => leaf(66, 8).amax(0));
  checkRaces(withGradients((x) => x.softmax(1), leaf(7, 264)));
  checkRaces(withGradients((x) => x.logSoftmax(1), leaf(6, 67)));
  checkRaces(
    withGradients((x, w, b) => x.layerNorm([256], { weight: w, bias: b }), leaf(6, 256), leaf(256), leaf(256)),
  );
  checkRaces(withGradients((x, w) => x.batchNorm(null, null, { training: true, weight: w }), leaf(9, 6, 5), leaf(6)));
  checkRaces(withGradients((x) => x.variance(1), leaf(3, 130)));
  const labels = tensor(Int32Array.from({ length: 9 }, (_, i) => (i * 5) % 12));
  checkRaces(withGradients((x) => x.crossEntropy(labels), leaf(9, 12)));
  checkRaces(() => half(5, 64).softmax(1), { tolerance: 2e-3 });
});

test("rows: long ones in blocks and in parts", () => {
  checkRaces(() => leaf(2, 9000).sum(1));
  checkRaces(() => leaf(20_000).sum());
  checkRaces(() => leaf(4100).softmax(0));
  checkRaces(withGradients((x) => x.square().mean(), leaf(4999)));
});

test("rows: what is kept of a row while others go past the end", () => {
  checkRaces(() => {
    const p = leaf(6, 5).softmax(1);
    return [p, p.mul(p.log())];
  });
  checkRaces(() => {
    const p = leaf(37, 40).softmax(1);
    return [p, p.exp()];
  });
});

test("both families and subgroups of several sizes have run", () => {
  const kernels = [...covered.values()];
  assert.ok(kernels.filter(({ family }) => family === "map").length >= 20);
  assert.ok(kernels.filter(({ family }) => family === "row").length >= 250);
  for (const size of [4, 8, 16, 32, 64, 128]) {
    const shuffled = kernels.some(
      ({ wgsl }) => wgsl.includes("subgroupShuffleXor") && wgsl.includes(`@workgroup_size(${size})`),
    );
    assert.ok(shuffled, `no text for subgroups of ${size}`);
  }
});

test.run();
