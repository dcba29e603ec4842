// Finds values that one run computed on its way and that a later run needs again. They are stored then, instead of being computed at every read.

import { sizeOf } from "../base/shape.ts";
import type { Node } from "./node.ts";
import { isRealized } from "./program.ts";

/**
 * The values behind `roots` that earlier runs have computed without keeping them. What only the library's own nodes read, as derivatives do,
 * is left out: they read it once.
 */
export function neededAgain(roots: readonly Node[]): Node[] {
  const found = new Set<Node>();
  const visited = new Set<Node>();
  const open = roots.filter((node) => !isRealized(node));
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (visited.has(node)) continue;
    visited.add(node);
    for (const input of node.inputs) {
      if (input.storage !== null || visited.has(input)) continue;
      // A kernel has no value of its own: its results have.
      if (!input.seen || input.definition.kind === "kernel") open.push(input);
      else if (!node.internal) {
        const worth = worthStoring(input);
        if (worth === null) open.push(input);
        else found.add(worth);
      }
    }
  }
  return [...found];
}

/** Returns the value to store so that `node` need not be computed again: itself, or the smaller one that it is a view of. Null if computing it costs nothing. */
function worthStoring(node: Node): Node | null {
  let smallest = node;
  let base = node;
  for (;;) {
    if (base.storage !== null) return null;
    if (sizeOf(base.shape) < sizeOf(smallest.shape)) smallest = base;
    const { kind } = base.definition;
    if (kind === "constant" || kind === "iota") return null;
    if (kind !== "view" && (kind !== "alias" || base.inputs.length > 1)) break;
    base = base.inputs[0] as Node;
  }
  return smallest;
}
