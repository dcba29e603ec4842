// Tensors from host values, constants and ranges: what they hold, and what is refused.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Tensor } from "../../src/tensor.ts";
import * as wg from "../../src/tensor.ts";
import { interpret } from "../support/reference.ts";

const numbersOf = (x: Tensor): number[] => [...(interpret([x])[0] as Float64Array)];
const seen = (x: Tensor): unknown[] => [x.dtype, [...x.shape], numbersOf(x)];

test("tensor takes numbers, booleans, nested and typed arrays", () => {
  assert.equal(seen(wg.tensor(2.5)), ["f32", [], [2.5]]);
  assert.equal(seen(wg.tensor(true)), ["bool", [], [1]]);
  assert.equal(seen(wg.tensor([])), ["f32", [0], []]);
  assert.equal(seen(wg.tensor([[], []])), ["f32", [2, 0], []]);
  assert.equal(
    seen(
      wg.tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ),
    ["f32", [2, 3], [1, 2, 3, 4, 5, 6]],
  );
  assert.equal(seen(wg.tensor([[true], [false]])), ["bool", [2, 1], [1, 0]]);
  assert.equal(seen(wg.tensor([true, 2])), ["f32", [2], [1, 2]]);
  assert.equal(seen(wg.tensor(new Int32Array([1, -2]))), ["i32", [2], [1, -2]]);
  assert.equal(seen(wg.tensor(new Uint8Array([1, 255]))), ["i32", [2], [1, 255]]);
  assert.equal(seen(wg.tensor(new Uint32Array([4294967295]))), ["u32", [1], [4294967295]]);
  assert.equal(seen(wg.tensor(new Float64Array([0.1]))), ["f32", [1], [Math.fround(0.1)]]);
  assert.equal(seen(wg.tensor([new Int32Array([1, 2]), new Int32Array([3, 4])])), ["i32", [2, 2], [1, 2, 3, 4]]);
  assert.equal(seen(wg.tensor([1, 2, 3, 4], { shape: [2, 2], dtype: "i32" })), ["i32", [2, 2], [1, 2, 3, 4]]);
  assert.equal(seen(wg.tensor([1.7, -1.7], { dtype: "i32" })), ["i32", [2], [1, -1]]);
  assert.equal(seen(wg.tensor([0, 3, Number.NaN], { dtype: "bool" })), ["bool", [3], [0, 1, 1]]);
  assert.equal(seen(wg.tensor([1, 0.1, 65504], { dtype: "f16" })), ["f16", [3], [1, 0.0999755859375, 65504]]);
  const special = [Number.NaN, Number.POSITIVE_INFINITY];
  assert.equal(seen(wg.tensor(special)), ["f32", [2], special]);
});

test("tensor copies, uploadable does not", () => {
  const data = new Float32Array([1, 2]);
  const copy = wg.tensor(data);
  const shared = wg.uploadable(data, [2, 1]);
  data[0] = 7;
  assert.equal(numbersOf(copy), [1, 2]);
  assert.equal(seen(shared), ["f32", [2, 1], [7, 2]]);
  assert.throws(() => wg.uploadable(data, [3]), /uploadable: 2 values don't fill shape \[3\]/);
});

test("a tensor of another copy of wgrad is told as that", () => {
  const other = new (class Tensor {})() as wg.Tensor;
  assert.throws(() => wg.tensor([1]).add(other), /add: each operand must be a tensor, got a tensor of another copy/);
});

test("tensor refuses what is no tensor", () => {
  assert.throws(
    () => wg.tensor([[1, 2], [3]]),
    /tensor: nested arrays must be regular, got 1 values where the first ones give 2 at \[1\]/,
  );
  assert.throws(() => wg.tensor([[1, 2], 3]), /got the number 3 where the first ones give an array of 2 at \[1\]/);
  assert.throws(() => wg.tensor([1, [2]]), /got an array of 1 where the first ones give a number at \[1\]/);
  assert.throws(
    () => wg.tensor([1, "2"] as unknown as number[]),
    /values must be numbers or booleans, got "2" at \[1\]/,
  );
  assert.throws(() => wg.tensor([1, undefined] as unknown as number[]), /got nothing at \[1\]/);
  assert.throws(() => wg.tensor(wg.zeros([1]) as unknown as number), /the values are a tensor already/);
  assert.throws(() => wg.tensor([wg.zeros([1])] as unknown as number[]), /stack/);
  assert.throws(() => wg.tensor("1" as unknown as number), /got "1"/);
  assert.throws(() => wg.tensor([1, 2], { shape: [3] }), /2 values don't fill shape \[3\] \(3 elements\)/);
  assert.throws(() => wg.tensor([1, 2], { shape: [Number.NaN] }), /sizes must be whole numbers/);
  assert.throws(
    () => wg.tensor([Number.NaN], { dtype: "i32" }),
    /i32 holds whole numbers from -2147483648 to 2147483647, got NaN at element 0/,
  );
  assert.throws(() => wg.tensor([-1], { dtype: "u32" }), /u32 holds whole numbers from 0/);
  assert.throws(() => wg.tensor([1], { dtype: "f64" as "f32" }), /dtype must be one of/);
  assert.throws(() => wg.tensor([1], { dtype: "i32", requiresGrad: true }), /only float tensors have gradients/);
  assert.throws(() => wg.tensor([1], { requires_grad: true } as object), /unknown option "requires_grad"/);
});

test("constants", () => {
  assert.equal(seen(wg.zeros([2, 2])), ["f32", [2, 2], [0, 0, 0, 0]]);
  assert.equal(seen(wg.ones([2], { dtype: "bool" })), ["bool", [2], [1, 1]]);
  assert.equal(seen(wg.full([2], -3, { dtype: "i32" })), ["i32", [2], [-3, -3]]);
  assert.equal(seen(wg.zeros([0, 3])), ["f32", [0, 3], []]);
  assert.equal(seen(wg.zerosLike(wg.tensor([1, 2], { dtype: "i32" }))), ["i32", [2], [0, 0]]);
  assert.equal(seen(wg.fullLike(wg.zeros([2]), 0.5)), ["f32", [2], [0.5, 0.5]]);
  assert.equal(seen(wg.onesLike(wg.zeros([1]), { dtype: "u32" })), ["u32", [1], [1]]);
  assert.equal(seen(wg.eye(2, { m: 3 })), ["f32", [2, 3], [1, 0, 0, 0, 1, 0]]);
  assert.throws(() => wg.zeros([-1]), /zeros: sizes must be whole numbers ≥ 0/);
  assert.throws(() => wg.zeros(3 as unknown as number[]), /zeros: a shape is an array/);
  assert.throws(() => wg.full([1], 1e10, { dtype: "i32" }), /full: i32 holds/);
});

test("leaves made of constants are independent", () => {
  const a = wg.zeros([], { requiresGrad: true });
  const b = wg.zeros([]);
  assert.is(a.requiresGrad, true);
  assert.is(b.requiresGrad, false);
  b.dispose();
  assert.equal(numbersOf(wg.add(a, 0)), [0]);
});

test("arange is i32 for whole numbers, and exact", () => {
  assert.equal(seen(wg.arange(4)), ["i32", [4], [0, 1, 2, 3]]);
  assert.equal(seen(wg.arange(2, 8, { step: 3 })), ["i32", [2], [2, 5]]);
  assert.equal(seen(wg.arange(3, 0, { step: -1 })), ["i32", [3], [3, 2, 1]]);
  assert.equal(seen(wg.arange(0.5, 2)), ["f32", [2], [0.5, 1.5]]);
  assert.equal(seen(wg.arange(0, 1, { step: 0.25 })), ["f32", [4], [0, 0.25, 0.5, 0.75]]);
  assert.equal(seen(wg.arange(3, undefined, { dtype: "f32" })), ["f32", [3], [0, 1, 2]]);
  assert.equal(seen(wg.arange(2 ** 30, 2 ** 30 + 2)), ["i32", [2], [2 ** 30, 2 ** 30 + 1]]);
  assert.equal(seen(wg.arange(5, 5)), ["i32", [0], []]);
  assert.equal(seen(wg.arange(3, { dtype: "f32" })), ["f32", [3], [0, 1, 2]]);
  assert.equal(seen(wg.arange(2.1, -2.9, { step: -1, dtype: "i32" })), ["i32", [5], [2, 1, 0, -1, -2]]);
  assert.equal(seen(wg.arange(0, 2, { step: 0.5, dtype: "i32" })), ["i32", [4], [0, 0, 1, 1]]);
  assert.throws(() => wg.arange(0, 3, { step: 0 }), /arange: the step must not be 0/);
  assert.throws(() => wg.arange(0, 3, { step: -1 }), /arange: a step of -1 never leads from 0 to 3/);
  assert.throws(() => wg.arange(Number.NaN), /arange: end must be a number/);
  assert.throws(() => wg.arange(Number.POSITIVE_INFINITY), /arange: end must be finite/);
});

test("linspace hits both ends", () => {
  const found = numbersOf(wg.linspace(-1, 2, 7));
  assert.is(found[0], -1);
  assert.is(found[6], 2);
  assert.ok(found.every((v, i) => Math.abs(v - (-1 + i / 2)) < 1e-6));
  assert.equal(seen(wg.linspace(3, 9, 1)), ["f32", [1], [3]]);
  assert.equal(seen(wg.linspace(3, 9, 0)), ["f32", [0], []]);
  assert.throws(() => wg.linspace(0, 1, 2.5), /linspace: steps must be a whole number/);
});

test.run();
