// LoRA (Hu et al. 2021): frozen weights, trained matrices of low rank beside them, merged at the end.

import * as assert from "uvu/assert";
import { crossEntropy, nn, noGrad, optim, randn, stack, type Tensor, zeros } from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";
import { Classifier, twoBatches } from "./classifier.ts";

class LoRALinear extends nn.Module {
  base: nn.Linear;
  lora_A: Tensor;
  lora_B: Tensor;
  readonly scaling: number;
  merged = false;

  constructor(base: nn.Linear, rank: number, alpha: number) {
    super();
    this.base = base;
    for (const parameter of base.parameters()) parameter.requiresGrad = false;
    const { inFeatures, outFeatures } = base;
    this.lora_A = new nn.Parameter(randn([rank, inFeatures]).div(Math.sqrt(inFeatures)));
    this.lora_B = new nn.Parameter(zeros([outFeatures, rank]));
    this.scaling = alpha / rank;
  }

  override forward(x: Tensor): Tensor {
    const result = this.base.forward(x);
    if (this.merged) return result;
    return result.add(x.matmul(this.lora_A.t()).matmul(this.lora_B.t()).mul(this.scaling));
  }

  merge(): void {
    const { weight } = this.base;
    noGrad(() => weight.assign(weight.add(this.lora_B.matmul(this.lora_A).mul(this.scaling))));
    this.merged = true;
  }
}

export async function lora(record: ProgramRecord): Promise<void> {
  const model = record.load(new Classifier(16));
  const frozen = model.fc2.parameters()[0] as Tensor;
  const before = await frozen.data();
  const fc1 = record.load(new LoRALinear(model.fc1 as nn.Linear, 2, 8), "fc1");
  const fc2 = record.load(new LoRALinear(model.fc2 as nn.Linear, 2, 8), "fc2");
  model.fc1 = fc1;
  model.fc2 = fc2;
  const batches = twoBatches(record);

  const trainable = model.parameters().filter((parameter) => parameter.requiresGrad);
  const optimizer = new optim.AdamW(trainable, { lr: 2e-2, weightDecay: 0.01 });
  const scheduler = new optim.lr.LambdaLR(optimizer, (step) => Math.min(1, (step + 1) / 3));

  const losses: number[] = [];
  const norms: Tensor[] = [];
  const accuracies: Tensor[] = [];
  let running = zeros([]);
  for (let step = 0; step < 10; step++) {
    const { inputs, labels } = batches[step % 2] as (typeof batches)[0];
    const logits = model.forward(inputs);
    const loss = crossEntropy(logits, labels);
    optimizer.zeroGrad();
    loss.backward();
    const norm = nn.utils.clipGradNorm(trainable, 1);
    optimizer.step();
    scheduler.step();
    losses.push(await loss.item());
    norms.push(norm);
    running = running.mul(0.9).add(loss.detach().mul(0.1));
    accuracies.push(logits.argmax(1).eq(labels).to("f32").mean());
  }
  record.follows("loss", losses);
  record.follows("norms", await numbers(norms));
  await record.near("accuracies", stack(accuracies));
  await record.near("running", running);
  assert.equal(await frozen.data(), before, "the frozen weight");

  const all = record.data("x");
  const adapted = model.forward(all);
  fc1.merge();
  fc2.merge();
  // Recorded before the merging, so computed with what the weights were.
  await record.near("logits", adapted);
  await record.near("logits", model.forward(all));
  await record.near("weight", fc2.base.weight);
}
