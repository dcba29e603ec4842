// Kernels whose texts are snapshots (tests/unit/shaders) and the gallery of docs/shaders.md.

import { Adam } from "../../src/optim/adam.ts";
import {
  conv2d,
  crossEntropy,
  cumsum,
  dropout,
  explain,
  gelu,
  grad,
  type KernelReport,
  layerNorm,
  linear,
  manualSeed,
  noGrad,
  scaledDotProductAttention,
  sort,
  type Tensor,
  tensor,
} from "../../src/tensor.ts";

export interface ShaderCase {
  readonly name: string;
  /** What the kernel is written for. */
  readonly make: () => readonly Tensor[];
  /** Which of its plan's kernels is shown. */
  readonly kernel?: number;
}

function input(...shape: number[]): Tensor {
  return tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });
}

function parameter(label: string, ...shape: number[]): Tensor {
  const x = input(...shape);
  x.requiresGrad = true;
  x.label = label;
  return x;
}

/** Gradients of x, weight and bias of a layer norm, for an arriving gradient. */
function layerNormGradients(): Tensor[] {
  const x = parameter("x", 32, 512);
  const [weight, bias] = [parameter("norm.weight", 512), parameter("norm.bias", 512)];
  const y = layerNorm(x, [512], { weight, bias });
  return grad(y, [x, weight, bias], { gradOutputs: input(32, 512) });
}

function convolution(wanted: "x" | "weight"): Tensor[] {
  const x = parameter("x", 8, 16, 28, 28);
  const weight = parameter("conv.weight", 32, 16, 3, 3);
  const y = conv2d(x, weight, { padding: 1 });
  return grad(y, [wanted === "x" ? x : weight], { gradOutputs: input(8, 32, 28, 28) });
}

/** The optimizer's own rule: what `step()` computes for one parameter. */
class Rule extends Adam {
  of(parameter: Tensor, gradient: Tensor): Tensor[] {
    const [group] = this.paramGroups;
    if (group === undefined) throw new Error("an optimizer without a group");
    const state = { exp_avg: input(128, 64), exp_avg_sq: input(128, 64), max_exp_avg_sq: input(128, 64) };
    const number = (): Tensor => tensor(1);
    const { parameter: moved, state: moments = {} } = this.update({ parameter, gradient, state, group, number });
    return [moved, ...Object.values(moments)];
  }
}

function adam(): Tensor[] {
  const weight = parameter("fc.weight", 128, 64);
  return noGrad(() => new Rule([weight]).of(weight, input(128, 64)));
}

export const shaderCases: readonly ShaderCase[] = [
  { name: "gelu", make: () => [gelu(input(64, 128).add(input(128)))] },
  { name: "softmax", make: () => [input(32, 1000).mul(0.5).softmax(1)] },
  { name: "cross-entropy", make: () => [crossEntropy(input(32, 10), tensor(new Int32Array(32)))] },
  {
    name: "layer-norm",
    make: () => [
      layerNorm(input(32, 512), [512], {
        weight: parameter("norm.weight", 512),
        bias: parameter("norm.bias", 512),
      }),
    ],
  },
  { name: "layer-norm-backward", make: () => layerNormGradients().slice(0, 1) },
  { name: "layer-norm-backward-weight", make: () => layerNormGradients().slice(1), kernel: 1 },
  {
    name: "linear-relu",
    make: () => [
      linear(input(128, 784), parameter("fc1.weight", 256, 784), { bias: parameter("fc1.bias", 256) }).relu(),
    ],
  },
  {
    name: "linear-relu-backward-weight",
    make: () => {
      const [weight, bias] = [parameter("fc1.weight", 256, 784), parameter("fc1.bias", 256)];
      const y = linear(input(128, 784), weight, { bias }).relu();
      return grad(y, [weight, bias], { gradOutputs: input(128, 256) });
    },
  },
  {
    name: "conv2d",
    make: () => [conv2d(input(8, 16, 28, 28), parameter("conv.weight", 32, 16, 3, 3), { padding: 1 })],
  },
  { name: "conv2d-backward-input", make: () => convolution("x") },
  { name: "conv2d-backward-weight", make: () => convolution("weight") },
  {
    name: "attention",
    make: () => [
      scaledDotProductAttention(input(4, 8, 256, 32), input(4, 8, 256, 32), input(4, 8, 256, 32), { isCausal: true }),
    ],
  },
  { name: "adam", make: adam },
  { name: "sort", make: () => [sort(input(64, 1000)).values] },
  { name: "cumsum", make: () => [cumsum(input(64, 1000), 1)] },
  {
    name: "dropout",
    make: () => {
      manualSeed(1);
      return [dropout(input(64, 128), 0.1)];
    },
  },
];

/** The kernel of a case. */
export function kernelOf({ make, kernel = 0 }: ShaderCase): KernelReport {
  const found = explain(...make()).kernels[kernel];
  if (found === undefined) throw new Error("a case without its kernel");
  return found;
}
