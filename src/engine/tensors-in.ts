// Values with tensors inside.

import { Tensor } from "../graph/tensor.ts";

/** The tensors in a value: it alone, or those in arrays and objects. */
export function tensorsIn(value: unknown): Set<Tensor> {
  const found = new Set<Tensor>();
  const visit = (part: unknown): void => {
    if (part instanceof Tensor) found.add(part);
    else if (Array.isArray(part)) part.forEach(visit);
    else if (part !== null && typeof part === "object") Object.values(part).forEach(visit);
  };
  visit(value);
  return found;
}
