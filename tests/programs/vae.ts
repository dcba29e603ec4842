// A variational autoencoder, after pytorch/examples/vae.

import { binaryCrossEntropy, cat, data, nn, noGrad, optim, type Tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

class VAE extends nn.Module {
  fc1 = new nn.Linear(64, 16);
  fc21 = new nn.Linear(16, 4);
  fc22 = new nn.Linear(16, 4);
  fc3 = new nn.Linear(4, 16);
  fc4 = new nn.Linear(16, 64);

  encode(x: Tensor): [Tensor, Tensor] {
    const h1 = this.fc1.forward(x).relu();
    return [this.fc21.forward(h1), this.fc22.forward(h1)];
  }

  reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor): Tensor {
    const std = logvar.mul(0.5).exp();
    return mu.add(eps.mul(std));
  }

  decode(z: Tensor): Tensor {
    const h3 = this.fc3.forward(z).relu();
    return this.fc4.forward(h3).sigmoid();
  }

  override forward(x: Tensor, eps: Tensor): [Tensor, Tensor, Tensor] {
    const [mu, logvar] = this.encode(x.view([-1, 64]));
    const z = this.reparameterize(mu, logvar, eps);
    return [this.decode(z), mu, logvar];
  }
}

function lossFunction(reconX: Tensor, x: Tensor, mu: Tensor, logvar: Tensor): Tensor {
  const bce = binaryCrossEntropy(reconX, x.view([-1, 64]), { reduction: "sum" });
  const kld = logvar.add(1).sub(mu.pow(2)).sub(logvar.exp()).sum().mul(-0.5);
  return bce.add(kld);
}

/** Trains for two epochs; compares a test batch and samples. */
export async function vae(record: ProgramRecord): Promise<void> {
  const images = record.data("images").flatten({ endDim: 1 });
  const epsilon = record.data("epsilon");
  const batchSize = 8;
  const loader = new data.DataLoader(new data.TensorDataset(images), { batchSize });
  const model = record.load(new VAE());
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });

  const losses: number[] = [];
  const averages: number[] = [];
  let step = 0;
  for (let epoch = 0; epoch < 2; epoch++) {
    model.train();
    let trainLoss = 0;
    for await (const [x] of loader) {
      optimizer.zeroGrad();
      const [reconBatch, mu, logvar] = model.forward(x, epsilon.select(0, step));
      const loss = lossFunction(reconBatch, x, mu, logvar);
      loss.backward();
      trainLoss += Number(await loss.item());
      optimizer.step();
      losses.push(Number(await loss.item()) / batchSize);
      step++;
    }
    averages.push(trainLoss / loader.dataset.length);
  }
  record.follows("loss", losses);
  record.follows("average", averages);

  model.eval();
  const x = images.narrow(0, 0, batchSize);
  const [reconBatch, mu, logvar] = noGrad(() => model.forward(x, epsilon.select(0, step)));
  const testLoss = lossFunction(reconBatch, x, mu, logvar).div(batchSize);
  record.follows("test", [Number(await testLoss.item())]);
  const n = 4;
  await record.near("comparison", cat([x.narrow(0, 0, n), reconBatch.view([-1, 1, 8, 8]).narrow(0, 0, n)]));
  const sample = noGrad(() => model.decode(record.data("sample")));
  await record.near("samples", sample.view([-1, 1, 8, 8]));
}
