// Optimizer state dicts in PyTorch's form: options in snake_case, state by the parameter's number; checks before loading.

import { WgradError } from "../base/errors.ts";
import { misfit, printed, sameShape } from "../ops/check.ts";
import { noGrad, Tensor } from "../tensor.ts";

/** Numbers that an optimizer counts on the host for each parameter. */
export interface Counters {
  /** Number of updates that the parameter has had, this one included. */
  step: number;
  /** NAdam's product of momenta. */
  mu_product?: number;
}

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

/** The checked content of a state dict. */
export interface CheckedState {
  /** The groups' options by camelCase names. */
  readonly options: readonly Record<string, unknown>[];
  /** The state of each parameter in order, undefined where it has none. */
  readonly parameters: readonly ({ counters: Counters; tensors: Record<string, Tensor> } | undefined)[];
  /** How many steps had no effect; null where the state dict doesn't say. */
  readonly skipped: Tensor | number | null;
  /** Counters of earlier steps, for each parameter. */
  readonly before: readonly (readonly Counters[])[];
}

/**
 * Checks all of a state dict against the groups that it is for; `fresh` are the counters of a new parameter.
 * @throws TypeError for what is no state dict, WgradError (ShapeError if a shape differs) for one that does not fit.
 */
export function checkState(
  optimizer: string,
  stateDict: OptimizerStateDict,
  groups: readonly Group[],
  fresh: Counters,
): CheckedState {
  const what = `${optimizer}.loadStateDict`;
  const { state, param_groups, skipped } = (isObject(stateDict) ? stateDict : {}) as Partial<OptimizerStateDict>;
  if (!isObject(state) || !Array.isArray(param_groups)) {
    throw new TypeError(`${what}: takes what stateDict() returns, { state, param_groups }, got ${printed(stateDict)}.`);
  }
  if (param_groups.length !== groups.length) throw differ(what, `${groups.length} groups`, param_groups.length);
  const options = groups.map((group, i) => checkGroup(what, group, param_groups[i]));
  const numbers = param_groups.flatMap(({ params }) => params as number[]);
  if (new Set(numbers).size !== numbers.length) throw wrong(what, "a parameter's number", "in one group only", numbers);
  const parameters = groups
    .flatMap(({ params }) => params)
    .map((parameter, i) => checkEntry(what, parameter, i, state[numbers[i] as number], fresh));
  if (skipped === undefined) return { options, parameters, skipped: null, before: parameters.map(() => []) };
  const { steps, before } = (isObject(skipped) ? skipped : {}) as Partial<typeof skipped>;
  const isCount = steps instanceof Tensor ? steps.ndim === 0 : isWhole(steps);
  if (!isCount) throw wrong(what, "skipped.steps", "a whole number", steps);
  if (!Array.isArray(before) || before.length !== parameters.length || !before.every(Array.isArray))
    throw wrong(what, "skipped.before", "a list for each parameter", before);
  return {
    options,
    parameters,
    skipped: steps instanceof Tensor ? noGrad(() => steps.detach()) : (steps as number),
    before: before.map((list) => list.map((counters) => checkCounters(what, "skipped.before", counters, fresh))),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Tensor);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function wrong(what: string, name: string, rule: string, value: unknown): WgradError {
  return new WgradError(`${what}: ${name} must be ${rule}, got ${printed(value)}. Nothing was loaded.`);
}

function differ(what: string, own: string, saved: number): WgradError {
  return new WgradError(
    `${what}: the groups differ: ${own} here, ${saved} in the state dict. Make the optimizer with the same groups.`,
  );
}

/** The camelCase options that `saved` holds for `group`: values of the kinds that the group has. */
function checkGroup(what: string, group: Group, saved: unknown): Record<string, unknown> {
  const numbers = isObject(saved) ? saved.params : undefined;
  if (!isObject(saved) || !Array.isArray(numbers)) throw wrong(what, "a group", "an object with params", saved);
  const { length } = group.params;
  if (numbers.length !== length) throw differ(what, `a group of ${length} parameters`, numbers.length);
  if (!numbers.every(isWhole)) throw wrong(what, '"params"', "a list of whole numbers", numbers);
  const known: Record<string, unknown> = { ...Object.fromEntries(SCHEDULED.map((key) => [key, 0])), ...group };
  const options: Record<string, unknown> = {};
  for (const [key, present] of Object.entries(known)) {
    const name = snakeCase(key);
    const value = Object.hasOwn(saved, name) ? saved[name] : undefined;
    // PyTorch writes None for a choice that is left to it.
    if (key === "params" || value === undefined || (value === null && typeof present === "string")) continue;
    if (!isAlike(value, present)) throw wrong(what, name, `a value like ${printed(present)}`, value);
    options[key] = copy(value);
  }
  return options;
}

/** Whether two values are of one kind: numbers (NaN is none), words, truth values, or lists of as many of them. */
function isAlike(value: unknown, present: unknown): boolean {
  if (!Array.isArray(present)) return typeof value === typeof present && !Number.isNaN(value);
  return Array.isArray(value) && value.length === present.length && value.every((v, i) => isAlike(v, present[i]));
}

/** Options that schedules add to a group. */
const SCHEDULED = ["initialLr", "maxLr", "minLr", "maxMomentum", "baseMomentum"];

/** A list of numbers as a list of its own, so that groups do not share one. */
export function copy<T>(value: T): T {
  return Array.isArray(value) ? ([...value] as T) : value;
}

/** The counters among the members of `saved`, and those of a new parameter that are missing there. */
function checkCounters(what: string, name: string, saved: unknown, fresh: Counters): Counters {
  if (!isObject(saved)) throw wrong(what, name, "an object of counters", saved);
  const counters: Counters = { ...fresh };
  for (const key of Object.keys(fresh) as (keyof Counters)[]) {
    const value = Object.hasOwn(saved, key) ? saved[key] : undefined;
    if (value === undefined) continue;
    if (value instanceof Tensor) {
      throw new WgradError(`${what}: "${key}" must be a number, got a tensor. Read it with await ${key}.item().`);
    }
    const right = key === "step" ? isWhole(value) : Number.isFinite(value);
    if (!right) throw wrong(what, `"${key}" in ${name}`, key === "step" ? "a whole number ≥ 0" : "a number", value);
    counters[key] = value as number;
  }
  return counters;
}

/** Checks the content of a state dict for parameter `i`. */
function checkEntry(
  what: string,
  parameter: Tensor,
  i: number,
  saved: unknown,
  fresh: Counters,
): CheckedState["parameters"][number] {
  if (saved === undefined) return undefined;
  const name = `the state of parameter ${i}`;
  const counters = checkCounters(what, name, saved, fresh);
  const tensors: Record<string, Tensor> = {};
  for (const [key, value] of Object.entries(saved as object)) {
    // PyTorch writes None for what has not been needed yet.
    if (key in fresh || typeof value === "number" || value === null || value === undefined) continue;
    if (!(value instanceof Tensor)) throw wrong(what, `"${key}" in ${name}`, "a tensor or a number", value);
    if (!sameShape(value.shape, parameter.shape)) {
      throw misfit(
        what,
        `"${key}" of parameter ${i} is [${value.shape}] in the state dict, the parameter is [${parameter.shape}]. Nothing was loaded.`,
        value,
        parameter,
      );
    }
    tensors[key] = noGrad(() => value.detach());
  }
  // PyTorch's SGD and older optimizers save no count: having state means having stepped.
  if (!Object.hasOwn(saved as object, "step")) counters.step = Object.keys(tensors).length > 0 ? 1 : 0;
  return { counters, tensors };
}
