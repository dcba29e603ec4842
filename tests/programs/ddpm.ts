// Denoising diffusion with a tiny UNet, after lucidrains' denoising-diffusion-pytorch: warm-up, clipped gradients, an average of the weights.

import { arange, cat, full, linspace, mseLoss, nn, noGrad, optim, silu, sub, type Tensor } from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";

const timesteps = 20;

class SinusoidalPositionEmbeddings extends nn.Module {
  dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  override forward(time: Tensor): Tensor {
    const halfDim = this.dim / 2;
    const embeddings = arange(halfDim)
      .mul(-Math.log(10000) / halfDim)
      .exp();
    const angles = time.unsqueeze(1).mul(embeddings.unsqueeze(0));
    return cat([angles.sin(), angles.cos()], { dim: -1 });
  }
}

class ResnetBlock extends nn.Module {
  norm1: nn.GroupNorm;
  conv1: nn.Conv2d;
  mlp: nn.Linear;
  norm2: nn.GroupNorm;
  conv2: nn.Conv2d;
  skip: nn.Layer;

  constructor(dim: number, dimOut: number, timeDim: number) {
    super();
    this.norm1 = new nn.GroupNorm(2, dim);
    this.conv1 = new nn.Conv2d(dim, dimOut, 3, { padding: 1 });
    this.mlp = new nn.Linear(timeDim, dimOut);
    this.norm2 = new nn.GroupNorm(2, dimOut);
    this.conv2 = new nn.Conv2d(dimOut, dimOut, 3, { padding: 1 });
    this.skip = dim === dimOut ? new nn.Identity() : new nn.Conv2d(dim, dimOut, 1);
  }

  override forward(x: Tensor, time: Tensor): Tensor {
    let h = this.conv1.forward(silu(this.norm1.forward(x)));
    h = h.add(this.mlp.forward(silu(time)).unsqueeze(-1).unsqueeze(-1));
    h = this.conv2.forward(silu(this.norm2.forward(h)));
    return h.add(this.skip.forward(x));
  }
}

class UNet extends nn.Module {
  embed = new SinusoidalPositionEmbeddings(8);
  time = new nn.Sequential(new nn.Linear(8, 8), new nn.SiLU(), new nn.Linear(8, 8));
  head = new nn.Conv2d(1, 4, 3, { padding: 1 });
  down = new ResnetBlock(4, 4, 8);
  downsample = new nn.Conv2d(4, 8, 3, { stride: 2, padding: 1 });
  middle = new ResnetBlock(8, 8, 8);
  upsample = new nn.Upsample({ scaleFactor: 2, mode: "nearest" });
  up = new ResnetBlock(12, 4, 8);
  tail = new nn.Conv2d(4, 1, 3, { padding: 1 });

  override forward(x: Tensor, time: Tensor): Tensor {
    const t = this.time.forward(this.embed.forward(time));
    const skip = this.down.forward(this.head.forward(x), t);
    const h = this.middle.forward(this.downsample.forward(skip), t);
    return this.tail.forward(this.up.forward(cat([this.upsample.forward(h), skip], { dim: 1 }), t));
  }
}

const betas = linspace(1e-4, 0.2, timesteps);
const alphas = sub(1, betas);
const alphasCumprod = alphas.cumprod(0);
const sqrtAlphasCumprod = alphasCumprod.sqrt();
const sqrtOneMinusAlphasCumprod = sub(1, alphasCumprod).sqrt();
const sqrtRecipAlphas = alphas.rsqrt();

/** The values at times `t`, for images. */
function extract(a: Tensor, t: Tensor): Tensor {
  return a.gather(0, t).view([-1, 1, 1, 1]);
}

function qSample(xStart: Tensor, t: Tensor, noise: Tensor): Tensor {
  return extract(sqrtAlphasCumprod, t).mul(xStart).add(extract(sqrtOneMinusAlphasCumprod, t).mul(noise));
}

function pSample(model: UNet, x: Tensor, t: Tensor, noise: Tensor | null): Tensor {
  const predicted = extract(betas, t).mul(model.forward(x, t)).div(extract(sqrtOneMinusAlphasCumprod, t));
  const mean = extract(sqrtRecipAlphas, t).mul(x.sub(predicted));
  return noise === null ? mean : mean.add(extract(betas, t).sqrt().mul(noise));
}

/** Trains, and draws samples with the average of the weights. */
export async function ddpm(record: ProgramRecord): Promise<void> {
  const model = record.load(new UNet());
  const ema = new UNet().eval().requiresGrad(false);
  ema.loadStateDict(model.stateDict());
  const [times, noises] = [record.steps("times"), record.steps("noise")];
  const optimizer = new optim.Adam(model.parameters(), { lr: 2e-3 });
  const scheduler = new optim.lr.LambdaLR(optimizer, (step) => Math.min(1, (step + 1) / 5));
  const losses: number[] = [];
  const norms: Tensor[] = [];

  for (const [step, batch] of record.steps("images").entries()) {
    const [t, noise] = [times[step] as Tensor, noises[step] as Tensor];
    const xNoisy = qSample(batch, t, noise);
    const predictedNoise = model.forward(xNoisy, t);
    const loss = mseLoss(noise, predictedNoise);
    optimizer.zeroGrad();
    loss.backward();
    norms.push(nn.utils.clipGradNorm(model.parameters(), 1));
    optimizer.step();
    scheduler.step();
    noGrad(() => {
      const parameters = model.parameters();
      for (const [i, average] of ema.parameters().entries()) {
        average.assign(average.mul(0.9).add(parameters[i] as Tensor, { alpha: 0.1 }));
      }
    });
    losses.push(Number(await loss.item()));
  }
  record.follows("loss", losses);
  record.follows("norm", await numbers(norms));

  let [img, ...rest] = record.steps("samplingNoise") as [Tensor, ...Tensor[]];
  for (const i of [3, 2, 1, 0]) {
    const t = full([2], i, { dtype: "i32" });
    img = noGrad(() => pSample(ema, img, t, i > 0 ? (rest[3 - i] as Tensor) : null));
  }
  await record.near("samples", img);
}
