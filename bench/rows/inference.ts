// Inference with the digit classifier: one example at a time, from JavaScript and back; and a batch that stays on the device.
import { nn, noGrad, type Tensor, tensor } from "wgrad";
import type { JaxArray } from "../engines/jax.ts";
import type { Tf } from "../engines/tensorflow.ts";
import { type Row, type Target, uniform } from "./row.ts";
import { jaxWeights, linear, pick, tensorflowWeights, wgradWeights } from "./weights.ts";

export const inference: Row[] = [
  row("inference-1", "MLP inference, batch 1, with upload and readback", 1, true, { ratio: 1 }),
  row("inference-256", "MLP inference, batch 256", 256, false, { ratio: 2 }),
];

const weights = [...linear("0", 784, 128), ...linear("2", 128, 64), ...linear("4", 64, 10)];

function row(name: string, title: string, batch: number, reads: boolean, target: Target): Row {
  const shape: [number, number] = [batch, 784];
  const values = uniform(batch * 784, 1);
  return {
    name,
    title,
    flops: 2 * batch * (784 * 128 + 128 * 64 + 64 * 10),
    target,
    reads,
    compared: 1,
    tolerance: 1e-5,
    wgrad: (wrap) => {
      const model = new nn.Sequential(
        new nn.Linear(784, 128),
        new nn.ReLU(),
        new nn.Linear(128, 64),
        new nn.ReLU(),
        new nn.Linear(64, 10),
      );
      model.loadStateDict(wgradWeights(weights));
      model.eval();
      const kept = tensor(values, { shape });
      const apply = wrap((x: Tensor) => [noGrad(() => model.forward(x))]);
      return { step: () => apply(reads ? tensor(values, { shape }) : kept) };
    },
    tensorflow: (tf) => {
      const w = tensorflowWeights(tf, weights);
      const kept = tf.keep(tf.tensor2d(values, shape));
      const dense = (x: Tf.Tensor2D, name: string): Tf.Tensor2D =>
        tf.add(tf.matMul(x, pick(w, `${name}.weight`) as Tf.Tensor2D), pick(w, `${name}.bias`));
      return {
        step: () => {
          const x = reads ? tf.tensor2d(values, shape) : kept;
          return [dense(tf.relu(dense(tf.relu(dense(x, "0")), "2")), "4")];
        },
      };
    },
    jax: (jax) => {
      const { numpy: np, nn, jit, tree } = jax;
      const w = jaxWeights(jax, weights);
      const kept = np.array(values, { shape });
      const apply = jit((w: Record<string, JaxArray>, x: JaxArray) => {
        const dense = (x: JaxArray, name: string): JaxArray =>
          np.matmul(x, np.transpose(pick(w, `${name}.weight`))).add(pick(w, `${name}.bias`));
        return dense(nn.relu(dense(nn.relu(dense(x, "0")), "2")), "4");
      });
      return { step: () => [apply(tree.ref(w), reads ? np.array(values, { shape }) : kept.ref)] };
    },
  };
}
