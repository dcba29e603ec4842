// The networks that are trained everywhere alike: a perceptron with dropout, LeNet with BatchNorm, a small Transformer.
import { add, crossEntropy, nn, optim, type Tensor, tensor } from "wgrad";

/** A network, its optimizer and its batches; all of them the same wherever the seed is. */
export interface Network {
  readonly model: nn.Module;
  readonly optimizer: optim.Optimizer;
  loss(step: number): Tensor;
}

/** Whole numbers below 2^32 by a hash of their index: the data, the same to the bit everywhere. */
function noise(seed: number, index: number): number {
  let value = Math.imul(index, 2654435761) + Math.imul(seed, 974711);
  value = Math.imul(value ^ (value >>> 15), 2246822519);
  return (value ^ (value >>> 13)) >>> 0;
}

/** Images with a pattern of lit pixels per class under noise, as multiples of 1/256. */
function images(step: number, count: number, pixels: number): { x: Float32Array; y: Int32Array } {
  const y = Int32Array.from({ length: count }, (_, i) => noise(1, step * count + i) % 10);
  const x = Float32Array.from({ length: count * pixels }, (_, i) => {
    const label = y[Math.floor(i / pixels)] ?? 0;
    const lit = noise(2, label * pixels + (i % pixels)) % 4 === 0 ? 128 : 0;
    return ((noise(3, step * count * pixels + i) & 127) + lit) / 256;
  });
  return { x, y };
}

function perceptron(): Network {
  const model = new nn.Sequential(
    new nn.Linear(784, 128),
    new nn.ReLU(),
    new nn.Dropout(0.2),
    new nn.Linear(128, 64),
    new nn.ReLU(),
    new nn.Dropout(0.2),
    new nn.Linear(64, 10),
  );
  return {
    model,
    optimizer: new optim.Adam(model.parameters(), { lr: 1e-3 }),
    loss(step) {
      const { x, y } = images(step, 64, 784);
      return crossEntropy(model.forward(tensor(x, { shape: [64, 784] })), tensor(y));
    },
  };
}

function leNet(): Network {
  const model = new nn.Sequential(
    new nn.Conv2d(1, 6, 5, { padding: 2 }),
    new nn.BatchNorm2d(6),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(6, 16, 5),
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(400, 120),
    new nn.ReLU(),
    new nn.Linear(120, 84),
    new nn.ReLU(),
    new nn.Linear(84, 10),
  );
  return {
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.02, momentum: 0.9 }),
    loss(step) {
      const { x, y } = images(step, 16, 784);
      return crossEntropy(model.forward(tensor(x, { shape: [16, 1, 28, 28] })), tensor(y));
    },
  };
}

const WORDS = 32;
const CONTEXT = 16;

/** Two encoder layers that see only what came before, and predict the next of a sequence of numbers. */
class Predictor extends nn.Module {
  readonly words: nn.Embedding = new nn.Embedding(WORDS, 32);
  readonly places: nn.Embedding = new nn.Embedding(CONTEXT, 32);
  readonly encoder: nn.TransformerEncoder = new nn.TransformerEncoder(
    new nn.TransformerEncoderLayer(32, 4, { dimFeedforward: 64, dropout: 0.1, batchFirst: true }),
    2,
  );
  readonly head: nn.Linear = new nn.Linear(32, WORDS);

  override forward(words: Tensor, places: Tensor): Tensor {
    const x = add(this.words.forward(words), this.places.forward(places));
    return this.head.forward(this.encoder.forward(x, { isCausal: true }));
  }
}

function transformer(): Network {
  const model = new Predictor();
  const places = tensor(Int32Array.from({ length: CONTEXT }, (_, i) => i));
  const count = 8;
  return {
    model,
    optimizer: new optim.AdamW(model.parameters(), { lr: 1e-3 }),
    loss(step) {
      // Sequences that go on by a step of their own, so that there is something to learn.
      const word = (i: number, at: number): number => {
        const start = noise(4, step * count + i);
        return (start + at * (1 + ((start >>> 8) % 3))) % WORDS;
      };
      const at = (offset: number): Int32Array =>
        Int32Array.from({ length: count * CONTEXT }, (_, k) => word(Math.floor(k / CONTEXT), (k % CONTEXT) + offset));
      const scores = model.forward(tensor(at(0), { shape: [count, CONTEXT] }), places);
      return crossEntropy(scores.reshape([count * CONTEXT, WORDS]), tensor(at(1)));
    },
  };
}

export const networks: Readonly<Record<string, () => Network>> = {
  "MLP with dropout": perceptron,
  "LeNet with BatchNorm": leNet,
  Transformer: transformer,
};
