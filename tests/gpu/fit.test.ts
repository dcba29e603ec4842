// fit: losses, validation, early stopping, schedules, abortion and modes.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WgradError } from "../../src/base/errors.ts";
import { DataLoader, HostRandom, TensorDataset } from "../../src/data/index.ts";
import { type EpochSummary, type FitOptions, fit } from "../../src/fit.ts";
import * as metrics from "../../src/metrics/index.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import { crossEntropy, manualSeed, mseLoss, type Tensor, tensor } from "../../src/tensor.ts";
import { failure, rejection } from "../support/failure.ts";

/** Points of two clouds, which a line separates. */
const clouds = (count: number, seed: number): TensorDataset<[{ data: Float32Array; shape: number[] }, Int32Array]> => {
  const random = new HostRandom(seed);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  const data = Float32Array.from({ length: 2 * count }, (_, i) => random.normal() + (labels[i >> 1] === 1 ? 2 : -2));
  return new TensorDataset({ data, shape: [count, 2] }, labels);
};

const classifier = (): nn.Sequential => {
  manualSeed(3);
  return new nn.Sequential(new nn.Linear(2, 8), new nn.ReLU(), new nn.Dropout(0.1), new nn.Linear(8, 2));
};

/** A model y = w·x whose loss is easy to follow by hand. */
class Line extends nn.Module {
  w: Tensor = tensor([0], { requiresGrad: true });
  override forward(x: Tensor): Tensor {
    return x.mul(this.w);
  }
}
const x = (): Tensor => tensor([1, 1]);
const y = (): Tensor => tensor([1, 1]);

const training = suite("training");

training("learns, validates and keeps a history", async () => {
  const model = classifier();
  const steps: number[] = [];
  const history = await fit(model, {
    train: new DataLoader(clouds(240, 1), { batchSize: 50, shuffle: true, seed: 2 }),
    validation: new DataLoader(clouds(101, 2), { batchSize: 25 }),
    loss: crossEntropy,
    optimizer: new optim.Adam(model.parameters(), { lr: 0.02 }),
    epochs: 4,
    metrics: { accuracy: metrics.accuracy, f1: (p, t) => metrics.f1(p, t, { average: "micro" }) },
    callbacks: { onStep: ({ step }) => void steps.push(step) },
  });
  assert.is(history.epochs.length, 4);
  assert.is(history.stopped, "finished");
  assert.equal(steps, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
  const [first, , , last] = history.epochs;
  assert.ok((last?.loss ?? 1) < (first?.loss ?? 0) && (last?.validationLoss ?? 1) < 0.2);
  assert.ok((last?.metrics.accuracy ?? 0) >= 0.95);
  assert.is(last?.metrics.f1, last?.metrics.accuracy);
  assert.equal([last?.epoch, last?.lr], [3, 0.02]);
  assert.ok((last?.seconds ?? 0) > 0);
});

training("a loss module counts as its forward, in training and validation", async () => {
  const run = async (loss: FitOptions["loss"]): Promise<unknown> => {
    const model = new Line();
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.25 });
    const { epochs } = await fit(model, { train: [[x(), y()]], validation: [[x(), y()]], loss, optimizer, epochs: 2 });
    return epochs.map((epoch) => [epoch.loss, epoch.validationLoss]);
  };
  const expected = await run((prediction, target) => mseLoss(prediction, target, { reduction: "sum" }));
  assert.equal(await run(new nn.MSELoss({ reduction: "sum" })), expected);
});

training("the loss of an epoch is the mean over its samples, before each step", async () => {
  const model = new Line();
  const history = await fit(model, {
    // Losses 1 (w = 0) over two samples, then (1 − 0.5)² over one: SGD moves w by lr · 2 · (1 − w).
    train: [
      [x(), y()],
      [tensor([1]), tensor([1])],
    ],
    validation: [[x(), y()]],
    loss: mseLoss,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.25 }),
    epochs: 1,
  });
  assert.equal(history.epochs[0]?.loss, (2 * 1 + 0.25) / 3);
  assert.equal(history.epochs[0]?.validationLoss, 0.0625);
  assert.equal(await model.w.tolist(), [0.75]);
});

training("losses are read every readEvery steps", async () => {
  const model = new Line();
  const read: number[] = [];
  await fit(model, {
    train: Array.from({ length: 5 }, () => [x(), y()] as const),
    loss: mseLoss,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.25 }),
    epochs: 1,
    readEvery: 2,
    callbacks: { onStep: ({ loss }) => void read.push(loss) },
  });
  // The loss is 4⁻ⁿ before step n + 1; what is read after steps 1, 2 and 4 stays until the next time.
  assert.equal(read, [1, 0.25, 0.25, 2 ** -6, 2 ** -6]);
});

training("the same seed gives the same history, bit for bit", async () => {
  const run = async (): Promise<unknown> => {
    const model = classifier();
    const history = await fit(model, {
      train: new DataLoader(clouds(96, 1), { batchSize: 32, shuffle: true, seed: 5 }),
      loss: crossEntropy,
      optimizer: new optim.AdamW(model.parameters()),
      epochs: 2,
    });
    return [history.epochs.map(({ loss }) => loss), ...(await Promise.all(model.parameters().map((p) => p.tolist())))];
  };
  assert.equal(await run(), await run());
});

const modes = suite("modes");

modes("train() for steps, eval() for validation, and back to what was before", async () => {
  const model = classifier();
  const dropout = model.modules().find((module) => module instanceof nn.Dropout);
  const seen: boolean[] = [];
  model.eval();
  if (dropout !== undefined) dropout.training = true;
  const options: FitOptions = {
    train: [[tensor([[1, 2]]), tensor(Int32Array.of(1))]],
    validation: [[tensor([[1, 2]]), tensor(Int32Array.of(1))]],
    loss: (prediction, target) => {
      seen.push(model.training);
      return crossEntropy(prediction, target);
    },
    optimizer: new optim.SGD(model.parameters()),
    epochs: 1,
  };
  await fit(model, options);
  assert.equal(seen, [true, false]);
  assert.equal([model.training, dropout?.training], [false, true]);
  await failure(() => fit(model, { ...options, loss: () => tensor(1) }));
  assert.equal([model.training, dropout?.training], [false, true]);
});

const stopping = suite("early stopping");

/** Options whose validation metric takes the given values, epoch by epoch. */
const scripted = (model: Line, values: number[], more: Partial<FitOptions>): FitOptions => {
  let epoch = 0;
  return {
    train: [[x(), y()]],
    validation: [[x(), y()]],
    loss: mseLoss,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.25 }),
    epochs: values.length,
    metrics: { score: () => values[epoch++] ?? 0 },
    ...more,
  };
};

stopping("ends after patience epochs without improvement and restores the best weights", async () => {
  const model = new Line();
  const improved: boolean[] = [];
  const options = scripted(model, [0.1, 0.5, 0.5, 0.4, 0.9], {
    earlyStopping: { patience: 2, monitor: "score", restoreBest: true },
    callbacks: { onEpochEnd: (summary: EpochSummary) => void improved.push(summary.improved) },
  });
  const history = await fit(model, options);
  assert.equal([history.epochs.length, history.bestEpoch, history.stopped], [4, 1, "early"]);
  assert.equal(improved, [true, true, false, false]);
  // After two steps: w = 1 − 0.5².
  assert.equal(await model.w.tolist(), [0.75]);
});

stopping("minDelta and mode", async () => {
  const run = async (values: number[], earlyStopping: FitOptions["earlyStopping"]): Promise<[number, number]> => {
    const model = new Line();
    const history = await fit(model, scripted(model, values, { ...(earlyStopping ? { earlyStopping } : {}) }));
    return [history.epochs.length, history.bestEpoch];
  };
  assert.equal(await run([1, 1.05, 1.2, 1.25, 1.35], { patience: 2, monitor: "score", minDelta: 0.1 }), [5, 4]);
  assert.equal(await run([1, 1.05, 1.09, 1.25], { patience: 2, monitor: "score", minDelta: 0.1 }), [3, 0]);
  assert.equal(await run([3, 2, 2.5, 2.6, 1], { patience: 2, monitor: "score", mode: "min" }), [4, 1]);
  // Without early stopping the validation loss is watched, which falls here.
  assert.equal(await run([1, 1, 1], undefined), [3, 2]);
});

stopping("wrong options are refused", async () => {
  const run = async (earlyStopping: FitOptions["earlyStopping"]): Promise<string> => {
    const model = new Line();
    return rejection(fit(model, scripted(model, [1], earlyStopping === undefined ? {} : { earlyStopping })), Error);
  };
  assert.match(await run({ patience: 0 }), /patience must be a whole number ≥ 1, got 0/);
  assert.match(await run({ patience: 1, minDelta: -1 }), /minDelta/);
  assert.match(
    await run({ patience: 1, monitor: "f2" }),
    /"f2" is not measured. Measured are score, loss, validationLoss/,
  );
});

const around = suite("around the loop");

around("schedules step by epoch, by step, or on a plateau", async () => {
  const rates = async (make: (optimizer: optim.SGD) => FitOptions["schedule"], epochs: number): Promise<number[]> => {
    const model = new Line();
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
    const schedule = make(optimizer);
    const { epochs: records } = await fit(model, {
      train: [
        [x(), y()],
        [x(), y()],
      ],
      loss: (prediction) => prediction.mul(0).mean(),
      optimizer,
      epochs,
      ...(schedule === undefined ? {} : { schedule }),
    });
    return [...records.map(({ lr }) => lr), optimizer.paramGroups[0]?.lr ?? Number.NaN];
  };
  assert.equal(await rates((o) => new optim.lr.StepLR(o, 1, { gamma: 0.5 }), 2), [0.5, 0.25, 0.125]);
  assert.equal(
    await rates((o) => new optim.lr.ReduceLROnPlateau(o, { patience: 0, factor: 0.5 }), 3),
    [0.5, 0.5, 0.25, 0.125],
  );
  const cycle = await rates((o) => new optim.lr.OneCycleLR(o, 1, { totalSteps: 4, cycleMomentum: false }), 2);
  assert.ok(Math.abs((cycle[0] ?? 1) - 0.04) <= 1e-12);
  assert.ok(Math.abs((cycle[1] ?? 1) - 0.283) <= 1e-3, `${cycle}`);
});

around("a callback may end the training", async () => {
  const model = new Line();
  const options = scripted(model, [1, 2, 3], { callbacks: { onEpochEnd: ({ epoch }) => epoch < 1 } });
  const history = await fit(model, options);
  assert.equal([history.epochs.length, history.stopped], [2, "callback"]);
});

around("a signal ends it with its reason", async () => {
  const model = new Line();
  const controller = new AbortController();
  const reason = new Error("enough");
  let steps = 0;
  const error = await failure(() =>
    fit(model, {
      train: new DataLoader(new TensorDataset(Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 2, 3, 4))),
      loss: mseLoss,
      optimizer: new optim.SGD(model.parameters(), { lr: 0.01 }),
      epochs: 100,
      signal: controller.signal,
      callbacks: {
        onStep: () => {
          steps++;
          if (steps === 6) controller.abort(reason);
        },
      },
    }),
  );
  assert.is(error, reason);
  assert.is(steps, 6);
});

around("a loss that is not finite is an error that names the step", async () => {
  const model = new Line();
  const error = await failure(() =>
    fit(model, {
      train: [
        [x(), y()],
        [tensor([Number.NaN, 1]), y()],
      ],
      loss: mseLoss,
      optimizer: new optim.SGD(model.parameters(), { lr: 0.01 }),
      epochs: 3,
    }),
  );
  assert.instance(error, WgradError);
  assert.match(error.message, /the loss is NaN in epoch 0, step 2/);
});

around("data and options that make no sense are refused", async () => {
  const model = new Line();
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
  const run = async (more: Partial<FitOptions>): Promise<string> =>
    rejection(fit(model, { train: [[x(), y()]], loss: mseLoss, optimizer, epochs: 2, ...more }), Error);
  assert.match(await run({ epochs: 1.5 }), /epochs must be a whole number ≥ 0, got 1.5/);
  assert.match(await run({ readEvery: 0 }), /readEvery/);
  assert.match(await run({ train: [] }), /no batch. Is the dataset empty/);
  assert.match(await run({ validation: [] }), /validation data has no batch/);
  assert.match(await run({ train: [[x()]] }), /inputs first and the target last/);
  const generator = (function* (): Generator<[Tensor, Tensor]> {
    yield [x(), y()];
  })();
  assert.match(await run({ train: generator }), /A generator runs once/);
});

training.run();
modes.run();
stopping.run();
around.run();
