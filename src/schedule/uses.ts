// Uses: the values of a program in order, and who reads each of them.

import type { Value } from "../graph/definition.ts";

/** All values that the outputs need, inputs first. */
export function topologicalOrder(outputs: readonly Value[]): Value[] {
  const order: Value[] = [];
  const seen = new Set<Value>();
  const stack: [Value, number][] = [];
  for (const output of outputs) {
    if (seen.has(output)) continue;
    seen.add(output);
    stack.push([output, 0]);
    for (let top = stack[stack.length - 1]; top !== undefined; top = stack[stack.length - 1]) {
      const { inputs, again } = top[0];
      // What a value must wait for comes first.
      const at = top[1]++;
      const wait = again?.after ?? null;
      const input = wait === null ? inputs[at] : at === 0 ? wait : inputs[at - 1];
      if (input === undefined) {
        order.push(top[0]);
        stack.pop();
      } else if (!seen.has(input)) {
        seen.add(input);
        stack.push([input, 0]);
      }
    }
  }
  return order;
}

/** The values that some outputs need, with their readers. */
export class Uses {
  readonly outputs: ReadonlySet<Value>;
  /** Inputs first. */
  readonly order: readonly Value[];
  readonly #users = new Map<Value, Value[]>();

  constructor(outputs: readonly Value[]) {
    this.outputs = new Set(outputs);
    this.order = topologicalOrder(outputs);
    for (const value of this.order) {
      for (const input of value.inputs) {
        const users = this.#users.get(input);
        if (users === undefined) this.#users.set(input, [value]);
        else users.push(value);
      }
    }
  }

  /** Who reads the value: once for each time. */
  of(value: Value): readonly Value[] {
    return this.#users.get(value) ?? [];
  }
}
