// Quantization-aware training in 4 bits: observers of ranges, fake quantization with straight-through gradients, whole numbers in the end.

import { crossEntropy, linear, nn, noGrad, optim, type Tensor, tensor, where, zeros } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";
import { twoBatches } from "./classifier.ts";

class FakeQuantize extends nn.Module {
  min_val: Tensor;
  max_val: Tensor;
  seen: Tensor;
  readonly quantMin: number;
  readonly quantMax: number;

  constructor(quantMin: number, quantMax: number) {
    super();
    this.quantMin = quantMin;
    this.quantMax = quantMax;
    this.min_val = this.registerBuffer("min_val", zeros([]));
    this.max_val = this.registerBuffer("max_val", zeros([]));
    this.seen = this.registerBuffer("seen", zeros([]));
  }

  /** Takes the first range as it is, and lets the running one follow those after it. */
  observe(x: Tensor): void {
    noGrad(() => {
      const rate = where(this.seen.eq(0), 1, 0.1);
      this.min_val.assign(this.min_val.add(rate.mul(x.amin().sub(this.min_val))));
      this.max_val.assign(this.max_val.add(rate.mul(x.amax().sub(this.max_val))));
      this.seen.assign(this.seen.add(1));
    });
  }

  calculateQParams(): { scale: Tensor; zeroPoint: Tensor } {
    const { quantMin, quantMax } = this;
    const low = this.min_val.clamp({ max: 0 });
    const high = this.max_val.clamp({ min: 0 });
    const scale = high.sub(low).div(quantMax - quantMin);
    const zeroPoint = low.div(scale).neg().add(quantMin).round().clamp({ min: quantMin, max: quantMax });
    return { scale, zeroPoint };
  }

  quantize(x: Tensor): { whole: Tensor; clamped: Tensor } {
    const { scale, zeroPoint } = this.calculateQParams();
    const whole = x.div(scale).round().add(zeroPoint);
    return { whole, clamped: whole.clamp({ min: this.quantMin, max: this.quantMax }) };
  }

  override forward(x: Tensor): Tensor {
    if (this.training) this.observe(x);
    const { scale, zeroPoint } = this.calculateQParams();
    const { whole, clamped } = this.quantize(x);
    const dequantized = clamped.sub(zeroPoint).mul(scale);
    const inside = whole.ge(this.quantMin).logicalAnd(whole.le(this.quantMax));
    const passed = where(inside, x, x.detach());
    return passed.add(dequantized.sub(passed).detach());
  }
}

class QATLinear extends nn.Linear {
  weight_fake_quant = new FakeQuantize(-8, 7);
  activation_fake_quant = new FakeQuantize(0, 15);

  override forward(x: Tensor): Tensor {
    const { weight, bias } = this;
    return linear(this.activation_fake_quant.forward(x), this.weight_fake_quant.forward(weight), { bias });
  }
}

class QATNet extends nn.Module {
  fc1 = new QATLinear(8, 12);
  fc2 = new QATLinear(12, 4);

  override forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x).relu());
  }
}

export async function qat(record: ProgramRecord): Promise<void> {
  const batches = twoBatches(record);
  const model = record.load(new QATNet());
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });

  const losses: number[] = [];
  const averages: number[] = [];
  let [total, correct, count] = [0, 0, 0];
  for (let step = 0; step < 10; step++) {
    const { inputs, labels } = batches[step % 2] as (typeof batches)[0];
    const output = model.forward(inputs);
    const loss = crossEntropy(output, labels);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(await loss.item());
    total += (await loss.item()) * labels.numel;
    correct += await output.argmax(1).eq(labels).sum().item();
    count += labels.numel;
    averages.push(total / count);
  }
  record.follows("loss", losses);
  record.follows("averages", averages);
  await record.near("accuracy", tensor(correct / count));

  model.eval();
  await record.near(
    "logits",
    noGrad(() => model.forward(record.data("x"))),
  );
  const { weight, weight_fake_quant: fakeQuant } = model.fc1;
  await record.near("scale", fakeQuant.calculateQParams().scale);
  await record.near("whole", noGrad(() => fakeQuant.quantize(weight)).clamped.to("i32"));
}
