// Long sums of floats: blocks of terms are added up first, and then the blocks' sums, so that few digits are lost.

import { SOURCE } from "../graph/node.ts";
import type { Reduction } from "./group.ts";
import { elementOf } from "./wgsl.ts";

/** Terms that one accumulator takes one by one, at most: of a whole sum, and of a part of one that was split (`schedule/split.ts`). */
export interface SumLimits {
  readonly whole: number;
  readonly part: number;
}

/**
 * Terms of a block where an invocation adds up `terms` of a sum, or null where one accumulator takes them all. Rounding errors grow with the length of
 * a block and with the number of blocks, so both are √terms.
 */
export function blockOf({ definition, value }: Reduction, terms: number, limits: SumLimits): number | null {
  if (definition.adds !== true || elementOf(value.dtype) !== "f32") return null;
  const most = value.definition === SOURCE ? limits.part : limits.whole;
  return terms > most ? Math.ceil(Math.sqrt(terms)) : null;
}
