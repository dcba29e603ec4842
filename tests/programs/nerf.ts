// Tiny NeRF (Mildenhall et al. 2020), after the well-known PyTorch notebook: rays of a camera, points along them, a field, a picture.

import {
  arange,
  cat,
  cumprod,
  fullLike,
  linspace,
  meshgrid,
  mseLoss,
  nn,
  noGrad,
  onesLike,
  optim,
  stack,
  sub,
  type Tensor,
} from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

const SIZE = 5;
const FOCAL_LENGTH = 4;
const [NEAR, FAR, SAMPLES] = [2, 6, 6];

class TinyNeRF extends nn.Module {
  layer1 = new nn.Linear(3 + 3 * 2 * 3, 16);
  layer2 = new nn.Linear(16, 16);
  layer3 = new nn.Linear(16, 4);

  override forward(x: Tensor): Tensor {
    return this.layer3.forward(this.layer2.forward(this.layer1.forward(x).relu()).relu());
  }
}

function positionalEncoding(x: Tensor, numEncodingFunctions = 3): Tensor {
  const encoding = [x];
  for (let i = 0; i < numEncodingFunctions; i++) {
    encoding.push(x.mul(2 ** i).sin(), x.mul(2 ** i).cos());
  }
  return cat(encoding, { dim: -1 });
}

function getRayBundle(height: number, width: number, focalLength: number, pose: Tensor): [Tensor, Tensor] {
  const [ii, jj] = meshgrid(arange(width).to("f32"), arange(height).to("f32"), { indexing: "xy" }) as [Tensor, Tensor];
  const directions = stack(
    [
      ii.sub(width * 0.5).div(focalLength),
      jj
        .sub(height * 0.5)
        .div(focalLength)
        .neg(),
      onesLike(ii).neg(),
    ],
    { dim: -1 },
  );
  const rayDirections = directions
    .unsqueeze(-2)
    .mul(pose.slice([0, 3], [0, 3]))
    .sum(-1);
  const rayOrigins = pose.slice([0, 3], -1).expand(rayDirections.shape);
  return [rayOrigins, rayDirections];
}

interface Rendered {
  rgb: Tensor;
  depth: Tensor;
  acc: Tensor;
}

function renderRays(model: TinyNeRF, [rayOrigins, rayDirections]: [Tensor, Tensor], noise: Tensor): Rendered {
  const depth = linspace(NEAR, FAR, SAMPLES).add(noise.mul(FAR - NEAR).div(SAMPLES));
  const queryPoints = rayOrigins.unsqueeze(-2).add(rayDirections.unsqueeze(-2).mul(depth.unsqueeze(-1)));
  const encoded = positionalEncoding(queryPoints.reshape([-1, 3]));
  const field = model.forward(encoded).reshape([SIZE, SIZE, SAMPLES, 4]);
  const sigma = field.select(-1, 3).relu();
  const rgb = field.narrow(-1, 0, 3).sigmoid();

  const steps = depth.narrow(-1, 1, SAMPLES - 1).sub(depth.narrow(-1, 0, SAMPLES - 1));
  const dists = cat([steps, fullLike(depth.narrow(-1, 0, 1), 1e10)], { dim: -1 });
  const alpha = sub(1, sigma.neg().mul(dists).exp());
  let transmittance = cumprod(sub(1, alpha).add(1e-10), -1);
  transmittance = cat([onesLike(transmittance.narrow(-1, 0, 1)), transmittance.narrow(-1, 0, SAMPLES - 1)], {
    dim: -1,
  });
  const weights = alpha.mul(transmittance);
  return {
    rgb: weights.unsqueeze(-1).mul(rgb).sum(-2),
    depth: weights.mul(depth).sum(-1),
    acc: weights.sum(-1),
  };
}

export async function nerf(record: ProgramRecord): Promise<void> {
  const [poses, images, noise] = ["poses", "images", "noise"].map(record.data) as [Tensor, Tensor, Tensor];
  const model = record.load(new TinyNeRF());
  const optimizer = new optim.Adam(model.parameters(), { lr: 5e-3 });

  const losses: number[] = [];
  const psnrs: number[] = [];
  for (let i = 0; i < 10; i++) {
    const rays = getRayBundle(SIZE, SIZE, FOCAL_LENGTH, poses.select(0, i % 3));
    const { rgb } = renderRays(model, rays, noise.select(0, i));
    const loss = mseLoss(rgb, images.select(0, i % 3));
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    losses.push(await loss.item());
    psnrs.push(-10 * Math.log10(await loss.item()));
  }
  record.follows("loss", losses);
  record.follows("psnr", psnrs);

  const rays = getRayBundle(SIZE, SIZE, FOCAL_LENGTH, poses.select(0, 3));
  const { rgb, depth, acc } = noGrad(() => renderRays(model, rays, noise.select(0, 10)));
  await record.near("rgb", rgb);
  await record.near("depth", depth);
  await record.near("acc", acc);
}
