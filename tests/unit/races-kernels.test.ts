// The other hand-written kernels, run by the interpreter of WGSL: scans, sorts, lists of indices, segments, searches.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { embedding, type Tensor, tensor } from "../../src/index.ts";
import { checkRaces, handWrittenNames, withGradients } from "../support/races.ts";
import { Dice } from "../support/random-program.ts";

const dice = new Dice(17);
const leaf = (...shape: number[]): Tensor => dice.leaf(shape, true);
const indices = (n: number, ...shape: number[]): Tensor => {
  const count = shape.reduce((product, size) => product * size, 1);
  return tensor(
    Int32Array.from({ length: count }, () => dice.below(n)),
    { shape },
  );
};

test("scans: by one invocation, by a workgroup, in blocks", () => {
  checkRaces(withGradients((x) => x.cumsum(1), leaf(3, 700)));
  checkRaces(withGradients((x) => x.cumsum(0), leaf(40, 7)));
  checkRaces(withGradients((x) => x.cumprod(1), leaf(3, 80)));
  checkRaces(withGradients((x) => x.cummax(1).values, leaf(3, 100)));
  checkRaces(withGradients((x) => x.cummin(0).values, leaf(50, 2)));
  checkRaces(withGradients((x) => x.logcumsumexp(1), leaf(3, 100)));
  checkRaces(() => leaf(2, 16_500).cumsum(1));
  checkRaces(() => leaf(1, 16_500).cummax(1).indices);
  // Rounding a factor near 1 costs up to 6e-8 each.
  checkRaces(
    withGradients((x) => x.mul(1e-4).add(1).cumprod(0), leaf(16_500)),
    { tolerance: 2e-3 },
  );
  checkRaces(() => leaf(16_500).logcumsumexp(0));
});

test("sorts: one block, several, and the first of each", () => {
  for (const [shape, dim] of [
    [[5, 37], 1],
    [[40, 5], 0],
    [[2, 1000], 1],
    [[3, 8], 1],
  ] as const) {
    checkRaces(withGradients((x) => x.sort({ dim }).values, leaf(...shape)));
    checkRaces(() => leaf(...shape).sort({ dim, descending: true }).indices);
  }
  checkRaces(() => leaf(2, 2500).sort({ dim: 1 }).values);
  checkRaces(() => leaf(2500, 2).sort({ dim: 0 }).indices);
  checkRaces(() => leaf(1, 4200).topk(256, { dim: 1 }).values);
  checkRaces(withGradients((x) => x.topk(3, { dim: 1 }).values, leaf(2, 1100)));
  checkRaces(() => indices(9, 4, 50).sort({ dim: 1 }).values);
});

test("lists of indices and what they bring together", () => {
  checkRaces(withGradients((w) => embedding(indices(40, 300), w), leaf(40, 8)));
  checkRaces(withGradients((w) => embedding(indices(300, 1500), w), leaf(300, 3)));
  checkRaces(withGradients((w) => embedding(indices(5000, 900), w), leaf(5000, 2)));
  checkRaces(withGradients((w) => embedding(indices(7, 9000), w), leaf(7, 3)));
  for (const reduce of ["sum", "prod", "amax", "amin"] as const) {
    checkRaces(() => leaf(200, 3).scatterReduce(0, indices(200, 1100, 3), leaf(1100, 3), reduce));
    // Many sources for few of many places: lists longer than a chunk.
    checkRaces(() => leaf(3000).scatterReduce(0, indices(9, 9000), leaf(9000).mul(1e-3).add(1), reduce));
  }
  const places = indices(600, 900);
  checkRaces(withGradients((x) => leaf(600).scatterReduce(0, places, x, "prod"), leaf(900)));
  checkRaces(() => indices(10, 300).bincount());
  checkRaces(() => leaf(4, 20).sort({ dim: 1 }).values.searchsorted(leaf(4, 9)));
  checkRaces(() => leaf(3, 50).abs().multinomial(20));
});

/** Files of hand-written kernels, and how many each defines. */
const DEFINED: Readonly<Record<string, number>> = {
  "attention-kernels.ts": 3, // races-attention.test.ts
  "custom-kernel.ts": 1, // users' own
  "distinct.ts": 1,
  "index-kernels.ts": 6,
  "scan-kernels.ts": 3,
  "searching.ts": 1,
  "segment-kernels.ts": 2,
  "sort-kernels.ts": 4,
};

test("no hand-written kernel is left out", () => {
  const folder = "src/ops";
  const found = readdirSync(folder).flatMap((file) => {
    const count = readFileSync(join(folder, file), "utf8").split("defineKernel(").length - 1;
    return count > 0 ? [[file, count] as const] : [];
  });
  assert.equal(Object.fromEntries(found), DEFINED, "a kernel without a line here");
  const scans = ["cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "recurrence"];
  const names = handWrittenNames();
  for (const name of [
    ...scans,
    ...["cumsum", "cummax", "logcumsumexp", "cumprod"].flatMap((scan) => [`${scan} totals`, `${scan} of blocks`]),
    ...["sum", "prod", "amax", "amin"].flatMap((kind) => [`${kind} by index`, `${kind} of chunks`]),
    ...["sort", "sort blocks", "sort blocks again", "merge sorted", "places", "searchsorted"],
    ...["rank indices", "count digits", "place by digits", "find starts", "invert order", "count indices"],
  ])
    assert.ok(names.has(name), `"${name}" has not run`);
});

test.run();
