// The gradient of prod: the product of all others, in linear time, right with zeros and differentiable again.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { explain, grad, type Tensor, tensor } from "../../src/tensor.ts";
import { interpret } from "../support/reference.ts";

/** Numbers near 1 with zeros at the given places. */
function numbers(count: number, zeros: readonly number[]): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => (zeros.includes(i) ? 0 : Math.fround(1 + Math.sin(i * 7) / 8)));
}

const product = (x: Float64Array, without: readonly number[]) =>
  x.reduce((p, n, i) => (without.includes(i) ? p : p * n), 1);

test("first and second derivatives, with no, one and two zeros", () => {
  for (const count of [5, 40]) {
    for (const zeros of [[], [3], [1, 4]]) {
      const values = numbers(count, zeros);
      const x = tensor(Float32Array.from(values), { requiresGrad: true });
      const [first] = grad(x.prod(), [x]) as [Tensor];
      const weights = Float32Array.from({ length: count }, (_, i) => Math.cos(i));
      const [second] = grad(first.mul(tensor(weights)).sum(), [x]) as [Tensor];
      const [a, b] = interpret([first, second]) as [Float64Array, Float64Array];
      a.forEach((n, i) => {
        assert.ok(Math.abs(n - product(values, [i])) <= 1e-12, `${count}, zeros ${zeros}: first ${i} is ${n}`);
      });
      b.forEach((n, i) => {
        const expected = weights.reduce((sum, w, j) => (j === i ? sum : sum + w * product(values, [i, j])), 0);
        assert.ok(Math.abs(n - expected) <= 1e-10, `${count}, zeros ${zeros}: second ${i} is ${n}, not ${expected}`);
      });
    }
  }
});

test("over two dims of three", () => {
  const values = numbers(60, [10, 41]);
  const x = tensor(Float32Array.from(values), { shape: [10, 2, 3], requiresGrad: true });
  const [g] = interpret(grad(x.prod([0, 2]).sum(), [x])) as [Float64Array];
  g.forEach((n, i) => {
    const row = Math.floor(i / 3) % 2;
    const others = values.filter((_, k) => k !== i && Math.floor(k / 3) % 2 === row);
    assert.ok(Math.abs(n - others.reduce((p, m) => p * m, 1)) <= 1e-12);
  });
});

test("work grows with the number of elements, not with its square", () => {
  const work = (count: number) => {
    const x = tensor(new Float32Array(count), { requiresGrad: true });
    return explain(...grad(x.prod(), [x])).kernels.reduce((sum, k) => sum + k.bytes + k.flops, 0);
  };
  assert.ok(work(40_000) < 20 * work(4000));
});

test.run();
