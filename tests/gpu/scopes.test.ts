// What outlives a scope, and what ends with it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { nn, optim, scope, type Tensor, tensor, zeros } from "../../src/index.ts";

test("values outlive the scope that they were assigned in, also when it throws", async () => {
  const t = zeros([2]);
  scope(() => {
    t.assign(tensor([3, 4]));
  });
  assert.equal(await t.tolist(), [3, 4]);
  assert.throws(() =>
    scope(() => {
      t.assign(t.mul(2));
      throw new Error("left");
    }),
  );
  assert.equal(await t.tolist(), [6, 8]);
});

test("running statistics, gradients, state and initial values outlive a scope", async () => {
  const norm = new nn.BatchNorm1d(2);
  const layer = new nn.Linear(2, 2);
  const optimizer = new optim.Adam([...norm.parameters(), ...layer.parameters()], { lr: 0.1 });
  const x = tensor([
    [1, 2],
    [3, 6],
  ]);
  scope(() => {
    nn.init.ones(layer.weight);
    layer.forward(norm.forward(x)).square().sum().backward();
  });
  assert.equal(await (norm.runningMean as Tensor).tolist(), [0.20000000298023224, 0.4000000059604645]);
  assert.equal(await layer.weight.tolist(), [
    [1, 1],
    [1, 1],
  ]);
  const before = await (layer.weight.grad as Tensor).tolist();
  scope(() => optimizer.step());
  assert.equal(await (layer.weight.grad as Tensor).tolist(), before);
  scope(() => layer.loadStateDict({ weight: zeros([2, 2]), bias: zeros([2]) }));
  assert.equal(await (layer.bias as Tensor).tolist(), [0, 0]);
});

test("the gradient that a leaf has at the end of a scope outlives it, whoever made it", async () => {
  const p = nn.parameter(tensor([1, 2]));
  scope(() => {
    p.square().sum().backward();
    p.grad = (p.grad as Tensor).mul(0.5);
  });
  assert.equal(await (p.grad as Tensor).tolist(), [1, 2]);
  const q = nn.parameter(tensor([0, 0]));
  scope(() => {
    [p.grad, q.grad] = [null, tensor([3, 4])];
    p.grad = q.grad;
    q.grad = null;
  });
  assert.equal(await (p.grad as Tensor).tolist(), [3, 4]);
  // Left by an error, and in a scope within another.
  assert.throws(() =>
    scope(() => {
      scope(() => p.mul(10).sum().backward());
      throw new Error("left");
    }),
  );
  assert.equal(await (p.grad as Tensor).tolist(), [13, 14]);
});

test("a gradient that its leaf has given up ends with the scope, and so does one whose leaf ends", () => {
  const p = nn.parameter(tensor([1, 2]));
  const optimizer = new optim.SGD([p], { lr: 0.1 });
  const seen: Tensor[] = [];
  const keep = (gradient: Tensor | null): void => {
    seen.push(gradient as Tensor);
  };
  scope(() => {
    p.square().sum().backward();
    keep(p.grad);
    optimizer.zeroGrad();
    scope(() => p.sum().backward());
    keep(p.grad);
    p.sum().backward();
    const ended = tensor([1, 2], { requiresGrad: true });
    ended.sum().backward();
    keep(ended.grad);
    const early = p.mul(2).detach();
    const late = tensor([1, 2], { requiresGrad: true });
    late.grad = early;
    keep(early);
  });
  assert.equal(
    seen.map(({ disposed }) => disposed),
    [true, true, true, true],
  );
  assert.is((p.grad as Tensor).disposed, false);
});

test.run();
