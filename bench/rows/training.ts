// What the training rows share: a step with cross-entropy and Adam, and the comparison of its losses.
import { compile, manualSeed, nn, optim, setOptimize, type Tensor, tensor } from "wgrad";
import { generator, Mismatch, type Row, uniform, type Workload } from "./row.ts";

type Model = nn.Module & { forward(input: Tensor): Tensor };

export interface Training {
  readonly name: string;
  readonly title: string;
  readonly model: () => Model;
  /** Shape of a batch; its first size is the batch size. */
  readonly input: readonly [number, ...number[]];
  readonly classes: number;
  /**
   * Multiplications with weights per example, layer by layer. A step takes 2 · batch operations for each of them three
   * times: forward, for the weight's gradient and for the input's, which the first layer does not need. Everything else
   * (activations, pooling, loss, Adam) is not counted.
   */
  readonly products: readonly [number, ...number[]];
}

const batches = 4;
const comparedSteps = 5;
const tolerance = 1e-4;

export function trainingRow(training: Training): Row {
  const { name, title, products, input } = training;
  const all = products.reduce((sum, count) => sum + count, 0);
  return {
    name,
    title,
    flops: 2 * input[0] * (3 * all - products[0]),
    verify: () => verify(training),
    prepare: () => prepare(training),
  };
}

/** Cycles through a few batches, which stay on the device: what a step costs without the loading of data. */
function prepare({ model: makeModel, input, classes }: Training): Workload {
  manualSeed(1);
  const model = makeModel();
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const loss = new nn.CrossEntropyLoss();
  const size = input.reduce((product, n) => product * n, 1);
  const data = Array.from({ length: batches }, (_, i): [Tensor, Tensor] => {
    const next = generator(100 + i);
    const labels = Int32Array.from({ length: input[0] }, () => Math.floor(next() * classes));
    return [tensor(uniform(size, 1 + i), { shape: [...input] }), tensor(labels)];
  });
  const step = (x: Tensor, y: Tensor): Tensor => {
    optimizer.zeroGrad();
    const value = loss.forward(model.forward(x), y);
    value.backward();
    optimizer.step();
    return value;
  };
  const compiled = compile(step);
  let count = 0;
  const next = (): [Tensor, Tensor] => data[count++ % batches] as [Tensor, Tensor];
  return { plain: () => step(...next()), compiled: () => compiled(...next()) };
}

/** The losses of the first steps, plain and compiled, against those of kernels without any fusion. */
async function verify(training: Training): Promise<string> {
  const actual = { plain: await losses(training, "plain"), compiled: await losses(training, "compiled") };
  setOptimize(false);
  const naive = await losses(training, "plain");
  setOptimize(true);
  let worst = 0;
  for (const [kind, values] of Object.entries(actual)) {
    naive.forEach((expected, i) => {
      const difference = Math.abs((values[i] ?? Number.NaN) - expected) / Math.abs(expected);
      if (!(difference <= tolerance)) {
        throw new Mismatch(`the loss of ${kind} step ${i + 1} is ${values[i]}, without optimization ${expected}`);
      }
      worst = Math.max(worst, difference);
    });
  }
  const curve = naive.map((value) => value.toFixed(4)).join(" ");
  const verdict = worst === 0 ? "the same as" : `within ${worst.toExponential(1)} of`;
  return `losses ${curve}, ${verdict} those without optimization`;
}

async function losses(training: Training, kind: keyof Workload): Promise<number[]> {
  const step = prepare(training)[kind];
  const values: number[] = [];
  for (let i = 0; i < comparedSteps; i++) values.push(Number(await step().item()));
  return values;
}
