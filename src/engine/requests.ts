// Requests to the next submit: assignments, losses on which backward was called, gradients that outlive an optimizer's step.

import { must } from "../base/errors.ts";
import type { Node } from "../graph/node.ts";
import { isRealized, type Request } from "../graph/program.ts";
import type { Cell, Storage } from "../graph/storage.ts";
import { gradientTensor, recording, sharedBy, Tensor } from "../graph/tensor.ts";
import { currentTrace } from "../graph/trace.ts";
import { add } from "../ops/arithmetic.ts";
import { copyOf } from "../ops/memory.ts";

/**
 * Tensors with a slot whose new value has not been submitted yet, with the nodes of the values before. Of a cell that several share, these are
 * either the whole or single ones.
 */
const pending = new Map<Tensor, Node>();
/** Nodes on which backward was called, with the gradients of the leaves. They are computed with the step, or with an earlier read. */
const losses = new Map<Node, readonly Node[]>();
/** The most losses that wait. A program that never steps and never reads must not keep them all. */
const MOST_LOSSES = 64;
/** Parameters of optimizers, those whose gradient no step has used yet, and gradients computed for a later step. */
const optimized = new WeakSet<Tensor>();
const graded = new Set<Tensor>();

/** Marks that `tensor` (with a slot) has a new value to be written at the next submit; `before` is the node of the old one. */
export function markAssigned(tensor: Tensor, before: Node): void {
  if (!pending.has(tensor)) pending.set(tensor, before);
}

/** Takes back what `markAssigned` said. */
export function unmarkAssigned(tensor: Tensor): void {
  pending.delete(tensor);
}

/** Whether the tensor has a new value that has not been submitted yet. */
export function isAssigned(tensor: Tensor): boolean {
  return pending.has(tensor);
}

/**
 * Lets the value of `node` be computed with the next step, or with what is read before of the gradients that leaves got of it: later it would
 * have to be computed once more.
 */
export function keepLoss(node: Node, gradients: readonly Node[] = []): void {
  for (const known of losses.keys()) if (known.storage !== null) losses.delete(known);
  losses.set(node, gradients);
  const [oldest] = losses.keys();
  if (oldest !== undefined && losses.size > MOST_LOSSES) losses.delete(oldest);
}

/** The losses whose gradients `targets` are made of. */
function lossesBehind(targets: readonly Node[]): Node[] {
  const lossOf = new Map<Node, Node>();
  for (const [loss, gradients] of losses) for (const gradient of gradients) lossOf.set(gradient, loss);
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

/** The tensors whose new values have not been submitted yet; of these `first` those that have no value before. */
export function assignedTensors(first = false): Tensor[] {
  // A disposed tensor has no reader, unless it is a part of something.
  for (const tensor of pending.keys()) if (tensor.disposed && !tensor.slot?.cell.shared) pending.delete(tensor);
  const assigned = [...pending.keys()];
  return first ? assigned.filter(({ slot }) => slot?.cell.storage.empty) : assigned;
}

/** Everything that is to be computed now: what these tensors are assigned, and `targets` that have no value yet. */
export function gatherRequests(targets: readonly Node[], assigned: readonly Tensor[]): Request[] {
  const requests: Request[] = assigned.map((tensor, i) => {
    const { cell, offset } = must(tensor.slot, "an assignment without a slot");
    return { node: ownNode(tensor.lastNode, i), slot: { storage: cell.storage, offset } };
  });
  const behind = losses.size === 0 ? [] : lossesBehind([...requests.map(({ node }) => node), ...targets]);
  for (const node of behind) losses.delete(node);
  for (const node of new Set([...targets, ...behind.filter(({ inUse }) => inUse)]))
    if (!isRealized(node)) requests.push({ node, slot: null });
  return requests;
}

/** Returns a node that is computed for assignment `i` alone. Values that exist already are copied. */
function ownNode(node: Node, i: number): Node {
  const kind = node.definition.kind;
  const plain = kind === "elementwise" || kind === "reduce" || kind === "result";
  return plain && node.storage === null ? node : copyOf(node, i);
}

/** A cell that gets a new value: the storages of the value before and of the one after. */
export interface Advance {
  readonly before: Storage;
  readonly after: Storage;
}

/** Moves the cells of the assigned tensors to their next values. From here on, tensors and recorded nodes find the new values there. */
export function settleAssigned(assigned: readonly Tensor[]): Advance[] {
  const cells = new Set<Cell>();
  for (const tensor of assigned) {
    pending.delete(tensor);
    if (tensor.slot === null) continue;
    cells.add(tensor.slot.cell);
    tensor.slot.cell.label = tensor.label;
  }
  const line = recording.locate?.() ?? null;
  const advances = [...cells].map((cell) => ({ before: cell.advance(), after: cell.storage }));
  for (const { before } of advances) before.overwrittenAt = line;
  for (const tensor of assigned) settleCell(tensor);
  return advances;
}

/** Points a tensor and those that share its cell at the present value. */
function settleCell(tensor: Tensor): void {
  for (const part of livingWith(tensor)) part.settle();
}

/** Moves the cells back to their old values, because the new ones could not be computed. Reads of the new ones report the reason. */
export function undoAssigned(assigned: readonly Tensor[], advances: readonly Advance[], error: unknown): void {
  for (const { before, after } of advances) {
    const { cell } = after;
    // The value before may have been undone, too: jobs that wait fail one after the other.
    after.undone = before.undone ?? before;
    // If the cell has moved on already, its next value is made of this one and fails in its turn.
    if (cell?.storage === after) cell.storage = after.undone;
    after.lose(error);
  }
  for (const tensor of assigned) if (!pending.has(tensor)) rebindCell(tensor);
}

/** Drops assignments that cannot be computed. The tensors keep their values. */
export function abandonAssigned(): void {
  for (const [tensor, before] of pending) {
    pending.delete(tensor);
    tensor.replaceNode(before);
    if (tensor.slot?.cell.shared) rebindCell(tensor);
  }
}

/** Points a tensor and those that share its cell at the present value again. */
function rebindCell(tensor: Tensor): void {
  for (const part of livingWith(tensor)) if (!pending.has(part)) part.rebind();
}

/** The tensors that share a tensor's cell, this one among them. */
function livingWith(tensor: Tensor): readonly Tensor[] {
  const shared = tensor.slot === null ? null : sharedBy(tensor.slot.cell);
  return shared ? [shared.whole, ...shared.tensors] : [tensor];
}

/** The losses to be computed; they are forgotten here. */
export function takeLosses(): Node[] {
  const kept = [...losses.keys()].filter((node) => node.inUse);
  losses.clear();
  return kept;
}

/** Returns small results, such as an accuracy, that depend on values which the next submit overwrites. `known` will be computed anyway. */
export function takeSmallResults(known: readonly Node[]): Node[] {
  const results = recording.takeRecent().filter((root) => !known.includes(root));
  if (results.length === 0) return [];
  const overwritten = new Set([...pending.keys()].map(({ slot }) => slot?.cell));
  return results.filter((root) => {
    const seen = new Set<Node>();
    const open = [root];
    let follows = false;
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      const { storage } = node;
      if (storage === null) open.push(...node.inputs);
      // What is lost would take the submit with it; what was given up would hold it up.
      else if (storage.missing.size > 0 || isGivenUp(storage)) return false;
      else follows ||= storage.cell !== null && overwritten.has(storage.cell);
    }
    return follows;
  });
}

/** Whether the bytes have left the device and must come back, or be made again, before they can be read. */
function isGivenUp({ device, host, arriving, origin }: Storage): boolean {
  return arriving !== null || (origin !== null && device === null && host === null);
}

/** Adds gradients to what leaves have. */
export function addGradients(found: ReadonlyMap<Tensor, Tensor>): void {
  for (const [leaf, gradient] of found) {
    // A replay adds to the same.
    leaf.guardGradient();
    const before = leaf.gradient;
    leaf.gradient = gradientTensor(() => (before === null ? new Tensor(gradient.node) : add(before, gradient)));
  }
}

/** Declares that an optimizer updates the parameters: their gradients survive the step of another optimizer. */
export function ownGradients(parameters: Iterable<Tensor>): void {
  for (const parameter of parameters) optimized.add(parameter);
}

/** Notes leaves that have got a gradient. */
export function noteGradients(leaves: Iterable<Tensor>): void {
  // A trace becomes one plan, whatever the number of steps in it.
  if (currentTrace() !== null) return;
  for (const leaf of leaves) if (optimized.has(leaf)) graded.add(leaf);
}

/** Forgets the gradient of a parameter. */
export function dropGradient(parameter: Tensor): void {
  graded.delete(parameter);
  currentTrace()?.graded.add(parameter);
  parameter.dropGradient();
}

/** Returns the gradients without a value that outlive a step that updates `updated`. It is cheapest to compute them with the step. */
export function takeGradients(updated: Iterable<Tensor>): Node[] {
  for (const parameter of updated) graded.delete(parameter);
  const kept = [...graded].flatMap(({ gradient, disposed }) =>
    disposed || gradient === null || gradient.disposed || gradient.node.storage !== null ? [] : [gradient.node],
  );
  graded.clear();
  return kept;
}
