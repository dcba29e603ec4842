// Activations as layers: each applies the op of its name.

import { checkNumber, checkWhole, demand, misfit, withDefaults } from "../ops/check.ts";
import {
  add,
  celu,
  elu,
  gelu,
  glu,
  gt,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  leakyRelu,
  logSigmoid,
  logSoftmax,
  mish,
  mul,
  prelu,
  randLike,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softmax,
  softmin,
  softplus,
  softshrink,
  softsign,
  type Tensor,
  tanh,
  tanhshrink,
  threshold,
  where,
} from "../tensor.ts";
import { noOptions, wholeNumber } from "./check.ts";
import { Configured } from "./configured.ts";
import { Module } from "./module.ts";
import { filled } from "./parameter.ts";

/** Base of the layers without options. */
abstract class Plain extends Module {
  constructor(...options: never[]) {
    super();
    noOptions(this.constructor.name, options);
  }
}

/** max(0, x). */
export class ReLU extends Plain {
  override forward(input: Tensor): Tensor {
    return relu(input);
  }
}

/** min(max(0, x), 6). */
export class ReLU6 extends Plain {
  override forward(input: Tensor): Tensor {
    return relu6(input);
  }
}

/** scale · (x if x > 0, else α (eˣ - 1)), with the constants of Klambauer et al. 2017. */
export class SELU extends Plain {
  override forward(input: Tensor): Tensor {
    return selu(input);
  }
}

/** x σ(x), also called swish. */
export class SiLU extends Plain {
  override forward(input: Tensor): Tensor {
    return silu(input);
  }
}

/** x tanh(softplus(x)). */
export class Mish extends Plain {
  override forward(input: Tensor): Tensor {
    return mish(input);
  }
}

/** 1 / (1 + e⁻ˣ). */
export class Sigmoid extends Plain {
  override forward(input: Tensor): Tensor {
    return sigmoid(input);
  }
}

/** log(1 / (1 + e⁻ˣ)), without overflow. */
export class LogSigmoid extends Plain {
  override forward(input: Tensor): Tensor {
    return logSigmoid(input);
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Plain {
  override forward(input: Tensor): Tensor {
    return tanh(input);
  }
}

/** x / (1 + |x|). */
export class Softsign extends Plain {
  override forward(input: Tensor): Tensor {
    return softsign(input);
  }
}

/** x - tanh(x). */
export class Tanhshrink extends Plain {
  override forward(input: Tensor): Tensor {
    return tanhshrink(input);
  }
}

/** min(max(0, x / 6 + 1/2), 1). */
export class Hardsigmoid extends Plain {
  override forward(input: Tensor): Tensor {
    return hardsigmoid(input);
  }
}

/** x · hardsigmoid(x). */
export class Hardswish extends Plain {
  override forward(input: Tensor): Tensor {
    return hardswish(input);
  }
}

/** x if x > 0, else negativeSlope · x (default 0.01). */
export class LeakyReLU extends Configured<{ negativeSlope: number }> {
  declare readonly negativeSlope: number;

  constructor(options: { negativeSlope?: number } = {}) {
    super(options, { negativeSlope: 0.01 });
  }

  override forward(input: Tensor): Tensor {
    return leakyRelu(input, this.opOptions);
  }
}

/**
 * x if x > 0, else a · x. In training, a is drawn from U(lower, upper) per element; in evaluation it is their mean
 * (defaults 1/8 and 1/3; Xu et al. 2015).
 */
export class RReLU extends Configured<{ lower: number; upper: number }> {
  declare readonly lower: number;
  declare readonly upper: number;

  constructor(options: { lower?: number; upper?: number } = {}) {
    super(options, { lower: 1 / 8, upper: 1 / 3 });
    demand("RReLU", "lower", this.lower, this.lower <= this.upper, `≤ upper, which is ${this.upper}`);
  }

  override forward(input: Tensor): Tensor {
    const { lower, upper } = this;
    if (!this.training) return leakyRelu(input, { negativeSlope: (lower + upper) / 2 });
    const slope = add(mul(randLike(input), upper - lower), lower);
    return where(gt(input, 0), input, mul(input, slope));
  }
}

/** x if x > 0, else alpha (eˣ - 1) (default alpha 1). */
export class ELU extends Configured<{ alpha: number }> {
  declare readonly alpha: number;

  constructor(options: { alpha?: number } = {}) {
    super(options, { alpha: 1 });
  }

  override forward(input: Tensor): Tensor {
    return elu(input, this.opOptions);
  }
}

/** max(0, x) + min(0, alpha (e^(x / alpha) - 1)) (default alpha 1). */
export class CELU extends Configured<{ alpha: number }> {
  declare readonly alpha: number;

  constructor(options: { alpha?: number } = {}) {
    super(options, { alpha: 1 });
  }

  override forward(input: Tensor): Tensor {
    return celu(input, this.opOptions);
  }
}

/**
 * x Φ(x) with the distribution function Φ of the normal distribution, or its approximation by tanh (Hendrycks and
 * Gimpel 2016).
 */
export class GELU extends Configured<{ approximate: "none" | "tanh" }> {
  declare readonly approximate: "none" | "tanh";

  constructor(options: { approximate?: "none" | "tanh" } = {}) {
    super(options, { approximate: "none" });
  }

  override forward(input: Tensor): Tensor {
    return gelu(input, this.opOptions);
  }
}

/** log(1 + e^(beta x)) / beta; linear where beta x > threshold (defaults 1 and 20). */
export class Softplus extends Configured<{ beta: number; threshold: number }> {
  declare readonly beta: number;
  declare readonly threshold: number;

  constructor(options: { beta?: number; threshold?: number } = {}) {
    super(options, { beta: 1, threshold: 20 });
  }

  override forward(input: Tensor): Tensor {
    return softplus(input, this.opOptions);
  }
}

/** min(max(minVal, x), maxVal) (defaults -1 and 1). */
export class Hardtanh extends Configured<{ minVal: number; maxVal: number }> {
  declare readonly minVal: number;
  declare readonly maxVal: number;

  constructor(options: { minVal?: number; maxVal?: number } = {}) {
    super(options, { minVal: -1, maxVal: 1 });
  }

  override forward(input: Tensor): Tensor {
    return hardtanh(input, this.opOptions);
  }
}

/** x where |x| > lambd (default 0.5), else 0. */
export class Hardshrink extends Configured<{ lambd: number }> {
  declare readonly lambd: number;

  constructor(options: { lambd?: number } = {}) {
    super(options, { lambd: 0.5 });
  }

  override forward(input: Tensor): Tensor {
    return hardshrink(input, this.opOptions);
  }
}

/** x moved towards 0 by lambd (default 0.5); 0 if |x| ≤ lambd. */
export class Softshrink extends Configured<{ lambd: number }> {
  declare readonly lambd: number;

  constructor(options: { lambd?: number } = {}) {
    super(options, { lambd: 0.5 });
  }

  override forward(input: Tensor): Tensor {
    return softshrink(input, this.opOptions);
  }
}

/** The first half along dim (default -1) times σ of the second half. */
export class GLU extends Configured<{ dim: number }> {
  declare readonly dim: number;

  constructor(options: { dim?: number } = {}) {
    super(options, { dim: -1 });
  }

  override forward(input: Tensor): Tensor {
    return glu(input, this.opOptions);
  }
}

/** Base of the softmax layers. */
abstract class AlongDim extends Module {
  readonly dim: number;

  constructor(dim: number, ...options: never[]) {
    super();
    noOptions(this.constructor.name, options);
    this.dim = wholeNumber(this.constructor.name, "dim", dim);
  }
}

/** eˣ / Σ eˣ along dim. */
export class Softmax extends AlongDim {
  override forward(input: Tensor): Tensor {
    return softmax(input, this.dim);
  }
}

/** softmax over the channels of [N, C, H, W] or [C, H, W]. */
export class Softmax2d extends Plain {
  override forward(input: Tensor): Tensor {
    if (input.ndim !== 3 && input.ndim !== 4) {
      throw misfit("Softmax2d", `the input must be [N, C, H, W] or [C, H, W], got [${input.shape}].`, input);
    }
    return softmax(input, -3);
  }
}

/** x - log Σ eˣ along dim. */
export class LogSoftmax extends AlongDim {
  override forward(input: Tensor): Tensor {
    return logSoftmax(input, this.dim);
  }
}

/** e⁻ˣ / Σ e⁻ˣ along dim. */
export class Softmin extends AlongDim {
  override forward(input: Tensor): Tensor {
    return softmin(input, this.dim);
  }
}

/** x where x > threshold, else value. */
export class Threshold extends Module {
  readonly threshold: number;
  readonly value: number;

  constructor(threshold: number, value: number, ...options: never[]) {
    super();
    noOptions("Threshold", options);
    this.threshold = checkNumber("Threshold", "threshold", threshold);
    this.value = checkNumber("Threshold", "value", value);
  }

  override forward(input: Tensor): Tensor {
    return threshold(input, this.threshold, this.value);
  }
}

/**
 * x if x > 0, else weight · x. The weight is learned: one, or one per channel (dim 1). It starts as `init` (default
 * 0.25).
 */
export class PReLU extends Module {
  readonly numParameters: number;
  weight: Tensor;

  constructor(options: { numParameters?: number; init?: number } = {}) {
    super();
    const { numParameters, init } = withDefaults("PReLU", options, { numParameters: 1, init: 0.25 });
    this.numParameters = checkWhole("PReLU", "numParameters", numParameters, 1);
    this.weight = filled([numParameters], init, { requiresGrad: true });
  }

  override forward(input: Tensor): Tensor {
    return prelu(input, this.weight);
  }
}
