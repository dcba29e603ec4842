// Integer index arithmetic: linear combinations of atoms, kept simple enough that composed views stay cheap.

/** A part of an index that is no number: a loop variable, a quotient or remainder of an index, or a value read from data. */
export type Atom =
  | { readonly kind: "variable"; readonly key: string; readonly min: number; readonly max: number }
  | {
      readonly kind: "quotient";
      readonly key: string;
      readonly of: Index;
      readonly by: number;
      readonly min: number;
      readonly max: number;
    }
  | {
      readonly kind: "remainder";
      readonly key: string;
      readonly of: Index;
      readonly by: number;
      readonly min: number;
      readonly max: number;
    }
  | {
      readonly kind: "value";
      readonly key: string;
      /** The source of the number, which only the shader writer looks at. */
      readonly from: { readonly id: number };
      readonly coordinates: readonly Index[];
      readonly min: number;
      readonly max: number;
    };

interface Term {
  readonly atom: Atom;
  readonly factor: number;
}

/** Σ factorᵢ·atomᵢ + constant, with the range of values that it can take. */
export class Index {
  readonly terms: readonly Term[];
  readonly constant: number;
  readonly min: number;
  readonly max: number;
  #key: string | undefined;

  constructor(terms: readonly Term[], constant: number) {
    this.terms = terms;
    this.constant = constant;
    let min = constant;
    let max = constant;
    for (const { atom, factor } of terms) {
      min += factor * (factor > 0 ? atom.min : atom.max);
      max += factor * (factor > 0 ? atom.max : atom.min);
    }
    this.min = min;
    this.max = max;
  }

  /** Equal keys mean equal indices. */
  get key(): string {
    this.#key ??= [...this.terms.map((t) => `${t.factor}*${t.atom.key}`), this.constant].join("+");
    return this.#key;
  }

  get isConstant(): boolean {
    return this.terms.length === 0;
  }
}

/** A demand on an index: low ≤ index < high, or index divisible by `divisor`. */
export type Condition =
  | { readonly kind: "range"; readonly index: Index; readonly low: number; readonly high: number }
  | { readonly kind: "divisible"; readonly index: Index; readonly divisor: number };

export function constantIndex(value: number): Index {
  return new Index([], value);
}

/** A loop variable in 0 … size - 1. */
export function variable(name: string, size: number): Index {
  return size <= 1 ? constantIndex(0) : atomIndex({ kind: "variable", key: name, min: 0, max: size - 1 });
}

/** An index that is read from element `coordinates` of an integer tensor: anything may stand there. */
export function valueIndex(from: { readonly id: number }, coordinates: readonly Index[]): Index {
  const key = `{${from.id}:${coordinates.map((c) => c.key).join(",")}}`;
  return atomIndex({ kind: "value", key, from, coordinates, min: -(2 ** 31), max: 2 ** 31 - 1 });
}

function atomIndex(atom: Atom): Index {
  return new Index([{ atom, factor: 1 }], 0);
}

export function addIndex(a: Index, b: Index): Index {
  if (a.isConstant) return a.constant === 0 ? b : new Index(b.terms, b.constant + a.constant);
  if (b.isConstant) return b.constant === 0 ? a : new Index(a.terms, a.constant + b.constant);
  return collect([...a.terms, ...b.terms], a.constant + b.constant);
}

export function scaleIndex(a: Index, factor: number): Index {
  if (factor === 1) return a;
  if (factor === 0) return constantIndex(0);
  return new Index(
    a.terms.map((t) => ({ atom: t.atom, factor: t.factor * factor })),
    a.constant * factor,
  );
}

/** Sums equal atoms and rejoins c·d·⌊x/d⌋ + c·(x mod d) to c·x. */
function collect(terms: readonly Term[], constant: number): Index {
  const byKey = new Map<string, Term>();
  for (const term of terms) {
    const known = byKey.get(term.atom.key);
    const factor = (known?.factor ?? 0) + term.factor;
    if (factor === 0) byKey.delete(term.atom.key);
    else byKey.set(term.atom.key, { atom: term.atom, factor });
  }
  for (const { atom, factor } of byKey.values()) {
    if (atom.kind !== "remainder") continue;
    const partner = quotientIndex(atom.of, atom.by);
    const only = partner.terms[0];
    if (partner.terms.length !== 1 || only === undefined || only.factor !== 1 || partner.constant !== 0) continue;
    const quotient = byKey.get(only.atom.key);
    if (quotient === undefined || quotient.factor !== factor * atom.by) continue;
    byKey.delete(atom.key);
    byKey.delete(only.atom.key);
    const whole = scaleIndex(atom.of, factor);
    return collect([...byKey.values(), ...whole.terms], constant + whole.constant);
  }
  return new Index(
    [...byKey.values()].sort((a, b) => (a.atom.key < b.atom.key ? -1 : 1)),
    constant,
  );
}

/** Parts of `index` that `by` divides, and the rest, whose constant lies in 0 … by - 1. */
function splitBy(index: Index, by: number): { whole: Index; rest: Index } {
  const whole: Term[] = [];
  const rest: Term[] = [];
  for (const term of index.terms) {
    if (term.factor % by === 0) whole.push({ atom: term.atom, factor: term.factor / by });
    else rest.push(term);
  }
  const constant = Math.floor(index.constant / by);
  return { whole: new Index(whole, constant), rest: new Index(rest, index.constant - constant * by) };
}

/** ⌊index / by⌋ for a positive `by`; exact where the index is ≥ 0 (elsewhere a condition must mask the result). */
export function quotientIndex(index: Index, by: number): Index {
  if (by === 1) return index;
  const { whole, rest } = splitBy(index, by);
  if (rest.min >= 0 && rest.max < by) return whole;
  const common = commonFactor(rest, by);
  if (common > 1) {
    const reduced = new Index(
      rest.terms.filter((t) => t.factor % common === 0).map((t) => ({ atom: t.atom, factor: t.factor / common })),
      Math.floor(rest.constant / common),
    );
    return addIndex(whole, quotientIndex(reduced, by / common));
  }
  const only = rest.terms[0];
  if (rest.constant === 0 && rest.terms.length === 1 && only?.factor === 1 && only.atom.kind === "quotient") {
    return addIndex(whole, quotientIndex(only.atom.of, only.atom.by * by));
  }
  // A negative rest must not be cut off: keep it whole, so that truncation only meets masked values.
  const of = rest.min >= 0 ? rest : index;
  const atom: Atom = {
    kind: "quotient",
    key: `(${of.key})/${by}`,
    of,
    by,
    min: Math.floor(of.min / by),
    max: Math.floor(of.max / by),
  };
  return rest.min >= 0 ? addIndex(whole, atomIndex(atom)) : atomIndex(atom);
}

/** index mod by, in 0 … by - 1 where the index is ≥ 0. */
export function remainderIndex(index: Index, by: number): Index {
  if (by === 1) return constantIndex(0);
  const { rest } = splitBy(index, by);
  if (rest.min >= 0 && rest.max < by) return rest;
  const common = commonFactor(rest, by);
  if (common > 1) {
    const small = rest.terms.filter((t) => t.factor % common !== 0);
    const large = rest.terms.filter((t) => t.factor % common === 0);
    const low = ((rest.constant % common) + common) % common;
    const reduced = new Index(
      large.map((t) => ({ atom: t.atom, factor: t.factor / common })),
      (rest.constant - low) / common,
    );
    return addIndex(new Index(small, low), scaleIndex(remainderIndex(reduced, by / common), common));
  }
  const of = rest.min >= 0 ? rest : index;
  return atomIndex({ kind: "remainder", key: `(${of.key})%${by}`, of, by, min: Math.min(of.min, 0), max: by - 1 });
}

/** The largest g > 1 that divides `by` and all factors but small ones, which together stay below g; else 1. */
function commonFactor(index: Index, by: number): number {
  if (index.min < 0) return 1;
  const candidates = new Set<number>();
  for (const { factor } of index.terms) {
    const g = gcd(Math.abs(factor), by);
    if (g > 1) candidates.add(g);
  }
  for (const g of [...candidates].sort((a, b) => b - a)) {
    let low = index.constant % g;
    let high = low;
    for (const { atom, factor } of index.terms) {
      if (factor % g === 0) continue;
      low += factor * (factor > 0 ? atom.min : atom.max);
      high += factor * (factor > 0 ? atom.max : atom.min);
    }
    if (low >= 0 && high < g && index.terms.some((t) => t.factor % g === 0)) return g;
  }
  return 1;
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** Σ coordinateᵢ·strideᵢ. */
export function linearIndex(coordinates: readonly Index[], strides: readonly number[]): Index {
  const terms: Term[] = [];
  let constant = 0;
  coordinates.forEach((coordinate, i) => {
    const stride = strides[i] as number;
    if (stride === 0) return;
    for (const t of coordinate.terms) terms.push({ atom: t.atom, factor: t.factor * stride });
    constant += coordinate.constant * stride;
  });
  return collect(terms, constant);
}

/** The coordinates in `shape` of a row-major linear index. */
export function delinearize(index: Index, shape: readonly number[]): Index[] {
  const coordinates = new Array<Index>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] as number;
    if (size <= 1) {
      coordinates[i] = constantIndex(0);
      continue;
    }
    const above = quotientIndex(index, stride);
    coordinates[i] = index.max < stride * size ? above : remainderIndex(above, size);
    stride *= size;
  }
  return coordinates;
}

/** Replaces variables by other indices. */
export function substitute(index: Index, values: ReadonlyMap<string, Index>): Index {
  let result = constantIndex(index.constant);
  for (const { atom, factor } of index.terms) {
    result = addIndex(result, scaleIndex(substituteAtom(atom, values), factor));
  }
  return result;
}

function substituteAtom(atom: Atom, values: ReadonlyMap<string, Index>): Index {
  switch (atom.kind) {
    case "variable":
      return values.get(atom.key) ?? atomIndex(atom);
    case "quotient":
      return quotientIndex(substitute(atom.of, values), atom.by);
    case "remainder":
      return remainderIndex(substitute(atom.of, values), atom.by);
    case "value":
      return valueIndex(
        atom.from,
        atom.coordinates.map((c) => substitute(c, values)),
      );
    default:
      return atom satisfies never;
  }
}

/** Calls `visit` with the name of every variable inside, also in what data is read by. */
export function visitVariables(index: Index, visit: (name: string) => void): void {
  for (const { atom } of index.terms) {
    if (atom.kind === "variable") visit(atom.key);
    else if (atom.kind === "value") for (const c of atom.coordinates) visitVariables(c, visit);
    else visitVariables(atom.of, visit);
  }
}

/** The number that `index` is when the variables have these values. */
export function evaluateIndex(index: Index, values: ReadonlyMap<string, number>): number {
  let sum = index.constant;
  for (const { atom, factor } of index.terms) {
    let value: number;
    if (atom.kind === "quotient") value = Math.floor(evaluateIndex(atom.of, values) / atom.by);
    else if (atom.kind === "remainder") {
      const of = evaluateIndex(atom.of, values);
      value = of - Math.floor(of / atom.by) * atom.by;
    } else value = values.get(atom.key) ?? Number.NaN;
    sum += factor * value;
  }
  return sum;
}

/** True or false where the range of the index decides, else undefined. */
export function decideCondition(condition: Condition): boolean | undefined {
  const { index } = condition;
  if (condition.kind === "range") {
    if (index.min >= condition.low && index.max < condition.high) return true;
    if (index.max < condition.low || index.min >= condition.high) return false;
    return undefined;
  }
  if (condition.divisor === 1) return true;
  const rest = remainderIndex(index, condition.divisor);
  return rest.isConstant ? rest.constant === 0 : undefined;
}

/** Whether `condition` holds when the variables have these values. */
export function evaluateCondition(condition: Condition, values: ReadonlyMap<string, number>): boolean {
  const value = evaluateIndex(condition.index, values);
  if (condition.kind === "range") return value >= condition.low && value < condition.high;
  return value % condition.divisor === 0;
}

/** How many values an index takes, at most. */
export function valuesOf(index: Index): number {
  const sizes = new Map<string, number>();
  const visit = ({ terms }: Index): void => {
    for (const { atom } of terms) {
      if (atom.kind === "variable") sizes.set(atom.key, atom.max - atom.min + 1);
      else if (atom.kind === "value") atom.coordinates.forEach(visit);
      else visit(atom.of);
    }
  };
  visit(index);
  return [...sizes.values()].reduce((product, size) => product * size, 1);
}

/** Names of the variables in indices. */
export function variablesOf(indices: readonly Index[]): Set<string> {
  const names = new Set<string>();
  for (const index of indices) visitVariables(index, (name) => names.add(name));
  return names;
}
