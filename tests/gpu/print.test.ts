// What consoles show of a tensor, and that JSON refuses one: nothing is computed or read for either.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { WgradError } from "../../src/base/errors.ts";
import { arange, compile, init, nn, ones, optim, rand, Tensor, tensor } from "../../src/index.ts";
import { expectError } from "../support/failure.ts";

const device = await init();

/** What Node's console shows; a page's shows the same as String(x) or with custom formatters. */
function shown(x: Tensor, depth = 2): string {
  const inspect = Reflect.get(x, Symbol.for("nodejs.util.inspect.custom")) as (this: Tensor, depth: number) => string;
  const text = inspect.call(x, depth);
  if (depth >= 0) assert.is(String(x), text);
  return text;
}

test("dtype, shape and values that the host has", () => {
  assert.is(
    shown(
      tensor([
        [1, 2.5, 0.1],
        [4, -0, Number.NaN],
      ]),
    ),
    "Tensor f32[2, 3] on the host\n[[1, 2.5, 0.1],\n [4, -0, NaN]]",
  );
  assert.is(shown(tensor(16777217.5)), "Tensor f32[] on the host 16777218");
  assert.is(shown(tensor([true, false])), "Tensor bool[2] on the host [true, false]");
  assert.is(shown(tensor([1, -2], { dtype: "i32" })), "Tensor i32[2] on the host [1, -2]");
  assert.is(shown(tensor([0.1, 65504], { dtype: "f16" })), "Tensor f16[2] on the host [0.0999756, 65504]");
  assert.is(shown(tensor([3], { requiresGrad: true })), "Tensor f32[1] on the host, requires grad [3]");
  assert.is(shown(tensor([])), "Tensor f32[0] on the host []");
  assert.is(
    shown(
      tensor([
        [[1], [2]],
        [[3], [4]],
      ]),
    ),
    "Tensor f32[2, 2, 1] on the host\n[[[1],\n  [2]],\n\n [[3],\n  [4]]]",
  );
});

test("of many elements the first and last, of very many dims none", () => {
  const many = Float32Array.from({ length: 1000 }, (_, i) => i);
  assert.is(shown(tensor(many)), "Tensor f32[1000] on the host [0, 1, 2, …, 997, 998, 999]");
  const rows = shown(tensor(many, { shape: [100, 10] })).split("\n");
  assert.is(rows.length, 8);
  assert.is(rows[1], "[[0, 1, 2, …, 7, 8, 9],");
  assert.is(rows[4], " …,");
  assert.is(rows[7], " [990, 991, 992, …, 997, 998, 999]]");
  const deep = tensor(new Float32Array(2048), { shape: new Array(11).fill(2) });
  assert.is(shown(deep), "Tensor f32[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2] on the host");
  const long = tensor(new Float32Array(4096), { shape: [8, 8, 8, 8] });
  assert.ok(shown(long).split("\n").length > 36);
  assert.is(shown(tensor([1, 2]), -1), "[Tensor f32[2]]");
});

test("where it is: unread, on the device, on the host, disposed", async () => {
  const x = rand([2, 600]).add(1);
  assert.is(shown(x), "Tensor f32[2, 600] unread");
  await x.realize();
  assert.is(shown(x), "Tensor f32[2, 600] on the device");
  x.dispose();
  assert.is(shown(x), "Tensor f32[2, 600] disposed");
  const given = tensor([1, 2]);
  given.dispose();
  assert.is(shown(given), "Tensor f32[2] disposed");
  const model = new nn.Linear(2, 2);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
  model
    .forward(ones([1, 2]))
    .sum()
    .backward();
  optimizer.step();
  assert.is(shown(model.weight), "Tensor f32[2, 2] on the device, requires grad");
  const assigned = tensor([1, 2]);
  assigned.assign(assigned.mul(2));
  assert.is(shown(assigned), "Tensor f32[2] unread");
  assert.equal(await assigned.tolist(), [2, 4]);
});

test("looking computes nothing, submits nothing and changes no result", async () => {
  const x = arange(6).mul(2);
  const before = device.stats();
  for (let i = 0; i < 3; i++) shown(x);
  assert.throws(() => JSON.stringify(x));
  assert.equal(device.stats(), before);
  assert.equal(await x.tolist(), [0, 2, 4, 6, 8, 10]);
});

test("a browser's custom formatters show it, and nothing else", () => {
  const { devtoolsFormatters } = globalThis as unknown as {
    devtoolsFormatters: { header(value: unknown): unknown[] | null; hasBody(value: unknown): boolean }[];
  };
  const formatter = devtoolsFormatters.at(-1);
  const x = tensor([1, 2]);
  assert.is(formatter?.header(x)?.at(-1), String(x));
  assert.is(formatter?.hasBody(x), false);
  for (const other of [null, 1, {}, [x]]) assert.is(formatter?.header(other), null);
});

test("JSON.stringify throws, also deep inside; a replacer may put something in its place", async () => {
  const x = tensor([1, 2]);
  for (const value of [x, [x], { loss: { x } }, rand([3]).add(1)])
    expectError(
      () => JSON.stringify(value),
      WgradError,
      /^JSON\.stringify: a Tensor f32\[\d\] is no plain data.*await x\.tolist\(\)/,
    );
  const text = JSON.stringify({ x }, (_, value) => (value instanceof Tensor ? [value.dtype, ...value.shape] : value));
  assert.is(text, '{"x":["f32",2]}');
  x.dispose();
  expectError(() => JSON.stringify(x), WgradError, /no plain data/);
  // Its signatures are made so.
  const double = compile(({ values: [a] }: { values: [Tensor] }) => a.mul(2));
  for (const value of [1, 2]) assert.equal(await double({ values: [tensor([value])] }).tolist(), [2 * value]);
});

test.run();
