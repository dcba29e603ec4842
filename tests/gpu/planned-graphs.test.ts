// Graphs whose kernels read sums through views: what the planner computes on the way in a kernel is written there, and is right.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  crossEntropy,
  grad,
  indexAdd,
  init,
  interpolate,
  mseLoss,
  rnn,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.ts";
import { dataAsGpu, dataPlanned } from "../support/as-gpu.ts";
import { planStep } from "../support/plan-step.ts";
import { interpret } from "../support/reference.ts";

await init();

const leaf = (...shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, (_, i) => Math.sin(1.7 * i + 0.3)),
    { shape, requiresGrad: true },
  );

function checkValues(got: readonly ArrayLike<number>[], expected: readonly Float64Array[], how: string): void {
  got.forEach((values, i) => {
    const wanted = expected[i] as Float64Array;
    assert.is(values.length, wanted.length);
    wanted.forEach((x, j) => {
      const error = Math.abs((values[j] as number) - x);
      assert.ok(error <= 1e-5 * (1 + Math.abs(x)), `${how}: result ${i}, element ${j}: ${values[j]}, expected ${x}`);
    });
  });
}

/** Computes what `make` gives by the kernels that a software device gets, and by a GPU's. */
function checkGraph(name: string, make: () => Tensor[]): void {
  test(name, async () => {
    const expected = interpret(make());
    checkValues(await Promise.all(make().map((x) => x.data())), expected, "as planned");
    checkValues(await dataAsGpu(...make()), expected, "as on a GPU");
  });
}

checkGraph("the gradient of a row that is added to all rows", () => {
  const x = leaf(8, 7);
  return grad(x.add(x.select(0, 1).relu()).sum(), [x]);
});

checkGraph("a softmax over columns, cut and read in another order", () => [
  leaf(2, 4, 2).softmax(0).narrow(1, 0, 2).add(1),
]);

checkGraph("the gradient of a minimum below a reshape, added to that of a sum", () => {
  const x = leaf(3, 8, 1, 7, 5, 1);
  return grad(x.reshape([20, 2, 3, 7]).unsqueeze(0).min(2, true).sum().add(x.sum()), [x]);
});

for (const shape of [
  [2, 3, 2, 2],
  [4, 3, 5, 3],
  [1, 2, 3, 5],
] as const)
  checkGraph(`the gradient of a bilinear interpolation of [${shape}]`, () => {
    const x = leaf(...shape);
    const y = interpolate(x, { scaleFactor: 2, mode: "bilinear" });
    return grad(mseLoss(y, zeros(y.shape)), [x]);
  });

checkGraph("the second gradient of crossEntropy behind a bilinear interpolation", () => {
  const x = leaf(4, 3, 1, 3);
  const labels = tensor(
    Int32Array.from({ length: 16 }, (_, i) => i % 3),
    { shape: [4, 2, 2] },
  );
  const y = interpolate(x, { size: [2, 2], mode: "bilinear", alignCorners: true });
  const [g] = grad(crossEntropy(y, labels), [x]) as [Tensor];
  return [g, ...grad(g.square().sum(), [x])];
});

for (const [shape, count] of [
  [[11, 8, 5, 1, 2], 12],
  [[7, 8, 4, 3, 2], 1],
] as const)
  checkGraph(`indexAdd on dim 0 of [${shape}], its gradients and second gradients`, () => {
    const x = leaf(...shape);
    const source = leaf(count, ...shape.slice(1));
    const index = tensor(Int32Array.from({ length: count }, (_, i) => (5 * i) % shape[0]));
    const y = indexAdd(x, 0, index, source);
    const first = grad(y.square().sum().add(y.add(x.tanh()).std()), [x, source]);
    return [
      y,
      ...first,
      ...grad(
        first.map((g) => g.square().mean()).reduce((a, b) => a.add(b)),
        [x, source],
      ),
    ];
  });

checkGraph("rows are looked up by a number that the same kernel finds", () => {
  const x = leaf(6, 8);
  const table = leaf(5, 8);
  const index = x.amax(0, true).add(1.5).mul(1.2).to("i32");
  return [table.gather(0, index), table.gather(0, index.expand([2, 8])).add(x.amax(0))];
});

test("second gradients through time, of values that are computed again for less memory", async () => {
  const x = leaf(2, 16, 2);
  const weights = { weightIh: leaf(4, 2), weightHh: leaf(4, 4), biasIh: leaf(4), biasHh: leaf(4) };
  const leaves = [x, weights.weightIh, weights.weightHh];
  const first = grad(rnn(x.sin(), null, weights)[0].square().sum(), leaves);
  const targets = grad(
    first.map((g) => g.square().sum()).reduce((a, b) => a.add(b)),
    leaves,
  );
  const device = { kind: "gpu", bindings: 8 } as const;
  const { workspace } = planStep(() => targets, device);
  const got = await dataPlanned(targets, device, 0.9 * workspace);
  checkValues(got, interpret(targets), "with less memory");
});

test.run();
