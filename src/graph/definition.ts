// Definitions give a graph its meaning: a closed set of kinds, one object per op.

import type { DType } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";
import type { Condition, Index } from "./index-expression.ts";
import type { DeviceTraits, KernelProgram, KernelSchedule } from "./kernel-program.ts";
import type { WgslContext } from "./wgsl-context.ts";

/** One op as it was recorded: a node of the graph, or its value in a program. */
export interface Recorded {
  readonly definition: Definition;
  readonly inputs: readonly Recorded[];
  readonly shape: Shape;
  readonly dtype: DType;
  readonly attributes: readonly number[];
}

/** A tensor as definitions see it. `Tensor` is the only class of these; it is made of nodes, so importing it here would be a circle. */
export interface Handle {
  readonly node: Recorded;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A function whose parameters may be narrower than the type says: definitions are written for tensors, and called with them alone. */
type Bivariant<Parameters extends unknown[], Result> = { call(...parameters: Parameters): Result }["call"];

/** How a run provides a leaf: as a bound buffer, or as a number in the block of scalars. */
export type Leaf =
  | { readonly kind: "buffer"; readonly index: number; readonly storage: number }
  | { readonly kind: "scalar"; readonly index: number };

/** The mark of a value that is computed again for the backward pass. */
export interface Again {
  /** Numbers the passes: values of different ones are never merged. */
  readonly pass: number;
  /** It is computed when this is there, not before. */
  readonly after: Value | null;
}

/** A node of a program. */
export class Value {
  readonly id: number;
  readonly definition: Definition;
  readonly inputs: readonly Value[];
  readonly shape: Shape;
  readonly dtype: DType;
  readonly attributes: readonly number[];
  readonly leaf: Leaf | null;
  readonly again: Again | null;
  /** What the user asked for with the node that the value was first made for. */
  asked: string | null = null;

  constructor(
    id: number,
    definition: Definition,
    inputs: readonly Value[],
    shape: Shape,
    dtype: DType,
    attributes: readonly number[],
    leaf: Leaf | null,
    again: Again | null = null,
  ) {
    this.id = id;
    this.definition = definition;
    this.inputs = inputs;
    this.shape = shape;
    this.dtype = dtype;
    this.attributes = attributes;
    this.leaf = leaf;
    this.again = again;
  }
}

/** Derivative: from the gradient of the output to one gradient (or null) per input. `out` is the op's own result. */
export type Derivative<T = Handle> = Bivariant<
  [g: T, out: T, inputs: readonly T[], attributes: readonly number[]],
  readonly (T | null)[]
>;

export interface ElementwiseDefinition<T = Handle> {
  readonly kind: "elementwise";
  readonly name: string;
  /** WGSL expression of the operands' expressions. */
  readonly wgsl: (t: WgslContext, ...operands: string[]) => string;
  /** WGSL functions that `wgsl` calls, each self-contained by name. */
  readonly helpers?: readonly string[];
  /** The same in float64. */
  readonly reference: (...operands: number[]) => number;
  readonly derivative: Derivative<T> | null;
  /** Rough cost in additions, for decisions on what to compute twice. */
  readonly cost: number;
  /** An operand that drivers take for the result even if the other operand may be NaN. */
  readonly absorbing?: number;
  /** Per operand the number with which the result is the other operand; null where there is none. */
  readonly neutral?: readonly (number | null)[];
  /** Whether it is the sum of its two operands. */
  readonly adds?: true;
  /** Whether it is the product of its two operands: sums of such may be contractions. */
  readonly multiplies?: true;
}

/** Where a view's element comes from: coordinates in the input, and `fill` where a condition fails. */
export interface ViewSource {
  readonly coordinates: Index[];
  readonly conditions?: Condition[];
  readonly fill?: number;
}

export interface ViewDefinition<T = Handle> {
  readonly kind: "view";
  readonly name: string;
  readonly index: (
    coordinates: readonly Index[],
    attributes: readonly number[],
    input: Shape,
    output: Shape,
  ) => ViewSource;
  readonly derivative: Derivative<T>;
  /** Whether each element of the input is there, and nothing else. */
  readonly complete?: boolean;
  /** Whether a result with as many elements as the input has them in the same order. Two such views in a row, of one definition, are one. */
  readonly inOrder?: true;
  /** Set for views whose sums may be a view of one value again. Pages without such views do not load the search for it. */
  readonly sums?: () => SumRewriter;
}

/** Sees what the sums in one program come to. */
export interface SumRewriter {
  /** The value of a node, where it is such a sum. */
  rewrite(node: Recorded, inputs: readonly Value[], make: Make): Value | null;
}

export interface ReduceDefinition<T = Handle> {
  readonly kind: "reduce";
  readonly name: string;
  /** Neutral element. */
  readonly identity: (dtype: DType) => number;
  readonly combine: (t: WgslContext, a: string, b: string) => string;
  readonly helpers?: readonly string[];
  readonly reference: (a: number, b: number) => number;
  readonly derivative: Derivative<T> | null;
  /** Whether it adds. Sums may be taken in parts and in any order, and of products they may be contractions. */
  readonly adds?: true;
}

/** Makes a value of a program, or finds the one that is the same. */
export type Make = (
  definition: Definition,
  inputs: readonly Value[],
  shape: Shape,
  dtype: DType,
  attributes: readonly number[],
  leaf: Leaf | null,
) => Value;

/** Where the inputs of an inline value are read, for one of its elements: `fill` where a condition fails. */
export interface Reads {
  readonly coordinates: Index[][];
  readonly conditions: Condition[];
  readonly fill: number;
}

/** Element (i, j, …) of a value is element offset + i·strides[0] + j·strides[1] + … of `base`, row-major. */
export interface Strided<T> {
  readonly base: T;
  readonly offset: number;
  readonly strides: readonly number[];
}

/** A shader written by hand with the values that it is run on. */
export interface HandWritten {
  readonly definition: KernelDefinition;
  readonly attributes: readonly number[];
  /** The program's inputs, as the graph types them. */
  readonly inputs: readonly Value[];
  /** The values whose bytes they are, stored ones and leaves, and how they lie there. */
  readonly sources: readonly Strided<Value>[];
  readonly outputs: readonly Value[];
}

/** The family that writes a kernel's shader; "kernel" is written by hand. */
export type KernelFamily = "map" | "row" | "contraction" | "kernel";

/** One shader with all that a dispatch needs but the buffers. */
export interface Kernel {
  /** Names what the kernel computes: `matmul+add+relu f32[128,64]`. Also its label on the GPU. */
  readonly name: string;
  readonly family: KernelFamily;
  /** Names of the ops fused into it. */
  readonly fused: readonly string[];
  readonly wgsl: string;
  readonly workgroups: readonly [number, number, number];
  /** Buffers in binding order; `start` is the element that the binding begins with. */
  readonly bindings: readonly {
    /** Its name in the shader. */
    readonly name: string;
    readonly value: Value;
    readonly access: "read" | "read_write";
    readonly start: number;
  }[];
  /** Scalars in the order of the uniform block. */
  readonly scalars: readonly { readonly index: number; readonly dtype: DType }[];
  /** Bytes read and written. */
  readonly bytes: number;
  /** Estimated arithmetic operations. */
  readonly flops: number;
  /** Name of the entry point, where it is not `main`. */
  readonly entry?: string;
  /** Lines of the shader before those that its author wrote. */
  readonly preamble?: number;
}

/** The gradients of a kernel's outputs, by their numbers. */
export interface OutputGradients<T = Handle, N = Recorded> {
  /** The gradient that came first. */
  readonly first: N;
  readonly nodes: N[];
  readonly gradients: T[];
}

/** One dispatch of a shader written by hand. Its node has no value: `result` nodes are its outputs. */
export interface KernelDefinition<T = Handle, N = Recorded> {
  readonly kind: "kernel";
  readonly name: string;
  readonly program: KernelProgram;
  // The engine reaches hand-written kernels through these functions, so pages without such kernels do not load them.
  /** Completes the program's text. */
  readonly complete: (call: HandWritten, device: DeviceTraits, schedule: KernelSchedule | null) => Kernel;
  /** The inputs, with copies of those that it can't bind. */
  readonly bindable: (
    inputs: readonly Value[],
    attributes: readonly number[],
    copy: (input: Value, distinct: boolean) => Value,
  ) => readonly Value[];
  /** Returns the value to bind for an input, and how the input lies there. */
  readonly source: (input: Value) => Strided<Value>;
  /** From the gradients of the outputs to those of the inputs, where `see` gives what a derivative reads for a node. */
  readonly backward: Bivariant<
    [kernel: N, arrived: OutputGradients<T, N>, see: Bivariant<[node: N], T>],
    readonly (T | null)[]
  >;
  /** From the gradients of the outputs (null where nothing depends on one) to one gradient (or null) per input. */
  readonly derivative: Bivariant<
    [gradients: readonly (T | null)[], outputs: readonly T[], inputs: readonly T[], attributes: readonly number[]],
    readonly (T | null)[]
  > | null;
}

/** Elements read by an index that is data: see `defineGather`. */
export interface GatherDefinition<T = Handle> {
  readonly kind: "gather";
  readonly name: string;
  readonly derivative: Derivative<T>;
  readonly read: (value: Value, coordinates: readonly Index[], isStored: (value: Value) => boolean) => Reads;
}

/** The kinds that need nothing but their name. */
export interface PlainDefinition<T = Handle> {
  readonly kind: "source" | "constant" | "iota" | "pack" | "alias" | "result";
  readonly name: string;
  readonly derivative: Derivative<T> | null;
}

export type Definition<T = Handle, N = Recorded> =
  | ElementwiseDefinition<T>
  | ViewDefinition<T>
  | ReduceDefinition<T>
  | GatherDefinition<T>
  | KernelDefinition<T, N>
  | PlainDefinition<T>;
