// Shared by the losses: reduction, and the check that operands fit.

import { broadcastShapes, formatShape, sameShape, shapeError } from "../base/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { checkChoice, type Filled, filled } from "./arguments.ts";
import { expectTensor } from "./define.ts";
import { mean, sum } from "./reduction-ops.ts";

/** How a loss is summed up: the mean, the sum, or every element's own. */
export type Reduction = "mean" | "sum" | "none";

export interface LossOptions {
  /** Default "mean". */
  readonly reduction?: Reduction;
}

/** The options of a loss: the reduction, checked, and others with their defaults. */
export function lossOptions<
  Options extends LossOptions,
  const Others extends { readonly [Name in keyof Omit<Options, "reduction">]-?: Options[Name] | null },
>(op: string, options: Options, others: Others): Filled<Options, Others & { reduction: Reduction }> {
  const all = filled<LossOptions, { reduction: Reduction }>(op, options, { reduction: "mean", ...others });
  checkChoice(op, "reduction", all.reduction, ["mean", "sum", "none"]);
  return all as Filled<Options, Others & { reduction: Reduction }>;
}

/** The elements' losses as the option says. */
export function reduced(x: Tensor, reduction: Reduction): Tensor {
  if (reduction === "none") return x;
  return reduction === "mean" ? mean(x) : sum(x);
}

/** Demands that input and target broadcast. */
export function checkBroadcast(op: string, input: Tensor, target: Tensor): void {
  broadcastShapes(op, expectTensor(op, input, "the input").shape, expectTensor(op, target, "the target").shape);
}

/** Demands operands of one shape. */
export function checkPair(
  op: string,
  input: Tensor,
  target: Tensor,
  names: readonly [string, string] = ["input", "target"],
): void {
  expectTensor(op, input, `the ${names[0]}`);
  expectTensor(op, target, `the ${names[1]}`);
  if (sameShape(input.shape, target.shape)) return;
  const remedy =
    input.numel === target.numel
      ? `.reshape(${formatShape(input.shape)}) on the ${names[1]} would fit.`
      : "Shapes don't broadcast here.";
  throw shapeError`${op}: ${names[0]} and ${names[1]} must have one shape, got ${input.shape} and ${target.shape}. ${remedy}`;
}
