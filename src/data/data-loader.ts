// DataLoader: a dataset in batches, shuffled by seed, at most two steps ahead of the GPU.
import { checkFunction, checkOptions, checkWhole } from "../ops/check.ts";
import { synchronize } from "../tensor.ts";
import { checkFlag, seedFor } from "./check.ts";
import { type Collated, collate, type NumberTypes } from "./collate.ts";
import { type Dataset, lengthOf } from "./dataset.ts";
import { HostRandom } from "./random.ts";

/** Options of `DataLoader`. */
export interface DataLoaderOptions<Sample = unknown, Batch = Collated<Sample>> {
  /** Samples per batch. Default 1. */
  batchSize?: number;
  /** Gives each epoch a new random order. Default false. */
  shuffle?: boolean;
  /**
   * Seed of the orders: the same seed gives the same orders in every browser and in Node. Default: the seed of
   * `manualSeed`.
   */
  seed?: number;
  /** Leaves out a last batch of fewer samples. Default false. */
  dropLast?: boolean;
  /**
   * Number of batches that are put together in advance. With 0, each is put together when it is asked for. Default 2.
   */
  prefetch?: number;
  /** Puts samples together to a batch. Default: one tensor per field, with the batch as first dim. */
  collate?: (samples: Sample[]) => Batch | Promise<Batch>;
}

/** The first stream number of a loader's random orders. */
const ORDER_STREAM = 1;

/**
 * Iterates over a dataset in batches of tensors. Each `for await` is one epoch. With `shuffle`, epoch e of a seed has
 * the same order always and everywhere. Between batches the loader waits until at most two submitted steps are running,
 * so a training loop needs no waiting of its own.
 *
 * ```js
 * import { data, randint, randn } from "wgrad";
 *
 * const samples = new data.TensorDataset(randn([300, 4]), randint(0, 3, [300]));
 * const loader = new data.DataLoader(samples, { batchSize: 128, shuffle: true, seed: 7 });
 * for await (const [x, y] of loader) console.log(x.shape, y.shape);
 * ```
 */
export class DataLoader<Sample = unknown, Batch = Collated<Sample>> implements AsyncIterable<Batch> {
  /** The dataset that the samples come from. */
  readonly dataset: Dataset<Sample>;
  /** Samples per batch. */
  readonly batchSize: number;
  /** Whether each epoch has a random order. */
  readonly shuffle: boolean;
  /** Seed of the random orders. */
  readonly seed: number;
  /** Whether a last batch of fewer samples is left out. */
  readonly dropLast: boolean;
  /** How many batches are put together in advance. */
  readonly prefetch: number;
  readonly #collate: ((samples: never[]) => Batch | Promise<Batch>) | undefined;
  readonly #numberTypes: NumberTypes;
  #epoch = 0;

  /** @throws TypeError when the dataset is none, RangeError when a number makes no sense. */
  constructor(dataset: Dataset<Sample>, options: DataLoaderOptions<Sample, Batch> = {}) {
    lengthOf("DataLoader", dataset);
    checkOptions("DataLoader", options, ["batchSize", "shuffle", "seed", "dropLast", "prefetch", "collate"]);
    const { batchSize = 1, shuffle = false, seed, dropLast = false, prefetch = 2, collate: own } = options;
    if (own !== undefined) checkFunction("DataLoader", "collate", own);
    this.dataset = dataset;
    this.batchSize = checkWhole("DataLoader", "batchSize", batchSize, 1);
    this.shuffle = checkFlag("DataLoader", "shuffle", shuffle);
    this.seed = seedFor("DataLoader", seed);
    this.dropLast = checkFlag("DataLoader", "dropLast", dropLast);
    this.prefetch = checkWhole("DataLoader", "prefetch", prefetch, 0);
    this.#collate = own;
    this.#numberTypes = new Map(Object.entries(dataset.dtypes ?? {}));
  }

  /** Number of batches in an epoch. */
  get length(): number {
    const batches = this.dataset.length / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** Number of the epoch that the next iteration runs, counted from 0. Set it to resume a training. */
  get epoch(): number {
    return this.#epoch;
  }

  set epoch(value: number) {
    this.#epoch = checkWhole("DataLoader", "epoch", value, 0);
  }

  /** The dataset's indices in the order of the given epoch. */
  order(epoch: number): Uint32Array {
    const { length } = this.dataset;
    if (!this.shuffle) return Uint32Array.from({ length }, (_, index) => index);
    return new HostRandom(this.seed, [ORDER_STREAM, epoch]).permutation(length);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    const epoch = this.#epoch++;
    const order = this.order(epoch);
    const count = this.length;
    const ready: Promise<Batch>[] = [];
    let next = 0;
    for (let batch = 0; batch < count; batch++) {
      while (next < count && next <= batch + this.prefetch) {
        const indices = order.subarray(next * this.batchSize, (next + 1) * this.batchSize);
        const assembled = this.#assemble(indices, epoch);
        // A failure is thrown where its batch is due; until then it must not count as unhandled.
        assembled.catch(() => {});
        ready.push(assembled);
        next++;
      }
      const current = ready.shift();
      if (current === undefined) return;
      const value = await current;
      await synchronize();
      yield value;
    }
  }

  async #assemble(indices: Uint32Array, epoch: number): Promise<Batch> {
    if (this.#collate === undefined && this.dataset.getBatch !== undefined) {
      return (await this.dataset.getBatch(indices, epoch)) as Batch;
    }
    const samples = await Promise.all(Array.from(indices, (index) => this.dataset.get(index, epoch)));
    return this.#collate === undefined
      ? (collate(samples, this.#numberTypes) as Batch)
      : this.#collate(samples as never[]);
  }
}
