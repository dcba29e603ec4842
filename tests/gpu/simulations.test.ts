// Gradients through simulations that are written out: long graphs of elementwise work, cut into kernels that bind few buffers.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { grad, init, ones, type Tensor, tensor } from "../../src/index.ts";

await init();

/** A number with its derivative. */
type Dual = readonly [value: number, slope: number];

const plus = (a: Dual, b: Dual): Dual => [a[0] + b[0], a[1] + b[1]];
const times = (a: Dual, b: Dual): Dual => [a[0] * b[0], a[0] * b[1] + a[1] * b[0]];
const scaled = (a: Dual, c: number): Dual => [a[0] * c, a[1] * c];

function near(actual: ArrayLike<number>, expected: readonly number[]): void {
  expected.forEach((e, i) => {
    const a = actual[i] as number;
    assert.ok(Math.abs(a - e) <= 1e-3 * Math.max(1, Math.abs(e)), `element ${i}: ${a}, expected ${e}`);
  });
}

test("the logistic map, whose steps each read a tensor of their own", async () => {
  const rates = [2.1, 2.9];
  const r = tensor(rates, { requiresGrad: true });
  for (const steps of [4, 5, 6, 12]) {
    let y = tensor([0.2, 0.3]);
    for (let i = 0; i < steps; i++) y = r.mul(y).mul(tensor([1, 1]).sub(y));
    const expected = rates.map((rate, k) => {
      let d: Dual = [k === 0 ? 0.2 : 0.3, 0];
      for (let i = 0; i < steps; i++) d = times(times([rate, 1], d), plus([1, 0], scaled(d, -1)));
      return d[1];
    });
    near(await (grad(y.sum(), [r])[0] as Tensor).data(), expected);
  }
});

test("Lorenz's equations by Euler's method", async () => {
  const [steps, dt] = [12, 0.01];
  const rhos = [28, 28.5];
  const rho = tensor(rhos, { requiresGrad: true });
  let [x, y, z] = [ones([2]), ones([2]), ones([2])];
  for (let i = 0; i < steps; i++) {
    const dx = y.sub(x).mul(10);
    const dy = x.mul(rho.sub(z)).sub(y);
    const dz = x.mul(y).sub(z.mul(8 / 3));
    [x, y, z] = [x.add(dx.mul(dt)), y.add(dy.mul(dt)), z.add(dz.mul(dt))];
  }
  const expected = rhos.map((p) => {
    let [a, b, c]: [Dual, Dual, Dual] = [
      [1, 0],
      [1, 0],
      [1, 0],
    ];
    for (let i = 0; i < steps; i++) {
      const da = scaled(plus(b, scaled(a, -1)), 10);
      const db = plus(times(a, plus([p, 1], scaled(c, -1))), scaled(b, -1));
      const dc = plus(times(a, b), scaled(c, -8 / 3));
      [a, b, c] = [plus(a, scaled(da, dt)), plus(b, scaled(db, dt)), plus(c, scaled(dc, dt))];
    }
    return a[1] + b[1] + c[1];
  });
  near(await (grad(x.add(y).add(z).sum(), [rho])[0] as Tensor).data(), expected);
});

test.run();
