// The digit classifier: 784-128-64-10 with ReLU and dropout. A page imports this file as it is.
import { nn, type Tensor } from "wgrad";

/** Scores of the ten digits for images `[n, 1, 28, 28]`. */
export class DigitClassifier extends nn.Module {
  readonly flatten: nn.Flatten = new nn.Flatten();
  readonly fc1: nn.Linear = new nn.Linear(784, 128);
  readonly fc2: nn.Linear = new nn.Linear(128, 64);
  readonly fc3: nn.Linear = new nn.Linear(64, 10);
  readonly dropout: nn.Dropout = new nn.Dropout(0.2);

  override forward(images: Tensor): Tensor {
    const first = this.dropout.forward(this.fc1.forward(this.flatten.forward(images)).relu());
    const second = this.dropout.forward(this.fc2.forward(first).relu());
    return this.fc3.forward(second);
  }
}
