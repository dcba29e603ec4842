// Attention's kernels (for fewer than 8 queries there are none) in all their schedules, run by the interpreter of WGSL: no invocation races with another one.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { scaledDotProductAttention, type Tensor, tensor } from "../../src/index.ts";
import { checkRaces, covered, handWrittenNames, withGradients } from "../support/races.ts";
import { Dice } from "../support/random-program.ts";

const dice = new Dice(13);
const leaf = (...shape: number[]): Tensor => dice.leaf(shape, true);

test("whole vectors, causal, two tiles", () => {
  checkRaces(
    withGradients(
      (q, k, v) => scaledDotProductAttention(q, k, v, { isCausal: true }),
      leaf(1, 35, 8),
      leaf(1, 35, 8),
      leaf(1, 35, 4),
    ),
  );
});

test("gradients in whole vectors", () => {
  checkRaces(
    withGradients((q, k, v) => scaledDotProductAttention(q, k, v), leaf(2, 9, 8), leaf(2, 35, 8), leaf(2, 35, 4)),
  );
});

test("widths that are no whole vectors, keys that all batches share", () => {
  checkRaces(
    withGradients((q, k, v) => scaledDotProductAttention(q, k, v), leaf(2, 9, 6), leaf(1, 10, 6), leaf(2, 10, 5)),
  );
});

test("masks, dropout, f16, heads of one projection", () => {
  const seen = tensor(
    Int32Array.from({ length: 81 }, (_, i) => Number(i % 4 !== 1)),
    { shape: [9, 9], dtype: "bool" },
  );
  checkRaces(
    withGradients(
      (q, k, v) => scaledDotProductAttention(q, k, v, { attnMask: seen }),
      leaf(1, 9, 4),
      leaf(1, 9, 4),
      leaf(1, 9, 4),
    ),
  );
  checkRaces(
    withGradients(
      (q, k, v) => scaledDotProductAttention(q, k, v, { dropoutP: 0.4 }),
      leaf(1, 9, 4),
      leaf(1, 10, 4),
      leaf(1, 10, 4),
    ),
  );
  checkRaces(
    withGradients(
      (x) => {
        const heads = x.reshape([1, 9, 3, 2, 4]).permute([2, 0, 3, 1, 4]);
        const [q, k, v] = heads.unbind() as [Tensor, Tensor, Tensor];
        return scaledDotProductAttention(q, k, v, { isCausal: true }).permute([0, 2, 1, 3]).reshape([1, 9, 8]);
      },
      leaf(1, 9, 24),
    ),
  );
  const half = (...shape: number[]): Tensor => leaf(...shape).to("f16");
  checkRaces(() => scaledDotProductAttention(half(1, 9, 8), half(1, 9, 8), half(1, 9, 8)), { tolerance: 3e-3 });
});

test("all three kernels have run, through tiles and with subgroups of every size", () => {
  assert.equal([...handWrittenNames()].sort(), [
    "attention",
    "attention backward (keys)",
    "attention backward (queries)",
  ]);
  const texts = [...covered.values()].filter(({ family }) => family === "kernel").map(({ wgsl }) => wgsl);
  assert.ok(texts.length >= 500, `${texts.length} texts`);
  assert.ok(texts.some((text) => text.includes("gradients: array<vec4<f32>>")));
  for (const size of [4, 8, 16, 32, 64, 128]) {
    const shared = texts.some((text) => text.includes("subgroupBroadcast") && text.includes(`workgroup_size(${size})`));
    assert.ok(shared, `no text for subgroups of ${size}`);
  }
});

test.run();
