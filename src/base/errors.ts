// The typed errors of wgrad: each names the op and the shapes or dtypes at fault.

/**
 * Base class of the errors of wgrad. Wrong numbers and types of arguments throw the standard `RangeError` and
 * `TypeError` instead.
 */
export class WgradError extends Error {
  /** Name of the op that refused, if there is one. */
  readonly op: string | undefined;
  /** Shapes of the operands at fault, if they matter. */
  readonly shapes: readonly (readonly number[])[];

  constructor(message: string, details: { op?: string; shapes?: readonly (readonly number[])[] } = {}) {
    super(message);
    this.name = new.target.name;
    this.op = details.op;
    this.shapes = details.shapes ?? [];
  }
}

/** Shapes, dims or sizes do not fit together. */
export class ShapeError extends WgradError {}

/** The op does not take this dtype, or the device lacks it. */
export class DTypeError extends WgradError {}

/** A shader does not compile: most likely your own, given to `customKernel`. */
export class ShaderError extends WgradError {
  /** Label of the kernel. */
  readonly kernel: string;
  /** Line in the text of the kernel, counted from 1; 0 if the compiler does not say. */
  readonly line: number;
  /** Column in that line, counted from 1; 0 if the compiler does not say. */
  readonly column: number;

  constructor(message: string, details: { op?: string; kernel: string; line: number; column: number }) {
    super(message, details);
    this.kernel = details.kernel;
    this.line = details.line;
    this.column = details.column;
  }
}

/** The device has not enough memory, or `memoryLimit` is too low for the step. */
export class OutOfMemoryError extends WgradError {}

/** There is no device, or it was lost or closed. `await init()` opens a new one. */
export class DeviceLostError extends WgradError {}

/**
 * The value of the tensor is gone. It was an old value for which `memoryLimit` leaves no room, or it was made inside a
 * compiled step and read outside.
 */
export class StaleTensorError extends WgradError {}

/** The tensor was disposed of, by `dispose()` or at the end of a `scope`. */
export class DisposedTensorError extends WgradError {}

/** Makes the error for a bug of wgrad itself: its message begins with `internal:`. */
export function internal(message: string): WgradError {
  return new WgradError(`internal: ${message}`);
}

/** Returns `value`, or throws an `internal:` error if it is null or undefined. */
export function must<T>(value: T | null | undefined, absence: string): T {
  if (value === null || value === undefined) throw internal(absence);
  return value;
}
