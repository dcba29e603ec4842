// An optimizer's own dispatches don't grow with the number of parameters.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { init, nn, optim, realize, synchronize, type Tensor, tensor } from "../../src/index.ts";

const device = await init();

/** Dispatches of a step, and of the same loss and gradients alone. */
async function dispatches(parameters: number): Promise<{ step: number; gradients: number }> {
  const model = new nn.Sequential(...Array.from({ length: parameters / 2 }, () => new nn.Linear(4, 4)));
  assert.is(model.parameters().length, parameters);
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const x = tensor(
    Float32Array.from({ length: 12 }, (_, i) => i / 12),
    { shape: [3, 4] },
  );
  await realize(x, ...model.parameters());
  const loss = (): Tensor => {
    optimizer.zeroGrad();
    const value = model.forward(x).square().sum();
    value.backward();
    return value;
  };
  const count = async (run: () => unknown): Promise<number> => {
    const before = device.stats().dispatches;
    await run();
    await synchronize(0);
    return device.stats().dispatches - before;
  };
  const gradients = await count(() => {
    const value = loss();
    return realize(value, ...model.parameters().map(({ grad }) => grad as Tensor));
  });
  const step = await count(() => {
    loss();
    optimizer.step();
  });
  return { step, gradients };
}

test("Adam adds one dispatch to those of the gradients, for 10 parameters and for 1,000", async () => {
  for (const parameters of [10, 1000]) {
    const { step, gradients } = await dispatches(parameters);
    assert.ok(
      step <= gradients + 1,
      `${parameters} parameters: ${step} dispatches, ${gradients} without the optimizer`,
    );
  }
});

test.run();
