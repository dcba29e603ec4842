// Numbers that are part of the program give what they give as data, where they overflow, are out of a function's domain, or divide by 0.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { DType, Tensor } from "../../src/index.ts";
import * as wg from "../../src/index.ts";

const { addcdiv, arange, cat, div, full, grad, lerp, ones, tensor, zeros } = wg;
const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;

async function check(x: Tensor, expected: readonly number[]): Promise<void> {
  assert.equal([...(await x.data())], expected);
}

test("a number divides as data do, 0 as well", async () => {
  const x = tensor([5, 0, -5]);
  const expected = [INF, NAN, -INF];
  await check(x.div(0), expected);
  await check(x.div(-0), [-INF, NAN, INF]);
  await check(x.div(zeros([3])), expected);
  await check(x.floorDivide(0), expected);
  await check(x.div(0, { roundingMode: "trunc" }), expected);
  await check(x.div(0, { roundingMode: "floor" }), expected);
  await check(x.to("f16").div(0).to("f32"), expected);
  await check(zeros([3]).addcdiv(x, zeros([3])), expected);
  await check(addcdiv(ones([3]), x, 0), expected);
  await check(x.remainder(0), [NAN, NAN, NAN]);
  await check(x.atan2(0), [Math.fround(Math.PI / 2), 0, -Math.fround(Math.PI / 2)]);
  await check(tensor(5).div(zeros([])), [INF]);
  await check(tensor([1, 2, 3]).sum().div(0), [INF]);
  await check(x.div(arange(1)), expected);
  await check(x.div(zeros([2]).pad([1, 0])), expected);
  await check(ones([3]).div(x), [Math.fround(0.2), INF, Math.fround(-0.2)]);
  const integers = tensor([5, 0, -5], { dtype: "i32" });
  await check(integers.div(0), expected);
  await check(integers.div(0, { roundingMode: "trunc" }), [5, 0, -5]);
  await check(integers.fmod(0), [0, 0, 0]);
});

test("constants alone are computed as data are", async () => {
  await check(ones([3]).div(zeros([3])), [INF, INF, INF]);
  await check(div(1, zeros([2])), [INF, INF]);
  await check(zeros([2]).reciprocal(), [INF, INF]);
  await check(zeros([2]).pow(-1), [INF, INF]);
  await check(zeros([2]).rsqrt(), [INF, INF]);
  await check(full([2], 3e38).mul(10), [INF, INF]);
  await check(full([2], 3e38).add(full([2], 3e38)), [INF, INF]);
  await check(full([2], 1e30).square(), [INF, INF]);
  await check(full([2], -1).sqrt(), [NAN, NAN]);
  await check(full([2], -1).pow(0.5), [NAN, NAN]);
  await check(full([2], -1).log().mul(2).sum(), [NAN]);
  await check(full([2], 1e39).neg(), [-INF, -INF]);
  await check(full([2, 2], 3e38).matmul(full([2, 2], 10)), [INF, INF, INF, INF]);
  await check(lerp(full([2], -3e38), 3e38, tensor([1, 0])), [NAN, NAN]);
  await check(full([2], 70000).to("f16").to("f32"), [INF, INF]);
  await check(full([], 70000).to("f16").to("f32"), [INF]);
  const a = tensor([1, 2], { requiresGrad: true });
  await check(grad(a.div(0).sum(), [a])[0] as Tensor, [INF, INF]);
});

test("integers that are constants wrap around as data do", async () => {
  const constants = (value: number, dtype: DType = "i32") => full([2], value, { dtype });
  await check(constants(2147483647).add(1), [-2147483648, -2147483648]);
  await check(constants(-2147483648).neg(), [-2147483648, -2147483648]);
  await check(constants(2147483647).square(), [1, 1]);
  await check(full([], 2147483647, { dtype: "i32" }).mul(2147483647), [1]);
  await check(constants(4294967295, "u32").add(2), [1, 1]);
  await check(constants(7).div(constants(0), { roundingMode: "trunc" }), [7, 7]);
  await check(constants(7).remainder(constants(0)), [0, 0]);
});

test("0 times what is not finite is NaN", async () => {
  await check(tensor([INF, NAN, 1]).mul(0), [NAN, NAN, 0]);
});

test("0 and -0 are two constants", async () => {
  const both = cat([full([1], 0), full([1], -0)]);
  await check(both.reciprocal(), [INF, -INF]);
});

test("real numbers become the nearest ones that an integer dtype holds", async () => {
  const x = [3e9, 2.5e9 + 0.5, 4294967040, 5e9, 2.7, -1.5, -3e9];
  const unsigned = [3e9, 2.5e9, 4294967040, 4294967040, 2, 4294967295, 2147483648];
  await check(tensor(x).to("u32"), unsigned);
  await check(tensor(x).slice([0, 4]).to("u32"), unsigned.slice(0, 4));
  await check(cat(x.map((v) => full([], v).reshape([1]).to("u32"))), unsigned);
  await check(tensor([3e9, -3e9, -1.5]).to("i32"), [2147483520, -2147483648, -1]);
  await check(full([1], 3e9).to("i32"), [2147483520]);
});

test("booleans stand where numbers may, and are narrower than all", async () => {
  const truths = tensor([true, false]);
  await check(tensor([1, 0]).eq(true), [1, 0]);
  await check(truths.eq(true), [1, 0]);
  await check(truths.logicalAnd(true), [1, 0]);
  await check(truths.maskedFill(truths, false), [0, 0]);
  await check(tensor([1.5, 2.5]).maskedFill(truths, true), [1, 2.5]);
  assert.is(truths.maskedFill(truths, false).dtype, "bool");
  assert.is(wg.where(truths, true, false).dtype, "bool");
  await check(wg.where(truths, true, false), [1, 0]);
  assert.is(wg.where(truths, tensor([2, 3], { dtype: "i32" }), true).dtype, "i32");
  assert.is(wg.where(truths, true, 0).dtype, "f32");
});

test("a number beside integers that become real may be any", async () => {
  const [signed, unsigned] = [tensor([5], { dtype: "i32" }), tensor([5], { dtype: "u32" })];
  await check(signed.div(3e9), [Math.fround(5 / 3e9)]);
  await check(unsigned.div(-2), [-2.5]);
  await check(signed.lt(Number.POSITIVE_INFINITY), [1]);
  await check(signed.logicalAnd(3e9), [1]);
  await check(unsigned.lt(4294967295), [1]);
});

test("u32 takes -n as 2^32 - n where nothing but the residue counts", async () => {
  const x = tensor([5, 0], { dtype: "u32" });
  await check(x.add(-1), [4, 4294967295]);
  await check(x.sub(-1), [6, 1]);
  await check(x.mul(-1), [4294967291, 0]);
  await check(x.bitwiseXor(-1), [4294967290, 4294967295]);
  assert.is(x.add(-1).dtype, "u32");
});

test("class indices may be u32, whatever is ignored and whoever knows them", async () => {
  const logits = tensor([
    [1, 2, 3],
    [3, 2, 1],
    [0, 1, 0],
  ]);
  const labels = new Uint32Array([1, 0, 2]);
  const loss = (target: Tensor, options = {}) => wg.crossEntropy(logits, target, options);
  for (const options of [{}, { labelSmoothing: 0.1 }, { ignoreIndex: 2 }, { ignoreIndex: 2, labelSmoothing: 0.1 }]) {
    const signed = await loss(tensor(Int32Array.from(labels)), options).item();
    assert.is(await loss(tensor(labels), options).item(), signed);
    const compiled = wg.compile((target: Tensor) => loss(target, options));
    assert.ok(Math.abs((await compiled(tensor(labels)).item()) - signed) <= 1e-6);
  }
});

test("a limit that is NaN makes NaN", async () => {
  const x = tensor([1, 2]);
  await check(x.clamp({ min: tensor([NAN, 0]) }), [NAN, 2]);
  await check(x.clamp({ max: tensor([NAN, 0]) }), [NAN, 0]);
  await check(x.clamp({ min: tensor([NAN, 0]), max: tensor([5, 1]) }), [NAN, 1]);
  await check(x.clamp({ min: tensor([0, 0]), max: tensor([NAN, 1]) }), [NAN, 1]);
});

test("of nothing comes what PyTorch makes of it", async () => {
  const none = wg.conv2d(zeros([2, 0, 8, 8]), zeros([4, 0, 3, 3]), { bias: tensor([0, 1, 2, 3]) });
  assert.equal(none.shape, [2, 4, 6, 6]);
  assert.is(await none.sum().item(), 2 * 36 * 6);
  const [mean, variance] = [zeros([3]), ones([3])];
  for (const shape of [
    [0, 3, 4],
    [2, 3, 0],
    [0, 3],
  ])
    assert.equal(wg.batchNorm(zeros(shape), mean, variance, { training: true }).shape, shape);
  await check(variance, [1, 1, 1]);
  await check(mean, [0, 0, 0]);
});

test("odd functions keep -0", async () => {
  for (const op of ["sin", "tan", "asin", "sinh", "tanh", "asinh", "atanh", "erf"] as const)
    assert.is(await tensor([-0])[op]().reciprocal().item(), -INF, op);
});

test.run();
