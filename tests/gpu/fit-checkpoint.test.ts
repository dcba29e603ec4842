// fit and the files that it saves.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type FitOptions, fit } from "../../src/fit.ts";
import * as nn from "../../src/nn/index.ts";
import { checkpointTo, loadCheckpoint } from "../../src/node.ts";
import * as optim from "../../src/optim/index.ts";
import { getRngState, mseLoss, type RngState, type Tensor, tensor } from "../../src/tensor.ts";

/** A model y = w·x whose loss is easy to follow by hand. */
class Line extends nn.Module {
  w: Tensor = tensor([0], { requiresGrad: true });
  override forward(x: Tensor): Tensor {
    return x.mul(this.w);
  }
}
const pair = (): Tensor => tensor([1, 1]);

/** Options whose validation metric takes the given values, epoch by epoch. */
const scripted = (model: Line, values: number[], more: Partial<FitOptions>): FitOptions => {
  let epoch = 0;
  return {
    train: [[pair(), pair()]],
    validation: [[pair(), pair()]],
    loss: mseLoss,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.25 }),
    epochs: values.length,
    metrics: { score: () => values[epoch++] ?? 0 },
    ...more,
  };
};

test("checkpoints are saved every epoch, or when the model is best", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wgrad-fit-"));
  try {
    const model = new Line();
    const [last, best] = [join(folder, "last"), join(folder, "best")];
    const saveLast = checkpointTo(last);
    const saveBest = checkpointTo(best, { onlyBest: true });
    const options = scripted(model, [2, 1, 3, 2.5], {
      earlyStopping: { patience: 9, monitor: "score" },
      checkpoint: async (state) => {
        await saveLast(state);
        await saveBest(state);
      },
    });
    await fit(model, options);
    type Saved = { epoch: number; rng: RngState; history: { metrics: { score: number } }[]; model: { w: Tensor } };
    const saved = await loadCheckpoint<Saved>(last);
    assert.equal([saved.epoch, saved.history.map(({ metrics: { score } }) => score)], [3, [2, 1, 3, 2.5]]);
    assert.equal(await saved.model.w.tolist(), [1 - 0.5 ** 4]);
    assert.equal(saved.rng, getRngState());
    const restored = new Line();
    const optimizer = new optim.SGD(restored.parameters(), { lr: 1 });
    assert.is((await loadCheckpoint<Saved>(best, { model: restored, optimizer })).epoch, 2);
    assert.equal(await restored.w.tolist(), [1 - 0.5 ** 3]);
    assert.is(optimizer.paramGroups[0]?.lr, 0.25);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
