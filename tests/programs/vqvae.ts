// VQ-VAE (van den Oord et al. 2017) with a codebook of moving averages: straight-through gradients, state that forward assigns.

import { mseLoss, nn, noGrad, optim, type Tensor, zeros, zerosLike } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

class VectorQuantizerEMA extends nn.Module {
  embedding: Tensor;
  ema_cluster_size: Tensor;
  ema_w: Tensor;
  readonly commitmentCost: number;
  readonly decay: number;
  readonly epsilon: number;

  constructor(numEmbeddings: number, embeddingDim: number, commitmentCost: number, decay: number, epsilon = 1e-5) {
    super();
    this.embedding = this.registerBuffer("embedding", zeros([numEmbeddings, embeddingDim]));
    this.ema_cluster_size = this.registerBuffer("ema_cluster_size", zeros([numEmbeddings]));
    this.ema_w = this.registerBuffer("ema_w", zeros([numEmbeddings, embeddingDim]));
    this.commitmentCost = commitmentCost;
    this.decay = decay;
    this.epsilon = epsilon;
  }

  override forward(images: Tensor): { loss: Tensor; quantized: Tensor; perplexity: Tensor; codes: Tensor } {
    const [numEmbeddings, embeddingDim] = this.embedding.shape as [number, number];
    const inputs = images.permute([0, 2, 3, 1]);
    const flatInput = inputs.reshape([-1, embeddingDim]);
    const distances = flatInput
      .pow(2)
      .sum(1, true)
      .add(this.embedding.pow(2).sum(1))
      .sub(flatInput.matmul(this.embedding.t()).mul(2));
    const codes = distances.argmin(1).unsqueeze(1);
    const encodings = zerosLike(distances).scatter(1, codes, 1);
    let quantized = encodings.matmul(this.embedding).view(inputs.shape);

    if (this.training) {
      const { decay, epsilon } = this;
      noGrad(() => {
        this.ema_cluster_size.assign(this.ema_cluster_size.mul(decay).add(encodings.sum(0).mul(1 - decay)));
        const n = this.ema_cluster_size.sum();
        // Laplace smoothing.
        this.ema_cluster_size.assign(
          this.ema_cluster_size
            .add(epsilon)
            .div(n.add(numEmbeddings * epsilon))
            .mul(n),
        );
        const dw = encodings.t().matmul(flatInput);
        this.ema_w.assign(this.ema_w.mul(decay).add(dw.mul(1 - decay)));
        this.embedding.assign(this.ema_w.div(this.ema_cluster_size.unsqueeze(1)));
      });
    }

    const loss = mseLoss(quantized.detach(), inputs).mul(this.commitmentCost);
    quantized = inputs.add(quantized.sub(inputs).detach());
    const avgProbs = encodings.mean(0);
    const perplexity = avgProbs.mul(avgProbs.add(1e-10).log()).sum().neg().exp();
    return { loss, quantized: quantized.permute([0, 3, 1, 2]), perplexity, codes };
  }
}

class VQVAE extends nn.Module {
  encoder = new nn.Sequential(new nn.Conv2d(1, 8, 4, { stride: 2, padding: 1 }), new nn.ReLU(), new nn.Conv2d(8, 4, 1));
  vq = new VectorQuantizerEMA(8, 4, 0.25, 0.9);
  decoder = new nn.Sequential(
    new nn.Conv2d(4, 8, 1),
    new nn.ReLU(),
    new nn.ConvTranspose2d(8, 1, 4, { stride: 2, padding: 1 }),
  );

  override forward(x: Tensor): { vqLoss: Tensor; reconstruction: Tensor; perplexity: Tensor } {
    const { loss, quantized, perplexity } = this.vq.forward(this.encoder.forward(x));
    return { vqLoss: loss, reconstruction: this.decoder.forward(quantized), perplexity };
  }
}

export async function vqvae(record: ProgramRecord): Promise<void> {
  const images = record.data("images");
  const variance = images.variance(null, false, { correction: 0 });
  const model = record.load(new VQVAE());
  const optimizer = new optim.Adam(model.parameters(), { lr: 5e-3 });

  const losses: number[] = [];
  const errors: number[] = [];
  const perplexities: number[] = [];
  model.train();
  for (let step = 0; step < 10; step++) {
    const data = images.narrow(0, (step % 2) * 4, 4);
    optimizer.zeroGrad();
    const { vqLoss, reconstruction, perplexity } = model.forward(data);
    const reconError = mseLoss(reconstruction, data).div(variance);
    const loss = reconError.add(vqLoss);
    loss.backward();
    optimizer.step();
    losses.push(await loss.item());
    errors.push(await reconError.item());
    perplexities.push(await perplexity.item());
  }
  record.follows("loss", losses);
  record.follows("recon", errors);
  record.follows("perplexity", perplexities);

  model.eval();
  const { reconstruction, codes } = noGrad(() => ({
    reconstruction: model.forward(images).reconstruction,
    codes: model.vq.forward(model.encoder.forward(images)).codes,
  }));
  await record.near("reconstruction", reconstruction);
  await record.near("codes", codes);
  await record.near("embedding", model.vq.embedding);
}
