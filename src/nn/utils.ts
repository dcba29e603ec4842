// Utilities on parameters: clipping of gradients, parameters as one vector.

import { ShapeError } from "../errors.ts";
import { cat, noGrad, stack, type Tensor, zeros } from "../tensor.ts";

/** Parameters that have a gradient, with it. */
function withGradients(op: string, parameters: Tensor | Iterable<Tensor>): { parameter: Tensor; gradient: Tensor }[] {
  const list = Symbol.iterator in parameters ? [...parameters] : [parameters];
  const found: { parameter: Tensor; gradient: Tensor }[] = [];
  for (const parameter of list) {
    if (typeof parameter !== "object" || !("grad" in parameter)) {
      throw new TypeError(`${op}: parameters must be tensors, got ${typeof parameter}.`);
    }
    if (parameter.grad !== null) found.push({ parameter, gradient: parameter.grad });
  }
  return found;
}

/**
 * Scales all gradients by min(1, maxNorm / (norm + 1e-6)), where norm is that of all of them taken as one vector, and
 * returns that norm from before (0-dim). Nothing is read back: it is part of the step.
 */
export function clipGradNorm(
  parameters: Tensor | Iterable<Tensor>,
  maxNorm: number,
  options: { normType?: number } = {},
): Tensor {
  const { normType = 2 } = options;
  if (typeof maxNorm !== "number" || !(maxNorm >= 0)) {
    throw new RangeError(`clipGradNorm: maxNorm must be a number ≥ 0, got ${String(maxNorm)}.`);
  }
  if (!(normType > 0)) throw new RangeError(`clipGradNorm: normType must be > 0, got ${String(normType)}.`);
  const found = withGradients("clipGradNorm", parameters);
  return noGrad(() => {
    if (found.length === 0) return zeros([]);
    const total = totalNorm(
      found.map(({ gradient }) => gradient),
      normType,
    );
    const scale = total.add(1e-6).reciprocal().mul(maxNorm).clamp({ max: 1 });
    for (const { parameter, gradient } of found) parameter.grad = gradient.mul(scale);
    return total;
  });
}

function totalNorm(gradients: Tensor[], normType: number): Tensor {
  if (normType === Number.POSITIVE_INFINITY) return stack(gradients.map((g) => g.abs().amax())).amax();
  if (normType === 2)
    return stack(gradients.map((g) => g.square().sum()))
      .sum()
      .sqrt();
  return stack(gradients.map((g) => g.abs().pow(normType).sum()))
    .sum()
    .pow(1 / normType);
}

/** Limits every element of the gradients to [-clipValue, clipValue]. */
export function clipGradValue(parameters: Tensor | Iterable<Tensor>, clipValue: number): void {
  if (typeof clipValue !== "number" || !(clipValue >= 0)) {
    throw new RangeError(`clipGradValue: clipValue must be a number ≥ 0, got ${String(clipValue)}.`);
  }
  noGrad(() => {
    for (const { parameter, gradient } of withGradients("clipGradValue", parameters)) {
      parameter.grad = gradient.clamp({ min: -clipValue, max: clipValue });
    }
  });
}

/** All parameters, one after another, as a 1-dim tensor. */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  return cat([...parameters].map((parameter) => parameter.reshape([-1])));
}

/** Assigns the parts of a 1-dim tensor to the parameters: the inverse of `parametersToVector`. */
export function vectorToParameters(vector: Tensor, parameters: Iterable<Tensor>): void {
  const list = [...parameters];
  const total = list.reduce((sum, parameter) => sum + parameter.numel, 0);
  if (vector.ndim !== 1 || vector.numel !== total) {
    throw new ShapeError(`vectorToParameters: the vector must be [${total}], got [${vector.shape}].`, {
      op: "vectorToParameters",
      shapes: [vector.shape],
    });
  }
  noGrad(() => {
    let start = 0;
    for (const parameter of list) {
      parameter.assign(vector.detach().narrow(0, start, parameter.numel).reshape(parameter.shape));
      start += parameter.numel;
    }
  });
}
