// A dataset whose images go through transforms each time they are drawn.

import { WgradError } from "../base/errors.ts";
import { checkFunction, checkOptions, checkWhole } from "../ops/check.ts";
import type { DType } from "../tensor.ts";
import { seedFor } from "./check.ts";
import { isHostArray } from "./column.ts";
import { checkIndex, type Dataset, lengthOf } from "./dataset.ts";
import { HostRandom } from "./random.ts";
import { compose, type ImageArray, type Transform } from "./transforms.ts";

const TRANSFORM_STREAM = 4;

/**
 * Applies transforms to one field of every sample: `field`, by default the first. Random transforms depend on the seed,
 * the epoch and the index of the sample alone. So a sample looks the same in every order and new in every epoch of a
 * DataLoader. The default seed is that of `manualSeed`.
 */
export class TransformedDataset<Sample extends readonly unknown[]> implements Dataset<Sample> {
  /** The dataset whose samples are transformed. */
  readonly dataset: Dataset<Sample>;
  /** The dtypes of the fields, as `dataset` names them. */
  readonly dtypes?: { readonly [field: string]: DType };
  readonly #transform: Transform;
  readonly #field: number;
  readonly #seed: number;

  /** @throws TypeError when the dataset or a transform is none, RangeError when a number makes no sense. */
  constructor(
    dataset: Dataset<Sample>,
    transforms: Transform | readonly Transform[],
    options: { seed?: number; field?: number } = {},
  ) {
    lengthOf("TransformedDataset", dataset);
    checkOptions("TransformedDataset", options, ["seed", "field"]);
    const { seed, field = 0 } = options;
    this.dataset = dataset;
    if (dataset.dtypes !== undefined) this.dtypes = dataset.dtypes;
    const list: readonly Transform[] = Array.isArray(transforms) ? transforms : [transforms];
    for (const transform of list) checkFunction("TransformedDataset", "a transform", transform);
    this.#transform = compose(...list);
    this.#seed = seedFor("TransformedDataset", seed);
    this.#field = checkWhole("TransformedDataset", "field", field, 0);
  }

  /** Returns the sample at `index`, transformed as in the given epoch. */
  get length(): number {
    return this.dataset.length;
  }

  /** The sample at `index`, transformed as in the given epoch. */
  async get(index: number, epoch = 0): Promise<Sample> {
    checkIndex("TransformedDataset", index, this.length);
    checkWhole("TransformedDataset", "epoch", epoch, 0);
    const random = new HostRandom(this.#seed, [TRANSFORM_STREAM, epoch, index]);
    const sample = await this.dataset.get(index, epoch);
    const result = this.#transform(imageOf(sample[this.#field], this.#field), random);
    return sample.map((value, field) => (field === this.#field ? result : value)) as unknown as Sample;
  }
}

function imageOf(value: unknown, field: number): ImageArray {
  if (!isHostArray(value)) {
    throw new WgradError(`TransformedDataset: field ${field} must be an image { data, shape }, got ${typeof value}.`);
  }
  const { data, shape } = value;
  return { data: data instanceof Float32Array ? data : Float32Array.from(data), shape };
}
