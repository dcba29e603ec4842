// DataLoader: order, batches, collation, prefetching and what it asks of a dataset.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ShapeError, WgradError } from "../../src/base/errors.ts";
import {
  DataLoader,
  type Dataset,
  type HostArray,
  KFold,
  randomSplit,
  Subset,
  TensorDataset,
  TransformedDataset,
  transforms,
} from "../../src/data/index.ts";
import { arange, compile, manualSeed, type Tensor, tensor } from "../../src/tensor.ts";
import { rejection } from "../support/failure.ts";

const collect = async (batches: AsyncIterable<readonly Tensor[]>): Promise<unknown[][]> => {
  const all: unknown[][] = [];
  for await (const batch of batches) all.push(await Promise.all(batch.map((part) => part.tolist())));
  return all;
};
const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
const labels = (length: number): TensorDataset<[Int32Array]> => new TensorDataset(Int32Array.from(range(length)));

const dataset = suite("TensorDataset");

dataset("without a seed of its own a loader follows manualSeed", () => {
  const order = (options: { seed?: number } = {}) => [
    ...new DataLoader(labels(50), { shuffle: true, ...options }).order(0),
  ];
  manualSeed(11);
  const first = order();
  manualSeed(12);
  assert.not.equal(order(), first);
  assert.equal(order({ seed: 11 }), first);
  manualSeed(11);
  assert.equal(order(), first);
  manualSeed(0);
});

dataset("columns from typed arrays, shaped arrays and tensors", async () => {
  const columns = new TensorDataset(
    { data: Float32Array.from(range(8)), shape: [4, 2] },
    Int32Array.of(4, 5, 6, 7),
    arange(4).add(0.5),
    { data: Uint8Array.of(0, 1, 2, 0), shape: [4], dtype: "bool" },
  );
  assert.is(columns.length, 4);
  assert.equal(columns.shapes, [[4, 2], [4], [4], [4]]);
  const [[x, y, z, flag] = []] = await collect(new DataLoader(columns, { batchSize: 3 }));
  assert.equal(
    [x, y, z, flag],
    [
      [
        [0, 1],
        [2, 3],
        [4, 5],
      ],
      [4, 5, 6],
      [0.5, 1.5, 2.5],
      [false, true, true],
    ],
  );
  const sample = await columns.get(3);
  assert.equal([[...sample[0].data], sample[0].shape, sample[1].data[0]], [[6, 7], [2], 7]);
});

dataset("dtypes are those of the columns", async () => {
  const columns = new TensorDataset(
    Float32Array.of(1),
    Float64Array.of(2),
    Int16Array.of(3),
    Uint32Array.of(4),
    Uint8Array.of(5),
    { data: Uint8Array.of(6), shape: [1], scale: 0.5 },
    { data: Int32Array.of(7), shape: [1, 1], dtype: "f32" },
    tensor([true]),
  );
  for await (const batch of new DataLoader(columns)) {
    assert.equal(
      batch.map((part) => part.dtype),
      ["f32", "f32", "i32", "u32", "i32", "f32", "f32", "bool"],
    );
    assert.equal(await Promise.all(batch.slice(0, 7).map((part) => part.item())), [1, 2, 3, 4, 5, 3, 7]);
  }
});

dataset("bytes are scaled and shifted batch by batch", async () => {
  const images = { data: Uint8Array.of(0, 51, 102, 255), shape: [2, 2], scale: 1 / 255, offset: -1 };
  const floats = { data: Float64Array.of(0, 51, 102, 255), shape: [2, 2], scale: 1 / 255, offset: -1 };
  const [[x, y] = []] = await collect(new DataLoader(new TensorDataset(images, floats), { batchSize: 2 }));
  assert.equal(x, [
    [-1, Math.fround(-0.8)],
    [Math.fround(-0.6), 0],
  ]);
  assert.equal(y, x);
});

dataset("lengths and shapes must fit", () => {
  const throws = (make: () => unknown, kind: new (message: string) => Error, pattern: RegExp): void => {
    assert.throws(make, (error: unknown) => error instanceof kind && pattern.test(error.message));
  };
  throws(() => new TensorDataset(), ShapeError, /no column/);
  throws(
    () => new TensorDataset(new Float32Array(2), new Int32Array(3)),
    ShapeError,
    /same first size, got \[2\], \[3\]/,
  );
  throws(() => new TensorDataset(tensor(1)), ShapeError, /same first size/);
  throws(() => new TensorDataset({ data: new Float32Array(5), shape: [2, 2] }), ShapeError, /5 elements, got \[2,2\]/);
  throws(() => new TensorDataset([1, 2] as never), TypeError, /a column is/);
  const column = (more: object) => () => new TensorDataset({ data: Uint8Array.of(1), shape: [1], ...more });
  throws(column({ sclae: 2 }), WgradError, /unknown option "sclae". It takes \{ data, shape, dtype, scale, offset \}/);
  throws(column({ scale: Number.NaN }), RangeError, /TensorDataset: scale must be a finite number, got NaN/);
  throws(column({ offset: "1" }), RangeError, /TensorDataset: offset must be a finite number, got "1"/);
  throws(column({ dtype: "float" }), WgradError, /TensorDataset: dtype must be one of .*, got float/);
  throws(column({ shape: 1 }), ShapeError, /TensorDataset: the shape must start with/);
});

dataset("tensors are read again after they have been given new values", async () => {
  const x = tensor([1, 2, 3, 4]);
  const y = x.mul(10);
  const set = new TensorDataset(x, y);
  const all = async (): Promise<unknown[][]> => collect(new DataLoader(set, { batchSize: 4 }));
  assert.equal(await all(), [
    [
      [1, 2, 3, 4],
      [10, 20, 30, 40],
    ],
  ]);
  x.assign(tensor([5, 6, 7, 8]));
  assert.equal(await all(), [
    [
      [5, 6, 7, 8],
      [10, 20, 30, 40],
    ],
  ]);
  x.assign(x.add(1));
  assert.equal((await set.get(0))[0].data[0], 6);
  const step = compile(() => {
    x.assign(x.mul(2));
    return x.sum();
  });
  for (const factor of [2, 4, 8]) {
    step();
    assert.equal((await all())[0]?.[0], [6 * factor, 7 * factor, 8 * factor, 9 * factor]);
  }
  const read = await all();
  x.dispose();
  y.dispose();
  assert.equal(await all(), read);
  const gone = tensor([1]);
  const late = new TensorDataset(gone);
  gone.dispose();
  assert.match(await rejection(collect(new DataLoader(late))), /was disposed of/);
});

const loader = suite("DataLoader");

loader("without shuffle: in order, the last batch smaller or dropped", async () => {
  const seven = labels(7);
  const kept = new DataLoader(seven, { batchSize: 3 });
  assert.is(kept.length, 3);
  assert.equal(await collect(kept), [[[0, 1, 2]], [[3, 4, 5]], [[6]]]);
  const dropped = new DataLoader(seven, { batchSize: 3, dropLast: true });
  assert.is(dropped.length, 2);
  assert.equal(await collect(dropped), [[[0, 1, 2]], [[3, 4, 5]]]);
  assert.is(new DataLoader(seven).length, 7);
  assert.equal(await collect(new DataLoader(labels(0), { batchSize: 4 })), []);
});

loader("with shuffle: every sample once, a new order per epoch, the same for the same seed", async () => {
  const make = (seed: number): DataLoader => new DataLoader(labels(20), { batchSize: 20, shuffle: true, seed });
  const epochs = async (from: DataLoader): Promise<number[][]> => {
    const first = (await collect(from)).flat(2) as number[];
    return [first, (await collect(from)).flat(2) as number[]];
  };
  const [first = [], second = []] = await epochs(make(1));
  assert.equal(
    first.toSorted((a, b) => a - b),
    range(20),
  );
  assert.not.equal(first, second);
  assert.equal(await epochs(make(1)), [first, second]);
  assert.not.equal((await epochs(make(2)))[0], first);
  const resumed = make(1);
  resumed.epoch = 1;
  assert.equal((await epochs(resumed))[0], second);
  assert.equal([...make(1).order(1)], second);
});

loader("the orders are these in every browser and in Node", () => {
  const order = (epoch: number): number[] => [...new DataLoader(labels(8), { shuffle: true, seed: 42 }).order(epoch)];
  assert.equal(
    [order(0), order(1)],
    [
      [1, 7, 2, 0, 6, 4, 5, 3],
      [6, 3, 1, 5, 4, 7, 2, 0],
    ],
  );
});

loader("batches can be kept: they stay readable after the epoch", async () => {
  const kept: Tensor[] = [];
  for await (const [x] of new DataLoader(labels(40), { batchSize: 2 })) kept.push(x.mul(2));
  assert.equal(
    (await Promise.all(kept.map((x) => x.tolist()))).flat(),
    range(40).map((i) => 2 * i),
  );
});

loader("leaving an epoch early ends it, and the next one starts anew", async () => {
  const batches = new DataLoader(labels(9), { batchSize: 3 });
  for await (const [x] of batches) {
    assert.equal(await x.tolist(), [0, 1, 2]);
    break;
  }
  assert.is((await collect(batches)).length, 3);
});

loader("reads from subsets through the dataset's own batches", async () => {
  const [part] = randomSplit(labels(10), [4, 6], { seed: 3 });
  if (part === undefined) return assert.unreachable() as never;
  assert.equal(await collect(new DataLoader(part, { batchSize: 4 })), [[[...part.indices]]]);
  const subset = new Subset(labels(10), [7, 7, 1]);
  assert.equal(await collect(new DataLoader(subset, { batchSize: 2 })), [[[7, 7]], [[1]]]);
});

const own = suite("datasets of one's own");

own("fields of every kind are put together", async () => {
  class Samples implements Dataset<[Float32Array, number, boolean, number[][], Tensor]> {
    readonly length = 3;
    get(index: number): [Float32Array, number, boolean, number[][], Tensor] {
      return [Float32Array.of(index, index), index, index > 0, [[index], [1]], tensor([index]).mul(2)];
    }
  }
  for await (const [a, b, c, d, e] of new DataLoader(new Samples(), { batchSize: 3 })) {
    assert.equal([a.dtype, b.dtype, c.dtype, d.dtype, e.dtype], ["f32", "i32", "bool", "f32", "f32"]);
    assert.equal([a.shape, b.shape, c.shape, d.shape, e.shape], [[3, 2], [3], [3], [3, 2, 1], [3, 1]]);
    assert.equal(await b.tolist(), [0, 1, 2]);
    assert.equal(await d.tolist(), [
      [[0], [1]],
      [[1], [1]],
      [[2], [1]],
    ]);
    assert.equal(await e.tolist(), [[0], [2], [4]]);
  }
});

own("objects, single fields and promises", async () => {
  const objects: Dataset<{ x: number; y: number[] }> = {
    length: 2,
    get: async (index) => ({ x: index / 2, y: [index] }),
  };
  for await (const batch of new DataLoader(objects, { batchSize: 2 })) {
    assert.equal(await batch.x.tolist(), [0, 0.5]);
    assert.equal(await batch.y.tolist(), [[0], [1]]);
  }
  const single: Dataset<number> = { length: 2, get: (index) => index };
  for await (const x of new DataLoader(single, { batchSize: 2 })) assert.equal(await x.tolist(), [0, 1]);
});

own("plain numbers keep the dtype of the first batch or the one that is given", async () => {
  const get = (index: number): [number] => [index === 3 ? 0.5 : index];
  const message = await rejection(collect(new DataLoader({ length: 4, get }, { batchSize: 2 })), WgradError);
  assert.match(message, /field 0 is i32 .* got 0.5.*dtypes = \{ "0": "f32" \}/);
  const typed = { length: 4, get, dtypes: { "0": "f32" } } as const;
  assert.equal(await collect(new DataLoader<[number]>(typed, { batchSize: 2 })), [[[0, 1]], [[2, 0.5]]]);
});

own("a collate function takes over", async () => {
  const words: Dataset<string> = { length: 3, get: (index) => "abc".slice(0, index + 1) };
  const batches = new DataLoader(words, { batchSize: 2, collate: (samples) => samples.join("-") });
  const seen: string[] = [];
  for await (const batch of batches) seen.push(batch);
  assert.equal(seen, ["a-ab", "abc"]);
});

own("prefetch says how many batches are under way", async () => {
  for (const prefetch of [0, 2]) {
    let asked = 0;
    const counting: Dataset<[number]> = {
      length: 10,
      get: (index) => {
        asked++;
        return [index];
      },
    };
    const batches = new DataLoader(counting, { batchSize: 2, prefetch });
    const seen: number[] = [];
    for await (const [x] of batches) {
      assert.is(x.shape[0], 2);
      seen.push(asked);
    }
    assert.equal(seen, prefetch === 0 ? [2, 4, 6, 8, 10] : [6, 8, 10, 10, 10]);
  }
});

own("a dataset's failure comes where its batch is due", async () => {
  const failing: Dataset<[number]> = {
    length: 6,
    get: async (index) => {
      if (index === 4) throw new Error("sample 4 is broken");
      return [index];
    },
  };
  let seen = 0;
  const run = async (): Promise<void> => {
    for await (const _ of new DataLoader(failing, { batchSize: 2 })) seen++;
  };
  assert.match(await rejection(run(), Error), /sample 4 is broken/);
  assert.is(seen, 2);
});

own("samples that do not fit together are refused", async () => {
  const of = (samples: unknown[]): Promise<unknown> =>
    collect(new DataLoader({ length: samples.length, get: (i) => [samples[i]] }, { batchSize: samples.length }));
  assert.match(await rejection(of([[1], [1, 2]]), ShapeError), /equal shapes, got \[1\] and \[2\] in field 0/);
  assert.match(await rejection(of([[[1], [1, 2]]]), ShapeError), /ragged/);
  // As many numbers as a regular array would have.
  assert.match(await rejection(of([[[1, 2], [3], [4, 5, 6]]]), ShapeError), /ragged/);
  assert.match(await rejection(of([1, [1]]), WgradError), /of one kind/);
  assert.match(await rejection(of(["a"]), WgradError), /field 0 must be a number.*got string.*collate/);
});

own("samples are asked for by epoch", async () => {
  const batches = new DataLoader({ length: 2, get: (index: number, epoch = 0) => [10 * epoch + index] });
  assert.equal(await collect(batches), [[[0]], [[1]]]);
  assert.equal(await collect(batches), [[[10]], [[11]]]);
  batches.epoch = 7;
  assert.equal(await collect(batches), [[[70]], [[71]]]);
});

own("the epochs of iterators that run at once do not mix", async () => {
  const base: Dataset<[HostArray]> = {
    length: 8,
    get: () => [{ data: new Float32Array(1), shape: [1, 1, 1] }],
  };
  const noisy = new TransformedDataset(base, transforms.noise(1), { seed: 3 });
  const values = async (loader: DataLoader<[HostArray]>): Promise<unknown[]> =>
    (await collect(loader as AsyncIterable<readonly Tensor[]>)).flat();
  for (const prefetch of [0, 2]) {
    const make = (dataset: Dataset<[HostArray]>, epoch: number): DataLoader<[HostArray]> => {
      const loader = new DataLoader(dataset, { batchSize: 2, prefetch });
      loader.epoch = epoch;
      return loader;
    };
    const alone = [await values(make(noisy, 0)), await values(make(noisy, 1))];
    assert.not.equal(alone[0], alone[1]);
    // One loader in two epochs at once, batch by batch.
    const loader = make(noisy, 0);
    const iterators = [loader[Symbol.asyncIterator](), loader[Symbol.asyncIterator]()];
    const seen: unknown[][] = [[], []];
    for (let batch = 0; batch < 4; batch++) {
      for (const [i, iterator] of iterators.entries()) {
        const { value } = await iterator.next();
        seen[i]?.push(await value?.[0]?.tolist());
      }
    }
    assert.equal(seen, alone);
    // The validation part of an augmented set is gone through in the middle of an epoch of the training part.
    const splits = [
      randomSplit(noisy, [0.5, 0.5], { seed: 1 }),
      [...new KFold(2, { shuffle: true, seed: 1 }).split(noisy)][0] ?? [],
    ];
    for (const [train, validation] of splits) {
      if (train === undefined || validation === undefined) return assert.unreachable() as never;
      const expected = await values(make(train, 5));
      const validated = await values(make(validation, 2));
      const mixed: unknown[] = [];
      for await (const [x] of make(train, 5)) {
        mixed.push(await x.tolist());
        assert.equal(await values(make(validation, 2)), validated);
      }
      assert.equal(mixed, expected);
    }
  }
});

own("wrong arguments are refused at once", () => {
  const throws = (make: () => unknown, pattern: RegExp): void => assert.throws(make, pattern);
  throws(() => new DataLoader(labels(3), { batchSize: 0 }), /batchSize must be a whole number ≥ 1, got 0/);
  throws(() => new DataLoader(labels(3), { batchSize: 1.5 }), /got 1.5/);
  throws(() => new DataLoader(labels(3), { prefetch: -1 }), /prefetch .* got -1/);
  throws(() => new DataLoader(labels(3), { seed: 0.5 }), /seed .* got 0.5/);
  throws(() => new DataLoader(labels(3), { shuffle: 1 } as never), /DataLoader: shuffle must be true or false, got 1/);
  throws(() => new DataLoader(labels(3), { collate: 1 } as never), /DataLoader: collate must be a function, got 1/);
  throws(() => new DataLoader(labels(3), { batch: 1 } as never), /DataLoader: unknown option "batch"/);
  throws(() => new DataLoader({} as never), /a dataset has a whole number length/);
});

dataset.run();
loader.run();
own.run();
