// Datasets: what a DataLoader draws its samples from.

import { WgradError } from "../base/errors.ts";
import { checkOptions, demand, misfit, printed } from "../ops/check.ts";
import { type DType, Tensor, type TypedArray, uploadable } from "../tensor.ts";
import { Column, type HostArray, isHostArray, isTypedArray, type ScaledArray } from "./column.ts";

/**
 * Samples by index. A sample is an array (or an object) of fields. A field is a number, a boolean, a typed array, a
 * nested array of numbers, a HostArray or a Tensor.
 */
export interface Dataset<Sample = unknown> {
  /** Number of samples. */
  readonly length: number;
  /**
   * Returns the sample at `index`, 0 ≤ index < length, or a promise of it. A DataLoader passes the number of its epoch,
   * counted from 0, so that random transforms draw anew in each epoch. A dataset that wraps another one passes the
   * epoch on.
   */
  get(index: number, epoch?: number): Sample | Promise<Sample>;
  /** Optional and faster: returns the samples at `indices` put together, one tensor per field. */
  getBatch?(indices: ArrayLike<number>, epoch?: number): readonly Tensor[] | Promise<readonly Tensor[]>;
  /** Optional: the dtype of fields that are plain numbers, by number or name of the field. */
  readonly dtypes?: { readonly [field: string]: DType };
}

/** A column of a TensorDataset, `[n, …]`: a tensor, a typed array, or a typed array with its shape. */
export type ColumnInput = Tensor | TypedArray | ScaledArray;

/** A sample of a TensorDataset: one field per column. */
export type ColumnSample<Columns extends readonly ColumnInput[]> = { -readonly [K in keyof Columns]: HostArray };

/**
 * Columns of equal length, kept in the memory of JavaScript: sample i is element i of every column. Tensors are read
 * once, and again after they have been given new values (`assign`, a step of an optimizer). A batch has the values of
 * the moment at which it is put together. A tensor that is disposed of after it was read keeps its values here.
 *
 * ```js
 * import { data, randint, randn } from "wgrad";
 *
 * const fromTensors = new data.TensorDataset(randn([10, 4]), randint(0, 3, [10]));
 * // Bytes become f32 batch by batch: value · scale.
 * const pixels = new Uint8Array(10 * 28 * 28);
 * const fromBytes = new data.TensorDataset({ data: pixels, shape: [10, 1, 28, 28], scale: 1 / 255 }, new Int32Array(10));
 * console.log(fromTensors.length, fromBytes.shapes[0]); // prints 10 [ 10, 1, 28, 28 ]
 * ```
 */
export class TensorDataset<const Columns extends readonly ColumnInput[]> implements Dataset<ColumnSample<Columns>> {
  /** Number of samples. */
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

  /** Returns the sample at `index`: one array per column. */
  get shapes(): readonly (readonly number[])[] {
    return this.#sources.map((source) => source.shape);
  }

  /** The sample at `index`: one array per column. */
  async get(index: number): Promise<ColumnSample<Columns>> {
    checkIndex("TensorDataset", index, this.length);
    const columns = await this.#onHost();
    return columns.map((column) => column.item(index)) as unknown as ColumnSample<Columns>;
  }

  /** Returns the samples at `indices`: one tensor per column. */
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

/** Some samples of a dataset, in the order of the given indices. */
export class Subset<Sample = unknown> implements Dataset<Sample> {
  /** The dataset that the samples come from. */
  readonly dataset: Dataset<Sample>;
  /** Which samples these are, by their index in `dataset`. */
  readonly indices: Uint32Array;
  /** Returns several samples put together, if `dataset` can do that. */
  readonly getBatch?: (indices: ArrayLike<number>, epoch?: number) => readonly Tensor[] | Promise<readonly Tensor[]>;
  /** The dtypes of the fields, as `dataset` names them. */
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

  /** Returns sample `index` of the subset. */
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
