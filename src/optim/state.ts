// Optimizer state dicts in PyTorch's form: options in snake_case, state by the parameter's number; checks before loading.

import { misfit, sameShape } from "../check.ts";
import { WgradError } from "../errors.ts";
import { Tensor } from "../tensor.ts";
import type { Counters } from "./optimizer.ts";

/** What an optimizer's `stateDict()` returns. */
export interface OptimizerStateDict {
  /** By the parameter's number: `step` and other counters as numbers, `exp_avg` and the like as tensors. */
  state: Record<number, Record<string, Tensor | number>>;
  /** The groups' options; `params` lists the numbers of their parameters. */
  param_groups: Record<string, unknown>[];
  /**
   * Where a GradScaler skips steps: how many had no effect, and for every parameter the counters of earlier steps, the latest first. `step`
   * counts skipped steps; PyTorch's does not.
   */
  skipped?: { steps: Tensor | number; before: Counters[][] };
}

interface Group {
  readonly params: readonly Tensor[];
}

/** A name as PyTorch writes it. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A group's options by snake_case names, and its parameters by number. */
export function groupToState(group: Group, nextNumber: () => number): Record<string, unknown> {
  const { params, ...options } = group;
  const entries = Object.entries(options).map(([key, value]) => [snakeCase(key), copy(value)]);
  return { ...Object.fromEntries(entries), params: params.map(nextNumber) };
}

/** The camelCase options that `saved` holds for `group`. */
export function groupFromState(
  optimizer: string,
  group: Group,
  saved: Record<string, unknown> | undefined,
): Record<string, unknown> {
  const numbers = saved?.params;
  if (saved === undefined || !Array.isArray(numbers) || numbers.length !== group.params.length) {
    throw new WgradError(
      `${optimizer}.loadStateDict: the groups differ: one of ${group.params.length} parameters has ${
        Array.isArray(numbers) ? numbers.length : "no group"
      } in the state dict. Make the optimizer with the same groups.`,
    );
  }
  return Object.fromEntries(
    [...Object.keys(group), ...SCHEDULED].flatMap((key) => {
      const value = key === "params" ? undefined : saved[snakeCase(key)];
      return value === undefined ? [] : [[key, copy(value)]];
    }),
  );
}

/** What schedulers keep in a group, beyond the optimizer's own options. */
const SCHEDULED = ["initialLr", "maxLr", "minLr", "maxMomentum", "baseMomentum"];

/** A list of numbers as a list of its own, so that groups do not share one. */
export function copy<T>(value: T): T {
  return Array.isArray(value) ? ([...value] as T) : value;
}

/** The state of each parameter in order, undefined where it has none, after all of it was checked. */
export function checkState(
  optimizer: string,
  stateDict: OptimizerStateDict,
  groups: readonly Group[],
): ({ counters: Record<string, number>; tensors: Record<string, Tensor> } | undefined)[] {
  if (stateDict.param_groups.length !== groups.length) {
    throw new WgradError(
      `${optimizer}.loadStateDict: the state dict has ${stateDict.param_groups.length} groups, the optimizer ${groups.length}. Make it with the same groups.`,
    );
  }
  const numbers = stateDict.param_groups.flatMap((group) => group.params as number[]);
  const params = groups.flatMap((group) => group.params);
  return params.map((parameter, i) => {
    const saved = stateDict.state[numbers[i] ?? i];
    if (saved === undefined) return undefined;
    const counters: Record<string, number> = {};
    const tensors: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(saved)) {
      if (typeof value === "number") {
        counters[name] = value;
      } else if (value instanceof Tensor) {
        if (name === "step") {
          throw new WgradError(
            `${optimizer}.loadStateDict: "step" must be a number, got a tensor. Read it with await step.item().`,
          );
        }
        if (!sameShape(value.shape, parameter.shape)) {
          throw misfit(
            `${optimizer}.loadStateDict`,
            `"${name}" of parameter ${i} is [${value.shape}] in the state dict, the parameter is [${parameter.shape}]. Nothing was loaded.`,
            value,
            parameter,
          );
        }
        tensors[name] = value;
      }
    }
    // PyTorch's SGD and older optimizers save no count: having state means having stepped.
    counters.step ??= Object.keys(tensors).length > 0 ? 1 : 0;
    return { counters, tensors };
  });
}
