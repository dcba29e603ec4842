// Writes indices and demands on them: integer arithmetic, each part of it as far out as its variables allow.

import { internal } from "../base/errors.ts";
import type { Value } from "../graph/definition.ts";
import {
  type Condition,
  constantIndex,
  decideCondition,
  Index,
  substitute,
  variable,
  visitVariables,
} from "../graph/index-expression.ts";

import { isName, type Operand, Scopes } from "./scopes.ts";

/** The lane of a vec4: coordinates that contain it stand for four elements. */
export const LANE = "v";
export const lane: Index = variable(LANE, 4);

export abstract class IndexWriter extends Scopes {
  /** The lane that an index is written for, where each has its own. */
  protected lane: number | null = null;

  /** The value of an element: indices may be read from data. */
  abstract value(value: Value, coordinates: readonly Index[]): Operand;

  /** Writes what indexes with one lane of what the coordinates stand for. */
  protected inLane<T>(i: number, write: () => T): T {
    const around = this.lane;
    this.lane = i;
    const written = write();
    this.lane = around;
    return written;
  }

  /** The same, for all four lanes. */
  protected inLanes<T>(write: (i: number) => T): T[] {
    return [0, 1, 2, 3].map((i) => this.inLane(i, () => write(i)));
  }

  protected depthOf(index: Index): number {
    let depth = 0;
    visitVariables(index, (name) => {
      if (name === LANE) return;
      const own = this.scopeOf(name);
      if (own === null) throw internal(`index variable ${name} is not in scope`);
      depth = Math.max(depth, own);
    });
    return depth;
  }

  /** An index without lanes as i32 expression: a name or a number. */
  index(index: Index): string {
    if (index.isConstant) return String(index.constant);
    const known = this.recall(`#${index.key}`);
    if (known !== undefined) return known.code;
    const depth = this.depthOf(index);
    // Indices that differ by a number share all that is computed before it is added.
    const sum = this.#sum(index);
    const { constant } = index;
    const text = constant === 0 ? sum : `${sum} ${constant > 0 ? "+" : "-"} ${Math.abs(constant)}`;
    const name = isName(text) ? text : this.name("n", text, depth, "index");
    this.remember(`#${index.key}`, { code: name, width: 1, depth });
    return name;
  }

  /** An index but for its constant. */
  #sum(index: Index): string {
    if (index.constant !== 0) return this.index(new Index(index.terms, 0));
    const terms = index.terms
      .map(({ atom, factor }) => ({ atom, factor, depth: this.depthOf(new Index([{ atom, factor: 1 }], 0)) }))
      .sort((a, b) => a.depth - b.depth || b.factor - a.factor);
    let text = "";
    let depth = 0;
    for (const term of terms) {
      // What is known further out is summed there.
      if (term.depth > depth && text !== "" && !isName(text)) text = this.name("n", text, depth, "index");
      depth = term.depth;
      const atom = this.#atom(term.atom);
      const size = Math.abs(term.factor);
      const part = size === 1 ? atom : `${atom} * ${size}`;
      if (text === "") text = term.factor > 0 ? part : `-${part}`;
      else text = `${text} ${term.factor > 0 ? "+" : "-"} ${part}`;
    }
    return text;
  }

  #atom(atom: Index["terms"][number]["atom"]): string {
    switch (atom.kind) {
      case "variable":
        return atom.key;
      case "value": {
        const code = this.value(atom.from as Value, atom.coordinates).code;
        return (atom.from as Value).dtype === "i32" ? code : `i32(${code})`;
      }
      case "quotient":
      case "remainder": {
        const of = this.index(atom.of);
        return this.name(
          "n",
          `${of} ${atom.kind === "quotient" ? "/" : "%"} ${atom.by}`,
          this.depthOf(atom.of),
          "index",
        );
      }
      default:
        return atom satisfies never;
    }
  }

  /** A demand on indices as bool expression; null when it always holds. */
  condition(conditions: readonly Condition[]): Operand | null {
    const open = conditions.filter((c) => decideCondition(c) !== true);
    if (open.length === 0) return null;
    if (open.some((c) => decideCondition(c) === false)) return { code: "false", width: 1, depth: 0 };
    if (open.some((c) => hasLane(c.index))) {
      const lanes = this.inLanes((i) => this.condition(open.map((c) => ({ ...c, index: atLane(c.index, i) }))));
      const depth = Math.max(...lanes.map((l) => l?.depth ?? 0));
      const code = `vec4<bool>(${lanes.map((l) => l?.code ?? "true").join(", ")})`;
      return { code: this.name("inside", code, depth), width: 4, depth };
    }
    const parts = open.map((c) => this.#demand(c));
    const depth = Math.max(...parts.map((p) => p.depth));
    // `&&` would branch, and SwiftShader compiles branches inside nested loops in exponential time.
    return { code: parts.map((p) => p.code).join(" & "), width: 1, depth };
  }

  /** One demand on an index without the lane, as the name of a bool. */
  #demand(c: Condition): Operand {
    const depth = this.depthOf(c.index);
    const code = this.name("inside", demanded(c, this.index(c.index)), depth);
    return { code, width: 1, depth };
  }
}

/** Whether the index differs between the lanes of a vec4. */
export function hasLane(index: Index): boolean {
  let found = false;
  visitVariables(index, (name) => {
    if (name === LANE) found = true;
  });
  return found;
}

/** The index at one lane. */
export function atLane(index: Index, i: number): Index {
  return hasLane(index) ? substitute(index, new Map([[LANE, constantIndex(i)]])) : index;
}

/** Whether four elements from `index` on are one vec4. */
export function divisibleByFour(index: Index): boolean {
  return index.constant % 4 === 0 && index.terms.every((t) => t.factor % 4 === 0);
}

/** A demand on the index that `text` computes. */
function demanded(c: Condition, text: string): string {
  if (c.kind === "divisible") return `${text} % ${c.divisor} == 0`;
  const [low, high] = [c.index.min < c.low, c.index.max >= c.high];
  // What is negative is large as u32.
  if (low && high && c.low === 0) return `u32(${text}) < ${c.high}u`;
  const parts = [...(low ? [`${text} >= ${c.low}`] : []), ...(high ? [`${text} < ${c.high}`] : [])];
  return parts.length === 1 ? (parts[0] as string) : parts.map((part) => `(${part})`).join(" & ");
}
