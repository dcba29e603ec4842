// The scratch memory of training steps is near the largest sum of bytes that are alive at the same time.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { crossEntropy, explain, grad, nn, type Tensor, tensor } from "../../src/index.ts";

const input = (...shape: number[]): Tensor => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });

const networks: Readonly<Record<string, () => { model: nn.Module & { forward(x: Tensor): Tensor }; x: Tensor }>> = {
  "a fully connected network": () => ({
    model: new nn.Sequential(
      new nn.Linear(784, 128),
      new nn.ReLU(),
      new nn.Linear(128, 64),
      new nn.ReLU(),
      new nn.Linear(64, 10),
    ),
    x: input(128, 784),
  }),
  "LeNet-5": () => ({
    model: new nn.Sequential(
      ...[new nn.Conv2d(1, 6, 5, { padding: 2 }), new nn.ReLU(), new nn.MaxPool2d(2)],
      ...[new nn.Conv2d(6, 16, 5), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Flatten()],
      ...[new nn.Linear(400, 120), new nn.ReLU(), new nn.Linear(120, 10)],
    ),
    x: input(16, 1, 28, 28),
  }),
  "convolutions with normalization": () => ({
    model: new nn.Sequential(
      ...[new nn.Conv2d(1, 8, 3), new nn.BatchNorm2d(8), new nn.ReLU()],
      ...[new nn.Conv2d(8, 16, 3), new nn.BatchNorm2d(16), new nn.ReLU(), new nn.MaxPool2d(2)],
      ...[new nn.Flatten(), new nn.Linear(16 * 12 * 12, 10)],
    ),
    x: input(8, 1, 28, 28),
  }),
  "a Transformer": () => ({
    model: new nn.Sequential(
      new nn.TransformerEncoder(
        new nn.TransformerEncoderLayer(32, 4, { dimFeedforward: 128, dropout: 0, batchFirst: true }),
        3,
      ),
      new nn.Flatten(),
      new nn.Linear(16 * 32, 10),
    ),
    x: input(4, 16, 32),
  }),
};

for (const [name, make] of Object.entries(networks)) {
  test(`${name}: at most a tenth more than what must be alive`, () => {
    const { model, x } = make();
    const target = tensor(new Int32Array(x.shape[0] as number));
    const loss = crossEntropy(model.forward(x), target);
    const { workspaceBytes, liveBytes } = explain(loss, ...grad(loss, model.parameters()));
    assert.ok(liveBytes > 0);
    assert.ok(workspaceBytes <= 1.1 * liveBytes, `${workspaceBytes} bytes for ${liveBytes}`);
  });
}

test.run();
