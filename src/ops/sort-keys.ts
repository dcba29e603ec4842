// Sort keys: numbers of every dtype as u32 words that order as they do.

import type { DType } from "../base/dtype.ts";

/**
 * WGSL: key_of(x), in the order of the numbers: equal zeros, NaN (all of them equal) behind infinity. Halves and f32 come as bits of f32,
 * integers as words.
 */
export function keyText(dtype: DType, descending: boolean): string {
  const word = descending ? "~key" : "key";
  const body: Record<DType, string[]> = {
    f32: FLOAT_KEY,
    f16: FLOAT_KEY,
    i32: ["let key = x ^ 0x80000000u;"],
    u32: ["let key = x;"],
    bool: ["let key = x;"],
  };
  return ["fn key_of(x: u32) -> u32 {", ...body[dtype].map((line) => `  ${line}`), `  return ${word};`, "}"].join("\n");
}

const FLOAT_KEY = [
  "let magnitude = x & 0x7fffffffu;",
  "var key = select(x | 0x80000000u, ~x, x > 0x7fffffffu);",
  "if (magnitude == 0u) { key = 0x80000000u; }",
  "if (magnitude > 0x7f800000u) { key = 0xffffffffu; }",
];

/** WGSL: the bits that `key_of` takes, of an element as it is bound (see `boundType`). */
export function bitsOf(dtype: DType, element: string): string {
  if (dtype === "f16") return `bitcast<u32>(f32(${element}))`;
  return dtype === "i32" ? `bitcast<u32>(${element})` : element;
}

/** Types of bindings that elements are only moved through: words, so that no driver touches the bits of an f32. */
export function boundTypes(dtype: DType, ...names: string[]): Record<string, string> {
  return dtype === "f32" ? Object.fromEntries(names.map((name) => [name, "array<u32>"])) : {};
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The same key on the host. */
export function keyOf(value: number, dtype: DType, descending: boolean): number {
  let key = value >>> 0;
  if (dtype === "f32" || dtype === "f16") {
    // -0 + 0 is 0.
    float[0] = value + 0;
    const word = bits[0] as number;
    key = Number.isNaN(value) ? 0xffff_ffff : word > 0x7fff_ffff ? ~word >>> 0 : (word | 0x8000_0000) >>> 0;
  } else if (dtype === "i32") {
    key = (value ^ 0x8000_0000) >>> 0;
  }
  return descending ? ~key >>> 0 : key;
}
