// Attention in one pass: values, gradients and second derivatives against float64 and against the composition of ops.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { currentTraits, useSchedules } from "../../src/engine/engine.ts";
import { nextKey } from "../../src/graph/generator.ts";
import { type AttentionInputs, composedAttention } from "../../src/ops/attention-composed.ts";
import { attentionKernels } from "../../src/ops/attention-kernels.ts";
import { alternatives, bookBy, type Offer, type Schedule } from "../../src/shaders/schedules.ts";
import * as wg from "../../src/tensor.ts";
import { checkOp, hasHalf } from "../support/check-op.ts";

const { grad, init, manualSeed, scaledDotProductAttention, tensor, zeros } = wg;
type Tensor = wg.Tensor;
type Attention = (inputs: AttentionInputs) => Tensor;

// Lengths that no tile divides, heads in the middle of the shape, and a causal mask.
checkOp(scaledDotProductAttention, {
  shapes: [
    [2, 11, 8],
    [2, 13, 8],
    [2, 13, 4],
  ],
  args: [{ isCausal: true, scale: 0.3 }],
  layouts: ["transposed"],
});

// Widths that are no whole vec4s, keys that all batches share, numbers added to the scores.
checkOp(scaledDotProductAttention, {
  shapes: [[2, 9, 6], [1, 10, 6], [2, 10, 5], { shape: [9, 10], gradient: false }],
  call: (q, k, v, attnMask) => scaledDotProductAttention(q, k, v, { attnMask }),
  layouts: [],
  second: false,
});

checkOp(scaledDotProductAttention, {
  shapes: [
    [2, 9, 4],
    [2, 12, 4],
    [2, 12, 4],
    { shape: [2, 1, 12], dtype: "bool", values: Array.from({ length: 24 }, (_, i) => (i % 3 === 1 ? 0 : 1)) },
  ],
  call: (q, k, v, attnMask) => scaledDotProductAttention(q, k, v, { attnMask }),
  layouts: [],
  second: false,
});

const random = (seed: number, ...shape: number[]): Tensor => {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
    Math.sin(seed + i * i * 0.7),
  );
  return tensor(values, { shape, requiresGrad: true });
};

/** The result and the gradients of q, k and v. */
function withGradients(attention: Attention, inputs: Omit<AttentionInputs, "dropout">, p: number): Tensor[] {
  const { q, k, v } = inputs;
  manualSeed(3);
  const y = attention({ ...inputs, dropout: p === 0 ? null : [nextKey(), tensor(p)] });
  return [y, ...grad(y, [q, k, v], { gradOutputs: random(9, ...y.shape) })];
}

async function expectSame(got: readonly Tensor[], expected: readonly Tensor[], tolerance: number): Promise<void> {
  await wg.realize(...got, ...expected);
  for (const [i, x] of got.entries()) {
    const [values, wanted] = [await x.data(), await (expected[i] as Tensor).data()];
    assert.equal(x.shape, (expected[i] as Tensor).shape);
    values.forEach((value, at) => {
      const error = Math.abs(value - (wanted[at] as number));
      assert.ok(error <= tolerance, `result ${i}, element ${at}: ${value} instead of ${wanted[at]}`);
    });
  }
}

/** What schedules attention's kernels are given, by name. */
const schedules: readonly (readonly [string, (offer: Offer) => Schedule | null])[] = [
  ["the device's schedule", () => null],
  ["tiles in workgroup memory", () => ({ rows: 2, size: 4, share: "tile" })],
  ["the first schedule that tune tries", (offer) => alternatives(offer, currentTraits())[0] as Schedule],
  ["the last one", (offer) => alternatives(offer, currentTraits()).at(-1) as Schedule],
];

for (const [name, choose] of schedules) {
  test(`dropout drops the same weights as the composition does, by ${name}`, async () => {
    const [q, k, v] = [random(1, 2, 17, 8), random(2, 2, 35, 8), random(3, 2, 35, 12)];
    const inputs = { q, k, v, mask: null, isCausal: true, scale: 0.4 };
    const asked = new Set<string>();
    useSchedules(
      bookBy((offer) => {
        if (offer.kernel.family !== "kernel") return null;
        asked.add(offer.kernel.fused.join());
        return choose(offer);
      }),
    );
    try {
      await expectSame(
        withGradients(attentionKernels, inputs, 0.4),
        withGradients(composedAttention, inputs, 0.4),
        3e-6,
      );
    } finally {
      useSchedules(null);
    }
    assert.equal([...asked].sort(), ["attention", "attention backward (keys)", "attention backward (queries)"]);
  });
}

test("each replay drops other weights, forward and backward the same ones", async () => {
  const [n, p] = [16, 0.5];
  // Equal scores and unit vectors as values: the result is the mask, over n.
  const v = wg.eye(n);
  v.requiresGrad = true;
  const step = wg.compile(() => {
    const y = scaledDotProductAttention(zeros([n, 4]), zeros([n, 4]), v, { dropoutP: p });
    return [y, ...grad(y, [v], { gradOutputs: wg.ones([n, n]) })];
  });
  const seen = new Set<string>();
  for (let run = 0; run < 3; run++) {
    const [y, dv] = (await Promise.all(step().map((x) => x.data()))) as [Float32Array, Float32Array];
    for (let key = 0; key < n; key++) {
      const sum = Array.from({ length: n }, (_, i) => y[i * n + key] as number).reduce((a, b) => a + b, 0);
      assert.ok(Math.abs((dv[key * n] as number) - sum) <= 1e-5);
    }
    const values = new Set(Array.from(y, (x) => Math.round(x * n * 100) / 100));
    assert.equal([...values].sort(), [0, 2]);
    seen.add(y.join());
  }
  assert.is(seen.size, 3);
});

test("large scores don't overflow, and a query that sees nothing gives 0", async () => {
  const q = tensor(
    Float32Array.from({ length: 9 * 4 }, (_, i) => (i % 4 === 0 ? 300 : 0)),
    { shape: [9, 4] },
  );
  const k = tensor(
    Float32Array.from({ length: 12 * 4 }, (_, i) => (i % 4 === 0 ? i - 20 : 0)),
    { shape: [12, 4] },
  );
  const v = wg.arange(12).to("f32").reshape([12, 1]);
  const attnMask = wg.arange(9).reshape([9, 1]).ne(4).expand([9, 12]);
  const y = await scaledDotProductAttention(q, k, v, { attnMask, scale: 1 }).data();
  y.forEach((value, i) => {
    assert.ok(Math.abs(value - (i === 4 ? 0 : 11)) <= 1e-5, `query ${i}: ${value}`);
  });
});

test("a query that sees nothing gives zeros and gets no gradient, by kernels and by composition", async () => {
  const [q, k, v] = [random(1, 2, 9, 8), random(2, 2, 12, 8), random(3, 2, 12, 4)];
  // Of 18 queries every third sees nothing, by numbers or by truth values.
  const seen = tensor(
    Uint8Array.from({ length: 18 * 12 }, (_, i) => (Math.floor(i / 12) % 3 === 0 || i % 5 === 0 ? 0 : 1)),
    { shape: [2, 9, 12], dtype: "bool" },
  );
  for (const mask of [seen, wg.where(seen, 0, Number.NEGATIVE_INFINITY)]) {
    const inputs = { q, k, v, mask, isCausal: false, scale: 0.4, dropout: null };
    for (const compute of [attentionKernels, composedAttention]) {
      for (const x of [q, k, v]) x.requiresGrad = true;
      const y = compute(inputs);
      const gradients = grad(y, [q, k, v], { gradOutputs: random(9, ...y.shape) });
      const second = grad(gradients[0]?.square().sum() as Tensor, [q, k, v]);
      await wg.realize(y, ...gradients, ...second);
      for (const [i, x] of [y, gradients[0] as Tensor, second[0] as Tensor].entries()) {
        const width = x.shape[2] as number;
        (await x.data()).forEach((value, at) => {
          const blind = Math.floor(at / width) % 3 === 0;
          assert.ok(blind ? value === 0 : Number.isFinite(value), `result ${i}, element ${at}: ${value}`);
        });
      }
      const others = await Promise.all([...gradients, ...second].map((x) => x.data()));
      for (const values of others) assert.ok(values.every((value) => Number.isFinite(value)));
      for (const x of [q, k, v]) x.requiresGrad = false;
    }
    await expectSame([attentionKernels(inputs)], [composedAttention(inputs)], 3e-6);
  }
});

test("heads of one projection: one dispatch forward, two backward, and right through views", async () => {
  const [batch, length, heads, width] = [2, 10, 2, 4];
  const x = random(5, batch, length, 3 * heads * width);
  const attend = (attention: Attention): Tensor[] => {
    const parts = x.mul(2).reshape([batch, length, 3, heads, width]).permute([2, 0, 3, 1, 4]).unbind();
    const [q, k, v] = parts as [Tensor, Tensor, Tensor];
    const y = attention({ q, k, v, mask: null, isCausal: true, scale: 0.5, dropout: null });
    const joined = y.permute([0, 2, 1, 3]).reshape([batch, length, heads * width]);
    return [joined, ...grad(joined, [x], { gradOutputs: random(6, ...joined.shape) })];
  };
  const got = attend(attentionKernels);
  const counted = wg.explain(...got).kernels.filter(({ family }) => family === "kernel");
  assert.is(counted.length, 3);
  await expectSame(got, attend(composedAttention), 3e-6);
});

(hasHalf ? test : test.skip)("f16: sums in f32", async () => {
  const [q, k, v] = [random(1, 12, 8), random(2, 20, 8), random(3, 20, 8)];
  const half = [q, k, v].map((x) => x.to("f16")) as [Tensor, Tensor, Tensor];
  const exact = half.map((x) => x.to("f32")) as [Tensor, Tensor, Tensor];
  const run = ([a, b, c]: [Tensor, Tensor, Tensor]): Tensor[] => {
    const y = scaledDotProductAttention(a, b, c);
    return [y, ...grad(y.to("f32").mul(y.to("f32")).sum(), [q, k, v])];
  };
  const [got, expected] = [run(half), run(exact)];
  await expectSame(
    got.map((x) => x.to("f32")),
    expected,
    4e-3,
  );
});

test("a context of 1024 needs memory in proportion to its length", async () => {
  const device = await init();
  const [length, width] = [1024, 16];
  const leaves = [random(1, 1, length, width), random(2, 1, length, width), random(3, 1, length, width)];
  const [q, k, v] = leaves as [Tensor, Tensor, Tensor];
  const step = (): Tensor[] => {
    const y = scaledDotProductAttention(q, k, v, { isCausal: true });
    return [y, ...grad(y.sum(), [q, k, v])];
  };
  const bytes = 4 * length * width;
  assert.ok(wg.explain(...step()).workspaceBytes <= 12 * bytes);
  const before = device.stats().peakBytes;
  const [, dq] = step() as [Tensor, Tensor];
  await dq.data();
  // Of the matrix of weights alone there would be 4 MiB.
  assert.ok(device.stats().peakBytes - before <= 4 * length * length);
});

test.run();
