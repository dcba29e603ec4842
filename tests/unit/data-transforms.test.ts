// Image transforms on the host.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ShapeError } from "../../src/base/errors.ts";
import { type Dataset, HostRandom, TransformedDataset, transforms } from "../../src/data/index.ts";
import { manualSeed } from "../../src/tensor.ts";
import { rejection } from "../support/failure.ts";

type Image = transforms.ImageArray;
const random = (): HostRandom => new HostRandom(1);
const image = (shape: number[], values?: number[]): Image => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { data: Float32Array.from(values ?? Array.from({ length: size }, (_, i) => i)), shape };
};
const apply = (transform: transforms.Transform, given: Image): [number[], readonly number[]] => {
  const { data, shape } = transform(given, random());
  return [[...data], shape];
};
const near = (a: readonly number[], b: readonly number[]): void => {
  assert.is(a.length, b.length);
  a.forEach((value, i) => {
    assert.ok(Math.abs(value - (b[i] ?? Number.NaN)) <= 1e-5, `[${a}] is not near [${b}]`);
  });
};

test("normalize works alike on all channels or channel by channel", () => {
  assert.equal(apply(transforms.normalize(1, 2), image([1, 1, 3])), [
    [-0.5, 0, 0.5],
    [1, 1, 3],
  ]);
  assert.equal(apply(transforms.normalize([0, 2], [1, 2]), image([2, 1, 2]))[0], [0, 1, 0, 0.5]);
  assert.throws(
    () => apply(transforms.normalize([0], [1]), image([2, 1, 2])),
    (error: unknown) => error instanceof ShapeError,
  );
  assert.throws(() => transforms.normalize(0, 0), /positive/);
});

test("pad: left, top, right, bottom and the three modes", () => {
  const row = image([1, 1, 3], [1, 2, 3]);
  assert.equal(apply(transforms.pad([1, 0], { value: 9 }), row), [
    [9, 1, 2, 3, 9],
    [1, 1, 5],
  ]);
  assert.equal(apply(transforms.pad([2, 0], { mode: "reflect" }), row)[0], [3, 2, 1, 2, 3, 2, 1]);
  assert.equal(apply(transforms.pad([2, 0], { mode: "edge" }), row)[0], [1, 1, 1, 2, 3, 3, 3]);
  assert.equal(apply(transforms.pad([1, 2, 0, 1]), image([2, 1, 1], [5, 6])), [
    [0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0],
    [2, 4, 2],
  ]);
  assert.throws(() => apply(transforms.pad([3, 0], { mode: "reflect" }), row), /at most 2/);
  assert.throws(
    () => transforms.pad([1, 2, 3]),
    (error: unknown) => error instanceof RangeError,
  );
  assert.throws(
    () => transforms.pad(-1),
    (error: unknown) => error instanceof RangeError,
  );
});

test("crop: given, central and random positions", () => {
  const square = image([1, 4, 4]);
  assert.equal(apply(transforms.crop(2, { position: [1, 2] }), square), [
    [6, 7, 10, 11],
    [1, 2, 2],
  ]);
  assert.equal(apply(transforms.crop(2, { position: "center" }), square)[0], [5, 6, 9, 10]);
  // torchvision: int(round((rows - outRows) / 2.0)), in which Python rounds 0.5 to 0 and 1.5 to 2.
  const corner = (rows: number, out: number): number | undefined =>
    apply(transforms.crop([out, 1], { position: "center" }), image([1, rows, 1]))[0][0];
  assert.equal(
    [1, 2, 3, 4, 5, 6, 7, 8].map((size) => corner(size, 1)),
    [0, 0, 1, 2, 2, 2, 3, 4],
  );
  assert.is(corner(28, 27), 0);
  assert.equal(apply(transforms.crop([1, 4], { position: [3, 0] }), square)[0], [12, 13, 14, 15]);
  const seen = new Set<number>();
  const source = random();
  for (let i = 0; i < 300; i++) seen.add(transforms.crop(3)(square, source).data[0] ?? -1);
  assert.equal(
    [...seen].sort((a, b) => a - b),
    [0, 1, 4, 5],
  );
  assert.is(transforms.crop(4, { padding: 2 })(square, source).shape.join(), "1,4,4");
  assert.throws(() => apply(transforms.crop(5), square), /does not lie within/);
});

test("flip mirrors columns or rows with its probability", () => {
  const given = image([2, 2, 2]);
  assert.equal(apply(transforms.flip({ p: 1 }), given)[0], [1, 0, 3, 2, 5, 4, 7, 6]);
  assert.equal(apply(transforms.flip({ p: 1, axis: "vertical" }), given)[0], [2, 3, 0, 1, 6, 7, 4, 5]);
  assert.equal(apply(transforms.flip({ p: 0 }), given)[0], [...given.data]);
  const source = random();
  const flipped = Array.from({ length: 1000 }, () => transforms.flip()(given, source).data[0] === 1);
  const count = flipped.filter(Boolean).length;
  assert.ok(Math.abs(count - 500) <= 100);
});

test("rotate turns counter-clockwise about the middle", () => {
  const given = image([1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  near(apply(transforms.rotate([90, 90]), given)[0], [3, 6, 9, 2, 5, 8, 1, 4, 7]);
  near(apply(transforms.rotate([180, 180]), given)[0], [9, 8, 7, 6, 5, 4, 3, 2, 1]);
  near(apply(transforms.rotate(0), given)[0], [...given.data]);
});

test("affine shifts, magnifies and shears with bilinear interpolation", () => {
  const given = image([1, 1, 4], [1, 2, 3, 4]);
  const shifted = transforms.affine({ translate: [0.5, 0], fill: 7 })(given, random()).data;
  assert.ok(shifted.every((value) => value >= 1 && value <= 7));
  const dot = image([1, 5, 5], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const grown = apply(transforms.affine({ scale: [2, 2] }), dot)[0];
  near(grown.slice(10, 15), [0, 0.5, 1, 0.5, 0]);
  const line = image([1, 3, 3], [0, 1, 0, 0, 1, 0, 0, 1, 0]);
  // tan 45° = 1: the row above the middle moves one pixel to the left, the one below to the right.
  near(apply(transforms.affine({ shear: [45, 45] }), line)[0], [1, 0, 0, 0, 1, 0, 0, 0, 1]);
  assert.throws(() => transforms.affine({ scale: [0, 1] }), /positive/);
  assert.throws(
    () => transforms.affine({ translate: [2, 0] }),
    (error: unknown) => error instanceof RangeError,
  );
  assert.throws(() => transforms.rotate(-5), /range/);
});

test("noise has the given standard deviation", () => {
  const { data } = transforms.noise(0.5)(image([1, 100, 100], new Array<number>(10_000).fill(3)), random());
  const mean = data.reduce((a, b) => a + b, 0) / data.length;
  const deviation = Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length);
  assert.ok(Math.abs(mean - 3) <= 0.05 && Math.abs(deviation - 0.5) <= 0.03);
});

test("arguments and options that make no sense are refused when the transform is made", () => {
  const { affine, compose, crop, flip, noise, normalize, pad, rotate } = transforms as unknown as Record<
    string,
    (...values: unknown[]) => unknown
  >;
  const refused = (make: ((...values: unknown[]) => unknown) | undefined, values: unknown[], wording: RegExp): void =>
    assert.throws(() => make?.(...values), wording, `${values}`);
  const words = /flip: axis must be "horizontal", "vertical", got/;
  for (const axis of ["both", "", null, 1]) refused(flip, [{ axis }], words);
  for (const p of [-0.1, 1.1, Number.NaN, "1", null]) refused(flip, [{ p }], /flip: p must be .*, got/);
  refused(flip, [0.5], /flip: optional arguments go in one options object \{ p, axis \}/);
  refused(flip, [{ prob: 0.5 }], /flip: unknown option "prob". It takes \{ p, axis \}/);

  for (const size of [-1, 0, 1.5, "2", undefined, null, [2], [2, 0], [2, 2, 2]]) {
    refused(crop, [size], /crop: size must be a whole number or \[rows, columns\], whole numbers of at least 1, got/);
  }
  const places = /crop: position must be .*, got/;
  for (const position of ["middle", null, 3, [1], [0, -1], [0.5, 0], [1, 2, 3]])
    refused(crop, [2, { position }], places);
  refused(crop, [2, { mode: "circular" }], /crop: mode must be "constant", "reflect", "edge", got "circular"/);
  refused(crop, [2, { padding: -1 }], /crop: padding must be 1, 2 or 4 whole numbers of at least 0, got -1/);
  refused(crop, [2, { value: "0" }], /crop: value must be a finite number, got "0"/);
  refused(crop, [2, { pad: 1 }], /crop: unknown option "pad"/);

  refused(pad, [1, { mode: "circular" }], /pad: mode must be "constant", "reflect", "edge", got "circular"/);
  refused(pad, [1, { value: Number.NaN }], /pad: value must be a finite number, got NaN/);
  refused(pad, [1, { fill: 1 }], /pad: unknown option "fill". It takes \{ mode, value \}/);
  for (const padding of [-1, 0.5, "1", null, undefined, {}, [], [1, 2, 3], [1, 2, 3, 4, 5], [1, "2"]]) {
    refused(pad, [padding], /pad: padding must be 1, 2 or 4 whole numbers of at least 0, got/);
  }

  for (const mean of [Number.NaN, "0", undefined, null, {}, [], [0, "1"]]) {
    refused(normalize, [mean, 1], /normalize: mean must be a finite number or one per channel, got/);
  }
  for (const std of [0, -1, Number.POSITIVE_INFINITY, "1", undefined, [], [1, 0]]) {
    refused(normalize, [0, std], /normalize: std must be a positive number or one per channel, got/);
  }
  refused(normalize, [[0, 0], [1]], /normalize: mean and std must be of as many channels, got \[0, 0\] and \[1\]/);

  for (const degrees of [undefined, null, -1, "5", [5, -5], [5], [1, 2, 3], [0, Number.NaN]]) {
    refused(rotate, [degrees], /rotate: degrees must be a number of at least 0 or a range \[low, high\], got/);
  }
  refused(rotate, [5, { fill: "white" }], /rotate: fill must be a finite number, got "white"/);
  refused(rotate, [5, { expand: true }], /rotate: unknown option "expand"/);

  refused(affine, [{ degrees: -1 }], /affine: degrees must be/);
  refused(affine, [{ shear: [3, 1] }], /affine: shear must be/);
  for (const scale of [2, [1], [0, 1], [2, 1], [1, 2, 3], [1, Number.POSITIVE_INFINITY]]) {
    refused(affine, [{ scale }], /affine: scale must be a range \[low, high\] of positive factors, got/);
  }
  for (const translate of [0.5, [0.5], [0, 2], [0, -0.1], [0, 0, 0]]) {
    refused(affine, [{ translate }], /affine: translate must be two parts from 0 to 1, got/);
  }
  refused(affine, [{ fill: null }], /affine: fill must be a finite number, got null/);
  refused(affine, [{ angle: 5 }], /affine: unknown option "angle"/);

  for (const std of [-1, Number.NaN, Number.POSITIVE_INFINITY, "1", undefined])
    refused(noise, [std], /noise: std must be/);
  refused(compose, [transforms.flip(), {}], /compose: a transform must be a function, got an object/);
});

test("TransformedDataset refuses what makes no sense, and follows manualSeed", async () => {
  const base: Dataset<[Image]> = { length: 3, get: () => [image([1, 2, 2])] };
  const made = (list: unknown, options?: unknown): TransformedDataset<[Image]> =>
    new TransformedDataset(base, list as never, options as never);
  const noise = transforms.noise(1);
  assert.throws(() => made("flip"), /TransformedDataset: a transform must be a function, got "flip"/);
  assert.throws(() => made([noise, null]), /a transform must be a function, got null/);
  assert.throws(() => made(noise, { sed: 1 }), /TransformedDataset: unknown option "sed". It takes \{ seed, field \}/);
  assert.throws(() => made(noise, { seed: 1.5 }), /TransformedDataset: seed must be a whole number, got 1.5/);
  assert.throws(() => made(noise, { field: -1 }), /TransformedDataset: field must be a whole number ≥ 0/);
  assert.match(
    await rejection(made(noise).get(3), RangeError),
    /TransformedDataset: an index must be .* 0 to 2, got 3/,
  );
  assert.match(await rejection(made(noise).get(0, -1), RangeError), /TransformedDataset: epoch must be a whole number/);
  manualSeed(21);
  const first = made(noise);
  manualSeed(22);
  const [a, b, c] = await Promise.all([first, made(noise), made(noise, { seed: 21 })].map((set) => set.get(0)));
  assert.equal(a, c);
  assert.not.equal(a, b);
  manualSeed(0);
});

test("only images of three dims are taken", () => {
  assert.throws(() => apply(transforms.flip(), image([2, 2])), /\[channels, rows, columns\], got \[2,2\]/);
});

test("TransformedDataset draws by seed, epoch and index, in whatever order", async () => {
  const base: Dataset<[Image, number]> = { length: 8, get: (index) => [image([1, 4, 4]), index] };
  const make = (seed: number): TransformedDataset<[Image, number]> =>
    new TransformedDataset(base, [transforms.flip(), transforms.noise(1)], { seed });
  const first = make(1);
  const forward = await Promise.all([0, 1, 2].map((index) => first.get(index)));
  const backward = await Promise.all([2, 1, 0].map((index) => make(1).get(index)));
  assert.equal(
    forward.map(([{ data }]) => [...data]),
    backward.reverse().map(([{ data }]) => [...data]),
  );
  assert.is(forward[1]?.[1], 1);
  const [later] = await first.get(0, 1);
  assert.not.equal([...later.data], [...(forward[0]?.[0].data ?? [])]);
  assert.equal(await first.get(0), forward[0]);
  const [other] = await make(2).get(0);
  assert.not.equal([...other.data], [...(forward[0]?.[0].data ?? [])]);
});

test.run();
