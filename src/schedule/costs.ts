// What fusion is asked for, and the rough costs in additions by which it decides what is stored and what is computed again.

export interface FusionOptions {
  /** Storage buffers that a kernel may bind. */
  readonly bindings: number;
  /** false: every op is a kernel of its own, for comparisons. */
  readonly fuse: boolean;
}

/** Of reading and of writing an element. */
export const LOAD = 2;
export const STORE = 6;
/** Of one more dispatch. */
export const DISPATCH = 4_000_000;
/** Elements of a reduction that costs less than a dispatch of its own. */
export const SHORT = 16_384;
/** An operand of a contraction is read once per tile that needs it: so many elements wide. */
export const TILE = 8;
