// The program of the runtime: dispatches over buffers, as plain data. It knows nothing of ops.

/** Where the bytes of a binding are: given by the caller, in the shared scratch memory, or in a result. */
export type Place =
  | { readonly kind: "leaf"; readonly index: number }
  | { readonly kind: "workspace"; readonly offset: number }
  | { readonly kind: "output"; readonly index: number };

export interface ExecutableBinding {
  readonly place: Place;
  /** Where in the place the binding starts, in bytes: a multiple of 256. */
  readonly offset: number;
  readonly bytes: number;
  readonly access: "read" | "read_write";
}

export interface ExecutableStep {
  readonly kernel: {
    readonly name: string;
    readonly wgsl: string;
    readonly workgroups: readonly [number, number, number];
    readonly scalars: readonly unknown[];
    /** Name of the entry point, where it is not `main`. */
    readonly entry?: string;
    /** Lines of the text before those that its author wrote. */
    readonly preamble?: number;
  };
  readonly bindings: readonly ExecutableBinding[];
  /** Offset of the kernel's numbers in the scalar block; -1 without. */
  readonly scalarOffset: number;
}

export interface Executable {
  readonly steps: readonly ExecutableStep[];
  readonly copies: readonly { readonly from: Place; readonly to: Place; readonly bytes: number }[];
  readonly workspace: number;
  readonly scalarBytes: number;
  /** Bytes of the outputs that need memory of their own; -1 for the others. */
  readonly outputs: readonly number[];
}

/** A range of a buffer. */
export interface Range {
  readonly buffer: PooledBuffer;
  readonly offset: number;
}

/** A GPU buffer of the pool, numbered so that bind groups can be recognized. */
export interface PooledBuffer {
  readonly id: number;
  readonly gpu: GPUBuffer;
  readonly size: number;
}
