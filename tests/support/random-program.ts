// Random programs: what no one writes a test for, the planner meets here.

import {
  cat,
  gelu,
  grad,
  indexSelect,
  layerNorm,
  logsumexp,
  pad,
  softmax,
  type Tensor,
  tensor,
  where,
} from "../../src/index.ts";

/** xorshift32: the same program for the same seed. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 2_654_435_761) >>> 0 || 1;
  }

  /** Uniform in 0 … 1. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state / 2 ** 32;
  }

  /** A whole number in 0 … n - 1. */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** A tensor of the host's numbers in -1 … 1. */
  leaf(shape: readonly number[], requiresGrad: boolean): Tensor {
    const size = shape.reduce((product, n) => product * n, 1);
    return tensor(
      Float32Array.from({ length: size }, () => this.next() * 2 - 1),
      { shape, requiresGrad },
    );
  }
}

/** Tensors to compute: results of a random graph of about `length` ops, and gradients through it. */
export function randomProgram(seed: number, length: number): Tensor[] {
  const dice = new Dice(seed);
  return seed % 3 === 0 ? simulation(dice, length) : graph(dice, length);
}

/** A rule of random expressions over states, parameters and a tensor of each step, iterated; and the parameters' gradients. */
function simulation(dice: Dice, length: number): Tensor[] {
  const shape = dice.pick([[2], [64], [4, 8], [3, 5]]);
  const parameters = Array.from({ length: 1 + dice.below(2) }, () => dice.leaf(shape, true));
  let states = Array.from({ length: 1 + dice.below(3) }, () => dice.leaf(shape, false));
  const [own, rolls, means] = [dice.next() < 0.6, dice.next() < 0.3, dice.next() < 0.3];
  const known = states.length + parameters.length + 1;
  const rule = Array.from({ length: 2 + dice.below(5) }, (_, i) => ({
    op: dice.pick(["add", "sub", "mul", "mul", "mul", "tanh", "rest"] as const),
    x: dice.below(known + i),
    y: dice.below(known + i),
  }));
  const results = states.map(() => ({ from: known + dice.below(rule.length), added: dice.next() < 0.5 }));
  for (let step = 0; step < Math.max(2, length / rule.length); step++) {
    const values = [...states, ...parameters, own ? dice.leaf(shape, false) : (parameters[0] as Tensor)];
    for (const { op, x, y } of rule) {
      const [a, b] = [values[x] as Tensor, values[y] as Tensor];
      if (op === "tanh") values.push(a.tanh());
      else if (op === "rest") values.push(a.mul(-1).add(1));
      else values.push(a[op](b));
    }
    states = states.map((state, i) => {
      const { from, added } = results[i] as (typeof results)[number];
      let next = (values[from] as Tensor).tanh();
      if (added) next = state.add(next.mul(0.1));
      if (rolls && i === 0) next = next.roll([1], { dims: [0] });
      return means && i === states.length - 1 ? next.sub(next.mean()) : next;
    });
  }
  const loss = states.map((state) => state.sum()).reduce((sum, x) => sum.add(x));
  return [loss, ...(loss.requiresGrad ? grad(loss, parameters) : [])];
}

/** Ops of all kinds on what earlier ones gave. */
function graph(dice: Dice, length: number): Tensor[] {
  const base = [dice.pick([2, 3, 4, 8]), dice.pick([2, 4, 5, 8])] as const;
  const leaves = [
    dice.leaf(base, true),
    dice.leaf(base, true),
    dice.leaf([base[1]], true),
    dice.leaf([base[0], 1], false),
  ];
  const pool = [...leaves];
  const recent = (): Tensor => {
    const back = dice.below(dice.next() < 0.6 ? Math.min(4, pool.length) : pool.length);
    return pool[pool.length - 1 - back] as Tensor;
  };
  const dim = (x: Tensor): number => dice.below(x.ndim);
  /** Something that broadcasts with `x`. */
  const beside = (x: Tensor): Tensor => {
    const fits = (y: Tensor): boolean => {
      const [a, b] = [[...x.shape].reverse(), [...y.shape].reverse()];
      return a.every((n, i) => b[i] === undefined || b[i] === n || n === 1 || b[i] === 1);
    };
    return Array.from({ length: 12 }, recent).find(fits) ?? x;
  };
  const elementwise: readonly ((x: Tensor) => Tensor)[] = [
    (x) => x.add(beside(x)),
    (x) => x.sub(beside(x)),
    (x) => x.mul(beside(x)),
    (x) => x.mul(0.7).add(beside(x)),
    (x) => x.mul(dice.leaf(x.shape, false)),
    (x) => x.tanh(),
    (x) => x.relu(),
    (x) => x.square().mul(0.5),
    (x) => where(x.gt(0), x, beside(x)),
    (x) => gelu(x),
  ];
  const movement: readonly ((x: Tensor) => Tensor)[] = [
    (x) => x.reshape([-1]),
    (x) => x.flip([dim(x)]),
    (x) => x.roll([1], { dims: [dim(x)] }),
    (x) => (x.ndim < 2 ? x : x.transpose(-1, -2)),
    (x) => x.unsqueeze(dim(x)),
    (x) => x.expand([2, ...x.shape]),
    (x) => pad(x, [dice.below(2), dice.below(3)]),
    (x) => cat([x, x.mul(0.3)], { dim: dim(x) }),
    (x) => {
      const along = dim(x);
      const start = dice.below(x.shape[along] as number);
      return x.narrow(along, start, (x.shape[along] as number) - start);
    },
    (x) =>
      indexSelect(
        x,
        0,
        tensor(
          [0, 1, 2].map(() => dice.below(x.shape[0] as number)),
          { dtype: "i32" },
        ),
      ),
  ];
  const reductions: readonly ((x: Tensor) => Tensor)[] = [
    (x) => x.sum(dim(x), dice.next() < 0.5).mul(0.4),
    (x) => x.mean(dim(x), true),
    (x) => softmax(x, dim(x)),
    (x) => layerNorm(x, [x.shape.at(-1) as number]),
    (x) => logsumexp(x, dim(x)),
    (x) => x.cumsum(dim(x)).mul(0.3),
    (x) => x.matmul(dice.leaf([x.shape.at(-1) as number, dice.pick([2, 4, 8])], false)).mul(0.5),
    (x) => (x.ndim === 2 ? x.matmul(x.t()).mul(0.2).tanh() : x),
  ];
  const kinds = dice.pick([
    [elementwise],
    [elementwise, reductions],
    [elementwise, movement],
    [elementwise, movement, reductions],
  ]);
  for (let i = 0; i < length; i++) {
    const x = recent();
    const result = x.ndim === 0 ? x.add(1).expand([...base]) : dice.pick(dice.pick(kinds))(x);
    if (result.numel > 0 && result.numel <= 4000 && result.ndim <= 4) pool.push(result);
  }
  const outputs = Array.from({ length: 1 + dice.below(3) }, recent);
  const loss = outputs.map((x) => x.square().mean()).reduce((sum, x) => sum.add(x));
  const wanted = leaves.filter((x) => x.requiresGrad);
  const targets = [...outputs, loss, ...(loss.requiresGrad ? grad(loss, wanted) : [])];
  return [...new Set(targets)].filter((x) => !leaves.includes(x));
}
