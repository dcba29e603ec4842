// State dicts: checking one against a module's tensors, and loading it whole or not at all.

import { ShapeError, WgradError } from "../base/errors.ts";
import { expectTensor, sameShape } from "../ops/check.ts";
import { noGrad, type Shape, type Tensor } from "../tensor.ts";

/** Tensors under PyTorch's dotted keys: `{ "0.weight": …, "0.bias": … }`. */
export type StateDict = Record<string, Tensor>;

/**
 * Assigns the values of `source` to the tensors of `entries` after every key and shape was checked. Where `optional` ones are missing, they stay.
 * @throws WgradError (ShapeError if a shape differs) that lists all that does not fit; then nothing was loaded.
 */
export function loadEntries(
  owner: string,
  entries: [string, Tensor][],
  source: StateDict,
  strict: boolean,
  optional: ReadonlyMap<string, Tensor>,
): { missingKeys: string[]; unexpectedKeys: string[] } {
  if (typeof source !== "object" || source === null) {
    throw new TypeError(`loadStateDict: a state dict is an object of tensors, got ${String(source)}.`);
  }
  const unexpected = new Set(Object.keys(source));
  const missingKeys: string[] = [];
  const loads: [target: Tensor, value: Tensor][] = [];
  const misshapen: string[] = [];
  const shapes: Shape[] = [];
  for (const [key, target] of entries) {
    if (!Object.hasOwn(source, key)) {
      if (!optional.has(key)) missingKeys.push(key);
      continue;
    }
    unexpected.delete(key);
    const value = expectTensor("loadStateDict", source[key], `"${key}"`);
    if (sameShape(value.shape, target.shape)) {
      loads.push([target, value]);
    } else {
      misshapen.push(`"${key}" is [${value.shape}] in the state dict and [${target.shape}] in the model`);
      shapes.push(value.shape, target.shape);
    }
  }
  const unexpectedKeys = [...unexpected];
  const problems = [
    ...(strict ? [...list("missing", missingKeys), ...list("unexpected", unexpectedKeys)] : []),
    ...misshapen,
  ];
  if (problems.length > 0) {
    const remedy = misshapen.length === 0 ? " With { strict: false }, what fits by name is loaded." : "";
    throw new (misshapen.length === 0 ? WgradError : ShapeError)(
      `loadStateDict: the state dict does not fit ${owner}: ${problems.join("; ")}. Nothing was loaded.${remedy}`,
      { op: "loadStateDict", shapes },
    );
  }
  noGrad(() => {
    // Taken before the first assignment, so that a dict of the module's own tensors in another order loads rightly.
    for (const load of loads) load[1] = load[1].detach().to(load[0].dtype);
    for (const [target, value] of loads) target.assign(value);
  });
  return { missingKeys, unexpectedKeys };
}

function list(kind: string, keys: string[]): string[] {
  if (keys.length === 0) return [];
  return [`${kind} key${keys.length > 1 ? "s" : ""} ${keys.map((key) => `"${key}"`).join(", ")}`];
}
