// Actor-critic as in PyTorch's examples: an action is read at each step of an episode, and the loss goes back through all of them.

import { nn, noGrad, optim, smoothL1Loss, stack, type Tensor, tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";
import { CartPole } from "./cart-pole.ts";

const GAMMA = 0.99;

class Policy extends nn.Module {
  affine1 = new nn.Linear(4, 16);
  action_head = new nn.Linear(16, 2);
  value_head = new nn.Linear(16, 1);

  override forward(x: Tensor): [Tensor, Tensor] {
    const hidden = this.affine1.forward(x).relu();
    return [this.action_head.forward(hidden).softmax(-1), this.value_head.forward(hidden)];
  }
}

export async function actorCritic(record: ProgramRecord): Promise<void> {
  const starts = record.data("starts");
  const chances = (await record.data("chances").tolist()) as number[][];
  const model = record.load(new Policy());
  const optimizer = new optim.Adam(model.parameters(), { lr: 3e-2 });
  const env = new CartPole();

  let savedActions: { logProb: Tensor; value: Tensor }[] = [];
  let rewards: number[] = [];

  const selectAction = async (state: readonly number[], chance: number): Promise<number> => {
    const [probs, value] = model.forward(tensor(state));
    const action = probs.detach().cumsum(0).lt(chance).sum().clamp({ max: 1 });
    savedActions.push({ logProb: probs.log().gather(0, action.view([1])), value });
    return action.item();
  };

  const finishEpisode = async (): Promise<number> => {
    const list: number[] = [];
    let R = 0;
    for (const r of rewards.toReversed()) {
      R = r + GAMMA * R;
      list.unshift(R);
    }
    let returns = tensor(list);
    returns = returns.sub(returns.mean()).div(returns.std().add(1e-3));
    const policyLosses: Tensor[] = [];
    const valueLosses: Tensor[] = [];
    for (const [i, { logProb, value }] of savedActions.entries()) {
      const advantage = returns.select(0, i).sub(await value.item());
      policyLosses.push(logProb.neg().mul(advantage));
      valueLosses.push(smoothL1Loss(value, returns.select(0, i).view([1])));
    }
    optimizer.zeroGrad();
    const loss = stack(policyLosses).sum().add(stack(valueLosses).sum());
    loss.backward();
    optimizer.step();
    rewards = [];
    savedActions = [];
    return loss.item();
  };

  const losses: number[] = [];
  const actions: number[] = [];
  const runningRewards: number[] = [];
  let runningReward = 1;
  for (const [episode, start] of ((await starts.tolist()) as number[][]).entries()) {
    let state = env.reset(start);
    let episodeReward = 0;
    for (const chance of chances[episode] ?? []) {
      const action = await selectAction(state, chance);
      const { observation, reward } = env.step(action);
      const shaped = reward - 2 * Math.abs(observation[0] ?? 0);
      actions.push(action);
      rewards.push(shaped);
      episodeReward += shaped;
      state = observation;
    }
    runningReward = 0.05 * episodeReward + (1 - 0.05) * runningReward;
    runningRewards.push(runningReward);
    losses.push(await finishEpisode());
  }

  record.follows("loss", losses);
  await record.near("actions", tensor(actions));
  await record.near("runningRewards", tensor(runningRewards));
  const [probs, values] = noGrad(() => model.forward(starts));
  await record.near("probs", probs);
  await record.near("values", values);
}
