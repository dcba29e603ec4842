// What the next submit has to compute: assignments, losses on which backward was called, gradients that outlive an optimizer's step.

import { must, StaleTensorError } from "./errors.ts";
import type { Node } from "./graph/node.ts";
import { capture, isRealized, type Request } from "./graph/program.ts";
import type { Storage } from "./graph/storage.ts";
import { handleOn, type Tensor } from "./graph/tensor.ts";
import { currentTrace } from "./graph/trace.ts";
import { add } from "./ops/arithmetic.ts";
import { copy } from "./ops/memory.ts";
import { formatShape } from "./shape.ts";

/** Tensors with a slot whose new value has not been submitted yet. */
const pending = new Set<Tensor>();
/** Counts the submits that have overwritten something: what was recorded before may be stale. */
let overwrites = 0;
/** Nodes on which backward was called, the gradients that leaves got of it, and the count at that time. */
const losses = new Map<Node, { readonly gradients: readonly Node[]; readonly at: number }>();
/** The count at which a leaf's gradient was last added to, and gradients that are stale for good. */
const recorded = new WeakMap<Tensor, number>();
const stale = new WeakSet<Tensor>();
/** Parameters of some optimizer, those of them with a gradient that no step has taken yet, and gradients computed for a later step. */
const optimized = new WeakSet<Tensor>();
const graded = new Set<Tensor>();
const computed = new WeakSet<Tensor>();

/** Marks that `tensor` (with a slot) has a new value to be written at the next submit. */
export function markAssigned(tensor: Tensor): void {
  pending.add(tensor);
}

/** Takes back what `markAssigned` said. */
export function unmarkAssigned(tensor: Tensor): void {
  pending.delete(tensor);
}

/**
 * Keeps the value of `node` readable beyond the next step: it is computed with the step, or with what is read of the gradients that leaves
 * got of it before.
 */
export function keepLoss(node: Node, gradients: readonly Node[] = []): void {
  for (const known of losses.keys()) if (known.storage !== null) losses.delete(known);
  losses.set(node, { gradients, at: overwrites });
}

/** The losses whose gradients `targets` are made of. */
function lossesBehind(targets: readonly Node[]): Node[] {
  const lossOf = new Map<Node, Node>();
  for (const [loss, { gradients }] of losses) for (const gradient of gradients) lossOf.set(gradient, loss);
  if (lossOf.size === 0) return [];
  const found = new Set<Node>();
  const seen = new Set<Node>();
  const open = [...targets];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (seen.has(node) || node.storage !== null) continue;
    seen.add(node);
    const loss = lossOf.get(node);
    if (loss !== undefined) found.add(loss);
    open.push(...node.inputs);
  }
  return [...found];
}

/** Whether anything waits for the next submit. */
export function isPending(): boolean {
  return pending.size + losses.size + graded.size > 0;
}

/** Everything that is to be computed now: assignments, unless only `targets` are asked for, and `targets` that have no value yet. */
export function gatherRequests(targets: readonly Node[], only = false): { requests: Request[]; assigned: Tensor[] } {
  const assigned = only ? [] : [...pending];
  const requests: Request[] = assigned.map((tensor, i) => {
    return { node: ownNode(tensor, i), slot: must(tensor.slot, "an assignment without a slot") };
  });
  const behind = losses.size === 0 ? [] : lossesBehind([...requests.map(({ node }) => node), ...targets]);
  for (const node of behind) losses.delete(node);
  for (const node of new Set([...targets, ...behind])) if (!isRealized(node)) requests.push({ node, slot: null });
  return { requests, assigned };
}

/** A node that is computed for this tensor, assignment `i`, alone: values that exist already are copied. */
function ownNode(tensor: Tensor, i: number): Node {
  const { node } = tensor;
  const kind = node.definition.kind;
  const plain = kind === "elementwise" || kind === "reduce" || kind === "result";
  return plain && node.storage === null ? node : copy(handleOn(node), i).node;
}

/** After the assignments have been recorded: slots hold their new values from here on. */
export function settleAssigned(assigned: readonly Tensor[]): void {
  const storages = new Set<Storage>();
  if (assigned.length > 0) overwrites++;
  for (const tensor of assigned) {
    pending.delete(tensor);
    if (tensor.slot !== null) storages.add(tensor.slot.storage);
  }
  for (const storage of storages) {
    storage.version++;
    storage.host = null;
    storage.range = null;
  }
  for (const tensor of assigned) tensor.settle();
  for (const { shared } of storages) for (const tensor of shared?.tensors ?? []) tensor.settle();
}

/** Gives assignments up that cannot be computed: slots keep the values that they have. */
export function abandonAssigned(): void {
  for (const tensor of [...pending]) {
    pending.delete(tensor);
    if (!tensor.disposed) tensor.rebind();
  }
}

/** The losses to be kept; they are forgotten here. */
export function takeLosses(): Node[] {
  const kept = [...losses].filter(([node, { at }]) => at === overwrites || isComputable(node));
  losses.clear();
  return kept.map(([node]) => node);
}

/**
 * Adds gradients to what leaves have. Throws a StaleTensorError, and adds none, where a parameter still has the gradient that a step has used:
 * its value is gone. Another leaf's gradient stays as stale as a step has left it.
 */
export function addGradients(found: ReadonlyMap<Tensor, Tensor>): void {
  const kept = [...found].filter(([leaf]) => leaf.grad === null || !isStale(leaf.grad));
  if (kept.length < found.size) {
    for (const [leaf] of found) {
      if (leaf.grad === null || !stale.has(leaf.grad) || !optimized.has(leaf)) continue;
      throw new StaleTensorError(
        `backward: a parameter of shape ${formatShape(leaf.shape)} still has the gradient that the last step used, to which nothing can be added any more. ` +
          "Call optimizer.zeroGrad() before backward(); a gradient that is read before the step stays.",
        { op: "backward" },
      );
    }
  }
  for (const [leaf, gradient] of kept) {
    leaf.grad = leaf.grad === null ? gradient : add(leaf.grad, gradient);
    recorded.set(leaf.grad, overwrites);
  }
}

/** Whether a step has overwritten what the gradient was to be computed from. */
function isStale(gradient: Tensor): boolean {
  if (stale.has(gradient)) return true;
  if (gradient.disposed || gradient.node.storage !== null || recorded.get(gradient) === overwrites) return false;
  if (isComputable(gradient.node)) {
    recorded.set(gradient, overwrites);
    return false;
  }
  stale.add(gradient);
  return true;
}

/** Says that an optimizer updates the parameters: their gradients outlive another optimizer's step. */
export function ownGradients(parameters: Iterable<Tensor>): void {
  for (const parameter of parameters) optimized.add(parameter);
}

/** Notes leaves that have got a gradient. */
export function noteGradients(leaves: Iterable<Tensor>): void {
  // What is traced is one plan, whatever the number of steps in it.
  if (currentTrace() !== null) return;
  for (const leaf of leaves) if (optimized.has(leaf)) graded.add(leaf);
}

/** Forgets a parameter's gradient, and frees it where it has memory of its own. */
export function dropGradient(parameter: Tensor): void {
  const { grad } = parameter;
  if (grad === null) return;
  parameter.grad = null;
  graded.delete(parameter);
  if (computed.has(grad)) grad.dispose();
}

/** The gradients that outlive a step which has updated `updated`, as far as they have no value yet. */
export function takeGradients(updated: Iterable<Tensor>): Node[] {
  const kept: Node[] = [];
  for (const parameter of updated) graded.delete(parameter);
  for (const { grad, disposed } of graded) {
    if (disposed || grad === null || grad.disposed || grad.node.storage !== null || !isComputable(grad.node)) continue;
    kept.push(grad.node);
    computed.add(grad);
  }
  graded.clear();
  return kept;
}

/** Whether nothing that the node is made of was overwritten or disposed of. */
function isComputable(node: Node): boolean {
  try {
    capture([{ node, slot: null }]);
    return true;
  } catch {
    return false;
  }
}
