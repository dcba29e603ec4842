// Contractions in all their schedules, run by the interpreter of WGSL: no invocation races with another one.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { conv2d, convTranspose2d, einsum, linear, type Tensor } from "../../src/index.ts";
import { checkRaces, covered, withGradients } from "../support/races.ts";
import { Dice } from "../support/random-program.ts";

const dice = new Dice(11);
const leaf = (...shape: number[]): Tensor => dice.leaf(shape, true);

test("products of matrices: whole tiles, edges, batches", () => {
  checkRaces(withGradients((a, b) => a.matmul(b).relu(), leaf(19, 13), leaf(13, 21)));
  checkRaces(() => leaf(64, 8).matmul(leaf(8, 64)).add(leaf(64)));
  checkRaces(() => leaf(40, 16).matmul(leaf(16, 52)).tanh());
  checkRaces(withGradients((a, b) => a.matmul(b), leaf(3, 9, 8), leaf(3, 8, 12)));
  checkRaces(() => einsum("bij,bkj->bik", leaf(2, 5, 8), leaf(2, 6, 8)));
  checkRaces(() => leaf(1, 24).matmul(leaf(24, 33)));
});

test("products: bias and its gradient, long sums in parts, f16", () => {
  checkRaces(withGradients((x, w, b) => linear(x, w, { bias: b }), leaf(9, 8), leaf(20, 8), leaf(20)));
  checkRaces(() => leaf(3, 2048).matmul(leaf(2048, 4)));
  checkRaces(() => leaf(9, 16).to("f16").matmul(leaf(16, 12).to("f16")), { tolerance: 2e-3 });
});

test("convolutions and their gradients", () => {
  checkRaces(withGradients((x, w) => conv2d(x, w, { padding: 1 }), leaf(2, 3, 5, 8), leaf(8, 3, 3, 3)));
  checkRaces(withGradients((x, w) => convTranspose2d(x, w, { stride: 2 }), leaf(1, 4, 4, 3), leaf(4, 2, 2, 2)));
  checkRaces(() => conv2d(leaf(1, 8, 6, 6), leaf(16, 8, 3, 3), { stride: 2 }));
});

test("all ways to share have run", () => {
  const texts = [...covered.values()].filter(({ family }) => family === "contraction").map(({ wgsl }) => wgsl);
  assert.ok(texts.length >= 400, `${texts.length} texts`);
  assert.ok(texts.filter((text) => text.includes("tile_rows")).length >= 12);
  for (const size of [4, 8, 16, 32]) {
    const spread = texts.some((text) => text.includes("subgroupBroadcast") && text.includes(`workgroup_size(${size})`));
    assert.ok(spread, `no text for subgroups of ${size}`);
  }
});

test.run();
