// Translation with attention, after PyTorch's tutorial "NLP from scratch": sequences are reversed.

import { bmm, cat, logSoftmax, nn, noGrad, optim, softmax, type Tensor, tanh, zeros } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

const [words, hiddenSize, maxLength, batchSize] = [8, 8, 4, 4];

class EncoderRNN extends nn.Module {
  embedding: nn.Embedding;
  gru: nn.GRU;

  constructor(inputSize: number, hiddenSize: number) {
    super();
    this.embedding = new nn.Embedding(inputSize, hiddenSize);
    this.gru = new nn.GRU(hiddenSize, hiddenSize, { batchFirst: true });
  }

  override forward(input: Tensor): [Tensor, Tensor] {
    const embedded = this.embedding.forward(input);
    return this.gru.forward(embedded);
  }
}

class BahdanauAttention extends nn.Module {
  Wa: nn.Linear;
  Ua: nn.Linear;
  Va: nn.Linear;

  constructor(hiddenSize: number) {
    super();
    this.Wa = new nn.Linear(hiddenSize, hiddenSize);
    this.Ua = new nn.Linear(hiddenSize, hiddenSize);
    this.Va = new nn.Linear(hiddenSize, 1);
  }

  override forward(query: Tensor, keys: Tensor): [Tensor, Tensor] {
    let scores = this.Va.forward(tanh(this.Wa.forward(query).add(this.Ua.forward(keys))));
    scores = scores.squeeze({ dim: 2 }).unsqueeze(1);
    const weights = softmax(scores, -1);
    const context = bmm(weights, keys);
    return [context, weights];
  }
}

class AttnDecoderRNN extends nn.Module {
  embedding: nn.Embedding;
  attention: BahdanauAttention;
  gru: nn.GRU;
  out: nn.Linear;

  constructor(hiddenSize: number, outputSize: number) {
    super();
    this.embedding = new nn.Embedding(outputSize, hiddenSize);
    this.attention = new BahdanauAttention(hiddenSize);
    this.gru = new nn.GRU(2 * hiddenSize, hiddenSize, { batchFirst: true });
    this.out = new nn.Linear(hiddenSize, outputSize);
  }

  override forward(encoderOutputs: Tensor, encoderHidden: Tensor, target: Tensor | null): [Tensor, Tensor, Tensor] {
    const [batch = 0] = encoderOutputs.shape;
    let decoderInput = zeros([batch, 1], { dtype: "i32" });
    let decoderHidden = encoderHidden;
    const decoderOutputs: Tensor[] = [];
    const attentions: Tensor[] = [];
    for (let i = 0; i < maxLength; i++) {
      const [output, hidden, weights] = this.forwardStep(decoderInput, decoderHidden, encoderOutputs);
      decoderHidden = hidden;
      decoderOutputs.push(output);
      attentions.push(weights);
      if (target !== null) {
        decoderInput = target.select(1, i).unsqueeze(1); // teacher forcing
      } else {
        const { indices } = output.topk(1);
        decoderInput = indices.squeeze({ dim: -1 }).detach(); // its own prediction
      }
    }
    const outputs = logSoftmax(cat(decoderOutputs, { dim: 1 }), -1);
    return [outputs, decoderHidden, cat(attentions, { dim: 1 })];
  }

  forwardStep(input: Tensor, hidden: Tensor, encoderOutputs: Tensor): [Tensor, Tensor, Tensor] {
    const embedded = this.embedding.forward(input);
    const query = hidden.permute([1, 0, 2]);
    const [context, weights] = this.attention.forward(query, encoderOutputs);
    const inputGru = cat([embedded, context], { dim: 2 });
    const [output, next] = this.gru.forward(inputGru, hidden);
    return [this.out.forward(output), next, weights];
  }
}

/** Every second batch is learnt with teacher forcing. */
export async function seq2seq(record: ProgramRecord): Promise<void> {
  const encoder = record.load(new EncoderRNN(words, hiddenSize), "encoder");
  const decoder = record.load(new AttnDecoderRNN(hiddenSize, words), "decoder");
  const [inputs, targets] = [record.data("input"), record.data("target")];
  const encoderOptimizer = new optim.Adam(encoder.parameters(), { lr: 1e-2 });
  const decoderOptimizer = new optim.Adam(decoder.parameters(), { lr: 1e-2 });
  const criterion = new nn.NLLLoss();
  const steps = 10;
  const losses: number[] = [];
  let totalLoss = zeros([]);

  for (let step = 0; step < steps; step++) {
    const [inputTensor, targetTensor] = [inputs.select(0, step), targets.select(0, step)];
    encoderOptimizer.zeroGrad();
    decoderOptimizer.zeroGrad();
    const [encoderOutputs, encoderHidden] = encoder.forward(inputTensor);
    const teacher = step % 2 === 0 ? targetTensor : null;
    const [decoderOutputs] = decoder.forward(encoderOutputs, encoderHidden, teacher);
    const loss = criterion.forward(decoderOutputs.view([batchSize * maxLength, words]), targetTensor.view([-1]));
    loss.backward();
    encoderOptimizer.step();
    decoderOptimizer.step();
    losses.push(Number(await loss.item()));
    totalLoss = totalLoss.add(loss.detach());
  }
  record.follows("loss", losses);
  record.follows("average", [Number(await totalLoss.div(steps).item())]);

  const [decodedWords, attentions] = noGrad(() => {
    const [encoderOutputs, encoderHidden] = encoder.forward(inputs.select(0, 0));
    const [decoderOutputs, , weights] = decoder.forward(encoderOutputs, encoderHidden, null);
    const { indices } = decoderOutputs.topk(1);
    return [indices.squeeze(), weights];
  });
  record.follows("translated", Array.from(await decodedWords.data(), Number));
  await record.near("attentions", attentions);
}
