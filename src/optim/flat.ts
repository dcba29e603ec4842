// Flat groups: the parameters and the state of a group laid out as vectors, so that one elementwise update serves all.

import { Arena, eq, ge, noGrad, outsideScopes, scalar, stateTensor, type Tensor, tensor, where } from "../tensor.ts";

type Flat = Pick<Arena, "flat" | "collect">;

/** A single tensor needs no arena, but its own memory: to a compiled step, `zeros()` is a constant. */
function flatten(tensors: readonly Tensor[]): Flat {
  const [only] = tensors;
  if (tensors.length > 1 || only === undefined) return new Arena([...tensors]);
  if (only.slot === null) noGrad(() => only.assign(only.detach()));
  return { flat: only, collect: ([value]) => value as Tensor };
}

/** Parameters and their state tensors as vectors of one layout. */
export class FlatGroup<S extends string> {
  readonly params: readonly Tensor[];
  #parameters: Flat;
  readonly #state = new Map<S, Flat>();
  #cohorts: { readonly of: readonly number[]; readonly index: Tensor } | null = null;

  constructor(params: readonly Tensor[]) {
    this.params = params;
    this.#parameters = flatten(params);
  }

  /** The vector of the parameters. If another optimizer has moved them since, they are moved back. */
  parameters(): Flat {
    const home = this.#parameters.flat.slot;
    if (this.params.length > 1 && this.params.some(({ slot }) => slot?.cell !== home?.cell)) {
      this.#parameters = flatten(this.params);
      this.#cohorts = null;
    }
    return this.#parameters;
  }

  /** Makes the state tensors of the given name, unless they are there; returns one per parameter. */
  addState(slot: S, initial: number): Tensor[] {
    const tensors = this.params.map(({ shape }) => stateTensor(shape, initial));
    const [only] = tensors;
    const alone = tensors.length === 1 && only !== undefined;
    this.#state.set(slot, alone ? flatten(tensors) : new Arena(tensors, initial));
    return tensors;
  }

  /** The vector of a kind of state. */
  state(slot: S): Tensor {
    return (this.#state.get(slot) as Flat).flat;
  }

  /**
   * A vector that names each element's cohort: `of` gives it per parameter. Between the parameters it is -1. (Offsets in
   * bytes, elements of 4 bytes.)
   */
  cohortIndex(of: readonly number[]): Tensor {
    const known = this.#cohorts;
    if (known?.of.every((cohort, i) => cohort === of[i])) return known.index;
    const { flat } = this.parameters();
    const cohorts = new Float32Array(flat.numel).fill(-1);
    this.params.forEach(({ slot, numel }, i) => {
      const start = (slot?.offset ?? 0) / 4;
      if (this.params.length > 1) cohorts.fill(of[i] ?? -1, start, start + numel);
      else cohorts.fill(of[i] ?? -1);
    });
    const index = outsideScopes(() => tensor(cohorts, { shape: flat.shape }));
    this.#cohorts = { of: [...of], index };
    return index;
  }
}

/** The parameters that take part in a step, in cohorts that have had the same number of steps. */
export class Cohorts<C extends object> {
  /** The cohort of every parameter, -1 for those that rest. */
  readonly of: readonly number[];
  /** The counters of every cohort. */
  readonly #counters: readonly C[] = [];
  readonly #index: Tensor | null;

  /** `steps` is null for a parameter that rests. */
  constructor(
    group: Pick<FlatGroup<string>, "cohortIndex">,
    steps: readonly (number | null)[],
    counters: readonly C[],
  ) {
    const cohortOf = new Map<number, number>();
    const first: C[] = [];
    this.of = steps.map((step, i) => {
      if (step === null) return -1;
      let cohort = cohortOf.get(step);
      if (cohort === undefined) {
        cohort = cohortOf.size;
        cohortOf.set(step, cohort);
        first.push(counters[i] as C);
      }
      return cohort;
    });
    this.#counters = first;
    this.#index = this.of.every((cohort) => cohort === 0) ? null : group.cohortIndex(this.of);
  }

  /** Whether parameters of a cohort still have the same counters. */
  areTogether(counters: readonly C[]): boolean {
    return counters.every((own, i) => {
      const first = this.#counters[this.of[i] as number];
      if (first === undefined || first === own) return true;
      for (const name in first) if (own[name] !== first[name]) return false;
      return true;
    });
  }

  /** A number that follows from the counters: the same for all parameters, or a vector where they differ. */
  number(refresh: (counters: C) => number): Tensor {
    const [first, ...others] = this.#counters.map((counters) => scalar(() => refresh(counters)));
    return others.reduce((result, value, i) => {
      const index = this.#index;
      return index === null ? result : where(eq(index, i + 1), value, result);
    }, first as Tensor);
  }

  /** `updated` where a parameter takes part, `old` where it rests. */
  select(updated: Tensor, old: Tensor): Tensor {
    if (this.#index === null || !this.of.includes(-1)) return updated;
    return where(ge(this.#index, 0), updated, old);
  }
}
