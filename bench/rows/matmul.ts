// Matrix products in f32: 512³, 1024³, and 512³ with the second matrix transposed.
import { type Tensor, tensor } from "wgrad";
import { type Row, type Target, uniform } from "./row.ts";

export const matmul: Row[] = [
  row("matmul-1024", "matmul 1024³", 1024, false, { ratio: 4.5 }),
  row("matmul-512", "matmul 512³", 512, false, null),
  row("matmul-bt-512", "matmul A·Bᵀ 512³", 512, true, { ratio: 4 }),
];

function row(name: string, title: string, size: number, transposed: boolean, target: Target | null): Row {
  const shape: [number, number] = [size, size];
  const values = { a: uniform(size * size, 1), b: uniform(size * size, 2) };
  return {
    name,
    title,
    // One multiplication and one addition per product.
    flops: 2 * size ** 3,
    target,
    reads: false,
    compared: 1,
    tolerance: 1e-5,
    reference: (index) => {
      const [i, j] = [Math.floor(index / size), index % size];
      let sum = 0;
      for (let k = 0; k < size; k++) {
        sum += (values.a[i * size + k] as number) * (values.b[transposed ? j * size + k : k * size + j] as number);
      }
      return sum;
    },
    wgrad: (wrap) => {
      const [a, b] = [tensor(values.a, { shape }), tensor(values.b, { shape })];
      const product = wrap((a: Tensor, b: Tensor) => [a.matmul(transposed ? b.t() : b)]);
      return { step: () => product(a, b) };
    },
    tensorflow: (tf) => {
      const [a, b] = [tf.tensor2d(values.a, shape), tf.tensor2d(values.b, shape)];
      return { step: () => [tf.matMul(a, b, false, transposed)] };
    },
    jax: ({ numpy: np, jit }) => {
      const [a, b] = [np.array(values.a, { shape }), np.array(values.b, { shape })];
      const product = jit((a: typeof np.Array.prototype, b: typeof np.Array.prototype) =>
        np.matmul(a, transposed ? np.transpose(b) : b),
      );
      return { step: () => [product(a.ref, b.ref)] };
    },
  };
}
