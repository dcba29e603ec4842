// The user's handle on a node of the graph, and the one function that records nodes.

import type * as access from "../access.ts";
import { type DType, isFloat } from "../dtype.ts";
import { DisposedTensorError } from "../errors.ts";
import type { Shape } from "../shape.ts";
import { dtypeError, opError, sizeOf } from "../shape.ts";
import { type Definition, type KernelDefinition, Node, RESULT, type Segment, sourceNode } from "./node.ts";
import type { Slot } from "./storage.ts";
import { currentTrace } from "./trace.ts";

/** Functions of a tensor as methods: the first argument becomes `this`. */
export type Methods<Functions> = {
  [Name in keyof Functions]: Functions[Name] extends (x: never, ...rest: infer Rest) => infer Result
    ? (...rest: Rest) => Result
    : never;
};

// What reads and changes tensors is a method everywhere; tensor.ts installs that, methods.ts the ops.
export interface Tensor extends Methods<typeof access> {}

/**
 * An n-dimensional array on the GPU: immutable, lazily computed, differentiable. Made by `tensor`, `zeros`, `rand`, … and
 * by every op; read with `await x.data()`, `await x.item()` or `await x.tolist()`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the ops' functions are the methods, derived and not written twice.
export class Tensor {
  #node: Node;
  #requiresGrad: boolean;
  #disposed = false;
  /** Where the tensor's state lives, once it has state of its own. */
  slot: Slot | null;
  /** What `backward()` has collected for this leaf. */
  grad: Tensor | null = null;

  constructor(node: Node, slot: Slot | null = null) {
    this.#node = node;
    this.#requiresGrad = node.requiresGrad;
    this.slot = slot;
    for (const scope of scopes) scope.add(this);
  }

  /** The graph node that computes the current value. Throws a DisposedTensorError after `dispose()`. */
  get node(): Node {
    if (this.#disposed) {
      throw new DisposedTensorError(
        `this tensor of shape [${this.shape.join(", ")}] was disposed of and has no value any more.`,
      );
    }
    const node = this.#node;
    if (this.slot !== null && node.storage === this.slot.storage && node.version !== node.storage.version)
      this.rebind();
    return this.#node;
  }

  /** Takes the value of `node` from here on. */
  replaceNode(node: Node): void {
    if (this.#requiresGrad) {
      node.requiresGrad = true;
      node.leaf = this;
    }
    this.#node = node;
  }

  /** The slot has been given a new value: what was recorded from it finds it there, as long as it stays. */
  settle(): void {
    const { slot, disposed } = this;
    const node = this.#node;
    if (slot === null || disposed) return;
    if (node.storage === null) node.put(slot.storage, slot.offset);
    this.rebind();
  }

  /** Points at the present content of the slot. */
  rebind(): void {
    const slot = this.slot;
    if (slot !== null) this.replaceNode(sourceNode(slot.storage, slot.offset, slot.shape, this.#node.dtype));
  }

  get shape(): Shape {
    return this.#node.shape;
  }

  get dtype(): DType {
    return this.#node.dtype;
  }

  /** Number of dims. */
  get ndim(): number {
    return this.#node.shape.length;
  }

  /** Number of elements. */
  get numel(): number {
    return sizeOf(this.#node.shape);
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Whether `backward()` collects a gradient here (leaf) or gradients flow through (result of ops on such leaves). */
  get requiresGrad(): boolean {
    return this.#requiresGrad || this.#node.requiresGrad;
  }

  set requiresGrad(value: boolean) {
    const node = this.node;
    if (value === this.requiresGrad) return;
    if (value && node.dtype !== "f32" && node.dtype !== "f16") {
      throw dtypeError`requiresGrad: only float tensors have gradients, got ${node.dtype}.`;
    }
    if (!value && node.leaf === null) {
      throw opError`requiresGrad: only leaves can stop requiring gradients. x.detach() gives a tensor that does not.`;
    }
    this.#requiresGrad = value;
    node.requiresGrad = value;
    node.leaf = value ? this : null;
  }

  /** Frees the tensor's memory; reading or using it afterwards throws. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const storage = this.#node.storage;
    if (storage !== null && storage.shared === null) storage.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  get [Symbol.toStringTag](): string {
    return `Tensor ${this.dtype}[${this.shape.join(", ")}]`;
  }
}

let scopes: Set<Tensor>[] = [];

/** Runs `run`, whose tensors outlive the scopes that are open: state that belongs to somebody. */
export function outsideScopes<T>(run: () => T): T {
  const open = scopes;
  scopes = [];
  try {
    return run();
  } finally {
    scopes = open;
  }
}

/** Runs `run` and tells which tensors were made meanwhile. */
export function collectTensors<T>(run: () => T): { result: T; made: Set<Tensor> } {
  const made = new Set<Tensor>();
  scopes.push(made);
  try {
    return { result: run(), made };
  } finally {
    scopes.pop();
  }
}

/** A handle on a node that others hold: it frees nothing of theirs when a scope ends. */
export function handleOn(node: Node): Tensor {
  return outsideScopes(() => new Tensor(node));
}

let gradEnabled = true;

/** Whether ops record what gradients need at present. */
export function isGradEnabled(): boolean {
  return gradEnabled;
}

/** Runs `run` with recording of gradients switched on or off. */
export function withGrad<T>(enabled: boolean, run: () => T): T {
  const before = gradEnabled;
  gradEnabled = enabled;
  try {
    return run();
  } finally {
    gradEnabled = before;
  }
}

let segment: Segment | null = null;

/** Runs `run` while recording into a segment of the graph, inside the present one. */
export function withSegment<T>(recompute: Segment["recompute"], run: () => T): { result: T; recorded: Segment } {
  const before = segment;
  const recorded: Segment = { parent: before, outputs: new Set(), recompute };
  segment = recorded;
  try {
    return { result: run(), recorded };
  } finally {
    segment = before;
  }
}

const none: readonly number[] = [];

/** Tells the trace which tensors it did not make itself. */
function noteInputs(inputs: readonly Tensor[]): void {
  const trace = currentTrace();
  if (trace === null) return;
  for (const x of inputs) if (x.slot !== null || x.node.id <= trace.start) trace.inputs.add(x);
}

/** Records one op. Shapes and dtypes have been checked by the caller. */
export function record(
  definition: Definition,
  inputs: readonly Tensor[],
  shape: Shape,
  dtype: DType,
  attributes: readonly number[] = none,
): Tensor {
  let requiresGrad = false;
  const nodes = new Array<Node>(inputs.length);
  noteInputs(inputs);
  for (let i = 0; i < inputs.length; i++) {
    const node = (inputs[i] as Tensor).node;
    nodes[i] = node;
    if (node.requiresGrad) requiresGrad = true;
  }
  if (!gradEnabled || definition.derivative === null) requiresGrad = false;
  const node = new Node(definition, nodes, shape, dtype, attributes, requiresGrad);
  node.segment = segment;
  return new Tensor(node);
}

/** Records a kernel and returns its outputs. Shapes and dtypes have been checked by the caller. */
export function recordKernel(
  definition: KernelDefinition,
  inputs: readonly Tensor[],
  attributes: readonly number[] = none,
): Tensor[] {
  noteInputs(inputs);
  const nodes = inputs.map((x) => x.node);
  const requiresGrad = gradEnabled && definition.derivative !== null && nodes.some((n) => n.requiresGrad);
  const kernel = new Node(definition, nodes, none, "u32", attributes, requiresGrad);
  kernel.segment = segment;
  return definition.program
    .outputs(nodes, attributes)
    .map(({ shape, dtype }, i) => new Tensor(resultNode(kernel, i, shape, dtype)));
}

/** Output `i` of a kernel's node. */
export function resultNode(kernel: Node, i: number, shape: Shape, dtype: DType): Node {
  const node = new Node(RESULT, [kernel], shape, dtype, [i], kernel.requiresGrad && isFloat(dtype));
  node.segment = kernel.segment;
  return node;
}
