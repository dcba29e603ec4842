// The typed errors of wgrad: each names the op and the shapes or dtypes at fault.

/** Base class of everything that wgrad throws, save the standard `RangeError` and `TypeError`. */
export class WgradError extends Error {
  /** Name of the op that refused, where there is one. */
  readonly op: string | undefined;
  /** Shapes of the operands at fault, where they matter. */
  readonly shapes: readonly (readonly number[])[];

  constructor(message: string, details: { op?: string; shapes?: readonly (readonly number[])[] } = {}) {
    super(message);
    this.name = new.target.name;
    this.op = details.op;
    this.shapes = details.shapes ?? [];
  }
}

/** Shapes, dims or sizes that don't fit together. */
export class ShapeError extends WgradError {}

/** A dtype that the op doesn't take, or that this device lacks. */
export class DTypeError extends WgradError {}

/** A shader that does not compile: a kernel of one's own, most likely. */
export class ShaderError extends WgradError {
  /** Label of the kernel. */
  readonly kernel: string;
  /** Where in the kernel's text, both from 1; 0 where the compiler doesn't say. */
  readonly line: number;
  readonly column: number;

  constructor(message: string, details: { op?: string; kernel: string; line: number; column: number }) {
    super(message, details);
    this.kernel = details.kernel;
    this.line = details.line;
    this.column = details.column;
  }
}

/** The device could not provide the memory. */
export class OutOfMemoryError extends WgradError {}

/** The device was lost or closed; open a new one with `init()`. */
export class DeviceLostError extends WgradError {}

/** The tensor depends on an old value for which `memoryLimit` leaves no room, or on the arguments of a compiled step outside of it. */
export class StaleTensorError extends WgradError {}

/** The tensor was disposed of. */
export class DisposedTensorError extends WgradError {}

/** A bug of wgrad itself. */
export function internal(message: string): WgradError {
  return new WgradError(`internal: ${message}`);
}

/** What must be there; its absence is a bug of wgrad itself. */
export function must<T>(value: T | null | undefined, absence: string): T {
  if (value === null || value === undefined) throw internal(absence);
  return value;
}
