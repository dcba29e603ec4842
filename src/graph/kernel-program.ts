// The parts of a hand-written kernel: its bindings, its text, and the device and sizes that both are written for.

import type { DType } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";

/** What generated code may count on: limits and the class of device, never a device's name. */
export interface DeviceTraits {
  /** "software": few cores, vectors across invocations, no use for workgroup memory; "gpu": coalescing, occupancy. */
  readonly kind: "software" | "gpu";
  /** Storage buffers per kernel. */
  readonly bindings: number;
  readonly maxWorkgroups: number;
  /** Bytes of workgroup memory per kernel. */
  readonly workgroupBytes: number;
  readonly f16: boolean;
  readonly subgroupSize: number;
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

/** The device and sizes that a kernel is written for. */
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

/** Defines what a kernel computes: everything that a plan depends on. */
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
