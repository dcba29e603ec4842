// Reinforcement learning as PyTorch's tutorials write it, next to PyTorch: DQN and actor-critic.

import { suite } from "uvu";
import { loadProgram } from "../support/programs.ts";
import { actorCritic } from "./actor-critic.ts";
import { dqn } from "./dqn.ts";

const programs = suite("programs of reinforcement learning");

programs("DQN, target network by a soft update", () => dqn(loadProgram("dqn"), "soft"));
programs("DQN, target network by loadStateDict", () => dqn(loadProgram("dqn"), "hard"));
programs("actor-critic", () => actorCritic(loadProgram("actor-critic")));

programs.run();
