// Layers and losses on the GPU against PyTorch's numbers; initial distributions; buffers; state dicts; utilities.

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DTypeError } from "../../src/base/errors.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import { compile, type DType, init, manualSeed, ones, randn, type Tensor, tensor, zeros } from "../../src/tensor.ts";

interface Case {
  name: string;
  arguments: unknown[];
  options: Record<string, unknown>;
  tensors: Record<string, number>;
  training: boolean;
  state: Record<string, number>;
  inputs: number[];
  weights: number;
  output: number;
  inputGradient: number | null;
  gradients: Record<string, number>;
  buffers: Record<string, number>;
}

interface Golden {
  cases: Case[];
  arrays: { dtype: DType; shape: number[]; offset: number }[];
}

const golden = JSON.parse(readFileSync("tests/reference/data/layers.json", "utf8")) as Golden;
const file = readFileSync("tests/reference/data/layers.bin");
const bytes = new DataView(file.buffer, file.byteOffset, file.byteLength);

interface Stored {
  shape: number[];
  dtype: DType;
  values: number[];
}

function stored(index: number): Stored {
  const entry = golden.arrays[index];
  if (entry === undefined) throw new Error(`no array ${index}`);
  const count = entry.shape.reduce((n, size) => n * size, 1);
  const read = (i: number): number =>
    entry.dtype === "f32" ? bytes.getFloat32(entry.offset + 4 * i, true) : bytes.getInt32(entry.offset + 4 * i, true);
  return { shape: entry.shape, dtype: entry.dtype, values: Array.from({ length: count }, (_, i) => read(i)) };
}

function load(index: number, requiresGrad = false): Tensor {
  const { shape, dtype, values } = stored(index);
  const data = dtype === "f32" ? Float32Array.from(values) : Int32Array.from(values);
  return tensor(data, { shape, requiresGrad: requiresGrad && dtype === "f32" });
}

async function near(actual: Tensor, expected: Stored, where: string, tolerance = 2e-5): Promise<void> {
  assert.equal(actual.shape, expected.shape, `${where}: shape`);
  const data = await actual.data();
  expected.values.forEach((value, i) => {
    const difference = Math.abs((data[i] ?? Number.NaN) - value);
    assert.ok(difference <= tolerance * (1 + Math.abs(value)), `${where}[${i}]: got ${data[i]}, expected ${value}`);
  });
}

function map<T, U>(record: Record<string, T>, fn: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, fn(value)]));
}

type AnyModule = nn.Module & { forward(...inputs: Tensor[]): Tensor };

const layers = suite("layers as PyTorch");
const classes = nn as unknown as Record<string, new (...args: unknown[]) => AnyModule>;

for (const item of golden.cases) {
  const { name, training } = item;
  const title = `${name}(${item.arguments.join(", ")}) ${JSON.stringify(item.options)} ${Object.keys(item.tensors)}`;
  layers(`${title}${training ? "" : " in evaluation"}`, async () => {
    const Class = classes[name];
    assert.type(Class, "function", `nn.${name} exists`);
    const layer = new (Class as NonNullable<typeof Class>)(...item.arguments, {
      ...item.options,
      ...map(item.tensors, (index) => load(index)),
    });
    layer.train(training);
    layer.loadStateDict(map(item.state, (index) => load(index)));
    const [first, ...others] = item.inputs.map((index, i) => load(index, i === 0));
    const output = layer.forward(first as Tensor, ...others);
    output.mul(load(item.weights)).sum().backward();
    await near(output, stored(item.output), "output");
    if (item.inputGradient !== null) {
      const gradient = first?.grad;
      assert.ok(gradient, "the input has a gradient");
      await near(gradient as Tensor, stored(item.inputGradient), "input gradient", 1e-4);
    }
    const parameters = Object.fromEntries(layer.namedParameters());
    for (const [key, index] of Object.entries(item.gradients)) {
      const gradient = parameters[key]?.grad;
      assert.ok(gradient, `${key} has a gradient`);
      await near(gradient as Tensor, stored(index), `gradient of ${key}`, 1e-4);
    }
    const buffers = Object.fromEntries(layer.namedBuffers());
    for (const [key, index] of Object.entries(item.buffers)) {
      await near(buffers[key] as Tensor, stored(index), `buffer ${key}`);
    }
  });
}

layers.run();

const initial = suite("initial values");

async function moments(t: Tensor): Promise<{ min: number; max: number; mean: number; std: number }> {
  const data = Array.from(await t.data());
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
  const variance = data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length;
  return { min: Math.min(...data), max: Math.max(...data), mean, std: Math.sqrt(variance) };
}

async function uniformWithin(t: Tensor, bound: number): Promise<void> {
  const { min, max, mean, std } = await moments(t);
  assert.ok(min >= -bound && max <= bound, `within ±${bound}: ${min} … ${max}`);
  assert.ok(Math.abs(mean) <= 0.06 * bound, `mean ${mean}`);
  assert.ok(Math.abs(std - bound / Math.sqrt(3)) <= 0.03 * bound, `std ${std}`);
}

initial("Linear, Conv2d, Embedding start as PyTorch's", async () => {
  manualSeed(1);
  const linear = new nn.Linear(100, 400);
  await uniformWithin(linear.weight, 0.1);
  const { min, max } = await moments(linear.bias as Tensor);
  assert.ok(min >= -0.1 && max <= 0.1 && max - min > 0.15);
  await uniformWithin(new nn.Conv2d(16, 200, 3, { groups: 4 }).weight, 1 / Math.sqrt(36));
  const embedding = new nn.Embedding(500, 64, { paddingIdx: 3 });
  const { mean, std } = await moments(embedding.weight);
  assert.ok(Math.abs(mean) <= 0.02 && Math.abs(std - 1) <= 0.02);
  const row = await embedding.weight.select(0, 3).data();
  assert.ok(row.every((x) => x === 0));
});

initial("the same seed gives the same weights, and they stay the same", async () => {
  manualSeed(7);
  const a = new nn.Linear(9, 5);
  manualSeed(7);
  const b = new nn.Linear(9, 5);
  const before = Array.from(await a.weight.data());
  assert.equal(Array.from(await b.weight.data()), before);
  randn([5]);
  assert.equal(Array.from(await a.weight.data()), before);
});

initial("nn.init", async () => {
  manualSeed(2);
  const t = zeros([120, 80]);
  await uniformWithin(nn.init.xavierUniform(t), Math.sqrt(6 / 200));
  await uniformWithin(nn.init.kaimingUniform(t, { nonlinearity: "relu" }), Math.sqrt(6 / 80));
  const std = async (): Promise<number> => (await moments(t)).std;
  nn.init.xavierNormal(t, { gain: 2 });
  assert.ok(Math.abs((await std()) - 0.2) <= 0.01);
  nn.init.kaimingNormal(t, { mode: "fanOut", nonlinearity: "relu" });
  assert.ok(Math.abs((await std()) - Math.sqrt(2 / 120)) <= 0.006);
  nn.init.normal(t, { mean: 3, std: 0.5 });
  const { mean } = await moments(t);
  assert.ok(Math.abs(mean - 3) <= 0.03);
  nn.init.constant(t, 4);
  assert.ok((await t.data()).every((x) => x === 4));
  nn.init.eye(t);
  const identity = await t.data();
  assert.ok(identity.every((x, i) => x === (Math.floor(i / 80) === i % 80 ? 1 : 0)));
});

initial("truncNormal stays within its bounds", async () => {
  manualSeed(3);
  const t = nn.init.truncNormal(zeros([100, 200]), { mean: 0.5, std: 1, a: -1, b: 2 });
  const { min, max, mean } = await moments(t);
  assert.ok(min >= -1 && max <= 2 && min < -0.9 && max > 1.9);
  assert.ok(Math.abs(mean - 0.5) <= 0.03);
});

initial("orthogonal matrices", async () => {
  manualSeed(4);
  for (const shape of [
    [6, 6],
    [4, 10],
    [5, 1, 3],
    [40, 40],
  ]) {
    const rows = shape[0] ?? 1;
    const q = nn.init.orthogonal(zeros(shape), { gain: 2 }).reshape([rows, -1]);
    const gram = rows <= (q.shape[1] ?? 0) ? q.matmul(q.t()) : q.t().matmul(q);
    const n = gram.shape[0] ?? 0;
    const data = await gram.data();
    data.forEach((x, i) => {
      assert.ok(Math.abs(x - (i % (n + 1) === 0 ? 4 : 0)) <= 1e-4, `${shape}: ${x} at ${i}`);
    });
  }
});

initial.run();

const modules = suite("modules on the GPU");

modules("loadStateDict copies values, all or nothing", async () => {
  manualSeed(5);
  const a = new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4));
  const b = new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4));
  const before = Array.from(await (b.parameters()[0] as Tensor).data());
  assert.throws(() => b.loadStateDict({ ...a.stateDict(), "1.bias": zeros([5]) }));
  assert.equal(Array.from(await (b.parameters()[0] as Tensor).data()), before);
  b.loadStateDict(a.stateDict());
  const x = randn([6, 3]);
  assert.equal(await b.forward(x).tolist(), await a.forward(x).tolist());
  // The copies are independent.
  nn.init.zeros(a.parameters()[0] as Tensor);
  const copied = await (b.parameters()[0] as Tensor).data();
  assert.ok(copied.some((v) => v !== 0));
});

modules("a state dict without num_batches_tracked leaves the count as it is and loads the rest", async () => {
  const [layer, other] = [new nn.BatchNorm1d(2, { momentum: null }), new nn.BatchNorm1d(2)];
  for (const x of [ones([2, 2]), zeros([2, 2])]) await layer.forward(x).data();
  const { num_batches_tracked: _, ...dict } = other.stateDict();
  layer.loadStateDict(dict);
  assert.equal(await layer.numBatchesTracked?.item(), 2);
  assert.equal(await layer.runningVar?.tolist(), [1, 1]);
  assert.equal(await layer.runningMean?.tolist(), [0, 0]);
});

modules("loadStateDict may permute the module's own tensors", async () => {
  const model = new nn.Sequential(new nn.Linear(1, 1, { bias: false }), new nn.Linear(1, 1, { bias: false }));
  const { "0.weight": first, "1.weight": second } = model.stateDict() as { "0.weight": Tensor; "1.weight": Tensor };
  nn.init.constant(first, 1);
  nn.init.constant(second, 2);
  model.loadStateDict({ "0.weight": second, "1.weight": first });
  assert.equal([await first.item(), await second.item()], [2, 1]);
});

modules("batch norm in a compiled step updates its statistics", async () => {
  manualSeed(6);
  const make = (): nn.Sequential => new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4, { momentum: null }));
  const plain = make();
  const compiled = make();
  compiled.loadStateDict(plain.stateDict());
  const train = (model: nn.Sequential): ((x: Tensor) => Tensor) => {
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
    return (x) => {
      optimizer.zeroGrad();
      const loss = model.forward(x).square().mul(x.sum(1, true)).mean();
      loss.backward();
      optimizer.step();
      return loss;
    };
  };
  const plainStep = train(plain);
  const compiledStep = compile(train(compiled));
  for (let i = 0; i < 5; i++) {
    const x = randn([8, 3]);
    const expected = await plainStep(x).item();
    const actual = await compiledStep(x).item();
    assert.ok(Math.abs(actual - expected) <= 1e-6 * (1 + Math.abs(expected)), `loss ${actual} and ${expected}`);
  }
  for (const [key, value] of Object.entries(plain.stateDict())) {
    await near(
      compiled.stateDict()[key] as Tensor,
      { shape: [...value.shape], dtype: value.dtype, values: Array.from(await value.data()) },
      key,
      1e-6,
    );
  }
  assert.is(await (compiled.stateDict()["1.num_batches_tracked"] as Tensor).item(), 5);
});

modules("dropout: on in training, off in evaluation", async () => {
  manualSeed(7);
  const layer = new nn.Dropout(0.25);
  const x = ones([4000]);
  const data = Array.from(await layer.forward(x).data());
  const kept = data.filter((v) => v !== 0);
  assert.ok(kept.every((v) => Math.abs(v - 4 / 3) <= 1e-6));
  assert.ok(Math.abs(kept.length / 4000 - 0.75) <= 0.03);
  layer.eval();
  assert.ok((await layer.forward(x).data()).every((v) => v === 1));
});

modules("a half-precision model", async () => {
  const model = new nn.Linear(4, 2).to("f16");
  const y = model.forward(ones([1, 4], { dtype: "f16" }));
  assert.is(y.dtype, "f16");
  const device = await init();
  if (device.gpu.features.has("shader-f16")) {
    assert.ok((await y.data()).every(Number.isFinite));
    return;
  }
  const error = (await y.data().catch((e: unknown) => e)) as Error;
  assert.instance(error, DTypeError);
  assert.match(error.message, /f16, which this device does not have/);
});

modules.run();

const utilities = suite("nn.utils");

function withGrad(value: number[], grad: number[] | null): Tensor {
  const t = tensor(value, { requiresGrad: true });
  t.grad = grad === null ? null : tensor(grad);
  return t;
}

async function gradients(parameters: Tensor[]): Promise<(number[] | null)[]> {
  const read: (number[] | null)[] = [];
  for (const { grad } of parameters) read.push(grad === null ? null : Array.from(await grad.data()));
  return read;
}

utilities("clipGradNorm scales all gradients together", async () => {
  const parameters = [withGrad([1, 1], [3, 0]), withGrad([1], null), withGrad([1, 2, 3], [0, 4, 12])];
  const total = nn.utils.clipGradNorm(parameters, 6.5);
  assert.ok(Math.abs((await total.item()) - 13) <= 1e-5);
  const [first, second, third] = await gradients(parameters);
  assert.ok(Math.abs((first?.[0] ?? 0) - 1.5) <= 1e-5);
  assert.is(second, null);
  assert.ok(Math.abs((third?.[2] ?? 0) - 6) <= 1e-5);
});

utilities("clipGradNorm leaves small gradients alone; other norms", async () => {
  const small = [withGrad([1], [0.3]), withGrad([1], [0.4])];
  assert.ok(Math.abs((await nn.utils.clipGradNorm(small, 1).item()) - 0.5) <= 1e-6);
  assert.equal(
    (await gradients(small)).flat().map((x) => Math.fround(x ?? 0)),
    [0.3, 0.4].map(Math.fround),
  );
  const make = (): Tensor[] => [withGrad([1, 1], [3, -4]), withGrad([1], [2])];
  assert.is(await nn.utils.clipGradNorm(make(), 1, { normType: Number.POSITIVE_INFINITY }).item(), 4);
  assert.ok(Math.abs((await nn.utils.clipGradNorm(make(), 1, { normType: 1 }).item()) - 9) <= 1e-5);
  assert.is(await nn.utils.clipGradNorm([withGrad([1], null)], 1).item(), 0);
});

utilities("clipGradValue", async () => {
  const parameters = [withGrad([1, 1, 1], [3, -4, 0.5])];
  nn.utils.clipGradValue(parameters, 1);
  assert.equal(await gradients(parameters), [[1, -1, 0.5]]);
});

utilities("parameters to vector and back", async () => {
  const parameters = [
    tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { requiresGrad: true },
    ),
    tensor([5], { requiresGrad: true }),
  ];
  const vector = nn.utils.parametersToVector(parameters);
  assert.equal(Array.from(await vector.data()), [1, 2, 3, 4, 5]);
  nn.utils.vectorToParameters(vector.mul(2), parameters);
  assert.equal(await parameters[0]?.tolist(), [
    [2, 4],
    [6, 8],
  ]);
  assert.equal(await parameters[1]?.tolist(), [10]);
  assert.throws(() => nn.utils.vectorToParameters(zeros([4]), parameters), /the vector must be \[5\]/);
});

utilities("errors", () => {
  assert.throws(() => nn.utils.clipGradNorm([], -1), /clipGradNorm: maxNorm must be a number ≥ 0, got -1/);
  assert.throws(() => nn.utils.clipGradNorm([], 1, { normType: 0 }), /normType must be > 0/);
  assert.throws(() => nn.utils.clipGradValue([], Number.NaN), /clipValue must be a number ≥ 0/);
  assert.throws(() => nn.utils.clipGradNorm([1 as never], 1), /parameters must be tensors, got number/);
});

utilities.run();
