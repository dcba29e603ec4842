// Reductions spelled out: which value each combines, at which coordinates, over which loop variables.

import { internal } from "../base/errors.ts";
import { sizeOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import { type Condition, type Index, variable } from "../graph/index-expression.ts";
import { inputCoordinates } from "../graph/program.ts";
import { type Reduction, reductionVariables } from "../shaders/group.ts";
import type { Requirements } from "./requirements.ts";
import type { Uses } from "./uses.ts";

/** All reductions of a program. Unless `fuse` is false, a sum is drawn into the sum that follows it. */
export class Reductions {
  readonly #uses: Uses;
  readonly #requirements: Requirements;
  readonly #fuse: boolean;
  readonly #reductions = new Map<Value, Reduction>();
  readonly #absorbed = new Set<Value>();

  constructor(uses: Uses, requirements: Requirements, fuse: boolean) {
    this.#uses = uses;
    this.#requirements = requirements;
    this.#fuse = fuse;
    for (const value of [...uses.order].reverse())
      if (value.definition.kind === "reduce" && !this.#absorbed.has(value)) this.#describe(value);
  }

  /** How a reduction is computed; undefined for other values and for sums that were drawn in. */
  get(value: Value): Reduction | undefined {
    return this.#reductions.get(value);
  }

  /** Replaces the description of a reduction by one in the variables of the kernel that it joins. */
  set(value: Value, reduction: Reduction): void {
    this.#reductions.set(value, reduction);
  }

  /** Whether the value is a sum that was drawn into the sum that follows. */
  isAbsorbed(value: Value): boolean {
    return this.#absorbed.has(value);
  }

  /** Spells a reduction out, drawing in sums that only it reads. */
  #describe(value: Value): void {
    const { definition } = value;
    if (definition.kind !== "reduce") throw internal("not a reduction");
    const input = value.inputs[0] as Value;
    const { element, result, outer, inner } = reductionVariables(input.shape, value.attributes);
    let body = input;
    let coordinates: readonly Index[] = element;
    const conditions: Condition[] = [];
    let points = sizeOf(outer) * sizeOf(inner);
    while (this.#fuse && !this.#requirements.has(body) && body.leaf === null) {
      if (body.definition.kind === "view" || body.definition.kind === "alias") {
        const source = inputCoordinates(body, coordinates);
        if (source.conditions.length > 0 && source.fill !== 0) break;
        if (source.conditions.length > 0 && definition.adds !== true) break;
        conditions.push(...source.conditions);
        coordinates = source.coordinates[0] as Index[];
        body = body.inputs[0] as Value;
      } else if (body.definition === definition && definition.adds === true && this.#soleUser(body)) {
        const below = body.inputs[0] as Value;
        // A sum is drawn in where that repeats little of its work.
        if (points > 4.5 * sizeOf(body.shape)) break;
        const outerAt = coordinates;
        coordinates = below.shape.map((n, i) => {
          if (!body.attributes.includes(i)) return outerAt[i] as Index;
          if (n === 1) return variable("", 1);
          inner.push(n);
          return variable(`r${inner.length - 1}`, n);
        });
        points *= sizeOf(below.shape) / Math.max(sizeOf(body.shape), 1);
        this.#absorbed.add(body);
        body = below;
      } else break;
    }
    this.#reductions.set(value, {
      value,
      definition,
      body,
      coordinates,
      conditions,
      outer,
      inner,
      result,
      element,
      elementShape: input.shape,
    });
  }

  /** Whether all that reads `value` is one node, through views only. */
  #soleUser(value: Value): boolean {
    let current = value;
    for (;;) {
      if (this.#requirements.has(current) || this.#uses.outputs.has(current)) return false;
      const users = this.#uses.of(current);
      if (users.length !== 1) return false;
      const user = users[0] as Value;
      if (user.definition.kind === "reduce") return true;
      if (user.definition.kind !== "view" && user.definition.kind !== "alias") return false;
      current = user;
    }
  }
}
