// Model-agnostic meta-learning on sine waves, after Finn, Abbeel and Levine: second derivatives through the inner steps.

import { grad, linear, nn, optim, relu, type Tensor, tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

class MAMLModel extends nn.Module {
  model = new nn.Sequential(
    new nn.Linear(1, 16),
    new nn.ReLU(),
    new nn.Linear(16, 16),
    new nn.ReLU(),
    new nn.Linear(16, 1),
  );

  override forward(x: Tensor): Tensor {
    return this.model.forward(x);
  }

  /** The same with other weights. */
  parameterised(input: Tensor, weights: readonly Tensor[]): Tensor {
    const [w1, b1, w2, b2, w3, b3] = weights as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    let x = linear(input, w1, { bias: b1 });
    x = relu(x);
    x = linear(x, w2, { bias: b2 });
    x = relu(x);
    return linear(x, w3, { bias: b3 });
  }
}

interface Task {
  support: [Tensor, Tensor];
  query: [Tensor, Tensor];
}

class MAML {
  model: MAMLModel;
  weights: Tensor[];
  criterion: nn.MSELoss = new nn.MSELoss();
  metaOptimizer: optim.Adam;
  innerLr = 0.02;

  constructor(model: MAMLModel) {
    this.model = model;
    this.weights = model.parameters();
    this.metaOptimizer = new optim.Adam(this.weights, { lr: 1e-2 });
  }

  /** The loss on new points of a task after some gradient steps on others. */
  innerLoop({ support, query }: Task, innerSteps: number): Tensor {
    let temporary = [...this.weights];
    const [x, y] = support;
    for (let step = 0; step < innerSteps; step++) {
      const loss = this.criterion.forward(this.model.parameterised(x, temporary), y);
      const gradients = grad(loss, temporary);
      temporary = temporary.map((w, i) => w.sub((gradients[i] as Tensor).mul(this.innerLr)));
    }
    const [newX, newY] = query;
    return this.criterion.forward(this.model.parameterised(newX, temporary), newY);
  }

  /** One step of the meta-optimizer; returns the mean loss of the tasks. */
  step(tasks: readonly Task[]): Tensor {
    let metaLoss: Tensor | null = null;
    for (const task of tasks) {
      const loss = this.innerLoop(task, 2);
      metaLoss = metaLoss === null ? loss : metaLoss.add(loss);
    }
    if (metaLoss === null) throw new RangeError("there is no task");
    const metaGradients = grad(metaLoss, this.weights);
    for (const [i, w] of this.weights.entries()) w.grad = metaGradients[i] as Tensor;
    this.metaOptimizer.step();
    return metaLoss.div(tasks.length);
  }
}

export async function maml(record: ProgramRecord): Promise<void> {
  const [shots, tasks] = [5, 2];
  const [x, y] = [await record.data("x").data(), await record.data("y").data()];
  const sample = (task: number): Task => {
    const points = (part: number): [Tensor, Tensor] => {
      const start = (2 * task + part) * shots;
      const values = [x.subarray(start, start + shots), y.subarray(start, start + shots)];
      return values.map((column) => tensor(column, { shape: [shots, 1] })) as [Tensor, Tensor];
    };
    return { support: points(0), query: points(1) };
  };
  const learner = new MAML(record.load(new MAMLModel()));
  const losses: number[] = [];
  for (let step = 0; step < 10; step++) {
    const loss = learner.step(Array.from({ length: tasks }, (_, task) => sample(tasks * step + task)));
    losses.push(Number(await loss.item()));
  }
  record.follows("loss", losses);

  // A task of which nothing was seen, after 0, 1 and 2 steps.
  const adapted = [0, 1, 2].map((steps) => learner.innerLoop(sample(10 * tasks), steps));
  const values: number[] = [];
  for (const loss of adapted) values.push(Number(await loss.item()));
  record.follows("adapted", values);
}
