// Old values that are made again from values on their way to the host.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { nn, noGrad, optim, type Tensor, tensor } from "../../src/index.ts";

test("an old value whose making reads what is on its way to the host waits for it", async () => {
  const numbers = (seed: number, n: number): number[] =>
    Array.from({ length: n }, (_, i) => Math.round(100 * Math.sin(13 * (seed + i))) / 100);
  const matrix = (seed: number, rows: number): Tensor => tensor(numbers(seed, 3 * rows), { shape: [rows, 3] });
  const run = async (): Promise<number[]> => {
    const net = new nn.Sequential(new nn.Linear(3, 3), new nn.Tanh(), new nn.Linear(3, 3));
    const parameters = [...net.parameters()];
    noGrad(() => {
      parameters.forEach((x, i) => void x.assign(tensor(numbers(46 + i, x.numel), { shape: x.shape })));
    });
    const [, bias, weight, last] = parameters as [Tensor, Tensor, Tensor, Tensor];
    const optimizer = new optim.SGD(parameters, { lr: 0.1 });
    const first = net.forward(matrix(226, 4));
    const sum = tensor(numbers(11, 3));
    const gradients: Tensor[] = [];
    for (let i = 0; i < 3; i++) {
      optimizer.zeroGrad();
      net.forward(first).square().mean().backward();
      optimizer.step();
      sum.assign(sum.sub(last.grad as Tensor));
      optimizer.step();
      noGrad(() => weight.assign(weight.add(sum).tanh()));
      gradients.push((weight.grad as Tensor).mul(2));
    }
    noGrad(() => weight.assign(weight.add(gradients[1] as Tensor)));
    return [...(await (bias.grad as Tensor).data())];
  };
  // The first time, jobs wait for their shaders; afterwards they run at once.
  const expected = await run();
  for (let i = 0; i < 2; i++) {
    const found = await run();
    found.forEach((x, k) => {
      assert.ok(Math.abs(x - (expected[k] as number)) <= 1e-5, `${found} is not ${expected}`);
    });
  }
});

test.run();
