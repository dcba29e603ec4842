// Graph nodes: recorded ops with what the runs have left in them.

import type { DType } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";
import type { Definition, ElementwiseDefinition, Handle, PlainDefinition } from "./definition.ts";
import type { Cell, Storage } from "./storage.ts";

export const SOURCE: PlainDefinition = { kind: "source", name: "source", derivative: null };
export const CONSTANT: PlainDefinition = { kind: "constant", name: "constant", derivative: null };
export const IOTA: PlainDefinition = { kind: "iota", name: "iota", derivative: null };

/** An output of a kernel; the attribute is its number. The backward walk collects the gradients of all of them. */
export const RESULT: PlainDefinition = { kind: "result", name: "result", derivative: null };

/** The same value in memory of its own. Copies with different attributes are never merged. */
export const COPY: ElementwiseDefinition = {
  kind: "elementwise",
  name: "copy",
  wgsl: (_t, x) => x,
  reference: (x) => x as number,
  derivative: (g) => [g],
  cost: 0,
};

/** A part of the graph whose values are not kept for the backward pass (`checkpoint`). Segments nest. */
export interface Segment {
  readonly parent: Segment | null;
  /** The values that leave the segment. They are kept, because the caller holds them. */
  readonly outputs: Set<Node>;
  /** Begins the recomputation when a backward walk enters the segment. It serves all other segments of the walk, too. */
  readonly recompute: () => Recomputer;
}

/** The copies that one backward walk makes of segments. */
export interface Recomputer {
  /** Notes that `gradient` has arrived at `node`. The first gradient to arrive at a segment decides when its recomputation may start. */
  enter(node: Node, gradient: Node): void;
  /** The node to read instead of `node` in a derivative of a node recorded in `segment`. */
  seen(node: Node, segment: Segment): Node;
}

/** One pass that computes a segment's values again. Its nodes are never merged with others and run after `after`. */
export interface Recomputation {
  readonly after: Node;
}

let nextNode = 1;
const none: readonly never[] = [];

/** One recorded op. It never changes, except that a run may store its value in it; then it needs no history. */
export class Node {
  readonly id: number = nextNode++;
  #definition: Definition;
  #inputs: readonly Node[];
  readonly shape: Shape;
  readonly dtype: DType;
  /** The op's static arguments as numbers (axes, pads, …): part of every cache key. */
  readonly attributes: readonly number[];
  /** Whether gradients flow through here. */
  requiresGrad: boolean;
  /** The tensor that collects this leaf's gradient. */
  leaf: Handle | null = null;
  #storage: Storage | null = null;
  offset = 0;
  /** Number of handles on the node, plus nodes in use that are made of it: see `retain`. */
  #uses = 0;
  /** The innermost segment that the node was recorded in. */
  segment: Segment | null = null;
  /** Set where the node computes again what another has computed. */
  recomputation: Recomputation | null = null;

  constructor(
    definition: Definition,
    inputs: readonly Node[],
    shape: Shape,
    dtype: DType,
    attributes: readonly number[],
    requiresGrad: boolean,
    internal = false,
  ) {
    this.internal = internal;
    this.#definition = definition;
    this.#inputs = inputs;
    this.shape = shape;
    this.dtype = dtype;
    this.attributes = attributes;
    this.requiresGrad = requiresGrad;
  }

  get definition(): Definition {
    return this.#definition;
  }

  get inputs(): readonly Node[] {
    return this.#inputs;
  }

  /** Where the node's value lies, once it has one. */
  get storage(): Storage | null {
    return this.#storage;
  }

  /** The cell whose present value the node was made for: a compiled step reads what is there then. */
  cell: Cell | null = null;
  /** The line of the user's program that recorded the node, where lines are asked for. */
  source: string | null = null;
  /** Whether the value has been computed for something already. */
  seen = false;
  /** Whether another node has been recorded that reads this one. */
  consumed = false;
  /** What the user asked for: see `askedFor`. */
  asked: string | null = null;
  /** Recorded by the library for its own purposes, such as a derivative. */
  readonly internal: boolean;

  /** Whether anybody may ask for the value, or for one that is made of it. */
  get inUse(): boolean {
    return this.#uses > 0;
  }

  /** The node's value lies in `storage` from here on, or in none. */
  put(storage: Storage | null, offset: number): void {
    if (this.#uses > 0) {
      if (this.#storage !== null) this.#storage.holders--;
      if (storage !== null) storage.holders++;
    }
    this.#storage = storage;
    this.offset = offset;
  }

  /**
   * Takes over the bytes of what the node is an alias of; returns whether it did. It does where the bytes are at hand and no gradient
   * flows through here.
   */
  shareBytes(): boolean {
    const source = this.#inputs[0];
    if (this.#storage !== null || this.#definition.kind !== "alias" || this.requiresGrad) return false;
    if (source === undefined || source.#storage === null) return false;
    this.put(source.#storage, source.offset);
    return true;
  }

  /** Forgets the inputs: the value has bytes, and no gradient flows through here. */
  forget(): void {
    if (this.#definition === SOURCE || (this.requiresGrad && this.leaf === null)) return;
    const { inputs } = this;
    this.#definition = SOURCE;
    this.#inputs = none;
    if (this.#uses > 0) for (const input of inputs) input.release();
  }

  /** Counts one who may ask for the value. */
  retain(): void {
    // A stack of its own: graphs may be deeper than JavaScript's.
    const open: Node[] = [];
    for (let node: Node | undefined = this; node !== undefined; node = open.pop()) {
      if (node.#uses++ > 0) continue;
      if (node.#storage !== null) node.#storage.holders++;
      for (const input of node.#inputs) {
        if (input.#uses > 0) input.#uses++;
        else open.push(input);
      }
    }
  }

  /** Counts one less. */
  release(): void {
    const open: Node[] = [];
    for (let node: Node | undefined = this; node !== undefined; node = open.pop()) {
      if (--node.#uses > 0) continue;
      if (node.#storage !== null) node.#storage.holders--;
      for (const input of node.#inputs) {
        if (input.#uses > 1) input.#uses--;
        else open.push(input);
      }
    }
  }
}

/** The number of the node made last. */
export function lastNode(): number {
  return nextNode - 1;
}

/** A node whose value lies in `storage`. */
export function sourceNode(storage: Storage, offset: number, shape: Shape, dtype: DType): Node {
  const node = new Node(SOURCE, none, shape, dtype, none, false);
  node.put(storage, offset);
  return node;
}

/** A node that is the present value of a cell, or of a part of it. */
export function stateNode(cell: Cell, offset: number, shape: Shape, dtype: DType): Node {
  const node = sourceNode(cell.storage, offset, shape, dtype);
  node.cell = cell;
  return node;
}

/** A number that is part of the program. */
export function constantNode(value: number, dtype: DType): Node {
  return new Node(CONSTANT, none, none, dtype, [value], false);
}

/** 0, 1, 2, … along the last of one dim. */
export function iotaNode(length: number, dtype: "i32" | "u32"): Node {
  return new Node(IOTA, none, [length], dtype, none, false);
}
