// A Wasserstein GAN with gradient penalty, after eriklindernoren/PyTorch-GAN.

import { grad, nn, onesLike, optim, sub, type Tensor } from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";

function block(inFeatures: number, outFeatures: number, normalize = true): nn.Layer[] {
  const layers: nn.Layer[] = [new nn.Linear(inFeatures, outFeatures)];
  if (normalize) layers.push(new nn.BatchNorm1d(outFeatures, { eps: 0.8 }));
  layers.push(new nn.LeakyReLU({ negativeSlope: 0.2 }));
  return layers;
}

class Generator extends nn.Module {
  model = new nn.Sequential(...block(4, 8, false), ...block(8, 16), new nn.Linear(16, 64), new nn.Tanh());

  override forward(z: Tensor): Tensor {
    const img = this.model.forward(z);
    return img.view([-1, 1, 8, 8]);
  }
}

class Discriminator extends nn.Module {
  model = new nn.Sequential(
    new nn.Linear(64, 16),
    new nn.LeakyReLU({ negativeSlope: 0.2 }),
    new nn.Linear(16, 8),
    new nn.LeakyReLU({ negativeSlope: 0.2 }),
    new nn.Linear(8, 1),
  );

  override forward(img: Tensor): Tensor {
    return this.model.forward(img.flatten({ startDim: 1 }));
  }
}

/** How far the critic's gradient at points between real and fake ones is from length 1. */
function computeGradientPenalty(D: Discriminator, real: Tensor, fake: Tensor, alpha: Tensor): Tensor {
  const interpolates = alpha.mul(real).add(sub(1, alpha).mul(fake)).detach();
  interpolates.requiresGrad = true;
  const dInterpolates = D.forward(interpolates);
  const [gradients] = grad(dInterpolates, [interpolates], { gradOutputs: onesLike(dInterpolates) });
  return (gradients as Tensor).flatten({ startDim: 1 }).norm({ p: 2, dim: 1 }).sub(1).pow(2).mean();
}

/** The generator takes a step after every second one of the critic. Nothing is read before the end. */
export async function wganGp(record: ProgramRecord): Promise<void> {
  const [lambdaGp, nCritic] = [10, 2];
  const generator = record.load(new Generator(), "generator");
  const discriminator = record.load(new Discriminator(), "discriminator");
  const [noise, alphas] = [record.steps("noise"), record.steps("alpha")];
  const optimizerG = new optim.Adam(generator.parameters(), { lr: 2e-3, betas: [0.5, 0.999] });
  const optimizerD = new optim.Adam(discriminator.parameters(), { lr: 2e-3, betas: [0.5, 0.999] });
  const dLosses: Tensor[] = [];
  const penalties: Tensor[] = [];
  const gLosses: Tensor[] = [];
  let fakeImgs: Tensor | null = null;

  for (const [i, realImgs] of record.steps("images").entries()) {
    optimizerD.zeroGrad();
    const [z, alpha] = [noise[i] as Tensor, alphas[i] as Tensor];
    fakeImgs = generator.forward(z);
    const realValidity = discriminator.forward(realImgs);
    const fakeValidity = discriminator.forward(fakeImgs.detach());
    const gradientPenalty = computeGradientPenalty(discriminator, realImgs, fakeImgs.detach(), alpha);
    const dLoss = realValidity.mean().neg().add(fakeValidity.mean()).add(gradientPenalty.mul(lambdaGp));
    dLoss.backward();
    optimizerD.step();
    dLosses.push(dLoss);
    penalties.push(gradientPenalty);

    optimizerG.zeroGrad();
    if (i % nCritic === 0) {
      fakeImgs = generator.forward(z);
      const gLoss = discriminator.forward(fakeImgs).mean().neg();
      gLoss.backward();
      optimizerG.step();
      gLosses.push(gLoss);
    }
  }

  record.follows("D loss", await numbers(dLosses));
  record.follows("penalty", await numbers(penalties));
  record.follows("G loss", await numbers(gLosses));
  await record.near("samples", fakeImgs as Tensor);
}
