// Pooling and resizing against loops, derivatives against central differences, and the errors they throw.

import { test } from "uvu";
import { ShapeError } from "../../src/base/errors.ts";
import * as wg from "../../src/tensor.ts";
import { expectError } from "../support/failure.ts";
import { checkLoops, expectValues, type Grid, grid, places, total } from "../support/loops.ts";

type Size = readonly [number, number];

// Pooling

interface Pool {
  readonly kernel: Size;
  readonly stride: Size;
  readonly padding: Size;
  readonly dilation: Size;
  readonly count: Size;
}

/** The numbers in the window at (i, j), and how many places of it lie in the padded image. */
function windowAt(x: Grid, p: Pool, n: number, c: number, i: number, j: number): { inside: number[]; places: number } {
  const [h, w] = [x.shape[2] as number, x.shape[3] as number];
  const inside: number[] = [];
  let covered = 0;
  for (const [a, b] of places(p.kernel) as Iterable<[number, number]>) {
    const row = i * p.stride[0] + a * p.dilation[0] - p.padding[0];
    const column = j * p.stride[1] + b * p.dilation[1] - p.padding[1];
    if (row < h + p.padding[0] && column < w + p.padding[1]) covered++;
    if (row >= 0 && row < h && column >= 0 && column < w) inside.push(x.at([n, c, row, column]));
  }
  return { inside, places: covered };
}

const pool = (kernel: Size, stride: Size, count: Size, padding: Size = [0, 0], dilation: Size = [1, 1]): Pool => ({
  kernel,
  stride,
  padding,
  dilation,
  count,
});
const pools: [string, number[], Pool, boolean][] = [
  ["of tiles", [2, 2, 4, 6], pool([2, 3], [2, 3], [2, 2]), false],
  ["of tiles with a rest", [1, 1, 5, 7], pool([2, 2], [2, 2], [2, 3]), false],
  ["of padded tiles", [1, 2, 5, 4], pool([2, 2], [2, 2], [3, 3], [1, 1]), false],
  ["of tiles, rounded up", [1, 1, 5, 3], pool([2, 2], [2, 2], [3, 2]), true],
  ["that overlap", [1, 2, 5, 6], pool([3, 2], [1, 2], [5, 3], [1, 0]), false],
  ["that overlap, rounded up", [1, 1, 6, 5], pool([3, 3], [2, 2], [3, 2]), true],
  ["that overlap, padded and rounded up", [1, 1, 6, 8], pool([3, 3], [2, 2], [4, 5], [1, 1]), true],
];
for (const [name, shape, p, ceilMode] of pools) {
  const options = { stride: p.stride, padding: p.padding, ceilMode };
  const result = [...shape.slice(0, 2), ...p.count];
  checkLoops(
    `maxPool2d ${name}`,
    [shape],
    (x) => x.maxPool2d(p.kernel, options),
    (x) =>
      grid(result, (n, c, i, j) =>
        Math.max(...windowAt(x, p, n as number, c as number, i as number, j as number).inside),
      ),
  );
  for (const countIncludePad of [true, false]) {
    checkLoops(
      `avgPool2d ${name}${countIncludePad ? "" : ", padding not counted"}`,
      [shape],
      (x) => x.avgPool2d(p.kernel, { ...options, countIncludePad }),
      (x) =>
        grid(result, (n, c, i, j) => {
          const { inside, places: covered } = windowAt(x, p, n as number, c as number, i as number, j as number);
          return inside.reduce((a, b) => a + b, 0) / (countIncludePad ? covered : inside.length);
        }),
    );
  }
}
const spread = pool([2, 3], [1, 2], [3, 2], [0, 1], [3, 2]);
checkLoops(
  "maxPool2d dilated",
  [[1, 2, 6, 5]],
  (x) => x.maxPool2d([2, 3], { stride: [1, 2], padding: [0, 1], dilation: [3, 2] }),
  (x) => grid([1, 2, 3, 2], (n, c, i, j) => Math.max(...windowAt(x, spread, n, c, i, j).inside)),
);
checkLoops(
  "avgPool2d with a divisor of its own",
  [[1, 2, 4, 4]],
  (x) => x.avgPool2d(2, { divisorOverride: 3 }),
  (x) =>
    grid(
      [1, 2, 2, 2],
      (n, c, i, j) => windowAt(x, pool([2, 2], [2, 2], [2, 2]), n, c, i, j).inside.reduce((a, b) => a + b) / 3,
    ),
);
checkLoops(
  "maxPool1d",
  [[2, 7]],
  (x) => x.maxPool1d(3, { stride: 2 }),
  (x) => grid([2, 3], (c, i) => Math.max(...[0, 1, 2].map((k) => x.at([c, 2 * i + k])))),
);
checkLoops(
  "avgPool1d",
  [[2, 2, 6]],
  (x) => x.avgPool1d(2),
  (x) => grid([2, 2, 3], (n, c, i) => (x.at([n, c, 2 * i]) + x.at([n, c, 2 * i + 1])) / 2),
);

/** The part of an adaptive pool, as [from, to). */
const part = (i: number, size: number, parts: number): Size => [
  Math.floor((i * size) / parts),
  Math.ceil(((i + 1) * size) / parts),
];
function partOf(x: Grid, n: number, c: number, i: number, j: number, out: Size): number[] {
  const [rows, columns] = [part(i, x.shape[2] as number, out[0]), part(j, x.shape[3] as number, out[1])];
  return [...places([rows[1] - rows[0], columns[1] - columns[0]])].map(([a, b]) =>
    x.at([n, c, rows[0] + (a as number), columns[0] + (b as number)]),
  );
}
for (const [h, w, out] of [
  [4, 6, [2, 3]],
  [5, 7, [3, 4]],
  [3, 5, [1, 1]],
  [2, 3, [4, 5]],
] as const) {
  const shape = [1, 2, ...out];
  checkLoops(
    `adaptiveAvgPool2d [${h}, ${w}] → [${out}]`,
    [[1, 2, h, w]],
    (x) => x.adaptiveAvgPool2d(out),
    (x) =>
      grid(shape, (n, c, i, j) => {
        const v = partOf(x, n as number, c as number, i as number, j as number, out);
        return v.reduce((a, b) => a + b) / v.length;
      }),
  );
  checkLoops(
    `adaptiveMaxPool2d [${h}, ${w}] → [${out}]`,
    [[1, 2, h, w]],
    (x) => x.adaptiveMaxPool2d(out),
    (x) => grid(shape, (n, c, i, j) => Math.max(...partOf(x, n as number, c as number, i as number, j as number, out))),
  );
}

test("the first of equal maxima takes the gradient", () => {
  const x = wg.tensor(new Float32Array(16).fill(1), { shape: [1, 1, 4, 4], requiresGrad: true });
  const [tiles] = wg.grad(x.maxPool2d(2).sum(), [x]);
  expectValues(tiles as wg.Tensor, [1, 1, 4, 4], [1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
  const [windows] = wg.grad(x.maxPool2d(3, { stride: 1 }).sum(), [x]);
  expectValues(windows as wg.Tensor, [1, 1, 4, 4], [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
});

// Resizing

checkLoops(
  "interpolate nearest, twice as large",
  [[1, 2, 2, 3]],
  (x) => x.interpolate({ scaleFactor: 2 }),
  (x) => grid([1, 2, 4, 6], (n, c, i, j) => x.at([n, c, i >> 1, j >> 1])),
);
checkLoops(
  "interpolate nearest to another size",
  [[1, 1, 5, 4]],
  (x) => x.interpolate({ size: [3, 7] }),
  (x) => grid([1, 1, 3, 7], (n, c, i, j) => x.at([n, c, Math.floor((i * 5) / 3), Math.floor((j * 4) / 7)])),
);
for (const alignCorners of [false, true]) {
  const place = (i: number, from: number, to: number): number =>
    alignCorners ? (i * (from - 1)) / (to - 1) : Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
  const weight = (i: number, from: number, to: number, k: number): number =>
    Math.max(0, 1 - Math.abs(place(i, from, to) - k));
  checkLoops(
    `interpolate bilinear${alignCorners ? ", corners aligned" : ""}`,
    [[1, 1, 3, 5]],
    (x) => x.interpolate({ size: [5, 4], mode: "bilinear", alignCorners }),
    (x) =>
      grid([1, 1, 5, 4], (n, c, i, j) =>
        total(3, (a) => total(5, (b) => weight(i, 3, 5, a) * weight(j, 5, 4, b) * x.at([n, c, a, b]))),
      ),
  );
}

// Errors

const image = wg.zeros([1, 3, 8, 8]);
const wrong: [string, () => unknown, new (...args: never[]) => Error, RegExp][] = [
  [
    "maxPool2d with too much padding",
    () => image.maxPool2d(2, { padding: 2 }),
    RangeError,
    /^maxPool2d: padding must be at most half/,
  ],
  ["maxPool2d of too small an image", () => image.maxPool2d(9), ShapeError, /^maxPool2d: the window must fit/],
  [
    "avgPool2d with three sizes",
    () => image.avgPool2d([2, 2, 2]),
    RangeError,
    /^avgPool2d: kernelSize must be a number or a list of 2/,
  ],
  [
    "interpolate without a size",
    () => image.interpolate({}),
    RangeError,
    /^interpolate: needs either size or scaleFactor/,
  ],
];
for (const [name, run, kind, wording] of wrong) {
  test(`throws: ${name}`, () => expectError(run, kind, wording));
}

test.run();
