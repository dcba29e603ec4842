// WGSL's built-in functions on values: each writes the JavaScript of one component, or of the whole.

import { binary, convert, wrap } from "./arithmetic.ts";
import type { Code } from "./code.ts";
import { refuse, type Scalar, scalarOf, scalarType, type Type, type Value, vectorType, widthOf } from "./types.ts";

type Component = (scalar: Scalar, ...operands: string[]) => string;

/** A function of floats that JavaScript has, too. */
const float =
  (name: string): Component =>
  (scalar, ...operands) =>
    wrap(scalar, `${name}(${operands.join(", ")})`);

const same =
  (name: string): Component =>
  (_scalar, ...operands) =>
    `${name}(${operands.join(", ")})`;

/** Functions of components: their result has the operands' type. Either operand of min and max may be taken where one is NaN: here, the other one. */
const COMPONENTWISE: Readonly<Record<string, Component>> = {
  abs: (scalar, x) => (scalar === "u32" ? x : wrap(scalar, `Math.abs(${x})`)),
  min: (_scalar, x, y) => `(${y} < ${x} || ${x} !== ${x} ? ${y} : ${x})`,
  max: (_scalar, x, y) => `(${y} > ${x} || ${x} !== ${x} ? ${y} : ${x})`,
  clamp: (_scalar, x, low, high) => `Math.min(Math.max(${x}, ${low}), ${high})`,
  floor: same("Math.floor"),
  ceil: same("Math.ceil"),
  trunc: same("Math.trunc"),
  round: same("R.roundEven"),
  sign: (_scalar, x) => `Math.sign(${x})`,
  fract: (scalar, x) => wrap(scalar, `${x} - Math.floor(${x})`),
  sqrt: float("Math.sqrt"),
  inverseSqrt: (scalar, x) => wrap(scalar, `1 / Math.sqrt(${x})`),
  exp: float("Math.exp"),
  exp2: (scalar, x) => wrap(scalar, `2 ** (${x})`),
  log: float("Math.log"),
  log2: float("Math.log2"),
  sin: float("Math.sin"),
  cos: float("Math.cos"),
  tanh: float("Math.tanh"),
  pow: (scalar, x, y) => wrap(scalar, `(${x}) ** (${y})`),
  fma: (scalar, x, y, z) => wrap(scalar, `${x} * ${y} + ${z}`),
  mix: (scalar, x, y, a) => wrap(scalar, `${x} * (1 - ${a}) + ${y} * ${a}`),
  saturate: (_scalar, x) => `Math.min(Math.max(${x}, 0), 1)`,
  quantizeToF16: (_scalar, x) => `R.f16(${x})`,
  countLeadingZeros: same("R.leadingZeros"),
};

/** What operands of different kinds of literals are together. */
export function commonScalar(values: readonly Value[], line: number): Scalar {
  const scalars = values.map(({ type }) => scalarOf(type, line));
  const written = scalars.find((scalar) => scalar !== "int") ?? "int";
  // A float literal without suffix looks like f32 to the parser.
  if (scalars.includes("f16") && scalars.includes("f32")) return "f16";
  const stray = scalars.find((scalar) => scalar !== written && scalar !== "int");
  return stray === undefined ? written : refuse(line, `an operation on ${written} and ${stray}`);
}

/** A value's components as numbers of `scalar`, repeated where a vector needs them. */
export function components(value: Value, scalar: Scalar, size: number, line: number): string[] {
  const from = scalarOf(value.type, line);
  const parts = value.parts.map((part) => convert(from, scalar, part));
  if (parts.length === size) return parts;
  return parts.length === 1
    ? Array.from({ length: size }, () => parts[0] as string)
    : refuse(line, `vectors of ${parts.length} and ${size} together`);
}

/** The value of a built-in function; null where there is none of that name. */
export function callBuiltin(name: string, args: readonly Value[], line: number, code: Code): Value | null {
  const held = (type: Type, parts: readonly string[]): Value => ({ type, parts: parts.map((part) => code.hold(part)) });
  const size = Math.max(1, ...args.map(({ type }) => widthOf(type)));
  const componentwise = Object.hasOwn(COMPONENTWISE, name) ? COMPONENTWISE[name] : undefined;
  if (componentwise !== undefined) {
    const scalar = commonScalar(args, line);
    const operands = args.map((arg) => components(arg, scalar, size, line));
    const parts = Array.from({ length: size }, (_, i) => componentwise(scalar, ...operands.map((o) => o[i] as string)));
    return held(vectorType(scalar, size), parts);
  }
  switch (name) {
    case "select": {
      const [no, yes, condition] = args as [Value, Value, Value];
      const scalar = commonScalar([no, yes], line);
      const width = Math.max(widthOf(no.type), widthOf(yes.type));
      const [a, b] = [components(no, scalar, width, line), components(yes, scalar, width, line)];
      const c = components(condition, "bool", width, line);
      return held(
        vectorType(scalar, width),
        a.map((part, i) => `(${c[i]} ? ${b[i]} : ${part})`),
      );
    }
    case "dot": {
      const scalar = commonScalar(args, line);
      const [a, b] = args.map((arg) => components(arg, scalar, size, line)) as [string[], string[]];
      let sum = code.hold(binary("*", scalar, a[0] as string, b[0] as string, line));
      for (let i = 1; i < size; i++) {
        const term = code.hold(binary("*", scalar, a[i] as string, b[i] as string, line));
        sum = code.hold(binary("+", scalar, sum, term, line));
      }
      return { type: scalarType(scalar), parts: [sum] };
    }
    case "any":
    case "all": {
      const parts = (args[0] as Value).parts.join(name === "any" ? " || " : " && ");
      return held(scalarType("bool"), [`(${parts})`]);
    }
    default:
      return null;
  }
}
