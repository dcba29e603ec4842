// A neural ordinary differential equation, after torchdiffeq's demo: a spiral is learnt from short pieces of it.

import { linspace, nn, noGrad, optim, stack, type Tensor, tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

const [dataSize, batchTime, niters, testFreq] = [17, 4, 10, 5];

type Dynamics = nn.Module & { forward(t: Tensor, y: Tensor): Tensor };

/** Runge and Kutta's method of order 4, a step from each time to the next. */
function odeint(func: Dynamics, y0: Tensor, t: Tensor): Tensor {
  const times = t.unbind();
  let y = y0;
  const solution = [y0];
  for (const [i, t1] of times.slice(1).entries()) {
    const t0 = times[i] as Tensor;
    const dt = t1.sub(t0);
    const middle = t0.add(dt.div(2));
    const k1 = func.forward(t0, y);
    const k2 = func.forward(middle, y.add(dt.mul(k1).div(2)));
    const k3 = func.forward(middle, y.add(dt.mul(k2).div(2)));
    const k4 = func.forward(t1, y.add(dt.mul(k3)));
    y = y.add(dt.mul(k1.add(k2.mul(2)).add(k3.mul(2)).add(k4)).div(6));
    solution.push(y);
  }
  return stack(solution);
}

class Lambda extends nn.Module {
  trueA: Tensor;

  constructor(trueA: Tensor) {
    super();
    this.trueA = trueA;
  }

  override forward(_t: Tensor, y: Tensor): Tensor {
    return y.pow(3).mm(this.trueA);
  }
}

class ODEFunc extends nn.Module {
  net = new nn.Sequential(new nn.Linear(2, 16), new nn.Tanh(), new nn.Linear(16, 2));

  constructor() {
    super();
    for (const m of this.net.modules()) {
      if (m instanceof nn.Linear) {
        nn.init.normal(m.weight, { mean: 0, std: 0.1 });
        if (m.bias !== null) nn.init.constant(m.bias, 0);
      }
    }
  }

  override forward(_t: Tensor, y: Tensor): Tensor {
    return this.net.forward(y.pow(3));
  }
}

class RunningAverageMeter {
  val: number | null = null;
  avg = 0;
  momentum: number;

  constructor(momentum = 0.97) {
    this.momentum = momentum;
  }

  update(val: number): void {
    this.avg = this.val === null ? val : this.avg * this.momentum + val * (1 - this.momentum);
    this.val = val;
  }
}

export async function neuralOde(record: ProgramRecord): Promise<void> {
  const trueY0 = tensor([[2, 0]]);
  const t = linspace(0, 3, dataSize);
  const trueA = tensor([
    [-0.1, 2],
    [-2, -0.1],
  ]);
  const trueY = noGrad(() => odeint(new Lambda(trueA), trueY0, t));
  await record.near("trajectory", trueY);
  const starts = record.steps("starts");
  const getBatch = (itr: number): [Tensor, Tensor, Tensor] => {
    const s = starts[itr] as Tensor;
    const batchY0 = trueY.indexSelect(0, s);
    const batchT = t.narrow(0, 0, batchTime);
    const batchY = stack(Array.from({ length: batchTime }, (_, i) => trueY.indexSelect(0, s.add(i))));
    return [batchY0, batchT, batchY];
  };

  const func = record.load(new ODEFunc());
  const optimizer = new optim.RMSprop(func.parameters(), { lr: 1e-2 });
  const lossMeter = new RunningAverageMeter(0.97);
  const losses: number[] = [];
  const averages: number[] = [];
  const totals: number[] = [];
  for (let itr = 0; itr < niters; itr++) {
    optimizer.zeroGrad();
    const [batchY0, batchT, batchY] = getBatch(itr);
    const predY = odeint(func, batchY0, batchT);
    const loss = predY.sub(batchY).abs().mean();
    loss.backward();
    optimizer.step();
    lossMeter.update(Number(await loss.item()));
    losses.push(Number(await loss.item()));
    averages.push(lossMeter.avg);
    if ((itr + 1) % testFreq === 0) {
      const total = noGrad(() => odeint(func, trueY0, t).sub(trueY).abs().mean());
      totals.push(Number(await total.item()));
    }
  }
  record.follows("loss", losses);
  record.follows("average", averages);
  record.follows("total", totals);
}
