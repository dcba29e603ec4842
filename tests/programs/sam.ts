// Sharpness-aware minimization (Foret et al. 2021), after its well-known PyTorch version: the weights are moved, and put back, by hand.

import { crossEntropy, div, nn, noGrad, optim, stack, type Tensor } from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";
import { twoBatches } from "./classifier.ts";

class SAM {
  readonly params: Tensor[];
  readonly baseOptimizer: optim.SGD;
  readonly rho: number;
  readonly #old = new Map<Tensor, Tensor>();

  constructor(params: Tensor[], rho: number, options: { lr: number; momentum: number; weightDecay: number }) {
    this.params = params;
    this.rho = rho;
    this.baseOptimizer = new optim.SGD(params, options);
  }

  /** Climbs to where the loss is highest within rho; returns the norm of the gradient. */
  firstStep({ zeroGrad = false }: { zeroGrad?: boolean } = {}): Tensor {
    const gradNorm = this.#gradNorm();
    noGrad(() => {
      const scale = div(this.rho, gradNorm.add(1e-12));
      for (const p of this.params) {
        if (p.grad === null) continue;
        this.#old.set(p, p.detach());
        p.assign(p.add(p.grad.mul(scale)));
      }
    });
    if (zeroGrad) this.baseOptimizer.zeroGrad();
    return gradNorm;
  }

  /** Goes back to where the climb began, and takes the step with the gradient from its top. */
  secondStep({ zeroGrad = false }: { zeroGrad?: boolean } = {}): void {
    noGrad(() => {
      for (const p of this.params) {
        const old = this.#old.get(p);
        if (old !== undefined) p.assign(old);
      }
    });
    this.baseOptimizer.step();
    if (zeroGrad) this.baseOptimizer.zeroGrad();
  }

  #gradNorm(): Tensor {
    return stack(this.params.flatMap(({ grad }) => (grad === null ? [] : [grad.norm()]))).norm();
  }
}

function disableRunningStats(model: nn.Module): void {
  for (const module of model.modules()) if (module instanceof nn.BatchNorm1d) Object.assign(module, { momentum: 0 });
}

function enableRunningStats(model: nn.Module): void {
  for (const module of model.modules()) if (module instanceof nn.BatchNorm1d) Object.assign(module, { momentum: 0.1 });
}

export async function sam(record: ProgramRecord): Promise<void> {
  const batches = twoBatches(record);
  const model = record.load(
    new nn.Sequential(new nn.Linear(8, 16), new nn.BatchNorm1d(16), new nn.ReLU(), new nn.Linear(16, 4)),
  );
  const optimizer = new SAM(model.parameters(), 0.05, { lr: 0.1, momentum: 0.9, weightDecay: 5e-4 });
  const scheduler = new optim.lr.StepLR(optimizer.baseOptimizer, 4, { gamma: 0.2 });

  const losses: number[] = [];
  const sharpness: number[] = [];
  const norms: Tensor[] = [];
  const accuracies: Tensor[] = [];
  for (let step = 0; step < 10; step++) {
    const { inputs, labels } = batches[step % 2] as (typeof batches)[0];
    enableRunningStats(model);
    const predictions = model.forward(inputs);
    const loss = crossEntropy(predictions, labels, { labelSmoothing: 0.1 });
    loss.backward();
    norms.push(optimizer.firstStep({ zeroGrad: true }));

    disableRunningStats(model);
    const second = crossEntropy(model.forward(inputs), labels, { labelSmoothing: 0.1 });
    second.backward();
    optimizer.secondStep({ zeroGrad: true });

    losses.push(await loss.item());
    sharpness.push((await second.item()) - (await loss.item()));
    accuracies.push(predictions.argmax(1).eq(labels).to("f32").mean());
    scheduler.step();
  }
  record.follows("loss", losses);
  record.follows("sharpness", sharpness);
  record.follows("norms", await numbers(norms));
  await record.near("accuracies", stack(accuracies));
  await record.near("runningMean", model.stateDict()["1.running_mean"] as Tensor);
  model.eval();
  await record.near("logits", model.forward(record.data("x")));
}
