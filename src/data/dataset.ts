// Datasets: what a DataLoader draws its samples from.

import { WgradError } from "../base/errors.ts";
import { checkOptions, demand, misfit, printed } from "../ops/check.ts";
import { type DType, Tensor, type TypedArray, uploadable } from "../tensor.ts";
import { Column, type HostArray, isHostArray, isTypedArray, type ScaledArray } from "./column.ts";

/**
 * Anything with a length and samples by index. A sample is an array (or an object) of fields; a field is a number, a
 * boolean, a typed array, a nested array of numbers, a HostArray or a Tensor.
 */
export interface Dataset<Sample = unknown> {
  /** Number of samples. */
  readonly length: number;
  /**
   * The sample at `index`, 0 ≤ index < length; a promise is fine too. A DataLoader says for which of its epochs, counted from
   * 0: random transforms draw anew in each. What wraps a dataset hands the epoch on.
   */
  get(index: number, epoch?: number): Sample | Promise<Sample>;
  /** Optional and faster: the samples at `indices`, already put together as one tensor per field. */
  getBatch?(indices: ArrayLike<number>, epoch?: number): readonly Tensor[] | Promise<readonly Tensor[]>;
  /** Optional: dtype by field (number or name) for fields that are plain numbers. */
  readonly dtypes?: { readonly [field: string]: DType };
}

/** What one column of a TensorDataset may be given as: `[n, …]`. */
export type ColumnInput = Tensor | TypedArray | ScaledArray;

/** One sample of a TensorDataset: a field per column. */
export type ColumnSample<Columns extends readonly ColumnInput[]> = { -readonly [K in keyof Columns]: HostArray };

/**
 * Columns of equal length, kept on the host as they were given; sample i is element i of every column. Tensors are read to
 * the host once, and again after they have been given new values (`assign`, an optimizer's step); a batch has the values of
 * the moment at which it is put together. One that is disposed of once it was read keeps its values here.
 *
 * ```ts
 * new TensorDataset(x, y)                                                              // tensors
 * new TensorDataset({ data: pixels, shape: [n, 1, 28, 28], scale: 1 / 255 }, labels)   // bytes → f32 batch by batch
 * ```
 */
export class TensorDataset<const Columns extends readonly ColumnInput[]> implements Dataset<ColumnSample<Columns>> {
  readonly length: number;
  readonly #sources: readonly (Column | HostCopy)[];

  /** @throws ShapeError when there is no column, one has no dims, or their lengths differ. */
  constructor(...columns: Columns) {
    this.#sources = columns.map((input) =>
      input instanceof Tensor ? new HostCopy(input) : new Column(checkColumn(input)),
    );
    const lengths = this.#sources.map((source) => source.shape[0]);
    const [first] = lengths;
    if (first === undefined || lengths.some((length) => length !== first)) {
      const got = this.#sources.map(({ shape }) => `[${shape}]`).join(", ") || "no column";
      throw misfit("TensorDataset", `all columns need the same first size, got ${got}.`, ...this.#sources);
    }
    this.length = first;
  }

  /** Shape of each column, the number of samples first. */
  get shapes(): readonly (readonly number[])[] {
    return this.#sources.map((source) => source.shape);
  }

  /** The sample at `index`: one array per column. */
  async get(index: number): Promise<ColumnSample<Columns>> {
    checkIndex("TensorDataset", index, this.length);
    const columns = await this.#onHost();
    return columns.map((column) => column.item(index)) as unknown as ColumnSample<Columns>;
  }

  /** The samples at `indices`, one tensor per column. */
  async getBatch(indices: ArrayLike<number>): Promise<readonly Tensor[]> {
    for (let i = 0; i < indices.length; i++) checkIndex("TensorDataset", indices[i] as number, this.length);
    const columns = await this.#onHost();
    return columns.map((column) => {
      const { data, shape, dtype } = column.gather(indices);
      return uploadable(data, shape, dtype);
    });
  }

  #onHost(): Promise<readonly Column[]> {
    return Promise.all(this.#sources.map((source) => (source instanceof Column ? source : source.column())));
  }
}

/** The values of a tensor as a column on the host. */
class HostCopy {
  readonly #tensor: Tensor;
  /** The node whose value was read: a tensor that is given a new value has another one. */
  #node: Tensor["node"] | null = null;
  #column: Promise<Column> | null = null;

  constructor(tensor: Tensor) {
    this.#tensor = tensor;
  }

  get shape(): readonly number[] {
    return this.#tensor.shape;
  }

  /** The present values, read when they are not the ones that were read last. */
  column(): Promise<Column> {
    const tensor = this.#tensor;
    if (this.#column !== null && (tensor.disposed || tensor.node === this.#node)) return this.#column;
    const column = this.#read();
    this.#column = column;
    // Reading submits what was assigned, after which the tensor has its own node again.
    this.#node = tensor.disposed ? null : tensor.node;
    column.catch(() => {
      if (this.#column === column) this.#column = null;
    });
    return column;
  }

  async #read(): Promise<Column> {
    const { shape, dtype } = this.#tensor;
    return new Column({ data: await this.#tensor.data(), shape, dtype });
  }
}

/** Some samples of a dataset, in an order of their own. */
export class Subset<Sample = unknown> implements Dataset<Sample> {
  readonly dataset: Dataset<Sample>;
  readonly indices: Uint32Array;
  readonly getBatch?: (indices: ArrayLike<number>, epoch?: number) => readonly Tensor[] | Promise<readonly Tensor[]>;
  readonly dtypes?: { readonly [field: string]: DType };

  /** @throws RangeError when an index is not one of the dataset's. */
  constructor(dataset: Dataset<Sample>, indices: ArrayLike<number>) {
    const length = lengthOf("Subset", dataset);
    if (typeof indices !== "object" || !Number.isInteger(indices?.length)) {
      throw new TypeError(`Subset: indices must be an array of whole numbers, got ${printed(indices)}.`);
    }
    for (let i = 0; i < indices.length; i++) checkIndex("Subset", indices[i] as number, length);
    this.dataset = dataset;
    this.indices = Uint32Array.from(indices);
    if (dataset.dtypes !== undefined) this.dtypes = dataset.dtypes;
    if (dataset.getBatch !== undefined) {
      this.getBatch = (chosen, epoch) => {
        const translated = Uint32Array.from(chosen, (index) => this.#translate(index));
        if (dataset.getBatch === undefined) throw new WgradError("Subset: the dataset has lost its getBatch method.");
        return dataset.getBatch(translated, epoch);
      };
    }
  }

  get length(): number {
    return this.indices.length;
  }

  get(index: number, epoch?: number): Sample | Promise<Sample> {
    return this.dataset.get(this.#translate(index), epoch);
  }

  #translate(index: number): number {
    checkIndex("Subset", index, this.length);
    return this.indices[index] as number;
  }
}

/** The dataset's length, checked. */
export function lengthOf(what: string, dataset: Dataset): number {
  const { length, get } = dataset ?? {};
  if (!Number.isInteger(length) || length < 0 || typeof get !== "function") {
    throw new TypeError(
      `${what}: a dataset has a whole number length and a method get(index). new TensorDataset(x, y) makes one of tensors.`,
    );
  }
  return length;
}

/** Demands one of the dataset's indices. */
export function checkIndex(what: string, index: number, length: number): void {
  const isIndex = Number.isInteger(index) && index >= 0 && index < length;
  demand(what, "an index", index, isIndex, `a whole number from 0 to ${length - 1}`);
}

function checkColumn(input: unknown): TypedArray | ScaledArray {
  if (isTypedArray(input)) return input;
  if (isHostArray(input)) {
    checkOptions("TensorDataset", input, ["data", "shape", "dtype", "scale", "offset"]);
    return input;
  }
  throw new TypeError("TensorDataset: a column is a Tensor, a typed array or { data: typed array, shape }.");
}
