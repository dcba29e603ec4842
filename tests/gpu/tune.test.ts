// tune: other schedules are right, winners are used by plans, plain and compiled, and mistakes are told.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { currentTraits, useSchedules } from "../../src/engine/engine.ts";
import {
  compile,
  conv2d,
  explain,
  init,
  layerNorm,
  scaledDotProductAttention,
  stack,
  type Tensor,
  tensor,
  tune,
} from "../../src/index.ts";
import { alternatives, bookBy, bookOf, type Schedule, signatureOf } from "../../src/shaders/schedules.ts";
import { rejection } from "../support/failure.ts";

const device = await init();

function numbers(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 101) / 50 - 1);
}

const vector = tensor(numbers(4096));
const table = tensor(numbers(6 * 64), { shape: [6, 64] });
const [left, right] = [tensor(numbers(12 * 20), { shape: [12, 20] }), tensor(numbers(20 * 8), { shape: [20, 8] })];
const heads = tensor(numbers(2 * 17 * 8), { shape: [2, 17, 8] });
const images = tensor(numbers(2 * 8 * 9 * 9), { shape: [2, 8, 9, 9] });
const filters = tensor(numbers(12 * 8 * 3 * 3), { shape: [12, 8, 3, 3] });
const work: readonly (readonly [string, () => Tensor])[] = [
  ["map", () => vector.mul(2).exp()],
  ["row", () => table.softmax(1)],
  ["contraction", () => left.matmul(right).relu()],
  ["hand-written", () => scaledDotProductAttention(heads, heads, heads, { isCausal: true })],
];

/** The first results within f32's rounding of the second. */
function agree(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.is(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i] as number, expected[i] as number];
    assert.ok(Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b)), `element ${i}: ${a}, expected ${b}`);
  }
}

for (const [family, compute] of work) {
  test(`every schedule of a ${family} kernel gives the same results, and plans use the one that is chosen`, async () => {
    const expected = await compute().data();
    const compiled = compile(() => compute());
    await compiled().data();
    let offered: Schedule[] = [];
    let signature = "";
    useSchedules(
      bookBy((offer) => {
        signature = signatureOf(offer.kernel);
        offered = alternatives(offer, currentTraits());
        return null;
      }),
    );
    const standard = explain(compute()).kernels[0];
    assert.ok(offered.length >= 2, `${offered.length} schedules`);
    // Compiling each would take long on a software device: the first, one in the middle, the last.
    for (const schedule of [offered[0], offered[Math.floor(offered.length / 2)], offered.at(-1)] as Schedule[]) {
      useSchedules(bookOf(new Map([[signature, schedule]])));
      const kernel = explain(compute()).kernels[0];
      assert.is.not(`${kernel?.wgsl}${kernel?.workgroups}`, `${standard?.wgsl}${standard?.workgroups}`);
      agree(await compute().data(), expected);
      agree(await compiled().data(), expected);
    }
    useSchedules(null);
    assert.is(explain(compute()).kernels[0]?.wgsl, standard?.wgsl);
    agree(await compiled().data(), expected);
  });
}

const [tall, wide] = [tensor(numbers(72 * 48), { shape: [72, 48] }), tensor(numbers(52 * 48), { shape: [52, 48] })];
const products: readonly (readonly [string, () => Tensor[]])[] = [
  ["a product with edges, both factors along the sum", () => [tall.matmul(wide.t())]],
  ["a product with edges, columns side by side", () => [tall.t().matmul(tall)]],
  ["a product and the sum of one factor", () => [tall.t().matmul(tall), tall.sum(0)]],
  ["batches", () => [stack([tall, tall.mul(2)]).matmul(wide.t())]],
  ["a convolution with padding", () => [conv2d(images, filters, { padding: 1 })]],
];

for (const [what, compute] of products) {
  test(`through workgroup memory: ${what}`, async () => {
    const expected = await Promise.all(compute().map((x) => x.data()));
    const offers = new Map<string, Schedule>();
    useSchedules(
      bookBy((offer) => {
        const tiles = alternatives(offer, currentTraits()).filter((s) => "chunk" in s && Number(s.chunk) > 0);
        if (tiles.length > 0) offers.set(signatureOf(offer.kernel), tiles.at(-1) as Schedule);
        return null;
      }),
    );
    explain(...compute());
    assert.is(offers.size, 1);
    useSchedules(bookOf(offers));
    try {
      const shaders = explain(...compute()).kernels.map(({ wgsl }) => wgsl);
      assert.is(shaders.filter((wgsl) => wgsl.includes("var<workgroup> tile_rows")).length, 1);
      const results = await Promise.all(compute().map((x) => x.data()));
      results.forEach((actual, i) => {
        agree(actual, expected[i] as ArrayLike<number>);
      });
    } finally {
      useSchedules(null);
    }
  });
}

const long = tensor(numbers(5 * 320), { shape: [5, 320] });
const upright = tensor(numbers(320 * 8), { shape: [320, 8] });
const rowPrograms: readonly (readonly [string, () => Tensor])[] = [
  ["a sum", () => long.mul(2).sum(1)],
  ["a maximum", () => long.amax(1)],
  ["softmax", () => long.softmax(1)],
  ["layer norm", () => layerNorm(long, [320])],
  ["whole numbers", () => long.mul(50).round().to("i32").sum(1)],
  ["columns", () => upright.sum(0)],
  ["bools", () => long.gt(0.99).any(1)],
];
const lanes = currentTraits().subgroupSize;

for (const [what, compute] of rowPrograms) {
  (lanes > 1 ? test : test.skip)(`a row to a subgroup: ${what}`, async () => {
    const expected = await compute().data();
    const rows = new Map<string, Schedule>();
    useSchedules(
      bookBy(({ kernel, schedule }) => {
        if ("lanes" in schedule) rows.set(signatureOf(kernel), { ...schedule, lanes, workgroupSize: lanes });
        return null;
      }),
    );
    explain(compute());
    assert.ok(rows.size >= 1);
    useSchedules(bookOf(rows));
    try {
      const shaders = explain(compute()).kernels.map(({ wgsl }) => wgsl);
      assert.ok(shaders.some((wgsl) => wgsl.includes("subgroupShuffleXor")));
      agree(await compute().data(), expected);
    } finally {
      useSchedules(null);
    }
  });
}

test("tune measures what a function runs, finds no wrong schedule, and results stay", async () => {
  const expected = await Promise.all(work.map(([, compute]) => compute().data()));
  const report = await tune(() => [table.softmax(1)], { budgetMs: 60_000, keep: false });
  assert.is(report.kernels.length, 1);
  const [kernel] = report.kernels;
  assert.ok(kernel !== undefined && kernel.tried >= 2 && kernel.wrong === 0, String(report));
  assert.is(kernel.family, "row");
  assert.ok(kernel.source === "measured" ? kernel.schedule !== null : kernel.source === "default");
  assert.ok(kernel.microseconds <= kernel.defaultMicroseconds);
  assert.match(String(report), kernel.name);
  for (const [i, [, compute]] of work.entries()) agree(await compute().data(), expected[i] as Float32Array);
});

test("a budget of nothing measures nothing", async () => {
  const { kernels } = await tune(() => vector.sin(), { budgetMs: 0, keep: false });
  assert.is(kernels.length, 1);
  assert.is(kernels[0]?.source, "default");
  assert.is(kernels[0]?.tried, 0);
});

test("when the budget is over nothing more is begun, and what was measured counts", async () => {
  const compute = (): Tensor => left.matmul(right).relu();
  await compute().data();
  const { gpu } = device;
  const before = [performance.now, gpu.createComputePipelineAsync, gpu.queue.submit] as const;
  // By this clock, compiling is all that takes time.
  let [clock, compiled, late] = [0, 0, 0];
  performance.now = () => clock;
  gpu.createComputePipelineAsync = async (descriptor) => {
    const pipeline = await before[1].call(gpu, descriptor);
    compiled++;
    clock += 100;
    return pipeline;
  };
  gpu.queue.submit = (buffers) => {
    if (clock >= 450) late++;
    return before[2].call(gpu.queue, buffers);
  };
  try {
    const { kernels } = await tune(compute, { budgetMs: 450, keep: false });
    // The default twice, and three schedules, the last of which came too late.
    assert.equal([compiled, late, kernels[0]?.tried], [5, 0, 2]);
    assert.ok((kernels[0]?.microseconds ?? 0) > 0);
  } finally {
    [performance.now, gpu.createComputePipelineAsync, gpu.queue.submit] = before;
    useSchedules(null);
  }
});

test("a kernel is known by its text and its grid", () => {
  const kernels = [explain(vector.mul(3)), explain(vector.mul(4)), explain(tensor(numbers(65_536 * 8)).mul(3))].map(
    (plan) => plan.kernels[0] as never,
  );
  assert.is(new Set(kernels.map(signatureOf)).size, 3);
  assert.match(signatureOf(kernels[0] as never), /^[0-9a-f]{16}$/);
});

test("tune says what is wrong, and leaves the device as it was", async () => {
  assert.match(await rejection(tune(3 as unknown as () => void), Error), "must be a function, got 3");
  assert.match(
    await rejection(
      tune(() => undefined, { budgetMs: -1 }),
      Error,
    ),
    "budgetMs must be a number ≥ 0, got -1",
  );
  const thrown = await rejection(
    tune(
      () => {
        throw new Error("mine");
      },
      { keep: false },
    ),
    Error,
  );
  assert.match(thrown, "mine");
  assert.is(device.failure, null);
  assert.is((await tensor([1, 2]).add(1).data())[1], 3);
});

test.run();
