// The body of a shader while it is written: nested scopes of lines, and the names of what they compute.

import { must } from "../base/errors.ts";
import type { Value } from "../graph/definition.ts";

/** A WGSL expression (a name or a literal) with its width and the scope where it is known. */
export interface Operand {
  readonly code: string;
  readonly width: 1 | 4;
  readonly depth: number;
  /** The number that a literal stands for. */
  readonly number?: number;
}

/** What an expression is: an index, an element of a buffer, or anything else. */
export type Kind = "index" | "load" | "value";

interface Let {
  readonly token: string;
  readonly code: string;
  readonly kind: Kind;
}

/** A line, a named expression, or a block with lines of its own. */
type Entry = string | Let | { readonly head: string; readonly entries: readonly Entry[] };

interface Scope {
  readonly entries: Entry[];
  readonly variables: Set<string>;
  readonly memo: Map<string, Operand>;
  /** What the kernel's own reductions come to here. */
  readonly results: Map<Value, Operand>;
}

/*
 * While a body is written, a name is a token: what the variable holds, and a number (`sum§3`). Names are given when all of the text is known:
 * the plain word where nothing else in the text is called so.
 */
const TOKEN = /([A-Za-z_]\w*§\d+)/;
const WORD = /[A-Za-z_]\w*/g;

/** Words that WGSL keeps for itself, as far as ops are called so. */
export const RESERVED: ReadonlySet<string> = new Set([
  "where",
  "mod",
  "final",
  "pass",
  "self",
  "target",
  "with",
  "std",
]);

/** What a variable is called that a reduction sums up in: PyTorch's `amax` is a max. */
export function nameOfReduction(op: string): string {
  return op.replace(/^a(?=max$|min$)/, "");
}

/** Whether an expression is nothing but a name or a number. */
export function isName(code: string): boolean {
  return /^[\w§]+$/.test(code);
}

/** The words in some text. */
export function wordsIn(text: string): readonly string[] {
  return text.match(WORD) ?? [];
}

export class Scopes {
  readonly #scopes: Scope[] = [];
  #names = 0;

  constructor() {
    this.open();
  }

  /** Number of the innermost scope. */
  get depth(): number {
    return this.#scopes.length - 1;
  }

  open(): void {
    this.#scopes.push({ entries: [], variables: new Set(), memo: new Map(), results: new Map() });
  }

  /** Closes the innermost scope and writes it as `head { … }` into the one around it. */
  close(head: string): void {
    const { entries } = must(this.#scopes.pop(), "no scope to close");
    this.#scope(this.depth).entries.push({ head, entries });
  }

  /** Writes a line into the innermost scope. */
  line(text: string): void {
    this.#scope(this.depth).entries.push(text);
  }

  /** Declares a loop variable of the innermost scope. */
  declare(name: string): void {
    this.#scope(this.depth).variables.add(name);
  }

  /** A name that nothing else has, for what holds such a thing. */
  fresh(prefix: string): string {
    return `${prefix}§${this.#names++}`;
  }

  /** Names an expression in the innermost scope or the one at `depth`; what has a name there already keeps it. */
  name(prefix: string, code: string, depth: number = this.depth, kind: Kind = "value"): string {
    const key = `=${code}`;
    const known = this.recall(key);
    if (known !== undefined) return known.code;
    const token = this.fresh(prefix);
    const scope = this.#scope(depth);
    scope.entries.push({ token, code, kind });
    scope.memo.set(key, { code: token, width: 1, depth });
    return token;
  }

  /** What is known by `key` here. */
  protected recall(key: string): Operand | undefined {
    for (let d = this.depth; d >= 0; d--) {
      const found = this.#scope(d).memo.get(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Makes `operand` known by `key` wherever it is valid, or from the scope at `depth` on. */
  protected remember(key: string, operand: Operand, depth: number = operand.depth): Operand {
    this.#scope(depth).memo.set(key, operand);
    return operand;
  }

  /**
   * Says what a reduction of this kernel comes to from here on. What a kernel computes reads its reductions at the element at hand alone, so
   * coordinates say nothing more: those that are equal in the group's variables need not look equal in a loop's.
   */
  defineResult(value: Value, operand: Operand): void {
    this.#scope(this.depth).results.set(value, operand);
  }

  protected resultOf(value: Value): Operand | undefined {
    for (let d = this.depth; d >= 0; d--) {
      const found = this.#scope(d).results.get(value);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The scope in which a loop variable is declared, or null. */
  protected scopeOf(name: string): number | null {
    for (let d = this.depth; d >= 0; d--) if (this.#scope(d).variables.has(name)) return d;
    return null;
  }

  /** What prints the body. */
  printer(): Printer {
    return new Printer(this.#scope(0).entries);
  }

  #scope(depth: number): Scope {
    return must(this.#scopes[depth], "no such scope");
  }
}

/** Prints a body: with names in place of tokens, and without names for what is read once, right behind. */
export class Printer {
  readonly #entries: readonly Entry[];
  /** The words of the body that are no names: functions, types, keywords. */
  readonly words: Set<string> = new Set();
  /** Texts and tokens by turns. */
  readonly #parts = new Map<Entry, readonly string[]>();
  /** How often each token is read. */
  readonly #uses = new Map<string, number>();
  readonly #names = new Map<string, string>();

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
    this.#count(entries);
  }

  /** The lines of the body. `around` are words that mean something outside of it. */
  lines(around: ReadonlySet<string>): string[] {
    const lines: string[] = [];
    this.#print(this.#entries, new Set([...around, ...this.words]), "", lines);
    return lines;
  }

  #count(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const parts = textOf(entry).split(TOKEN);
      this.#parts.set(entry, parts);
      parts.forEach((part, i) => {
        if (i % 2 === 1) this.#uses.set(part, (this.#uses.get(part) ?? 0) + 1);
        else for (const word of wordsIn(part)) this.words.add(word);
      });
      if (typeof entry !== "string" && "entries" in entry) this.#count(entry.entries);
    }
  }

  #partsOf(entry: Entry): readonly string[] {
    return this.#parts.get(entry) ?? [];
  }

  #print(entries: readonly Entry[], around: ReadonlySet<string>, indent: string, lines: string[]): void {
    const taken = new Set(around);
    const inlined = this.#inlined(entries);
    const write = (parts: readonly string[]): string =>
      parts
        .map((part, i) => {
          if (i % 2 === 0) return part;
          const code = inlined.get(part);
          return code === undefined ? this.#nameOf(part, taken) : enclosed(write(code), parts, i);
        })
        .join("");
    for (const entry of entries) {
      if (typeof entry === "string") lines.push(indent + write(this.#partsOf(entry)));
      else if ("entries" in entry) {
        lines.push(`${indent}${write(this.#partsOf(entry))} {`);
        this.#print(entry.entries, taken, `${indent}  `, lines);
        lines.push(`${indent}}`);
      } else if (!inlined.has(entry.token) && (entry.kind !== "index" || this.#uses.has(entry.token))) {
        const code = write(this.#partsOf(entry));
        lines.push(`${indent}let ${this.#nameOf(entry.token, taken)} = ${code};`);
      }
    }
  }

  /** What needs no name: it is read once, in the same scope, and nothing is stored before. */
  #inlined(entries: readonly Entry[]): ReadonlyMap<string, readonly string[]> {
    const inlined = new Map<string, readonly string[]>();
    const lengths = new Map<string, number>();
    const open = new Map<string, Let>();
    for (const entry of entries) {
      const own = typeof entry !== "string" && "token" in entry ? entry : null;
      let length = own?.code.length ?? 0;
      const parts = this.#partsOf(entry);
      for (let i = 1; i < parts.length; i += 2) {
        const token = parts[i] as string;
        const found = open.get(token);
        // Elements are read where they are put together to a vec4.
        if (found === undefined || (found.kind === "load" && own?.kind !== "load")) continue;
        const size = lengths.get(token) as number;
        if (size > LONGEST) continue;
        inlined.set(token, this.#partsOf(found));
        length += size - token.length;
      }
      if (own !== null) {
        if (own.kind === "value" || this.#uses.get(own.token) !== 1) continue;
        open.set(own.token, own);
        lengths.set(own.token, length);
      } else {
        // What is stored or declared there might be what an element is read from.
        for (const [token, { kind }] of open) if (kind === "load") open.delete(token);
      }
    }
    return inlined;
  }

  #nameOf(token: string, taken: Set<string>): string {
    let name = this.#names.get(token);
    if (name === undefined) {
      const prefix = token.slice(0, token.indexOf("§"));
      name = prefix;
      for (let n = RESERVED.has(prefix) ? 1 : 2; taken.has(name) || RESERVED.has(name); n++) name = `${prefix}_${n}`;
      taken.add(name);
      this.#names.set(token, name);
    }
    return name;
  }
}

/** Characters (with tokens) of an expression that is written where it is read. */
const LONGEST = 48;

/** The text of an entry itself. */
function textOf(entry: Entry): string {
  if (typeof entry === "string") return entry;
  return "token" in entry ? entry.code : entry.head;
}

/** An expression as part i of a text, in brackets where it needs them. */
function enclosed(code: string, parts: readonly string[], i: number): string {
  const [before, behind] = [parts[i - 1] ?? "", parts[i + 1] ?? ""];
  const first = i === 1 && before === "";
  const last = i === parts.length - 2 && behind === "";
  const alone = (first || /([[(]|, )$/.test(before)) && (last || /^( [-+<>]=? |[\]),])/.test(behind));
  return alone || !/[-+*/%] /.test(code) ? code : `(${code})`;
}
