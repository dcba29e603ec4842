// How an op is defined: operands are checked, converted and recorded here, so that a definition holds only what is its own.

import { castNumber, DTYPES, type DType, isFloat, numberDType, promote } from "../base/dtype.ts";
import { broadcastShapes, dtypeError, opError, type Shape, sameShape } from "../base/shape.ts";
import type {
  Derivative,
  ElementwiseDefinition,
  PlainDefinition,
  ReduceDefinition,
  ViewDefinition,
} from "../graph/definition.ts";
import { constantNode } from "../graph/node.ts";
import { record, recording, Tensor } from "../graph/tensor.ts";

export type Unary = (x: Tensor) => Tensor;
export type Binary = (x: Tensor, y: Operand) => Tensor;
/** An operand: a tensor, or a plain number or boolean whose dtype follows that of the tensors. */
export type Operand = Tensor | number | boolean;

/** From the promoted dtype of the operands to the dtype they are converted to and the result's. */
export type DTypeRule = (op: string, promoted: DType) => { operand: DType; result: DType };

/** Arithmetic: bool counts as i32. */
export const arithmetic: DTypeRule = (_op, d) =>
  d === "bool" ? { operand: "i32", result: "i32" } : { operand: d, result: d };
/** Functions of real numbers: integers become f32. */
export const floating: DTypeRule = (_op, d) =>
  isFloat(d) ? { operand: d, result: d } : { operand: "f32", result: "f32" };
/** Any dtype, kept. */
export const keep: DTypeRule = (_op, d) => ({ operand: d, result: d });
/** Comparisons of any dtype give bool; bool operands compare as u32. */
export const comparison: DTypeRule = (_op, d) => ({ operand: d === "bool" ? "u32" : d, result: "bool" });
/** Truth values of any dtype give bool. */
export const logical: DTypeRule = () => ({ operand: "bool", result: "bool" });
/** Questions about real numbers give bool. */
export const floatQuestion: DTypeRule = (_op, d) => ({ operand: isFloat(d) ? d : "f32", result: "bool" });
/** Integers and bool only. */
export const integral: DTypeRule = (op, d) => {
  if (isFloat(d)) throw dtypeError`${op}: operands must be integer or bool tensors, got ${d}. x.to("i32") converts.`;
  return { operand: d, result: d };
};

/** Checks that `x` is a tensor. */
export function expectTensor(op: string, x: unknown, what = "the first argument"): Tensor {
  if (x instanceof Tensor) return x;
  throw new TypeError(`${op}: ${what} must be a tensor, got ${describe(x)}.`);
}

function describe(x: unknown): string {
  if (Array.isArray(x)) return "an array; tensor(array) makes a tensor of it";
  return typeof x === "number" || typeof x === "boolean" ? `the ${typeof x} ${String(x)}` : printed(x);
}

/** Any value as errors print it: words in quotes, no contents of objects. */
export function printed(x: unknown): string {
  if (x === undefined) return "nothing";
  if (typeof x === "string") return JSON.stringify(x);
  if (typeof x === "function") return "a function";
  if (Array.isArray(x)) return `[${x.map(printed).join(", ")}]`;
  if (x instanceof Tensor) return `a tensor ${x.dtype}[${x.shape.join(", ")}]`;
  if (typeof x === "object" && x !== null) {
    const name = x.constructor?.name ?? "thing";
    if (name === "Tensor") return "a tensor of another copy of wgrad";
    return name === "Object" ? "an object" : `a ${name}`;
  }
  return String(x);
}

/** A number as 0-dim tensor of `dtype`: part of the program, not data. */
export function constant(value: number, dtype: DType = "f32"): Tensor {
  return new Tensor(constantNode(value, dtype));
}

/** The tensors among the operands decide the dtype; numbers and booleans follow them. */
export function promoteOperands(op: string, operands: readonly Operand[]): DType {
  let dtype: DType | null = null;
  for (const x of operands) if (x instanceof Tensor) dtype = dtype === null ? x.dtype : promote(dtype, x.dtype);
  let result: DType = dtype ?? (operands.every((x) => typeof x === "boolean") ? "bool" : "f32");
  for (const x of operands) {
    if (typeof x === "number" || typeof x === "boolean") result = promote(result, numberDType(x, dtype ?? "f32"));
    else expectTensor(op, x, "each operand");
  }
  return result;
}

/** One operand as tensor of `dtype`. Throws a RangeError for a number that an integer dtype can't hold; for a `modular` op u32 takes -n as 2^32 - n. */
export function convert(op: string, x: Operand, dtype: DType, modular = false): Tensor {
  if (typeof x === "object") return cast(x, dtype);
  const number = Number(x);
  if (isFloat(dtype)) return constant(number, dtype);
  checkRepresentable(op, [number], modular && number < 0 ? "i32" : dtype, 'x.to("f32") takes any number');
  return constant(castNumber(number, dtype), dtype);
}

/** Integers must be representable: NaN, infinities and values beyond the range are mistakes, fractions are cut off. */
export function checkRepresentable(op: string, values: ArrayLike<number>, dtype: DType, remedy?: string): void {
  if (dtype !== "i32" && dtype !== "u32") return;
  const low = dtype === "i32" ? -(2 ** 31) : 0;
  const high = dtype === "i32" ? 2 ** 31 - 1 : 2 ** 32 - 1;
  for (let i = 0; i < values.length; i++) {
    const v = Math.trunc(values[i] as number);
    if (!(v >= low && v <= high)) {
      throw new RangeError(
        `${op}: ${dtype} holds whole numbers from ${low} to ${high}, got ${values[i]}${remedy === undefined ? ` at element ${i}. dtype: "f32" would fit` : `. ${remedy}`}.`,
      );
    }
  }
}

// quantizeToF16 may make 0 of subnormal halves. Below 2^-14 an addition rounds to multiples of 2^-24, which the sum's bits count.
const HALF_TEXT = `fn to_half(x: F) -> F {
  let n = F(bitcast<U>(abs(x) + 0.5) - 0x3f000000u);
  return select(quantizeToF16(x), n * 0x1p-24f * sign(x), (abs(x) < F(0x1p-14f)) & (n > F(0.0)));
}`;

// WGSL leaves open what NaN becomes.
const INTEGER_TEXT =
  "fn to_i32(x: F) -> I { return select(I(x), I(-2147483648), (bitcast<U>(x) << U(1u)) > U(0xff000000u)); }";

/**
 * What makes `target` of other dtypes. Integers take other integers modulo 2^32, and of real numbers the nearest that they hold (negative ones
 * in u32 as i32 holds them); NaN becomes the lowest.
 */
function castDefinition(target: DType, ofReal: boolean): ElementwiseDefinition<Tensor> {
  const whole = ofReal && !isFloat(target) && target !== "bool";
  // The largest that f32 has. What goes beyond a dtype wraps around by itself: see castNumber.
  const most = target === "u32" ? 4294967040 : 2147483520;
  return {
    kind: "elementwise",
    name: target,
    wgsl: (t, x) => {
      if (target === "bool") return t.operand === target ? x : `!(${x} == ${t.number(0)})`;
      const element = target === "f16" ? "f32" : target;
      const plain = t.operand === element ? x : `${t.typeOf(element)}(${x})`;
      if (target === "f16") return t.call("to_half", plain);
      if (!whole) return plain;
      const signed = t.call("to_i32", x);
      return target === "i32" ? signed : `select(${t.typeOf(target)}(${signed}), ${plain}, ${x} > ${t.number(0)})`;
    },
    helpers: target === "f16" ? [HALF_TEXT] : whole ? [INTEGER_TEXT] : [],
    reference: (x) => {
      if (target === "bool") return Number(x !== 0);
      return !whole ? x : x >= -(2 ** 31) ? Math.min(x, most) : -(2 ** 31);
    },
    derivative: isFloat(target) ? (g, _out, [x]) => [ofReal ? cast(g, (x as Tensor).dtype) : null] : null,
    cost: 1,
  };
}

/** Of integers and bool, and of real numbers. */
const casts = [false, true].map(
  (ofReal) =>
    Object.fromEntries(DTYPES.map((dtype) => [dtype, castDefinition(dtype, ofReal)])) as Record<
      DType,
      ElementwiseDefinition<Tensor>
    >,
);

const sameDefinition: PlainDefinition<Tensor> = { kind: "alias", name: "same", derivative: (g) => [g] };

/** `x` as a tensor of its own: what an op returns that changes nothing. */
export function same(x: Tensor): Tensor {
  return record(sameDefinition, [x], x.shape, x.dtype);
}

/** `x` converted to `dtype`; `x` itself when it has it already. */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  const definition = casts[Number(isFloat(x.dtype))]?.[dtype];
  return record(definition as ElementwiseDefinition<Tensor>, [x], x.shape, dtype);
}

interface ElementwiseOptions {
  readonly dtype: DTypeRule;
  readonly wgsl: ElementwiseDefinition<Tensor>["wgsl"];
  readonly helpers?: readonly string[];
  readonly reference: (...operands: number[]) => number;
  /** null where there is no gradient (comparisons, roundings to integers). */
  readonly derivative: Derivative<Tensor> | null;
  /** The price in additions. Default 1. */
  readonly cost?: number;
  /** Of integers, whether the result depends on the operands modulo 2^32 alone. */
  readonly modular?: boolean;
  /** It leaves f16's range or loses its digits, and takes f32 under autocast. After PyTorch's list of ops. */
  readonly wide?: true;
  /** See `ElementwiseDefinition`. */
  readonly absorbing?: number;
  readonly neutral?: readonly (number | null)[];
  readonly adds?: true;
  readonly multiplies?: true;
}

/** Makes an elementwise op of any number of operands, which broadcast against each other. */
export function elementwise(name: string, options: ElementwiseOptions): (...operands: Operand[]) => Tensor {
  const definition: ElementwiseDefinition<Tensor> = { cost: 1, ...options, kind: "elementwise", name };
  return (...operands) => {
    // A missing operand must be noticed.
    operands.length = Math.max(operands.length, options.wgsl.length - 1);
    let promoted = promoteOperands(name, operands);
    if (promoted === "f16" && options.wide === true && recording.autocast) promoted = "f32";
    const { operand, result } = options.dtype(name, promoted);
    const inputs = operands.map((x) => convert(name, x, operand, options.modular));
    return record(definition, inputs, broadcast(name, inputs), result);
  };
}

/** Makes an elementwise op of one operand. */
export function unary(name: string, options: ElementwiseOptions): Unary {
  const apply = elementwise(name, options);
  return (x) => apply(expectTensor(name, x));
}

/** Makes an elementwise op of two operands; `y` may be a number. */
export function binary(name: string, options: ElementwiseOptions): Binary {
  const apply = elementwise(name, options);
  return (x, y) => apply(x, y);
}

/** The common shape of tensors. */
export function broadcast(op: string, tensors: readonly Tensor[]): Shape {
  let shape = (tensors[0] as Tensor).shape;
  for (let i = 1; i < tensors.length; i++) {
    const other = (tensors[i] as Tensor).shape;
    if (other.length === 0 || sameShape(shape, other)) continue;
    if (shape.length === 0) shape = other;
    else return broadcastShapes(op, ...tensors.map((t) => t.shape));
  }
  return shape;
}

/** Makes a view: `record(view, [x], outputShape, x.dtype, attributes)` uses it. */
export function view(name: string, options: Omit<ViewDefinition<Tensor>, "kind" | "name">): ViewDefinition<Tensor> {
  return { kind: "view", name, ...options };
}

/** Makes a reduction. The node keeps reduced dims with size 1; its attributes are the dims. */
export function reduction(
  name: string,
  options: Omit<ReduceDefinition<Tensor>, "kind" | "name">,
): ReduceDefinition<Tensor> {
  return { kind: "reduce", name, ...options };
}

/** Demands a number that is not NaN. */
export function checkNumber(op: string, name: string, value: number): number {
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new RangeError(`${op}: ${name} must be a number, got ${printed(value)}.`);
  }
  return value;
}

/** A number that goes with `operands`: among integers its fraction is cut off, so that they stay integers. */
export function factorFor(factor: number, ...operands: readonly Tensor[]): number {
  return operands.some((x) => isFloat(x.dtype)) ? factor : Math.trunc(factor);
}

/** Demands a whole number of at least `least`. */
export function checkWhole(op: string, name: string, value: number, least: number): number {
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(`${op}: ${name} must be a whole number ≥ ${least}, got ${printed(value)}.`);
  }
  return value;
}

/** Throws where an option is named that the op doesn't know. */
export function checkOptions(op: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || options instanceof Tensor || Array.isArray(options)) {
    throw new TypeError(`${op}: optional arguments go in one options object { ${known.join(", ")} }.`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw opError`${op}: unknown option "${name}". It takes { ${known.join(", ")} }.`;
    }
  }
}
