// Arenas: many small tensors in one buffer, so that an update of all of them is one kernel.

import { DTypeError, WgradError } from "../base/errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../base/shape.ts";
import { type Node, sourceNode, stateNode } from "../graph/node.ts";
import { Cell, type Slot, Storage } from "../graph/storage.ts";
import { handleOn, internally, outsideScopes, type SharedCell, Tensor, withGrad } from "../graph/tensor.ts";
import { currentTrace } from "../graph/trace.ts";
import { lt, where } from "../ops/arithmetic.ts";
import { iota } from "../ops/iota.ts";
import { detach, pack, partOf, slotLength } from "../ops/memory.ts";
import { reshape } from "../ops/views.ts";
import { flush } from "./engine.ts";
import { isAssigned, markAssigned, unmarkAssigned } from "./requests.ts";

/** Makes a tensor for state: it has its own memory, and all its elements are `initial`. Nothing is computed for it. */
export function stateTensor(shape: Shape, initial: number): Tensor {
  const host = initial === 0 ? null : new Float32Array(sizeOf(shape)).fill(initial);
  const cell = new Cell(sizeOf(shape) * 4, "f32", host);
  cell.storage.blank = initial === 0;
  return outsideScopes(() => new Tensor(stateNode(cell, 0, shape, "f32"), { cell, offset: 0, shape }));
}

/** The vectors that `parts` has cut up, by the parts' nodes. */
const wholes = new WeakMap<Node, { readonly arena: Arena; readonly flat: Node; readonly index: number }>();

/** Elements that slots are aligned to. */
const BLOCK = 64;

/**
 * A buffer that holds several f32 leaves, so that one kernel can update all of them. `flat` is the vector over all of
 * it.
 */
export class Arena implements SharedCell {
  readonly #flat: Tensor;
  readonly #tensors: readonly Tensor[];
  readonly #offsets: readonly number[];
  readonly #length: number;
  #filled: Tensor | null = null;

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
    this.#flat = stateTensor([length], initial ?? 0);
    const { cell } = this.#flat.slot as Slot;
    cell.shared = this;
    if (initial === null) cell.storage.blank = false;
    tensors.forEach((t, i) => {
      const offset = 4 * (this.#offsets[i] as number);
      const { node } = t;
      unmarkAssigned(t);
      t.slot = { cell, offset, shape: t.shape };
      if (initial !== null) t.rebind();
      else {
        // A node of its own, which the slot will hold.
        t.replaceNode(detach(handleOn(node)).lastNode);
        markAssigned(t, node);
      }
    });
    if (initial !== null) return;
    const trace = currentTrace();
    // A step that is traced moves them itself, once.
    if (trace !== null) trace.unsettled = true;
    else flush([], null);
  }

  /** Where each tensor begins, in bytes. */
  get offsets(): readonly number[] {
    return this.#offsets.map((offset) => 4 * offset);
  }

  /** The vector, which does not follow what single tensors have been assigned. */
  get whole(): Tensor {
    return this.#flat;
  }

  /** All elements in one dimension; assigning to it updates every tensor. Elements between the slots mean nothing. */
  get flat(): Tensor {
    // Values that single tensors have been given are not in the buffer yet.
    if (this.#tensors.some(isAssigned)) {
      // Moved first, so that an update takes the same kernels, and gives the same bits, as without these assignments.
      if (currentTrace() === null) flush([], null);
      else withGrad(false, () => this.#flat.replaceNode(this.collect(this.#tensors).node));
    }
    return this.#flat;
  }

  /** The arena that `tensor` lives in, if it does. */
  static of(tensor: Tensor): Arena | null {
    const shared = tensor.slot?.cell.shared;
    return shared instanceof Arena ? shared : null;
  }

  /** The tensors that live here. */
  get tensors(): readonly Tensor[] {
    return this.#tensors;
  }

  /** A vector in this layout as one tensor for each that lives here. `collect` gives the vector back at no cost. */
  parts(flat: Tensor): Tensor[] {
    return this.#tensors.map(({ shape }, index) => {
      const start = this.#offsets[index] as number;
      const part = partOf(flat, start, shape);
      // A tensor of all the elements may be the vector itself.
      if (part.node !== flat.node) wholes.set(part.node, { arena: this, flat: flat.node, index });
      return part;
    });
  }

  /** A part of the vector as the next submit will leave it; null if nothing is assigned to the vector. */
  coming(offset: number, shape: Shape): Node | null {
    const flat = this.#flat;
    // A tensor of all the elements needs a node of its own, too.
    return isAssigned(flat)
      ? internally(() => withGrad(false, () => detach(partOf(flat, offset / 4, shape)).node))
      : null;
  }

  /** A vector in this layout as rows, with 0 for the elements that mean nothing. */
  filled(flat: Tensor): Tensor {
    const rows = reshape(flat, [this.#length / BLOCK, BLOCK]);
    if (this.#tensors.every((t) => t.numel === slotLength(t.shape))) return rows;
    this.#filled ??= this.#countFilled();
    return where(lt(iota(BLOCK), this.#filled), rows, 0);
  }

  /** How many elements of each block mean something. */
  #countFilled(): Tensor {
    const counts = new Int32Array(this.#length / BLOCK);
    this.#tensors.forEach(({ numel }, i) => {
      const first = (this.#offsets[i] as number) / BLOCK;
      for (let k = 0; k * BLOCK < numel; k++) counts[first + k] = Math.min(BLOCK, numel - k * BLOCK);
    });
    const storage = new Storage(counts.byteLength, counts);
    return outsideScopes(() => new Tensor(sourceNode(storage, 0, [counts.length, 1], "i32")));
  }

  /** Values of the tensors' shapes (their gradients, say) as one vector in the same layout. */
  collect(values: readonly Tensor[]): Tensor {
    const whole = values[0] === undefined ? undefined : wholes.get(values[0].node);
    if (
      whole?.arena === this &&
      values.length === this.#tensors.length &&
      values.every((value, i) => {
        const own = wholes.get(value.node);
        // A part that has been computed for itself outlives the vector's inputs.
        return own?.flat === whole.flat && own.index === i && value.node.storage === null;
      })
    )
      return handleOn(whole.flat);
    values.forEach((value, i) => {
      const { shape } = this.#tensors[i] as Tensor;
      if (!sameShape(value.shape, shape))
        throw new WgradError(`internal: Arena.collect got ${formatShape(value.shape)} for ${formatShape(shape)}`);
    });
    return pack(values, this.#offsets, this.#length);
  }
}
