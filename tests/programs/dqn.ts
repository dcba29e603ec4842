// DQN as in PyTorch's tutorial: a memory of transitions, a target network that follows softly, or is loaded every few steps.

import { cat, nn, noGrad, optim, smoothL1Loss, type Tensor, tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";
import { CartPole } from "./cart-pole.ts";

const BATCH_SIZE = 8;
const GAMMA = 0.99;
const EPSILON = 0.4;
const TAU = 0.05;

class QNetwork extends nn.Module {
  layer1 = new nn.Linear(4, 16);
  layer2 = new nn.Linear(16, 16);
  layer3 = new nn.Linear(16, 2);

  override forward(x: Tensor): Tensor {
    return this.layer3.forward(this.layer2.forward(this.layer1.forward(x).relu()).relu());
  }
}

interface Transition {
  state: Tensor;
  action: Tensor;
  nextState: Tensor;
  reward: Tensor;
  done: Tensor;
}

class ReplayMemory {
  readonly #memory: Transition[] = [];

  push(transition: Transition): void {
    this.#memory.push(transition);
  }

  sample(places: readonly number[]): Transition[] {
    return places.map((i) => this.#memory[i] as Transition);
  }

  get length(): number {
    return this.#memory.length;
  }
}

export async function dqn(record: ProgramRecord, update: "soft" | "hard"): Promise<void> {
  const starts = (await record.data("starts").tolist()) as number[][];
  const chances = (await record.data("chances").tolist()) as number[];
  const randomActions = (await record.data("randomActions").tolist()) as number[];
  const samples = (await record.data("samples").tolist()) as number[][];

  const policyNet = record.load(new QNetwork(), "policy");
  const targetNet = new QNetwork();
  targetNet.loadStateDict(policyNet.stateDict());
  const optimizer = new optim.AdamW(policyNet.parameters(), { lr: 5e-3, amsgrad: true });
  const memory = new ReplayMemory();
  const env = new CartPole();

  const selectAction = (state: Tensor, t: number): Tensor => {
    if ((chances[t] as number) > EPSILON) return noGrad(() => policyNet.forward(state).argmax(1).view([1, 1]));
    return tensor([[randomActions[t] as number]], { dtype: "i32" });
  };

  const losses: number[] = [];

  const optimizeModel = async (): Promise<void> => {
    if (memory.length < BATCH_SIZE) return;
    const batch = memory.sample(samples[losses.length] as number[]);
    const stateBatch = cat(batch.map(({ state }) => state));
    const actionBatch = cat(batch.map(({ action }) => action));
    const rewardBatch = cat(batch.map(({ reward }) => reward));
    const doneBatch = cat(batch.map(({ done }) => done));
    const nextStateBatch = cat(batch.map(({ nextState }) => nextState));

    const stateActionValues = policyNet.forward(stateBatch).gather(1, actionBatch);
    const nextStateValues = noGrad(() => targetNet.forward(nextStateBatch).max(1));
    const expected = nextStateValues.mul(GAMMA).mul(doneBatch.neg().add(1)).add(rewardBatch);
    const loss = smoothL1Loss(stateActionValues, expected.unsqueeze(1));

    optimizer.zeroGrad();
    loss.backward();
    nn.utils.clipGradValue(policyNet.parameters(), 0.1);
    optimizer.step();
    losses.push(await loss.item());

    if (update === "soft") {
      const policies = policyNet.parameters();
      noGrad(() => {
        for (const [i, target] of targetNet.parameters().entries()) {
          target.assign((policies[i] as Tensor).mul(TAU).add(target.mul(1 - TAU)));
        }
      });
    } else if (losses.length % 4 === 0) {
      targetNet.loadStateDict(policyNet.stateDict());
    }
  };

  const durations: number[] = [];
  const rewards: number[] = [];
  let [duration, total, episode] = [0, 0, 0];
  let state = tensor([env.reset(starts[0] as number[])]);
  for (let t = 0; t < chances.length; t++) {
    const action = selectAction(state, t);
    const { observation, reward, terminated } = env.step(await action.item());
    const nextState = tensor([observation]);
    memory.push({ state, action, nextState, reward: tensor([reward]), done: tensor([terminated ? 1 : 0]) });
    state = nextState;
    duration += 1;
    total += reward;
    await optimizeModel();
    if (terminated) {
      durations.push(duration);
      rewards.push(total);
      episode += 1;
      [duration, total] = [0, 0];
      state = tensor([env.reset(starts[episode] as number[])]);
    }
  }

  record.follows(update, losses);
  await record.near(`${update}.durations`, tensor(durations));
  await record.near(`${update}.rewards`, tensor(rewards));
  const states = record.data("states");
  const values = noGrad(() => policyNet.forward(states));
  await record.near(`${update}.values`, values);
  await record.near(`${update}.greedy`, values.argmax(1));
  await record.near(
    `${update}.targetValues`,
    noGrad(() => targetNet.forward(states)),
  );
}
