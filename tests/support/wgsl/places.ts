// Places: where a name with its indices and members points, to load from and to store to.

import { ArrayIndex, type Expression, StringExpr, type VariableExpr } from "wgsl_reflect/wgsl_reflect.module.js";
import { binary, wrap } from "./arithmetic.ts";
import { components } from "./builtins.ts";
import { type Code, isSimple } from "./code.ts";
import type { Scope, SharedMemory } from "./scope.ts";
import {
  describe,
  refuse,
  type Scalar,
  scalarOf,
  scalarType,
  type Type,
  type Value,
  vectorType,
  widthOf,
} from "./types.ts";

export type Place =
  | { readonly kind: "value"; readonly value: Value }
  /** Numbers that JavaScript variables hold, each of which may be assigned. */
  | { readonly kind: "local"; readonly value: Value }
  /** Element `at` (in numbers) of a JavaScript array. */
  | { readonly kind: "array"; readonly array: string; readonly at: string; readonly type: Type }
  /** Unit `at` of shared memory, or the components of it that `parts` names. */
  | {
      readonly kind: "memory";
      readonly memory: SharedMemory;
      readonly at: string;
      readonly type: Type;
      readonly parts: readonly string[] | null;
    };

const NAMES = ["xyzw", "rgba"];

/** The numbers of components that a swizzle names. */
function swizzle(name: string, line: number): number[] {
  const letters = NAMES.find((set) => [...name].every((letter) => set.includes(letter)));
  return letters === undefined
    ? refuse(line, `the member ${name}`)
    : [...name].map((letter) => letters.indexOf(letter));
}

export class Places {
  readonly #code: Code;
  readonly #value: (expression: Expression, scope: Scope) => Value;

  constructor(code: Code, value: (expression: Expression, scope: Scope) => Value) {
    this.#code = code;
    this.#value = value;
  }

  find(expression: VariableExpr, scope: Scope): Place {
    const { line } = expression;
    const named = scope.find(expression.name, line);
    let place: Place =
      named.kind === "memory"
        ? { kind: "memory", memory: named.memory, at: "0", type: named.memory.type, parts: null }
        : named;
    for (let postfix = expression.postfix; postfix; postfix = postfix.postfix) {
      if (postfix instanceof StringExpr) place = this.#member(place, postfix.value, postfix.line);
      else if (postfix instanceof ArrayIndex) {
        const index = this.#value(postfix.index, scope).parts[0] as string;
        place = this.#index(place, index, postfix.line);
      } else refuse(line, `what stands behind ${expression.name}`);
    }
    return place;
  }

  #member(place: Place, name: string, line: number): Place {
    if (place.kind === "value" || place.kind === "local")
      return { kind: place.kind, value: this.part(place.value, name, line) };
    if (place.kind === "memory" && place.type.kind === "struct") {
      const at = place.type.members.findIndex((member) => member.name === name);
      const memory = place.memory.members[at];
      return {
        ...place,
        memory: memory ?? refuse(line, `the member ${name}`),
        type: place.type.members[at]?.type as Type,
      };
    }
    const numbers = swizzle(name, line);
    const type = vectorType(scalarOf(place.type, line), numbers.length);
    if (place.kind === "array") {
      if (numbers.length > 1) return { kind: "value", value: this.part(this.load(place, line), name, line) };
      return { ...place, at: this.#sum(place.at, numbers[0] as number), type };
    }
    return { ...place, type, parts: numbers.map((n) => place.parts?.[n] ?? String(n)) };
  }

  #index(place: Place, index: string, line: number): Place {
    if (place.kind === "memory") {
      const { type } = place;
      if (type.kind === "array") {
        const units = unitsOf(type.element);
        const inner =
          type.count === null || place.at === "0"
            ? index
            : this.#code.hold(`R.inside(${index}, ${type.count}, ${line})`);
        const step = units === 1 ? inner : `${inner} * ${units}`;
        return { ...place, at: this.#code.hold(place.at === "0" ? step : `${place.at} + ${step}`), type: type.element };
      }
      if (type.kind !== "vector") return refuse(line, `an index into ${describe(type)}`);
      return { ...place, type: scalarType(type.scalar), parts: [this.#inside(index, type.size, line)] };
    }
    const { type } = place.kind === "array" ? place : place.value;
    const element = type.kind === "array" ? type.element : scalarType(scalarOf(type, line));
    const count = type.kind === "array" ? (type.count ?? 0) : widthOf(type);
    if (place.kind === "array" || type.kind === "array") {
      const array = place.kind === "array" ? place.array : (place.value.parts[0] as string);
      const own = `${this.#inside(index, count, line)} * ${widthOf(element)}`;
      const at = this.#code.hold(place.kind === "array" ? `${place.at} + ${own}` : own);
      return { kind: "array", array, at, type: element };
    }
    if (/^\d+$/.test(index)) {
      const part = place.value.parts[Number(index)] ?? refuse(line, `component ${index} of ${describe(type)}`);
      return { kind: place.kind, value: { type: element, parts: [part] } };
    }
    return { kind: "value", value: this.element(place.value, index, line) };
  }

  #inside(index: string, count: number, line: number): string {
    return /^\d+$/.test(index) && Number(index) < count
      ? index
      : this.#code.hold(`R.inside(${index}, ${count}, ${line})`);
  }

  #sum(at: string, more: number): string {
    return more === 0 ? at : this.#code.hold(`${at} + ${more}`);
  }

  /** A member or a swizzle of a value. */
  part(value: Value, name: string, line: number): Value {
    const { type, parts } = value;
    if (type.kind === "struct") {
      let first = 0;
      for (const member of type.members) {
        const width = widthOf(member.type);
        if (member.name === name) return { type: member.type, parts: parts.slice(first, first + width) };
        first += width;
      }
      return refuse(line, `the member ${name} of ${type.name}`);
    }
    const numbers = swizzle(name, line);
    return { type: vectorType(scalarOf(type, line), numbers.length), parts: numbers.map((n) => parts[n] as string) };
  }

  /** An element of a value. */
  element(value: Value, index: string, line: number): Value {
    const { type, parts } = value;
    if (type.kind === "array") {
      const place = this.#index({ kind: "value", value }, index, line);
      return this.load(place, line);
    }
    const part = /^\d+$/.test(index) ? parts[Number(index)] : undefined;
    const type1 = scalarType(scalarOf(type, line));
    if (part !== undefined) return { type: type1, parts: [part] };
    return { type: type1, parts: [this.#code.hold(`R.component([${parts.join(", ")}], ${index}, ${line})`)] };
  }

  load(place: Place, line: number): Value {
    switch (place.kind) {
      case "value":
        return place.value;
      case "local": {
        const { type, parts } = place.value;
        // A later assignment must not change what was read.
        if (type.kind === "array") return { type, parts: [this.#code.hold(`${parts[0]}.slice()`)] };
        return { type, parts: parts.map((part) => this.#code.hold(part)) };
      }
      case "array": {
        const { type, array, at } = place;
        if (type.kind === "array")
          return { type, parts: [this.#code.hold(`${array}.slice(${at}, ${at} + ${widthOf(type)})`)] };
        const parts = Array.from({ length: widthOf(type) }, (_, i) => this.#code.hold(`${array}[${at} + ${i}]`));
        return { type, parts };
      }
      case "memory": {
        const { memory, type } = place;
        if (type.kind === "array") return refuse(line, `a load of ${describe(type)} as a whole`);
        if (type.kind === "struct") {
          const members = type.members.map(({ name }) => this.load(this.#member(place, name, line), line));
          return { type, parts: members.flatMap(({ parts }) => parts) };
        }
        const first = this.#code.hold(`${memory.js}.read(${place.at}, ${line})`);
        const numbers = place.parts ?? Array.from({ length: memory.width }, (_, i) => String(i));
        const scalar = memory.scalar;
        const parts = numbers.map((n) => this.#code.hold(fromMemory(scalar, `${memory.js}.data[${first} + ${n}]`)));
        return { type, parts };
      }
      default:
        return place satisfies never;
    }
  }

  /** Stores a value that has the place's type. */
  store(place: Place, value: Value, line: number): void {
    if (place.kind === "value") refuse(line, "an assignment to a value");
    switch (place.kind) {
      case "local": {
        const { type, parts } = place.value;
        if (type.kind === "array") this.#code.line(`${parts[0]} = ${value.parts[0]}.slice();`);
        else parts.forEach((part, i) => void this.#code.line(`${part} = ${value.parts[i]};`));
        return;
      }
      case "array":
        value.parts.forEach((part, i) => void this.#code.line(`${place.array}[${place.at} + ${i}] = ${part};`));
        return;
      case "memory": {
        const { memory, type } = place;
        if (type.kind === "array") refuse(line, `a store of ${describe(type)} as a whole`);
        if (type.kind === "struct") {
          for (const { name } of type.members)
            this.store(this.#member(place, name, line), this.part(value, name, line), line);
          return;
        }
        // A component's store may touch the whole vector (WGSL, "component reference from vector memory view").
        const first = this.#code.hold(`${memory.js}.write(${place.at}, ${line})`);
        const numbers = place.parts ?? Array.from({ length: memory.width }, (_, i) => String(i));
        numbers.forEach((n, i) => {
          this.#code.line(`${memory.js}.data[${first} + ${n}] = ${toMemory(memory.scalar, value.parts[i] as string)};`);
        });
        return;
      }
      default:
        place satisfies never;
    }
  }

  /** An atomic operation, which gives what was there before. */
  atomic(name: string, place: Place, operands: readonly Value[], line: number): Value | null {
    if (place.kind !== "memory") return refuse(line, `${name} of a variable`);
    const { memory } = place;
    const { scalar } = memory;
    const at = this.#code.hold(`${memory.js}.atomic(${place.at}, ${line})`);
    const cell = `${memory.js}.data[${at}]`;
    const old = this.#code.hold(cell);
    const result: Value = { type: scalarType(scalar), parts: [old] };
    if (name === "atomicLoad") return result;
    const x =
      operands[0] === undefined
        ? refuse(line, `${name} without a number`)
        : (components(operands[0], scalar, 1, line)[0] as string);
    const changed: Readonly<Record<string, string>> = {
      atomicStore: x,
      atomicExchange: x,
      atomicAdd: binary("+", scalar, old, x, line),
      atomicSub: binary("-", scalar, old, x, line),
      atomicMax: `Math.max(${old}, ${x})`,
      atomicMin: `Math.min(${old}, ${x})`,
      atomicAnd: wrap(scalar, `(${old} & ${x})`),
      atomicOr: wrap(scalar, `(${old} | ${x})`),
      atomicXor: wrap(scalar, `(${old} ^ ${x})`),
    };
    this.#code.line(`${cell} = ${changed[name] ?? refuse(line, `the function ${name}`)};`);
    return name === "atomicStore" ? null : result;
  }

  /** A variable of an invocation that starts with a value. */
  variable(name: string, value: Value): Value {
    const { type, parts } = value;
    const held = parts.map((part) => {
      const js = this.#code.fresh(name);
      const initial = type.kind === "array" && isSimple(part) ? `${part}.slice()` : part;
      this.#code.line(`let ${js} = ${initial};`);
      return js;
    });
    return { type, parts: held };
  }
}

/** Units of a type in shared memory. */
export function unitsOf(type: Type): number {
  return type.kind === "array" ? (type.count ?? 1) * unitsOf(type.element) : 1;
}

function fromMemory(scalar: Scalar, x: string): string {
  if (scalar === "f16") return `R.fromHalfBits(${x})`;
  return scalar === "bool" ? `(${x} !== 0)` : x;
}

function toMemory(scalar: Scalar, x: string): string {
  return scalar === "f16" ? `R.toHalfBits(${x})` : x;
}
