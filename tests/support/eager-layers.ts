// Layers and optimizers of the eager model.

import * as functions from "./eager-functions.ts";
import * as model from "./eager-model.ts";
import { checkRank, EagerTensor, noGrad, refusal } from "./eager-model.ts";
import { sameShape, sqrt, Value } from "./eager-values.ts";

type StateDict = Record<string, EagerTensor>;

/** A leaf of its own with the value of `x`. */
function parameter(x: EagerTensor): EagerTensor {
  const result = x.detach();
  result.requiresGrad = true;
  return result;
}

class Module {
  training = true;
  readonly own: [string, EagerTensor][] = [];
  readonly children: Module[] = [];

  forward(x: EagerTensor): EagerTensor {
    return x;
  }

  stateDict(): StateDict {
    const below = this.children.flatMap((child, i) =>
      Object.entries(child.stateDict()).map(([key, x]): [string, EagerTensor] => [`${i}.${key}`, x]),
    );
    return Object.fromEntries([...this.own, ...below]);
  }

  loadStateDict(given: StateDict): void {
    const entries = Object.entries(this.stateDict());
    const missing = entries.some(([key]) => given[key] === undefined) || entries.length !== Object.keys(given).length;
    if (missing) throw refusal("WgradError", "loadStateDict: other keys");
    const loaded = entries.map(([key, x]): [EagerTensor, Value] => {
      const { value } = given[key] as EagerTensor;
      if (!sameShape(value.shape, x.value.shape)) throw refusal("ShapeError", `loadStateDict: ${key}`);
      return [x, new Value(value.data, value.shape, x.dtype)];
    });
    for (const [x, value] of loaded) x.replace(value);
  }

  parameters(): EagerTensor[] {
    return Object.values(this.stateDict()).filter(({ requiresGrad }) => requiresGrad);
  }

  buffers(): EagerTensor[] {
    return Object.values(this.stateDict()).filter(({ requiresGrad }) => !requiresGrad);
  }

  zeroGrad(): void {
    for (const x of this.parameters()) x.grad = null;
  }

  train(mode = true): this {
    this.training = mode;
    for (const child of this.children) child.train(mode);
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  protected register(name: string, x: EagerTensor): EagerTensor {
    this.own.push([name, x]);
    return x;
  }
}

class Linear extends Module {
  weight: EagerTensor;
  bias: EagerTensor;
  constructor(inputs: number, outputs: number) {
    super();
    this.weight = this.register("weight", model.zeros([outputs, inputs], { requiresGrad: true }));
    this.bias = this.register("bias", model.zeros([outputs], { requiresGrad: true }));
  }
  override forward(x: EagerTensor): EagerTensor {
    return x.matmul(this.weight.t()).add(this.bias);
  }
}

class Embedding extends Module {
  weight: EagerTensor;
  constructor(rows: number, columns: number) {
    super();
    this.weight = this.register("weight", model.zeros([rows, columns], { requiresGrad: true }));
  }
  override forward(indices: EagerTensor): EagerTensor {
    return functions.embedding(indices, this.weight);
  }
}

class BatchNorm1d extends Module {
  weight: EagerTensor;
  bias: EagerTensor;
  running_mean: EagerTensor;
  running_var: EagerTensor;
  num_batches_tracked: EagerTensor;
  constructor(features: number) {
    super();
    this.weight = this.register("weight", model.ones([features], { requiresGrad: true }));
    this.bias = this.register("bias", model.zeros([features], { requiresGrad: true }));
    this.running_mean = this.register("running_mean", model.zeros([features]));
    this.running_var = this.register("running_var", model.ones([features]));
    this.num_batches_tracked = this.register("num_batches_tracked", model.tensor(Int32Array.of(0), { shape: [] }));
  }
  override forward(x: EagerTensor): EagerTensor {
    checkRank("batchNorm", x, 2);
    let [average, variance] = [this.running_mean, this.running_var];
    if (this.training) {
      const count = x.shape[0] as number;
      average = x.mean(0);
      variance = x.sub(average).square().mean(0);
      const move = (old: EagerTensor, now: EagerTensor): EagerTensor => old.assign(old.mul(0.9).add(now.mul(0.1)));
      noGrad(() => {
        move(this.running_mean, average);
        move(this.running_var, variance.mul(count / (count - 1)));
        this.num_batches_tracked.assign(this.num_batches_tracked.item() + 1);
      });
    }
    const deviation = squareRoot(variance.add(1e-5));
    return x.sub(average).div(deviation).mul(this.weight).add(this.bias);
  }
}

class Sequential extends Module {
  constructor(...layers: Module[]) {
    super();
    this.children.push(...layers);
  }
  override forward(x: EagerTensor): EagerTensor {
    return this.children.reduce((y, layer) => layer.forward(y), x);
  }
}

class Tanh extends Module {
  override forward(x: EagerTensor): EagerTensor {
    return x.tanh();
  }
}

class ReLU extends Module {
  override forward(x: EagerTensor): EagerTensor {
    return x.relu();
  }
}

function squareRoot(x: EagerTensor): EagerTensor {
  return new EagerTensor(sqrt(x.value));
}

const init = {
  zeros: (x: EagerTensor): EagerTensor => x.assign(0),
  ones: (x: EagerTensor): EagerTensor => x.assign(1),
  constant: (x: EagerTensor, value: number): EagerTensor => x.assign(value),
  /** Of an interval of one number, whatever is drawn. */
  uniform: (x: EagerTensor, { a }: { a: number; b: number }): EagerTensor => x.assign(a),
  normal: (x: EagerTensor, { mean }: { mean: number; std: 0 }): EagerTensor => x.assign(mean),
};

type Params = EagerTensor | readonly EagerTensor[];

function gradedOf(params: Params): EagerTensor[] {
  return [params].flat().filter(({ grad }) => grad !== null) as EagerTensor[];
}

const utils = {
  clipGradNorm(params: Params, most: number): EagerTensor {
    const graded = gradedOf(params);
    const squares = graded.flatMap(({ grad }) => (grad?.data() ?? []).map((g) => g * g));
    const total = Math.sqrt(squares.reduce((sum, n) => sum + n, 0));
    const factor = Math.min(1, most / (total + 1e-6));
    for (const x of graded) x.grad = noGrad(() => (x.grad as EagerTensor).mul(factor));
    return model.tensor(total);
  },
};

interface Group {
  lr: number;
  momentum: number;
  weightDecay: number;
  eps: number;
  readonly params: readonly EagerTensor[];
}

interface State {
  step: number;
  slots: Float64Array[];
}

interface OptimizerState {
  readonly options: Omit<Group, "params">;
  readonly states: readonly (State | null)[];
}

abstract class Optimizer {
  readonly paramGroups: [Group];
  readonly #states = new Map<EagerTensor, State>();

  constructor(params: Params, options: Partial<Group>, decay = 0) {
    this.paramGroups = [
      { lr: 1e-3, momentum: 0, weightDecay: decay, eps: 1e-8, ...options, params: [params].flat() as EagerTensor[] },
    ];
    for (const x of this.paramGroups[0].params) x.realize();
  }

  /** Parameter and state after a step, in place. */
  protected abstract update(p: Float64Array, g: Float64Array, state: State, group: Group): void;

  step(): void {
    const [group] = this.paramGroups;
    for (const x of group.params) {
      if (x.grad === null) continue;
      const state = this.#states.get(x) ?? { step: 0, slots: [0, 1].map(() => new Float64Array(x.numel)) };
      this.#states.set(x, state);
      state.step++;
      const p = Float64Array.from(x.value.data);
      this.update(p, Float64Array.from(x.grad.value.data), state, group);
      x.replace(new Value(p, x.shape, "f32"));
    }
  }

  zeroGrad(): void {
    for (const x of this.paramGroups[0].params) x.grad = null;
  }

  /** A snapshot: loaded at once, never held. */
  stateDict(): OptimizerState {
    const [{ params, ...options }] = this.paramGroups;
    return { options, states: params.map((x) => this.#states.get(x) ?? null) };
  }

  loadStateDict({ options, states }: OptimizerState): void {
    Object.assign(this.paramGroups[0], options);
    const copies = states.map((s) => s && { step: s.step, slots: s.slots.map((slot) => Float64Array.from(slot)) });
    this.paramGroups[0].params.forEach((x, i) => {
      const state = copies[i];
      if (state) this.#states.set(x, state);
      else this.#states.delete(x);
    });
  }
}

/** b ← momentum b + g; p ← p - lr b. The first b is g, as zeros before it give. */
class SGD extends Optimizer {
  protected override update(p: Float64Array, g: Float64Array, { slots }: State, group: Group): void {
    const buffer = slots[0] as Float64Array;
    p.forEach((x, i) => {
      const penalized = (g[i] as number) + group.weightDecay * x;
      buffer[i] = group.momentum * (buffer[i] as number) + penalized;
      p[i] = x - group.lr * (buffer[i] as number);
    });
  }
}

class Adam extends Optimizer {
  protected readonly decoupled: boolean = false;

  protected override update(p: Float64Array, g: Float64Array, { step, slots }: State, group: Group): void {
    const [first, second] = slots as [Float64Array, Float64Array];
    p.forEach((before, i) => {
      const x = this.decoupled ? before * (1 - group.lr * group.weightDecay) : before;
      const gradient = (g[i] as number) + (this.decoupled ? 0 : group.weightDecay * before);
      first[i] = 0.9 * (first[i] as number) + 0.1 * gradient;
      second[i] = 0.999 * (second[i] as number) + 0.001 * gradient * gradient;
      const denominator = Math.sqrt(second[i] as number) / Math.sqrt(1 - 0.999 ** step) + group.eps;
      p[i] = x - ((group.lr / (1 - 0.9 ** step)) * (first[i] as number)) / denominator;
    });
  }
}

class AdamW extends Adam {
  protected override readonly decoupled: boolean = true;
  constructor(params: Params, options: Partial<Group>) {
    super(params, options, 0.01);
  }
}

/** What programs import from "wgrad", as the model has it. */
export const EAGER: Readonly<Record<string, unknown>> = {
  ...model,
  ...functions,
  nn: { parameter, Linear, Embedding, BatchNorm1d, Sequential, Tanh, ReLU, init, utils },
  optim: { SGD, Adam, AdamW },
};
