// Training with all optimizations and with none: the same 30 losses, whatever is fused, planned in place or computed in one pass.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  compile,
  crossEntropy,
  init,
  manualSeed,
  nn,
  optim,
  setOptimize,
  type Tensor,
  tensor,
  zeros,
} from "../../src/index.ts";

await init();

const batch = 4;
const [context, width, heads, vocabulary] = [12, 16, 2, 20];

class Block extends nn.Module {
  norm1: nn.LayerNorm = new nn.LayerNorm([width]);
  attention: nn.Linear = new nn.Linear(width, 3 * width);
  projection: nn.Linear = new nn.Linear(width, width);
  norm2: nn.LayerNorm = new nn.LayerNorm([width]);
  up: nn.Linear = new nn.Linear(width, 4 * width);
  down: nn.Linear = new nn.Linear(4 * width, width);

  override forward(x: Tensor): Tensor {
    const [q, k, v] = this.attention
      .forward(this.norm1.forward(x))
      .reshape([batch, context, 3, heads, width / heads])
      .permute([2, 0, 3, 1, 4])
      .unbind() as [Tensor, Tensor, Tensor];
    const mixed = q.scaledDotProductAttention(k, v, { isCausal: true });
    const y = x.add(this.projection.forward(mixed.permute([0, 2, 1, 3]).reshape([batch, context, width])));
    return y.add(this.down.forward(this.up.forward(this.norm2.forward(y)).gelu()));
  }
}

class Gpt extends nn.Module {
  token: nn.Embedding = new nn.Embedding(vocabulary, width);
  position: nn.Parameter = new nn.Parameter(zeros([context, width]));
  blocks: nn.Sequential = new nn.Sequential(new Block(), new nn.Dropout(0.1), new Block());
  head: nn.Linear = new nn.Linear(width, vocabulary, { bias: false });

  override forward(tokens: Tensor): Tensor {
    const x = this.blocks.forward(this.token.forward(tokens).add(this.position));
    return this.head.forward(x).reshape([batch * context, vocabulary]);
  }
}

const images = (i: number): [Tensor, Tensor] => [
  tensor(
    Float32Array.from({ length: batch * 3 * 64 }, (_, k) => ((k * 7919 + i * 104_729) % 1009) / 504 - 1),
    { shape: [batch, 3, 8, 8] },
  ),
  tensor(Int32Array.from({ length: batch }, (_, k) => (k * 3 + i) % 5)),
];
const words = (i: number): [Tensor, Tensor] => {
  const ids = Array.from({ length: batch * context + 1 }, (_, k) => (k * k * 7 + i * 13) % vocabulary);
  return [
    tensor(Int32Array.from(ids.slice(0, -1)), { shape: [batch, context] }),
    tensor(Int32Array.from(ids.slice(1))),
  ];
};

const networks: readonly (readonly [string, () => nn.Sequential | Gpt, (i: number) => [Tensor, Tensor]])[] = [
  [
    "a CNN with BatchNorm",
    () =>
      new nn.Sequential(
        new nn.Conv2d(3, 6, 3, { padding: 1 }),
        new nn.BatchNorm2d(6),
        new nn.ReLU(),
        new nn.MaxPool2d(2),
        new nn.Conv2d(6, 8, 3, { stride: 2 }),
        new nn.BatchNorm2d(8),
        new nn.ReLU(),
        new nn.Flatten(),
        new nn.Linear(8, 5),
      ),
    images,
  ],
  ["a GPT", () => new Gpt(), words],
];

for (const [name, make, data] of networks) {
  test(`${name}: optimized, naive and compiled steps give the same 30 losses`, async () => {
    const losses = async (wrap: (train: (x: Tensor, y: Tensor) => Tensor) => (x: Tensor, y: Tensor) => Tensor) => {
      manualSeed(1);
      const model = make();
      const optimizer = new optim.AdamW(model.parameters(), { lr: 3e-3 });
      const train = wrap((x, y) => {
        optimizer.zeroGrad();
        const loss = crossEntropy(model.forward(x), y);
        loss.backward();
        optimizer.step();
        return loss;
      });
      const all: number[] = [];
      for (let i = 0; i < 30; i++) all.push(await train(...data(i % 2)).item());
      return all;
    };
    const optimized = await losses((train) => train);
    const compiled = await losses((train) => compile(train));
    setOptimize(false);
    let naive: number[];
    try {
      naive = await losses((train) => train);
    } finally {
      setOptimize(true);
    }
    assert.ok((optimized.at(-1) as number) < (optimized[0] as number), `${optimized[0]} → ${optimized.at(-1)}`);
    optimized.forEach((value, i) => {
      for (const [how, other] of [
        ["naive", naive[i] as number],
        ["compiled", compiled[i] as number],
      ] as const) {
        assert.ok(Math.abs(value - other) <= 1e-5 * Math.abs(value), `${how} loss ${i}: ${other} against ${value}`);
      }
    });
  });
}

test.run();
