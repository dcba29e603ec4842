// Graph nodes and the definitions that give them meaning: a closed set of kinds, one object per op.

import type { DType } from "../dtype.ts";
import type { Shape } from "../shape.ts";
import type { Condition, Index } from "./index-expression.ts";
import type { Storage } from "./storage.ts";
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
  /** Calls a scalar helper function of `helpers` lane by lane. */
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

/** The kinds that need nothing but their name. */
export interface PlainDefinition {
  readonly kind: "source" | "constant" | "iota" | "gather" | "pack" | "alias";
  readonly name: string;
  readonly derivative: Derivative | null;
}

export type Definition = ElementwiseDefinition | ViewDefinition | ReduceDefinition | PlainDefinition;

export const SOURCE: PlainDefinition = { kind: "source", name: "source", derivative: null };
export const CONSTANT: PlainDefinition = { kind: "constant", name: "constant", derivative: null };
export const IOTA: PlainDefinition = { kind: "iota", name: "iota", derivative: null };

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
}

/** One pass that computes a segment's values again. Its nodes are never merged with others and run after `after`. */
export interface Recomputation {
  readonly after: Node;
}

let nextNode = 1;

/** One recorded op: immutable, save for the value that a run may leave in it. */
export class Node {
  readonly id: number = nextNode++;
  readonly definition: Definition;
  readonly inputs: readonly Node[];
  readonly shape: Shape;
  readonly dtype: DType;
  /** The op's static arguments as numbers (axes, pads, …): part of every cache key. */
  readonly attributes: readonly number[];
  /** Whether gradients flow through here. */
  requiresGrad: boolean;
  /** The tensor that collects this leaf's gradient. */
  leaf: Tensor | null = null;
  /** The node's value, once it has one. */
  storage: Storage | null = null;
  offset = 0;
  version = 0;
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
  ) {
    this.definition = definition;
    this.inputs = inputs;
    this.shape = shape;
    this.dtype = dtype;
    this.attributes = attributes;
    this.requiresGrad = requiresGrad;
  }
}

const none: readonly never[] = [];

/** A node whose value lies in `storage`. */
export function sourceNode(storage: Storage, offset: number, shape: Shape, dtype: DType): Node {
  const node = new Node(SOURCE, none, shape, dtype, none, false);
  node.storage = storage;
  node.offset = offset;
  node.version = storage.version;
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
