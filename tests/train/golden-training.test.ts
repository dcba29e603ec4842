// Training as in PyTorch: a perceptron and a convolutional net follow its losses for 30 Adam steps, plain and compiled.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/index.ts";
import { type Compared, classification, type Golden, loadGolden, mismatch } from "../reference/golden.ts";

const { nn, optim } = wg;

interface Content {
  steps: number;
  batch: number;
  seed: number;
  losses: number[];
  /** The state dict before training, by array numbers. */
  initial: Record<string, number>;
  /** Gradients of the first step. */
  gradients: Record<string, Compared>;
}

interface Mlp extends Content {
  first: { logits: Compared };
  finalEvery37: Record<string, Compared>;
}

interface Cnn extends Content {
  size: number;
  final: Record<string, Compared>;
  eval: { logits: Compared };
}

type Model = InstanceType<typeof nn.Sequential>;
type Batch = { x: wg.Tensor; y: wg.Tensor };

const RELATIVE = 1e-5;
/** On lavapipe the losses agree to 2e-7; a learning rate wrong by 1 % is off by 5e-3. */
const LOSS_TOLERANCE = 1e-4;
/** Adam divides by the gradient's magnitude, so rounding moves a weight whose gradient is about zero by parts of lr = 1e-3. */
const WEIGHT_TOLERANCE = 1e-4;

const mlp = loadGolden<Mlp>("mlp");
const cnn = loadGolden<Cnn>("cnn");

function mlpModel(): Model {
  const model = new nn.Sequential(
    new nn.Linear(784, 128),
    new nn.ReLU(),
    new nn.Linear(128, 64),
    new nn.ReLU(),
    new nn.Linear(64, 10),
  );
  return loadInitial(model, mlp);
}

function cnnModel(): Model {
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

function loadInitial(model: Model, golden: Golden<Content>): Model {
  const entries = Object.entries(golden.content.initial).map(([name, number]) => {
    const { data, shape, dtype } = golden.array(number);
    return [name, wg.tensor(data, { shape, dtype })] as const;
  });
  model.loadStateDict(Object.fromEntries(entries));
  return model;
}

function batches({ steps, batch, seed }: Content, image: readonly number[]): Batch[] {
  const features = image.reduce((product, size) => product * size, 1);
  return classification(steps, batch, features, 10, seed).map(({ x, y }) => ({
    x: wg.tensor(x, { shape: [batch, ...image] }),
    y: wg.tensor(y),
  }));
}

const mlpBatches = (): Batch[] => batches(mlp.content, [784]);
const cnnBatches = (): Batch[] => batches(cnn.content, [1, cnn.content.size, cnn.content.size]);

async function near(
  got: wg.Tensor | null | undefined,
  golden: Golden<unknown>,
  { array, absolute }: Compared,
  where: string,
  extra = 0,
): Promise<void> {
  assert.instance(got, wg.Tensor, `${where}: no tensor`);
  const expected = golden.array(array);
  const problem = mismatch(await (got as wg.Tensor).data(), expected.data, absolute + extra, RELATIVE);
  if (problem !== null) assert.unreachable(`${where}: ${problem}`);
}

/** Trains over all batches, each step alone or compiled, and compares the losses. */
async function followLosses(model: Model, data: Batch[], expected: number[], compiled: boolean): Promise<void> {
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const once = (x: wg.Tensor, y: wg.Tensor): wg.Tensor => {
    optimizer.zeroGrad();
    const loss = wg.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = compiled ? wg.compile(once) : once;
  const losses: number[] = [];
  for (const { x, y } of data) losses.push(Number(await step(x, y).item()));
  const problem = mismatch(losses, expected, 0, LOSS_TOLERANCE);
  if (problem !== null) assert.unreachable(`losses: ${problem}`);
}

async function compareFirstGradients(model: Model, data: Batch[], golden: Golden<Content>): Promise<wg.Tensor> {
  const [first] = data;
  if (first === undefined) throw new RangeError("there is no batch");
  const logits = model.forward(first.x);
  const loss = wg.crossEntropy(logits, first.y);
  loss.backward();
  const parameters = new Map(model.namedParameters());
  const entries = Object.entries(golden.content.gradients);
  assert.equal([...parameters.keys()], Object.keys(golden.content.gradients));
  const gradients = entries
    .map(([name]) => parameters.get(name)?.grad)
    .filter((gradient) => gradient instanceof wg.Tensor);
  await wg.realize(loss, logits, ...gradients);
  const problem = mismatch([Number(await loss.item())], golden.content.losses.slice(0, 1), 0, RELATIVE);
  if (problem !== null) assert.unreachable(`first loss: ${problem}`);
  for (const [name, expected] of entries) {
    await near(parameters.get(name)?.grad, golden, expected, `gradient of ${name}`);
  }
  return logits;
}

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
    await followLosses(model, mlpBatches(), mlp.content.losses, compiled);
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
    await followLosses(model, data, cnn.content.losses, compiled);
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
