// Reverse-mode differentiation: walks the graph backwards and lets every op write its derivative as more graph.

import { dtypeError, opError, sameShape, shapeError, sizeOf } from "../base/shape.ts";
import { differentiating } from "../graph/asked.ts";
import type { Definition, OutputGradients } from "../graph/definition.ts";
import type { Node, Recomputer } from "../graph/node.ts";
import { isRealized } from "../graph/program.ts";
import { handleOn, leafOf, Tensor, withGrad } from "../graph/tensor.ts";
import { add } from "../ops/arithmetic.ts";
import { constant, expectTensor, printed } from "../ops/define.ts";
import { expand, reshape, sumTo } from "../ops/views.ts";

/** From a node to the tensor that a derivative reads for it. */
type Sight = (node: Node) => Tensor;

/** Nodes from `root` that gradients flow through, consumers before producers. */
function backwardOrder(root: readonly Node[]): Node[] {
  const found = new Set<Node>();
  const stack = root.filter((n) => n.requiresGrad);
  for (const node of stack) found.add(node);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.leaf !== null) continue;
    for (const input of node.inputs) {
      if (input.requiresGrad && !found.has(input)) {
        found.add(input);
        stack.push(input);
      }
    }
  }
  // A node is younger than what it was made of.
  return [...found].sort((a, b) => b.id - a.id);
}

/** The gradient of a broadcast use, brought back to the shape that was used. */
function fit(gradient: Tensor, node: Node): Tensor {
  const { shape } = node;
  if (sameShape(gradient.shape, shape)) return gradient;
  const summed = sizeOf(gradient.shape) === sizeOf(shape) ? gradient : sumTo(gradient, shapeToSum(gradient, node));
  if (sizeOf(summed.shape) === sizeOf(shape)) return reshape(summed, shape);
  return expand(summed, shape);
}

/** Returns `shape` with 1 where the gradient has 1: only dims that broadcasting has repeated are summed. */
function shapeToSum(gradient: Tensor, node: Node): number[] {
  const offset = gradient.ndim - node.shape.length;
  return node.shape.map((n, i) => (gradient.shape[offset + i] === 1 ? 1 : n));
}

/** Checks or makes the gradient that `output` starts from. */
export function seedGradient(op: string, output: Tensor, gradient: Tensor | undefined): Tensor {
  if (output.dtype !== "f32" && output.dtype !== "f16") {
    throw dtypeError`${op}: only float tensors have gradients, got ${output.dtype}.`;
  }
  if (!output.requiresGrad) {
    throw opError`${op}: the tensor depends on nothing with requiresGrad (or comes from noGrad or a compiled function, whose results carry no graph). Give the leaves requiresGrad: true.`;
  }
  if (gradient === undefined) {
    if (output.numel !== 1) {
      throw shapeError`${op}: only a scalar has a gradient of its own, got ${output.shape}. Reduce it (sum, mean) or pass a gradient of its shape.`;
    }
    return expand(constant(1, output.dtype), output.shape);
  }
  expectTensor(op, gradient, "the gradient");
  if (gradient.dtype !== "f32" && gradient.dtype !== "f16") {
    throw dtypeError`${op}: the gradient must be f32 or f16, got ${gradient.dtype}.`;
  }
  if (!sameShape(gradient.shape, output.shape)) {
    throw shapeError`${op}: the gradient must have the output's shape, got ${gradient.shape} for ${output.shape}.`;
  }
  return gradient;
}

/**
 * Gradients of Σ outputs·seeds at every node that `wanted` accepts. With `createGraph` the results are differentiable again.
 */
export function propagate(
  outputs: readonly Tensor[],
  seeds: readonly Tensor[],
  wanted: (node: Node) => boolean,
  createGraph: boolean,
): Map<Node, Tensor> {
  return withGrad(createGraph, () => {
    const gradients = new Map<Node, Tensor>();
    const results = new Map<Node, Tensor>();
    let recomputer: Recomputer | null = null;
    /** Returns the value that the derivative of `node` reads: the one that was computed, or a new one if `node` lies in a checkpoint. */
    const sight = (node: Node, gradient: Node): Sight => {
      const { segment } = node;
      if (segment === null) return handleOn;
      recomputer ??= segment.recompute();
      const copies = recomputer;
      copies.enter(node, gradient);
      return (other) => handleOn(copies.seen(other, segment));
    };
    const arrivals = new Map<Node, OutputGradients<Tensor, Node>>();
    outputs.forEach((output, i) => {
      accumulate(gradients, output.node, seeds[i] as Tensor);
    });
    for (const node of backwardOrder(outputs.map((t) => t.node))) {
      const { inputs, leaf } = node;
      const definition = node.definition as Definition<Tensor, Node>;
      let found: readonly (Tensor | null)[];
      if (definition.kind === "kernel") {
        const arrived = arrivals.get(node);
        if (arrived === undefined) continue;
        found = differentiating(node.asked ?? definition.name, () =>
          definition.backward(node, arrived, sight(node, arrived.first)),
        );
      } else {
        const gradient = gradients.get(node);
        if (gradient === undefined) continue;
        gradients.delete(node);
        if (wanted(node)) results.set(node, gradient);
        if (leaf !== null) continue;
        if (definition.kind === "result") {
          // The kernel's own derivative needs the gradients of all its outputs.
          const kernel = inputs[0] as Node;
          const i = node.attributes[0] as number;
          const arrived = arrivals.get(kernel) ?? { first: gradient.node, nodes: [], gradients: [] };
          arrivals.set(kernel, arrived);
          const known = arrived.gradients[i];
          arrived.nodes[i] = node;
          arrived.gradients[i] = known === undefined ? gradient : add(known, gradient);
          continue;
        }
        const { derivative } = definition;
        if (derivative === null) continue;
        const see = sight(node, gradient.node);
        found = differentiating(node.asked ?? definition.name, () =>
          derivative(gradient, see(node), inputs.map(see), node.attributes),
        );
      }
      differentiating(node.asked ?? definition.name, () => {
        inputs.forEach((input, i) => {
          const g = found[i];
          if (input.requiresGrad && g) accumulate(gradients, input, fit(g, input));
        });
      });
    }
    return results;
  });
}

function accumulate(gradients: Map<Node, Tensor>, node: Node, gradient: Tensor): void {
  if (!node.requiresGrad) return;
  const known = gradients.get(node);
  gradients.set(node, known === undefined ? gradient : add(known, gradient));
}

/** Identifies a node in the walk: a leaf's node changes with its value. */
function identity(node: Node): Tensor | Node {
  return leafOf(node) ?? node;
}

/**
 * Gradients of `outputs` (weighted by `gradOutputs`) with respect to `inputs`, as tensors that can be differentiated again.
 * An input that no output depends on has the gradient zero.
 */
export function gradients(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  gradOutputs?: Tensor | readonly (Tensor | null | undefined)[],
  allowUnused = true,
): Tensor[] {
  const list = outputs instanceof Tensor ? [outputs] : outputs;
  if (!Array.isArray(list)) throw new TypeError(`grad: the outputs must be a tensor or a list, got ${printed(list)}.`);
  if (!Array.isArray(inputs))
    throw new TypeError(`grad: the inputs must be a tensor or a list, got ${printed(inputs)}.`);
  const weights = gradOutputs instanceof Tensor ? [gradOutputs] : (gradOutputs ?? []);
  if (gradOutputs !== undefined && weights.length !== list.length) {
    throw opError`grad: gradOutputs must hold one gradient per output, got ${weights.length} for ${list.length}. null stands for a scalar's 1.`;
  }
  const seeds = list.map((output, i) =>
    seedGradient("grad", expectTensor("grad", output, `output ${i}`), weights[i] ?? undefined),
  );
  const nodes = inputs.map((x, i) => {
    if (!(x instanceof Tensor)) throw new TypeError(`grad: input ${i} must be a tensor.`);
    if (!x.requiresGrad)
      throw opError`grad: input ${i} of shape ${x.shape} has no requiresGrad. tensor(…, { requiresGrad: true }) gives it.`;
    return identity(x.node);
  });
  const wanted = new Set(nodes);
  const found = new Map<Tensor | Node, Tensor>();
  for (const [node, gradient] of propagate(list, seeds, (node) => wanted.has(identity(node)), true)) {
    // Throws where a step has overwritten the leaf's value.
    if (node.leaf !== null) isRealized(node);
    const known = found.get(identity(node));
    found.set(identity(node), known === undefined ? gradient : add(known, gradient));
  }
  return inputs.map((x, i) => {
    const gradient = found.get(nodes[i] as Tensor | Node);
    if (gradient === undefined && !allowUnused) {
      throw opError`grad: no output depends on input ${i} of shape ${x.shape}. allowUnused: true gives zeros.`;
    }
    return gradient ?? expand(constant(0, x.dtype), x.shape);
  });
}

/** The gradients of `output` by the leaves with requiresGrad that it depends on. */
export function leafGradients(output: Tensor, gradient?: Tensor): Map<Tensor, Tensor> {
  const seed = seedGradient("backward", output, gradient);
  const found = propagate([output], [seed], (node) => node.leaf !== null, false);
  const gradients = new Map<Tensor, Tensor>();
  // A leaf that was given new values has been several nodes.
  for (const [node, gradient] of found) {
    const leaf = leafOf(node);
    if (leaf === null) continue;
    const known = gradients.get(leaf);
    gradients.set(leaf, known === undefined ? gradient : withGrad(false, () => add(known, gradient)));
  }
  return gradients;
}
