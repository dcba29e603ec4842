// Parameters for all engines: the same numbers, in the layout that each engine's own layers use.
import { type Tensor, tensor } from "wgrad";
import type { Jax, JaxArray } from "../engines/jax.ts";
import type { TensorFlow, Tf } from "../engines/tensorflow.ts";
import { elements, uniform } from "./row.ts";

/** A parameter under PyTorch's name, in PyTorch's layout. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  /** Uniform in ± this, or one number everywhere. */
  readonly values: { readonly within: number } | { readonly all: number };
  /** How TensorFlow.js wants it, where that differs. */
  readonly tensorflow?: "transposed" | "conv" | { readonly afterFlatten: readonly [number, number, number] };
}

/** Weight and bias of a fully connected layer; `afterFlatten`: the image [channels, height, width] that it sees flat. */
export function linear(
  name: string,
  inputs: number,
  outputs: number,
  options: { readonly bias?: boolean; readonly afterFlatten?: readonly [number, number, number] } = {},
): Weight[] {
  const values = { within: 1 / Math.sqrt(inputs) };
  const { afterFlatten } = options;
  const tensorflow = afterFlatten === undefined ? "transposed" : { afterFlatten };
  const weight: Weight = { name: `${name}.weight`, shape: [outputs, inputs], values, tensorflow };
  return options.bias === false ? [weight] : [weight, { name: `${name}.bias`, shape: [outputs], values }];
}

/** Weight and bias of a convolution with square windows. */
export function conv(name: string, inputs: number, outputs: number, size: number): Weight[] {
  const values = { within: 1 / Math.sqrt(inputs * size * size) };
  return [
    { name: `${name}.weight`, shape: [outputs, inputs, size, size], values, tensorflow: "conv" },
    { name: `${name}.bias`, shape: [outputs], values },
  ];
}

/** Weight and bias of a normalization. */
export function norm(name: string, channels: number): Weight[] {
  return [
    { name: `${name}.weight`, shape: [channels], values: { all: 1 } },
    { name: `${name}.bias`, shape: [channels], values: { all: 0 } },
  ];
}

/** A table of vectors. */
export function table(name: string, rows: number, columns: number): Weight {
  return { name, shape: [rows, columns], values: { within: 0.05 } };
}

function numbers(weight: Weight, index: number): Float32Array {
  const count = elements(weight.shape);
  if ("all" in weight.values) return new Float32Array(count).fill(weight.values.all);
  return uniform(count, 1000 + index, weight.values.within);
}

/** The parameter of that name, which must be there. */
export function pick<T>(weights: Record<string, T>, name: string): T {
  const weight = weights[name];
  if (weight === undefined) throw new Error(`bench: there is no weight ${name}`);
  return weight;
}

/** For `loadStateDict`. */
export function wgradWeights(weights: readonly Weight[]): Record<string, Tensor> {
  return Object.fromEntries(weights.map((w, i) => [w.name, tensor(numbers(w, i), { shape: [...w.shape] })]));
}

export function jaxWeights({ numpy: np }: Jax, weights: readonly Weight[]): Record<string, JaxArray> {
  return Object.fromEntries(weights.map((w, i) => [w.name, np.array(numbers(w, i), { shape: [...w.shape] })]));
}

export function tensorflowWeights(tf: TensorFlow, weights: readonly Weight[]): Record<string, Tf.Variable> {
  return Object.fromEntries(
    weights.map((w, i) => {
      const { values, shape } = tensorflowLayout(w, numbers(w, i));
      return [w.name, tf.variable(tf.tensor(values, shape), true)];
    }),
  );
}

function tensorflowLayout(weight: Weight, values: Float32Array): { values: Float32Array; shape: number[] } {
  const { shape, tensorflow } = weight;
  if (tensorflow === undefined) return { values, shape: [...shape] };
  if (tensorflow === "transposed") return permuted(values, shape, [1, 0]);
  if (tensorflow === "conv") return permuted(values, shape, [2, 3, 1, 0]);
  const [outputs = 0, inputs = 0] = shape;
  const image = permuted(values, [outputs, ...tensorflow.afterFlatten], [2, 3, 1, 0]);
  return { values: image.values, shape: [inputs, outputs] };
}

/** The values with their dims in another order. */
export function permuted(
  values: Float32Array,
  shape: readonly number[],
  order: readonly number[],
): { values: Float32Array; shape: number[] } {
  const strides = shape.map((_, dim) => elements(shape.slice(dim + 1)));
  const outShape = order.map((dim) => shape[dim] as number);
  const result = new Float32Array(values.length);
  const index = order.map(() => 0);
  for (let i = 0; i < result.length; i++) {
    let from = 0;
    for (let dim = 0; dim < order.length; dim++)
      from += (index[dim] as number) * (strides[order[dim] as number] as number);
    result[i] = values[from] as number;
    for (let dim = order.length - 1; dim >= 0; dim--) {
      const next = (index[dim] as number) + 1;
      index[dim] = next === outShape[dim] ? 0 : next;
      if (index[dim] !== 0) break;
    }
  }
  return { values: result, shape: outShape };
}
