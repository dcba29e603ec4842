// A dataset whose images go through transforms each time they are drawn.
import { WgradError } from "../errors.ts";
import type { DType } from "../tensor.ts";
import { type HostArray, isTypedArray } from "./column.ts";
import { type Dataset, lengthOf } from "./dataset.ts";
import { HostRandom } from "./random.ts";
import { compose, type ImageArray, type Transform } from "./transforms.ts";

const TRANSFORM_STREAM = 4;

/**
 * Applies transforms to one field of every sample (the first unless told). What is drawn at random depends on the seed,
 * the epoch and the sample's index alone: the same in every order, and new in every epoch of a DataLoader.
 */
export class TransformedDataset<Sample extends readonly unknown[]> implements Dataset<Sample> {
  readonly dataset: Dataset<Sample>;
  readonly dtypes?: { readonly [field: string]: DType };
  readonly #transform: Transform;
  readonly #field: number;
  readonly #seed: number;
  #epoch = 0;

  constructor(
    dataset: Dataset<Sample>,
    transforms: Transform | readonly Transform[],
    options: { seed?: number; field?: number } = {},
  ) {
    lengthOf("TransformedDataset", dataset);
    this.dataset = dataset;
    if (dataset.dtypes !== undefined) this.dtypes = dataset.dtypes;
    this.#transform = typeof transforms === "function" ? transforms : compose(...transforms);
    this.#seed = options.seed ?? 0;
    this.#field = options.field ?? 0;
  }

  get length(): number {
    return this.dataset.length;
  }

  setEpoch(epoch: number): void {
    this.#epoch = epoch;
    this.dataset.setEpoch?.(epoch);
  }

  async get(index: number): Promise<Sample> {
    const random = new HostRandom(this.#seed, [TRANSFORM_STREAM, this.#epoch, index]);
    const sample = await this.dataset.get(index);
    const result = this.#transform(imageOf(sample[this.#field], this.#field), random);
    return sample.map((value, field) => (field === this.#field ? result : value)) as unknown as Sample;
  }
}

function imageOf(value: unknown, field: number): ImageArray {
  const { data, shape } = (typeof value === "object" && value !== null ? value : {}) as Partial<HostArray>;
  if (!isTypedArray(data) || shape === undefined) {
    throw new WgradError(`TransformedDataset: field ${field} must be an image { data, shape }, got ${typeof value}.`);
  }
  return { data: data instanceof Float32Array ? data : Float32Array.from(data), shape };
}
