// Modules without a GPU: registration, names, state-dict checks, modes, summary, constructor errors.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ShapeError, WgradError } from "../../src/base/errors.ts";
import * as nn from "../../src/nn/index.ts";
import { ones, type Tensor, zeros } from "../../src/tensor.ts";

class Block extends nn.Module {
  fc = new nn.Linear(4, 4, { bias: false });
  scale = new nn.Parameter(ones([4]));

  override forward(x: Tensor): Tensor {
    return this.fc.forward(x).mul(this.scale).add(x);
  }
}

class Net extends nn.Module {
  readonly stem = new nn.Linear(3, 4);
  blocks = new nn.ModuleList([new Block(), new Block()]);
  offset = zeros([2], { requiresGrad: true });
  constant = ones([3]);
  nothing: Tensor | null = null;
  mask = this.registerBuffer("mask", ones([4]));
  cache = this.registerBuffer("cache", zeros([1]), { persistent: false });
  head: nn.Linear;
  #hidden = new nn.Linear(1, 1);

  constructor() {
    super();
    this.head = new nn.Linear(4, 2);
  }

  get hidden(): nn.Linear {
    return this.#hidden;
  }

  override forward(x: Tensor): Tensor {
    let y = this.stem.forward(x).relu();
    for (const block of this.blocks) y = block.forward(y);
    return this.head.forward(y.mul(this.mask)).add(this.offset);
  }
}

const registration = suite("module registration");

registration("parameters, buffers and children by assignment, in order", () => {
  const net = new Net();
  assert.equal(Object.keys(net.stateDict()), [
    "offset",
    "mask",
    "stem.weight",
    "stem.bias",
    "blocks.0.scale",
    "blocks.0.fc.weight",
    "blocks.1.scale",
    "blocks.1.fc.weight",
    "head.weight",
    "head.bias",
  ]);
  assert.equal(
    net.namedBuffers().map(([name]) => name),
    ["mask", "cache"],
  );
  assert.equal(
    net.namedModules().map(([name]) => name),
    ["", "stem", "blocks", "blocks.0", "blocks.0.fc", "blocks.1", "blocks.1.fc", "head"],
  );
  assert.equal(
    net.children().map((child) => child.constructor.name),
    ["Linear", "ModuleList", "Linear"],
  );
  assert.is(net.parameters().length, 9);
  assert.ok(net.parameters().every((parameter) => parameter.requiresGrad));
});

registration("state-dict tensors are the live ones", () => {
  const net = new Net();
  assert.is(net.stateDict()["stem.weight"], net.stem.weight);
});

registration("a frozen parameter stays one", () => {
  const net = new Net();
  const count = net.parameters().length;
  net.stem.requiresGrad(false);
  net.offset.requiresGrad = false;
  assert.not(net.stem.weight.requiresGrad);
  assert.is(net.parameters().length, count);
  assert.ok("offset" in net.stateDict());
});

registration("shared parameters are counted once but keep both names", () => {
  const a = new nn.Linear(3, 3);
  const b = new nn.Linear(3, 3);
  b.weight = a.weight;
  const model = new nn.Sequential(a, b, a);
  assert.is(model.parameters().length, 3);
  assert.is(model.modules().length, 3);
  assert.equal(Object.keys(model.stateDict()), ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]);
});

registration("a result of ops in a property is no parameter", () => {
  const net = new Net() as Net & { last?: Tensor };
  net.last = net.offset.mul(2);
  assert.not("last" in net.stateDict());
});

registration("Sequential with names, ModuleList with length, index and append", () => {
  const model = new nn.Sequential({ fc: new nn.Linear(2, 3), act: new nn.ReLU() });
  assert.equal(Object.keys(model.stateDict()), ["fc.weight", "fc.bias"]);
  const list = new nn.ModuleList([new nn.Linear(1, 2)]);
  list.append(new nn.Linear(2, 3)).extend([new nn.Linear(3, 4)]);
  assert.is(list.length, 3);
  assert.is(list[1]?.outFeatures, 3);
  assert.equal(
    [...list].map((layer) => layer.outFeatures),
    [2, 3, 4],
  );
});

registration("PyTorch's keys of batch norm", () => {
  assert.equal(Object.keys(new nn.BatchNorm2d(2).stateDict()), [
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "num_batches_tracked",
  ]);
  assert.equal(Object.keys(new nn.BatchNorm1d(2, { affine: false, trackRunningStats: false }).stateDict()), []);
  const { numBatchesTracked, runningMean, runningVar } = new nn.BatchNorm1d(2);
  assert.equal([numBatchesTracked?.dtype, numBatchesTracked?.shape.length], ["i32", 0]);
  assert.equal([runningMean?.shape, runningVar?.shape], [[2], [2]]);
});

registration("train, eval, apply, zeroGrad", () => {
  const net = new Net();
  assert.is(net.eval(), net);
  assert.ok(net.modules().every((module) => !module.training));
  net.train();
  assert.ok(net.modules().every((module) => module.training));
  const seen: string[] = [];
  net.apply((module) => seen.push(module.constructor.name));
  assert.equal(seen, ["Linear", "Linear", "Block", "Linear", "Block", "ModuleList", "Linear", "Net"]);
  net.offset.grad = ones([2]);
  net.zeroGrad();
  assert.is(net.offset.grad, null);
});

registration("to(dtype) casts floats, keeps integers and sharing", () => {
  const a = new nn.Linear(3, 3);
  const b = new nn.Linear(3, 3);
  b.weight = a.weight;
  const model = new nn.Sequential(a, b, new nn.BatchNorm1d(3)).to("f16");
  assert.is(a.weight, b.weight);
  assert.is(a.weight.dtype, "f16");
  assert.ok(a.weight.requiresGrad);
  const dtypes = Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, tensor.dtype]));
  assert.is(dtypes["2.running_mean"], "f16");
  assert.is(dtypes["2.num_batches_tracked"], "i32");
});

registration("summary: output shapes and counts, modes as before", () => {
  const net = new Net();
  net.blocks.eval();
  const text = net.summary([5, 3]);
  const lines = text.split("\n").map((line) => line.trim().split(/ {2,}/));
  assert.equal(lines[2], ["Net", "[5, 2]", "2"]);
  assert.equal(lines[3], ["stem: Linear", "[5, 4]", "16"]);
  assert.equal(lines[4], ["blocks: ModuleList", "-", "0"]);
  assert.equal(lines[5], ["0: Block", "[5, 4]", "4"]);
  assert.equal(lines[6], ["fc: Linear", "[5, 4]", "16"]);
  assert.match(text, "total parameters: 68, trainable: 68");
  assert.ok(net.training);
  assert.not(net.blocks.training);
  assert.not(Object.hasOwn(net, "forward"));
});

registration.run();

const errors = suite("module errors");

function thrown(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

errors("loadStateDict names all that does not fit", () => {
  const model = new nn.Sequential(new nn.Linear(2, 3), new nn.Linear(3, 1));
  const error = thrown(() =>
    model.loadStateDict({
      "0.weight": zeros([3, 2]),
      "0.bias": zeros([4]),
      "1.weight": zeros([1, 3]),
      extra: zeros([1]),
    }),
  );
  assert.instance(error, ShapeError);
  assert.match(error.message, 'missing key "1.bias"');
  assert.match(error.message, 'unexpected key "extra"');
  assert.match(error.message, /"0.bias" is \[4\] in the state dict and \[3\] in the model/);
  assert.match(error.message, "Nothing was loaded");
});

errors("loadStateDict: missing keys alone are a WgradError, and forgiven when not strict", () => {
  const model = new nn.Sequential(new nn.Linear(2, 3));
  const dict = { "0.weight": zeros([3, 2]), other: zeros([1]) };
  const error = thrown(() => model.loadStateDict(dict));
  assert.instance(error, WgradError);
  assert.not.instance(error, ShapeError);
  assert.equal(model.loadStateDict(dict, { strict: false }), { missingKeys: ["0.bias"], unexpectedKeys: ["other"] });
  assert.throws(() => model.loadStateDict({ "0.bias": zeros([1]) }, { strict: false }), /"0.bias" is \[1\]/);
});

errors("loadStateDict: files of PyTorch before 0.4.1 count no batches", () => {
  const model = new nn.Sequential(new nn.Sequential(new nn.BatchNorm2d(3)), new nn.BatchNorm1d(2, { momentum: null }));
  const dict = Object.fromEntries(
    Object.entries(model.stateDict()).filter(([key]) => !key.endsWith("num_batches_tracked")),
  );
  assert.is(Object.keys(dict).length, 8);
  const counts = [model.stateDict()["0.0.num_batches_tracked"], model.stateDict()["1.num_batches_tracked"]];
  assert.equal(model.loadStateDict(dict), { missingKeys: [], unexpectedKeys: [] });
  assert.is(model.stateDict()["0.0.num_batches_tracked"], counts[0]);
  const { "1.running_mean": _, ...less } = dict;
  assert.match(thrown(() => model.loadStateDict(less)).message, /: missing key "1.running_mean"\. Nothing/);
  assert.instance(
    thrown(() => model.loadStateDict({ ...dict, "1.num_batches_tracked": zeros([2]) })),
    ShapeError,
  );
  // Buffers of one's own may be left out, too.
  const own = new nn.Sequential();
  own.registerBuffer("scale", zeros([2]), { optional: true });
  own.registerBuffer("shift", zeros([2]));
  assert.equal(own.loadStateDict({ shift: zeros([2]) }).missingKeys, []);
  assert.throws(() => own.loadStateDict({ scale: zeros([2]) }), /missing key "shift"/);
});

errors("loadStateDict: not tensors", () => {
  const model = new nn.Linear(1, 1);
  assert.throws(() => model.loadStateDict({ weight: [1], bias: [1] } as never), /"weight" must be a tensor/);
  assert.throws(() => model.loadStateDict(null as never), /a state dict is an object/);
});

errors("no forward, buffers' names, cycles", () => {
  class Empty extends nn.Module {}
  assert.throws(() => new Empty().forward(), /Empty: forward is not defined/);
  assert.throws(() => new Empty().registerBuffer("a.b", ones([1])), /must not be empty or hold a dot/);
  assert.throws(() => new Empty().registerBuffer("training", ones([1])), /has a property "training" already/);
  const loop = new Empty() as Empty & { self?: nn.Module };
  loop.self = loop;
  assert.throws(() => loop.stateDict(), /contains itself at "self"/);
});

errors("containers take modules only", () => {
  assert.throws(() => new nn.Sequential(((x: Tensor) => x) as never), /every layer must be a Module, got a function/);
  assert.throws(() => new nn.Sequential({ append: new nn.ReLU() }), /the name "append" is taken/);
});

errors("layers' arguments", () => {
  const cases: [() => unknown, RegExp][] = [
    [() => new nn.Linear(0, 3), /Linear: inFeatures must be a whole number ≥ 1, got 0/],
    [() => new nn.Linear(3, 1.5), /Linear: outFeatures .* got 1.5/],
    [() => new nn.Conv2d(3, 4, 3, { groups: 2 }), /multiples of groups, got 3, 4 and 2/],
    [() => new nn.Conv2d(3, 4, [3, 3, 3]), /Conv2d: kernelSize must be a number or 2 numbers/],
    [() => new nn.Conv2d(3, 4, 3, { padding: "same", stride: 2 }), /padding "same" needs stride 1/],
    [() => new nn.Conv2d(3, 4, 3, { padding: -1 }), /Conv2d: padding must be a whole number ≥ 0, got -1/],
    [() => new nn.Conv2d(3, 4, 3, { paddingMode: "mirror" as "zeros" }), /paddingMode must be "zeros"/],
    [() => new nn.Dropout(1.5), /Dropout: p must be between 0 and 1, got 1.5/],
    [() => new nn.BatchNorm1d(0), /BatchNorm1d: numFeatures/],
    [() => new nn.LayerNorm([]), /LayerNorm: normalizedShape must be at least one size/],
    [() => new nn.Embedding(5, 2, { paddingIdx: 7 }), /paddingIdx must be within the 5 rows, got 7/],
    [() => new nn.Softmax(0.5), /Softmax: dim must be a whole number/],
    [() => new nn.MSELoss({ reduction: "avg" as "mean" }), /MSELoss: reduction must be "mean", "sum", "none"/],
  ];
  for (const [run, pattern] of cases) {
    const error = thrown(run);
    assert.instance(error, RangeError, String(pattern));
    assert.match(error.message, pattern);
  }
});

errors("batch norm checks its input", () => {
  assert.throws(
    () => new nn.BatchNorm2d(3).forward(zeros([2, 4, 5, 5])),
    /must be \[N, C, H, W\] with C = 3, got \[2,4,5,5\]/,
  );
  assert.throws(() => new nn.BatchNorm1d(3).forward(zeros([1, 3])), /more than one value per channel/);
});

errors("initializers", () => {
  assert.throws(
    () => nn.init.xavierUniform(zeros([3])),
    /xavierUniform: fan in and fan out need a tensor of at least 2 dims/,
  );
  assert.throws(() => nn.init.eye(zeros([3])), /eye: needs a matrix/);
  assert.throws(() => nn.init.truncNormal(zeros([3]), { std: 0 }), /truncNormal: needs std > 0/);
  assert.throws(() => nn.init.calculateGain("swish" as "relu"), /unknown nonlinearity "swish"/);
  assert.is(nn.init.calculateGain("relu"), Math.SQRT2);
  assert.is(nn.init.calculateGain("leakyRelu", 1), 1);
});

errors.run();
