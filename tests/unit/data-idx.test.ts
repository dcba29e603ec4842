// The IDX parser: every element type, and clear errors for what is no IDX file.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { WgradError } from "../../src/base/errors.ts";
import { idx } from "../../src/data/index.ts";

const message = (bytes: number[]): string => {
  try {
    idx(Uint8Array.from(bytes));
  } catch (error) {
    assert.instance(error, WgradError);
    return error instanceof Error ? error.message : "";
  }
  return assert.unreachable("idx accepted the bytes") as never;
};

test("unsigned bytes in two dims are a view of the file", () => {
  const file = Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255);
  const { data, shape, dtype } = idx(file);
  assert.instance(data, Uint8Array);
  assert.equal([...data], [1, 2, 3, 4, 5, 255]);
  assert.equal(shape, [2, 3]);
  assert.is(dtype, "i32");
  assert.is(data.buffer, file.buffer);
});

test("every other element type is read big-endian", () => {
  const read = (type: number, bytes: number[], count: number): unknown[] => {
    const { data, shape, dtype } = idx(Uint8Array.from([0, 0, type, 1, 0, 0, 0, count, ...bytes]));
    return [data.constructor.name, [...data], shape, dtype];
  };
  assert.equal(read(0x09, [0xff, 0x7f], 2), ["Int8Array", [-1, 127], [2], "i32"]);
  assert.equal(read(0x0b, [0xff, 0xfe, 0x01, 0x02], 2), ["Int16Array", [-2, 258], [2], "i32"]);
  assert.equal(read(0x0c, [0xff, 0xff, 0xff, 0xfd, 0, 1, 0, 0], 2), ["Int32Array", [-3, 65536], [2], "i32"]);
  assert.equal(read(0x0d, [0x3f, 0xc0, 0, 0], 1), ["Float32Array", [1.5], [1], "f32"]);
  assert.equal(read(0x0e, [0xc0, 0x04, 0, 0, 0, 0, 0, 0], 1), ["Float64Array", [-2.5], [1], "f32"]);
});

test("bytes in the middle of a buffer, no dims, and no elements are fine", () => {
  const buffer = Uint8Array.of(9, 9, 9, 0, 0, 0x0b, 1, 0, 0, 0, 1, 1, 0, 9).subarray(3, 13);
  assert.equal([...idx(buffer).data], [256]);
  assert.equal([...idx(Uint8Array.of(0, 0, 8, 0, 7)).data], [7]);
  assert.equal(idx(Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 28)).shape, [0, 28]);
});

test("what is no IDX file is refused with the reason", () => {
  assert.match(message([0, 0, 8]), /4 bytes of header, got 3/);
  assert.match(message([0x1f, 0x8b, 8, 0, 0]), /gzip/);
  assert.match(message([0x3c, 0x68, 0x74, 0x6d, 0x6c]), /got 0x3c 0x68 0x74 0x6d/);
  assert.match(message([0, 0, 0x0a, 1, 0, 0, 0, 0]), /got 0x00 0x00 0x0a 0x01/);
  assert.match(message([0, 0, 8, 3, 0, 0, 0, 1]), /3 dimensions, which take 16 bytes, got 8/);
  assert.match(message([0, 0, 8, 1, 0, 0, 0, 4, 1, 2]), /\[4\], 12 bytes in all, got 10 bytes.*cut short by 2/);
  assert.match(message([0, 0, 8, 1, 0, 0, 0, 1, 1, 2, 3]), /2 bytes too many/);
  assert.match(message([0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255, 1]), /cut short/);
});

test.run();
