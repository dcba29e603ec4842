// Matrix factorization with biases (Koren et al. 2009): ratings come in batches, the rate falls where validation stops improving.

import { data, mseLoss, nn, noGrad, optim, type Tensor, tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

class MatrixFactorization extends nn.Module {
  user_factors = new nn.Embedding(12, 8);
  item_factors = new nn.Embedding(10, 8);
  user_biases = new nn.Embedding(12, 1);
  item_biases = new nn.Embedding(10, 1);
  mean = new nn.Parameter(tensor(3));

  override forward(user: Tensor, item: Tensor): Tensor {
    const pred = this.mean.add(this.user_biases.forward(user)).add(this.item_biases.forward(item));
    const product = this.user_factors.forward(user).mul(this.item_factors.forward(item)).sum(1);
    return pred.squeeze({ dim: 1 }).add(product);
  }
}

export async function matrixFactorization(record: ProgramRecord): Promise<void> {
  const [users, items, ratings] = ["users", "items", "ratings"].map(record.data) as [Tensor, Tensor, Tensor];
  const part = (x: Tensor, start: number, length: number): Tensor => x.narrow(0, start, length);
  const train = new data.TensorDataset(part(users, 0, 48), part(items, 0, 48), part(ratings, 0, 48));
  const loader = new data.DataLoader(train, { batchSize: 24 });
  const model = record.load(new MatrixFactorization());
  const criterion = new nn.MSELoss();
  const optimizer = new optim.SGD(model.parameters(), { lr: 1, momentum: 0.5, weightDecay: 1e-3 });
  const scheduler = new optim.lr.ReduceLROnPlateau(optimizer, { factor: 0.3, patience: 0, threshold: 0.02 });

  const losses: number[] = [];
  const epochs: number[] = [];
  const validation: number[] = [];
  const rates: number[] = [];
  for (let epoch = 0; epoch < 5; epoch++) {
    let runningLoss = 0;
    for await (const [user, item, rating] of loader) {
      optimizer.zeroGrad();
      const loss = criterion.forward(model.forward(user, item), rating);
      loss.backward();
      optimizer.step();
      losses.push(await loss.item());
      runningLoss += (await loss.item()) * user.numel;
    }
    epochs.push(runningLoss / train.length);
    const valLoss = await noGrad(() =>
      mseLoss(model.forward(part(users, 48, 16), part(items, 48, 16)), part(ratings, 48, 16)),
    ).item();
    scheduler.step(valLoss);
    validation.push(valLoss);
    rates.push(optimizer.paramGroups[0]?.lr ?? Number.NaN);
  }

  record.follows("loss", losses);
  record.follows("epochs", epochs);
  record.follows("validation", validation);
  await record.near("rates", tensor(rates));
  const scores = noGrad(() =>
    model.user_factors.weight.matmul(model.item_factors.weight.t()).add(model.item_biases.weight.t()),
  );
  await record.near("recommended", scores.topk(3, { dim: 1 }).indices);
}
