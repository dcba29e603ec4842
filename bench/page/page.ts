// The page's part. Trains its first step at once, so that the time from navigation to it can be told.
import { crossEntropy, nn, optim, tensor } from "wgrad";
import { measure } from "./steps.ts";

async function first(): Promise<number> {
  const model = new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(128, 10));
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
  const loss = crossEntropy(
    model.forward(tensor(new Float32Array(128 * 784), { shape: [128, 784] })),
    tensor(new Int32Array(128)),
  );
  loss.backward();
  optimizer.step();
  await loss.item();
  // From the start of the navigation.
  return performance.now();
}

Object.assign(globalThis, { firstStep: first(), readFirst: () => Reflect.get(globalThis, "firstStep"), measure });
