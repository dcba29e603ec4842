// The user's handle on a node of the graph, and the one function that records nodes.

import type * as access from "../access.ts";
import { type DType, isFloat } from "../dtype.ts";
import { DisposedTensorError } from "../errors.ts";
import type { Shape } from "../shape.ts";
import { dtypeError, opError, sizeOf } from "../shape.ts";
import { type Definition, type KernelDefinition, Node, RESULT, type Segment, stateNode } from "./node.ts";
import type { Slot } from "./storage.ts";
import { currentTrace, guardGradient } from "./trace.ts";

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
  /** Whether the handle counts among those who may ask for the value. */
  #held: boolean;
  /** What errors call it: a parameter's path in its module. */
  label: string | null = null;
  /** Where the tensor's state lives, once it has state of its own. */
  slot: Slot | null;
  #gradient: Tensor | null = null;
  /** Whether somebody may hold the tensor that `#gradient` is. */
  #shown = false;
  /** How many leaves have this tensor as their gradient. */
  #leaves = 0;

  constructor(node: Node, slot: Slot | null = null, held = true) {
    this.#node = node;
    this.#requiresGrad = node.requiresGrad;
    this.#held = held;
    this.slot = slot;
    if (!held) return;
    node.retain();
    for (const scope of scopes) scope.push(this);
  }

  /** The graph node that computes the current value. Throws a DisposedTensorError after `dispose()`. */
  get node(): Node {
    if (this.#disposed) {
      throw new DisposedTensorError(
        `this tensor of shape [${this.shape.join(", ")}] was disposed of and has no value any more.`,
      );
    }
    return this.#node;
  }

  /** The node, also of a tensor that was disposed of: for what goes on without it. */
  get lastNode(): Node {
    return this.#node;
  }

  /** What `backward()` has collected for this leaf. */
  get grad(): Tensor | null {
    guardGradient(this);
    this.#shown = true;
    return this.#gradient;
  }

  set grad(value: Tensor | null) {
    currentTrace()?.graded.add(this);
    this.#shown = true;
    this.#take(value);
  }

  /** The same for the library itself, which does not hold on to it. */
  get gradient(): Tensor | null {
    return this.#gradient;
  }

  set gradient(value: Tensor | null) {
    if (this.#gradient === null) this.#shown = false;
    this.#take(value);
  }

  #take(gradient: Tensor | null): void {
    if (!this.#disposed) {
      if (this.#gradient !== null) this.#gradient.#leaves--;
      if (gradient !== null) gradient.#leaves++;
    }
    this.#gradient = gradient;
  }

  /** Whether this is the gradient of a leaf that has not been disposed of. */
  get isGradient(): boolean {
    return this.#leaves > 0;
  }

  /** Forgets the gradient; frees it where nobody has seen it. */
  dropGradient(): void {
    const gradient = this.#gradient;
    this.#take(null);
    if (gradient !== null && !this.#shown) gradient.dispose();
  }

  /** Takes the value of `node` from here on. */
  replaceNode(node: Node): void {
    if (this.#requiresGrad) {
      node.requiresGrad = true;
      node.leaf = this;
    }
    if (this.#held) {
      node.retain();
      this.#node.release();
    }
    this.#node = node;
  }

  /** Points at the present content of the slot. */
  rebind(): void {
    const slot = this.slot;
    if (slot !== null) this.replaceNode(stateNode(slot.cell, slot.offset, slot.shape, this.#node.dtype));
  }

  /** Points at the present content of the slot; what was recorded from a value that was assigned finds it there, too. */
  settle(): void {
    const slot = this.slot;
    if (slot === null) return;
    const { storage } = slot.cell;
    const node = this.#node;
    if (node.storage === null) node.put(storage, slot.offset);
    if (node.storage !== storage || node.cell === null) this.rebind();
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

  /**
   * Gives the handle up: using it afterwards throws. The memory is freed unless others share it or what was recorded from the tensor
   * still needs it.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#gradient !== null) this.#gradient.#leaves--;
    if (!this.#held) return;
    this.letGo();
    const { storage } = this.#node;
    const { cell = null } = this.slot ?? {};
    // A cell's values belong to the tensor that lives there.
    if (storage !== null && storage.cell === null && storage.holders === 0) storage.free();
    if (cell === null || cell.shared !== null || cell.storage.holders > 0) return;
    cell.storage.free();
    if ((cell.previous?.deref()?.holders ?? 0) === 0) cell.freeSpare();
  }

  /** Stops counting among those who may ask for the value; the handle stays usable. */
  letGo(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#node.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  get [Symbol.toStringTag](): string {
    return `Tensor ${this.dtype}[${this.shape.join(", ")}]`;
  }
}

let scopes: Tensor[][] = [];
/** Those of them whose tensors end with them. */
const ending: Tensor[][] = [];
/** Whether what is recorded at present is the library's own affair. */
let internal = false;
/** Small results that were recorded last and that nothing has been made of yet, with what has been, up to a number. */
let recent: Node[] = [];
/** Elements of a small result: losses, accuracies. */
const SMALL = 16;
const MOST_RECENT = 256;

/** Takes the small results that somebody may ask for and that nothing has been made of: computing them later would cost more. */
export function takeRecent(): Node[] {
  const taken = recent.filter((node) => !node.consumed && node.inUse && node.storage === null);
  recent = [];
  return taken;
}

/** Runs `run`, whose tensors outlive the scopes that are open: state that belongs to somebody. */
export function outsideScopes<T>(run: () => T): T {
  const open = scopes;
  const before = internal;
  scopes = [];
  internal = false;
  try {
    return run();
  } finally {
    scopes = open;
    internal = before;
  }
}

/** Runs `run`; `made` collects the tensors that are made meanwhile. */
export function collectTensors<T>(made: Tensor[], run: () => T): T {
  scopes.push(made);
  try {
    return run();
  } finally {
    scopes.pop();
  }
}

/** The same for a scope, whose tensors end with it: gradients that leaves get meanwhile are among them. */
export function collectScope<T>(made: Tensor[], run: () => T): T {
  ending.push(made);
  try {
    return collectTensors(made, run);
  } finally {
    ending.pop();
  }
}

/** A tensor for a leaf's gradient: it outlives the scope that it is made in where the leaf does. */
export function gradientTensor(make: () => Tensor): Tensor {
  const gradient = outsideScopes(make);
  for (const made of ending) made.push(gradient);
  return gradient;
}

/** A handle on a node that others hold: it is nobody's, and frees nothing when a scope ends. */
export function handleOn(node: Node): Tensor {
  return new Tensor(node, null, false);
}

/** Runs `run`, which shows nobody the tensors that it makes: what they were made of may be overwritten in place. */
export function internally(run: () => void): void {
  const made: Tensor[] = [];
  const before = internal;
  internal = true;
  try {
    collectTensors(made, run);
  } finally {
    internal = before;
    for (const tensor of made) tensor.letGo();
  }
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
  for (const x of inputs)
    if ((x.slot !== null || x.node.id <= trace.start) && !trace.inputs.has(x)) trace.inputs.set(x, x.node);
}

let locate: (() => string | null) | null = null;

/** Lets nodes note the line that records them: only where an error may have to name it. */
export function recordLines(how: () => string | null): void {
  locate = how;
}

/** The line of the program that is running: only where an error may have to name it. */
export function presentLine(): string | null {
  return locate?.() ?? null;
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
    node.consumed = true;
    if (node.requiresGrad) requiresGrad = true;
  }
  if (!gradEnabled || definition.derivative === null) requiresGrad = false;
  const node = new Node(definition, nodes, shape, dtype, attributes, requiresGrad, internal);
  node.segment = segment;
  if (locate !== null && !internal) node.source = locate();
  if (!internal && sizeOf(shape) <= SMALL && currentTrace() === null) noteRecent(node);
  return new Tensor(node);
}

function noteRecent(node: Node): void {
  if (recent.length === MOST_RECENT) recent = recent.slice(MOST_RECENT / 2);
  recent.push(node);
}

/** Records a kernel and returns its outputs. Shapes and dtypes have been checked by the caller. */
export function recordKernel(
  definition: KernelDefinition,
  inputs: readonly Tensor[],
  attributes: readonly number[] = none,
): Tensor[] {
  noteInputs(inputs);
  const nodes = inputs.map(({ node }) => node);
  for (const node of nodes) node.consumed = true;
  const requiresGrad = gradEnabled && definition.derivative !== null && nodes.some((n) => n.requiresGrad);
  const kernel = new Node(definition, nodes, none, "u32", attributes, requiresGrad, internal);
  kernel.segment = segment;
  return definition.program
    .outputs(nodes, attributes)
    .map(({ shape, dtype }, i) => new Tensor(resultNode(kernel, i, shape, dtype)));
}

/** Output `i` of a kernel's node. */
export function resultNode(kernel: Node, i: number, shape: Shape, dtype: DType): Node {
  const node = new Node(RESULT, [kernel], shape, dtype, [i], kernel.requiresGrad && isFloat(dtype), kernel.internal);
  node.segment = kernel.segment;
  return node;
}
