// A Vision Transformer, after lucidrains/vit-pytorch: no weight decay for vectors, OneCycleLR, smoothed labels, clipped gradients.

import { cat, nn, noGrad, optim, randn, type Tensor } from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";

class FeedForward extends nn.Module {
  net: nn.Sequential;

  constructor(dim: number, hiddenDim: number) {
    super();
    this.net = new nn.Sequential(
      new nn.LayerNorm(dim),
      new nn.Linear(dim, hiddenDim),
      new nn.GELU(),
      new nn.Linear(hiddenDim, dim),
    );
  }

  override forward(x: Tensor): Tensor {
    return this.net.forward(x);
  }
}

class Attention extends nn.Module {
  heads: number;
  scale: number;
  norm: nn.LayerNorm;
  toQkv: nn.Linear;
  toOut: nn.Linear;

  constructor(dim: number, heads: number, dimHead: number) {
    super();
    this.heads = heads;
    this.scale = dimHead ** -0.5;
    this.norm = new nn.LayerNorm(dim);
    this.toQkv = new nn.Linear(dim, heads * dimHead * 3, { bias: false });
    this.toOut = new nn.Linear(heads * dimHead, dim);
  }

  override forward(x: Tensor): Tensor {
    const qkv = this.toQkv.forward(this.norm.forward(x)).chunk(3, { dim: -1 });
    const [q, k, v] = qkv.map((t) => t.unflatten(-1, [this.heads, -1]).transpose(1, 2)) as [Tensor, Tensor, Tensor];
    const dots = q.matmul(k.transpose(-1, -2)).mul(this.scale);
    const out = dots.softmax(-1).matmul(v);
    return this.toOut.forward(out.transpose(1, 2).flatten({ startDim: 2 }));
  }
}

interface Options {
  dim: number;
  depth: number;
  heads: number;
  patchSize: number;
  numPatches: number;
  numClasses: number;
}

class ViT extends nn.Module {
  patchEmbedding: nn.Conv2d;
  posEmbedding: Tensor;
  clsToken: Tensor;
  layers: nn.ModuleList<nn.ModuleList>;
  norm: nn.LayerNorm;
  mlpHead: nn.Linear;

  constructor({ dim, depth, heads, patchSize, numPatches, numClasses }: Options) {
    super();
    this.patchEmbedding = new nn.Conv2d(3, dim, patchSize, { stride: patchSize });
    this.posEmbedding = new nn.Parameter(randn([1, numPatches + 1, dim]));
    this.clsToken = new nn.Parameter(randn([1, 1, dim]));
    this.layers = new nn.ModuleList<nn.ModuleList>();
    for (let i = 0; i < depth; i++) {
      this.layers.append(new nn.ModuleList([new Attention(dim, heads, dim / heads), new FeedForward(dim, 2 * dim)]));
    }
    this.norm = new nn.LayerNorm(dim);
    this.mlpHead = new nn.Linear(dim, numClasses);
  }

  override forward(img: Tensor): Tensor {
    let x = this.patchEmbedding.forward(img).flatten({ startDim: 2 }).transpose(1, 2);
    const [batch = 0] = x.shape;
    const clsTokens = this.clsToken.expand([batch, -1, -1]);
    x = cat([clsTokens, x], { dim: 1 }).add(this.posEmbedding);
    for (const block of this.layers) for (const layer of block) x = layer.forward(x).add(x);
    return this.mlpHead.forward(this.norm.forward(x).select(1, 0));
  }
}

export async function vit(record: ProgramRecord): Promise<void> {
  const model = record.load(new ViT({ dim: 16, depth: 2, heads: 2, patchSize: 4, numPatches: 4, numClasses: 4 }));
  const decay = model.parameters().filter((p) => p.ndim > 1);
  const noDecay = model.parameters().filter((p) => p.ndim <= 1);
  const optimizer = new optim.AdamW(
    [
      { params: decay, weightDecay: 0.05 },
      { params: noDecay, weightDecay: 0 },
    ],
    { lr: 3e-3 },
  );
  const scheduler = new optim.lr.OneCycleLR(optimizer, 3e-3, { totalSteps: 10 });
  const criterion = new nn.CrossEntropyLoss({ labelSmoothing: 0.1 });
  const images = record.data("x").split(8);
  const labels = record.data("y").split(8);
  const losses: Tensor[] = [];
  const accuracies: Tensor[] = [];

  for (const [step, img] of images.entries()) {
    const preds = model.forward(img);
    const loss = criterion.forward(preds, labels[step] as Tensor);
    optimizer.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm(model.parameters(), 1);
    optimizer.step();
    scheduler.step();
    losses.push(loss.detach());
    accuracies.push(
      preds
        .argmax(-1)
        .eq(labels[step] as Tensor)
        .to("f32")
        .mean(),
    );
  }

  record.follows("loss", await numbers(losses));
  record.follows("accuracy", await numbers(accuracies));
  await record.near(
    "logits",
    noGrad(() => model.forward(images[0] as Tensor)),
  );
}
