// Expressions as JavaScript: every intermediate result is a constant of its own, every vector one constant per component.

import {
  ArrayIndex,
  BinaryOperator,
  BitcastExpr,
  CallExpr,
  ConstExpr,
  CreateExpr,
  type Expression,
  LiteralExpr,
  StringExpr,
  TypecastExpr,
  UnaryOperator,
  VariableExpr,
} from "wgsl_reflect/wgsl_reflect.module.js";
import { binary, COMPARISONS, convert, reinterpret, wrap } from "./arithmetic.ts";
import { callBuiltin, commonScalar, components } from "./builtins.ts";
import { Places } from "./places.ts";
import type { Context, Scope } from "./scope.ts";
import { callSubgroup } from "./subgroup-calls.ts";
import { refuse, scalarOf, scalarType, type Type, typeOf, type Value, vectorType, widthOf } from "./types.ts";

/** Writes expressions in the scope at hand. */
export class Expressions {
  readonly #context: Context;
  readonly places: Places;

  constructor(context: Context) {
    this.#context = context;
    this.places = new Places(context.code, (expression, scope) => this.value(expression, scope));
  }

  /** The value of an expression with everything that stands behind it. */
  value(expression: Expression, scope: Scope): Value {
    if (expression instanceof VariableExpr)
      return this.places.load(this.places.find(expression, scope), expression.line);
    let value = this.#bare(expression, scope);
    for (let postfix = expression.postfix; postfix; postfix = postfix.postfix) {
      if (postfix instanceof StringExpr) value = this.places.part(value, postfix.value, postfix.line);
      else if (postfix instanceof ArrayIndex) {
        const index = this.value(postfix.index, scope);
        value = this.places.element(value, index.parts[0] as string, postfix.line);
      } else refuse(postfix.line, `what stands behind an expression: ${postfix.astNodeType}`);
    }
    return value;
  }

  /** The value as a given type: literals and vectors of one number fit themselves in. */
  as(type: Type, expression: Expression, scope: Scope): Value {
    return this.fit(type, this.value(expression, scope), expression.line);
  }

  fit(type: Type, value: Value, line: number): Value {
    if (type.kind === "array" || type.kind === "struct") return value;
    const scalar = scalarOf(type, line);
    const from = scalarOf(value.type, line);
    const literal = from === "int" || (from === "f32" && scalar === "f16");
    if (from !== scalar && !literal) return refuse(line, `${from} where ${scalar} is wanted`);
    return { type, parts: components(value, scalar, widthOf(type), line) };
  }

  #bare(expression: Expression, scope: Scope): Value {
    const { line } = expression;
    if (expression instanceof LiteralExpr) return this.#literal(expression);
    if (expression instanceof ConstExpr) return this.value(expression.initializer, scope);
    if (expression instanceof UnaryOperator) return this.#unary(expression, scope);
    if (expression instanceof BinaryOperator) return this.#binary(expression, scope);
    if (expression instanceof BitcastExpr) {
      const value = this.value(expression.value, scope);
      const to = typeOf(expression.type, line);
      const from = scalarOf(value.type, line);
      const [source, target] = [from === "int" ? "i32" : from, scalarOf(to, line)] as const;
      return this.#hold(
        to,
        value.parts.map((part) => reinterpret(source, target, part, line)),
      );
    }
    if (expression instanceof CallExpr) {
      const args = expression.args ?? [];
      return this.call(expression.name, args, scope, line) ?? refuse(line, `the value of ${expression.name}`);
    }
    if (expression instanceof CreateExpr || expression instanceof TypecastExpr) return this.#create(expression, scope);
    return refuse(line, `the expression ${expression.astNodeType}`);
  }

  #hold(type: Type, parts: readonly string[]): Value {
    return { type, parts: parts.map((part) => this.#context.code.hold(part)) };
  }

  #literal(expression: LiteralExpr): Value {
    const type = typeOf(expression.type, expression.line);
    const number = expression.scalarValue;
    if (type.kind === "scalar" && type.scalar === "bool") return { type, parts: [number ? "true" : "false"] };
    return { type, parts: [Object.is(number, -0) ? "-0" : String(number)] };
  }

  #unary({ operator, right, line }: UnaryOperator, scope: Scope): Value {
    const value = this.value(right, scope);
    const scalar = scalarOf(value.type, line);
    return this.#hold(
      value.type,
      value.parts.map((part) => {
        if (operator === "!") return `!${part}`;
        if (operator === "-") return scalar === "f32" || scalar === "f16" ? `-(${part})` : wrap(scalar, `-(${part})`);
        if (operator === "~") return wrap(scalar, `~(${part})`);
        return refuse(line, `the operator ${operator}`);
      }),
    );
  }

  #binary({ operator, left, right, line }: BinaryOperator, scope: Scope): Value {
    if (operator === "&&" || operator === "||") return this.#shortCircuit(operator, left, right, scope);
    const [a, b] = [this.value(left, scope), this.value(right, scope)];
    const size = Math.max(widthOf(a.type), widthOf(b.type));
    const shift = operator === "<<" || operator === ">>";
    const scalar = shift ? scalarOf(a.type, line) : commonScalar([a, b], line);
    const x = components(a, scalar, size, line);
    const y = components(b, shift ? scalarOf(b.type, line) : scalar, size, line);
    const result = COMPARISONS.has(operator) ? "bool" : scalar;
    return this.#hold(
      vectorType(result, size),
      x.map((part, i) => binary(operator, scalar, part, y[i] as string, line)),
    );
  }

  /** The right side is computed where the left one leaves the result open. */
  #shortCircuit(operator: "&&" | "||", left: Expression, right: Expression, scope: Scope): Value {
    const { code } = this.#context;
    const result = code.fresh("c");
    code.line(`let ${result} = ${this.value(left, scope).parts[0]};`);
    code.line(`if (${operator === "&&" ? result : `!${result}`}) {`);
    code.line(`${result} = ${this.value(right, scope).parts[0]};`, "}");
    return { type: scalarType("bool"), parts: [result] };
  }

  /** A constructor: of a scalar, a vector, an array or a struct; without arguments, zeros. */
  #create(expression: CreateExpr | TypecastExpr, scope: Scope): Value {
    const { line } = expression;
    const args = (expression.args ?? []).map((arg) => this.value(arg, scope));
    const inferred = expression.type?.name.startsWith("vec") && args.length > 0 ? commonScalar(args, line) : null;
    const type = typeOf(expression.type, line, inferred);
    if (args.length === 0) return this.zero(type);
    if (type.kind === "array") {
      const parts = args.flatMap((arg) => this.fit(type.element, arg, line).parts);
      return { type, parts: [this.#context.code.hold(`[${parts.join(", ")}]`)] };
    }
    if (type.kind === "struct") {
      const parts = args.flatMap((arg, i) => this.fit(type.members[i]?.type ?? arg.type, arg, line).parts);
      return { type, parts };
    }
    const scalar = scalarOf(type, line);
    const parts = args.flatMap((arg) => arg.parts.map((part) => convert(scalarOf(arg.type, line), scalar, part)));
    const held = this.#hold(vectorType(scalar, parts.length), parts);
    return { type, parts: components(held, scalar, widthOf(type), line) };
  }

  zero(type: Type): Value {
    if (type.kind === "array") {
      const parts = Array.from({ length: widthOf(type) }, () => "0");
      return { type, parts: [this.#context.code.hold(`[${parts.join(", ")}]`)] };
    }
    const zeros = (of: Type): string[] =>
      of.kind === "struct"
        ? of.members.flatMap((member) => zeros(member.type))
        : Array.from({ length: widthOf(of) }, () => ("scalar" in of && of.scalar === "bool" ? "false" : "0"));
    return { type, parts: zeros(type) };
  }

  /** Calls a function, one of the text or a built-in one; null where it has no value. */
  call(name: string, args: readonly Expression[], scope: Scope, line: number): Value | null {
    const { code, functions } = this.#context;
    const written = functions.get(name);
    if (written !== undefined) {
      const values = args.flatMap((arg, i) => this.as(written.parameters[i] as Type, arg, scope).parts);
      const call = `${written.suspends ? "yield* " : ""}${written.js}(${["own", ...values].join(", ")})`;
      const { result } = written;
      if (result === null) {
        code.line(`${call};`);
        return null;
      }
      const returned = code.hold(written.suspends ? `(${call})` : call);
      if (widthOf(result) === 1) return { type: result, parts: [returned] };
      return this.#hold(
        result,
        Array.from({ length: widthOf(result) }, (_, i) => `${returned}[${i}]`),
      );
    }
    const first = args[0];
    if (name === "arrayLength" && first !== undefined) {
      const place = this.places.find(pointee(first), scope);
      if (place.kind !== "memory") return refuse(line, "arrayLength of a variable");
      return this.#hold(scalarType("u32"), [`${place.memory.js}.length`]);
    }
    if (name.startsWith("atomic") && first !== undefined) {
      const place = this.places.find(pointee(first), scope);
      const operands = args.slice(1).map((arg) => this.value(arg, scope));
      return this.places.atomic(name, place, operands, line);
    }
    const values = args.map((arg) => this.value(arg, scope));
    return (
      callSubgroup(name, values, line, this.#context) ??
      callBuiltin(name, values, line, code) ??
      refuse(line, `the function ${name}`)
    );
  }
}

/** What `&` stands in front of. */
function pointee(expression: Expression): VariableExpr {
  const target = expression instanceof UnaryOperator && expression.operator === "&" ? expression.right : expression;
  return target instanceof VariableExpr ? target : refuse(expression.line, "a pointer that is no name");
}
