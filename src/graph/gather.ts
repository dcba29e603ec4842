// Gathers: elements read by an index that is data. The attribute is the dim that it is an index of.

import { NO_VALUE } from "../base/dtype.ts";
import type { Derivative, GatherDefinition, Reads, Value } from "./definition.ts";
import { decideCondition, type Index, valueIndex } from "./index-expression.ts";
import { inputCoordinates } from "./program.ts";
import type { Tensor } from "./tensor.ts";

/** A gather of that derivative: its inputs are the data and the index. */
export function defineGather(derivative: Derivative<Tensor>): GatherDefinition<Tensor> {
  return { kind: "gather", name: "gather", derivative, read };
}

function read(value: Value, coordinates: readonly Index[], isStored: (value: Value) => boolean): Reads {
  const [data, index] = value.inputs as [Value, Value];
  const dim = value.attributes[0] as number;
  const at = [...coordinates];
  const place = behindViews(index, coordinates, isStored);
  at[dim] = place;
  // An index out of range never reads another element.
  return {
    coordinates: [at, [...coordinates]],
    conditions: [{ kind: "range", index: place, low: 0, high: data.shape[dim] as number }],
    fill: NO_VALUE[value.dtype],
  };
}

/** Returns a whole number that is read from `value`, seen through views that are not stored, so that equal indices look equal. */
function behindViews(value: Value, coordinates: readonly Index[], isStored: (value: Value) => boolean): Index {
  let [from, at] = [value, coordinates];
  while (
    from.leaf === null &&
    !isStored(from) &&
    (from.definition.kind === "view" || from.definition.kind === "alias")
  ) {
    const inner = inputCoordinates(from, at);
    if (inner.conditions.some((condition) => decideCondition(condition) !== true)) break;
    [from, at] = [from.inputs[0] as Value, inner.coordinates[0] as Index[]];
  }
  return valueIndex(from, at);
}
