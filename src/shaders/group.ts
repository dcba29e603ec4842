// A group: what becomes one kernel. An index space, the sums over it, and the values stored from it.

import { type Shape, sizeOf, stridesOf } from "../base/shape.ts";
import type { HandWritten, ReduceDefinition, Value } from "../graph/definition.ts";
import {
  type Condition,
  constantIndex,
  delinearize,
  type Index,
  linearIndex,
  variable,
  variablesOf,
} from "../graph/index-expression.ts";
import type { Place } from "../graph/program.ts";

/** A reduction spelled out: what is combined, where it is read, over which loop variables. */
export interface Reduction {
  readonly value: Value;
  readonly definition: ReduceDefinition;
  readonly body: Value;
  /** Coordinates of the body's element in the variables o0, o1, … and r0, r1, …. */
  readonly coordinates: readonly Index[];
  /** Where these fail, the element is skipped. */
  readonly conditions: readonly Condition[];
  /** Sizes of the o variables: the reduction's own elements. */
  readonly outer: readonly number[];
  /** Sizes of the r variables. */
  readonly inner: readonly number[];
  /** Coordinates of the result in the o variables. */
  readonly result: readonly Index[];
  /** Coordinates of an element of the input's shape (before inner reductions were drawn in). */
  readonly element: readonly Index[];
  readonly elementShape: Shape;
}

/** Where in a group's index space a value is computed. */
export interface Home {
  readonly group: Group;
  /** Per result, per element that is summed, or (of a contraction) per row or column: beside the sums of one factor alone. */
  readonly domain: "outer" | "full" | "side";
  readonly coordinates: readonly Index[];
}

/** A contraction's factors: a reads the M variables, b the N variables, both the rest. */
export interface Contraction {
  readonly a: readonly Place[];
  readonly b: readonly Place[];
  /** Where these fail, a (b) counts as 0. */
  readonly aConditions: readonly Condition[];
  readonly bConditions: readonly Condition[];
  readonly m: readonly number[];
  readonly n: readonly number[];
  readonly batch: readonly number[];
}

export class Group {
  readonly id: number;
  readonly kind: "map" | "row" | "contraction" | "kernel";
  readonly outer: readonly number[];
  readonly inner: readonly number[];
  readonly reductions: Reduction[] = [];
  readonly contraction: Contraction | null;
  /** Parts into which a long reduction is split, each summed by a kernel of its own first. */
  readonly parts: number;
  readonly #after = new Set<Group>();
  /** A bit for each group that runs before, directly or not, by its position. */
  #earlier = new Uint32Array(1);
  #position = 0;
  /** Groups that were told to run after this one. */
  #followers: Group[] = [];
  /** The buffers that its kernel reads. Everything else that it needs is computed on the way. */
  reads: ReadonlySet<Value> = new Set();
  readonly stored: Value[] = [];
  /** What a group of kind "kernel" runs. */
  handWritten: HandWritten | null = null;

  constructor(
    id: number,
    kind: Group["kind"],
    outer: readonly number[],
    inner: readonly number[],
    contraction: Contraction | null,
    parts: number,
  ) {
    this.id = id;
    this.kind = kind;
    this.outer = outer;
    this.inner = inner;
    this.contraction = contraction;
    this.parts = parts;
  }

  get rows(): number {
    return sizeOf(this.outer);
  }

  get length(): number {
    return sizeOf(this.inner);
  }

  /** The o variables. */
  get outerVariables(): Index[] {
    return this.outer.map((n, i) => variable(`o${i}`, n));
  }

  /** Coordinates in `shape` of the outer space's elements, in the same row-major order. */
  outerCoordinates(shape: Shape): Index[] {
    return delinearize(linearIndex(this.outerVariables, stridesOf(this.outer)), shape);
  }

  /** The outer variables of the factors that this contraction also sums alone. */
  get sides(): (readonly number[])[] {
    const { contraction } = this;
    if (contraction === null || this.reductions.length < 2) return [];
    const summed = this.reductions.slice(1).map((r) => variablesOf(r.result));
    return [contraction.m, contraction.n].filter((dims) =>
      summed.some((names) => dims.some((i) => names.has(`o${i}`))),
    );
  }

  /** Coordinates in `shape` of the elements that the outer variables `dims` number. */
  sideCoordinates(dims: readonly number[], shape: Shape): Index[] {
    const sizes = dims.map((i) => this.outer[i] as number);
    const variables = dims.map((i) => variable(`o${i}`, this.outer[i] as number));
    return delinearize(linearIndex(variables, stridesOf(sizes)), shape);
  }

  /** Coordinates in `shape` of the full space's elements, in the order of the first reduction's input. */
  fullCoordinates(shape: Shape): Index[] | null {
    const first = this.reductions[0];
    if (first === undefined || sizeOf(first.elementShape) !== sizeOf(shape)) return null;
    return delinearize(linearIndex(first.element, stridesOf(first.elementShape)), shape);
  }

  /** Groups that must run before, as they were named. */
  get after(): ReadonlySet<Group> {
    return this.#after;
  }

  /** Its number among the groups that it is ordered with. */
  get position(): number {
    return this.#position;
  }

  /** Joins groups to be ordered with, waiting for none of them. What was said of the order among others is forgotten. */
  join(fellows: Group[]): void {
    this.#after.clear();
    this.#earlier = new Uint32Array(1);
    this.#position = fellows.length;
    this.#followers = [];
    fellows.push(this);
  }

  /** Lets this group run after `other`. */
  runAfter(other: Group): void {
    if (other === this || this.#after.has(other)) return;
    this.#after.add(other);
    other.#followers.push(this);
    // The question is asked far more often than the answer changes: all that follow from here learn of all that came before.
    const open: Group[] = [this];
    for (let group = open.pop(); group !== undefined; group = open.pop()) {
      if (group.dependsOn(other)) continue;
      group.#learn(other);
      open.push(...group.#followers);
    }
  }

  /** Notes that this group comes behind `other` and all that come before that. */
  #learn(other: Group): void {
    const word = other.#position >>> 5;
    const length = Math.max(word + 1, other.#earlier.length);
    if (this.#earlier.length < length) {
      const longer = new Uint32Array(length);
      longer.set(this.#earlier);
      this.#earlier = longer;
    }
    const own = this.#earlier;
    other.#earlier.forEach((bits, i) => {
      own[i] = (own[i] as number) | bits;
    });
    own[word] = (own[word] as number) | (1 << (other.#position & 31));
  }

  /** Waits for what `other` waits for, and lets wait what waits for it. */
  takeOver(other: Group): void {
    for (const group of other.#after) this.runAfter(group);
    for (const group of other.#followers) group.runAfter(this);
  }

  /** Whether this group runs, directly or not, after `other`, or is it. */
  dependsOn(other: Group): boolean {
    const bits = this.#earlier[other.#position >>> 5] ?? 0;
    return this === other || ((bits >>> (other.#position & 31)) & 1) === 1;
  }
}

/** The variables of a reduction over `dims` of an input of `shape`. */
export function reductionVariables(
  shape: Shape,
  dims: readonly number[],
): { element: Index[]; result: Index[]; outer: number[]; inner: number[] } {
  const outer: number[] = [];
  const inner: number[] = [];
  const element: Index[] = [];
  const result: Index[] = [];
  shape.forEach((n, i) => {
    const zero = constantIndex(0);
    if (n === 1) {
      element.push(zero);
      result.push(zero);
    } else if (dims.includes(i)) {
      element.push(variable(`r${inner.length}`, n));
      inner.push(n);
      result.push(zero);
    } else {
      const o = variable(`o${outer.length}`, n);
      outer.push(n);
      element.push(o);
      result.push(o);
    }
  });
  return { element, result, outer, inner };
}
