// A chain of elementwise ops over four million numbers, down to one.
import { type Tensor, tensor } from "wgrad";
import type { JaxArray } from "../engines/jax.ts";
import { type Row, uniform } from "./row.ts";

const shape: [number, number] = [4096, 1024];
const [rows, columns] = shape;

/** mean(gelu(x·a + b) · sigmoid(x) − tanh(x)); `a` and `b` are one number per column, gelu is the one with erf. */
export const elementwise: Row = {
  name: "elementwise",
  title: "mean(gelu(x·a+b)·sigmoid(x) − tanh(x)), 4M floats",
  flops: null,
  target: { ratio: 1.5 },
  reads: false,
  compared: 1,
  tolerance: 1e-4,
  wgrad: (wrap) => {
    const x = tensor(uniform(rows * columns, 1, 3), { shape });
    const [a, b] = [tensor(uniform(columns, 2)), tensor(uniform(columns, 3))];
    const apply = wrap((x: Tensor, a: Tensor, b: Tensor) => [
      x.mul(a).add(b).gelu().mul(x.sigmoid()).sub(x.tanh()).mean(),
    ]);
    return { step: () => apply(x, a, b) };
  },
  tensorflow: (tf) => {
    const x = tf.tensor2d(uniform(rows * columns, 1, 3), shape);
    const [a, b] = [tf.tensor1d(uniform(columns, 2)), tf.tensor1d(uniform(columns, 3))];
    return {
      step: () => {
        const y = tf.add(tf.mul(x, a), b);
        const gelu = tf.mul(tf.mul(y, 0.5), tf.add(tf.erf(tf.mul(y, Math.SQRT1_2)), 1));
        return [tf.mean(tf.sub(tf.mul(gelu, tf.sigmoid(x)), tf.tanh(x)))];
      },
    };
  },
  jax: ({ numpy: np, nn, jit }) => {
    const x = np.array(uniform(rows * columns, 1, 3), { shape });
    const [a, b] = [np.array(uniform(columns, 2)), np.array(uniform(columns, 3))];
    const apply = jit((x: JaxArray, a: JaxArray, b: JaxArray) =>
      np.mean(nn.gelu(x.ref.mul(a).add(b), { approximate: false }).mul(nn.sigmoid(x.ref)).sub(np.tanh(x))),
    );
    return { step: () => [apply(x.ref, a.ref, b.ref)] };
  },
};
