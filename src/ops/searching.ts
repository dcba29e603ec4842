// searchsorted: where values belong in sorted sequences, by bisection.

import { formatShape, shapeError, sizeOf } from "../base/shape.ts";
import { forLanes } from "../graph/helpers.ts";
import type { KernelProgram, ValueType } from "../graph/kernel-program.ts";
import { recordKernel, type Tensor, withGrad } from "../graph/tensor.ts";
import { defineKernel } from "../shaders/hand-written.ts";
import { checkChoice, checkRank } from "./arguments.ts";
import { IS_NAN } from "./arithmetic.ts";
import { checkOptions, constant, convert, expectTensor, promoteOperands } from "./define.ts";
import { gatherAlong, isAnyOutside, unless } from "./gathering.ts";
import { checkIndex } from "./host-values.ts";
import { forEachInvocation } from "./index-kernels.ts";
import { wgslType } from "./scan-kernels.ts";
import { expand, reshape } from "./views.ts";

/** Values per row of the sequences, which may be only one. */
function layoutOf(sequence: ValueType, values: ValueType): { length: number; perRow: number } {
  const rank = sequence.shape.length;
  const perRow = rank === 1 ? Math.max(sizeOf(values.shape), 1) : (values.shape[rank - 1] as number);
  return { length: sequence.shape[rank - 1] as number, perRow };
}

/** Inputs are of one dtype; attribute: 1 to stand behind equals. */
const searchProgram: KernelProgram = {
  name: "searchsorted",
  inputs: ["sequence", "values"],
  outputs: ([, values]) => [{ name: "places", shape: (values as ValueType).shape, dtype: "i32" }],
  write: ({ inputs, attributes }) => {
    const [sequence, values] = inputs as [ValueType, ValueType];
    const { length, perRow } = layoutOf(sequence, values);
    const count = sizeOf(values.shape);
    const type = wgslType[values.dtype];
    // As in PyTorch, a NaN is behind everything, on both sides.
    const before = `is_nan(f32(found)) || is_nan(f32(value)) || found ${attributes[0] === 1 ? "<=" : "<"} value`;
    const body = `
let value = ${type}(values[i]);
let row = i / ${perRow}u * ${length}u;
var low = 0u;
var high = ${length}u;
while (low < high) {
  let middle = (low + high) / 2u;
  let found = ${type}(sequence[row + middle]);
  if (${before}) { low = middle + 1u; } else { high = middle; }
}
places[i] = i32(low);`;
    const text = forEachInvocation(count, body, forLanes([IS_NAN], 1).join("\n"));
    return { ...text, flops: count * Math.ceil(Math.log2(length + 1)) };
  },
  reference: ([sequence, values], { inputs, attributes }) => {
    const { length, perRow } = layoutOf(inputs[0] as ValueType, inputs[1] as ValueType);
    const places = Float64Array.from(values ?? [], (value, i) => {
      const row = Math.floor(i / perRow) * length;
      let low = 0;
      for (let high = length; low < high; ) {
        const middle = (low + high) >> 1;
        const found = sequence?.[row + middle] as number;
        const behind = attributes[0] === 1 ? found > value : found >= value;
        if (behind) high = middle;
        else low = middle + 1;
      }
      return low;
    });
    return [places];
  },
};

const searchDefinition = defineKernel(searchProgram);

/** Options of `searchsorted`. */
export interface SearchOptions {
  /** Behind equals, not in front of them. */
  readonly right?: boolean;
  /** The same in words: "left" (default) or "right". */
  readonly side?: "left" | "right";
  /** Indices that sort the sequence, where it is not: what `argsort` gives. */
  readonly sorter?: Tensor | null;
}

/**
 * Finds where `values` (a tensor or a number) belong in a sorted sequence, so that it stays sorted: indices (i32) in
 * the shape of the values, from 0 to the length of the sequence. The sequence is a vector for all values, or has rows
 * [..., n] for values [..., m]. Throws a ShapeError if they do not match.
 */
export function searchsorted(sequence: Tensor, values: Tensor | number, options: SearchOptions = {}): Tensor {
  const op = "searchsorted";
  checkOptions(op, options, ["right", "side", "sorter"]);
  expectTensor(op, sequence, "the sequence");
  const { sorter = null, side = options.right === true ? "right" : "left" } = options;
  checkChoice(op, "side", side, ["left", "right"]);
  if (options.right === true && side === "left")
    throw new RangeError(`${op}: right and side say different things, got right: true and side: "left".`);
  if (sequence.ndim === 0) checkRank(op, sequence, [1], "a vector or rows", "the sequence");
  const dtype = promoteOperands(op, [sequence, values]);
  const given = convert(op, values, dtype);
  const lead = sequence.shape.slice(0, -1);
  if (lead.length > 0 && (given.ndim !== sequence.ndim || lead.some((n, i) => n !== given.shape[i]))) {
    throw shapeError`${op}: values must have the sequence's dims but for the last, got ${given.shape} for ${sequence.shape}.`;
  }
  return withGrad(false, () => {
    let row = convert(op, sequence, dtype);
    let wrong: Tensor | null = null;
    if (sorter !== null) {
      checkIndex(op, expectTensor(op, sorter, "the sorter"), row.shape[row.ndim - 1] as number);
      if (formatShape(sorter.shape) !== formatShape(row.shape)) {
        throw shapeError`${op}: the sorter must have the sequence's shape, got ${sorter.shape} for ${row.shape}.`;
      }
      row = gatherAlong(row, row.ndim - 1, sorter);
      wrong = isAnyOutside(sorter, row.ndim - 1, row.shape[row.ndim - 1] as number);
    }
    if (row.numel === 0) return expand(constant(0, "i32"), given.shape);
    const [found] = recordKernel(searchDefinition, [row, given], [side === "right" ? 1 : 0]);
    // One sorter for all values, or one for each row of them.
    return unless(wrong && (lead.length === 0 ? reshape(wrong, []) : wrong), found as Tensor);
  });
}
