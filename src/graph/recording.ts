// The state of recording: one object, so that nothing stays behind when a function throws.

import type { Node, Segment } from "./node.ts";

/** The trace of a compiled step: the work that the host repeats before every replay, in recorded order. */
export interface Trace<T> {
  /** Nodes that are younger than this one are the step's own. */
  readonly start: number;
  /** Tensors from outside that the step computes with. */
  readonly inputs: Map<T, Node>;
  readonly effects: (() => void)[];
  /** Conditions that the step takes for granted. If one does not hold before a replay, the step is traced again. */
  readonly guards: (() => boolean)[];
  /** Leaves whose gradients before the call do not matter any more: the step itself has forgotten them, or a guard says what they are. */
  readonly graded: Set<T>;
  /** Set when a tensor got state of its own meanwhile: its old value is a constant of this trace, so the next call must trace again. */
  unsettled: boolean;
}

/** Small results that are remembered at most. */
const MOST_RECENT = 256;

/** How ops are recorded at present. `T` is the class of tensors. */
export class Recording<T> {
  /** Whether ops record what gradients need. */
  gradients = true;
  /** Whether the library records for itself: the user sees none of the tensors that are made. */
  internal = false;
  /** Whether products ask for f16 operands, and what needs range or digits for f32 ones. */
  autocast = false;
  /** Whether what is read is read again before every replay. */
  anew = false;
  /** The innermost segment that is open. */
  segment: Segment | null = null;
  /** The op that is being recorded, where it is made of others; for a gradient the op that is differentiated. */
  asked: string | null = null;
  /** The trace of the step that is being compiled. */
  trace: Trace<T> | null = null;
  /** Collect the tensors that are made. */
  scopes: readonly T[][] = [];
  /** Those of the scopes whose tensors end with them. */
  ending: readonly T[][] = [];
  /** Gives the line that records a node, where errors may have to name it. */
  locate: (() => string | null) | null = null;
  /** Small results that were recorded last, whether or not something has been made of them. */
  #recent: Node[] = [];

  /** Runs `run` under other conditions, and goes back to those before. */
  under<R>(changes: Partial<Omit<Recording<T>, "under" | "noteRecent" | "takeRecent">>, run: () => R): R {
    // Field by field: this runs dozens of times a step.
    const fields = this as unknown as Record<string, unknown>;
    const before: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(changes)) {
      before[name] = fields[name];
      fields[name] = value;
    }
    try {
      return run();
    } finally {
      for (const name in before) fields[name] = before[name];
    }
  }

  /** Remembers a small result, such as a loss or an accuracy. */
  noteRecent(node: Node): void {
    if (this.#recent.length === MOST_RECENT) this.#recent = this.#recent.slice(MOST_RECENT / 2);
    this.#recent.push(node);
  }

  /** Takes the small results that a program may read and that no op has used. Computing them later would cost more. */
  takeRecent(): Node[] {
    const taken = this.#recent.filter((node) => !node.consumed && node.inUse && node.storage === null);
    this.#recent = [];
    return taken;
  }
}
