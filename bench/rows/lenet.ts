// A training step of LeNet-5 (LeCun et al. 1998, with ReLU and max pooling) on images of 28 × 28.
import { nn } from "wgrad";
import type { Tf } from "../engines/tensorflow.ts";
import { jaxConv, jaxMaxPool } from "./jax-layers.ts";
import type { Row } from "./row.ts";
import { trainingRow } from "./training.ts";
import { conv, linear, pick } from "./weights.ts";

export const lenet: Row = trainingRow({
  name: "lenet",
  title: "LeNet-5, batch 64, Adam, full step",
  target: { ratio: 3, dispatches: 26, submits: 1, firstMs: 4000 },
  weights: [
    ...conv("0", 1, 6, 5),
    ...conv("3", 6, 16, 5),
    ...linear("7", 400, 120, { afterFlatten: [16, 5, 5] }),
    ...linear("9", 120, 84),
    ...linear("11", 84, 10),
  ],
  input: [64, 1, 28, 28],
  classes: 10,
  // A convolution: output pixels × output channels × size of its window.
  products: [28 * 28 * 6 * 25, 10 * 10 * 16 * 6 * 25, 400 * 120, 120 * 84, 84 * 10],
  wgrad: () =>
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
  tensorflow: (tf, w, x) => {
    const block = (h: Tf.Tensor4D, name: string, padding: "same" | "valid"): Tf.Tensor4D => {
      const windows = tf.conv2d(h, pick(w, `${name}.weight`) as Tf.Tensor4D, 1, padding);
      return tf.maxPool(tf.relu(tf.add(windows, pick(w, `${name}.bias`)) as Tf.Tensor4D), 2, 2, "valid");
    };
    const dense = (h: Tf.Tensor2D, name: string): Tf.Tensor2D =>
      tf.add(tf.matMul(h, pick(w, `${name}.weight`) as Tf.Tensor2D), pick(w, `${name}.bias`));
    const features = block(block(x as Tf.Tensor4D, "0", "same"), "3", "valid");
    const flat = tf.reshape(features, [64, 400]) as Tf.Tensor2D;
    return dense(tf.relu(dense(tf.relu(dense(flat, "7")), "9")), "11");
  },
  jax: (jax, w, x) => {
    const { numpy: np, nn } = jax;
    const dense = (h: typeof x, name: string): typeof x =>
      np.matmul(h, np.transpose(pick(w, `${name}.weight`))).add(pick(w, `${name}.bias`));
    let h = jaxMaxPool(jax, nn.relu(jaxConv(jax, x, w, "0", 2)));
    h = jaxMaxPool(jax, nn.relu(jaxConv(jax, h, w, "3", 0)));
    h = np.reshape(h, [64, 400]);
    return dense(nn.relu(dense(nn.relu(dense(h, "7")), "9")), "11");
  },
});
