// A GPT on characters, after karpathy/nanoGPT, with a cache of keys and values for generation.

import {
  arange,
  cat,
  crossEntropy,
  gelu,
  manualSeed,
  multinomial,
  nn,
  noGrad,
  optim,
  scaledDotProductAttention,
  stack,
  type Tensor,
  tensor,
} from "../../src/index.ts";
import { numbers, type ProgramRecord } from "../support/programs.ts";

const characters = " .abcdefghijklmnopqrstuvwxyz";
const config = { vocabSize: characters.length, blockSize: 16, nLayer: 2, nHead: 2, nEmbd: 16 };
type Config = typeof config;
type Cache = [Tensor, Tensor];

class CausalSelfAttention extends nn.Module {
  c_attn: nn.Linear;
  c_proj: nn.Linear;
  nHead: number;

  constructor(config: Config) {
    super();
    this.c_attn = new nn.Linear(config.nEmbd, 3 * config.nEmbd);
    this.c_proj = new nn.Linear(config.nEmbd, config.nEmbd);
    this.nHead = config.nHead;
  }

  override forward(x: Tensor, past: Cache | null = null): [Tensor, Cache] {
    const [B = 0, T = 0, C = 0] = x.shape;
    let [q, k, v] = this.c_attn
      .forward(x)
      .split(C, { dim: 2 })
      .map((part) => part.view([B, T, this.nHead, C / this.nHead]).transpose(1, 2)) as [Tensor, Tensor, Tensor];
    if (past !== null) {
      k = cat([past[0], k], { dim: 2 });
      v = cat([past[1], v], { dim: 2 });
    }
    const y = scaledDotProductAttention(q, k, v, { isCausal: past === null });
    return [this.c_proj.forward(y.transpose(1, 2).reshape([B, T, C])), [k, v]];
  }
}

class MLP extends nn.Module {
  c_fc: nn.Linear;
  c_proj: nn.Linear;

  constructor(config: Config) {
    super();
    this.c_fc = new nn.Linear(config.nEmbd, 4 * config.nEmbd);
    this.c_proj = new nn.Linear(4 * config.nEmbd, config.nEmbd);
  }

  override forward(x: Tensor): Tensor {
    return this.c_proj.forward(gelu(this.c_fc.forward(x)));
  }
}

class Block extends nn.Module {
  ln_1: nn.LayerNorm;
  attn: CausalSelfAttention;
  ln_2: nn.LayerNorm;
  mlp: MLP;

  constructor(config: Config) {
    super();
    this.ln_1 = new nn.LayerNorm(config.nEmbd);
    this.attn = new CausalSelfAttention(config);
    this.ln_2 = new nn.LayerNorm(config.nEmbd);
    this.mlp = new MLP(config);
  }

  override forward(input: Tensor, past: Cache | null = null): [Tensor, Cache] {
    const [y, present] = this.attn.forward(this.ln_1.forward(input), past);
    const x = input.add(y);
    return [x.add(this.mlp.forward(this.ln_2.forward(x))), present];
  }
}

class Transformer extends nn.Module {
  wte = new nn.Embedding(config.vocabSize, config.nEmbd);
  wpe = new nn.Embedding(config.blockSize, config.nEmbd);
  h = new nn.ModuleList(Array.from({ length: config.nLayer }, () => new Block(config)));
  ln_f = new nn.LayerNorm(config.nEmbd);
}

class GPT extends nn.Module {
  transformer = new Transformer();
  lm_head = new nn.Linear(config.nEmbd, config.vocabSize, { bias: false });

  constructor() {
    super();
    this.transformer.wte.weight = this.lm_head.weight;
    this.apply((module) => this.initWeights(module));
    for (const [name, p] of this.namedParameters()) {
      if (name.endsWith("c_proj.weight")) nn.init.normal(p, { mean: 0, std: 0.02 / Math.sqrt(2 * config.nLayer) });
    }
  }

  initWeights(module: nn.Module): void {
    if (module instanceof nn.Linear) {
      nn.init.normal(module.weight, { mean: 0, std: 0.02 });
      if (module.bias !== null) nn.init.zeros(module.bias);
    } else if (module instanceof nn.Embedding) {
      nn.init.normal(module.weight, { mean: 0, std: 0.02 });
    }
  }

  /** Logits of all places and the loss; with the cache of what came before also the one of what comes next. */
  override forward(
    idx: Tensor,
    { targets, past }: { targets?: Tensor; past?: Cache[] } = {},
  ): { logits: Tensor; loss: Tensor | null; presents: Cache[] } {
    const [, T = 0] = idx.shape;
    const start = past?.[0]?.[0].shape[2] ?? 0;
    const pos = arange(start, start + T);
    let x = this.transformer.wte.forward(idx).add(this.transformer.wpe.forward(pos));
    const presents: Cache[] = [];
    for (const [i, block] of [...this.transformer.h].entries()) {
      const [y, present] = block.forward(x, past?.[i] ?? null);
      presents.push(present);
      x = y;
    }
    const logits = this.lm_head.forward(this.transformer.ln_f.forward(x));
    const loss = targets === undefined ? null : crossEntropy(logits.view([-1, config.vocabSize]), targets.view([-1]));
    return { logits, loss, presents };
  }

  configureOptimizers(weightDecay: number, lr: number, betas: [number, number]): optim.AdamW {
    const decay = this.parameters().filter((p) => p.ndim >= 2);
    const noDecay = this.parameters().filter((p) => p.ndim < 2);
    const groups = [
      { params: decay, weightDecay },
      { params: noDecay, weightDecay: 0 },
    ];
    return new optim.AdamW(groups, { lr, betas });
  }

  /** Continues a text, by the likeliest character or by drawing one; with a cache only the newest one is computed. */
  generate(start: Tensor, maxNewTokens: number, { cached, draw }: { cached: boolean; draw: boolean }): Tensor {
    return noGrad(() => {
      let idx = start;
      let input = start;
      let past: Cache[] | undefined;
      for (let i = 0; i < maxNewTokens; i++) {
        const { logits, presents } = this.forward(input, past === undefined ? {} : { past });
        const last = logits.select(1, -1);
        const next = draw ? multinomial(last.softmax(-1), 1) : last.argmax(-1, true);
        idx = cat([idx, next], { dim: 1 });
        if (cached) past = presents;
        input = cached ? next : idx;
      }
      return idx;
    });
  }
}

function decode(tokens: ArrayLike<number>): string {
  return Array.from(tokens, (token) => characters[token]).join("");
}

/** Trains with two micro-batches a step, and generates text. Returns the texts with and without the cache. */
export async function nanoGpt(record: ProgramRecord): Promise<{ greedy: string[]; drawn: string[] }> {
  const [blockSize, steps, warmup, accumulation] = [8, 10, 3, 2];
  const text = Int32Array.from(await record.data("tokens").data());
  const starts = (await record.data("starts").tolist()) as number[][];
  let drawn = 0;
  const getBatch = (ix = starts[drawn++] ?? []): [Tensor, Tensor] => {
    const x = stack(ix.map((i) => tensor(text.subarray(i, i + blockSize))));
    const y = stack(ix.map((i) => tensor(text.subarray(i + 1, i + 1 + blockSize))));
    return [x, y];
  };
  const [maxLr, minLr] = [1e-2, 1e-3];
  const getLr = (it: number): number => {
    if (it < warmup) return (maxLr * (it + 1)) / (warmup + 1);
    const coefficient = 0.5 * (1 + Math.cos((Math.PI * (it - warmup)) / (steps - warmup)));
    return minLr + coefficient * (maxLr - minLr);
  };
  const model = record.load(new GPT());
  const optimizer = model.configureOptimizers(0.1, maxLr, [0.9, 0.95]);
  const estimateLoss = async (): Promise<number[]> => {
    model.eval();
    const losses: number[] = [];
    for (const ix of starts.slice(-2)) {
      const [x, targets] = getBatch(ix);
      const { loss } = noGrad(() => model.forward(x, { targets }));
      losses.push(Number(await loss?.item()));
    }
    model.train();
    return losses;
  };

  const losses: number[] = [];
  const norms: Tensor[] = [];
  let evaluated: number[] = [];
  let [x, targets] = getBatch();
  for (let it = 0; it < steps; it++) {
    for (const group of optimizer.paramGroups) group.lr = getLr(it);
    if (it === 5) evaluated = await estimateLoss();
    let loss: Tensor | null = null;
    for (let micro = 0; micro < accumulation; micro++) {
      loss = (model.forward(x, { targets }).loss as Tensor).div(accumulation);
      [x, targets] = getBatch();
      loss.backward();
    }
    norms.push(nn.utils.clipGradNorm(model.parameters(), 1));
    optimizer.step();
    optimizer.zeroGrad();
    losses.push(Number(await loss?.item()) * accumulation);
  }
  record.follows("loss", losses);
  record.follows("evaluated", evaluated);

  model.eval();
  const context = tensor(text.subarray(0, 5)).unsqueeze(0);
  const greedy: string[] = [];
  const random: string[] = [];
  for (const cached of [true, false]) {
    const tokens = await model.generate(context, 4, { cached, draw: false }).data();
    record.follows("generated", Array.from(tokens, Number));
    greedy.push(decode(tokens as Int32Array));
    manualSeed(7);
    random.push(decode((await model.generate(context, 4, { cached, draw: true }).data()) as Int32Array));
  }
  record.follows("norm", await numbers(norms));
  return { greedy, drawn: random };
}
