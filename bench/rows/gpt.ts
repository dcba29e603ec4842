// A small GPT: four pre-normalized Transformer blocks with causal attention (Radford et al. 2019), written out in ops.
import { nn, type Tensor, zeros } from "wgrad";
import type { Jax, JaxArray } from "../engines/jax.ts";
import type { TensorFlow, Tf } from "../engines/tensorflow.ts";
import type { Row } from "./row.ts";
import { trainingRow } from "./training.ts";
import { linear, norm, pick, table, type Weight } from "./weights.ts";

const [layers, width, heads, context, vocabulary, batch] = [4, 128, 4, 64, 256, 8];
const headWidth = width / heads;
const names = Array.from({ length: layers }, (_, i) => `blocks.${i}`);
const products = names.flatMap(() => [3 * width * width, width * width, 4 * width * width, 4 * width * width]);

export const gpt: Row = trainingRow({
  name: "gpt",
  title: "GPT: 4 layers, 128 wide, 4 heads, context 64, batch 8, AdamW, full step",
  target: { ratio: 3, dispatches: 110, submits: 1, firstMs: 5000 },
  weights: [
    table("token.weight", vocabulary, width),
    table("position", context, width),
    ...names.flatMap((name) => [
      ...norm(`${name}.norm1`, width),
      ...linear(`${name}.attention`, width, 3 * width),
      ...linear(`${name}.projection`, width, width),
      ...norm(`${name}.norm2`, width),
      ...linear(`${name}.up`, width, 4 * width),
      ...linear(`${name}.down`, 4 * width, width),
    ]),
    ...norm("norm", width),
    ...linear("head", width, vocabulary, { bias: false }),
  ] satisfies Weight[],
  input: [batch, context],
  tokens: vocabulary,
  classes: vocabulary,
  labels: context,
  weightDecay: 0.01,
  // Per example, of all its tokens; the first layer's input has no gradient that anybody needs to multiply for.
  products: [0, ...products.map((count) => count * context), context * width * vocabulary],
  wgrad: () => new Gpt(),
  tensorflow: tensorflowGpt,
  jax: jaxGpt,
});

class Block extends nn.Module {
  norm1: nn.LayerNorm = new nn.LayerNorm([width]);
  attention: nn.Linear = new nn.Linear(width, 3 * width);
  projection: nn.Linear = new nn.Linear(width, width);
  norm2: nn.LayerNorm = new nn.LayerNorm([width]);
  up: nn.Linear = new nn.Linear(width, 4 * width);
  down: nn.Linear = new nn.Linear(4 * width, width);

  override forward(x: Tensor): Tensor {
    const [q, k, v] = this.attention
      .forward(this.norm1.forward(x))
      .reshape([batch, context, 3, heads, headWidth])
      .permute([2, 0, 3, 1, 4])
      .unbind() as [Tensor, Tensor, Tensor];
    const mixed = q.scaledDotProductAttention(k, v, { isCausal: true });
    const joined = mixed.permute([0, 2, 1, 3]).reshape([batch, context, width]);
    const y = x.add(this.projection.forward(joined));
    return y.add(this.down.forward(this.up.forward(this.norm2.forward(y)).gelu()));
  }
}

class Gpt extends nn.Module {
  token: nn.Embedding = new nn.Embedding(vocabulary, width);
  position: nn.Parameter = new nn.Parameter(zeros([context, width]));
  blocks: nn.Sequential = new nn.Sequential(...names.map(() => new Block()));
  norm: nn.LayerNorm = new nn.LayerNorm([width]);
  head: nn.Linear = new nn.Linear(width, vocabulary, { bias: false });

  override forward(tokens: Tensor): Tensor {
    const x = this.token.forward(tokens).add(this.position);
    return this.head.forward(this.norm.forward(this.blocks.forward(x))).reshape([batch * context, vocabulary]);
  }
}

function tensorflowGpt(tf: TensorFlow, w: Record<string, Tf.Tensor>, tokens: Tf.Tensor): Tf.Tensor {
  const layerNorm = (x: Tf.Tensor2D, name: string): Tf.Tensor2D => {
    const { mean, variance } = tf.moments(x, -1, true);
    const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(normal, pick(w, `${name}.weight`)), pick(w, `${name}.bias`));
  };
  const dense = (x: Tf.Tensor2D, name: string): Tf.Tensor2D =>
    tf.add(tf.matMul(x, pick(w, `${name}.weight`) as Tf.Tensor2D), pick(w, `${name}.bias`));
  const gelu = (x: Tf.Tensor2D): Tf.Tensor2D => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
  const hidden = tf.tensor2d(
    Float32Array.from({ length: context * context }, (_, i) => (i % context > Math.floor(i / context) ? -1e9 : 0)),
    [context, context],
  );
  const embedded = tf.gather(pick(w, "token.weight"), tf.cast(tokens, "int32"));
  let x = tf.reshape(tf.add(embedded, pick(w, "position")), [batch * context, width]) as Tf.Tensor2D;
  for (const name of names) {
    const parts = tf.reshape(dense(layerNorm(x, `${name}.norm1`), `${name}.attention`), [
      batch,
      context,
      3 * heads,
      headWidth,
    ]);
    const split = tf.split(tf.transpose(parts, [0, 2, 1, 3]), 3, 1);
    const [q, k, v] = split as [Tf.Tensor4D, Tf.Tensor4D, Tf.Tensor4D];
    const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(headWidth)), hidden);
    const mixed = tf.matMul(tf.softmax(scores), v);
    const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * context, width]) as Tf.Tensor2D;
    x = tf.add(x, dense(joined, `${name}.projection`));
    x = tf.add(x, dense(gelu(dense(layerNorm(x, `${name}.norm2`), `${name}.up`)), `${name}.down`));
  }
  return tf.matMul(layerNorm(x, "norm"), pick(w, "head.weight") as Tf.Tensor2D);
}

function jaxGpt({ numpy: np, nn }: Jax, w: Record<string, JaxArray>, tokens: JaxArray): JaxArray {
  const layerNorm = (x: JaxArray, name: string): JaxArray =>
    nn
      .standardize(x, -1)
      .mul(pick(w, `${name}.weight`))
      .add(pick(w, `${name}.bias`));
  const dense = (x: JaxArray, name: string): JaxArray =>
    np.matmul(x, np.transpose(pick(w, `${name}.weight`))).add(pick(w, `${name}.bias`));
  // A product with one-hot vectors: gathering has no gradient there.
  const embedded = np.matmul(nn.oneHot(tokens, vocabulary), pick(w, "token.weight"));
  let x = embedded.add(pick(w, "position"));
  for (const name of names) {
    const parts = np.split(dense(layerNorm(x.ref, `${name}.norm1`), `${name}.attention`), 3, -1);
    const [q, k, v] = parts.map((part) => np.reshape(part, [batch, context, heads, headWidth])) as [
      JaxArray,
      JaxArray,
      JaxArray,
    ];
    const mixed = nn.dotProductAttention(q, k, v, { isCausal: true });
    x = x.add(dense(np.reshape(mixed, [batch, context, width]), `${name}.projection`));
    const up = dense(layerNorm(x.ref, `${name}.norm2`), `${name}.up`);
    x = x.add(dense(nn.gelu(up, { approximate: false }), `${name}.down`));
  }
  const logits = np.matmul(layerNorm(x, "norm"), np.transpose(pick(w, "head.weight")));
  return np.reshape(logits, [batch * context, vocabulary]);
}
