// The buffers that a kernel binds: how they are declared, and how elements are read and written.

import { bytesOf, type DType } from "../base/dtype.ts";
import { sizeOf, stridesOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import { addIndex, constantIndex, type Index, linearIndex, scaleIndex, valuesOf } from "../graph/index-expression.ts";

import { atLane, divisibleByFour, hasLane, IndexWriter, lane } from "./index-writer.ts";
import type { Operand } from "./scopes.ts";

import { componentOf, elementOf, storedElement, widen } from "./wgsl.ts";

/** A buffer that a kernel binds. */
export interface Binding {
  readonly value: Value;
  readonly name: string;
  readonly access: "read" | "read_write";
}

export abstract class Buffers extends IndexWriter {
  readonly #written: ReadonlySet<Value>;
  /** Buffers that are read or written four elements at a time. */
  readonly #vectors: Set<Value>;
  /** Elements that the bindings of some buffers begin with: nothing in front of them is read. */
  readonly #starts: ReadonlyMap<Value, number>;
  readonly #bindings = new Map<Value, Binding>();
  /** Leaves that are overwritten in place: the same binding as what is written. */
  readonly #shared = new Map<Value, Value>();
  readonly #parts = new Map<Value, { readonly whole: Value; readonly offset: number }>();
  /** The first element that is read from each buffer. */
  readonly lowest: Map<Value, number> = new Map();
  /** Per buffer that is read: the first and last element, and how many at most. */
  readonly #reads = new Map<Value, { low: number; high: number; count: number; readonly seen: Set<string> }>();
  /** Reads at known residues mod 4 share one vec4 load: pays where neighbours are read too (unrolled sums). */
  quads = false;

  constructor(written: ReadonlySet<Value>, vectors: Set<Value>, starts: ReadonlyMap<Value, number>) {
    super();
    this.#written = written;
    this.#vectors = vectors;
    this.#starts = starts;
  }

  /** In binding order: what is read, then what is written. */
  get bindings(): readonly Binding[] {
    const all = [...this.#bindings.values()];
    return [
      ...all.filter(({ value }) => !this.#written.has(value)),
      ...all.filter(({ value }) => this.#written.has(value)),
    ];
  }

  /** `read` and `written` are one buffer. */
  share(read: Value, written: Value): void {
    this.#shared.set(read, written);
  }

  /** `part` is read as the elements of `whole` from `offset` on: two bindings of the same bytes are not allowed. */
  within(part: Value, whole: Value, offset: number): void {
    this.#parts.set(part, { whole, offset });
  }

  /** Whether the buffer of `written` also holds what the kernel reads. */
  overwrites(written: Value): boolean {
    const wholes = [...this.#parts.values()].map(({ whole }) => whole);
    return [...this.#shared.keys(), ...this.#shared.values(), ...wholes].includes(written);
  }

  /** The value whose binding stands for `value`. */
  #bound(value: Value): Value {
    return this.#shared.get(value) ?? this.#parts.get(value)?.whole ?? value;
  }

  /** Whether the buffer that holds `value` is an array of vec4. */
  isVector(value: Value): boolean {
    return this.#vectors.has(this.#bound(value));
  }

  /** The name of the buffer that holds `value`. */
  bind(of: Value): string {
    const value = this.#bound(of);
    let binding = this.#bindings.get(value);
    if (binding === undefined) {
      const writes = this.#written.has(value);
      const prefix = writes ? "out" : "in";
      const count = [...this.#bindings.values()].filter(({ name }) => name.startsWith(prefix)).length;
      const access = writes || value.leaf === null ? "read_write" : "read";
      binding = { value, name: `${prefix}${count}`, access };
      this.#bindings.set(value, binding);
    }
    return binding.name;
  }

  protected declarations(): string[] {
    return this.bindings.map(({ value, name, access }, i) => {
      const element = storedElement(value.dtype);
      const type = this.#vectors.has(value) ? `vec4<${element}>` : element;
      return `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${type}>;`;
    });
  }

  /** Reads an element (or four) of a buffer. */
  load(value: Value, coordinates: readonly Index[]): Operand {
    const wanted = linearIndex(coordinates, stridesOf(value.shape));
    // Only a masked element, or a loop that never runs, is asked for in front of the buffer.
    const inside = wanted.isConstant && wanted.constant < 0 ? constantIndex(0) : wanted;
    const name = this.bind(value);
    const bound = this.#bound(value);
    const place = addIndex(inside, constantIndex(this.#parts.get(value)?.offset ?? 0));
    this.lowest.set(bound, Math.min(this.lowest.get(bound) ?? Number.POSITIVE_INFINITY, place.min));
    this.#noteRead(bound, place);
    const linear = addIndex(place, constantIndex(-(this.#starts.get(bound) ?? 0)));
    if (!hasLane(linear)) return this.#loadOne(value, name, linear);
    const base = atLane(linear, 0);
    if (linear.key === addIndex(base, lane).key && divisibleByFour(base)) {
      this.#vectors.add(bound);
      const depth = this.depthOf(base);
      const text = decoded(`${name}[${this.index(scaleIndex(base, 0.25))}]`, value.dtype, 4);
      return { code: this.name(elementName(name), text, depth, "load"), width: 4, depth };
    }
    const lanes = this.inLanes((i) => this.#loadOne(value, name, atLane(linear, i)));
    const depth = Math.max(...lanes.map((l) => l.depth));
    const text = `vec4<${elementOf(value.dtype)}>(${lanes.map((l) => l.code).join(", ")})`;
    return { code: this.name(elementName(name), text, depth, "load"), width: 4, depth };
  }

  #noteRead(value: Value, at: Index): void {
    const read = this.#reads.get(value) ?? { low: at.min, high: at.max, count: 0, seen: new Set() };
    this.#reads.set(value, read);
    if (read.seen.has(at.key)) return;
    read.seen.add(at.key);
    read.low = Math.min(read.low, at.min);
    read.high = Math.max(read.high, at.max);
    read.count += valuesOf(at);
  }

  /** Bytes that are read and written, at most: what several invocations read counts once. */
  get bytes(): number {
    let bytes = 0;
    for (const value of this.#bindings.keys()) {
      const size = sizeOf(value.shape);
      const read = this.#reads.get(value);
      const range = read === undefined ? 0 : Math.min(read.high, size - 1) - Math.max(read.low, 0) + 1;
      const elements = Math.max(0, Math.min(read?.count ?? 0, range));
      bytes += (elements + (this.#written.has(value) ? size : 0)) * bytesOf(value.dtype);
    }
    return bytes;
  }

  #loadOne(value: Value, name: string, wanted: Index): Operand {
    // A masked lane may ask for an element in front of the buffer, which WGSL refuses where it is constant.
    const linear = wanted.isConstant && wanted.constant < 0 ? constantIndex(0) : wanted;
    const key = `${name}[${linear.key}]`;
    const known = this.recall(key);
    if (known !== undefined) return known;
    const depth = this.depthOf(linear);
    const residue = ((linear.constant % 4) + 4) % 4;
    const base = addIndex(linear, constantIndex(-residue));
    if (this.quads && divisibleByFour(base)) {
      this.#vectors.add(this.#bound(value));
      const text = decoded(`${name}[${this.index(scaleIndex(base, 0.25))}]`, value.dtype, 4);
      const four = this.name(elementName(name), text, depth, "load");
      return this.remember(key, { code: `${four}.${componentOf(residue)}`, width: 1, depth });
    }
    const text = decoded(this.#element(value, name, linear), value.dtype, 1);
    return this.remember(key, { code: this.name(elementName(name), text, depth, "load"), width: 1, depth });
  }

  /** One element of a buffer, which may be an array of vec4. */
  #element(value: Value, name: string, linear: Index): string {
    const at = this.index(linear);
    if (!this.isVector(value)) return `${name}[${at}]`;
    return linear.isConstant ? `${name}[${Number(at) >> 2}][${Number(at) & 3}]` : `${name}[${at} >> 2u][${at} & 3]`;
  }

  /** Writes `operand` to element `linear` of the buffer of `value`; `guard` tells, lane by lane, what may be written. */
  store(value: Value, linear: Index, operand: Operand, guard: (lane: number) => string | null = () => null): void {
    const name = this.bind(value);
    const { dtype } = value;
    if (!hasLane(linear)) {
      this.#guarded(guard(0), [`${this.#element(value, name, linear)} = ${encoded(operand.code, dtype, 1)};`]);
      return;
    }
    const base = atLane(linear, 0);
    const uniform = [1, 2, 3].every((i) => guard(i) === guard(0));
    if (uniform && linear.key === addIndex(base, lane).key && divisibleByFour(base)) {
      this.#vectors.add(this.#bound(value));
      const code = widen(operand.code, operand.width, 4, elementOf(dtype));
      this.#guarded(guard(0), [`${name}[${this.index(scaleIndex(base, 0.25))}] = ${encoded(code, dtype, 4)};`]);
      return;
    }
    const stores = this.inLanes((i) => {
      const one = operand.width === 4 ? `${operand.code}.${componentOf(i)}` : operand.code;
      return `${this.#element(value, name, atLane(linear, i))} = ${encoded(one, dtype, 1)};`;
    });
    if (uniform) this.#guarded(guard(0), stores);
    else
      stores.forEach((statement, i) => {
        this.#guarded(guard(i), [statement]);
      });
  }

  #guarded(guard: string | null, statements: readonly string[]): void {
    if (guard !== null && statements.length === 1) this.line(`if (${guard}) { ${statements[0]} }`);
    else {
      if (guard !== null) this.open();
      for (const statement of statements) this.line(statement);
      if (guard !== null) this.close(`if (${guard})`);
    }
  }
}

/** What an element of a buffer is called: `x0` of `in0`. */
function elementName(buffer: string): string {
  return buffer.replace(/^in/, "x").replace(/^out/, "y");
}

/** What stored bytes mean. */
function decoded(code: string, dtype: DType, width: 1 | 4): string {
  if (dtype === "bool") return width === 4 ? `${code} != vec4<u32>(0u)` : `${code} != 0u`;
  if (dtype === "f16") return width === 4 ? `vec4<f32>(${code})` : `f32(${code})`;
  return code;
}

/** What is stored of a value. */
function encoded(code: string, dtype: DType, width: 1 | 4): string {
  if (dtype === "bool")
    return width === 4 ? `select(vec4<u32>(0u), vec4<u32>(1u), ${code})` : `select(0u, 1u, ${code})`;
  if (dtype === "f16") return width === 4 ? `vec4<f16>(${code})` : `f16(${code})`;
  return code;
}
