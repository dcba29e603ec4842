// Training loops that do something besides: gradients nobody uses, and compiled steps whose surroundings change.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { StaleTensorError } from "../../src/errors.ts";
import { compile, grad, nn, ones, optim, type Tensor, tensor } from "../../src/index.ts";
import { failure } from "../support/failure.ts";

const filled = (shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 37) % 19) / 19 - 0.4),
    { shape },
  );

test("a leaf that no optimizer has keeps one step's graph, not all, and says that it is stale", async () => {
  const model = new nn.Linear(4, 2);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
  const x = filled([5, 4]);
  x.requiresGrad = true;
  const lossOf = (): Tensor => model.forward(x).square().mean();
  const step = async (): Promise<void> => {
    optimizer.zeroGrad();
    const loss = lossOf();
    loss.backward();
    optimizer.step();
    await loss.item();
  };
  await step();
  await step();
  const left = x.grad as Tensor;
  assert.instance(await failure(() => left.data()), StaleTensorError);
  await step();
  assert.is(x.grad, left);
  x.grad = null;
  optimizer.zeroGrad();
  lossOf().backward();
  const [expected] = grad(lossOf(), [x]);
  assert.equal(await (x.grad as unknown as Tensor).tolist(), await (expected as Tensor).tolist());
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

test.run();
