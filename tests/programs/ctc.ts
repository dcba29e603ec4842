// A speech recognizer, after AssemblyAI's tutorial: residual convolutions, a bidirectional GRU, CTC, greedy decoding.

import { gelu, logSoftmax, nn, noGrad, optim, type Tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

const blank = 5;

class CNNLayerNorm extends nn.Module {
  layer_norm: nn.LayerNorm;

  constructor(nFeats: number) {
    super();
    this.layer_norm = new nn.LayerNorm(nFeats);
  }

  override forward(input: Tensor): Tensor {
    const x = input.transpose(2, 3); // (batch, channel, time, feature)
    return this.layer_norm.forward(x).transpose(2, 3);
  }
}

class ResidualCNN extends nn.Module {
  cnn1: nn.Conv2d;
  cnn2: nn.Conv2d;
  layer_norm1: CNNLayerNorm;
  layer_norm2: CNNLayerNorm;

  constructor(channels: number, nFeats: number) {
    super();
    this.cnn1 = new nn.Conv2d(channels, channels, 3, { stride: 1, padding: 1 });
    this.cnn2 = new nn.Conv2d(channels, channels, 3, { stride: 1, padding: 1 });
    this.layer_norm1 = new CNNLayerNorm(nFeats);
    this.layer_norm2 = new CNNLayerNorm(nFeats);
  }

  override forward(x: Tensor): Tensor {
    const residual = x;
    let out = this.layer_norm1.forward(x);
    out = gelu(out);
    out = this.cnn1.forward(out);
    out = this.layer_norm2.forward(out);
    out = gelu(out);
    out = this.cnn2.forward(out);
    return out.add(residual);
  }
}

class SpeechRecognitionModel extends nn.Module {
  cnn = new nn.Conv2d(1, 4, 3, { stride: 2, padding: 1 });
  rescnn_layers = new nn.Sequential(new ResidualCNN(4, 4));
  fully_connected = new nn.Linear(16, 8);
  birnn_norm = new nn.LayerNorm(8);
  birnn = new nn.GRU(8, 8, { batchFirst: true, bidirectional: true });
  classifier = new nn.Sequential(new nn.Linear(16, 8), new nn.GELU(), new nn.Linear(8, 6));

  override forward(spectrogram: Tensor): Tensor {
    let x = this.cnn.forward(spectrogram);
    x = this.rescnn_layers.forward(x);
    x = x.flatten({ startDim: 1, endDim: 2 }); // (batch, feature, time)
    x = x.transpose(1, 2); // (batch, time, feature)
    x = this.fully_connected.forward(x);
    [x] = this.birnn.forward(gelu(this.birnn_norm.forward(x)));
    return this.classifier.forward(x);
  }
}

/** Repetitions and blanks taken out of the best class of each frame. */
async function greedyDecode(output: Tensor, lengths: readonly number[]): Promise<number[][]> {
  const rows = (await output.argmax(2).tolist()) as number[][];
  return rows.map((row, item) =>
    row.slice(0, lengths[item]).filter((letter, i) => letter !== blank && (i === 0 || letter !== row[i - 1])),
  );
}

export async function ctc(record: ProgramRecord): Promise<void> {
  const [spectrograms, labels] = [record.steps("spectrograms"), record.steps("labels")];
  const labelLengths = (await record.data("labelLengths").tolist()) as number[][];
  const model = record.load(new SpeechRecognitionModel());
  const optimizer = new optim.AdamW(model.parameters(), { lr: 2e-2 });
  const criterion = new nn.CTCLoss({ blank });
  const scheduler = new optim.lr.OneCycleLR(optimizer, 2e-2, {
    stepsPerEpoch: 5,
    epochs: 2,
    annealStrategy: "linear",
  });
  const losses: number[] = [];
  const rates: number[] = [];
  for (const [step, lengths] of labelLengths.entries()) {
    const inputLengths = lengths.map((length) => 3 * length);
    optimizer.zeroGrad();
    let output = model.forward(spectrograms[step] as Tensor); // (batch, time, n_class)
    output = logSoftmax(output, 2);
    output = output.transpose(0, 1); // (time, batch, n_class)
    const loss = criterion.forward(output, labels[step] as Tensor, inputLengths, lengths);
    loss.backward();
    optimizer.step();
    scheduler.step();
    losses.push(Number(await loss.item()));
    rates.push(scheduler.getLastLr()[0] as number);
  }
  record.follows("loss", losses);
  record.follows("learning rate", rates);

  model.eval();
  const output = noGrad(() => logSoftmax(model.forward(spectrograms[0] as Tensor), 2));
  await record.near("log probabilities", output);
  const decoded = await greedyDecode(
    output,
    (labelLengths[0] ?? []).map((length) => 3 * length),
  );
  record.follows(
    "decoded length",
    decoded.map((word) => word.length),
  );
  record.follows("decoded", decoded.flat());
}
