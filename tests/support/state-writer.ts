// Writes a program line by line while the eager model runs it, so that the next line can be chosen by what is there.

import { EAGER } from "./eager-layers.ts";
import { EagerTensor } from "./eager-model.ts";
import { Dice } from "./random-program.ts";
import { HELPERS, type Line } from "./state-judge.ts";

type Shape = readonly number[];

/** A tensor that the next line may use, as an expression. */
export interface Item {
  readonly text: string;
  readonly x: EagerTensor;
  /** Whether it is a name of its own, which may be disposed of. */
  readonly own: boolean;
}

export interface Model {
  readonly name: string;
  /** How it is made: those of one kind have the same state. */
  readonly kind: string;
  readonly embeds: boolean;
  parameters(): EagerTensor[];
}

export interface Step {
  readonly name: string;
  /** Whether its second argument holds classes. */
  readonly labels: boolean;
  /** Whether it may give tensors new values. */
  readonly assigns: boolean;
  /** What clears gradients after a call; "" where no gradient is taken. */
  readonly after: string;
}

const HELPER_SOURCE = `${Object.values(HELPERS).join("\n")}\nreturn { ${Object.keys(HELPERS).join(", ")} };`;
const API: Readonly<Record<string, unknown>> = {
  ...EAGER,
  see: () => undefined,
  ...(new Function(...Object.keys(EAGER), HELPER_SOURCE)(...Object.values(EAGER)) as object),
};
/** Larger numbers would leave float32 no digits to compare. */
const LARGEST = 30;
const MOST_ELEMENTS = 16;

export class Writer {
  readonly dice: Dice;
  lines: Line[] = [];
  readonly #frames: Map<string, unknown>[] = [new Map()];
  readonly models: Model[] = [];
  readonly optimizers: { readonly name: string; readonly kind: string; readonly params: EagerTensor[] }[] = [];
  readonly steps: Step[] = [];
  readonly snapshots: { readonly name: string; readonly kind: string }[] = [];
  /** Lines that look at what was asked for before. */
  readonly pending: string[] = [];
  /** Names that are bound again by later lines, which a compiled step would not follow. */
  readonly rebound: Set<string> = new Set();
  /** Tensors that something else still needs: they are not disposed of. */
  readonly needed: Set<EagerTensor> = new Set();
  /** Whether lines may wait: not within the function of a scope or a step. */
  top = true;
  /** Within the function of a step that is compiled. */
  tracing = false;
  /** Within `noGrad`. */
  quiet = false;
  depth = 0;
  /** Names of outer frames than this one must not be disposed of: lines run again need them. */
  #kept = 0;
  #count = 0;

  /** Names of actions that are not taken. */
  readonly without: ReadonlySet<string>;

  /** Writes something of any kind. */
  readonly any: () => void;

  constructor(seed: number, without: ReadonlySet<string>, any: (w: Writer) => void) {
    this.dice = new Dice(seed);
    this.any = () => any(this);
    this.without = without;
  }

  name(prefix: string): string {
    return `${prefix}${++this.#count}`;
  }

  chance(p: number): boolean {
    return this.dice.next() < p;
  }

  number(): number {
    return Math.round((this.dice.next() * 2 - 1) * 100) / 100;
  }

  seed(): number {
    return 1 + this.dice.below(400);
  }

  #all(): Map<string, unknown> {
    return new Map(this.#frames.flatMap((frame) => [...frame]));
  }

  /** The value of an expression, as the model has it. */
  evaluate(text: string): unknown {
    const all = this.#all();
    const run = new Function(...Object.keys(API), ...all.keys(), `"use strict"; return (${text});`);
    return run(...Object.values(API), ...all.values());
  }

  /** Runs statements; returns what the names that may be bound again are afterwards. */
  execute(text: string): void {
    const all = this.#all();
    const again = [...this.rebound].filter((name) => all.has(name));
    const source = `"use strict"; ${text.replaceAll("await ", "")}; return { ${again.join(", ")} };`;
    const run = new Function(...Object.keys(API), ...all.keys(), source);
    const after = run(...Object.values(API), ...all.values()) as Record<string, unknown>;
    for (const name of again) this.#frames.find((frame) => frame.has(name))?.set(name, after[name]);
  }

  bind(name: string, value: unknown): void {
    this.#frames.at(-1)?.set(name, value);
  }

  value(name: string): unknown {
    return this.#all().get(name);
  }

  /** Writes `const name = text`; returns the value. */
  define(name: string, text: string, keyword = "const"): unknown {
    const value = this.evaluate(text);
    this.bind(name, value);
    this.lines.push(`${keyword} ${name} = ${text};`);
    return value;
  }

  /** Writes a new tensor, unless its numbers are too large or too many. */
  tensor(text: string, prefix = "t"): Item | null {
    const x = this.evaluate(text) as EagerTensor;
    if (x.ndim > 3 || x.numel > MOST_ELEMENTS || !isModest(x)) return null;
    const name = this.name(prefix);
    this.bind(name, x);
    this.lines.push(`const ${name} = ${text};`);
    return { text: name, x, own: true };
  }

  /** Writes a statement and runs it. */
  act(text: string): void {
    this.execute(text);
    this.lines.push(text);
  }

  /** Writes a line that only looks. */
  look(text: string): void {
    this.lines.push(text);
  }

  /** Runs `body` with a list of lines and names of its own, and returns the lines. */
  inside<T>(names: ReadonlyMap<string, unknown>, body: () => T): { lines: Line[]; result: T } {
    const outer = this.lines;
    const lines: Line[] = [];
    this.lines = lines;
    this.#frames.push(new Map(names));
    this.depth++;
    try {
      return { lines, result: body() };
    } finally {
      this.depth--;
      this.#frames.pop();
      this.lines = outer;
    }
  }

  /** `inside`, where no line may wait. */
  within<T>(names: ReadonlyMap<string, unknown>, body: () => T): { lines: Line[]; result: T } {
    const before = this.top;
    this.top = false;
    try {
      return this.inside(names, body);
    } finally {
      this.top = before;
    }
  }

  block(open: string, body: readonly Line[], close: string): void {
    this.lines.push({ open, body, close });
  }

  /** `body`, whose lines run more than once: they must leave outer names alone. */
  keeping<T>(body: () => T): T {
    const before = this.#kept;
    this.#kept = this.#frames.length;
    try {
      return body();
    } finally {
      this.#kept = before;
    }
  }

  /** All tensors that can be named here. */
  items(): Item[] {
    const found: Item[] = [];
    const visit = (text: string, value: unknown, own: boolean): void => {
      if (value instanceof EagerTensor) {
        if (value.disposed || value.dtype !== "f32") return;
        found.push({ text, x: value, own: own && !this.needed.has(value) });
        if (value.isLeaf && value.grad !== null && !this.tracing) visit(`${text}.grad`, value.grad, false);
      } else if (Array.isArray(value)) {
        value.forEach((part, i) => {
          visit(`${text}[${i}]`, part, false);
        });
      } else if (value !== null && typeof value === "object") {
        if (Object.getPrototypeOf(value) === Object.prototype)
          for (const [key, part] of Object.entries(value)) visit(`${text}.${key}`, part, false);
      }
    };
    this.#frames.forEach((frame, depth) => {
      for (const [name, value] of frame) {
        if (this.tracing && this.rebound.has(name)) continue;
        if (this.snapshots.some((snapshot) => snapshot.name === name)) continue;
        // A name without a number stands for a tensor of somebody else's.
        visit(name, value, /\d/.test(name) && depth >= this.#kept && !this.rebound.has(name));
      }
    });
    for (const { name, parameters } of this.models)
      parameters().forEach((x, i) => {
        visit(`${name}.parameters()[${i}]`, x, false);
      });
    return found;
  }

  /** One of the tensors that fit, rather a late one; null where there is none. */
  pick(fits: (item: Item) => boolean = () => true): Item | null {
    const list = this.items().filter(fits);
    if (list.length === 0) return null;
    const back = this.chance(0.5) ? this.dice.below(Math.min(5, list.length)) : this.dice.below(list.length);
    return list[list.length - 1 - back] ?? null;
  }

  /** Names that were disposed of. */
  gone(): string[] {
    return [...this.#all()].flatMap(([name, x]) => (x instanceof EagerTensor && x.disposed ? [name] : []));
  }

  /** An expression for new numbers from the host. */
  fresh(shape: Shape, options = ""): string {
    const { dice } = this;
    const rest = options === "" ? "" : `, { ${options} }`;
    const form = dice.below(8);
    if (form === 0) return `full([${shape}], ${this.number()}${rest})`;
    if (form === 1) return `ones([${shape}]${rest})`;
    if (form === 2) return `zeros([${shape}]${rest})`;
    return `tensor(host(${[this.seed(), ...shape].join(", ")})${rest})`;
  }

  /** Whether all numbers are still such that float32 can be compared. */
  isModest(): boolean {
    return this.items().every(({ x }) => isModest(x));
  }
}

export function isModest(x: EagerTensor): boolean {
  return x.value.data.every((n) => Math.abs(n) <= LARGEST);
}

export function isShape(x: EagerTensor, ...shape: number[]): boolean {
  return x.ndim === shape.length && shape.every((n, i) => n === x.shape[i]);
}
