// A GAN with spectral normalization (Miyato et al. 2018): forward assigns the vectors of a power iteration, hinge losses, two optimizers.

import { linear, nn, noGrad, optim, randn, type Tensor, zeros } from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";

class SpectralNormLinear extends nn.Module {
  weight: Tensor;
  bias: Tensor;
  u: Tensor;
  v: Tensor;

  constructor(inFeatures: number, outFeatures: number) {
    super();
    this.weight = new nn.Parameter(randn([outFeatures, inFeatures]).mul(0.4));
    this.bias = new nn.Parameter(zeros([outFeatures]));
    this.u = this.registerBuffer("u", randn([outFeatures]).normalize({ dim: 0 }));
    this.v = this.registerBuffer("v", randn([inFeatures]).normalize({ dim: 0 }));
  }

  sigma(): Tensor {
    if (this.training) {
      noGrad(() => {
        this.v.assign(this.weight.t().mv(this.u).normalize({ dim: 0 }));
        this.u.assign(this.weight.mv(this.v).normalize({ dim: 0 }));
      });
    }
    return this.u.dot(this.weight.mv(this.v));
  }

  override forward(x: Tensor): Tensor {
    return linear(x, this.weight.div(this.sigma()), { bias: this.bias });
  }
}

class Generator extends nn.Module {
  main = new nn.Sequential(new nn.Linear(4, 16), new nn.ReLU(), new nn.Linear(16, 2));

  override forward(z: Tensor): Tensor {
    return this.main.forward(z);
  }
}

class Discriminator extends nn.Module {
  fc1 = new SpectralNormLinear(2, 16);
  fc2 = new SpectralNormLinear(16, 16);
  fc3 = new SpectralNormLinear(16, 1);

  override forward(x: Tensor): Tensor {
    const hidden = this.fc1.forward(x).leakyRelu({ negativeSlope: 0.1 });
    return this.fc3.forward(this.fc2.forward(hidden).leakyRelu({ negativeSlope: 0.1 }));
  }
}

export async function spectralGan(record: ProgramRecord): Promise<void> {
  const [real, noise] = [record.data("real"), record.data("noise")];
  const generator = record.load(new Generator(), "generator");
  const discriminator = record.load(new Discriminator(), "discriminator");
  const optimDisc = new optim.Adam(discriminator.parameters(), { lr: 1e-2, betas: [0, 0.9] });
  const optimGen = new optim.Adam(generator.parameters(), { lr: 1e-2, betas: [0, 0.9] });
  const schedulerD = new optim.lr.ExponentialLR(optimDisc, 0.9);
  const schedulerG = new optim.lr.ExponentialLR(optimGen, 0.9);

  const discLosses: number[] = [];
  const genLosses: number[] = [];
  const scores: Tensor[] = [];
  for (let step = 0; step < 10; step++) {
    const data = real.select(0, step);

    optimDisc.zeroGrad();
    optimGen.zeroGrad();
    const fake = generator.forward(noise.select(0, step).select(0, 0));
    const dReal = discriminator.forward(data);
    const dFake = discriminator.forward(fake.detach());
    const discLoss = dReal.neg().add(1).relu().mean().add(dFake.add(1).relu().mean());
    discLoss.backward();
    optimDisc.step();

    optimDisc.zeroGrad();
    optimGen.zeroGrad();
    const genLoss = discriminator
      .forward(generator.forward(noise.select(0, step).select(0, 1)))
      .mean()
      .neg();
    genLoss.backward();
    optimGen.step();
    schedulerD.step();
    schedulerG.step();

    discLosses.push(await discLoss.item());
    genLosses.push(await genLoss.item());
    scores.push(dReal.mean().sub(dFake.mean()));
  }
  record.follows("discriminator", discLosses);
  record.follows("generator", genLosses);
  record.follows("scores", await numbers(scores));

  discriminator.eval();
  const sample = noGrad(() => generator.forward(noise.select(0, 0).select(0, 0)));
  await record.near("sample", sample);
  await record.near("judged", discriminator.forward(sample));
  await record.near("u", discriminator.fc2.u);
  await record.near("sigma", discriminator.fc2.sigma());
}
