// Ops along rows: softmax, and layer normalization with its gradients.
import { grad, type Tensor, tensor } from "wgrad";
import type { JaxArray } from "../engines/jax.ts";
import type { Tf } from "../engines/tensorflow.ts";
import { type Row, uniform } from "./row.ts";

const shape: [number, number] = [4096, 1024];
const [rows, columns] = shape;

/** softmax along the rows of [4096, 1024]. */
export const softmax: Row = {
  name: "softmax",
  title: "softmax [4096, 1024]",
  flops: null,
  target: { ratio: 4, dispatches: 1 },
  reads: false,
  compared: 1,
  tolerance: 1e-5,
  wgrad: (wrap) => {
    const x = tensor(uniform(rows * columns, 1, 4), { shape });
    const apply = wrap((x: Tensor) => [x.softmax(1)]);
    return { step: () => apply(x) };
  },
  tensorflow: (tf) => {
    const x = tf.tensor2d(uniform(rows * columns, 1, 4), shape);
    return { step: () => [tf.softmax(x)] };
  },
  jax: ({ numpy: np, nn, jit }) => {
    const x = np.array(uniform(rows * columns, 1, 4), { shape });
    const apply = jit((x: JaxArray) => nn.softmax(x, 1));
    return { step: () => [apply(x.ref)] };
  },
};

const epsilon = 1e-5;

/** Layer normalization of [4096, 1024] with weight and bias, and the gradients of all three for a given output gradient. */
export const layerNorm: Row = {
  name: "layer-norm",
  title: "layer norm [4096, 1024], forward + backward",
  flops: null,
  target: { ratio: 4, dispatches: 4 },
  reads: false,
  compared: 1,
  tolerance: 1e-4,
  wgrad: (wrap) => {
    const x = tensor(uniform(rows * columns, 1), { shape, requiresGrad: true });
    const weight = tensor(uniform(columns, 2), { requiresGrad: true });
    const bias = tensor(uniform(columns, 3), { requiresGrad: true });
    const gradient = tensor(uniform(rows * columns, 4), { shape });
    const apply = wrap((x: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor) => {
      const y = x.layerNorm([columns], { weight, bias, eps: epsilon });
      return [y, ...grad(y, [x, weight, bias], { gradOutputs: gradient })];
    });
    return { step: () => apply(x, weight, bias, gradient) };
  },
  tensorflow: (tf) => {
    const x = tf.tensor2d(uniform(rows * columns, 1), shape);
    const weight = tf.tensor1d(uniform(columns, 2));
    const bias = tf.tensor1d(uniform(columns, 3));
    const gradient = tf.tensor2d(uniform(rows * columns, 4), shape);
    const gradients = tf.valueAndGrads((...args) => {
      const [x, weight, bias] = args as [Tf.Tensor2D, Tf.Tensor1D, Tf.Tensor1D];
      const { mean, variance } = tf.moments(x, 1, true);
      const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, epsilon)));
      return tf.add(tf.mul(normal, weight), bias);
    });
    return {
      step: () => {
        const { value, grads } = gradients([x, weight, bias], gradient);
        return [value, ...grads];
      },
    };
  },
  jax: ({ numpy: np, nn, jit, vjp }) => {
    const x = np.array(uniform(rows * columns, 1), { shape });
    const weight = np.array(uniform(columns, 2));
    const bias = np.array(uniform(columns, 3));
    const gradient = np.array(uniform(rows * columns, 4), { shape });
    const apply = jit((x: JaxArray, weight: JaxArray, bias: JaxArray, gradient: JaxArray) => {
      const [y, back] = vjp(
        (x: JaxArray, weight: JaxArray, bias: JaxArray) => nn.standardize(x, 1, { epsilon }).mul(weight).add(bias),
        [x, weight, bias],
      );
      const gradients = back(gradient) as JaxArray[];
      back.dispose();
      return [y, ...gradients];
    });
    return { step: () => apply(x.ref, weight.ref, bias.ref, gradient.ref) };
  },
};
