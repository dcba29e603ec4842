// A training step of the digit classifier 784-128-64-10 with dropout 0.2.
import { nn } from "wgrad";
import type { Row } from "./row.ts";
import { trainingRow } from "./training.ts";

export const mlp: Row = trainingRow({
  name: "mlp",
  title: "MLP step, batch 128",
  model: () =>
    new nn.Sequential(
      new nn.Linear(784, 128),
      new nn.ReLU(),
      new nn.Dropout(0.2),
      new nn.Linear(128, 64),
      new nn.ReLU(),
      new nn.Dropout(0.2),
      new nn.Linear(64, 10),
    ),
  input: [128, 784],
  classes: 10,
  products: [784 * 128, 128 * 64, 64 * 10],
});
