// Writes JavaScript: lines in order, each intermediate result under a name of its own.

/** The lines of a function under way. */
export class Code {
  readonly lines: string[] = [];
  readonly #names: { next: number };

  constructor(names: { next: number } = { next: 0 }) {
    this.#names = names;
  }

  line(...lines: string[]): void {
    this.lines.push(...lines);
  }

  /** A name that nothing else has. */
  fresh(name: string): string {
    return `${name}$${this.#names.next++}`;
  }

  /** A constant that holds what the expression gives now. */
  hold(expression: string, name = "t"): string {
    const held = this.fresh(name);
    this.line(`const ${held} = ${expression};`);
    return held;
  }

  /** The lines that `write` adds, taken out. */
  apart(write: () => void): string[] {
    const start = this.lines.length;
    write();
    return this.lines.splice(start);
  }
}

/** Whether an expression costs nothing to repeat. */
export function isSimple(expression: string): boolean {
  return /^-?[\w$.]+$/.test(expression);
}
