// WGSL's arithmetic in JavaScript: what an operator or a conversion is written as, and the functions that such code calls.

import { fromHalfBits, toHalfBits } from "../../../src/base/dtype.ts";
import { refuse, type Scalar } from "./types.ts";

const words = new DataView(new ArrayBuffer(4));

/** Halves go to the even neighbour. */
function roundEven(x: number): number {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

/** What the written code calls, by name. */
export const RUNTIME: Readonly<Record<string, unknown>> = {
  f16: (x: number): number => fromHalfBits(toHalfBits(x)),
  toHalfBits,
  fromHalfBits,
  /** Floats beyond the integers become the nearest of them; NaN may become anything, here 0. */
  toI32: (x: number): number => (Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, -(2 ** 31)), 2 ** 31 - 1)) | 0),
  toU32: (x: number): number => (Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, 0), 2 ** 32 - 1)) >>> 0),
  bitsOf: (x: number): number => {
    words.setFloat32(0, x);
    return words.getUint32(0);
  },
  floatOf: (bits: number): number => {
    words.setUint32(0, bits);
    return words.getFloat32(0);
  },
  leadingZeros: (x: number): number => Math.clz32(x),
  roundEven,
  component: (parts: readonly number[], at: number, line: number): number => {
    const part = parts[at];
    if (part === undefined) throw new Error(`line ${line}: component ${at} of a vector of ${parts.length}`);
    return part;
  },
  inside: (at: number, count: number, line: number): number => {
    if (!(at >= 0 && at < count)) throw new Error(`line ${line}: element ${at} of an array of ${count}`);
    return at;
  },
};

/** An expression brought back to what its scalar can hold. */
export function wrap(scalar: Scalar, expression: string): string {
  switch (scalar) {
    case "f32":
      return `Math.fround(${expression})`;
    case "f16":
      return `R.f16(${expression})`;
    case "i32":
    case "int":
      return `(${expression} | 0)`;
    case "u32":
      return `(${expression} >>> 0)`;
    case "bool":
      return `(${expression})`;
    default:
      return scalar satisfies never;
  }
}

export const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", ">", "<=", ">="]);

/** An operator on two numbers of one scalar. */
export function binary(operator: string, scalar: Scalar, a: string, b: string, line: number): string {
  if (operator === "==" || operator === "!=") return `(${a} ${operator}= ${b})`;
  if (COMPARISONS.has(operator)) return `(${a} ${operator} ${b})`;
  if (scalar === "bool") {
    if (operator === "&" || operator === "|") return `(${a} ${operator}${operator} ${b})`;
    return refuse(line, `${operator} of bool`);
  }
  const float = scalar === "f32" || scalar === "f16";
  switch (operator) {
    case "+":
    case "-":
      return wrap(scalar, `${a} ${operator} ${b}`);
    case "*":
      return wrap(scalar, float ? `${a} * ${b}` : `Math.imul(${a}, ${b})`);
    // What integers give where the divisor is 0 is defined.
    case "/":
      return wrap(scalar, float ? `${a} / ${b}` : `(${b} === 0 ? ${a} : ${a} / ${b})`);
    case "%":
      return wrap(scalar, float ? `${a} % ${b}` : `(${b} === 0 ? 0 : ${a} % ${b})`);
    case "<<":
      return wrap(scalar, `(${a} << (${b} & 31))`);
    case ">>":
      return scalar === "u32" ? `(${a} >>> (${b} & 31))` : `(${a} >> (${b} & 31))`;
    case "&":
    case "|":
    case "^":
      return float ? refuse(line, `${operator} of ${scalar}`) : wrap(scalar, `(${a} ${operator} ${b})`);
    default:
      return refuse(line, `the operator ${operator}`);
  }
}

/** A number of one scalar as another one. */
export function convert(from: Scalar, to: Scalar, x: string): string {
  if (from === to) return x;
  if (to === "bool") return `(${x} !== 0)`;
  if (from === "bool") return `(${x} ? 1 : 0)`;
  const fromFloat = from === "f32" || from === "f16";
  if (to === "f32" || to === "f16") return wrap(to, x);
  if (fromFloat) return to === "u32" ? `R.toU32(${x})` : `R.toI32(${x})`;
  return wrap(to, x);
}

/** The bits of a number as another scalar of 32 bits. */
export function reinterpret(from: Scalar, to: Scalar, x: string, line: number): string {
  if (from === "f16" || to === "f16") return refuse(line, "bitcast of f16");
  if (from === to) return x;
  if (from === "f32") return wrap(to, `R.bitsOf(${x})`);
  return to === "f32" ? `R.floatOf(${x})` : wrap(to, x);
}
