// gridSample and rope against float64.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/tensor.ts";
import { checkOp } from "../support/check-op.ts";

const PLAIN = { layouts: [], f16: false, second: false } as const;
const IMAGE = [2, 3, 4, 5] as const;
// In pixels of both conventions, these are away from the places where neighbours change.
const GRID = {
  shape: [2, 2, 2, 2],
  values: [-0.83, 0.17, 0.29, -0.61, 0.93, 0.41, -0.33, 0.87, 1.21, -1.13, 0.07, 0.57, -1.47, 0.33, 0.71, 1.67],
} as const;

checkOp(wg.gridSample, { ...PLAIN, shapes: [IMAGE, GRID] });
checkOp(wg.gridSample, { ...PLAIN, shapes: [IMAGE, GRID], args: [{ paddingMode: "border", alignCorners: true }] });
checkOp(wg.gridSample, { ...PLAIN, shapes: [IMAGE, GRID], args: [{ paddingMode: "reflection" }] });
checkOp(wg.gridSample, {
  ...PLAIN,
  shapes: [IMAGE, { ...GRID, gradient: false }],
  args: [{ mode: "nearest", paddingMode: "reflection", alignCorners: true }],
});
checkOp(wg.gridSample, { ...PLAIN, shapes: [IMAGE, GRID], args: [{ mode: "bicubic" }], tolerance: 5e-6 });

checkOp(wg.rope, { shapes: [[2, 3, 8]], tolerance: 5e-6, more: [[[0, 8]], [[2, 1, 5, 6]]], layouts: ["transposed"] });
checkOp(wg.rope, { ...PLAIN, shapes: [[5, 4]], args: [{ interleaved: true, base: 100, offset: 3 }], tolerance: 5e-6 });
checkOp(wg.rope, {
  ...PLAIN,
  shapes: [[3, 4], { shape: [], values: [11], gradient: false }],
  call: (x, offset) => wg.rope(x, { offset }),
  tolerance: 5e-6,
});

test("products of rotated vectors depend on the distance of their positions", async () => {
  const [q, k] = [wg.randn([1, 8]), wg.randn([1, 8])];
  const near = wg
    .rope(q, { offset: 5 })
    .mul(wg.rope(k, { offset: 2 }))
    .sum();
  const far = wg
    .rope(q, { offset: 9 })
    .mul(wg.rope(k, { offset: 6 }))
    .sum();
  assert.ok(Math.abs((await near.item()) - (await far.item())) <= 1e-4);
});

test("errors", () => {
  assert.throws(() => wg.rope(wg.zeros([3, 5])), /rope: the input must be \[..., T, D\] with an even D/);
  assert.throws(() => wg.rope(wg.zeros([3, 4]), { base: 0 }), /rope: base must be > 0/);
  assert.throws(() => wg.gridSample(wg.zeros([1, 1, 2, 2]), wg.zeros([2, 1, 1, 2])), /gridSample: needs an image/);
  assert.throws(() => wg.gridSample(wg.zeros([1, 2, 2]), wg.zeros([1, 1, 1, 2])), /gridSample: the input must be/);
});

test.run();
