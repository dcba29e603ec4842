// A classifier in training on one device: batches, model and optimizer.
import { data, init, io, noGrad, optim, type Tensor, tensor } from "wgrad";
import { DigitClassifier } from "../mnist-mlp/model.ts";
import { test, trainer } from "../mnist-mlp/train.ts";
import { type Gate, gated } from "./pausing.ts";

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

/** Who wants to know how a training goes. */
export interface Listener {
  progress(epoch: number, loss: number, accuracy: number): void;
  tested(snapshot: Snapshot, accuracy: number): void;
}

/** What was asked for can't be done; the text says why. */
export class RefusedError extends Error {}

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

type Device = Awaited<ReturnType<typeof init>>;

export class Session {
  readonly #device: Device;
  readonly #model = new DigitClassifier();
  readonly #optimizer = new optim.Adam(this.#model.parameters(), { lr: 1e-3 });
  /** The optimizer's state before its first step. */
  readonly #untrained = this.#optimizer.stateDict();

  private constructor(device: Device) {
    this.#device = device;
  }

  /** Opens a device and makes a model there, with these weights where there are some. */
  static async open(weights: Uint8Array | null): Promise<Session> {
    const session = new Session(await init({ seed: 1 }));
    if (weights !== null) session.#take(io.fromSafetensors(weights));
    return session;
  }

  get adapterName(): string {
    return this.#device.adapterName;
  }

  /** Whether the device is gone. */
  get lost(): boolean {
    return this.#device.failure !== null;
  }

  /** Loses the device. */
  lose(): void {
    this.#device.destroy();
  }

  /** Takes the weights of a file; the optimizer starts anew. @throws RefusedError where they are no numbers. */
  async load(bytes: Uint8Array): Promise<void> {
    const weights = io.fromSafetensors(bytes);
    for (const [name, weight] of Object.entries(weights)) {
      const values = await weight.data();
      if (!values.every(Number.isFinite)) {
        throw new RefusedError(`These weights can't be used: ${name} has values that are NaN or infinite.`);
      }
    }
    this.#take(weights);
  }

  #take(weights: Record<string, Tensor>): void {
    this.#model.loadStateDict(weights);
    this.#optimizer.loadStateDict(this.#untrained);
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
    const values = Array.from(await probabilities.data());
    if (values.every(Number.isFinite)) return values;
    throw new RefusedError("The network answers with NaN: its training has diverged. Reset it, or load other weights.");
  }

  /** Trains from an epoch on, in batches that pass the gate; after each epoch it tests. */
  async train(sets: Sets, { batch, epochs }: Plan, from: number, gate: Gate, listener: Listener): Promise<void> {
    const loader = new data.DataLoader(sets.train, { batchSize: batch, shuffle: true, seed: 1 });
    const testing = new data.DataLoader(sets.test, { batchSize: 1000 });
    const trainEpoch = trainer(this.#model, this.#optimizer, Math.max(1, Math.round(loader.length / 20)));
    for (let epoch = from; epoch < epochs; epoch++) {
      await trainEpoch(gated(loader, gate), ({ loss, accuracy, images }) => {
        listener.progress(epoch + images / sets.train.length, loss, accuracy);
      });
      const { accuracy } = await test(this.#model, gated(testing, gate));
      listener.tested({ epoch: epoch + 1, weights: await this.save() }, accuracy);
    }
  }
}
