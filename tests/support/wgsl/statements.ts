// Statements as JavaScript.

import {
  Assign,
  Break,
  Call,
  Const,
  Continue,
  type Expression,
  For,
  If,
  Increment,
  Let,
  Return,
  type Statement,
  Var,
  VariableExpr,
  While,
} from "wgsl_reflect/wgsl_reflect.module.js";
import { binary } from "./arithmetic.ts";
import { commonScalar, components } from "./builtins.ts";
import type { Expressions } from "./expressions.ts";
import { type Context, Scope } from "./scope.ts";
import { refuse, type Scalar, scalarOf, scalarType, type Type, typeOf, type Value, widthOf } from "./types.ts";

/** Functions at which all invocations of a workgroup meet. */
export const BARRIERS: ReadonlySet<string> = new Set(["workgroupBarrier", "storageBarrier"]);

/** A block as the parser gives it: a list within the list. */
type Block = readonly (Statement | Block)[];

interface Loop {
  readonly name: string;
  readonly body: string;
}

/** Writes the body of one function. */
export class Statements {
  readonly #context: Context;
  readonly #expressions: Expressions;
  readonly #result: Type | null;

  constructor(context: Context, expressions: Expressions, result: Type | null) {
    this.#context = context;
    this.#expressions = expressions;
    this.#result = result;
  }

  block(statements: Block, scope: Scope, loop: Loop | null = null): void {
    for (const statement of statements) {
      if (isBlock(statement)) {
        this.#context.code.line("{");
        this.block(statement, new Scope(scope), loop);
        this.#context.code.line("}");
      } else this.#statement(statement, scope, loop);
    }
  }

  #statement(statement: Statement, scope: Scope, loop: Loop | null): void {
    const { code } = this.#context;
    const { line } = statement;
    if (statement instanceof Let || statement instanceof Const) {
      scope.define(statement.name, {
        kind: "value",
        value: this.#initial(statement.type, statement.value, scope, line),
      });
    } else if (statement instanceof Var) {
      const initial = this.#initial(statement.type, statement.value, scope, line);
      scope.define(statement.name, {
        kind: "local",
        value: this.#expressions.places.variable(statement.name, initial),
      });
    } else if (statement instanceof Assign) {
      this.#assign(statement.variable, statement.operator, statement.value, scope, line);
    } else if (statement instanceof Increment) {
      this.#assign(statement.variable, statement.operator === "++" ? "+=" : "-=", null, scope, line);
    } else if (statement instanceof Call) {
      this.#call(statement, scope);
    } else if (statement instanceof If) {
      this.#if(statement, scope, loop);
    } else if (statement instanceof For) {
      const inside = new Scope(scope);
      code.line("{");
      if (statement.init !== null) this.#statement(statement.init, inside, null);
      this.#loop(statement.condition, statement.increment, statement.body, inside, line);
      code.line("}");
    } else if (statement instanceof While) {
      this.#loop(statement.condition, null, statement.body, scope, line);
    } else if (statement instanceof Break && loop !== null) {
      code.line(`break ${loop.name};`);
    } else if (statement instanceof Continue && loop !== null) {
      code.line(`break ${loop.body};`);
    } else if (statement instanceof Return) {
      this.#return(statement.value, scope, line);
    } else refuse(line, `the statement ${statement.astNodeType}`);
  }

  #initial(written: Parameters<typeof typeOf>[0], expression: Expression | null, scope: Scope, line: number): Value {
    if (expression === null) return this.#expressions.zero(typeOf(written, line));
    const value = this.#expressions.value(expression, scope);
    const { type } = value;
    const concrete = "scalar" in type && type.scalar === "int" ? { ...type, scalar: "i32" as Scalar } : type;
    return this.#expressions.fit(written === null ? concrete : typeOf(written, line), value, line);
  }

  #assign(target: Expression, operator: string, expression: Expression | null, scope: Scope, line: number): void {
    if (!(target instanceof VariableExpr)) refuse(line, "an assignment to an expression");
    if (target.name === "_" && expression !== null) {
      this.#expressions.value(expression, scope);
      return;
    }
    const { places } = this.#expressions;
    const right: Value =
      expression === null ? { type: scalarType("int"), parts: ["1"] } : this.#expressions.value(expression, scope);
    const place = places.find(target, scope);
    const type = place.kind === "value" || place.kind === "local" ? place.value.type : place.type;
    let value = this.#compatible(type, right, line);
    if (operator !== "=") {
      const old = places.load(place, line);
      const size = widthOf(type);
      const scalar = commonScalar([old, right], line);
      const [a, b] = [components(old, scalar, size, line), components(right, scalar, size, line)];
      const parts = a.map((part, i) => binary(operator.slice(0, -1), scalar, part, b[i] as string, line));
      value = { type, parts: parts.map((part) => this.#context.code.hold(part)) };
    }
    places.store(place, value, line);
  }

  /** The value where it fits the type without arithmetic. */
  #compatible(type: Type, value: Value, line: number): Value {
    return this.#expressions.fit(type, value, line);
  }

  #call({ name, args, line }: Call, scope: Scope): void {
    if (!BARRIERS.has(name)) {
      this.#expressions.call(name, args, scope, line);
      return;
    }
    const site = this.#context.sites.push({ name, line }) - 1;
    this.#context.code.line(`yield { site: ${site}, values: NONE, argument: 0 };`);
  }

  #if(statement: If, scope: Scope, loop: Loop | null): void {
    const { code } = this.#context;
    const branches = [statement, ...(statement.elseif ?? [])];
    for (const { condition, body } of branches) {
      code.line(`if (${this.#condition(condition, scope)}) {`);
      this.block(body, new Scope(scope), loop);
      code.line("} else {");
    }
    this.block(statement.else ?? [], new Scope(scope), loop);
    code.line("}".repeat(branches.length));
  }

  #condition(expression: Expression, scope: Scope): string {
    const value = this.#expressions.value(expression, scope);
    const scalar = scalarOf(value.type, expression.line);
    return scalar === "bool" ? (value.parts[0] as string) : refuse(expression.line, `a condition of ${scalar}`);
  }

  #loop(condition: Expression | null, increment: Statement | null, body: Block, scope: Scope, line: number): void {
    const { code } = this.#context;
    const loop: Loop = { name: code.fresh("loop"), body: code.fresh("body") };
    code.line(
      `${loop.name}: for (;;) {`,
      `if (--now.turns < 0) throw new Error("line ${line}: the loop does not end");`,
    );
    if (condition !== null) code.line(`if (!${this.#condition(condition, scope)}) break;`);
    code.line(`${loop.body}: {`);
    this.block(body, new Scope(scope), loop);
    code.line("}");
    if (increment !== null) this.#statement(increment, scope, null);
    code.line("}");
  }

  #return(expression: Expression | null, scope: Scope, line: number): void {
    const { code } = this.#context;
    if (this.#result === null || expression === null) {
      code.line("return;");
      return;
    }
    const { parts } = this.#expressions.fit(this.#result, this.#expressions.value(expression, scope), line);
    code.line(parts.length === 1 ? `return ${parts[0]};` : `return [${parts.join(", ")}];`);
  }
}

function isBlock(statement: Statement | Block): statement is Block {
  return Array.isArray(statement);
}
