// A recurrent network written out in ops, step by step: an LSTM over the rows of small images (Hochreiter and Schmidhuber 1997).
import { nn, type Tensor, zeros } from "wgrad";
import type { Tf } from "../engines/tensorflow.ts";
import type { Row } from "./row.ts";
import { trainingRow } from "./training.ts";
import { linear, pick } from "./weights.ts";

const [batch, steps, inputs, width, classes] = [32, 12, 16, 48, 10];

export const recurrent: Row = trainingRow({
  name: "lstm",
  title: "LSTM written out: 12 steps, 48 wide, batch 32, Adam, full step",
  target: null,
  weights: [
    ...linear("input", inputs, 4 * width),
    ...linear("state", width, 4 * width, { bias: false }),
    ...linear("head", width, classes),
  ],
  input: [batch, steps, inputs],
  classes,
  products: [steps * inputs * 4 * width, steps * width * 4 * width, width * classes],
  wgrad: () => new Recurrent(),
  tensorflow: (tf, w, x) => {
    const rows = tf.unstack(x, 1) as Tf.Tensor2D[];
    let [h, c] = [tf.zeros([batch, width]) as Tf.Tensor2D, tf.zeros([batch, width]) as Tf.Tensor2D];
    for (const row of rows) {
      const fromInput = tf.add(tf.matMul(row, pick(w, "input.weight") as Tf.Tensor2D), pick(w, "input.bias"));
      const all = tf.add(fromInput, tf.matMul(h, pick(w, "state.weight") as Tf.Tensor2D));
      const [i, f, g, o] = tf.split(all, 4, 1) as [Tf.Tensor2D, Tf.Tensor2D, Tf.Tensor2D, Tf.Tensor2D];
      c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
      h = tf.mul(tf.sigmoid(o), tf.tanh(c));
    }
    return tf.add(tf.matMul(h, pick(w, "head.weight") as Tf.Tensor2D), pick(w, "head.bias"));
  },
  jax: ({ numpy: np, nn }, w, x) => {
    const [wx, b, wh] = [pick(w, "input.weight"), pick(w, "input.bias"), pick(w, "state.weight")];
    let [h, c] = [np.zeros([batch, width]), np.zeros([batch, width])];
    const rows = np.split(x, steps, 1);
    for (const row of rows) {
      const fromInput = np.matmul(np.reshape(row, [batch, inputs]), np.transpose(wx.ref)).add(b.ref);
      const all = fromInput.add(np.matmul(h, np.transpose(wh.ref)));
      const [i, f, g, o] = np.split(all, 4, 1) as [typeof x, typeof x, typeof x, typeof x];
      c = nn
        .sigmoid(f)
        .mul(c)
        .add(nn.sigmoid(i).mul(np.tanh(g)));
      h = nn.sigmoid(o).mul(np.tanh(c.ref));
    }
    for (const used of [wx, b, wh, c]) used.dispose();
    return np.matmul(h, np.transpose(pick(w, "head.weight"))).add(pick(w, "head.bias"));
  },
});

class Recurrent extends nn.Module {
  input: nn.Linear = new nn.Linear(inputs, 4 * width);
  state: nn.Linear = new nn.Linear(width, 4 * width, { bias: false });
  head: nn.Linear = new nn.Linear(width, classes);

  override forward(x: Tensor): Tensor {
    let [h, c] = [zeros([batch, width]), zeros([batch, width])];
    for (const row of x.unbind({ dim: 1 })) {
      const all = this.input.forward(row).add(this.state.forward(h));
      const [i, f, g, o] = all.chunk(4, { dim: 1 }) as [Tensor, Tensor, Tensor, Tensor];
      c = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
      h = o.sigmoid().mul(c.tanh());
    }
    return this.head.forward(h);
  }
}
