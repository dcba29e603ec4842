// Fully connected networks: the digit classifier 784-128-64-10, and a wide and deep one.
import { nn } from "wgrad";
import type { Tf } from "../engines/tensorflow.ts";
import type { Row, Target } from "./row.ts";
import { trainingRow } from "./training.ts";
import { linear, pick } from "./weights.ts";

export const mlp: Row = mlpRow("mlp", "MLP 784-128-64-10, batch 128, Adam, full step", [784, 128, 64, 10], 128, {
  ratio: 3,
  dispatches: 14,
  submits: 1,
  firstMs: 2000,
});

export const wideMlp: Row = mlpRow(
  "mlp-wide",
  "MLP 512-512-512-512-512-16, batch 256, Adam, full step",
  [512, 512, 512, 512, 512, 16],
  256,
  null,
);

/** A training step of a classifier with these layer sizes and ReLU between them. */
export function mlpRow(
  name: string,
  title: string,
  sizes: readonly [number, number, ...number[]],
  batch: number,
  target: Target | null,
): Row {
  const layers = sizes.slice(1).map((outputs, i) => ({ name: `${2 * i}`, inputs: sizes[i] as number, outputs }));
  const last = layers.length - 1;
  const products = layers.map(({ inputs, outputs }) => inputs * outputs) as [number, ...number[]];
  return trainingRow({
    name,
    title,
    target,
    weights: layers.flatMap((layer) => linear(layer.name, layer.inputs, layer.outputs)),
    input: [batch, sizes[0]],
    classes: sizes.at(-1) as number,
    products,
    wgrad: () =>
      new nn.Sequential(
        ...layers.flatMap(({ inputs, outputs }, i) => [
          new nn.Linear(inputs, outputs),
          ...(i < last ? [new nn.ReLU()] : []),
        ]),
      ),
    tensorflow: (tf, w, x) => {
      let h = x as Tf.Tensor2D;
      layers.forEach(({ name }, i) => {
        h = tf.add(tf.matMul(h, pick(w, `${name}.weight`) as Tf.Tensor2D), pick(w, `${name}.bias`) as Tf.Tensor1D);
        if (i < last) h = tf.relu(h);
      });
      return h;
    },
    jax: ({ numpy: np, nn }, w, x) => {
      let h = x;
      layers.forEach(({ name }, i) => {
        h = np.matmul(h, np.transpose(pick(w, `${name}.weight`))).add(pick(w, `${name}.bias`));
        if (i < last) h = nn.relu(h);
      });
      return h;
    },
  });
}
