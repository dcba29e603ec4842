// SimCLR (Chen et al. 2020) as in the Lightning tutorial: two views of each example find each other; then a linear probe.

import {
  cat,
  cosineSimilarity,
  crossEntropy,
  eye,
  nn,
  noGrad,
  optim,
  stack,
  type Tensor,
  where,
} from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";

class SimCLR extends nn.Module {
  encoder = new nn.Sequential(
    new nn.Linear(12, 16, { bias: false }),
    new nn.BatchNorm1d(16),
    new nn.ReLU(),
    new nn.Linear(16, 16),
  );
  projector = new nn.Sequential(new nn.ReLU(), new nn.Linear(16, 8));

  override forward(x: Tensor): Tensor {
    return this.projector.forward(this.encoder.forward(x));
  }
}

function infoNceLoss(feats: Tensor, temperature: number): { loss: Tensor; top1: Tensor; position: Tensor } {
  let cosSim = cosineSimilarity(feats.unsqueeze(1), feats.unsqueeze(0), { dim: -1 });
  const count = cosSim.shape[0] as number;
  // Hides each example from itself; the positive is half the batch away.
  const selfMask = eye(count, { dtype: "bool" });
  cosSim = cosSim.maskedFill(selfMask, -9e15);
  const posMask = selfMask.roll(count / 2, { dims: 0 });
  cosSim = cosSim.div(temperature);
  const positive = where(posMask, cosSim, 0).sum(-1);
  const loss = positive.neg().add(cosSim.logsumexp(-1)).mean();

  const combSim = cat([positive.unsqueeze(1), cosSim.maskedFill(posMask, -9e15)], { dim: -1 });
  const simArgsort = combSim.argsort({ dim: -1, descending: true }).argmin(-1);
  const top1 = simArgsort.eq(0).to("f32").mean();
  return { loss, top1, position: simArgsort.to("f32").mean().add(1) };
}

export async function simclr(record: ProgramRecord): Promise<void> {
  const [x, labels, noise] = ["x", "labels", "noise"].map(record.data) as [Tensor, Tensor, Tensor];
  const model = record.load(new SimCLR());
  const optimizer = new optim.AdamW(model.parameters(), { lr: 5e-3, weightDecay: 1e-2 });
  const scheduler = new optim.lr.CosineAnnealingLR(optimizer, 10, { etaMin: 1e-4 });

  const history: { loss: Tensor; top1: Tensor; position: Tensor }[] = [];
  for (let step = 0; step < 10; step++) {
    const batch = x.narrow(0, (step % 2) * 8, 8);
    const views = noise.select(0, step);
    const images = cat([batch.add(views.select(0, 0)), batch.add(views.select(0, 1))]);
    const result = infoNceLoss(model.forward(images), 0.2);
    optimizer.zeroGrad();
    result.loss.backward();
    optimizer.step();
    scheduler.step();
    history.push(result);
  }
  record.follows("loss", await numbers(history.map(({ loss }) => loss)));
  await record.near("top1", stack(history.map(({ top1 }) => top1)));
  await record.near("positions", stack(history.map(({ position }) => position)));

  model.eval();
  const features = noGrad(() => model.encoder.forward(x));
  await record.near("features", features);
  await record.near("runningVar", model.encoder[1]?.stateDict().running_var as Tensor);

  const probe = record.load(new nn.Linear(16, 4), "probe");
  const probeOptimizer = new optim.SGD(probe.parameters(), { lr: 0.5 });
  const losses: number[] = [];
  let accuracy = features.mean();
  for (let step = 0; step < 5; step++) {
    const preds = probe.forward(features);
    const loss = crossEntropy(preds, labels);
    probeOptimizer.zeroGrad();
    loss.backward();
    probeOptimizer.step();
    losses.push(await loss.item());
    accuracy = preds.argmax(-1).eq(labels).to("f32").mean();
  }
  record.follows("probe", losses);
  await record.near("probeAccuracy", accuracy);
}
