// A training that goes on from a checkpoint is the one that was never interrupted, bit for bit, random numbers included.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromCheckpoint, toCheckpoint } from "../../src/io/index.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import {
  add,
  compile,
  crossEntropy,
  getRngState,
  manualSeed,
  mul,
  type RngState,
  rand,
  randint,
  randn,
  setRngState,
  type Tensor,
} from "../../src/tensor.ts";

interface Training {
  readonly model: nn.Module;
  readonly optimizer: optim.Optimizer;
  /** Trains for some steps and returns their losses. */
  readonly run: (steps: number) => Promise<number[]>;
}

/** Dropout and noise on the inputs; data that the generator makes as well. */
function start(compiled: boolean): Training {
  manualSeed(5);
  const x = randn([32, 12]);
  const y = randint(0, 4, [32]);
  const model = new nn.Sequential(new nn.Linear(12, 24), new nn.ReLU(), new nn.Dropout(0.4), new nn.Linear(24, 4));
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.02 });
  const plain = (): Tensor => {
    optimizer.zeroGrad();
    const loss = crossEntropy(model.forward(add(x, mul(randn([32, 12]), 0.1))) as Tensor, y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = compiled ? compile(plain) : plain;
  const run = async (steps: number): Promise<number[]> => {
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) losses.push(await step().item());
    return losses;
  };
  return { model, optimizer, run };
}

async function parameters({ model }: Training): Promise<number[][]> {
  return Promise.all(model.parameters().map(async (parameter) => [...(await parameter.data())]));
}

for (const compiled of [false, true]) {
  test(`${compiled ? "compiled" : "plain"} steps with dropout: 10 and 10 after loading are 20`, async () => {
    const whole = start(compiled);
    const losses = await whole.run(20);
    const expected = await parameters(whole);

    const first = start(compiled);
    assert.equal(await first.run(10), losses.slice(0, 10));
    const bytes = await toCheckpoint({ model: first.model, optimizer: first.optimizer, rng: getRngState() });

    const second = start(compiled);
    const resume = async (): Promise<number[]> => {
      const content = await fromCheckpoint<{ model: never; optimizer: never; rng: RngState }>(bytes);
      second.model.loadStateDict(content.model);
      second.optimizer.loadStateDict(content.optimizer);
      manualSeed(99);
      await rand([3]).data();
      setRngState(content.rng);
      return second.run(10);
    };
    // Twice: the second time from replays that are under way.
    for (let time = 0; time < 2; time++) {
      assert.equal(await resume(), losses.slice(10));
      assert.equal(await parameters(second), expected);
    }
    manualSeed(0);
  });
}

test.run();
