// Graph nodes and the definitions that give them meaning: a closed set of kinds, one object per op.

import type { DType } from "../dtype.ts";
import type { HandWritten } from "../shaders/hand-written.ts";
import type { DeviceTraits, Kernel } from "../shaders/kernel.ts";
import type { Shape } from "../shape.ts";
import type { Condition, Index } from "./index-expression.ts";
import type { Make, Reads, Value } from "./program.ts";
import type { Cell, Storage } from "./storage.ts";
import type { Strided } from "./strided.ts";
import type { Tensor } from "./tensor.ts";

/** What an elementwise op's WGSL writer may ask for. */
export interface WgslContext {
  /** dtype of the first operand as it is computed (f16 computes as f32). */
  readonly operand: "f32" | "i32" | "u32" | "bool";
  /** 1 for scalars, 4 for vec4. */
  readonly width: 1 | 4;
  /** WGSL type of the operands at this width: `f32`, `vec4<f32>`. */
  readonly type: string;
  /** WGSL type of another element type at this width. */
  typeOf(element: "f32" | "i32" | "u32" | "bool"): string;
  /** A number as literal of the operand's type at this width. */
  number(value: number): string;
  /** A number as f32 literal at this width. */
  float(value: number): string;
  /** Calls a function of `helpers`: with all lanes at once where all helpers are written for that (graph/helpers.ts), else lane by lane. */
  call(helper: string, ...values: string[]): string;
}

/** Derivative: from the gradient of the output to one gradient (or null) per input. `out` is the op's own result. */
export type Derivative = (
  g: Tensor,
  out: Tensor,
  inputs: readonly Tensor[],
  attributes: readonly number[],
) => (Tensor | null)[];

export interface ElementwiseDefinition {
  readonly kind: "elementwise";
  readonly name: string;
  /** WGSL expression of the operands' expressions. */
  readonly wgsl: (t: WgslContext, ...operands: string[]) => string;
  /** WGSL functions that `wgsl` calls, each self-contained by name. */
  readonly helpers?: readonly string[];
  /** The same in float64. */
  readonly reference: (...operands: number[]) => number;
  readonly derivative: Derivative | null;
  /** Rough cost in additions, for decisions on what to compute twice. */
  readonly cost: number;
  /** An operand that drivers take for the result whatever the other one is, where that may be NaN. */
  readonly absorbing?: number;
}

/** Where a view's element comes from: coordinates in the input, and `fill` where a condition fails. */
export interface ViewSource {
  readonly coordinates: Index[];
  readonly conditions?: Condition[];
  readonly fill?: number;
}

export interface ViewDefinition {
  readonly kind: "view";
  readonly name: string;
  readonly index: (
    coordinates: readonly Index[],
    attributes: readonly number[],
    input: Shape,
    output: Shape,
  ) => ViewSource;
  readonly derivative: Derivative;
  /** For views of which sums may be views of one value again: a page without them doesn't load what finds that out. */
  readonly sums?: () => SumRewriter;
}

/** Sees what the sums in one program come to. */
export interface SumRewriter {
  /** The value of a node, where it is such a sum. */
  rewrite(node: Node, inputs: readonly Value[], make: Make): Value | null;
}

export interface ReduceDefinition {
  readonly kind: "reduce";
  readonly name: string;
  /** Neutral element. */
  readonly identity: (dtype: DType) => number;
  readonly combine: (t: WgslContext, a: string, b: string) => string;
  readonly helpers?: readonly string[];
  readonly reference: (a: number, b: number) => number;
  readonly derivative: Derivative | null;
}

/** Shape and dtype of a value. */
export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** One result of a kernel. */
export interface KernelOutput extends ValueType {
  /** Name of its binding. */
  readonly name: string;
  /** Number of the input whose content the output starts with; that input has no binding of its own. */
  readonly initial?: number;
}

/** Where an input of a strided kernel lies: element (i, j, …) is element offset + i·strides[0] + … of the binding. */
export interface KernelLayout {
  readonly binding: string;
  readonly offset: number;
  readonly strides: readonly number[];
}

/** What a kernel is written for. */
export interface KernelCall {
  readonly inputs: readonly ValueType[];
  readonly outputs: readonly KernelOutput[];
  readonly attributes: readonly number[];
  /** Per input, for a strided kernel that is written: inputs that lie in one value share a binding. */
  readonly layouts?: readonly KernelLayout[];
}

/** A whole shader but for its bindings, and how often it runs. */
export interface KernelText {
  /** An entry point and what it needs. Bindings are arrays of the given names, declared and numbered by the engine. */
  readonly wgsl: string;
  /** Name of the entry point, where it is not `main`. */
  readonly entry?: string;
  /** A number is folded into rows where it exceeds the limit per dimension: see `entryPoint`. */
  readonly workgroups: number | readonly [number, number, number];
  /** Types of bindings, where they are not arrays of the dtype (bool is u32): `array<vec4<f32>>`, `array<atomic<u32>>`. */
  readonly types?: Readonly<Record<string, string>>;
  /** WGSL extensions besides f16. */
  readonly enable?: readonly string[];
  /** Estimated arithmetic operations, for reports. */
  readonly flops?: number;
  /** Lines of the text before those that its author wrote, for messages. */
  readonly preamble?: number;
}

/** How a hand-written kernel spreads its work. */
export type KernelSchedule = Readonly<Record<string, number | string>>;

/** What a kernel computes: everything that a plan depends on. */
export interface KernelProgram {
  readonly name: string;
  /** Names of the inputs' bindings, as many as there may be; null where an input has none (the initial content of an output). */
  readonly inputs: readonly (string | null)[];
  /** Inputs are read through their strides, see `KernelCall.layouts`; else each is contiguous. */
  readonly strided?: boolean;
  /** Inputs of one element that the text reads as `scalar_NAME()`: numbers of the host need no buffer then. */
  readonly scalars?: readonly string[];
  readonly outputs: (inputs: readonly ValueType[], attributes: readonly number[]) => readonly KernelOutput[];
  /** The text under one of its schedules; a program that has none ignores it. */
  readonly write: (call: KernelCall, device: DeviceTraits, schedule: KernelSchedule | null) => KernelText;
  /** Schedules for `tune` to choose from, the default one in front. */
  readonly schedules?: (call: KernelCall, device: DeviceTraits) => readonly KernelSchedule[];
  /** The same in float64: row-major values of all inputs to those of all outputs. */
  readonly reference: ((inputs: readonly Float64Array[], call: KernelCall) => readonly Float64Array[]) | null;
}

/** What a backward walk has found for a kernel's outputs, by their numbers. */
export interface OutputGradients {
  /** The gradient that came first. */
  readonly first: Node;
  readonly nodes: Node[];
  readonly gradients: Tensor[];
}

/** One dispatch of a shader written by hand. Its node has no value: `result` nodes are its outputs. */
export interface KernelDefinition {
  readonly kind: "kernel";
  readonly name: string;
  readonly program: KernelProgram;
  // What the engine asks such kernels for stands here: a page without them doesn't load it.
  /** Completes the program's text. */
  readonly complete: (call: HandWritten, device: DeviceTraits, schedule: KernelSchedule | null) => Kernel;
  /** The inputs, with copies of those that it can't bind. */
  readonly bindable: (
    inputs: readonly Value[],
    attributes: readonly number[],
    copy: (input: Value, distinct: boolean) => Value,
  ) => readonly Value[];
  /** What it binds for an input, and how the input lies there. */
  readonly source: (input: Value) => Strided<Value>;
  /** From the gradients of the outputs to those of the inputs, where `see` gives what a derivative reads for a node. */
  readonly backward: (
    kernel: Node,
    arrived: OutputGradients,
    see: (node: Node) => Tensor,
  ) => readonly (Tensor | null)[];
  /** From the gradients of the outputs (null where nothing depends on one) to one gradient (or null) per input. */
  readonly derivative:
    | ((
        gradients: readonly (Tensor | null)[],
        outputs: readonly Tensor[],
        inputs: readonly Tensor[],
        attributes: readonly number[],
      ) => readonly (Tensor | null)[])
    | null;
}

/** Elements read by an index that is data: see `defineGather`. */
export interface GatherDefinition {
  readonly kind: "gather";
  readonly name: string;
  readonly derivative: Derivative;
  readonly read: (value: Value, coordinates: readonly Index[], isStored: (value: Value) => boolean) => Reads;
}

/** The kinds that need nothing but their name. */
export interface PlainDefinition {
  readonly kind: "source" | "constant" | "iota" | "pack" | "alias" | "result";
  readonly name: string;
  readonly derivative: Derivative | null;
}

export type Definition =
  | ElementwiseDefinition
  | ViewDefinition
  | ReduceDefinition
  | GatherDefinition
  | KernelDefinition
  | PlainDefinition;

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
  /** What leaves the segment: kept, as it is in the caller's hands. */
  readonly outputs: Set<Node>;
  /** Begins the recomputation of a backward walk that comes to the segment; it serves all others that the walk comes to. */
  readonly recompute: () => Recomputer;
}

/** What one backward walk computes again of segments. */
export interface Recomputer {
  /** Notes that `gradient` has arrived at `node`: the first to come to a segment decides from when on it may be computed again. */
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

/** One recorded op: immutable, save that a run may leave its value in it, which then needs no history. */
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
  leaf: Tensor | null = null;
  #storage: Storage | null = null;
  offset = 0;
  /** Handles that are held, and nodes in use that are made of this one: see `retain`. */
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

  /** Forgets what the value was made of: it has bytes, and no gradient flows through here. */
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
    const open: Node[] = [this];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
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
    const open: Node[] = [this];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (--node.#uses > 0) continue;
      if (node.#storage !== null) node.#storage.holders--;
      open.push(...node.#inputs);
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
