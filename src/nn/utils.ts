// Utilities on parameters: clipping of gradients, parameters as one vector.

import { WgradError } from "../base/errors.ts";
import { checkOptions, demand, expectTensor, misfit } from "../ops/check.ts";
import {
  abs,
  add,
  amax,
  cat,
  clamp,
  Gradients,
  mul,
  narrow,
  noGrad,
  pow,
  reciprocal,
  reshape,
  sqrt,
  square,
  stack,
  sum,
  type Tensor,
  zeros,
} from "../tensor.ts";

/**
 * Multiplies all gradients by min(1, maxNorm / (norm + 1e-6)), where `norm` is that of all of them taken as one vector.
 * Returns this norm, as a 0-dim tensor. Nothing is read back: clipping is part of the step. So there is no
 * `errorIfNonfinite`: read the norm to know.
 */
export function clipGradNorm(
  parameters: Tensor | Iterable<Tensor>,
  maxNorm: number,
  options: { normType?: number } = {},
): Tensor {
  if (typeof options === "object" && options !== null && "errorIfNonfinite" in options) {
    throw new WgradError(
      'clipGradNorm: unknown option "errorIfNonfinite": clipping does not wait for the norm. Read the one that is returned: if (!Number.isFinite(await norm.item())) ….',
      { op: "clipGradNorm" },
    );
  }
  checkOptions("clipGradNorm", options, ["normType"]);
  const { normType = 2 } = options;
  demand("clipGradNorm", "maxNorm", maxNorm, typeof maxNorm === "number" && maxNorm >= 0, "a number ≥ 0");
  demand("clipGradNorm", "normType", normType, normType > 0, "> 0");
  const gradients = new Gradients("clipGradNorm", parameters);
  return noGrad(() => {
    const total = totalNorm(gradients.elements(), normType);
    const scale = clamp(mul(reciprocal(add(total, 1e-6)), maxNorm), { max: 1 });
    gradients.replace((gradient) => mul(gradient, scale));
    return total;
  });
}

function totalNorm(gradients: readonly Tensor[], normType: number): Tensor {
  if (gradients.length === 0) return zeros([]);
  const each = (norm: (g: Tensor) => Tensor): Tensor => {
    const values = gradients.map(norm);
    return values.length === 1 ? (values[0] as Tensor) : stack(values);
  };
  if (normType === Number.POSITIVE_INFINITY) return amax(each((g) => amax(abs(g))));
  if (normType === 2) return sqrt(sum(each((g) => sum(square(g)))));
  return pow(sum(each((g) => sum(pow(abs(g), normType)))), 1 / normType);
}

/** Limits every element of the gradients to [-clipValue, clipValue]. */
export function clipGradValue(
  parameters: Tensor | Iterable<Tensor>,
  clipValue: number,
  options: Record<string, never> = {},
): void {
  checkOptions("clipGradValue", options, []);
  demand("clipGradValue", "clipValue", clipValue, typeof clipValue === "number" && clipValue >= 0, "a number ≥ 0");
  new Gradients("clipGradValue", parameters).replace((gradient) =>
    clamp(gradient, { min: -clipValue, max: clipValue }),
  );
}

/** All parameters, one after another, as a 1-dim tensor. */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  return cat(tensorsOf("parametersToVector", parameters).map((parameter) => reshape(parameter, [-1])));
}

function tensorsOf(op: string, parameters: Iterable<Tensor>): Tensor[] {
  // A value that cannot be iterated is taken as the only element of a list.
  const list = typeof parameters?.[Symbol.iterator] === "function" ? [...parameters] : [parameters as never];
  return list.map((parameter) => expectTensor(op, parameter, "each parameter"));
}

/** Assigns the parts of a 1-dim tensor to the parameters: the inverse of `parametersToVector`. */
export function vectorToParameters(vector: Tensor, parameters: Iterable<Tensor>): void {
  expectTensor("vectorToParameters", vector);
  const list = tensorsOf("vectorToParameters", parameters);
  const total = list.reduce((sum, parameter) => sum + parameter.numel, 0);
  if (vector.ndim !== 1 || vector.numel !== total) {
    throw misfit("vectorToParameters", `the vector must be [${total}], got [${vector.shape}].`, vector);
  }
  noGrad(() => {
    let start = 0;
    for (const parameter of list) {
      parameter.assign(reshape(narrow(vector.detach(), 0, start, parameter.numel), parameter.shape));
      start += parameter.numel;
    }
  });
}
