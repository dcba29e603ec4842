// Matrix products in f32: 512³, 1024³, and 512³ with the second matrix transposed.
import { compile, type Tensor, tensor } from "wgrad";
import { generator, Mismatch, type Row, uniform } from "./row.ts";

const checkedEntries = 200;
/** Of Σ|a·b|: far above what the order of an f32 sum changes, far below what one wrong product does. */
const tolerance = 1e-5;

export const matmul: Row[] = [
  row("matmul-512", "matmul 512³", 512, false),
  row("matmul-1024", "matmul 1024³", 1024, false),
  row("matmul-bt-512", "matmul A·Bᵀ 512³", 512, true),
];

function row(name: string, title: string, size: number, transposed: boolean): Row {
  const product = (a: Tensor, b: Tensor): Tensor => a.matmul(transposed ? b.t() : b);
  const shape = [size, size];
  const values = { a: uniform(size * size, 1), b: uniform(size * size, 2) };
  return {
    name,
    title,
    // One multiplication and one addition per product.
    flops: 2 * size ** 3,
    verify: async () => {
      const [a, b] = [tensor(values.a, { shape }), tensor(values.b, { shape })];
      const compiled = compile(product);
      const results = [await product(a, b).data(), await compiled(a, b).data(), await compiled(a, b).data()];
      const next = generator(3);
      let worst = 0;
      for (let checked = 0; checked < checkedEntries; checked++) {
        // The corners first, where tiles end.
        const i = checked < 4 ? (checked & 1) * (size - 1) : Math.floor(next() * size);
        const j = checked < 4 ? (checked >> 1) * (size - 1) : Math.floor(next() * size);
        const [expected, magnitude] = entry(values.a, values.b, size, transposed, i, j);
        for (const result of results) {
          const difference = Math.abs((result[i * size + j] ?? Number.NaN) - expected) / magnitude;
          if (!(difference <= tolerance)) {
            throw new Mismatch(`entry [${i}, ${j}] is ${result[i * size + j]}, expected ${expected}`);
          }
          worst = Math.max(worst, difference);
        }
      }
      return `${checkedEntries} entries within ${worst.toExponential(1)} of Σ|a·b| in float64`;
    },
    prepare: () => {
      const [a, b] = [tensor(values.a, { shape }), tensor(values.b, { shape })];
      const compiled = compile(product);
      return {
        plain: () => {
          const result = product(a, b);
          void result.realize();
          return result;
        },
        compiled: () => compiled(a, b),
      };
    },
  };
}

/** The entry [i, j] in float64, and the sum of its products' magnitudes. */
function entry(
  a: Float32Array,
  b: Float32Array,
  size: number,
  transposed: boolean,
  i: number,
  j: number,
): [value: number, magnitude: number] {
  let [value, magnitude] = [0, 0];
  for (let k = 0; k < size; k++) {
    const product = (a[i * size + k] as number) * (b[transposed ? j * size + k : k * size + j] as number);
    value += product;
    magnitude += Math.abs(product);
  }
  return [value, magnitude];
}
