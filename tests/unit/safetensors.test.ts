// Safetensors: both directions, every dtype, and files that are damaged.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decode, encode } from "../../src/base/dtype.ts";
import { WgradError } from "../../src/base/errors.ts";
import { fromSafetensors, safetensorsMetadata, toSafetensors } from "../../src/io/index.ts";
import { type Tensor, tensor, zeros } from "../../src/tensor.ts";
import { expectError, rejection } from "../support/failure.ts";

/** A file from its header and the bytes behind it. */
const file = (header: unknown, data: ArrayBufferView = new Uint8Array()): Uint8Array => {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const body = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
};
const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
const entry = (dtype: string, shape: number[], begin: number, end: number): object => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const one = (dtype: string, shape: number[], data: ArrayBufferView): Tensor => {
  const { x } = fromSafetensors(file({ x: entry(dtype, shape, 0, data.byteLength) }, data));
  if (x === undefined) return assert.unreachable("the tensor is missing") as never;
  return x;
};

const both = suite("safetensors both ways");

both("values, shapes, dtypes and names survive", async () => {
  const given = {
    "fc1.weight": tensor([
      [1, -2.5, 3e-20],
      [Number.NaN, Number.POSITIVE_INFINITY, -0],
    ]),
    scalar: tensor(7),
    counts: tensor(Int32Array.of(-1, 2 ** 31 - 1)),
    sizes: tensor(Uint32Array.of(0, 2 ** 32 - 1)),
    flags: tensor([true, false, true]),
    none: zeros([0, 3]),
    'ключ "x"\n': tensor([1]),
    "10": tensor([10]),
    ["__proto__"]: tensor([11]),
  };
  const bytes = await toSafetensors(given, { metadata: { format: "pt", note: "ünïcode" } });
  const back = fromSafetensors(bytes);
  assert.equal(Object.keys(back).sort(), Object.keys(given).sort());
  for (const [name, value] of Object.entries(given)) {
    const other = back[name];
    assert.equal([other?.dtype, other?.shape], [value.dtype, value.shape], name);
    assert.equal([...((await other?.data()) ?? [])], [...(await value.data())], name);
  }
  assert.equal(safetensorsMetadata(bytes), { format: "pt", note: "ünïcode" });
});

both("the bytes are the format's and do not depend on the order of names", async () => {
  const a = tensor([1, 2]);
  const b = tensor([true]);
  const c = tensor(Int32Array.of(3));
  const bytes = await toSafetensors({ b, a, c });
  assert.equal([...bytes], [...(await toSafetensors({ c, b, a }))]);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  assert.is(length % 8, 0);
  assert.is(bytes.length, 8 + length + 13);
  assert.equal(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))), {
    a: entry("F32", [2], 0, 8),
    c: entry("I32", [1], 8, 12),
    b: entry("BOOL", [1], 12, 13),
  });
  assert.equal([...bytes.subarray(8 + length)], [0, 0, 128, 63, 0, 0, 0, 64, 3, 0, 0, 0, 1]);
  assert.equal(fromSafetensors(await toSafetensors({})), {});
});

both("other tools' dtypes are converted", async () => {
  const values = async (dtype: string, data: ArrayBufferView & ArrayLike<unknown>): Promise<unknown[]> => {
    const x = one(dtype, [data.length], data);
    return [x.dtype, ...(await x.data())];
  };
  assert.equal(await values("F64", Float64Array.of(0.1, -2)), ["f32", Math.fround(0.1), -2]);
  assert.equal(await values("BF16", Uint16Array.of(0x3f80, 0xc049, 0x7f80)), [
    "f32",
    1,
    -3.140625,
    Number.POSITIVE_INFINITY,
  ]);
  assert.equal(await values("I64", BigInt64Array.of(-(2n ** 31n), 2n ** 31n - 1n)), ["i32", -(2 ** 31), 2 ** 31 - 1]);
  assert.equal(await values("I16", Int16Array.of(-3)), ["i32", -3]);
  assert.equal(await values("I8", Int8Array.of(-3)), ["i32", -3]);
  assert.equal(await values("U64", BigUint64Array.of(2n ** 32n - 1n)), ["u32", 2 ** 32 - 1]);
  assert.equal(await values("U16", Uint16Array.of(65_535)), ["u32", 65_535]);
  assert.equal(await values("U8", Uint8Array.of(255)), ["u32", 255]);
  assert.equal(await values("BOOL", Uint8Array.of(0, 1)), ["bool", 0, 1]);
  const half = one("F16", [2], Uint16Array.of(0x3c00, 0xc000));
  assert.equal([half.dtype, ...(await half.data())], ["f16", 1, -2]);
  assert.throws(() => one("I64", [1], BigInt64Array.of(2n ** 31n)), /"x" \(I64\) holds 2147483648, which does not fit/);
  assert.throws(() => one("U64", [1], BigUint64Array.of(2n ** 32n)), /does not fit/);
});

both("halves of every bit pattern survive, and rounding is to nearest even", () => {
  const fromHalves = (bits: Uint16Array<ArrayBuffer>) => decode(bits.buffer, "f16", bits.length);
  const toHalves = (values: ArrayLike<number>) => encode(values, "f16");
  const all = Uint16Array.from({ length: 0x7c01 }, (_, i) => i);
  assert.equal([...toHalves(fromHalves(all))], [...all]);
  const negative = all.map((bits) => bits | 0x8000);
  assert.equal([...toHalves(fromHalves(negative))], [...negative]);
  const rounded = (...values: number[]): number[] => [...toHalves(values)];
  // Halfway between neighbours the even one is taken; 65519.99 is the last number below infinity.
  assert.equal(rounded(1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -11 + 2 ** -20), [0x3c00, 0x3c02, 0x3c01]);
  assert.equal(rounded(65_519.99, 65_520, -70_000, 2 ** 100), [0x7bff, 0x7c00, 0xfc00, 0x7c00]);
  assert.equal(rounded(2 ** -25, 2 ** -25 * 1.001, 1.5 * 2 ** -24, 2 ** -26, 2 ** -140), [0, 1, 2, 0, 0]);
  assert.equal(rounded(0, -0, Number.NaN), [0, 0x8000, 0x7e00]);
});

both("what is no state dict is refused", async () => {
  const message = (value: unknown): Promise<string> => rejection(toSafetensors(value as Record<string, Tensor>));
  assert.match(await message({ x: [1, 2] }), /"x" must be a Tensor, got object/);
  assert.match(await message({ __metadata__: tensor([1]) }), /__metadata__/);
});

both("notes that are no strings are refused when writing", async () => {
  const message = (options: unknown): Promise<string> => rejection(toSafetensors({}, options as never));
  assert.match(await message({ metadata: { n: 3 } }), /^toSafetensors: metadata holds strings, got 3 as "n"\. JSON/);
  assert.match(await message({ metadata: { a: "1", b: undefined } }), /got nothing as "b"/);
  for (const metadata of ["text", ["a"], null])
    assert.match(await message({ metadata }), /must be an object of strings/);
  assert.match(await message({ metdata: {} }), /unknown option "metdata"\. It takes \{ metadata \}/);
});

both("long and many notes come back", async () => {
  const metadata = { text: '\\"'.repeat(5e6), ...Object.fromEntries(range(1000).map((i) => [`note ${i}`, `${i}`])) };
  assert.ok(safetensorsMetadata(await toSafetensors({}, { metadata })).text === metadata.text);
});

const damaged = suite("damaged safetensors");
const refused = (bytes: Uint8Array, pattern: RegExp): void => {
  expectError(() => fromSafetensors(bytes), WgradError, pattern);
};
const f32 = entry("F32", [1], 0, 4);

damaged("cut short", async () => {
  const whole = await toSafetensors({ x: tensor([1, 2, 3]) });
  for (let length = 0; length < whole.length; length++) {
    refused(whole.subarray(0, length), /cut short|no safetensors file/);
  }
});

damaged("no safetensors file at all", () => {
  refused(new TextEncoder().encode("PK\u0003\u0004 a zip file of PyTorch"), /no safetensors file/);
  refused(file("[1, 2]"), /no safetensors file/);
  refused(file('{"x": '), /not JSON/);
  refused(file(Uint8Array.of(0x7b, 0xff, 0x7d).reduce((s, b) => s + String.fromCharCode(b), "")), /not JSON/);
});

damaged("headers that lie", () => {
  const four = new Uint8Array(4);
  refused(file({ x: entry("F32", [2], 0, 4) }, four), /takes 8 bytes, but its offsets \[0, 4\] span 4/);
  refused(file({ x: entry("F32", [1], 4, 8) }, new Uint8Array(8)), /leaves 4 bytes before it unused/);
  refused(file({ x: f32, y: entry("F32", [1], 2, 6) }, new Uint8Array(6)), /"y".*overlaps/);
  refused(file({ x: f32 }, new Uint8Array(5)), /1 bytes too many/);
  refused(file({ x: f32, y: entry("F32", [1], 4, 8) }, four), /take 8 bytes, 4 are there/);
  refused(file({ x: entry("F8_E4M3", [4], 0, 4) }, four), /F8_E4M3; known are/);
  refused(file({ x: entry("toString", [4], 0, 4) }, four), /known are/);
  refused(file({ x: { dtype: "F32", shape: [1] } }, four), /must have dtype, shape and data_offsets/);
  refused(file({ x: entry("F32", [-1], 0, 4) }, four), /must have/);
  refused(file({ x: entry("F32", [0.5], 0, 4) }, four), /must have/);
  refused(file({ x: null }), /must have/);
  refused(file({ __metadata__: { epoch: 3 } }), /object of strings/);
});

damaged("double names", () => {
  const text = JSON.stringify(f32);
  refused(file(`{"x":${text},"x":${text}}`, new Uint8Array(4)), /"x" twice/);
  refused(file(`{"x":${text}, "\\u0078" : ${text}}`, new Uint8Array(4)), /"x" twice/);
  refused(file('{"__metadata__":{"a":"1","a":"2"}}'), /"a" twice/);
  refused(file(`{"__metadata__":{"${"a".repeat(2e7)}":"1","x":"2","x" \n\r\t :"3"}}`), /"x" twice/);
  // A brace or a colon within a string is no structure.
  const tricky = file({ '{"x":': entry("F32", [0], 0, 0), "x\\": entry("F32", [0], 0, 0) });
  assert.equal(Object.keys(fromSafetensors(tricky)), ['{"x":', "x\\"]);
});

both.run();
damaged.run();
