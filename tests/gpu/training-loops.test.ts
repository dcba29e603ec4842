// Training loops that do something besides: gradients nobody uses, and compiled steps whose surroundings change.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DisposedTensorError, StaleTensorError } from "../../src/base/errors.ts";
import { compile, grad, nn, noGrad, ones, optim, type Tensor, tensor } from "../../src/index.ts";
import { failure } from "../support/failure.ts";

const filled = (shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 37) % 19) / 19 - 0.4),
    { shape },
  );

test("a leaf that no optimizer has collects its gradients over all steps", async () => {
  const model = new nn.Linear(4, 2);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
  const x = filled([5, 4]);
  x.requiresGrad = true;
  const expected = new Float64Array(20);
  for (let i = 0; i < 4; i++) {
    optimizer.zeroGrad();
    const loss = model.forward(x).square().mean();
    const [own] = grad(loss, [x]) as [Tensor];
    for (const [at, value] of (await own.data()).entries()) expected[at] = (expected[at] as number) + value;
    loss.backward();
    optimizer.step();
  }
  const found = await (x.grad as Tensor).data();
  for (const [at, value] of expected.entries()) assert.ok(Math.abs(value - (found[at] as number)) <= 1e-5);
});

/** Two parameters and an optimizer, and steps that train both or the first only. */
function pair(
  make: (params: Tensor[]) => { zeroGrad(): void; step(): void },
  wrap: <F extends () => Tensor>(f: F) => F,
) {
  const [a, b] = [tensor([1, 2], { requiresGrad: true }), tensor([1, 2], { requiresGrad: true })];
  const optimizer = make([a, b]);
  const stepOn = (loss: () => Tensor) =>
    wrap(() => {
      optimizer.zeroGrad();
      const value = loss();
      value.backward();
      optimizer.step();
      return value;
    });
  const both = stepOn(() => a.square().sum().add(b.square().sum()));
  const one = stepOn(() => a.square().sum());
  return { a, b, optimizer, both, one };
}

const values = (...tensors: Tensor[]) => Promise.all(tensors.map((t) => t.tolist()));
const plain = <F>(f: F): F => f;

for (const name of ["Adam", "NAdam", "RAdam", "Adamax"] as const) {
  test(`${name}: a compiled step counts for every parameter by itself`, async () => {
    const results = [];
    for (const wrap of [plain, compile as typeof plain]) {
      const { a, b, both, one } = pair((params) => new optim[name](params, { lr: 0.1 }), wrap as typeof plain);
      both();
      for (let i = 0; i < 5; i++) one();
      both();
      both();
      results.push(await values(a, b));
    }
    assert.equal(results[1], results[0]);
  });
}

interface Change {
  readonly name: string;
  readonly make: (params: Tensor[]) => optim.Optimizer<optim.CommonOptions, string>;
  readonly change: (made: ReturnType<typeof pair> & { optimizer: ReturnType<Change["make"]> }) => unknown;
}

const option =
  (key: string, value: unknown): Change["change"] =>
  ({ optimizer }) => {
    (optimizer.paramGroups[0] as unknown as Record<string, unknown>)[key] = value;
  };
const sgd = (params: Tensor[]) => new optim.SGD(params, { lr: 0.1 }) as unknown as ReturnType<Change["make"]>;
const adam = (params: Tensor[]) => new optim.Adam(params, { lr: 0.1 }) as unknown as ReturnType<Change["make"]>;
const changes: readonly Change[] = [
  { name: "a parameter is frozen", make: adam, change: ({ b }) => Object.assign(b, { requiresGrad: false }) },
  { name: "weightDecay from 0", make: sgd, change: option("weightDecay", 0.5) },
  { name: "momentum from 0", make: sgd, change: option("momentum", 0.9) },
  { name: "maximize", make: sgd, change: option("maximize", true) },
  { name: "eps", make: adam, change: option("eps", 0.5) },
  { name: "betas", make: adam, change: option("betas", [0.5, 0.6]) },
  {
    name: "a new group",
    make: (params) => sgd(params.slice(0, 1)),
    change: ({ b, optimizer }) => optimizer.addParamGroup({ params: b }),
  },
];

for (const { name, make, change } of changes) {
  test(`what is changed between calls holds in a compiled step: ${name}`, async () => {
    const results = [];
    for (const wrap of [plain, compile as typeof plain]) {
      const made = pair(make, wrap as typeof plain);
      made.both();
      change(made as never);
      made.both();
      made.both();
      results.push(await values(made.a, made.b));
    }
    assert.equal(results[1], results[0]);
  });
}

test("a number that schedules change from step to step is data: the compiled step is recorded once", () => {
  for (const [key, make] of [
    ["lr", sgd],
    ["momentum", (params: Tensor[]) => new optim.SGD(params, { lr: 0.1, momentum: 0.9 })],
    ["weightDecay", (params: Tensor[]) => new optim.SGD(params, { lr: 0.1, weightDecay: 0.1 })],
  ] as const) {
    let recorded = 0;
    const count = <F extends () => Tensor>(f: F): F =>
      compile(() => {
        recorded++;
        return f();
      }) as F;
    const { both, optimizer } = pair(make as Change["make"], count as typeof plain);
    for (let i = 0; i < 4; i++) {
      const [group] = (optimizer as ReturnType<Change["make"]>).paramGroups;
      (group as unknown as Record<string, unknown>)[key] = 0.1 + 0.2 * i;
      both();
    }
    assert.is(recorded, 1, key);
  }
});

test("a compiled function follows train() and eval()", async () => {
  const model = new nn.Sequential(new nn.Dropout(0.5), new nn.Identity());
  let recorded = 0;
  const predict = compile((x: Tensor) => {
    recorded++;
    return model.forward(x);
  });
  const x = ones([64]);
  const zeros = async () => (await predict(x).data()).filter((v) => v === 0).length;
  assert.ok((await zeros()) > 10);
  model.eval();
  assert.is(await zeros(), 0);
  assert.is(await zeros(), 0);
  model.train();
  assert.ok((await zeros()) > 10);
  assert.is(recorded, 3);
});

test("a compiled function may return what it was given, and what was there before", async () => {
  const weight = nn.parameter(tensor([7, 8]));
  const step = compile((x: Tensor) => ({ x, same: x.detach(), weight, more: x.add(1) }));
  for (const list of [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]) {
    const given = tensor(list);
    const found = step(given);
    assert.equal(await values(found.x, found.same, found.weight, found.more), [
      list,
      list,
      [7, 8],
      list.map((v) => v + 1),
    ]);
    found.x.dispose();
    assert.equal(await given.tolist(), list);
  }
});

test("what is assigned between calls of a compiled step is there in the next one", async () => {
  const results = [];
  for (const wrap of [plain, compile] as (typeof plain)[]) {
    const model = new nn.Linear(1, 1, { bias: false });
    model.loadStateDict({ weight: tensor([[2]]) });
    const optimizer = new optim.SGD(model.parameters(), { lr: 1 });
    const average = tensor([[0]]);
    const step = wrap((x: Tensor) => {
      optimizer.zeroGrad();
      const loss = model.forward(x).sum();
      loss.backward();
      optimizer.step();
      return loss;
    });
    const found: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      if (i === 2) model.loadStateDict({ weight: tensor([[50]]) });
      found.push(await step(ones([1, 1])).item());
      noGrad(() => average.assign(average.mul(0.5).add(model.weight.mul(0.5))));
    }
    for (const value of [5, 6, 7]) {
      noGrad(() => model.weight.assign(value));
      found.push(await wrap((x: Tensor) => model.forward(x))(ones([1, 1])).item());
    }
    results.push([found, await average.item()]);
  }
  assert.equal(results[0], [[2, 1, 50, 49, 48, 5, 6, 7], results[0]?.[1]]);
  assert.equal(results[1], results[0]);
});

test("closed-over tensors: assigned, disposed of, recorded before, or the argument that is updated", async () => {
  const once = tensor([1]);
  const f = compile((x: Tensor) => x.mul(once));
  assert.is(await f(tensor([3])).item(), 3);
  for (const value of [5, 6, 7]) {
    once.assign(tensor([value]));
    assert.is(await f(tensor([3])).item(), 3 * value);
  }
  const wide = ones([1000]).mul(1);
  const sum = compile((x: Tensor) => x.mul(wide).sum());
  assert.is(await sum(ones([1000])).item(), 1000);
  wide.assign(wide.mul(2));
  assert.is(await sum(ones([1000])).item(), 2000);
  wide.dispose();
  assert.throws(
    () => sum(ones([1000])),
    (e: Error) => e instanceof DisposedTensorError,
  );

  const weight = tensor([2]);
  await weight.data();
  const before = weight.mul(10);
  const grow = compile((x: Tensor) => {
    weight.assign(weight.add(x));
    return weight.add(before);
  });
  assert.equal([await grow(tensor([1])).item(), await grow(tensor([1])).item()], [23, 24]);

  const count = tensor([1]);
  const add = compile((x: Tensor) => {
    count.assign(count.add(x));
    return count.mul(1);
  });
  assert.equal([await add(tensor([2])).item(), await add(count).item(), await add(count).item()], [3, 6, 12]);
});

test("what is made while a step is traced has no value outside of it, unless it is returned", async () => {
  const weight = tensor([2], { requiresGrad: true });
  let leaked: Tensor | null = null;
  const step = compile((x: Tensor) => {
    leaked = x.add(1);
    weight.mul(x).sum().backward();
    return new Map([["sum", x.add(1)]]);
  });
  const found = step(tensor([3]));
  for (const x of [leaked, weight.grad, found.get("sum")] as unknown as Tensor[]) {
    const error = await failure(() => x.data());
    assert.instance(error, StaleTensorError);
    assert.match(error.message, /Return it/);
  }
});

test("a step that throws while it is traced leaves nothing behind", async () => {
  const weight = tensor([2]);
  let fails = true;
  const step = compile((x: Tensor) => {
    weight.assign(weight.add(x));
    if (fails) throw new Error("not now");
    return weight.mul(1);
  });
  assert.throws(() => step(tensor([3])), /not now/);
  assert.equal(await weight.tolist(), [2]);
  fails = false;
  assert.equal([await step(tensor([3])).item(), await step(tensor([3])).item()], [5, 8]);
});

test.run();
