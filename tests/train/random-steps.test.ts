// Random steps: states and parameters that each step overwrites come out the same optimized, naive and compiled.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { cat, compile, init, noGrad, optim, setOptimize, softmax, type Tensor } from "../../src/index.ts";
import { Dice } from "../support/random-program.ts";

await init();

type Step = (x: Tensor) => Tensor[];

const STEPS = 5;

/** What some steps return, one after the other, and then hold. */
async function run(seed: number, wrap: (step: Step) => Step): Promise<number[][]> {
  const dice = new Dice(seed);
  const shape = dice.pick([[8], [4, 6], [65], [3, 5], [2, 64]]);
  const states = Array.from({ length: 2 + dice.below(4) }, () => dice.leaf(shape, false));
  const parameters = dice.next() < 0.7 ? [dice.leaf(shape, true), dice.leaf(shape, true)] : [];
  const [a, b] = parameters;
  const optimizer =
    parameters.length === 0
      ? null
      : dice.pick([
          () => new optim.SGD(parameters, { lr: 0.1 }),
          () => new optim.SGD(parameters, { lr: 0.1, momentum: 0.9, nesterov: true }),
          () => new optim.Adam(parameters, { lr: 0.05 }),
        ])();
  const inputs = Array.from({ length: STEPS }, () => dice.leaf(shape, false));
  const known = states.length + 1;
  const rule = Array.from({ length: 4 + dice.below(10) }, (_, i) => ({
    op: dice.pick([
      "add",
      "sub",
      "mul",
      "mul",
      "tanh",
      "roll",
      "flip",
      "scaled",
      "softmax",
      "half",
      "cat",
      "summed",
    ] as const),
    x: dice.below(known + i),
    y: dice.below(known + i),
    dim: dice.below(shape.length),
  }));
  const assigned = Array.from({ length: 1 + dice.below(states.length) }, () => ({
    state: dice.below(states.length),
    from: known + dice.below(rule.length),
    further: dice.next() < 0.4,
  }));
  const returned = Array.from({ length: 2 }, () => dice.below(states.length));
  const result = (op: (typeof rule)[number]["op"], x: Tensor, y: Tensor, dim: number): Tensor => {
    switch (op) {
      case "tanh":
        return x.tanh();
      case "roll":
        return x.roll([1], { dims: [dim] });
      case "flip":
        return x.flip([dim]);
      case "scaled":
        return x.mul(x.square().mean());
      case "softmax":
        return softmax(x, dim);
      case "half":
        return x.mul(0.5);
      case "cat":
        return cat([x.narrow(0, 0, 1), y.narrow(0, 1, (shape[0] as number) - 1)], { dim: 0 });
      case "summed":
        return x.sum(dim, true).add(y);
      default:
        return x[op](y);
    }
  };
  const step = wrap((x) => {
    const values = [...states, x];
    if (a !== undefined && b !== undefined)
      values.splice(0, 2, (values[0] as Tensor).mul(a), (values[1] as Tensor).add(b));
    for (const { op, x, y, dim } of rule) values.push(result(op, values[x] as Tensor, values[y] as Tensor, dim));
    noGrad(() => {
      for (const { state, from, further } of assigned) {
        const target = states[state] as Tensor;
        target.assign((values[from] as Tensor).detach().tanh());
        if (further) (states[(state + 1) % states.length] as Tensor).assign(target.mul(0.5));
      }
    });
    const loss = (values.at(-1) as Tensor)
      .tanh()
      .square()
      .mean()
      .add((values[known] as Tensor).tanh().mean());
    optimizer?.zeroGrad();
    if (optimizer !== null && loss.requiresGrad) {
      loss.backward();
      optimizer.step();
    }
    return returned.map((i) => (states[i] as Tensor).mul(2).add(a ?? x));
  });
  const seen: number[][] = [];
  for (const x of inputs) for (const y of step(x)) seen.push([...(await y.data())]);
  for (const x of [...states, ...parameters]) seen.push([...(await x.data())]);
  return seen;
}

for (let seed = 1; seed <= 16; seed++) {
  test(`random step ${seed}`, async () => {
    setOptimize(false);
    const naive = await run(seed, (step) => step).finally(() => setOptimize(true));
    for (const [name, wrap] of [
      ["optimized", (step: Step): Step => step],
      ["compiled", (step: Step): Step => compile(step)],
    ] as const) {
      const found = await run(seed, wrap);
      assert.is(found.length, naive.length);
      naive.forEach((values, i) => {
        values.forEach((x, j) => {
          const y = found[i]?.[j] as number;
          assert.ok(
            Math.abs(x - y) <= 1e-3 * Math.max(1, Math.abs(x)),
            `${name}, item ${i}, element ${j}: ${y}, naive ${x}`,
          );
        });
      });
    }
  });
}

test.run();
