// Arenas: many small tensors in one buffer, so that an update of all of them is one kernel.

import { flush, markAssigned, unmarkAssigned } from "./engine.ts";
import { DTypeError, WgradError } from "./errors.ts";
import { sourceNode } from "./graph/node.ts";
import { type Slot, Storage } from "./graph/storage.ts";
import { Tensor } from "./graph/tensor.ts";
import { pack, slotLength } from "./ops/memory.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "./shape.ts";

/** A state tensor with memory of its own and all elements `initial`; nothing is computed for it. */
export function stateTensor(shape: Shape, initial: number): Tensor {
  // Memory that nobody wrote to is zero.
  const storage = new Storage(sizeOf(shape) * 4, initial === 0 ? null : new Float32Array(sizeOf(shape)).fill(initial));
  return new Tensor(sourceNode(storage, 0, shape, "f32"), { storage, offset: 0, shape });
}

/** A buffer that holds several f32 leaves; `flat` is the vector over all of it. */
export class Arena {
  /** All elements in one dimension; assigning to it updates every tensor. Elements between the slots mean nothing. */
  readonly flat: Tensor;
  readonly #tensors: readonly Tensor[];
  readonly #offsets: readonly number[];
  readonly #length: number;

  /** Moves `tensors` (f32 leaves, each once) into one buffer; they keep working as before. With `initial` given, all elements become that. */
  constructor(tensors: readonly Tensor[], initial: number | null = null) {
    if (new Set(tensors).size !== tensors.length)
      throw new WgradError("Arena: each tensor may appear once.", { op: "Arena" });
    let length = 0;
    this.#offsets = tensors.map((t) => {
      if (t.dtype !== "f32")
        throw new DTypeError(`Arena: tensors must be f32, got ${t.dtype}${formatShape(t.shape)}.`, { op: "Arena" });
      const offset = length;
      length += slotLength(t.shape);
      return offset;
    });
    this.#tensors = tensors;
    this.#length = length;
    this.flat = stateTensor([length], initial ?? 0);
    const { storage } = this.flat.slot as Slot;
    storage.shared = true;
    storage.members = tensors;
    tensors.forEach((t, i) => {
      const offset = 4 * (this.#offsets[i] as number);
      const value = initial === null ? t.node : sourceNode(storage, offset, t.shape, "f32");
      unmarkAssigned(t);
      t.slot = { storage, offset, shape: t.shape };
      t.replaceNode(value);
      if (initial === null) markAssigned(t);
    });
    if (initial === null) flush([], null);
  }

  /** Values of the tensors' shapes (their gradients, say) as one vector in the same layout. */
  collect(values: readonly Tensor[]): Tensor {
    values.forEach((value, i) => {
      const { shape } = this.#tensors[i] as Tensor;
      if (!sameShape(value.shape, shape))
        throw new WgradError(`internal: Arena.collect got ${formatShape(value.shape)} for ${formatShape(shape)}`);
    });
    return pack(values, this.#offsets, this.#length);
  }
}
