// Training as in PyTorch: an LSTM and a Transformer encoder classifier follow its losses for 30 Adam steps, plain and compiled.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/index.ts";
import { type Compared, classification, loadGolden, mismatch } from "../reference/golden.ts";

const { nn, optim } = wg;

interface Content {
  steps: number;
  batch: number;
  length: number;
  width: number;
  seed: number;
  losses: number[];
  /** The state dict before training, by array numbers. */
  initial: Record<string, number>;
  /** Gradients of the first step. */
  gradients: Record<string, Compared>;
}

/** A learning rate wrong by 1 % is off by 5e-3. */
const LOSS_TOLERANCE = 1e-3;

type Classifier = wg.nn.Module & { forward(x: wg.Tensor): wg.Tensor };

class Recurrent extends nn.Module {
  lstm = new nn.LSTM(6, 12, { numLayers: 2, bidirectional: true, batchFirst: true });
  head = new nn.Linear(24, 4);

  override forward(x: wg.Tensor): wg.Tensor {
    const [, [h]] = this.lstm.forward(x);
    return this.head.forward(wg.cat([h.select(0, 2), h.select(0, 3)], { dim: 1 }));
  }
}

class Transformer extends nn.Module {
  embed = new nn.Linear(6, 16);
  encoder = new nn.TransformerEncoder(
    new nn.TransformerEncoderLayer(16, 2, {
      dimFeedforward: 32,
      dropout: 0,
      activation: "gelu",
      batchFirst: true,
      normFirst: true,
    }),
    2,
    { norm: new nn.LayerNorm(16) },
  );
  head = new nn.Linear(16, 4);

  override forward(x: wg.Tensor): wg.Tensor {
    return this.head.forward(this.encoder.forward(this.embed.forward(x)).mean(1));
  }
}

const training = suite("training of sequence classifiers as in PyTorch");

for (const [name, make] of [
  ["lstm", (): Classifier => new Recurrent()],
  ["transformer", (): Classifier => new Transformer()],
] as const) {
  const golden = loadGolden<Content>(`curve-${name}`);
  const { steps, batch, length, width, seed, losses: expected } = golden.content;

  const fresh = (): Classifier => {
    const model = make();
    const entries = Object.entries(golden.content.initial).map(([key, number]) => {
      const { data, shape, dtype } = golden.array(number);
      return [key, wg.tensor(data, { shape, dtype })] as const;
    });
    model.loadStateDict(Object.fromEntries(entries));
    return model;
  };
  const data = (): { x: wg.Tensor; y: wg.Tensor }[] =>
    classification(steps, batch, length * width, 4, seed).map(({ x, y }) => ({
      x: wg.tensor(x, { shape: [batch, length, width] }),
      y: wg.tensor(y),
    }));

  for (const compiled of [false, true]) {
    training(`${name}, ${compiled ? "compiled" : "plain"}: 30 losses`, async () => {
      const model = fresh();
      const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2 });
      const once = (x: wg.Tensor, y: wg.Tensor): wg.Tensor => {
        optimizer.zeroGrad();
        const loss = wg.crossEntropy(model.forward(x), y);
        loss.backward();
        optimizer.step();
        return loss;
      };
      const step = compiled ? wg.compile(once) : once;
      const losses: number[] = [];
      for (const { x, y } of data()) losses.push(Number(await step(x, y).item()));
      const problem = mismatch(losses, expected, 0, LOSS_TOLERANCE);
      if (problem !== null) assert.unreachable(`losses: ${problem}`);
    });
  }

  training(`${name}: gradients of the first step`, async () => {
    const model = fresh();
    const [first] = data();
    if (first === undefined) throw new RangeError("there is no batch");
    wg.crossEntropy(model.forward(first.x), first.y).backward();
    const parameters = Object.fromEntries(model.namedParameters());
    assert.equal(Object.keys(parameters), Object.keys(golden.content.gradients));
    await wg.realize(...Object.values(parameters).flatMap(({ grad }) => grad ?? []));
    for (const [key, { array, absolute }] of Object.entries(golden.content.gradients)) {
      const got = (await parameters[key]?.grad?.data()) ?? [];
      const problem = mismatch(got, golden.array(array).data, absolute + 1e-7, 1e-5);
      if (problem !== null) assert.unreachable(`gradient of ${key}: ${problem}`);
    }
  });
}

training.run();
