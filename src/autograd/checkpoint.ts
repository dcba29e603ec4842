// checkpoint: values that are computed again for the backward pass instead of being kept.

import { Node, type Recomputation, type Recomputer, type Segment } from "../graph/node.ts";
import { recording, Tensor } from "../graph/tensor.ts";
import { refusePromise } from "../ops/arguments.ts";

/**
 * Runs `fn(...inputs)` without keeping its intermediate values for the backward pass. They are computed again, from the
 * inputs and from what `fn` closes over, when the gradient arrives. This saves memory and costs time. Gradients and
 * random numbers stay the same, because the recorded graph is repeated and `fn` is called only once.
 *
 * What `fn` returns, alone or in arrays and objects, is kept: the same tensors, new or not. Checkpoints nest. See Chen et al. 2016, "Training deep
 * nets with sublinear memory cost".
 */
export function checkpoint<Arguments extends readonly unknown[], Result>(
  fn: (...inputs: Arguments) => Result,
  ...inputs: Arguments
): Result {
  if (typeof fn !== "function")
    throw new TypeError(`checkpoint: the first argument must be a function, got ${typeof fn}. Its inputs follow it.`);
  if (!recording.gradients) return fn(...inputs);
  const recorded: Segment = { parent: recording.segment, outputs: new Set(), recompute: () => new Copies() };
  const result = recording.under({ segment: recorded }, () => fn(...inputs));
  refusePromise("checkpoint", result);
  const keep = (value: unknown): void => {
    if (value instanceof Tensor) recorded.outputs.add(value.lastNode);
    else if (Array.isArray(value)) value.forEach(keep);
    else if (value !== null && typeof value === "object") Object.values(value).forEach(keep);
  };
  keep(result);
  return result;
}

interface Pass {
  readonly recomputation: Recomputation;
  readonly copies: Map<Node, Node>;
}

/** The copies that one backward walk makes of the segments that it enters. */
class Copies implements Recomputer {
  readonly #passes = new Map<Segment, Pass>();

  enter(node: Node, gradient: Node): void {
    for (let s = node.segment; s !== null; s = s.parent)
      if (!this.#passes.has(s)) this.#passes.set(s, { recomputation: { after: gradient }, copies: new Map() });
  }

  seen(node: Node, segment: Segment): Node {
    const home = homeOf(node, segment);
    return home === null ? node : this.#copy(node, home);
  }

  #copy(node: Node, segment: Segment): Node {
    const pass = this.#passes.get(segment);
    if (pass === undefined) return node;
    const { copies, recomputation } = pass;
    // Inputs first: a node is younger than what it was made of.
    const missing = new Set<Node>();
    const stack = [node];
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (missing.has(n) || copies.has(n) || homeOf(n, segment) !== segment) continue;
      missing.add(n);
      stack.push(...n.inputs);
    }
    for (const n of [...missing].sort((a, b) => a.id - b.id)) {
      const inputs = n.inputs.map((input) => copies.get(input) ?? this.seen(input, segment));
      const copy = new Node(n.definition, inputs, n.shape, n.dtype, n.attributes, n.requiresGrad);
      copy.recomputation = recomputation;
      copies.set(n, copy);
    }
    return copies.get(node) ?? node;
  }
}

/** Returns the innermost segment, from `segment` outwards, that must compute `node` again; null if its value is kept. */
function homeOf(node: Node, segment: Segment): Segment | null {
  if (node.segment === null || node.storage !== null || node.leaf !== null) return null;
  for (let s: Segment | null = segment; s !== null; s = s.parent) {
    if (s.outputs.has(node)) continue;
    for (let own: Segment | null = node.segment; own !== null; own = own.parent) if (own === s) return s;
  }
  return null;
}
