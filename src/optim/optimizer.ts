// Optimizer: parameter groups, per-parameter state, and the one flat update of all parameters of a group.

import { DTypeError, WgradError } from "../base/errors.ts";
import { checkOptions, expectTensor } from "../ops/check.ts";
import {
  add,
  dropGradient,
  ge,
  hostEffect,
  internally,
  isReadAnew,
  ne,
  noGrad,
  ownGradients,
  stateTensor,
  submit,
  Tensor,
  traceGuard,
  where,
  zeros,
} from "../tensor.ts";
import { Cohorts, FlatGroup } from "./flat.ts";
import { checkUsual } from "./rules.ts";
import { type Counters, checkState, copy, groupToState, type OptimizerStateDict } from "./state.ts";

/** Options that every optimizer has. */
export interface CommonOptions {
  /** Learning rate: schedulers change it between steps. */
  lr: number;
}

/** Parameters with their options. A change, by a schedule or by you, holds from the next step on. */
export type ParamGroup<O extends CommonOptions = CommonOptions> = O & { params: Tensor[]; initialLr?: number };

/** The parameters that an optimizer trains: a list, or groups with their own options. */
export type ParamsInput<O> = Iterable<Tensor> | Iterable<{ params: Tensor | Iterable<Tensor> } & Partial<O>>;

/** What an optimizer remembers of a parameter: counters, and tensors of its shape under PyTorch's names. */
export interface ParameterState<S extends string> {
  /** Numbers that are counted per parameter. */
  readonly counters: Counters;
  /** Tensors of the parameter's shape, by name. */
  readonly slots: Partial<Record<S, Tensor>>;
}

/** One update to compute: tensors of equal shape, over one or many parameters. Elementwise, unless the optimizer says not. */
export interface Update<O extends CommonOptions, S extends string> {
  /** The current value of the parameter. */
  readonly parameter: Tensor;
  /** Its gradient. */
  readonly gradient: Tensor;
  /** The state by name: all that `slots(group)` lists. */
  readonly state: Record<S, Tensor>;
  /**
   * The live group: what is read inside `scalar(() => …)` or `number` may change from step to step; what is read outside as well is taken to
   * decide by being 0, and by its value otherwise. A compiled step is recorded again where that has changed.
   */
  readonly group: ParamGroup<O>;
  /** A number that follows from the counters, which are already advanced to this step. */
  number(refresh: (counters: Counters) => number): Tensor;
}

/** New values after an update. */
export interface Updated<S extends string> {
  /** The new value of the parameter. */
  readonly parameter: Tensor;
  /** The new values of the state, by name. */
  readonly state?: Partial<Record<S, Tensor>>;
}

/**
 * Skipped steps that the counters take into account: as many as GradScaler needs to come from its default scale, 65536, down to 1. When there
 * are more, they are few among thousands.
 */
const MOST_SKIPPED = 16;

/**
 * Base class of the optimizers. A subclass defines the names of its state (`slots`) and its formula (`update`);
 * `src/optim/lion.ts` is a short example.
 */
export abstract class Optimizer<O extends CommonOptions = CommonOptions, S extends string = string> {
  /** The groups with their options, as PyTorch's `param_groups`. */
  readonly paramGroups: ParamGroup<O>[] = [];
  /** Options for groups that do not give their own. */
  readonly defaults: Readonly<O>;
  /** State by parameter. */
  readonly state: Map<Tensor, ParameterState<S>> = new Map();
  readonly #flat = new Map<ParamGroup<O>, FlatGroup<S>[]>();
  /** Number of steps without effect. Only the device knows it, and it exists only if steps may be skipped. */
  #skipped: Tensor | null = null;
  /** The counters' last values, the newest first. */
  readonly #past = new Map<Counters, Counters[]>();

  constructor(params: ParamsInput<O>, defaults: O, options: Partial<O>) {
    this.defaults = { ...defaults, ...this.#known(options, defaults) };
    for (const group of groupsOf(this.constructor.name, params)) this.#add(group);
  }

  /** Names of the state tensors that a group's options ask for. */
  protected abstract slots(group: ParamGroup<O>): readonly S[];

  /** The update's formula. */
  protected abstract update(update: Update<O, S>): Updated<S>;

  /** Throws if the options make no sense: rates and the like must not be negative, betas must be two numbers within [0, 1). */
  protected check(options: O): void {
    checkUsual(this.constructor.name, options as object);
  }

  /** Whether `update` is elementwise, so that it can run over many parameters at once. */
  protected get elementwise(): boolean {
    return true;
  }

  /** The first value of a state tensor. */
  protected initial(_slot: S, _group: ParamGroup<O>): number {
    return 0;
  }

  /** The counters before the first step. */
  protected newCounters(): Counters {
    return { step: 0 };
  }

  /** Moves the counters to the next step; called at every step and at every replay of a compiled one. */
  protected advance(counters: Counters, _group: ParamGroup<O>): void {
    counters.step += 1;
  }

  /** Throws where the optimizer cannot train a parameter of this shape. */
  protected checkParameter(_parameter: Tensor): void {}

  /** Adds a group of parameters with its own options, for example layers that are trained from now on. */
  addParamGroup(group: { params: Tensor | Iterable<Tensor> } & Partial<O>): void {
    this.#add(group);
  }

  /** Forgets all gradients (`grad` becomes null). */
  zeroGrad(): void {
    for (const group of this.paramGroups) for (const parameter of group.params) dropGradient(parameter);
  }

  /**
   * Updates every parameter that has a gradient. Submits the whole step (forward, backward, update) as one plan and
   * does not wait for it. If `skip`, a 0-dim tensor, is not 0, parameters and state keep their values, as if the step
   * had not been taken.
   */
  step(options: { skip?: Tensor } = {}): void {
    internally(() => noGrad(() => this.#update(options.skip)));
    submit(this.paramGroups.flatMap((group) => group.params));
  }

  /** Records the update of all groups. */
  #update(skipped: Tensor | undefined): void {
    const skip = skipped === undefined ? null : ne(skipped, 0);
    if (skip !== null) this.#skipped ??= stateTensor([], 0);
    const { length } = this.paramGroups;
    traceGuard(() => this.paramGroups.length === length);
    for (const group of this.paramGroups) {
      for (const flat of this.#flat.get(group) ?? []) this.#updateFlat(group, flat, skip);
    }
    if (skip !== null) this.#skipped?.assign(add(this.#skipped, skip));
  }

  /**
   * Returns the state in PyTorch's form: `state` by the number of the parameter, `param_groups` with options in
   * snake_case. The tensors are the live ones.
   */
  stateDict(): OptimizerStateDict {
    const params = this.paramGroups.flatMap((group) => group.params);
    const state: OptimizerStateDict["state"] = {};
    params.forEach((parameter, i) => {
      const known = this.state.get(parameter);
      if (known !== undefined && known.counters.step > 0)
        state[i] = { ...known.counters, ...(known.slots as Record<string, Tensor>) };
    });
    let next = 0;
    const param_groups = this.paramGroups.map((group) => groupToState(group, () => next++));
    if (this.#skipped === null) return { state, param_groups };
    const before = params.map((parameter) => this.#past.get(this.#countersOf(parameter)) ?? []);
    return { state, param_groups, skipped: { steps: this.#skipped, before: before.map(copyAll) } };
  }

  /**
   * Takes the state and the options of a state dict. All or nothing.
   * @throws TypeError if it is no state dict, WgradError if groups, parameters or shapes do not match, RangeError for
   * options that the optimizer would not take either.
   */
  loadStateDict(stateDict: OptimizerStateDict): void {
    const { options, parameters, skipped, before } = checkState(
      this.constructor.name,
      stateDict,
      this.paramGroups,
      this.newCounters(),
    );
    this.paramGroups.forEach((group, i) => {
      this.check({ ...group, ...options[i] });
    });
    this.paramGroups.forEach((group, i) => {
      Object.assign(group, options[i]);
    });
    if (skipped !== null) this.#skipped ??= stateTensor([], 0);
    noGrad(() => this.#skipped?.assign(skipped ?? 0));
    // The state's objects stay the same ones: compiled steps hold them.
    const params = this.paramGroups.flatMap((group) => group.params.map((parameter) => ({ parameter, group })));
    params.forEach(({ parameter, group }, i) => {
      const entry = parameters[i];
      const state = this.state.get(parameter);
      if (state === undefined) return;
      Object.assign(state.counters, this.newCounters(), entry?.counters);
      this.#past.set(state.counters, copyAll(before[i] ?? []));
      for (const slot of this.#slotsOf(group)) {
        const value = entry?.tensors[slot] ?? this.initial(slot, group);
        noGrad(() => state.slots[slot]?.assign(value));
      }
    });
  }

  #add(input: { params: Tensor | Iterable<Tensor> } & Partial<O>): void {
    const name = this.constructor.name;
    const { params, ...options } = input;
    const merged = Object.entries({
      ...this.defaults,
      ...this.#known(options as unknown as Partial<O>, this.defaults),
    });
    const group = Object.fromEntries(merged.map(([key, value]) => [key, copy(value)])) as unknown as ParamGroup<O>;
    group.params = params instanceof Tensor ? [params] : [...params];
    this.check(group);
    const taken = new Set(this.paramGroups.flatMap((other) => other.params));
    for (const parameter of group.params) {
      checkTrainable(name, parameter);
      if (taken.has(parameter)) {
        throw new WgradError(
          `${name}: the parameter of shape [${parameter.shape}] appears twice. Give every parameter once.`,
        );
      }
      taken.add(parameter);
      this.checkParameter(parameter);
    }
    if (group.params.length === 0) {
      throw new RangeError(`${name}: the list of parameters is empty. Pass model.parameters().`);
    }
    this.paramGroups.push(group);
    ownGradients(group.params);
    for (const parameter of group.params) this.state.set(parameter, { counters: this.newCounters(), slots: {} });
    // Laid out here and not at the first step, because a step that is being compiled must find everything in its place.
    const parts = this.elementwise ? [group.params] : group.params.map((parameter) => [parameter]);
    this.#flat.set(
      group,
      parts.map((params) => new FlatGroup<S>([...params])),
    );
    this.#slotsOf(group);
  }

  /** The options that were given, after a check that each is known. */
  #known(options: Partial<O>, known: O): Partial<O> {
    checkOptions(this.constructor.name, options, [...Object.keys(known), "initialLr"]);
    return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<O>;
  }

  /** The state's names, after their tensors were made where the options ask for new ones. */
  #slotsOf(group: ParamGroup<O>): readonly S[] {
    const slots = this.slots(group);
    for (const flat of this.#flat.get(group) ?? []) {
      for (const slot of slots) {
        const states = flat.params.map((parameter) => this.state.get(parameter));
        if (states.every((state) => state?.slots[slot] !== undefined)) continue;
        flat.addState(slot, this.initial(slot, group)).forEach((tensor, i) => {
          const state = states[i];
          if (state !== undefined) state.slots[slot] = tensor;
        });
      }
    }
    return slots;
  }

  /** Records the update of those parameters that have a gradient. */
  #updateFlat(group: ParamGroup<O>, flat: FlatGroup<S>, skip: Tensor | null): void {
    const { params } = flat;
    const gradients = params.map((parameter) => {
      parameter.guardGradient();
      return parameter.gradient;
    });
    if (gradients.every((gradient) => gradient === null)) return;
    const slots = this.#slotsOf(group);
    const counters = params.map((parameter) => this.#countersOf(parameter));
    const active = counters.filter((_, i) => gradients[i] !== null);
    const steps = counters.map(({ step }, i) => (gradients[i] === null ? null : step));
    hostEffect(() => {
      for (const counter of active) {
        if (this.#skipped !== null) this.#remember(counter);
        this.advance(counter, group);
      }
    });
    const parameters = flat.parameters();
    const whole = parameters.flat;
    const cohorts = new Cohorts(flat, steps, counters);
    // Parameters of a cohort go on together, or a compiled step is another one.
    traceGuard(() => cohorts.areTogether(counters));
    const old = Object.fromEntries(slots.map((slot) => [slot, flat.state(slot)])) as Record<S, Tensor>;
    const watched = watch(group);
    const updated = this.update({
      parameter: whole,
      gradient: parameters.collect(gradients.map((gradient, i) => gradient ?? zeros((params[i] as Tensor).shape))),
      state: old,
      group: watched.group,
      number: (refresh) => this.#number(cohorts, refresh),
    });
    traceGuard(watched.guard());
    const select = (value: Tensor, before: Tensor): Tensor => {
      const selected = cohorts.select(value, before);
      return skip === null ? selected : where(skip, before, selected);
    };
    const next = slots.map((slot) => select(updated.state?.[slot] ?? old[slot], old[slot]));
    const parameter = select(updated.parameter, whole);
    slots.forEach((slot, i) => {
      flat.state(slot).assign(next[i] as Tensor);
    });
    whole.assign(parameter);
  }

  /** A number that depends on the count of steps that were not skipped. Only the device knows the count, so it gets all candidates. */
  #number(cohorts: Cohorts<Counters>, refresh: (counters: Counters) => number): Tensor {
    let result = cohorts.number(refresh);
    if (this.#skipped === null) return result;
    for (let back = 1; back <= MOST_SKIPPED; back++) {
      const before = cohorts.number((counters) => refresh(this.#past.get(counters)?.[back - 1] ?? counters));
      result = where(ge(this.#skipped, back), before, result);
    }
    return result;
  }

  #remember(counters: Counters): void {
    const past = this.#past.get(counters) ?? [];
    this.#past.set(counters, [{ ...counters }, ...past].slice(0, MOST_SKIPPED));
  }

  #countersOf(parameter: Tensor): Counters {
    const state = this.state.get(parameter);
    if (state === undefined) throw new WgradError("internal: a parameter without state");
    return state.counters;
  }
}

/** Returns a group that notes which of its options are read, and a guard of those that the trace of a compiled step depends on. */
function watch<G extends object>(group: G): { readonly group: G; guard(): () => boolean } {
  const decisive = new Map<keyof G, unknown>();
  const data = new Set<keyof G>();
  const proxy = new Proxy(group, {
    get: (target, name) => {
      const value = target[name as keyof G];
      if (isReadAnew()) data.add(name as keyof G);
      else decisive.set(name as keyof G, copy(value));
      return value;
    },
  });
  const holds = (name: keyof G, before: unknown): boolean => {
    const value: unknown = group[name];
    if (data.has(name) && typeof value === "number") return (value === 0) === (before === 0);
    return Array.isArray(value) ? value.every((v, i) => v === (before as unknown[])[i]) : value === before;
  };
  return { group: proxy, guard: () => () => [...decisive].every(([name, before]) => holds(name, before)) };
}

function copyAll(list: readonly Counters[]): Counters[] {
  return list.map((counters) => ({ ...counters }));
}

function groupsOf<O>(
  optimizer: string,
  params: ParamsInput<O>,
): ({ params: Tensor | Iterable<Tensor> } & Partial<O>)[] {
  if (params instanceof Tensor || typeof params !== "object" || params === null || !(Symbol.iterator in params)) {
    throw new TypeError(`${optimizer}: the parameters must be a list of tensors or groups. Pass model.parameters().`);
  }
  const list = [...params];
  const tensors = list.filter((entry): entry is Tensor => entry instanceof Tensor);
  if (tensors.length === list.length) return [{ params: tensors } as { params: Tensor[] } & Partial<O>];
  return list.map((entry) => {
    if (entry instanceof Tensor || typeof entry !== "object" || entry === null || !("params" in entry)) {
      throw new TypeError(`${optimizer}: the parameters must be tensors, or groups { params: […], … }, not a mixture.`);
    }
    return entry;
  });
}

function checkTrainable(optimizer: string, parameter: Tensor): void {
  expectTensor(optimizer, parameter, "a parameter");
  if (parameter.dtype !== "f32") {
    throw new DTypeError(
      `${optimizer}: parameters must be f32, got ${parameter.dtype}. Keep f32 parameters and cast them where they are used.`,
      {
        op: optimizer,
      },
    );
  }
  if (parameter.requiresGrad && parameter.node.leaf !== parameter) {
    throw new WgradError(
      `${optimizer}: a parameter must be a leaf, got the result of an op, of shape [${parameter.shape}]. nn.parameter(t) makes a leaf of it.`,
    );
  }
}
