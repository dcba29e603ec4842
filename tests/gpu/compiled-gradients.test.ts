// Gradients that a compiled step finds, changes and leaves.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { StaleTensorError } from "../../src/base/errors.ts";
import { compile, init, nn, noGrad, optim, type Tensor, tensor } from "../../src/index.ts";
import { failure } from "../support/failure.ts";

test.before(async () => {
  await init({ seed: 1 });
});

test("arguments of a compiled step get gradients, and are one tensor where they are the same", async () => {
  const back = compile((x: Tensor) => {
    const loss = x.square().sum();
    loss.backward();
    return loss;
  });
  const x = tensor([1, 2], { requiresGrad: true });
  back(x);
  back(x);
  assert.equal(await (x.grad as Tensor).tolist(), [4, 8]);
  assert.throws(() => back(x.mul(2)), /backward came to argument 0 .* x\.detach\(\)/);
  const twice = compile((a: Tensor, b: Tensor) => {
    a.assign(b.mul(2));
    return a.add(b);
  });
  const [a, b] = [tensor([20]), tensor([1])];
  assert.equal([await twice(a, a).item(), await twice(b, a).item()], [80, 120]);
});

test("gradients that a compiled step would have to add to are not left out", async () => {
  const p = nn.parameter(tensor([1, 2]));
  const optimizer = new optim.SGD([p], { lr: 1 });
  const adds = compile((x: Tensor) => {
    p.mul(x).sum().backward();
    optimizer.step();
  });
  adds(tensor([3, 4]));
  assert.ok((await failure(async () => adds(tensor([3, 4])))) instanceof Error);
  optimizer.zeroGrad();
  adds(tensor([3, 4]));
  assert.equal(await p.tolist(), [-5, -6]);
});

test("a step that reads gradients from outside takes those of each call, or none", async () => {
  const [p, q] = [nn.parameter(tensor([1, 2])), nn.parameter(tensor([10, 20]))];
  const optimizer = new optim.SGD([p, q], { lr: 1 });
  const step = compile((x: Tensor) => {
    p.grad = null;
    p.mul(x).sum().backward();
    optimizer.step();
  });
  const expected = [10, 20];
  for (const given of [null, [1, 2], [3, 4], null, [5, 6]]) {
    q.grad = given && tensor(given);
    step(tensor([0, 0]));
    expected.forEach((x, i) => {
      expected[i] = x - (given?.[i] ?? 0);
    });
    assert.equal(await q.tolist(), expected);
  }
  q.grad = tensor([8, 0]);
  const clips = compile(() => nn.utils.clipGradNorm([q], 2).mul(1));
  assert.is(await clips().item(), 8);
  q.grad = tensor([0, 4]);
  assert.is(await clips().item(), 4);
  const descends = compile((x: Tensor) => {
    noGrad(() => p.grad && p.assign(p.sub(p.grad)));
    return x.mul(2);
  });
  await p.assign(tensor([1, 2])).realize();
  for (const given of [null, [1, 1], null]) {
    p.grad = given && tensor(given);
    await descends(tensor([1])).realize();
  }
  assert.equal(await p.tolist(), [0, 1]);
});

test("every call leaves the same gradients: those from outside, none, or an error that says what to return", async () => {
  const parts = (): [Tensor, optim.SGD] => {
    const p = nn.parameter(tensor([1, 2]));
    return [p, new optim.SGD([p], { lr: 1 })];
  };
  for (const isArgument of [true, false]) {
    const [p, optimizer] = parts();
    const keeps = compile((x: Tensor) => {
      optimizer.zeroGrad();
      p.mul(isArgument ? x : p)
        .sum()
        .backward();
      return (p.grad as Tensor).mul(1);
    });
    for (const x of [1, 2]) {
      const grad = keeps(tensor([x, x]));
      assert.equal(await grad.tolist(), isArgument ? [x, x] : [2, 4]);
      const error = await failure(() => (p.grad as Tensor).tolist());
      assert.instance(error, StaleTensorError);
      assert.match(error.message, /Return it from the step/);
      assert.instance(await failure(async () => optimizer.step()), StaleTensorError);
      optimizer.zeroGrad();
    }
    assert.equal(await p.tolist(), [1, 2]);
    // What is returned can be given back.
    p.grad = keeps(tensor([1, 1]));
    optimizer.step();
    assert.equal(await p.tolist(), isArgument ? [0, 1] : [-1, -2]);
  }
  const [p, optimizer] = parts();
  const clears = compile((x: Tensor) => {
    optimizer.zeroGrad();
    return x.mul(2);
  });
  for (let i = 0; i < 2; i++) {
    p.sum().backward();
    clears(tensor([1]));
    assert.is(p.grad, null);
  }
});

test.run();
