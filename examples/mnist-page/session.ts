// A classifier in training on one device: batches, model, optimizer, and a copy of the weights that outlives the device.
import { data, init, io, noGrad, optim, tensor } from "wgrad";
import { DigitClassifier } from "../mnist-mlp/model.ts";
import { test, trainer } from "../mnist-mlp/train.ts";
import type { News } from "./messages.ts";
import { Gate, gated } from "./pausing.ts";

/** Mean and standard deviation of MNIST's training pixels. */
const PIXELS = { mean: 0.1307, std: 0.3081 };

export interface Plan {
  readonly images: number;
  readonly epochs: number;
  readonly batch: number;
}

/** What is left when the device goes: enough to go on. */
export interface Snapshot {
  readonly epoch: number;
  readonly weights: Uint8Array;
}

type Sample = [data.HostArray, data.HostArray];
export interface Sets {
  readonly train: data.Dataset<Sample>;
  readonly test: data.Dataset<Sample>;
}

/** Fetches the digits from the folder beside the page. */
export async function loadDigits(images: number): Promise<Sets> {
  const { train, test: testing } = await data.mnist({ normalize: PIXELS });
  const first = Uint32Array.from({ length: Math.min(images, train.length) }, (_, i) => i);
  return { train: new data.Subset(train, first), test: testing };
}

export class Session {
  readonly gate: Gate = new Gate();
  readonly adapterName: string;
  readonly lose: () => void;
  readonly #model = new DigitClassifier();
  readonly #optimizer = new optim.Adam(this.#model.parameters(), { lr: 1e-3 });
  readonly #plan: Plan;
  readonly #post: (news: News) => void;
  snapshot: Snapshot | null = null;

  private constructor(adapterName: string, lose: () => void, plan: Plan, post: (news: News) => void) {
    this.adapterName = adapterName;
    this.lose = lose;
    this.#plan = plan;
    this.#post = post;
  }

  /** Opens a device and makes a model there, with the weights of `from` where there are some. */
  static async open(plan: Plan, post: (news: News) => void, from: Snapshot | null): Promise<Session> {
    const device = await init({ seed: 1 });
    const session = new Session(device.adapterName, () => device.destroy(), plan, post);
    if (from !== null) session.load(from.weights, from.epoch);
    return session;
  }

  load(weights: Uint8Array, epoch = 0): void {
    this.#model.loadStateDict(io.fromSafetensors(weights));
    this.snapshot = { epoch, weights };
  }

  async save(): Promise<Uint8Array> {
    return io.toSafetensors(this.#model.stateDict());
  }

  /** The probability of each digit for one image of grey values 0 … 1. */
  async classify(pixels: Float32Array): Promise<number[]> {
    const image = tensor(
      pixels.map((grey) => (grey - PIXELS.mean) / PIXELS.std),
      { shape: [1, 1, 28, 28] },
    );
    const training = this.#model.training;
    this.#model.eval();
    const probabilities = noGrad(() => this.#model.forward(image).softmax(1));
    this.#model.train(training);
    return Array.from(await probabilities.data());
  }

  /** Trains from the epoch of the snapshot on; after each epoch it tests and keeps the weights. */
  async train(sets: Sets): Promise<void> {
    const { batch, epochs } = this.#plan;
    const loader = new data.DataLoader(sets.train, { batchSize: batch, shuffle: true, seed: 1 });
    const testing = new data.DataLoader(sets.test, { batchSize: 1000 });
    const trainEpoch = trainer(this.#model, this.#optimizer, Math.max(1, Math.round(loader.length / 20)));
    for (let epoch = this.snapshot?.epoch ?? 0; epoch < epochs; epoch++) {
      await trainEpoch(gated(loader, this.gate), ({ loss, accuracy, images }) => {
        this.#post({ kind: "progress", epoch: epoch + images / this.#plan.images, loss, accuracy });
      });
      const { accuracy } = await test(this.#model, gated(testing, this.gate));
      this.snapshot = { epoch: epoch + 1, weights: await this.save() };
      this.#post({ kind: "tested", epoch: epoch + 1, accuracy });
    }
  }
}
