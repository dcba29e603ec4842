// Requirements: which values must have bytes of their own at any cost, and whose bytes a hand-written kernel binds.

import { stridesOf } from "../base/shape.ts";
import type { KernelDefinition, Strided, Value } from "../graph/definition.ts";
import { COPY } from "../graph/node.ts";
import { sameBytes } from "../graph/program.ts";
import type { Uses } from "./uses.ts";

/** The values that must be stored: outputs, packed values, and values that hand-written kernels bind. */
export class Requirements {
  readonly #uses: Uses;
  /** Whose bytes the outputs are. */
  readonly #outputs: ReadonlySet<Value>;
  readonly #values = new Set<Value>();
  /** The values that are stored only to keep kernels small. */
  readonly #wanted = new Set<Value>();
  readonly #producers = new Map<Value, Value>();

  constructor(uses: Uses) {
    this.#uses = uses;
    this.#outputs = new Set([...uses.outputs].map(sameBytes));
    for (const value of uses.outputs) this.#require(value);
    for (const value of uses.order) {
      const { definition } = value;
      if (definition.kind === "pack")
        for (const input of value.inputs) {
          const own = this.#takenOver(input);
          if (own === null) this.#require(input);
          else this.#producers.set(input, own);
        }
      if (definition.kind === "kernel")
        for (const { base } of this.boundBy(value, definition)) this.#requireBytes(base);
    }
  }

  /** The value whose bytes an output or a packed input has: reshapes seen through. */
  get producers(): ReadonlyMap<Value, Value> {
    return this.#producers;
  }

  /** Whether the value must be stored. */
  has(value: Value): boolean {
    return this.#values.has(value) || this.#wanted.has(value);
  }

  /** Whether the bytes of the value are bound outside of the program's fused kernels. */
  isFixed(value: Value): boolean {
    return this.#values.has(value);
  }

  /** Lets one more value be stored. */
  add(value: Value): void {
    this.#wanted.add(value);
  }

  /** The values whose bytes a hand-written kernel's inputs are. */
  boundBy({ inputs, attributes }: Value, definition: KernelDefinition): Strided<Value>[] {
    const initial = new Set(definition.program.outputs(inputs, attributes).map((output) => output.initial));
    return inputs.map((input, i) => {
      const own = initial.has(i) ? this.#takenOver(input) : null;
      return own === null ? definition.source(input) : { base: own, offset: 0, strides: stridesOf(own.shape) };
    });
  }

  /** Marks the value that must be stored so that `value` has bytes. Looks through views that only rename them. */
  #require(value: Value): void {
    let base = sameBytes(value);
    // The bytes of a leaf are its own, so the view copies them.
    if (base.leaf !== null || base.definition.kind === "pack") base = value;
    this.#producers.set(value, base);
    if (base.leaf === null && base.definition.kind !== "pack") this.#values.add(base);
  }

  /** Makes sure that a bound value has bytes. Those of a leaf will do. */
  #requireBytes(base: Value): void {
    if (base.leaf === null && base.definition.kind !== "pack") this.#values.add(base);
  }

  /** Returns the kernel's result behind a copy if nothing else reads it. The kernel then writes it right to the place of the copy. */
  #takenOver(copy: Value): Value | null {
    if (copy.definition !== COPY) return null;
    let value = copy.inputs[0] as Value;
    const result = sameBytes(value);
    if (result.definition.kind !== "result" || this.#outputs.has(result)) return null;
    for (;;) {
      if (this.#uses.of(value).length !== 1) return null;
      if (value === result) return result;
      value = value.inputs[0] as Value;
    }
  }
}
