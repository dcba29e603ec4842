// Convolutional networks with batch normalization: two layers as in PyTorch's MNIST example, and a deeper residual one.
import { nn, type Tensor } from "wgrad";
import type { Jax, JaxArray } from "../engines/jax.ts";
import type { TensorFlow, Tf } from "../engines/tensorflow.ts";
import { jaxBatchNorm, jaxConv, jaxMaxPool } from "./jax-layers.ts";
import type { Row } from "./row.ts";
import { trainingRow } from "./training.ts";
import { conv, linear, norm, pick, type Weight } from "./weights.ts";

/** Convolutions of 3 × 3 windows to 32 and 64 channels, normalized, on images of 28 × 28. */
export const convNet: Row = trainingRow({
  name: "conv-bn",
  title: "conv 32-64 3×3 with BatchNorm, batch 32, Adam, full step",
  target: { ratio: 3 },
  weights: [
    ...conv("0", 1, 32, 3),
    ...norm("1", 32),
    ...conv("3", 32, 64, 3),
    ...norm("4", 64),
    ...linear("8", 64 * 12 * 12, 10, { afterFlatten: [64, 12, 12] }),
  ],
  input: [32, 1, 28, 28],
  classes: 10,
  products: [26 * 26 * 32 * 9, 24 * 24 * 64 * 32 * 9, 64 * 12 * 12 * 10],
  wgrad: () =>
    new nn.Sequential(
      new nn.Conv2d(1, 32, 3),
      new nn.BatchNorm2d(32),
      new nn.ReLU(),
      new nn.Conv2d(32, 64, 3),
      new nn.BatchNorm2d(64),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(64 * 12 * 12, 10),
    ),
  tensorflow: (tf, w, x) => {
    let h = tf.relu(tensorflowNorm(tf, w, "1", tensorflowConv(tf, w, "0", x as Tf.Tensor4D, "valid")));
    h = tf.relu(tensorflowNorm(tf, w, "4", tensorflowConv(tf, w, "3", h, "valid")));
    const flat = tf.reshape(tf.maxPool(h, 2, 2, "valid"), [32, 64 * 12 * 12]) as Tf.Tensor2D;
    return tf.add(tf.matMul(flat, pick(w, "8.weight") as Tf.Tensor2D), pick(w, "8.bias"));
  },
  jax: (jax, w, x) => {
    const { numpy: np, nn } = jax;
    let h = nn.relu(jaxBatchNorm(jax, jaxConv(jax, x, w, "0", 0), w, "1"));
    h = nn.relu(jaxBatchNorm(jax, jaxConv(jax, h, w, "3", 0), w, "4"));
    const flat = np.reshape(jaxMaxPool(jax, h), [32, 64 * 12 * 12]);
    return np.matmul(flat, np.transpose(pick(w, "8.weight"))).add(pick(w, "8.bias"));
  },
});

const [residualBatch, residualChannels, blocks] = [16, 16, 3];
const blockNames = Array.from({ length: blocks }, (_, i) => `blocks.${i}`);

/** Three residual blocks of two convolutions each (He et al. 2016) at 16 channels, pooled to a class. */
export const residualNet: Row = trainingRow({
  name: "resnet",
  title: "residual net: 7 convolutions of 16 channels with BatchNorm, batch 16, Adam, full step",
  target: null,
  weights: [
    ...conv("stem", 3, residualChannels, 3),
    ...norm("norm", residualChannels),
    ...blockNames.flatMap((name) => [
      ...conv(`${name}.conv1`, residualChannels, residualChannels, 3),
      ...norm(`${name}.norm1`, residualChannels),
      ...conv(`${name}.conv2`, residualChannels, residualChannels, 3),
      ...norm(`${name}.norm2`, residualChannels),
    ]),
    ...linear("head", residualChannels, 10),
  ] satisfies Weight[],
  input: [residualBatch, 3, 16, 16],
  classes: 10,
  products: [
    16 * 16 * 16 * 3 * 9,
    ...blockNames.flatMap(() => [16 * 16 * 16 * 16 * 9, 16 * 16 * 16 * 16 * 9]),
    residualChannels * 10,
  ],
  wgrad: () => new ResidualNet(),
  tensorflow: (tf, w, x) => {
    const unit = (h: Tf.Tensor4D, conv: string, norm: string): Tf.Tensor4D =>
      tensorflowNorm(tf, w, norm, tensorflowConv(tf, w, conv, h, "same"));
    let h = tf.relu(unit(x as Tf.Tensor4D, "stem", "norm"));
    for (const name of blockNames) {
      const inner = tf.relu(unit(h, `${name}.conv1`, `${name}.norm1`));
      h = tf.relu(tf.add(h, unit(inner, `${name}.conv2`, `${name}.norm2`)));
    }
    const pooled = tf.mean(h, [1, 2]) as Tf.Tensor2D;
    return tf.add(tf.matMul(pooled, pick(w, "head.weight") as Tf.Tensor2D), pick(w, "head.bias"));
  },
  jax: (jax, w, x) => jaxResidualNet(jax, w, x),
});

class ResidualBlock extends nn.Module {
  conv1: nn.Conv2d = new nn.Conv2d(residualChannels, residualChannels, 3, { padding: 1 });
  norm1: nn.BatchNorm2d = new nn.BatchNorm2d(residualChannels);
  conv2: nn.Conv2d = new nn.Conv2d(residualChannels, residualChannels, 3, { padding: 1 });
  norm2: nn.BatchNorm2d = new nn.BatchNorm2d(residualChannels);

  override forward(x: Tensor): Tensor {
    const inner = this.norm1.forward(this.conv1.forward(x)).relu();
    return x.add(this.norm2.forward(this.conv2.forward(inner))).relu();
  }
}

class ResidualNet extends nn.Module {
  stem: nn.Conv2d = new nn.Conv2d(3, residualChannels, 3, { padding: 1 });
  norm: nn.BatchNorm2d = new nn.BatchNorm2d(residualChannels);
  blocks: nn.Sequential = new nn.Sequential(...blockNames.map(() => new ResidualBlock()));
  head: nn.Linear = new nn.Linear(residualChannels, 10);

  override forward(x: Tensor): Tensor {
    const features = this.blocks.forward(this.norm.forward(this.stem.forward(x)).relu());
    return this.head.forward(features.mean([2, 3]));
  }
}

function jaxResidualNet(jax: Jax, w: Record<string, JaxArray>, x: JaxArray): JaxArray {
  const { numpy: np, nn } = jax;
  const unit = (h: JaxArray, conv: string, norm: string): JaxArray =>
    jaxBatchNorm(jax, jaxConv(jax, h, w, conv, 1), w, norm);
  let h = nn.relu(unit(x, "stem", "norm"));
  for (const name of blockNames) {
    const inner = nn.relu(unit(h.ref, `${name}.conv1`, `${name}.norm1`));
    h = nn.relu(h.add(unit(inner, `${name}.conv2`, `${name}.norm2`)));
  }
  return np.matmul(np.mean(h, [2, 3]), np.transpose(pick(w, "head.weight"))).add(pick(w, "head.bias"));
}

function tensorflowConv(
  tf: TensorFlow,
  w: Record<string, Tf.Tensor>,
  name: string,
  x: Tf.Tensor4D,
  padding: "same" | "valid",
): Tf.Tensor4D {
  return tf.add(tf.conv2d(x, pick(w, `${name}.weight`) as Tf.Tensor4D, 1, padding), pick(w, `${name}.bias`));
}

function tensorflowNorm(tf: TensorFlow, w: Record<string, Tf.Tensor>, name: string, x: Tf.Tensor4D): Tf.Tensor4D {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  const [offset, scale] = [pick(w, `${name}.bias`) as Tf.Tensor1D, pick(w, `${name}.weight`) as Tf.Tensor1D];
  return tf.batchNorm(x, mean as Tf.Tensor1D, variance as Tf.Tensor1D, offset, scale, 1e-5);
}
