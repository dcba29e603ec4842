// A perceptron of three layers, which several programs train.

import { nn, type Tensor } from "../../src/index.ts";
import type { ProgramRecord } from "../support/programs.ts";

/** A module of one tensor. */
export type Layer = nn.Module & { forward(x: Tensor): Tensor };

export class Classifier extends nn.Module {
  fc1: Layer;
  fc2: Layer;
  fc3: Layer;

  constructor(hidden: number) {
    super();
    this.fc1 = new nn.Linear(8, hidden);
    this.fc2 = new nn.Linear(hidden, hidden);
    this.fc3 = new nn.Linear(hidden, 4);
  }

  override forward(x: Tensor): Tensor {
    return this.fc3.forward(this.fc2.forward(this.fc1.forward(x).relu()).relu());
  }
}

/** The examples of a program in two batches of 16. */
export function twoBatches(record: ProgramRecord): { inputs: Tensor; labels: Tensor }[] {
  const [x, y] = [record.data("x"), record.data("y")];
  return [0, 16].map((start) => ({ inputs: x.narrow(0, start, 16), labels: y.narrow(0, start, 16) }));
}
