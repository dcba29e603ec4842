// Training as in PyTorch: an LSTM and a Transformer encoder classifier follow its losses for 30 Adam steps, plain and compiled.

import { suite } from "uvu";
import * as wg from "../../src/index.ts";
import { loadGolden } from "../reference/golden.ts";
import {
  type Batch,
  batches,
  type Classifier,
  compareFirstGradients,
  followLosses,
  loadInitial,
  type TrainingRun,
} from "../support/golden-training.ts";

const { nn } = wg;

interface Sequences extends TrainingRun {
  length: number;
  width: number;
}

/** A learning rate wrong by 1 % is off by 5e-3. */
const FOLLOWING = { lr: 1e-2, tolerance: 1e-3 };

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
  const golden = loadGolden<Sequences>(`curve-${name}`);
  const { length, width, losses } = golden.content;
  const fresh = (): Classifier => loadInitial(make(), golden);
  const data = (): Batch[] => batches(golden.content, [length, width], 4);

  for (const compiled of [false, true]) {
    training(`${name}, ${compiled ? "compiled" : "plain"}: 30 losses`, () =>
      followLosses(fresh(), data(), losses, { ...FOLLOWING, compiled }),
    );
  }

  training(`${name}: first loss and gradients`, async () => {
    await compareFirstGradients(fresh(), data(), golden, 1e-7);
  });
}

training.run();
