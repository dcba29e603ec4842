// Arenas: many small tensors in one buffer, so that an update of all of them is one kernel.

import { flush, markAssigned, unmarkAssigned } from "./engine.ts";
import { DTypeError, WgradError } from "./errors.ts";
import { sourceNode } from "./graph/node.ts";
import { Storage } from "./graph/storage.ts";
import { Tensor } from "./graph/tensor.ts";
import { pack, slotLength } from "./ops/memory.ts";
import { formatShape, sameShape } from "./shape.ts";

/** A buffer that holds several f32 leaves; `flat` is the vector over all of it. */
export class Arena {
  /** All elements in one dimension; assigning to it updates every tensor. Elements between the slots mean nothing. */
  readonly flat: Tensor;
  readonly #tensors: readonly Tensor[];
  readonly #offsets: readonly number[];
  readonly #length: number;

  /** Moves `tensors` (f32 leaves, each once) into one buffer; they keep working as before. */
  constructor(tensors: readonly Tensor[]) {
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
    const storage = new Storage(length * 4, null);
    storage.shared = true;
    storage.members = tensors;
    tensors.forEach((t, i) => {
      const value = t.node;
      unmarkAssigned(t);
      t.slot = { storage, offset: 4 * (this.#offsets[i] as number), shape: t.shape };
      t.replaceNode(value);
      markAssigned(t);
    });
    this.flat = new Tensor(sourceNode(storage, 0, [length], "f32"), { storage, offset: 0, shape: [length] });
    flush([], null);
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

  /** A new vector of zeros in the same layout, with state of its own. */
  like(): Tensor {
    const storage = new Storage(this.#length * 4, null);
    return new Tensor(sourceNode(storage, 0, [this.#length], "f32"), { storage, offset: 0, shape: [this.#length] });
  }
}
