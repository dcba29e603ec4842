// A training step of LeNet-5 (LeCun et al. 1998, with ReLU and max pooling) on images of 28 × 28.
import { nn } from "wgrad";
import type { Row } from "./row.ts";
import { trainingRow } from "./training.ts";

export const lenet: Row = trainingRow({
  name: "lenet",
  title: "LeNet-5 step, batch 64",
  model: () =>
    new nn.Sequential(
      new nn.Conv2d(1, 6, 5, { padding: 2 }),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(6, 16, 5),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(400, 120),
      new nn.ReLU(),
      new nn.Linear(120, 84),
      new nn.ReLU(),
      new nn.Linear(84, 10),
    ),
  input: [64, 1, 28, 28],
  classes: 10,
  // A convolution: output pixels × output channels × size of its window.
  products: [28 * 28 * 6 * 25, 10 * 10 * 16 * 6 * 25, 400 * 120, 120 * 84, 84 * 10],
});
