// A physics-informed net for Burgers' equation, after Raissi, Perdikaris and Karniadakis.

import { cat, grad, nn, noGrad, onesLike, optim, type Tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

const nu = 0.01 / Math.PI;

class Net extends nn.Module {
  net = new nn.Sequential(
    new nn.Linear(2, 16),
    new nn.Tanh(),
    new nn.Linear(16, 16),
    new nn.Tanh(),
    new nn.Linear(16, 1),
  );

  override forward(x: Tensor, t: Tensor): Tensor {
    return this.net.forward(cat([x, t], { dim: 1 }));
  }

  /** The residual of u_t + u u_x = ν u_xx. */
  residual(x: Tensor, t: Tensor): Tensor {
    const u = this.forward(x, t);
    const derivative = (y: Tensor, at: Tensor): Tensor => grad(y, [at], { gradOutputs: onesLike(y) })[0] as Tensor;
    const ut = derivative(u, t);
    const ux = derivative(u, x);
    const uxx = derivative(ux, x);
    return ut.add(u.mul(ux)).sub(uxx.mul(nu));
  }
}

export async function pinn(record: ProgramRecord): Promise<void> {
  const [x, t] = [record.data("x"), record.data("t")];
  x.requiresGrad = true;
  t.requiresGrad = true;
  const [xData, tData, uData] = [record.data("xData"), record.data("tData"), record.data("uData")];
  const model = record.load(new Net());
  const optimizer = new optim.Adam(model.parameters(), { lr: 5e-3 });
  const scheduler = new optim.lr.StepLR(optimizer, 4, { gamma: 0.5 });
  const history: { loss: number[]; lossU: number[]; lossF: number[] } = { loss: [], lossU: [], lossF: [] };

  for (let step = 0; step < 10; step++) {
    optimizer.zeroGrad();
    const lossU = uData.sub(model.forward(xData, tData)).square().mean();
    const lossF = model.residual(x, t).square().mean();
    const loss = lossU.add(lossF);
    loss.backward();
    optimizer.step();
    scheduler.step();
    history.loss.push(Number(await loss.item()));
    history.lossU.push(Number(await lossU.item()));
    history.lossF.push(Number(await lossF.item()));
  }

  record.follows("loss", history.loss);
  record.follows("loss_u", history.lossU);
  record.follows("loss_f", history.lossF);
  await record.near(
    "prediction",
    noGrad(() => model.forward(xData, tData)),
  );
}
