// Reads the golden files that tests/reference/*.py wrote, makes the same training data, and compares with NaN and infinity in mind.

import { readFileSync } from "node:fs";

/** Numbers of a golden file, row-major. Booleans are bytes. */
export interface GoldenArray {
  readonly dtype: "f32" | "i32" | "bool";
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** A float64 result of PyTorch's, and how far an f32 result may be from it. */
export interface Compared {
  readonly array: number;
  readonly absolute: number;
}

/** A golden file: its JSON, of which the caller knows the form, and its arrays by number. */
export interface Golden<Content> {
  readonly content: Content;
  array(number: number): GoldenArray;
}

interface Index {
  arrays: { dtype: GoldenArray["dtype"]; shape: number[]; offset: number }[];
}

/** Reads tests/reference/data/<name>.json and .bin. */
export function loadGolden<Content>(name: string): Golden<Content> {
  const content = JSON.parse(readFileSync(`tests/reference/data/${name}.json`, "utf8")) as Content & Index;
  const file = readFileSync(`tests/reference/data/${name}.bin`);
  // A copy: a file's bytes may start anywhere in Node's pool, typed arrays only at multiples of 4.
  const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
  return {
    content,
    array(number: number): GoldenArray {
      const entry = content.arrays[number];
      if (entry === undefined) throw new RangeError(`${name}: there is no array ${number}`);
      const { dtype, shape, offset } = entry;
      const count = shape.reduce((product, size) => product * size, 1);
      const make = { f32: Float32Array, i32: Int32Array, bool: Uint8Array }[dtype];
      return { dtype, shape, data: new make(bytes, offset, count) };
    },
  };
}

/** `count` integers below 2^32 by a hash of their index: `noise` of golden.py. */
export function noise(count: number, seed: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => {
    let value = (Math.imul(index, 2654435761) + seed * 974711) >>> 0;
    value = Math.imul(value ^ (value >>> 15), 2246822519) >>> 0;
    return (value ^ (value >>> 13)) >>> 0;
  });
}

/** Batches with a pattern of lit features per class under noise: `classification` of golden.py. */
export function classification(
  steps: number,
  batch: number,
  features: number,
  classes: number,
  seed: number,
): { x: Float32Array; y: Int32Array }[] {
  const labels = noise(steps * batch, seed);
  const pattern = noise(classes * features, seed + 1);
  const level = noise(steps * batch * features, seed + 2);
  return Array.from({ length: steps }, (_, step) => {
    const x = new Float32Array(batch * features);
    const y = new Int32Array(batch);
    for (let row = 0; row < batch; row++) {
      const label = (labels[step * batch + row] ?? 0) % classes;
      y[row] = label;
      for (let feature = 0; feature < features; feature++) {
        const lit = (pattern[label * features + feature] ?? 0) % 4 === 0 ? 128 : 0;
        const place = (step * batch + row) * features + feature;
        x[row * features + feature] = (((level[place] ?? 0) & 127) + lit) / 256;
      }
    }
    return { x, y };
  });
}

/** Devices may take smaller numbers for 0. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * The first element that is not within `absolute + relative * |expected|`, as a sentence; null when all are. NaN matches
 * NaN only, an infinity the same infinity only.
 */
export function mismatch(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  absolute: number,
  relative: number,
): string | null {
  if (got.length !== expected.length) return `${got.length} elements, expected ${expected.length}`;
  let wrong = 0;
  let worst = 0;
  let sentence: string | null = null;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [got[i] ?? 0, expected[i] ?? 0];
    const difference = Math.abs(a - e);
    const tolerance = absolute + relative * Math.abs(e) + SMALLEST_NORMAL;
    if (a === e || (Number.isNaN(a) && Number.isNaN(e)) || (Number.isFinite(e) && difference <= tolerance)) continue;
    wrong += 1;
    worst = Math.max(worst, Number.isFinite(difference) ? difference : Number.POSITIVE_INFINITY);
    sentence ??= `element ${i}: got ${a}, expected ${e}, tolerance ${tolerance.toPrecision(2)}`;
  }
  return sentence && `${sentence} (${wrong} of ${expected.length} wrong, worst by ${worst.toPrecision(3)})`;
}
