// The user's handle on a node of the graph, and the one function that records nodes.

import { type DType, isFloat } from "../base/dtype.ts";
import { DisposedTensorError, must } from "../base/errors.ts";
import { dtypeError, opError, type Shape, sizeOf } from "../base/shape.ts";
import type { Definition, KernelDefinition } from "./definition.ts";
import { Node, RESULT, stateNode } from "./node.ts";
import { Recording } from "./recording.ts";
import type { Cell, Shared, Slot } from "./storage.ts";

/**
 * An n-dimensional array on the GPU: lazily computed and differentiable. `tensor`, `zeros`, `rand` and every op make tensors.
 * `await x.data()`, `await x.item()` and `await x.tolist()` read them.
 */
export class Tensor {
  /** Null where the slot says what it is: found when somebody asks, as most state is only seen by the optimizer that keeps it. */
  #node: Node | null;
  #requiresGrad: boolean;
  #disposed = false;
  /** Whether the handle counts among those who may ask for the value. */
  #held: boolean;
  /** The name that errors give the tensor: a parameter's path in its module. @internal */
  label: string | null = null;
  /** Where the tensor's state lives, once it has state of its own. @internal */
  slot: Slot | null;
  #gradient: Tensor | null = null;
  /** Whether somebody may hold the tensor that `#gradient` is. */
  #shown = false;
  /** How many leaves have this tensor as their gradient. */
  #leaves = 0;

  /** Tensors are made by `tensor`, `zeros`, `rand` and by ops, not by this constructor. */
  constructor(node: Node, slot: Slot | null = null, held = true) {
    this.#node = node;
    this.#requiresGrad = node.requiresGrad;
    this.#held = held;
    this.slot = slot;
    if (!held) return;
    node.retain();
    for (const scope of recording.scopes) scope.push(this);
  }

  /** The graph node that computes the current value. Throws a DisposedTensorError after `dispose()`. @internal */
  get node(): Node {
    if (this.#disposed) {
      throw new DisposedTensorError(
        `this tensor of shape [${this.shape.join(", ")}] was disposed of and has no value any more.`,
      );
    }
    return this.lastNode;
  }

  /** The node, even after `dispose()`: what was recorded goes on without the handle. @internal */
  get lastNode(): Node {
    if (this.#node !== null) return this.#node;
    const { cell, offset, shape } = must(this.slot, "a tensor without a value");
    const coming = sharedBy(cell)?.coming(offset, shape) ?? null;
    return this.#take(coming ?? stateNode(cell, offset, shape, cell.dtype));
  }

  /** The sum of the gradients that calls of `backward()` gave this leaf; null before the first one and after `zeroGrad()`. */
  get grad(): Tensor | null {
    this.guardGradient();
    this.#shown = true;
    return this.#gradient;
  }

  set grad(value: Tensor | null) {
    recording.trace?.graded.add(this);
    this.#shown = true;
    this.#takeGradient(value);
  }

  /** Says that the compiled step being traced reads the gradient, which replays must find as it is. @internal */
  guardGradient(): void {
    const { trace } = recording;
    if (trace === null || trace.graded.has(this)) return;
    trace.graded.add(this);
    // The step's own leaves are others in the next trace.
    if (this.slot === null && this.lastNode.id > trace.start) return;
    const gradient = this.#gradient;
    trace.guards.push(() => this.#gradient === gradient);
  }

  /** The gradient as the library reads it, without counting as a reader. @internal */
  get gradient(): Tensor | null {
    return this.#gradient;
  }

  /** @internal */
  set gradient(value: Tensor | null) {
    if (this.#gradient === null) this.#shown = false;
    this.#takeGradient(value);
  }

  #takeGradient(gradient: Tensor | null): void {
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

  /** Forgets the gradient, and frees it if nobody has read `grad`. @internal */
  dropGradient(): void {
    const gradient = this.#gradient;
    this.#takeGradient(null);
    if (gradient !== null && !this.#shown) gradient.dispose();
  }

  /** Takes the value of `node` from here on. @internal */
  replaceNode(node: Node): void {
    const before = this.#node;
    this.#take(node);
    if (this.#held) before?.release();
  }

  #take(node: Node): Node {
    if (this.#requiresGrad) {
      node.requiresGrad = true;
      node.leaf = this;
    }
    if (this.#held) node.retain();
    this.#node = node;
    return node;
  }

  /** Points at the present content of the slot. Where several tensors share it, that is also what an assignment to all of them will write. @internal */
  rebind(): void {
    const { slot } = this;
    if (slot === null) return;
    if ((sharedBy(slot.cell)?.whole ?? this) === this) {
      this.replaceNode(stateNode(slot.cell, slot.offset, slot.shape, slot.cell.dtype));
      return;
    }
    if (this.#held) this.#node?.release();
    this.#node = null;
  }

  /** Points at the present content of the slot. What was recorded from an assigned value finds it there, too. @internal */
  settle(): void {
    const slot = this.slot;
    if (slot === null) return;
    const { storage } = slot.cell;
    const node = this.#node;
    if (node === null) return;
    if (node.storage === null) node.put(storage, slot.offset);
    if (node.storage !== storage || node.cell === null) this.rebind();
  }

  /** The size of each dim; `[]` for a single number. */
  get shape(): Shape {
    return (this.#node ?? (this.slot as Slot)).shape;
  }

  /** The type of the elements: f32, f16, i32, u32 or bool. */
  get dtype(): DType {
    return this.#node?.dtype ?? (this.slot as Slot).cell.dtype;
  }

  /** Number of dims. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get numel(): number {
    return sizeOf(this.shape);
  }

  /** Whether `dispose()` was called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Whether the tensor takes part in derivatives. True for a leaf that collects a gradient in `grad`, and for every result of ops on such leaves.
   * Setting it throws for integer tensors, and when it would cut a result off from its leaves (`x.detach()` does that).
   */
  get requiresGrad(): boolean {
    return this.#requiresGrad || this.#node?.requiresGrad === true;
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
   * Gives the handle up. Using it afterwards throws a DisposedTensorError. The memory is freed unless another tensor shares it or an op that
   * was recorded from this tensor still needs it.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#gradient !== null) this.#gradient.#leaves--;
    if (!this.#held) return;
    this.letGo();
    const storage = this.#node?.storage ?? null;
    const { cell = null } = this.slot ?? {};
    // A cell's values belong to the tensor that lives there.
    if (storage !== null && storage.cell === null && storage.holders === 0) storage.free();
    if (cell === null || cell.shared !== null || cell.storage.holders > 0) return;
    cell.storage.free();
    if ((cell.previous?.deref()?.holders ?? 0) === 0) cell.freeSpare();
  }

  /** Stops counting as a reader of the value. The handle stays usable. @internal */
  letGo(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#node?.release();
  }

  /** Calls `dispose()`: so `using x = …` frees the tensor at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get [Symbol.toStringTag](): string {
    return `Tensor ${this.dtype}[${this.shape.join(", ")}]`;
  }
}

/** The owner of several tensors that live in one cell (an Arena). */
export interface SharedCell extends Shared {
  readonly tensors: readonly Tensor[];
  /** The vector over the whole cell, which does not follow what single tensors have been assigned. */
  readonly whole: Tensor;
  /** The value that an assignment to all of them will write at an offset in bytes; null where none waits. */
  coming(offset: number, shape: Shape): Node | null;
}

/** The owner of a cell in which several tensors live. */
export function sharedBy({ shared }: Cell): SharedCell | null {
  return shared as SharedCell | null;
}

/** How ops are recorded at present. */
export const recording: Recording<Tensor> = new Recording();

/** Elements of a small result: losses, accuracies. */
const SMALL = 16;

/** Runs `run` outside of all open scopes: the tensors that it makes are not freed when a scope ends. */
export function outsideScopes<T>(run: () => T): T {
  return recording.under({ scopes: [], internal: false }, run);
}

/** Runs `run`; `made` collects the tensors that are made meanwhile. */
export function collectTensors<T>(made: Tensor[], run: () => T): T {
  return recording.under({ scopes: [...recording.scopes, made] }, run);
}

/** The same for a scope, whose tensors end with it: gradients that leaves get meanwhile are among them. */
export function collectScope<T>(made: Tensor[], run: () => T): T {
  return recording.under({ scopes: [...recording.scopes, made], ending: [...recording.ending, made] }, run);
}

/** A tensor for a leaf's gradient: it outlives the scope that it is made in where the leaf does. */
export function gradientTensor(make: () => Tensor): Tensor {
  const gradient = outsideScopes(make);
  for (const made of recording.ending) made.push(gradient);
  return gradient;
}

/** The tensor that collects a leaf's gradient. */
export function leafOf({ leaf }: Node): Tensor | null {
  return leaf as Tensor | null;
}

/** Makes a handle on a node that others hold. It belongs to no scope and frees nothing. */
export function handleOn(node: Node): Tensor {
  return new Tensor(node, null, false);
}

/**
 * Runs `run` and gives up the tensors that it makes: nobody else sees them, so their memory may be overwritten in
 * place.
 */
export function internally<T>(run: () => T): T {
  const made: Tensor[] = [];
  try {
    return recording.under({ internal: true, scopes: [...recording.scopes, made] }, run);
  } finally {
    for (const tensor of made) tensor.letGo();
  }
}

/** Whether ops record gradients now: false inside `noGrad`. */
export function isGradEnabled(): boolean {
  return recording.gradients;
}

/** Runs `run` with recording of gradients switched on or off. */
export function withGrad<T>(enabled: boolean, run: () => T): T {
  // Without `under`: every derivative comes here.
  const before = recording.gradients;
  recording.gradients = enabled;
  try {
    return run();
  } finally {
    recording.gradients = before;
  }
}

const none: readonly number[] = [];

/** Tells the trace which tensors it did not make itself. */
function noteInputs(inputs: readonly Tensor[]): void {
  const { trace } = recording;
  if (trace === null) return;
  for (const x of inputs)
    if ((x.slot !== null || x.node.id <= trace.start) && !trace.inputs.has(x)) trace.inputs.set(x, x.node);
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
  const { gradients, internal, locate } = recording;
  if (!gradients || definition.derivative === null) requiresGrad = false;
  const node = new Node(definition, nodes, shape, dtype, attributes, requiresGrad, internal);
  node.segment = recording.segment;
  node.asked = recording.asked;
  if (locate !== null && !internal) node.source = locate();
  if (!internal && sizeOf(shape) <= SMALL && recording.trace === null) recording.noteRecent(node);
  return new Tensor(node);
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
  const { gradients, internal, segment } = recording;
  const requiresGrad = gradients && definition.derivative !== null && nodes.some((n) => n.requiresGrad);
  const kernel = new Node(definition, nodes, none, "u32", attributes, requiresGrad, internal);
  kernel.segment = segment;
  kernel.asked = recording.asked;
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
