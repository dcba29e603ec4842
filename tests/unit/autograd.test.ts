// The contract's page "Autograd", read by somebody who doubts it; no device needed.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { ShapeError, WgradError } from "../../src/base/errors.ts";
import * as wg from "../../src/index.ts";
import type { Tensor } from "../../src/tensor.ts";
import { interpret } from "../support/reference.ts";

const { grad, tensor } = wg;

const numbers = (...tensors: Tensor[]): number[][] => interpret(tensors).map((list) => [...list]);
const leaf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true });
const fails = (run: () => unknown, kind: new (message: string) => Error, words: RegExp) =>
  assert.throws(run, (e: Error) => e instanceof kind && words.test(e.message));

test("grad of one and of several outputs, weighted", () => {
  const x = leaf(1, 2, 3);
  const weights = tensor([1, 0, 2]);
  assert.equal(numbers(...grad([x.sum(), x.square().sum()], [x])), [[3, 5, 7]]);
  assert.equal(numbers(...grad(x.square(), x, { gradOutputs: weights })), [[2, 0, 12]]);
  assert.equal(numbers(...grad([x.square(), x.sum()], x, { gradOutputs: [weights, null] })), [[3, 1, 13]]);
  assert.equal(numbers(...grad(x, x, { gradOutputs: weights })), [[1, 0, 2]]);
  const h = x.square();
  assert.equal(numbers(...grad(h.mul(h).sum(), [h, x])), [
    [2, 8, 18],
    [4, 32, 108],
  ]);
});

test("a leaf with a new value is the same leaf, as long as its old value is there", () => {
  const x = leaf(1, 2);
  x.assign(x.mul(3));
  const [old, both] = [x.square().sum(), x.sum()];
  x.assign(x.add(1));
  assert.equal(numbers(...grad(old, x)), [[6, 12]]);
  assert.equal(numbers(...grad([old, both.add(x.mul(2).sum())], x)), [[9, 15]]);
});

test("grad of grad of grad, and gradients of gradOutputs", () => {
  const x = leaf(1, 2);
  const [first] = grad(x.pow(4).sum(), x) as [Tensor];
  const [second] = grad(first.sum(), x) as [Tensor];
  const [third] = grad(second.sum(), x) as [Tensor];
  assert.equal(numbers(third), [[24, 48]]);
  const v = leaf(1, 1);
  const [product] = grad(x.pow(3), x, { gradOutputs: v }) as [Tensor];
  assert.equal(numbers(...grad(product.sum(), [v, x])), [
    [3, 12],
    [6, 12],
  ]);
});

test("grad touches no .grad; backward adds, to leaves only", () => {
  const x = leaf(1, 2);
  const h = x.square();
  const y = h.sum();
  grad(y, x);
  assert.is(x.grad, null);
  y.backward();
  y.backward();
  assert.equal(numbers(x.grad as Tensor), [[4, 8]]);
  assert.is(h.grad, null);
  assert.is((x.grad as Tensor).requiresGrad, false);
  const fresh = leaf(1, 2);
  fresh.square().backward(tensor([1, 10]));
  assert.equal(numbers(fresh.grad as Tensor), [[2, 40]]);
  const scalar = tensor(3, { requiresGrad: true });
  scalar.backward();
  assert.equal(numbers(scalar.grad as Tensor), [[1]]);
});

test("an unused input has the gradient zero, or is an error if asked", () => {
  const [x, y] = [leaf(1, 2), leaf(3, 4)];
  assert.equal(numbers(...grad(x.sum(), [x, y])), [
    [1, 1],
    [0, 0],
  ]);
  fails(() => grad(x.sum(), [x, y], { allowUnused: false }), WgradError, /no output depends on input 1 of shape \[2\]/);
});

test("gradients are cut by detach, noGrad and integers", () => {
  const x = leaf(1, 2);
  assert.equal(numbers(...grad(x.mul(x.detach()).sum(), x)), [[1, 2]]);
  assert.equal(numbers(...grad(x.mul(wg.noGrad(() => x.mul(3))).sum(), x)), [[3, 6]]);
  assert.is(x.to("i32").requiresGrad, false);
  assert.is(x.gt(1).requiresGrad, false);
  assert.throws(() =>
    wg.noGrad(() => {
      throw new Error("within");
    }),
  );
  assert.is(x.mul(2).requiresGrad, true, "noGrad ends with an error too");
  const wider = x.to("f16").square().sum();
  assert.equal(numbers(...grad(wider, x)), [[2, 4]]);
});

test("valueAndGrad differentiates float tensors and passes the rest on", () => {
  const step = wg.valueAndGrad((w: Tensor, labels: Tensor, scale: number) => w.mul(labels).sum().mul(scale));
  const w = tensor([1, 2]);
  const [value, gradients] = step(w, tensor([3, 4], { dtype: "i32" }), 10);
  assert.is(gradients.length, 1);
  assert.equal(numbers(value, ...gradients), [[110], [30, 40]]);
  assert.is(w.requiresGrad, false, "the argument itself stays as it was");
  const [, inside] = wg.noGrad(() => wg.valueAndGrad((x: Tensor) => x.square().sum())(w));
  assert.equal(numbers(...inside), [[2, 4]]);
  const h = leaf(1, 2).mul(2);
  assert.equal(numbers(...wg.valueAndGrad((x: Tensor) => x.square().sum())(h)[1]), [[4, 8]]);
});

test("mistakes say what is wrong", () => {
  const x = leaf(1, 2, 3);
  const one = tensor([1, 1, 1]);
  fails(() => grad(x.square(), x), ShapeError, /grad: only a scalar has a gradient of its own, got \[3\]/);
  fails(() => grad(x.square(), x, { gradOutputs: [one, one] }), WgradError, /one gradient per output, got 2 for 1/);
  fails(() => grad([x.sum(), x.sum()], x, { gradOutputs: one }), WgradError, /one gradient per output, got 1 for 2/);
  fails(() => grad(x.square(), x, { grad_outputs: one } as never), WgradError, /unknown option "grad_outputs"/);
  fails(() => grad(5 as never, x), TypeError, /grad: the outputs must be a tensor or a list, got 5/);
  fails(() => grad(x.sum(), 5 as never), TypeError, /grad: the inputs must be a tensor or a list, got 5/);
  fails(() => grad(x.sum(), one), WgradError, /grad: input 0 of shape \[3\] has no requiresGrad/);
  fails(() => grad(x.to("i32").sum(), x), WgradError, /only float tensors have gradients, got i32/);
  fails(() => one.sum().backward(), WgradError, /depends on nothing with requiresGrad/);
  fails(() => x.square().backward(tensor([1, 1])), ShapeError, /must have the output's shape, got \[2\] for \[3\]/);
  fails(() => wg.valueAndGrad(3 as never), TypeError, /valueAndGrad: the argument must be a function, got 3/);
  fails(() => wg.noGrad(3 as never), TypeError, /noGrad: the argument must be a function, got 3/);
  fails(() => wg.scope(async () => x.add(1)), TypeError, /scope: the function must be synchronous/);
  fails(() => tensor([1, undefined] as never), TypeError, /got nothing at \[1\]/);
  fails(() => tensor("abc" as never), TypeError, /got "abc"/);
});

test.run();
