// checkpoint without a device: the same gradients, from values that are computed again, in a fraction of the memory.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  checkpoint,
  dropout,
  explain,
  grad,
  linear,
  manualSeed,
  noGrad,
  type Tensor,
  type TypedArray,
  tensor,
} from "../../src/tensor.ts";
import { interpret } from "../support/reference.ts";

let state = 1;
const noise = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 31 - 1;
};

function leaf(...shape: number[]): Tensor {
  const values: TypedArray = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, noise);
  return tensor(values, { shape, requiresGrad: true });
}

const plain = <T>(fn: (...x: Tensor[]) => T, ...x: Tensor[]): T => fn(...x);

/** Compares gradients of `build(checkpoint)` with those of `build(plain)`. */
function same(build: (wrap: typeof plain) => { loss: Tensor; leaves: Tensor[] }, second = false): void {
  const values = [plain, checkpoint as typeof plain].map((wrap) => {
    manualSeed(5);
    const { loss, leaves } = build(wrap);
    const first = grad(loss, leaves);
    const all = [loss, ...first];
    if (second)
      all.push(
        ...grad(
          first.map((g) => g.square().sum()).reduce((a, b) => a.add(b)),
          leaves,
        ),
      );
    return interpret(all);
  });
  const [kept, again] = values as [Float64Array[], Float64Array[]];
  // In float64, where only the order of sums may differ.
  kept.forEach((list, i) => {
    const largest = Math.max(...list.map(Math.abs));
    list.forEach((n, k) => {
      const error = Math.abs(((again[i] as Float64Array)[k] as number) - n);
      assert.ok(error <= 1e-12 * largest, `value ${i}, element ${k}: off by ${error} of ${largest}`);
    });
  });
}

test("gradients are the same, of closed-over parameters and of inputs", () => {
  const [x, w, v] = [leaf(5, 4), leaf(6, 4), leaf(3, 6)];
  same((wrap) => {
    const h = wrap((t) => linear(linear(t, w).tanh(), v).sigmoid(), x);
    return { loss: h.square().sum(), leaves: [x, w, v] };
  });
});

test("second derivatives are the same, also through what fn returns and uses itself", () => {
  const [x, w] = [leaf(4, 4), leaf(4, 4)];
  same((wrap) => {
    const [a, b] = wrap((t) => {
      const inner = linear(t, w).tanh();
      return [inner, inner.mul(inner).sin()] as const;
    }, x) as readonly [Tensor, Tensor];
    return { loss: a.mul(b).exp().sum(), leaves: [x, w] };
  }, true);
  const [y] = [leaf(3)];
  const [h, z] = checkpoint((t: Tensor) => [t.square(), t.square().sin()] as const, y);
  const [through] = checkpoint((t: Tensor) => [t, t.pow(3)] as const, h);
  const [g] = grad(through.pow(3).add(z).sum(), [h]) as [Tensor];
  const [gg] = grad(g.sum(), [h]) as [Tensor];
  const [expected] = interpret([h.mul(6)]) as [Float64Array];
  assert.ok((interpret([gg])[0] as Float64Array).every((n, i) => Math.abs(n - (expected[i] as number)) <= 1e-5));
});

test("dropout draws the same mask again", () => {
  const [x, w] = [leaf(8, 8), leaf(8, 8)];
  same((wrap) => ({ loss: wrap((t) => dropout(linear(t, w).exp(), 0.5).square(), x).sum(), leaves: [x, w] }));
});

test("checkpoints nest", () => {
  const [x, w, v] = [leaf(4, 4), leaf(4, 4), leaf(4, 4)];
  same((wrap) => {
    const h = wrap(
      (t) => wrap((u) => linear(wrap((q) => q.exp().sin(), u).tanh(), w).sigmoid(), linear(t, v).tanh()).exp(),
      x,
    );
    return { loss: h.sum(), leaves: [x, w, v] };
  }, true);
});

test("one that holds only part of the way to the leaves, and inputs without gradient", () => {
  const x = leaf(4);
  const fixed = tensor([1, 2, 3, 4]);
  same((wrap) => ({
    loss: wrap((t, c) => t.mul(c).sin(), x.exp(), fixed)
      .mul(fixed)
      .sum(),
    leaves: [x],
  }));
  const result = checkpoint((t: Tensor) => t.exp(), fixed);
  assert.is(result.requiresGrad, false);
  assert.is(noGrad(() => checkpoint((t: Tensor) => t.exp(), x)).requiresGrad, false);
});

test("anything may go in and come out", () => {
  const x = leaf(3);
  const { y, n } = checkpoint(
    (t: Tensor, options: { power: number }) => ({ y: t.pow(options.power), n: options.power }),
    x,
    {
      power: 2,
    },
  );
  assert.is(n, 2);
  assert.equal(y.shape, [3]);
  assert.throws(() => checkpoint(x as never, x), /checkpoint: the first argument must be a function/);
  assert.throws(() => checkpoint(async (t: Tensor) => t.exp(), x), /must be synchronous/);
});

/** A deep MLP's loss and gradients as a plan. */
function deep(layers: number, wrap: typeof plain) {
  const leaves: Tensor[] = [];
  const weight = (...shape: number[]) => {
    const w = leaf(...shape);
    leaves.push(w);
    return w;
  };
  let h: Tensor = tensor(new Float32Array(64 * 32), { shape: [64, 32] });
  for (let i = 0; i < layers; i++) {
    const [a, b, c] = [weight(128, 32), weight(128, 128), weight(32, 128)] as const;
    h = wrap((x) => linear(linear(linear(x, a).gelu(), b).gelu(), c).gelu(), h);
  }
  const loss = h.square().mean();
  return explain(loss, ...grad(loss, leaves));
}

test("a deep network takes the memory of one layer and of the values between layers", () => {
  const between = 64 * 32 * 4;
  const [four, twelve] = [deep(4, checkpoint as typeof plain), deep(12, checkpoint as typeof plain)];
  assert.ok(
    twelve.workspaceBytes - four.workspaceBytes <= 8 * between + 1024,
    `${four.workspaceBytes} → ${twelve.workspaceBytes}`,
  );
  const [all, more] = [deep(4, plain), deep(12, plain)];
  assert.ok(twelve.workspaceBytes * 4 < more.workspaceBytes, `${twelve.workspaceBytes} against ${more.workspaceBytes}`);
  assert.ok(four.workspaceBytes * 2 < all.workspaceBytes);
  // Each block's three matrices are multiplied once more; what is not needed again is not computed again.
  assert.is(four.kernels.length - all.kernels.length, 4 * 3);
  for (const report of [four, twelve, all, more]) assert.ok(report.workspaceBytes <= report.liveBytes * 1.1);
});

test("checkpoint returns the very tensors that its function returns, also those from outside and those that are gone", () => {
  const [x, outside] = [leaf(3), leaf(3)];
  const made = checkpoint((t: Tensor) => ({ same: t, outside, square: t.square() }), x);
  assert.is(made.same, x);
  assert.is(made.outside, outside);
  outside.dispose();
  assert.is(
    checkpoint(() => outside),
    outside,
  );
  assert.equal(interpret(grad(made.square.sum(), [x]))[0], interpret([x.mul(2)])[0]);
});

test.run();
