// Steps per second of two trainings, and the longest time that a step keeps its thread: the same in Node and in a page.
import {
  compile,
  crossEntropy,
  init,
  manualSeed,
  nn,
  optim,
  rand,
  randint,
  realize,
  synchronize,
  type Tensor,
} from "wgrad";

export interface Speed {
  readonly adapter: string;
  /** From the call to the first loss. */
  readonly firstStep: number;
  readonly stepsPerSecond: Readonly<Record<string, number>>;
  /** Milliseconds that one call of a step took, after the first few: the longest, and 99 of 100. */
  readonly longestCall: Readonly<Record<string, number>>;
  readonly usualCall: Readonly<Record<string, number>>;
}

interface Workload {
  readonly model: nn.Sequential;
  readonly x: Tensor;
  readonly y: Tensor;
}

const workloads: Readonly<Record<string, () => Workload>> = {
  "MLP 784-128-64-10, batch 128": () => ({
    model: new nn.Sequential(
      new nn.Linear(784, 128),
      new nn.ReLU(),
      new nn.Linear(128, 64),
      new nn.ReLU(),
      new nn.Linear(64, 10),
    ),
    x: rand([128, 784]),
    y: randint(0, 10, [128]),
  }),
  "LeNet, batch 32": () => ({
    model: new nn.Sequential(
      new nn.Conv2d(1, 6, 5, { padding: 2 }),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(6, 16, 5),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(400, 120),
      new nn.ReLU(),
      new nn.Linear(120, 10),
    ),
    x: rand([32, 1, 28, 28]),
    y: randint(0, 10, [32]),
  }),
};

/** Trains each network for some seconds. */
export async function measure({ seconds }: { seconds: number }): Promise<Speed> {
  const started = performance.now();
  const device = await init({ seed: 1 });
  let firstStep = 0;
  const stepsPerSecond: Record<string, number> = {};
  const longestCall: Record<string, number> = {};
  const usualCall: Record<string, number> = {};
  for (const [name, make] of Object.entries(workloads)) {
    manualSeed(1);
    const { model, x, y } = make();
    const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
    await realize(x, y);
    const step = compile((images: Tensor, labels: Tensor) => {
      optimizer.zeroGrad();
      const loss = crossEntropy(model.forward(images), labels);
      loss.backward();
      optimizer.step();
      return loss;
    });
    await step(x, y).item();
    if (firstStep === 0) firstStep = performance.now() - started;
    for (let i = 0; i < 5; i++) await step(x, y).item();
    const calls: number[] = [];
    const begin = performance.now();
    while (performance.now() - begin < 1000 * seconds) {
      const before = performance.now();
      step(x, y).dispose();
      calls.push(performance.now() - before);
      await synchronize(2);
    }
    await synchronize(0);
    stepsPerSecond[name] = (1000 * calls.length) / (performance.now() - begin);
    calls.sort((a, b) => a - b);
    longestCall[name] = calls.at(-1) ?? Number.NaN;
    usualCall[name] = calls[Math.floor(0.99 * calls.length)] ?? Number.NaN;
  }
  return { adapter: device.adapterName, firstStep, stepsPerSecond, longestCall, usualCall };
}
