// Optimizers on the GPU: trajectories of PyTorch and of float64 JavaScript, compiled steps, skipped parameters, state dicts.

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import { compile, manualSeed, randn, type Tensor, tensor } from "../../src/tensor.ts";

interface Golden {
  start: number[][];
  target: number[][];
  curvature: number[][];
  cases: { name: string; options: Record<string, unknown>; rows: number[][] }[];
}

const golden = JSON.parse(readFileSync("tests/reference/data/optimizers.json", "utf8")) as Golden;

type AnyOptimizer = optim.Optimizer<optim.CommonOptions, string>;
type AnyOptimizerClass = new (params: Tensor[], options: Record<string, unknown>) => AnyOptimizer;
const classes = optim as unknown as Record<string, AnyOptimizerClass>;

interface Problem {
  readonly start: readonly number[][];
  readonly target: readonly number[][];
  readonly curvature: readonly number[][];
  readonly shapes: readonly number[][];
}

const problem: Problem = { ...golden, shapes: [[3], [4]] };

/** Parameters, and the loss Σ c (p - t)² / 2 of them. */
function quadratic({ start, target, curvature, shapes }: Problem): { params: Tensor[]; loss: () => Tensor } {
  const make = (values: readonly number[][], requiresGrad: boolean): Tensor[] =>
    values.map((list, i) => tensor(Float32Array.from(list), { shape: shapes[i] ?? [], requiresGrad }));
  const params = make(start, true);
  const targets = make(target, false);
  const curvatures = make(curvature, false);
  const parts = (): Tensor[] =>
    params.map((p, i) =>
      p
        .sub(targets[i] as Tensor)
        .square()
        .mul(curvatures[i] as Tensor)
        .sum(),
    );
  return {
    params,
    loss: () =>
      parts()
        .reduce((a, b) => a.add(b))
        .mul(0.5),
  };
}

async function read(params: Tensor[]): Promise<number[]> {
  const values: number[] = [];
  for (const p of params) values.push(...Array.from(await p.data()));
  return values;
}

function near(actual: number[], expected: number[], where: string, tolerance = 1e-5): void {
  assert.is(actual.length, expected.length, where);
  expected.forEach((value, i) => {
    const difference = Math.abs((actual[i] ?? Number.NaN) - value);
    assert.ok(difference <= tolerance * (1 + Math.abs(value)), `${where}[${i}]: got ${actual[i]}, expected ${value}`);
  });
}

/** A step down the gradient of `loss`, plain or compiled; returns the loss before it. */
function trainingStep(optimizer: optim.Optimizer, loss: () => Tensor, compiled: boolean): () => Tensor {
  const step = (): Tensor => {
    optimizer.zeroGrad();
    const value = loss();
    value.backward();
    optimizer.step();
    return value;
  };
  return compiled ? compile(step) : step;
}

/** Runs an optimizer along `rows`, step by step or as a compiled step. */
async function follow(
  name: string,
  options: Record<string, unknown>,
  rows: number[][],
  setup: Problem,
  compiled: boolean,
): Promise<void> {
  const { params, loss } = quadratic(setup);
  const optimizer = new (classes[name] as AnyOptimizerClass)(params, options);
  const step = trainingStep(optimizer, loss, compiled);
  for (const [i, row] of rows.entries()) {
    step();
    near(await read(params), row, `${compiled ? "compiled " : ""}step ${i + 1}`);
  }
}

const pytorch = suite("optimizers as PyTorch, 10 steps");

for (const { name, options, rows } of golden.cases) {
  pytorch(`${name} ${JSON.stringify(options)}`, async () => {
    await follow(name, options, rows, problem, false);
    await follow(name, options, rows, problem, true);
  });
}

pytorch.run();

/** One step in float64: from parameter, gradient, state and step number to the new parameter; updates the state. */
type Rule = (p: number[], g: number[], state: Record<string, number[]>, t: number) => number[];

function trajectory({ start, target, curvature }: Problem, rule: Rule): number[][] {
  let params = start.map((list) => [...list]);
  const states = params.map((): Record<string, number[]> => ({}));
  return Array.from({ length: 10 }, (_, i) => {
    params = params.map((p, k) => {
      const g = p.map((x, j) => (curvature[k]?.[j] ?? 0) * (x - (target[k]?.[j] ?? 0)));
      return rule(p, g, states[k] ?? {}, i + 1);
    });
    return params.flat();
  });
}

const zip = (a: number[], b: number[], fn: (x: number, y: number) => number): number[] =>
  a.map((x, i) => fn(x, b[i] ?? Number.NaN));
const mix = (a: number[] | undefined, b: number[], beta: number): number[] =>
  b.map((x, i) => beta * (a?.[i] ?? 0) + (1 - beta) * x);

function lion(lr: number, [b1, b2]: [number, number], decay: number): Rule {
  return (p, g, state) => {
    const direction = mix(state.m, g, b1).map(Math.sign);
    state.m = mix(state.m, g, b2);
    return zip(p, direction, (x, d) => (1 - lr * decay) * x - lr * d);
  };
}

function decoupledNAdam(lr: number, decay: number): Rule {
  const mu = (t: number): number => 0.9 * (1 - 0.5 * 0.96 ** (t * 4e-3));
  return (p, g, state, t) => {
    const m = mix(state.m, g, 0.9);
    const v = mix(
      state.v,
      g.map((x) => x * x),
      0.999,
    );
    state.m = m;
    state.v = v;
    let product = 1;
    for (let i = 1; i <= t; i++) product *= mu(i);
    return p.map((x, i) => {
      const denominator = Math.sqrt((v[i] ?? 0) / (1 - 0.999 ** t)) + 1e-8;
      const fromGradient = ((1 - mu(t)) / (1 - product)) * (g[i] ?? 0);
      const fromAverage = (mu(t + 1) / (1 - product * mu(t + 1))) * (m[i] ?? 0);
      return (1 - lr * decay) * x - (lr * (fromGradient + fromAverage)) / denominator;
    });
  };
}

function decoupledRAdam(lr: number, decay: number, [b1, b2]: [number, number]): Rule {
  return (p, g, state, t) => {
    const m = mix(state.m, g, b1);
    const v = mix(
      state.v,
      g.map((x) => x * x),
      b2,
    );
    state.m = m;
    state.v = v;
    const limit = 2 / (1 - b2) - 1;
    const rho = limit - (2 * t * b2 ** t) / (1 - b2 ** t);
    const r = Math.sqrt(((rho - 4) * (rho - 2) * limit) / ((limit - 4) * (limit - 2) * rho));
    return p.map((x, i) => {
      const average = (m[i] ?? 0) / (1 - b1 ** t);
      const adaptive = rho > 5 ? (r * Math.sqrt(1 - b2 ** t)) / (Math.sqrt(v[i] ?? 0) + 1e-8) : 1;
      return (1 - lr * decay) * x - lr * average * adaptive;
    });
  };
}

type Matrix = number[][];
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => (b[0] ?? []).map((_, j) => row.reduce((sum, x, k) => sum + x * (b[k]?.[j] ?? 0), 0)));
const transposed = (a: Matrix): Matrix => (a[0] ?? []).map((_, j) => a.map((row) => row[j] ?? 0));

function muon(lr: number, decay: number, momentum: number, nesterov: boolean, shape: [number, number]): Rule {
  const [rows, columns] = shape;
  return (p, g, state) => {
    const buffer = mix(state.m, g, momentum);
    state.m = buffer;
    const u = nesterov ? mix(buffer, g, momentum) : buffer;
    const norm = Math.sqrt(u.reduce((sum, x) => sum + x * x, 0));
    const matrix = Array.from({ length: rows }, (_, i) => u.slice(i * columns, (i + 1) * columns).map((x) => x / norm));
    let x = rows > columns ? transposed(matrix) : matrix;
    for (let i = 0; i < 5; i++) {
      const gram = times(x, transposed(x));
      const polynomial = times(gram, gram).map((row, r) => row.map((y, c) => 2.0315 * y - 4.775 * (gram[r]?.[c] ?? 0)));
      x = times(polynomial, x).map((row, r) => row.map((y, c) => y + 3.4445 * (x[r]?.[c] ?? 0)));
    }
    const move = (rows > columns ? transposed(x) : x).flat();
    return zip(p, move, (a, d) => (1 - lr * decay) * a - lr * Math.sqrt(Math.max(1, rows / columns)) * d);
  };
}

const handwritten = suite("optimizers as float64 JavaScript, 10 steps");

const rules: [string, Record<string, unknown>, Rule][] = [
  ["Lion", { lr: 0.03 }, lion(0.03, [0.9, 0.99], 0)],
  ["Lion", { lr: 0.02, betas: [0.8, 0.95], weightDecay: 0.5 }, lion(0.02, [0.8, 0.95], 0.5)],
  ["NAdam", { lr: 0.05, weightDecay: 0.2, decoupledWeightDecay: true }, decoupledNAdam(0.05, 0.2)],
  [
    "RAdam",
    { lr: 0.05, weightDecay: 0.2, betas: [0.9, 0.95], decoupledWeightDecay: true },
    decoupledRAdam(0.05, 0.2, [0.9, 0.95]),
  ],
];

for (const [name, options, rule] of rules) {
  handwritten(`${name} ${JSON.stringify(options)}`, async () => {
    const rows = trajectory(problem, rule);
    await follow(name, options, rows, problem, false);
    await follow(name, options, rows, problem, true);
  });
}

const matrices: [[number, number], boolean][] = [
  [[2, 3], true],
  [[3, 2], false],
];
for (const [shape, nesterov] of matrices) {
  handwritten(`Muon [${shape}]${nesterov ? " with nesterov" : ""}`, async () => {
    const setup: Problem = {
      start: [[0.5, -1, 2, 0.3, 0.9, -0.4]],
      target: [[0.1, 0.4, -0.2, 1, -1, 0.6]],
      curvature: [[1, 0.5, 2, 1.5, 0.7, 1.1]],
      shapes: [shape],
    };
    const rows = trajectory(setup, muon(0.05, 0.1, 0.95, nesterov, shape));
    await follow("Muon", { lr: 0.05, nesterov }, rows, setup, false);
    await follow("Muon", { lr: 0.05, nesterov }, rows, setup, true);
  });
}

handwritten.run();

const behaviour = suite("optimizers' behaviour");

behaviour("parameters without gradient are skipped and keep their own step count", async () => {
  const a = tensor([1, 2], { requiresGrad: true });
  const b = tensor([3], { requiresGrad: true });
  const c = tensor([5], { requiresGrad: true });
  const optimizer = new optim.Adam([a, b, c], { lr: 0.1 });
  for (let i = 0; i < 4; i++) {
    optimizer.zeroGrad();
    const loss = i === 2 ? a.sum() : a.sum().add(b.mul(2).sum());
    loss.backward();
    optimizer.step();
  }
  // With constant gradients each of Adam's moves is lr · sign(g).
  near(await read([a, b, c]), [0.6, 1.6, 2.7, 5], "parameters");
  const { state } = optimizer.stateDict();
  assert.equal([state[0]?.step, state[1]?.step, state[2]], [4, 3, undefined]);
  const average = state[1]?.exp_avg as Tensor;
  near([await average.item()], [2 * (1 - 0.9 ** 3)], "exp_avg of b");
});

behaviour("a compiled step with parameters that rest and parameters that are behind", async () => {
  const run = async (compiled: boolean): Promise<number[]> => {
    const make = (...values: number[]): Tensor => tensor(values, { requiresGrad: true });
    const [a, b, c] = [make(1, 2), make(3), make(5)];
    const optimizer = new optim.RAdam([a, b, c], { lr: 0.1, betas: [0.9, 0.9] });
    const onlyA = trainingStep(optimizer, () => a.square().sum(), false);
    const step = trainingStep(optimizer, () => a.square().sum().add(b.square().sum()), compiled);
    onlyA();
    onlyA();
    for (let i = 0; i < 8; i++) step();
    return read([a, b, c]);
  };
  const expected = await run(false);
  near(await run(true), expected, "parameters", 1e-6);
  assert.is(expected[3], 5);
});

behaviour("two optimizers of the same parameters take turns", async () => {
  const params = [tensor([1, 2], { requiresGrad: true }), tensor([3], { requiresGrad: true })];
  const optimizers = [new optim.SGD(params, { lr: 0.1 }), new optim.SGD(params, { lr: 0.01, momentum: 0.5 })];
  for (let i = 0; i < 4; i++) {
    const optimizer = optimizers[i % 2];
    optimizer?.zeroGrad();
    params
      .map((p) => p.sum())
      .reduce((x, y) => x.add(y))
      .backward();
    optimizer?.step();
  }
  const moved = 0.1 + 0.01 + 0.1 + 0.015;
  near(await read(params), [1 - moved, 2 - moved, 3 - moved], "parameters");
});

behaviour("groups with their own options", async () => {
  const a = tensor([1, 1], { requiresGrad: true });
  const b = tensor([1], { requiresGrad: true });
  const optimizer = new optim.SGD([{ params: [a] }, { params: [b], lr: 0.5 }], { lr: 0.1 });
  a.sum().add(b.sum()).backward();
  optimizer.step();
  near(await read([a, b]), [0.9, 0.9, 0.5], "parameters");
});

behaviour("a compiled step follows the schedule and the step count", async () => {
  const run = async (compiled: boolean): Promise<number[]> => {
    const { params, loss } = quadratic(problem);
    const optimizer = new optim.AdamW(params, { lr: 0.05 });
    const schedule = new optim.lr.OneCycleLR(optimizer, 0.2, { totalSteps: 12 });
    const step = trainingStep(optimizer, loss, compiled);
    for (let i = 0; i < 12; i++) {
      step();
      schedule.step();
    }
    return read(params);
  };
  near(await run(true), await run(false), "parameters", 1e-6);
});

behaviour("a state dict continues a training", async () => {
  const names = ["SGD", "Adam", "NAdam", "RMSprop"];
  for (const name of names) {
    const options = { lr: 0.05, ...(name === "SGD" ? { momentum: 0.9, dampening: 0.2 } : {}) };
    const train = async (pause: boolean): Promise<number[]> => {
      const { params, loss } = quadratic(problem);
      const make = (): AnyOptimizer => new (classes[name] as AnyOptimizerClass)(params, options);
      let optimizer = make();
      for (let i = 0; i < 6; i++) {
        if (pause && i === 3) {
          const saved = optimizer.stateDict();
          optimizer = make();
          optimizer.loadStateDict(saved);
        }
        optimizer.zeroGrad();
        loss().backward();
        optimizer.step();
      }
      return read(params);
    };
    near(await train(true), await train(false), name, 1e-6);
  }
});

behaviour("loading a state that is one's own resets to it", async () => {
  const { params, loss } = quadratic(problem);
  const optimizer = new optim.Adam(params, { lr: 0.05 });
  const initial = params.map((p) => p.detach());
  const empty = optimizer.stateDict();
  const step = (): void => {
    optimizer.zeroGrad();
    loss().backward();
    optimizer.step();
  };
  const start = await read(initial);
  step();
  const first = await read(params);
  step();
  optimizer.loadStateDict(empty);
  params.forEach((p, i) => {
    const from = i === 0 ? 0 : (params[0]?.numel ?? 0);
    p.assign(tensor(start.slice(from, from + p.numel)));
  });
  step();
  near(await read(params), first, "the first step again", 1e-6);
});

behaviour("parameters keep working while they share a buffer", async () => {
  manualSeed(1);
  const model = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 2));
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 });
  const x = randn([16, 4]);
  const before = await model.forward(x).square().mean().item();
  for (let i = 0; i < 20; i++) {
    optimizer.zeroGrad();
    model.forward(x).square().mean().backward();
    optimizer.step();
  }
  const after = await model.forward(x).square().mean().item();
  assert.ok(after < before, `${after} < ${before}`);
  assert.equal(model.stateDict()["0.weight"]?.shape, [8, 4]);
  assert.is((await (model.stateDict()["2.bias"] as Tensor).data()).length, 2);
});

behaviour("parameters added later start with fresh state", async () => {
  const a = tensor([1], { requiresGrad: true });
  const b = tensor([1], { requiresGrad: true });
  const optimizer = new optim.Adam([a], { lr: 0.1 });
  const step = (): void => {
    optimizer.zeroGrad();
    a.sum().add(b.sum()).backward();
    optimizer.step();
  };
  step();
  optimizer.addParamGroup({ params: [b], lr: 0.2 });
  step();
  near(await read([a, b]), [0.8, 0.8], "parameters");
});

behaviour.run();
