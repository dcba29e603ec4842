// Options of layers, losses, initializers, schedules, metrics and fit: a misspelled one throws, and so does one that stands without its name.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WgradError } from "../../src/base/errors.ts";
import { type FitOptions, fit } from "../../src/fit.ts";
import * as metrics from "../../src/metrics/index.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import { ones, type Tensor, zeros } from "../../src/tensor.ts";

type Class = new (...args: unknown[]) => object;

/** The error of a call, which must be of the kinds that mistakes in arguments have. */
function mistake(run: () => unknown, where: string): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof WgradError || error instanceof TypeError, `${where} threw ${error}`);
    return (error as Error).message;
  }
  throw new Error(`${where} threw nothing`);
}

/** Demands that `call` refuses an unknown option and a number where its options stand, and takes `valid` ones. */
function refuses(name: string, call: (options: unknown) => unknown, valid?: object): void {
  const unknown = mistake(() => call({ nonsense: 1 }), `${name}, unknown option`);
  assert.ok(unknown.startsWith(`${name}: `) && unknown.includes("nonsense"), unknown);
  const positional = mistake(() => call(0.25), `${name}, a number as options`);
  assert.ok(positional.startsWith(`${name}: `) && positional.includes("options"), positional);
  call(valid);
}

const layers = suite("options of layers");

/** What each layer requires. A new layer belongs here, too. */
const required: Record<string, () => unknown[]> = {
  Linear: () => [2, 3],
  Bilinear: () => [2, 3, 4],
  Conv1d: () => [1, 1, 3],
  Conv2d: () => [1, 1, 3],
  Conv3d: () => [1, 1, 3],
  ConvTranspose1d: () => [1, 1, 3],
  ConvTranspose2d: () => [1, 1, 3],
  BatchNorm1d: () => [3],
  BatchNorm2d: () => [3],
  InstanceNorm2d: () => [3],
  LayerNorm: () => [3],
  RMSNorm: () => [3],
  GroupNorm: () => [1, 3],
  Dropout: () => [0.5],
  Dropout2d: () => [0.5],
  Embedding: () => [5, 3],
  MaxPool1d: () => [3],
  MaxPool2d: () => [3],
  AvgPool1d: () => [3],
  AvgPool2d: () => [3],
  AdaptiveAvgPool1d: () => [2],
  AdaptiveAvgPool2d: () => [2],
  Unflatten: () => [1, [2, 3]],
  PixelShuffle: () => [2],
  ZeroPad2d: () => [1],
  Softmax: () => [1],
  LogSoftmax: () => [1],
  Softmin: () => [1],
  Threshold: () => [0, 1],
  RNN: () => [3, 4],
  LSTM: () => [3, 4],
  GRU: () => [3, 4],
  RNNCell: () => [3, 4],
  LSTMCell: () => [3, 4],
  GRUCell: () => [3, 4],
  ModuleList: () => [[]],
  MultiheadAttention: () => [4, 2],
  TransformerEncoderLayer: () => [4, 2],
  TransformerDecoderLayer: () => [4, 2],
  TransformerEncoder: () => [new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 4 }), 1],
  TransformerDecoder: () => [new nn.TransformerDecoderLayer(4, 2, { dimFeedforward: 4 }), 1],
};
/** Classes of one's own pass on what they like; Sequential takes layers, Identity anything. */
const free = ["Module", "Sequential", "Identity"];

for (const [name, value] of Object.entries(nn)) {
  if (typeof value !== "function" || !(value.prototype instanceof nn.Module) || free.includes(name)) continue;
  layers(name, () => {
    const Layer = value as unknown as Class;
    // A layer that is missing in the list above requires nothing, or fails here.
    const make = (options: unknown): object => new Layer(...(required[name]?.() ?? []), options);
    refuses(name, make, name === "Upsample" ? { scaleFactor: 2 } : undefined);
  });
}

layers("the message says what the layer takes", () => {
  const untyped = nn as unknown as Record<string, Class>;
  const make =
    (name: string, ...args: unknown[]) =>
    () =>
      new (untyped[name] as Class)(...args);
  const says = (run: () => unknown, pattern: RegExp) => assert.match(mistake(run, String(pattern)), pattern);
  says(make("LeakyReLU", 0.2), /^LeakyReLU: .* one options object \{ negativeSlope \}/);
  says(
    make("CrossEntropyLoss", ones([3])),
    /^CrossEntropyLoss: .*\{ weight, ignoreIndex, labelSmoothing, reduction \}/,
  );
  says(make("Conv2d", 1, 1, 3, 1, 1), /^Conv2d: .*\{ stride, padding, paddingMode, dilation, groups, bias \}/);
  says(make("Conv2d", 3, 8, 3, { paddding: 1 }), /^Conv2d: unknown option "paddding"\. It takes \{ stride, padding/);
  says(make("LSTM", 3, 4, 2), /^LSTM: .*\{ numLayers, .*, projSize \}/);
  says(make("GRU", 3, 4, { projSize: 2 }), /^GRU: unknown option "projSize"/);
  says(make("GELU", "tanh"), /^GELU: .*\{ approximate \}/);
  says(make("AvgPool1d", 2, { divisorOverride: 3 }), /^AvgPool1d: unknown option "divisorOverride"/);
  says(make("ReLU", { inplace: true }), /^ReLU: takes no options, got \{ inplace \}/);
  says(make("Embedding", 5, 3, { sparse: true }), /^Embedding: unknown option "sparse"/);
  says(make("ModuleList", { fc: 1 }), /^ModuleList: takes an array/);
});

layers("methods", () => {
  const x = ones([2, 1, 4]);
  const untyped = (options: unknown) => options as never;
  const attention = new nn.MultiheadAttention(4, 2);
  refuses("MultiheadAttention.forward", (options) => attention.forward(x, x, x, untyped(options)));
  const encoderLayer = new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 4 });
  refuses("TransformerEncoderLayer.forward", (options) => encoderLayer.forward(x, untyped(options)));
  const encoder = new nn.TransformerEncoder(encoderLayer, 1);
  refuses("TransformerEncoder.forward", (options) => encoder.forward(x, untyped(options)));
  const decoderLayer = new nn.TransformerDecoderLayer(4, 2, { dimFeedforward: 4 });
  refuses("TransformerDecoderLayer.forward", (options) => decoderLayer.forward(x, x, untyped(options)));
  const decoder = new nn.TransformerDecoder(decoderLayer, 1);
  refuses("TransformerDecoder.forward", (options) => decoder.forward(x, x, untyped(options)));
  const up1 = new nn.ConvTranspose1d(1, 1, 3);
  refuses("ConvTranspose1d.forward", (options) => up1.forward(x, untyped(options)));
  const up2 = new nn.ConvTranspose2d(1, 1, 3);
  refuses("ConvTranspose2d.forward", (options) => up2.forward(ones([1, 1, 4, 4]), untyped(options)));
  const layer = new nn.Linear(4, 4);
  refuses("loadStateDict", (options) => layer.loadStateDict(layer.stateDict(), untyped(options)));
  refuses("summary", (options) => layer.summary([1, 4], untyped(options)));
  let count = 0;
  refuses("registerBuffer", (options) => layer.registerBuffer(`mask${count++}`, x, untyped(options)));
  refuses("parameter", (options) => nn.parameter(x, untyped(options)));
});

layers.run();

const functions = suite("options of functions");

for (const name of ["uniform", "normal", "truncNormal", "xavierUniform", "xavierNormal", "kaimingUniform"] as const) {
  functions(`init.${name}`, () => refuses(name, (options) => nn.init[name](zeros([3, 2]), options as never)));
}
for (const name of ["kaimingNormal", "orthogonal"] as const) {
  functions(`init.${name}`, () => refuses(name, (options) => nn.init[name](zeros([3, 2]), options as never)));
}

functions("clipping", () => {
  refuses("clipGradNorm", (options) => nn.utils.clipGradNorm([], 1, options as never));
  refuses("clipGradValue", (options) => nn.utils.clipGradValue([], 1, options as never));
  const text = mistake(() => nn.utils.clipGradNorm([], 1, { errorIfNonfinite: true } as object), "errorIfNonfinite");
  assert.match(text, /^clipGradNorm: unknown option "errorIfNonfinite".*await norm\.item\(\)/);
});

const scores = [
  [0.1, 0.9],
  [0.8, 0.2],
];
const image = { data: new Float32Array(121).fill(0.5), shape: [11, 11] };
const measured: Record<string, [unknown, unknown]> = { psnr: [image, image], ssim: [image, image] };
const withoutOptions = ["mse", "mae", "r2", "topKAccuracy", "ConfusionMatrix"];

for (const [name, metric] of Object.entries(metrics)) {
  if (withoutOptions.includes(name)) continue;
  functions(`metrics.${name}`, async () => {
    const [predictions, targets] = measured[name] ?? [scores, [1, 0]];
    const call = metric as unknown as (...args: unknown[]) => Promise<unknown>;
    for (const options of [{ nonsense: 1 }, "macro"]) {
      const error = await call(predictions, targets, options).then(
        () => new Error(`${name} took ${JSON.stringify(options)}`),
        (reason: Error) => reason,
      );
      assert.ok(error instanceof WgradError || error instanceof TypeError, error.message);
      assert.match(error.message, new RegExp(`^${name}: .*option`));
    }
    await call(predictions, targets);
  });
}

functions.run();

const schedules = suite("options of learning-rate schedules");
const optimizer = (): optim.SGD => new optim.SGD([zeros([1], { requiresGrad: true })], { lr: 0.1, momentum: 0.9 });
const arguments_: Record<string, (of: optim.SGD) => unknown[]> = {
  StepLR: () => [3],
  MultiStepLR: () => [[2, 4]],
  ExponentialLR: () => [0.9],
  CosineAnnealingLR: () => [10],
  CosineAnnealingWarmRestarts: () => [10],
  LambdaLR: () => [() => 1],
  OneCycleLR: () => [0.1],
  SequentialLR: (of) => [[new optim.lr.StepLR(of, 3)], []],
};

for (const [name, value] of Object.entries(optim.lr)) {
  if (name === "LRScheduler") continue;
  schedules(name, () => {
    const Schedule = value as unknown as Class;
    const make = (options: unknown): object => {
      const of = optimizer();
      return new Schedule(of, ...(arguments_[name]?.(of) ?? []), options);
    };
    refuses(name, make, name === "OneCycleLR" ? { totalSteps: 10 } : undefined);
  });
}

schedules.run();

const fitting = suite("options of fit");

function failure(options: object): Promise<string> {
  const model = new nn.Linear(1, 1);
  const all = { train: [], loss: () => ones([]), optimizer: new optim.SGD(model.parameters()), epochs: 0, ...options };
  return fit(model, all as unknown as FitOptions).then(
    () => "no error",
    (error: Error) => {
      assert.ok(error instanceof WgradError || error instanceof TypeError || error instanceof RangeError);
      return error.message;
    },
  );
}

fitting("misspelled ones", async () => {
  assert.is(await failure({}), "no error");
  assert.match(
    await failure({ earlystopping: { patience: 1 } }),
    /^fit: unknown option "earlystopping".*earlyStopping/,
  );
  assert.match(
    await failure({ earlyStopping: { patiance: 1 } }),
    /^fit: earlyStopping: unknown option "patiance".*patience/,
  );
  assert.match(await failure({ earlyStopping: 3 }), /^fit: earlyStopping: .*one options object/);
  assert.match(await failure({ earlyStopping: {} }), /^fit: earlyStopping\.patience must be/);
  assert.match(await failure({ callbacks: { onEpoch() {} } }), /^fit: callbacks: unknown option "onEpoch".*onEpochEnd/);
});

fitting("callbacks may be an object of a class with properties of its own", async () => {
  class Log {
    readonly lines: string[] = [];
    onEpochEnd(): void {
      this.lines.push("end");
    }
  }
  assert.is(await failure({ callbacks: new Log() }), "no error");
});

fitting("a loss that is neither function nor module", async () => {
  assert.match(await failure({ loss: "mse" }), /^fit: loss must be a function.*or a module/);
  assert.is(await failure({ loss: new nn.MSELoss() }), "no error");
  assert.is(await failure({ loss: (x: Tensor) => x }), "no error");
});

fitting.run();
