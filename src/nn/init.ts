// Initializers: fill a tensor in place with PyTorch's distributions, drawn from the seeded generator of the engine.

import { checkChoice, checkNumber, checkOptions, expectTensor, misfit } from "../ops/check.ts";
import * as wg from "../tensor.ts";
import { add, clamp, erf, erfinv, mul, reshape, sub, type Tensor, t } from "../tensor.ts";
import { newtonSchulz } from "./newton-schulz.ts";

/** The functions whose gain is known. Spelled as in PyTorch or in camelCase. */
export type Nonlinearity =
  | "linear"
  | "conv1d"
  | "conv2d"
  | "conv3d"
  | "sigmoid"
  | "tanh"
  | "relu"
  | "leakyRelu"
  | "leaky_relu"
  | "selu";

/** Options of `kaimingUniform` and `kaimingNormal`. */
export interface KaimingOptions {
  /** Negative slope of the rectifier that follows (for "leakyRelu"). Default 0. */
  a?: number;
  /** Keeps the variance of the forward ("fanIn", default) or of the backward pass ("fanOut"). */
  mode?: "fanIn" | "fanOut" | "fan_in" | "fan_out";
  /** Default "leakyRelu". */
  nonlinearity?: Nonlinearity;
}

/** Gives `tensor` the value and returns it. Nothing of this is recorded for gradients. */
function fill(op: string, tensor: Tensor, value: () => Tensor | number): Tensor {
  expectTensor(op, tensor);
  return wg.noGrad(() => tensor.assign(value()));
}

/** scale x + shift, with numbers that are data: layers of all sizes share a kernel. */
function transform(x: Tensor, scale: number, shift: number): Tensor {
  return add(
    mul(
      x,
      wg.scalar(() => scale),
    ),
    wg.scalar(() => shift),
  );
}

/** U(a, b), by default U(0, 1). */
export function uniform(tensor: Tensor, options: { a?: number; b?: number } = {}): Tensor {
  checkOptions("uniform", options, ["a", "b"]);
  const { a = 0, b = 1 } = options;
  return fill("uniform", tensor, () => transform(wg.rand(tensor.shape), b - a, a));
}

/** N(mean, std²), by default N(0, 1). */
export function normal(tensor: Tensor, options: { mean?: number; std?: number } = {}): Tensor {
  checkOptions("normal", options, ["mean", "std"]);
  const { mean = 0, std = 1 } = options;
  return fill("normal", tensor, () => transform(wg.randn(tensor.shape), std, mean));
}

/** Every element is `value`. */
export function constant(tensor: Tensor, value: number): Tensor {
  checkNumber("constant", "value", value);
  return fill("constant", tensor, () => value);
}

/** Every element is 1. */
export function ones(tensor: Tensor): Tensor {
  return fill("ones", tensor, () => 1);
}

/** Every element is 0. */
export function zeros(tensor: Tensor): Tensor {
  return fill("zeros", tensor, () => 0);
}

/** The identity matrix. */
export function eye(tensor: Tensor): Tensor {
  if (expectTensor("eye", tensor).ndim !== 2) throw misfit("eye", `needs a matrix, got [${tensor.shape}].`, tensor);
  const [rows, columns] = tensor.shape as readonly [number, number];
  return fill("eye", tensor, () => wg.eye(rows, { m: columns }));
}

/** Glorot and Bengio 2010: U(-a, a) with a = gain √(6 / (fanIn + fanOut)). */
export function xavierUniform(tensor: Tensor, options: { gain?: number } = {}): Tensor {
  checkOptions("xavierUniform", options, ["gain"]);
  const { fanIn, fanOut } = fans("xavierUniform", tensor);
  const a = (options.gain ?? 1) * Math.sqrt(6 / (fanIn + fanOut));
  return uniform(tensor, { a: -a, b: a });
}

/** Glorot and Bengio 2010: N(0, std²) with std = gain √(2 / (fanIn + fanOut)). */
export function xavierNormal(tensor: Tensor, options: { gain?: number } = {}): Tensor {
  checkOptions("xavierNormal", options, ["gain"]);
  const { fanIn, fanOut } = fans("xavierNormal", tensor);
  return normal(tensor, { std: (options.gain ?? 1) * Math.sqrt(2 / (fanIn + fanOut)) });
}

/** He et al. 2015: U(-b, b) with b = gain √(3 / fan). */
export function kaimingUniform(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingStd("kaimingUniform", tensor, options);
  return uniform(tensor, { a: -bound, b: bound });
}

/** He et al. 2015: N(0, std²) with std = gain / √fan. */
export function kaimingNormal(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  return normal(tensor, { std: kaimingStd("kaimingNormal", tensor, options) });
}

/** N(mean, std²) restricted to [a, b] by inverting the distribution function; defaults 0, 1, -2, 2. */
export function truncNormal(
  tensor: Tensor,
  options: { mean?: number; std?: number; a?: number; b?: number } = {},
): Tensor {
  checkOptions("truncNormal", options, ["mean", "std", "a", "b"]);
  const { mean = 0, std = 1, a = -2, b = 2 } = options;
  if (!(std > 0) || !(a < b)) {
    throw new RangeError(`truncNormal: needs std > 0 and a < b, got std ${std}, a ${a}, b ${b}.`);
  }
  // 2 Φ(x) - 1
  const probability = (x: number): Tensor => erf(wg.scalar(() => (x - mean) / std / Math.SQRT2));
  return fill("truncNormal", tensor, () => {
    const low = probability(a);
    const drawn = add(mul(wg.rand(tensor.shape), sub(probability(b), low)), low);
    return clamp(transform(erfinv(drawn), std * Math.SQRT2, mean), { min: a, max: b });
  });
}

/**
 * A (semi-)orthogonal matrix, uniformly distributed (Haar), times `gain`; dims after the first are taken together. It is the
 * polar factor of a Gaussian matrix, by the iteration X ← (15 X - 10 XXᵀX + 3 (XXᵀ)²X) / 8, which drives all singular
 * values to 1 (Björck and Bowie 1971).
 */
export function orthogonal(tensor: Tensor, options: { gain?: number } = {}): Tensor {
  checkOptions("orthogonal", options, ["gain"]);
  if (expectTensor("orthogonal", tensor).ndim < 2) {
    throw misfit("orthogonal", `needs a tensor of at least 2 dims, got [${tensor.shape}].`, tensor);
  }
  const rows = tensor.shape[0] ?? 0;
  if (tensor.numel === 0) return tensor;
  const columns = tensor.numel / rows;
  return fill("orthogonal", tensor, () => {
    const wide = wg.randn([Math.min(rows, columns), Math.max(rows, columns)]);
    // A singular value grows by 15/8 per iteration until it is near 1: 32 iterations lift one of 1e-8.
    const x = newtonSchulz(wide, [15 / 8, -10 / 8, 3 / 8], 32, 0);
    return reshape(mul(rows > columns ? t(x) : x, options.gain ?? 1), tensor.shape);
  });
}

/** Recommended gain for the nonlinearity; `parameter` is the negative slope of "leakyRelu" (default 0.01). */
export function calculateGain(nonlinearity: Nonlinearity, parameter = 0.01): number {
  switch (nonlinearity) {
    case "linear":
    case "conv1d":
    case "conv2d":
    case "conv3d":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leakyRelu":
    case "leaky_relu":
      return Math.sqrt(2 / (1 + parameter ** 2));
    case "selu":
      return 3 / 4;
    default:
      nonlinearity satisfies never;
      throw new RangeError(`calculateGain: unknown nonlinearity "${String(nonlinearity)}". Use "relu", "tanh", … .`);
  }
}

/** Inputs and outputs per unit: sizes of dims 1 and 0, each times the receptive field (the dims after). */
export function fans(op: string, tensor: Tensor): { fanIn: number; fanOut: number } {
  const [outputs, inputs, ...field] = expectTensor(op, tensor).shape;
  if (outputs === undefined || inputs === undefined) {
    throw misfit(op, `fan in and fan out need a tensor of at least 2 dims, got [${tensor.shape}].`, tensor);
  }
  const receptive = field.reduce((product, size) => product * size, 1);
  return { fanIn: inputs * receptive, fanOut: outputs * receptive };
}

function kaimingStd(op: string, tensor: Tensor, options: KaimingOptions): number {
  checkOptions(op, options, ["a", "mode", "nonlinearity"]);
  const { fanIn, fanOut } = fans(op, tensor);
  const { a = 0, mode = "fanIn", nonlinearity = "leakyRelu" } = options;
  checkChoice(op, "mode", mode, ["fanIn", "fanOut", "fan_in", "fan_out"]);
  const fan = mode === "fanIn" || mode === "fan_in" ? fanIn : fanOut;
  return calculateGain(nonlinearity, a) / Math.sqrt(fan);
}
