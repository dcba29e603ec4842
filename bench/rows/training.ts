// What the training rows share: a full step with cross-entropy and Adam or AdamW on batches that stay on the device.
import { nn, optim, type Tensor, tensor } from "wgrad";
import type { Jax, JaxArray } from "../engines/jax.ts";
import type { TensorFlow, Tf } from "../engines/tensorflow.ts";
import { elements, generator, type Row, type Target, uniform } from "./row.ts";
import { jaxWeights, permuted, tensorflowWeights, type Weight, wgradWeights } from "./weights.ts";

type Model = nn.Module & { forward(input: Tensor): Tensor };

export interface Training {
  readonly name: string;
  readonly title: string;
  readonly target: Target | null;
  readonly weights: readonly Weight[];
  /** Shape of a batch; its first size is the batch size. Four dims are images: [batch, channels, height, width]. */
  readonly input: readonly [number, ...number[]];
  /** Number of token classes where the input is tokens; otherwise it is numbers. */
  readonly tokens?: number;
  /** Classes, and labels per example (1 unless told). */
  readonly classes: number;
  readonly labels?: number;
  /** Decoupled weight decay: AdamW instead of Adam. */
  readonly weightDecay?: number;
  /**
   * Multiplications with weights per example, layer by layer. A step takes 2 · batch operations for each of them three
   * times: forward, for the weight's gradient and for the input's, which the first layer does not need. Everything else
   * (activations, normalization, attention, pooling, loss, Adam) is not counted.
   */
  readonly products: readonly [number, ...number[]];
  readonly tolerance?: number;
  readonly wgrad: () => Model;
  /** The logits [labels in all, classes]; images are [batch, height, width, channels] here. */
  readonly tensorflow: (tf: TensorFlow, weights: Record<string, Tf.Tensor>, x: Tf.Tensor) => Tf.Tensor;
  /** The same; uses every weight exactly once, which gives it away. */
  readonly jax: (jax: Jax, weights: Record<string, JaxArray>, x: JaxArray) => JaxArray;
}

const batches = 4;
const [learningRate, beta1, beta2, epsilon] = [1e-3, 0.9, 0.999, 1e-8];

interface Batch {
  readonly x: Float32Array | Int32Array;
  readonly y: Int32Array;
}

function makeBatches({ input, tokens, classes, labels = 1 }: Training): Batch[] {
  return Array.from({ length: batches }, (_, i) => {
    const next = generator(100 + i);
    const y = Int32Array.from({ length: input[0] * labels }, () => Math.floor(next() * classes));
    if (tokens === undefined) return { x: uniform(elements(input), 1 + i), y };
    return { x: Int32Array.from({ length: elements(input) }, () => Math.floor(next() * tokens)), y };
  });
}

export function trainingRow(training: Training): Row {
  const { name, title, target, products, input, tolerance = 1e-3 } = training;
  const all = products.reduce((sum, count) => sum + count, 0);
  return {
    name,
    title,
    flops: 2 * input[0] * (3 * all - products[0]),
    target,
    reads: false,
    compared: 5,
    tolerance,
    wgrad: (wrap) => {
      const model = training.wgrad();
      model.loadStateDict(wgradWeights(training.weights), { strict: false });
      const { weightDecay } = training;
      const parameters = model.parameters();
      const optimizer =
        weightDecay === undefined
          ? new optim.Adam(parameters, { lr: learningRate })
          : new optim.AdamW(parameters, { lr: learningRate, weightDecay });
      const loss = new nn.CrossEntropyLoss();
      const step = wrap((x: Tensor, y: Tensor) => {
        optimizer.zeroGrad();
        const value = loss.forward(model.forward(x), y);
        value.backward();
        optimizer.step();
        return [value];
      });
      const next = cycle(
        makeBatches(training).map(({ x, y }) => [tensor(x, { shape: [...input] }), tensor(y)] as const),
      );
      return { step: () => step(...next()) };
    },
    tensorflow: (tf) => tensorflowSteps(tf, training),
    jax: (jax) => jaxSteps(jax, training),
  };
}

function tensorflowSteps(tf: TensorFlow, training: Training): { step: () => Tf.Tensor[] } {
  const { input, classes, tokens, weightDecay } = training;
  const weights = tensorflowWeights(tf, training.weights);
  const optimizer = tf.train.adam(learningRate, beta1, beta2, epsilon);
  const variables = Object.values(weights);
  const next = cycle(
    makeBatches(training).map(({ x, y }) => {
      const isImage = input.length === 4;
      const data = isImage ? permuted(x as Float32Array, input, [0, 2, 3, 1]) : { values: x, shape: [...input] };
      const inputs = tf.tensor(data.values, data.shape, tokens === undefined ? "float32" : "int32");
      // Its users' data comes as one-hot labels.
      return [inputs, tf.cast(tf.oneHot(tf.tensor1d(y, "int32"), classes), "float32")] as const;
    }),
  );
  return {
    step: () => {
      const [x, y] = next();
      const { value, grads } = tf.variableGrads(
        () => tf.losses.softmaxCrossEntropy(y, training.tensorflow(tf, weights, x)) as Tf.Scalar,
        variables,
      );
      if (weightDecay !== undefined) {
        for (const variable of variables) variable.assign(tf.mul(variable, 1 - learningRate * weightDecay));
      }
      optimizer.applyGradients(grads as unknown as Parameters<typeof optimizer.applyGradients>[0]);
      return [value];
    },
  };
}

function jaxSteps(jax: Jax, training: Training): { step: () => JaxArray[] } {
  const { numpy: np, nn, jit, valueAndGrad, tree } = jax;
  const { input, tokens, classes, weightDecay } = training;
  const names = training.weights.map(({ name }) => name);
  const byName = (make: (name: string) => JaxArray): Record<string, JaxArray> =>
    Object.fromEntries(names.map((name) => [name, make(name)]));
  const lossOf = (weights: Record<string, JaxArray>, x: JaxArray, y: JaxArray): JaxArray => {
    const logits = training.jax(jax, weights, x);
    return np.mean(np.sum(nn.oneHot(y, classes).mul(nn.logSoftmax(logits, -1)), -1)).mul(-1);
  };
  const step = jit(
    (
      weights: Record<string, JaxArray>,
      first: Record<string, JaxArray>,
      second: Record<string, JaxArray>,
      count: JaxArray,
      x: JaxArray,
      y: JaxArray,
    ) => {
      const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(weights), x, y) as unknown as [
        JaxArray,
        Record<string, JaxArray>,
      ];
      const next = count.add(1);
      const correction1 = np.subtract(1, np.power(beta1, next.ref));
      const correction2 = np.subtract(1, np.power(beta2, next.ref));
      const result = { weights: byNothing(), first: byNothing(), second: byNothing() };
      for (const name of names) {
        const [g, w] = [gradients[name] as JaxArray, weights[name] as JaxArray];
        const m = (first[name] as JaxArray).mul(beta1).add(g.ref.mul(1 - beta1));
        const v = (second[name] as JaxArray).mul(beta2).add(np.square(g).mul(1 - beta2));
        const change = m.ref
          .div(correction1.ref)
          .div(np.sqrt(v.ref.div(correction2.ref)).add(epsilon))
          .mul(learningRate);
        result.weights[name] = (weightDecay === undefined ? w : w.mul(1 - learningRate * weightDecay)).sub(change);
        result.first[name] = m;
        result.second[name] = v;
      }
      correction1.dispose();
      correction2.dispose();
      return { loss, count: next, ...result };
    },
  );
  const batches = makeBatches(training).map(({ x, y }) => {
    const dtype = tokens === undefined ? np.float32 : np.int32;
    return [np.array(x, { shape: [...input], dtype }), np.array(y, { dtype: np.int32 })] as const;
  });
  const next = cycle(batches);
  let weights = jaxWeights(jax, training.weights);
  const zerosLike = (name: string): JaxArray => np.zeros([...(weights[name] as JaxArray).shape]);
  let [first, second, count] = [byName(zerosLike), byName(zerosLike), np.array(0)];
  return {
    step: () => {
      const [x, y] = next();
      const result = step(weights, first, second, count, x.ref, y.ref);
      ({ weights, first, second, count } = result);
      return [result.loss];
    },
  };
}

function byNothing(): Record<string, JaxArray> {
  return {};
}

function cycle<T>(items: readonly T[]): () => T {
  let at = 0;
  return () => items[at++ % items.length] as T;
}
