// Layers that jax-js leaves to its users.
import type { Jax, JaxArray } from "../engines/jax.ts";
import { pick } from "./weights.ts";

/** A convolution with bias, stride 1. Takes `x` and the layer's weights. */
export function jaxConv(
  { lax, numpy: np }: Jax,
  x: JaxArray,
  weights: Record<string, JaxArray>,
  name: string,
  padding: number,
): JaxArray {
  const pads: [number, number] = [padding, padding];
  const windows = lax.conv(x, pick(weights, `${name}.weight`), [1, 1], [pads, pads]);
  const bias = pick(weights, `${name}.bias`);
  return windows.add(np.reshape(bias, [1, bias.shape[0] as number, 1, 1]));
}

/** Maxima over windows of 2 × 2. Takes `x`. */
export function jaxMaxPool({ numpy: np }: Jax, x: JaxArray): JaxArray {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  return np.max(np.reshape(x, [batch, channels, height / 2, 2, width / 2, 2]), [3, 5]);
}

/** Batch normalization with the batch's own statistics, as in training. Takes `x` and the layer's weights. */
export function jaxBatchNorm(
  { numpy: np }: Jax,
  x: JaxArray,
  weights: Record<string, JaxArray>,
  name: string,
): JaxArray {
  const channels = x.shape[1] as number;
  const along = (v: JaxArray): JaxArray => np.reshape(v, [1, channels, 1, 1]);
  const mean = np.mean(x.ref, [0, 2, 3], { keepdims: true });
  const centered = x.sub(mean);
  const variance = np.mean(np.square(centered.ref), [0, 2, 3], { keepdims: true });
  const normal = centered.div(np.sqrt(variance.add(1e-5)));
  return normal.mul(along(pick(weights, `${name}.weight`))).add(along(pick(weights, `${name}.bias`)));
}
