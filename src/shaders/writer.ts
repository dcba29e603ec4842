// Writes the value of any inline expression at given coordinates, as WGSL.

import { type DType, isFloat } from "../base/dtype.ts";
import { internal } from "../base/errors.ts";
import type { ElementwiseDefinition, Value } from "../graph/definition.ts";
import { forLanes, takeLanes } from "../graph/helpers.ts";
import { constantIndex, type Index } from "../graph/index-expression.ts";
import { foldConstants, inputCoordinates, placeKey, unchanged } from "../graph/program.ts";
import type { WgslContext } from "../graph/wgsl-context.ts";
import { Buffers } from "./buffers.ts";
import { atLane, hasLane } from "./index-writer.ts";

import { writeModule } from "./module.ts";
import type { Operand } from "./scopes.ts";
import { componentOf, type Element, elementOf, hidden, literal, wgslContext, widen } from "./wgsl.ts";

/** How a kernel reads the buffers that others wrote, and its own scalars. */
export interface Access {
  /** The buffer that holds `value`, or null where the kernel computes it inline. */
  isStored(value: Value): boolean;
}

export class Writer extends Buffers {
  readonly scalars: { readonly index: number; readonly dtype: DType }[] = [];
  /** The elementwise ops that the kernel computes. */
  readonly #fused = new Set<Value>();
  readonly #access: Access;
  readonly #helpers = new Set<string>();
  readonly #globals = new Set<string>();
  readonly #enabled = new Set<string>();
  #flops = 0;

  constructor(
    access: Access,
    written: ReadonlySet<Value>,
    vectors: Set<Value>,
    starts: ReadonlyMap<Value, number> = new Map(),
  ) {
    super(written, vectors, starts);
    this.#access = access;
  }

  /** Values of elementwise ops that the kernel computes. */
  get fused(): readonly Value[] {
    return [...this.#fused];
  }

  /** Whether the kernel finds the value in a buffer that another one wrote. */
  isRead(value: Value): boolean {
    return this.#access.isStored(value);
  }

  get flops(): number {
    return this.#flops;
  }

  /** Writes a declaration in front of the entry point, once. */
  global(text: string): void {
    this.#globals.add(text);
  }

  /** Says what `value` is at `coordinates` from here on. */
  define(value: Value, coordinates: readonly Index[], operand: Operand): void {
    this.remember(placeKey({ value, coordinates }), operand, this.depth);
  }

  /** What a reduction of this kernel comes to: of a vec4 the lane that is asked for. */
  #resultOf(value: Value): Operand | undefined {
    const found = this.resultOf(value);
    const { lane } = this;
    if (found === undefined || found.width === 1 || lane === null) return found;
    return { code: `${found.code}.${componentOf(lane)}`, width: 1, depth: found.depth };
  }

  /** The value of a node's element at `coordinates`; four elements where the coordinates contain the lane. */
  value(value: Value, coordinates: readonly Index[]): Operand {
    const result = this.#resultOf(value);
    if (result !== undefined) return result;
    const key = placeKey({ value, coordinates });
    return this.recall(key) ?? this.remember(key, this.#compute(value, coordinates));
  }

  #compute(value: Value, coordinates: readonly Index[]): Operand {
    const { definition } = value;
    if (value.leaf?.kind === "scalar") return this.#scalar(value);
    if (value.leaf !== null || this.#access.isStored(value)) return this.load(value, coordinates);
    const element = elementOf(value.dtype);
    switch (definition.kind) {
      case "constant":
        return constant(value.attributes[0] as number, element);
      case "iota":
        return this.#iota(coordinates[0] ?? constantIndex(0), element);
      case "view":
      case "alias":
      case "gather": {
        const inner = inputCoordinates(value, coordinates, (v) => this.#access.isStored(v));
        const condition = this.condition(inner.conditions);
        // Nothing is read where nothing can be: a gradient that one step of many gets, seen by all of them.
        if (condition?.code === "false") return constant(inner.fill, element);
        const source = this.value(value.inputs[0] as Value, inner.coordinates[0] as Index[]);
        return condition === null ? source : this.#mask(source, condition, inner.fill, element);
      }
      case "elementwise": {
        const inner = inputCoordinates(value, coordinates);
        const operands = value.inputs.map((input, i) => this.value(input, inner.coordinates[i] as Index[]));
        return this.#elementwise(value, definition, operands);
      }
      default:
        throw internal(`a ${definition.name} cannot be computed inline`);
    }
  }

  #iota(at: Index, element: Element): Operand {
    if (at.isConstant) return constant(at.constant, element);
    const cast = (text: string) => (element === "u32" ? `u32(${text})` : text);
    if (!hasLane(at)) return { code: cast(this.index(at)), width: 1, depth: this.depthOf(at) };
    const codes = this.inLanes((i) => cast(this.index(atLane(at, i))));
    const depth = this.depthOf(at);
    return { code: this.name("at", `vec4<${element}>(${codes.join(", ")})`, depth), width: 4, depth };
  }

  #elementwise(value: Value, definition: ElementwiseDefinition, operands: readonly Operand[]): Operand {
    const numbers = operands.map(({ number }) => number);
    const folded = foldConstants(definition, numbers, value.dtype);
    if (folded !== null) return constant(folded, elementOf(value.dtype));
    const same = isFloat(value.dtype) ? operands[unchanged(definition, numbers) ?? -1] : undefined;
    if (same !== undefined) return same;
    const width = operands.some((o) => o.width === 4) ? 4 : 1;
    const depth = Math.max(0, ...operands.map((o) => o.depth));
    const first = elementOf((value.inputs[0] as Value).dtype);
    const known = numbers.every((number) => number !== undefined);
    const narrow = operands.map(({ code, number }, i) => {
      const hide = number !== undefined && mayFail(number, known, definition);
      return hide ? hidden(number, elementOf((value.inputs[i] as Value).dtype)) : code;
    });
    const context = this.context(definition.helpers ?? NO_HELPERS, first, width);
    let code = definition.wgsl(context, ...narrow);
    // WGSL spreads an operand of its arithmetic over the lanes by itself.
    if (operands.some((o) => o.width !== width) && !SPREADS.test(code)) {
      const wide = narrow.map((text, i) =>
        widen(text, (operands[i] as Operand).width, width, elementOf((value.inputs[i] as Value).dtype)),
      );
      code = definition.wgsl(context, ...wide);
    }
    this.#fused.add(value);
    this.#flops += definition.cost * width;
    return { code: this.name(definition.name, code, depth), width, depth };
  }

  #mask(source: Operand, condition: Operand, fill: number, element: Element): Operand {
    if (Object.is(source.number, fill)) return source;
    const width = source.width === 4 || condition.width === 4 ? 4 : 1;
    const depth = Math.max(source.depth, condition.depth);
    const none = widen(literal(fill, element), 1, width, element);
    const code = `select(${none}, ${widen(source.code, source.width, width, element)}, ${condition.code})`;
    return { code: this.name("masked", code, depth), width, depth };
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

  /** What an op's WGSL writer sees of its operands; the helpers that it may call become part of the shader. */
  context(helpers: readonly string[], operand: Element, width: 1 | 4): WgslContext {
    const lanes = width === 4 && takeLanes(helpers) ? 4 : 1;
    for (const text of forLanes(helpers, lanes)) this.#helpers.add(text);
    return wgslContext(operand, width, lanes);
  }

  /** Switches a WGSL extension on. */
  enable(name: "subgroups"): void {
    this.#enabled.add(name);
  }

  /** The finished shader: bindings, what the body calls, and the body as `main`. */
  finish(workgroupSize: number): string {
    const halves = this.bindings.some(({ value }) => value.dtype === "f16");
    return writeModule({
      enabled: [...this.#enabled, ...(halves ? ["f16"] : [])],
      bindings: this.declarations(),
      scalars: this.scalars.map(({ dtype }) => dtype),
      globals: [...this.#globals],
      helpers: [...this.#helpers],
      workgroupSize,
      body: this,
    });
  }
}

const NO_HELPERS: readonly string[] = [];

/** An expression of one operation of WGSL's arithmetic. */
const SPREADS = /^-?[\w§.]+(?:e-\d+)? [-+*/] -?[\w§.]+(?:e-\d+)?$/;

function constant(number: number, element: Element): Operand {
  return { code: literal(number, element), width: 1, depth: 0, number };
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
