// Views that are plain strides over some bytes: what a hand-written kernel can read without a copy.

import { sizeOf, stridesOf } from "../base/shape.ts";
import type { Definition, Strided } from "./definition.ts";
import { type Index, linearIndex, variable } from "./index-expression.ts";

/** A node or a value: what it is made of. */
interface Viewed<T> {
  readonly definition: Definition;
  readonly inputs: readonly T[];
  readonly attributes: readonly number[];
  readonly shape: readonly number[];
}

/** A base that is larger than its read part by more than this factor is not stored whole. */
const LARGEST = 4;

/** `value` as strides over what its views show, as far down as they are no more than that. */
export function stridedSource<T extends Viewed<T>>(value: T): Strided<T> {
  let found: Strided<T> = { base: value, offset: 0, strides: stridesOf(value.shape) };
  const most = LARGEST * sizeOf(value.shape);
  let base = value;
  let at: readonly Index[] = value.shape.map((n, i) => variable(`v${i}`, n));
  for (let input = base.inputs[0]; input !== undefined; input = base.inputs[0]) {
    const { definition } = base;
    if (definition.kind === "view") {
      const source = definition.index(at, base.attributes, input.shape, base.shape);
      if (source.conditions !== undefined && source.conditions.length > 0) break;
      at = source.coordinates;
    } else if (definition.kind !== "alias") break;
    base = input;
    const linear = linearIndex(at, stridesOf(base.shape));
    if (!linear.terms.every(({ atom }) => atom.kind === "variable")) continue;
    if (sizeOf(base.shape) > most) break;
    const strides = value.shape.map((_, i) => linear.terms.find(({ atom }) => atom.key === `v${i}`)?.factor ?? 0);
    found = { base, offset: linear.constant, strides };
  }
  return found;
}
