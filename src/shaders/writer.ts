// Writes WGSL: scopes, names, bindings, and the value of any inline expression at given coordinates.

import type { DType } from "../base/dtype.ts";
import { internal, must } from "../base/errors.ts";
import { stridesOf } from "../base/shape.ts";
import type { ElementwiseDefinition, Value } from "../graph/definition.ts";
import { forLanes, takeLanes } from "../graph/helpers.ts";
import {
  addIndex,
  type Condition,
  constantIndex,
  decideCondition,
  Index,
  linearIndex,
  scaleIndex,
  substitute,
  variable,
  visitVariables,
} from "../graph/index-expression.ts";
import { inputCoordinates, placeKey } from "../graph/program.ts";
import type { WgslContext } from "../graph/wgsl-context.ts";
import { type Element, elementOf, hidden, literal, SPECIAL_BITS, storedElement, wgslContext } from "./wgsl.ts";

/** A WGSL expression (a name or a literal) with its width and the scope where it is known. */
export interface Operand {
  readonly code: string;
  readonly width: 1 | 4;
  readonly depth: number;
  /** The number that a literal stands for. */
  readonly number?: number;
}

interface Scope {
  readonly lines: string[];
  readonly variables: Set<string>;
  readonly memo: Map<string, Operand>;
  /** What the kernel's own reductions come to here. */
  readonly results: Map<Value, Operand>;
}

/** A buffer that a kernel binds. */
export interface Binding {
  readonly value: Value;
  readonly name: string;
  readonly access: "read" | "read_write";
}

/** The lane of a vec4: coordinates that contain it stand for four elements. */
export const LANE = "v";
export const lane: Index = variable(LANE, 4);

/** How a kernel reads the buffers that others wrote, and its own scalars. */
export interface Access {
  /** The buffer that holds `value`, or null where the kernel computes it inline. */
  isStored(value: Value): boolean;
}

const components = ["x", "y", "z", "w"];

export class Writer {
  readonly bindings: Map<Value, Binding> = new Map();
  /** Buffers that are read or written four elements at a time. */
  readonly vectors: Set<Value>;
  /** Elements that the bindings of some buffers begin with: nothing in front of them is read. */
  readonly #starts: ReadonlyMap<Value, number>;
  /** The first element that is read from each buffer. */
  readonly lowest: Map<Value, number> = new Map();
  readonly scalars: { readonly index: number; readonly dtype: DType }[] = [];
  readonly fused: string[] = [];
  /** Leaves that are overwritten in place: the same binding as what is written. */
  readonly #shared = new Map<Value, Value>();
  readonly #parts = new Map<Value, { readonly whole: Value; readonly offset: number }>();
  readonly #access: Access;
  readonly #written: ReadonlySet<Value>;
  readonly #scopes: Scope[] = [];
  readonly #helpers = new Set<string>();
  readonly #globals = new Set<string>();
  #names = 0;
  #flops = 0;
  readonly #enabled = new Set<string>();
  #special = false;
  /** The lane that an index is written for, where each has its own. */
  #lane: number | null = null;
  /** Reads at known residues mod 4 share one vec4 load: pays where neighbours are read too (unrolled sums). */
  quads = false;

  constructor(
    access: Access,
    written: ReadonlySet<Value>,
    vectors: Set<Value>,
    starts: ReadonlyMap<Value, number> = new Map(),
  ) {
    this.#access = access;
    this.#written = written;
    this.vectors = vectors;
    this.#starts = starts;
    this.open();
  }

  get depth(): number {
    return this.#scopes.length - 1;
  }

  /** Whether the kernel finds the value in a buffer that another one wrote. */
  isRead(value: Value): boolean {
    return this.#access.isStored(value);
  }

  get flops(): number {
    return this.#flops;
  }

  open(): void {
    this.#scopes.push({ lines: [], variables: new Set(), memo: new Map(), results: new Map() });
  }

  /** Closes the innermost scope and writes it as `head { … }` into the one around it. */
  close(head: string): void {
    const scope = must(this.#scopes.pop(), "no scope to close");
    this.line(`${head} {`);
    for (const text of scope.lines) this.line(`  ${text}`);
    this.line("}");
  }

  line(text: string): void {
    this.#scope(this.depth).lines.push(text);
  }

  /** Declares a loop variable of the innermost scope. */
  declare(name: string): void {
    this.#scope(this.depth).variables.add(name);
  }

  global(text: string): void {
    this.#globals.add(text);
  }

  fresh(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** Says what `value` is at `coordinates` from here on. */
  define(value: Value, coordinates: readonly Index[], operand: Operand): void {
    this.#scope(this.depth).memo.set(placeKey({ value, coordinates }), operand);
  }

  /**
   * Says what a reduction of this kernel comes to from here on. What a kernel computes reads its reductions at the element at hand alone, so
   * coordinates say nothing more: those that are equal in the group's variables need not look equal in a loop's.
   */
  defineResult(value: Value, operand: Operand): void {
    this.#scope(this.depth).results.set(value, operand);
  }

  /** What a reduction of this kernel comes to: of a vec4 the lane that is asked for. */
  #resultOf(value: Value): Operand | undefined {
    for (let d = this.depth; d >= 0; d--) {
      const found = this.#scope(d).results.get(value);
      if (found === undefined) continue;
      if (found.width === 1 || this.#lane === null) return found;
      return { code: `${found.code}.${components[this.#lane]}`, width: 1, depth: found.depth };
    }
    return undefined;
  }

  /** Writes what indexes with one lane of what the coordinates stand for. */
  #inLane<T>(i: number, write: () => T): T {
    const around = this.#lane;
    this.#lane = i;
    const written = write();
    this.#lane = around;
    return written;
  }

  #scope(depth: number): Scope {
    return must(this.#scopes[depth], "no such scope");
  }

  #recall(key: string): Operand | undefined {
    for (let d = this.depth; d >= 0; d--) {
      const found = this.#scope(d).memo.get(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #remember(key: string, operand: Operand): Operand {
    this.#scope(operand.depth).memo.set(key, operand);
    return operand;
  }

  #depthOf(index: Index): number {
    let depth = 0;
    visitVariables(index, (name) => {
      if (name === LANE) return;
      for (let d = this.depth; d >= 0; d--) {
        if (this.#scope(d).variables.has(name)) {
          depth = Math.max(depth, d);
          return;
        }
      }
      throw internal(`index variable ${name} is not in scope`);
    });
    return depth;
  }

  #let(prefix: string, code: string, depth: number): string {
    const name = this.fresh(prefix);
    this.#scope(depth).lines.push(`let ${name} = ${code};`);
    return name;
  }

  /** An index without lanes as i32 expression, hoisted as far out as its variables allow. */
  index(index: Index): string {
    if (index.isConstant) return String(index.constant);
    const known = this.#recall(`#${index.key}`);
    if (known !== undefined) return known.code;
    const terms = index.terms
      .map(({ atom, factor }) => ({ atom, factor, depth: this.#depthOf(new Index([{ atom, factor: 1 }], 0)) }))
      .sort((a, b) => a.depth - b.depth);
    let text = "";
    let depth = 0;
    const append = (sign: boolean, part: string) => {
      text = text === "" ? (sign ? part : `-${part}`) : `${text} ${sign ? "+" : "-"} ${part}`;
    };
    terms.forEach((term, i) => {
      const outermost = i === 0 || term.depth === (terms[0] as { depth: number }).depth;
      if (term.depth > depth && i > 0) {
        // What is known further out is summed there.
        if (!/^\w+$/.test(text)) text = this.#let("n", text, depth);
      }
      depth = term.depth;
      const atom = this.#atom(term.atom);
      const size = Math.abs(term.factor);
      append(term.factor > 0, size === 1 ? atom : `${atom} * ${size}`);
      const lastOutermost = outermost && (terms[i + 1]?.depth ?? Number.POSITIVE_INFINITY) > term.depth;
      if (lastOutermost && index.constant !== 0) append(index.constant > 0, String(Math.abs(index.constant)));
    });
    const name = /^\w+$/.test(text) ? text : this.#let("n", text, depth);
    this.#remember(`#${index.key}`, { code: name, width: 1, depth });
    return name;
  }

  #atom(atom: Index["terms"][number]["atom"]): string {
    switch (atom.kind) {
      case "variable":
        return atom.key;
      case "value": {
        const read = this.value(atom.from as Value, atom.coordinates);
        return (atom.from as Value).dtype === "i32" ? read.code : `i32(${read.code})`;
      }
      case "quotient":
      case "remainder": {
        const known = this.#recall(`@${atom.key}`);
        if (known !== undefined) return known.code;
        const of = this.index(atom.of);
        const depth = this.#depthOf(atom.of);
        const name = this.#let("n", `${of} ${atom.kind === "quotient" ? "/" : "%"} ${atom.by}`, depth);
        this.#remember(`@${atom.key}`, { code: name, width: 1, depth });
        return name;
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
      const lanes = [0, 1, 2, 3].map((i) =>
        this.#inLane(i, () => this.condition(open.map((c) => ({ ...c, index: atLane(c.index, i) })))),
      );
      const depth = Math.max(...lanes.map((l) => l?.depth ?? 0));
      return { code: `vec4<bool>(${lanes.map((l) => l?.code ?? "true").join(", ")})`, width: 4, depth };
    }
    const parts = open.map((c) => this.#demand(c));
    const depth = Math.max(...parts.map((p) => p.depth));
    // `&&` would branch, and SwiftShader compiles branches inside nested loops in exponential time.
    return { code: parts.map((p) => p.code).join(" & "), width: 1, depth };
  }

  /** One demand on an index without the lane, as the name of a bool. */
  #demand(c: Condition): Operand {
    const key = `?${c.kind === "divisible" ? `%${c.divisor}` : `${c.low}…${c.high}`} ${c.index.key}`;
    const known = this.#recall(key);
    if (known !== undefined) return known;
    const text = this.index(c.index);
    const depth = this.#depthOf(c.index);
    return this.#remember(key, { code: this.#let("c", demanded(c, text), depth), width: 1, depth });
  }

  /** The value of a node's element at `coordinates`; four elements where the coordinates contain the lane. */
  value(value: Value, coordinates: readonly Index[]): Operand {
    const result = this.#resultOf(value);
    if (result !== undefined) return result;
    const key = placeKey({ value, coordinates });
    const known = this.#recall(key);
    if (known !== undefined) return known;
    return this.#remember(key, this.#compute(value, coordinates));
  }

  #compute(value: Value, coordinates: readonly Index[]): Operand {
    const { definition } = value;
    if (value.leaf?.kind === "scalar") return this.#scalar(value);
    if (value.leaf !== null || this.#access.isStored(value)) return this.load(value, coordinates);
    const element = elementOf(value.dtype);
    if (definition.kind === "constant") {
      return this.#literal(value.attributes[0] as number, element);
    }
    if (definition.kind === "iota") {
      const at = coordinates[0] ?? constantIndex(0);
      if (at.isConstant) return this.#literal(at.constant, element);
      const cast = (text: string) => (element === "u32" ? `u32(${text})` : text);
      if (!hasLane(at)) return { code: cast(this.index(at)), width: 1, depth: this.#depthOf(at) };
      const lanes = [0, 1, 2, 3].map((i) => atLane(at, i));
      const codes = lanes.map((l, i) => this.#inLane(i, () => cast(this.index(l))));
      const depth = Math.max(...lanes.map((l) => this.#depthOf(l)));
      return { code: this.#let("x", `vec4<${element}>(${codes.join(", ")})`, depth), width: 4, depth };
    }
    const inner = inputCoordinates(value, coordinates, (v) => this.#access.isStored(v));
    switch (definition.kind) {
      case "view":
      case "alias":
      case "gather": {
        const condition = this.condition(inner.conditions);
        // Nothing is read where nothing can be: a gradient that one step of many gets, seen by all of them.
        if (condition?.code === "false") return this.#literal(inner.fill, element);
        const source = this.value(value.inputs[0] as Value, inner.coordinates[0] as Index[]);
        return condition === null ? source : this.#mask(source, condition, inner.fill, element);
      }
      case "elementwise": {
        const operands = value.inputs.map((input, i) => this.value(input, inner.coordinates[i] as Index[]));
        const width = operands.some((o) => o.width === 4) ? 4 : 1;
        const depth = Math.max(0, ...operands.map((o) => o.depth));
        const first = elementOf((value.inputs[0] as Value).dtype);
        const known = operands.every((o) => o.number !== undefined);
        const codes = operands.map((o, i) => {
          const type = elementOf((value.inputs[i] as Value).dtype);
          const { number } = o;
          const hide = number !== undefined && mayFail(number, known, definition);
          return this.#widen(hide ? { ...o, code: hidden(number, type) } : o, width, type);
        });
        const code = definition.wgsl(this.context(definition.helpers ?? [], first, width), ...codes);
        if (code.includes("special_bits")) this.#special = true;
        if (!this.fused.includes(definition.name)) this.fused.push(definition.name);
        this.#flops += definition.cost * width;
        return { code: this.#let("x", code, depth), width, depth };
      }
      default:
        throw internal(`a ${definition.name} cannot be computed inline`);
    }
  }

  #widen(operand: Operand, width: 1 | 4, element: Element): string {
    return operand.width === width ? operand.code : `vec4<${element}>(${operand.code})`;
  }

  #literal(number: number, element: Element): Operand {
    if (!Number.isFinite(Math.fround(number))) this.#special = true;
    return { code: literal(number, element), width: 1, depth: 0, number };
  }

  #mask(source: Operand, condition: Operand, fill: number, element: Element): Operand {
    if (Object.is(source.number, fill)) return source;
    if (!Number.isFinite(fill)) this.#special = true;
    const width = source.width === 4 || condition.width === 4 ? 4 : 1;
    const depth = Math.max(source.depth, condition.depth);
    const fillCode = width === 4 ? `vec4<${element}>(${literal(fill, element)})` : literal(fill, element);
    const code = `select(${fillCode}, ${this.#widen(source, width, element)}, ${condition.code})`;
    return { code: this.#let("x", code, depth), width, depth };
  }

  #scalar(value: Value): Operand {
    const index = value.leaf?.index ?? 0;
    let position = this.scalars.findIndex((s) => s.index === index);
    if (position < 0) {
      position = this.scalars.length;
      this.scalars.push({ index, dtype: value.dtype });
    }
    const code = value.dtype === "bool" ? `(scalars.s${position} != 0u)` : `scalars.s${position}`;
    return { code, width: 1, depth: 0 };
  }

  /** `read` and `written` are one buffer. */
  share(read: Value, written: Value): void {
    this.#shared.set(read, written);
  }

  /** Whether the buffer of `written` also holds what the kernel reads. */
  overwrites(written: Value): boolean {
    const wholes = [...this.#parts.values()].map(({ whole }) => whole);
    return [...this.#shared.keys(), ...this.#shared.values(), ...wholes].includes(written);
  }

  /** `part` is read as the elements of `whole` from `offset` on: two bindings of the same bytes are not allowed. */
  within(part: Value, whole: Value, offset: number): void {
    this.#parts.set(part, { whole, offset });
  }

  /** The value whose binding stands for `value`. */
  #bound(value: Value): Value {
    return this.#shared.get(value) ?? this.#parts.get(value)?.whole ?? value;
  }

  /** Whether the buffer that holds `value` is an array of vec4. */
  isVector(value: Value): boolean {
    return this.vectors.has(this.#bound(value));
  }

  /** The name of the buffer that holds `value`. */
  bind(of: Value): string {
    const value = this.#bound(of);
    let binding = this.bindings.get(value);
    if (binding === undefined) {
      const writes = this.#written.has(value);
      const rw = writes || value.leaf === null;
      const name = writes ? `out${this.#count("out")}` : `in${this.#count("in")}`;
      binding = { value, name, access: rw ? "read_write" : "read" };
      this.bindings.set(value, binding);
      if (value.dtype === "f16") this.#enabled.add("f16");
    }
    return binding.name;
  }

  #count(prefix: string): number {
    let n = 0;
    for (const b of this.bindings.values()) if (b.name.startsWith(prefix)) n++;
    return n;
  }

  #decode(code: string, dtype: DType, width: 1 | 4): string {
    if (dtype === "bool") return width === 4 ? `(${code} != vec4<u32>(0u))` : `(${code} != 0u)`;
    if (dtype === "f16") return width === 4 ? `vec4<f32>(${code})` : `f32(${code})`;
    return code;
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
    const linear = addIndex(place, constantIndex(-(this.#starts.get(bound) ?? 0)));
    if (!hasLane(linear)) return this.#loadOne(value, name, linear);
    const base = atLane(linear, 0);
    if (linear.key === addIndex(base, lane).key && divisibleByFour(base)) {
      this.vectors.add(this.#bound(value));
      const depth = this.#depthOf(base);
      const at = this.index(scaleIndex(base, 0.25));
      return { code: this.#let("x", this.#decode(`${name}[${at}]`, value.dtype, 4), depth), width: 4, depth };
    }
    const lanes = [0, 1, 2, 3].map((i) => this.#inLane(i, () => this.#loadOne(value, name, atLane(linear, i))));
    const depth = Math.max(...lanes.map((l) => l.depth));
    const element = elementOf(value.dtype);
    return { code: this.#let("x", `vec4<${element}>(${lanes.map((l) => l.code).join(", ")})`, depth), width: 4, depth };
  }

  #loadOne(value: Value, name: string, wanted: Index): Operand {
    // A masked lane may ask for an element in front of the buffer, which WGSL refuses where it is constant.
    const linear = wanted.isConstant && wanted.constant < 0 ? constantIndex(0) : wanted;
    const key = `${name}[${linear.key}]`;
    const known = this.#recall(key);
    if (known !== undefined) return known;
    const depth = this.#depthOf(linear);
    let code: string;
    const residue = ((linear.constant % 4) + 4) % 4;
    const base = addIndex(linear, constantIndex(-residue));
    if (this.quads && divisibleByFour(base)) {
      this.vectors.add(this.#bound(value));
      const quad = `${name}[4*${base.key}]`;
      let four = this.#recall(quad);
      if (four === undefined) {
        const text = this.#decode(`${name}[${this.index(scaleIndex(base, 0.25))}]`, value.dtype, 4);
        four = this.#remember(quad, { code: this.#let("q", text, depth), width: 4, depth });
      }
      return this.#remember(key, { code: `${four.code}.${components[residue]}`, width: 1, depth });
    }
    const at = this.index(linear);
    if (this.vectors.has(this.#bound(value))) {
      code = /^\d+$/.test(at) ? `${name}[${Number(at) >> 2}][${Number(at) & 3}]` : `${name}[${at} >> 2u][${at} & 3]`;
    } else code = `${name}[${at}]`;
    return this.#remember(key, { code: this.#let("x", this.#decode(code, value.dtype, 1), depth), width: 1, depth });
  }

  /** Writes `operand` to element `linear` of the buffer of `value`; `guard` tells, lane by lane, what may be written. */
  store(value: Value, linear: Index, operand: Operand, guard: (lane: number) => string | null = () => null): void {
    const name = this.bind(value);
    const element = elementOf(value.dtype);
    const encode = (code: string, width: 1 | 4): string => {
      if (value.dtype === "bool")
        return width === 4 ? `select(vec4<u32>(0u), vec4<u32>(1u), ${code})` : `select(0u, 1u, ${code})`;
      if (value.dtype === "f16") return width === 4 ? `vec4<f16>(${code})` : `f16(${code})`;
      return code;
    };
    if (!hasLane(linear)) {
      const at = this.index(linear);
      const target = this.vectors.has(this.#bound(value)) ? `${name}[${at} >> 2u][${at} & 3]` : `${name}[${at}]`;
      this.#guarded(guard(0), `${target} = ${encode(operand.code, 1)};`);
      return;
    }
    const base = atLane(linear, 0);
    const code = this.#widen(operand, 4, element);
    const uniform = [1, 2, 3].every((i) => guard(i) === guard(0));
    if (uniform && linear.key === addIndex(base, lane).key && divisibleByFour(base)) {
      this.vectors.add(this.#bound(value));
      this.#guarded(guard(0), `${name}[${this.index(scaleIndex(base, 0.25))}] = ${encode(code, 4)};`);
      return;
    }
    const whole = operand.width === 4 ? operand.code : null;
    for (let i = 0; i < 4; i++) {
      const at = this.#inLane(i, () => this.index(atLane(linear, i)));
      const target = this.vectors.has(this.#bound(value)) ? `${name}[${at} >> 2u][${at} & 3]` : `${name}[${at}]`;
      const one = whole === null ? operand.code : `${whole}.${components[i]}`;
      this.#guarded(guard(i), `${target} = ${encode(one, 1)};`);
    }
  }

  #guarded(guard: string | null, statement: string): void {
    this.line(guard === null ? statement : `if (${guard}) { ${statement} }`);
  }

  /** What an op's WGSL writer sees of its operands; the helpers that it may call become part of the shader. */
  context(helpers: readonly string[], operand: Element, width: 1 | 4): WgslContext {
    const lanes = width === 4 && takeLanes(helpers) ? 4 : 1;
    for (const text of forLanes(helpers, lanes)) this.#helpers.add(text);
    return wgslContext(operand, width, lanes);
  }

  /** Switches a WGSL extension on. */
  enable(name: "f16" | "subgroups"): void {
    this.#enabled.add(name);
  }

  /** Marks that the kernel uses NaN or infinity from bits. */
  useSpecial(): void {
    this.#special = true;
  }

  /** The finished shader: bindings, helpers, and the body as `main`. */
  finish(comment: string, workgroupSize: number): string {
    const scope = this.#scope(0);
    const order = [...this.bindings.values()];
    const declarations = order.map((b, i) => {
      const element = storedElement(b.value.dtype);
      const type = this.vectors.has(b.value) ? `vec4<${element}>` : element;
      return `@group(0) @binding(${i}) var<storage, ${b.access}> ${b.name}: array<${type}>;`;
    });
    const scalars: string[] = [];
    if (this.scalars.length > 0) {
      scalars.push(
        `struct Scalars { ${this.scalars.map((s, i) => `s${i}: ${elementOf(s.dtype) === "bool" ? "u32" : elementOf(s.dtype)}`).join(", ")} }`,
      );
      scalars.push(`@group(0) @binding(${order.length}) var<uniform> scalars: Scalars;`);
    }
    const parameters = [
      "@builtin(workgroup_id) group_id: vec3<u32>",
      "@builtin(num_workgroups) groups: vec3<u32>",
      "@builtin(local_invocation_index) local: u32",
    ];
    if (this.#enabled.has("subgroups")) parameters.push("@builtin(subgroup_invocation_id) lane: u32");
    return [
      ...[...this.#enabled].map((name) => `enable ${name};`),
      `// ${comment}`,
      ...declarations,
      ...scalars,
      ...(this.#special ? [SPECIAL_BITS] : []),
      ...this.#globals,
      ...this.#helpers,
      "",
      `@compute @workgroup_size(${workgroupSize})`,
      `fn main(${parameters.join(", ")}) {`,
      ...scope.lines.map((l) => `  ${l}`),
      "}",
      "",
    ].join("\n");
  }
}

/**
 * Whether the op might be computed wrongly, or not at all, where the compiler knows this operand; `known`: it knows all. Ops that cost less than a
 * quotient can't fail by one number, save by one that absorbs the other operand.
 */
function mayFail(number: number, known: boolean, { cost, absorbing }: ElementwiseDefinition): boolean {
  if (known) return cost > 0;
  const size = Math.abs(number);
  return cost < 4 ? number === absorbing : size < 1e-37 || size > 1e37;
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

function divisibleByFour(index: Index): boolean {
  return index.constant % 4 === 0 && index.terms.every((t) => t.factor % 4 === 0);
}

/** A demand on the index that `text` computes. */
function demanded(c: Condition, text: string): string {
  if (c.kind === "divisible") return `(${text}) % ${c.divisor} == 0`;
  const [low, high] = [c.index.min < c.low, c.index.max >= c.high];
  // What is negative is large as u32.
  if (low && high && c.low === 0) return `u32(${text}) < ${c.high}u`;
  const parts = [...(low ? [`(${text} >= ${c.low})`] : []), ...(high ? [`(${text} < ${c.high})`] : [])];
  return parts.join(" & ");
}
