// Training as in PyTorch: a perceptron and a convolutional net follow its losses for 30 Adam steps, plain and compiled.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/index.ts";
import { type Compared, loadGolden, mismatch } from "../reference/golden.ts";
import {
  type Batch,
  batches,
  type Classifier,
  compareFirstGradients,
  followLosses,
  loadInitial,
  near,
  RELATIVE,
  type TrainingRun,
} from "../support/golden-training.ts";

const { nn } = wg;

interface Mlp extends TrainingRun {
  first: { logits: Compared };
  finalEvery37: Record<string, Compared>;
}

interface Cnn extends TrainingRun {
  size: number;
  final: Record<string, Compared>;
  eval: { logits: Compared };
}

/** On lavapipe the losses agree to 2e-7; a learning rate wrong by 1 % is off by 5e-3. */
const FOLLOWING = { lr: 1e-3, tolerance: 1e-4 };
/** Adam divides by the gradient's magnitude, so rounding moves a weight whose gradient is about zero by parts of lr = 1e-3. */
const WEIGHT_TOLERANCE = 1e-4;

const mlp = loadGolden<Mlp>("mlp");
const cnn = loadGolden<Cnn>("cnn");

function mlpModel(): Classifier {
  const model = new nn.Sequential(
    new nn.Linear(784, 128),
    new nn.ReLU(),
    new nn.Linear(128, 64),
    new nn.ReLU(),
    new nn.Linear(64, 10),
  );
  return loadInitial(model, mlp);
}

function cnnModel(): Classifier {
  const model = new nn.Sequential(
    new nn.Conv2d(1, 8, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(8),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(8, 16, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(16 * 3 * 3, 10),
  );
  return loadInitial(model, cnn);
}

const mlpBatches = (): Batch[] => batches(mlp.content, [784], 10);
const cnnBatches = (): Batch[] => batches(cnn.content, [1, cnn.content.size, cnn.content.size], 10);

const training = suite("training as in PyTorch");

training("perceptron: first logits, loss and gradients", async () => {
  const logits = await compareFirstGradients(mlpModel(), mlpBatches(), mlp);
  await near(logits, mlp, mlp.content.first.logits, "logits");
});

training("convolutional net: first loss and gradients", async () => {
  await compareFirstGradients(cnnModel(), cnnBatches(), cnn);
});

for (const compiled of [false, true]) {
  const kind = compiled ? "compiled" : "plain";

  training(`perceptron, ${kind}: 30 losses and the weights after them`, async () => {
    const model = mlpModel();
    await followLosses(model, mlpBatches(), mlp.content.losses, { ...FOLLOWING, compiled });
    const state = model.stateDict();
    for (const [name, expected] of Object.entries(mlp.content.finalEvery37)) {
      const got = (await state[name]?.data()) ?? [];
      const sample = Float32Array.from({ length: Math.ceil(got.length / 37) }, (_, i) => Number(got[i * 37]));
      const { data } = mlp.array(expected.array);
      const problem = mismatch(sample, data, expected.absolute + WEIGHT_TOLERANCE, RELATIVE);
      if (problem !== null) assert.unreachable(`${name} after training: ${problem}`);
    }
  });

  training(`convolutional net, ${kind}: 30 losses, running statistics, logits in eval()`, async () => {
    const model = cnnModel();
    const data = cnnBatches();
    await followLosses(model, data, cnn.content.losses, { ...FOLLOWING, compiled });
    const state = model.stateDict();
    assert.equal(Object.keys(state), Object.keys(cnn.content.final));
    for (const [name, expected] of Object.entries(cnn.content.final)) {
      await near(state[name], cnn, expected, `${name} after training`, WEIGHT_TOLERANCE);
    }
    model.eval();
    const logits = wg.noGrad(() => model.forward(data[0]?.x as wg.Tensor));
    await near(logits, cnn, cnn.content.eval.logits, "logits in eval()", 10 * WEIGHT_TOLERANCE);
  });
}

training.run();
