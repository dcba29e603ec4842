// A deep convolutional GAN, after PyTorch's DCGAN tutorial.

import { full, fullLike, nn, noGrad, optim, type Tensor } from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";

const [batchSize, nz, ngf, ndf, nc] = [8, 4, 4, 4, 1];

class Generator extends nn.Module {
  main = new nn.Sequential(
    new nn.ConvTranspose2d(nz, ngf * 2, 4, { stride: 1, padding: 0, bias: false }),
    new nn.BatchNorm2d(ngf * 2),
    new nn.ReLU(),
    new nn.ConvTranspose2d(ngf * 2, nc, 4, { stride: 2, padding: 1, bias: false }),
    new nn.Tanh(),
  );

  override forward(input: Tensor): Tensor {
    return this.main.forward(input);
  }
}

class Discriminator extends nn.Module {
  main = new nn.Sequential(
    new nn.Conv2d(nc, ndf, 4, { stride: 2, padding: 1, bias: false }),
    new nn.LeakyReLU({ negativeSlope: 0.2 }),
    new nn.Conv2d(ndf, ndf * 2, 4, { stride: 2, padding: 1, bias: false }),
    new nn.BatchNorm2d(ndf * 2),
    new nn.LeakyReLU({ negativeSlope: 0.2 }),
    new nn.Conv2d(ndf * 2, 1, 2, { stride: 1, padding: 0, bias: false }),
    new nn.Sigmoid(),
  );

  override forward(input: Tensor): Tensor {
    return this.main.forward(input);
  }
}

function weightsInit(m: nn.Module): void {
  if (m instanceof nn.Conv2d || m instanceof nn.ConvTranspose2d) {
    nn.init.normal(m.weight, { mean: 0, std: 0.02 });
  } else if (m instanceof nn.BatchNorm2d) {
    if (m.weight !== null) nn.init.normal(m.weight, { mean: 1, std: 0.02 });
    if (m.bias !== null) nn.init.constant(m.bias, 0);
  }
}

/** Trains both nets; every fifth step the generator shows what it makes of the same noise. */
export async function dcgan(record: ProgramRecord): Promise<void> {
  const [netG, netD] = [new Generator(), new Discriminator()];
  netG.apply(weightsInit);
  netD.apply(weightsInit);
  record.load(netG, "generator");
  record.load(netD, "discriminator");
  const dataset = record.steps("images");
  const noises = record.steps("noise");
  const fixedNoise = record.data("fixedNoise");

  const [realLabel, fakeLabel] = [1, 0];
  const criterion = new nn.BCELoss();
  const optimizerD = new optim.Adam(netD.parameters(), { lr: 2e-3, betas: [0.5, 0.999] });
  const optimizerG = new optim.Adam(netG.parameters(), { lr: 2e-3, betas: [0.5, 0.999] });
  const lossesD: Tensor[] = [];
  const lossesG: Tensor[] = [];
  const onReal: number[] = [];
  const onFakeBefore: number[] = [];
  const onFakeAfter: number[] = [];

  for (const [i, real] of dataset.entries()) {
    // (1) Update D: maximize log(D(x)) + log(1 - D(G(z))).
    netD.zeroGrad();
    const label = full([batchSize], realLabel);
    let output = netD.forward(real).view([-1]);
    const errDReal = criterion.forward(output, label);
    errDReal.backward();
    onReal.push(Number(await output.mean().item()));

    const fake = netG.forward(noises[i] as Tensor);
    label.assign(fullLike(label, fakeLabel));
    output = netD.forward(fake.detach()).view([-1]);
    const errDFake = criterion.forward(output, label);
    errDFake.backward();
    onFakeBefore.push(Number(await output.mean().item()));
    const errD = errDReal.add(errDFake);
    optimizerD.step();

    // (2) Update G: maximize log(D(G(z))).
    netG.zeroGrad();
    label.assign(fullLike(label, realLabel));
    output = netD.forward(fake).view([-1]);
    const errG = criterion.forward(output, label);
    errG.backward();
    onFakeAfter.push(Number(await output.mean().item()));
    optimizerG.step();

    lossesD.push(errD);
    lossesG.push(errG);
    if (i % 5 === 4) await record.near(`samples ${i}`, noGrad(() => netG.forward(fixedNoise)).detach());
  }

  record.follows("D loss", await numbers(lossesD));
  record.follows("G loss", await numbers(lossesG));
  record.follows("D(x)", onReal);
  record.follows("D(G(z)) before", onFakeBefore);
  record.follows("D(G(z)) after", onFakeAfter);
}
