// What WGSL calls things: element types, literals, and the operands that ops' writers see.

import type { DType } from "../base/dtype.ts";
import { laneName } from "../graph/helpers.ts";
import type { WgslContext } from "../graph/wgsl-context.ts";

export type Element = "f32" | "i32" | "u32" | "bool";

/** The type that values of a dtype are computed in. */
export function elementOf(dtype: DType): Element {
  return dtype === "f16" ? "f32" : dtype;
}

/** The type that values of a dtype are stored in. */
export function storedElement(dtype: DType): string {
  return dtype === "bool" ? "u32" : dtype;
}

/** Bits of NaN and the infinities, which compilers must not know: see `literal`. */
export const SPECIAL_BITS = "var<private> special_bits: vec3<u32> = vec3<u32>(0x7fc00000u, 0x7f800000u, 0xff800000u);";

const LARGEST = 3.4028234663852886e38;

/** The fewest digits that are read as this f32. */
function shortest(f: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(f.toPrecision(digits));
    // WGSL refuses what lies beyond the largest f32, also where it would be rounded to that.
    if (Math.fround(short) === f && Math.abs(short) <= LARGEST) return String(short);
  }
  return String(f);
}

/** A number as WGSL expression of an element type. */
export function literal(value: number, element: Element): string {
  switch (element) {
    case "bool":
      return value !== 0 ? "true" : "false";
    case "i32":
      return value <= -(2 ** 31) ? "i32(-2147483648)" : `${Math.trunc(value)}i`;
    case "u32":
      return `${value >>> 0}u`;
    case "f32": {
      // WGSL has no literals for these, and compilers may fold them away: take them from bits.
      if (Number.isNaN(value)) return "bitcast<f32>(special_bits.x)";
      if (value === Number.POSITIVE_INFINITY) return "bitcast<f32>(special_bits.y)";
      if (value === Number.NEGATIVE_INFINITY) return "bitcast<f32>(special_bits.z)";
      const f = Math.fround(value);
      if (!Number.isFinite(f)) return literal(f, "f32");
      // Drivers take constants that compare as equal for one.
      if (Object.is(f, -0)) return "bitcast<f32>(0x80000000u * groups.z)";
      const text = shortest(f);
      return /[.e]/.test(text) ? text : `${text}.0`;
    }
    default:
      return element satisfies never;
  }
}

/**
 * A number that compilers can't know, by a grid's third dimension, which is always 1. They refuse what overflows or is undefined while they
 * compile, and drivers fold x / 0 to 0.
 */
export function hidden(value: number, element: Element): string {
  if (element === "bool") return literal(value, element);
  if (Object.is(value, 0)) return `${element}(groups.z - 1u)`;
  return `(${literal(value, element)} * ${element}(groups.z))`;
}

export function typeName(element: string, width: 1 | 4): string {
  return width === 1 ? element : `vec4<${element}>`;
}

/** An expression of `from` lanes as one of `width`. */
export function widen(code: string, from: 1 | 4, width: 1 | 4, element: Element): string {
  return from === width ? code : `vec4<${element}>(${code})`;
}

/** Name of a lane of a vec4. */
export function componentOf(lane: number): string {
  return "xyzw"[lane] as string;
}

const contexts = new Map<string, WgslContext>();

/** What an op's WGSL writer sees of its operands; its helpers take so many `lanes` at a time. */
export function wgslContext(operand: Element, width: 1 | 4, lanes: 1 | 4): WgslContext {
  const key = `${operand}${width}${lanes}`;
  let context = contexts.get(key);
  if (context === undefined) {
    const vector = (element: Element, text: string) => (width === 1 ? text : `vec4<${element}>(${text})`);
    context = {
      operand,
      width,
      type: typeName(operand, width),
      typeOf: (element) => typeName(element, width),
      number: (value) => vector(operand, literal(value, operand)),
      float: (value) => vector("f32", literal(value, "f32")),
      call: (helper, ...values) => {
        if (width === lanes) return `${laneName(helper, lanes)}(${values.join(", ")})`;
        const calls = [..."xyzw"].map((c) => `${helper}(${values.map((v) => `${v}.${c}`).join(", ")})`);
        return `vec4(${calls.join(", ")})`;
      },
    };
    contexts.set(key, context);
  }
  return context;
}
