// amp: mixed precision. autocast chooses the precision of ops, GradScaler keeps small gradients within f16's range.

import { DTypeError, WgradError } from "./base/errors.ts";
import { stateTensor } from "./engine/arena.ts";
import { openedDevice } from "./engine/engine.ts";
import { Gradients } from "./engine/gradients.ts";
import { keepLoss } from "./engine/requests.ts";
import { recording, Tensor, withGrad } from "./graph/tensor.ts";
import { add, ge, gt, logicalAnd, logicalNot, logicalOr, mul, where } from "./ops/arithmetic.ts";
import { checkFunction, demand, refusePromise, withDefaults } from "./ops/check.ts";
import { isfinite, maximum } from "./ops/comparison.ts";
import { cast, expectTensor } from "./ops/define.ts";
import { reciprocal } from "./ops/exponential.ts";
import { any } from "./ops/reduction-ops.ts";

/**
 * Runs `fn` with each op in the precision that suits it, after PyTorch's lists. Matrix products, `linear`, convolutions
 * and attention take f16 operands; their sums are f32 inside. Losses, norms, softmax, sums, exponentials and logarithms
 * take f32. All other ops keep the dtype of their operands.
 *
 * Parameters stay f32. `"f32"` switches autocasting off inside `fn`. Run the forward pass and the loss inside, and
 * `backward()` outside. Throws a DTypeError if the device has no f16 in shaders (WebGPU's feature `shader-f16`).
 */
export function autocast<T>(dtype: "f16" | "f32", fn: () => T): T {
  if (dtype !== "f16" && dtype !== "f32")
    throw new DTypeError(`autocast: the dtype must be "f16" (or "f32" for none), got ${String(dtype)}.`, {
      op: "autocast",
    });
  checkFunction("autocast", "the second argument", fn);
  const device = openedDevice();
  if (dtype === "f16" && device !== null && device.failure === null && !device.gpu.features.has("shader-f16")) {
    throw new DTypeError(
      `autocast: this device has no f16 in shaders (WebGPU's feature shader-f16), got the adapter "${device.adapterName}". Train in f32 here.`,
      { op: "autocast" },
    );
  }
  const result = recording.under({ autocast: dtype === "f16" }, fn);
  refusePromise("autocast", result);
  return result;
}

/** The part of an optimizer that GradScaler uses. */
export interface ScaledOptimizer {
  /** The groups of parameters. */
  readonly paramGroups: readonly { readonly params: readonly Tensor[] }[];
  /** Updates the parameters, unless `skip` is not 0. */
  step(options?: { skip?: Tensor }): void;
}

/** Options of `GradScaler`. */
export interface GradScalerOptions {
  /** The first factor. Default 65536. */
  initScale?: number;
  /** Multiplies the factor after `growthInterval` steps without overflow. Default 2. */
  growthFactor?: number;
  /** Multiplies the factor after an overflow. Default 0.5. */
  backoffFactor?: number;
  /** Number of steps without overflow after which the factor grows. Default 2000. */
  growthInterval?: number;
  /** If false, all methods do nothing, and `step` only calls the optimizer. Default true. */
  enabled?: boolean;
}

/** The state of a GradScaler under PyTorch's names. Its tensors are the live ones, not copies. */
export interface GradScalerState {
  /** The current factor, 0-dim. */
  scale: Tensor;
  /** The option `growthFactor`. */
  growth_factor: number;
  /** The option `backoffFactor`. */
  backoff_factor: number;
  /** The option `growthInterval`. */
  growth_interval: number;
  /** Number of steps without overflow since the last change, 0-dim. */
  _growth_tracker: Tensor;
}

interface OptimizerStage {
  stage: "ready" | "unscaled" | "stepped";
  /** 1 where a gradient was not finite, else 0. */
  readonly found: Tensor;
}

const CALLED = "was called for this optimizer already since the last update().";

function misused(op: string, problem: string): WgradError {
  return new WgradError(`GradScaler.${op}: ${problem}`, { op });
}

function isScalar(value: unknown): value is Tensor {
  return value instanceof Tensor && value.ndim === 0;
}

function checkScale(op: string, name: string, scale: number): void {
  demand(op, name, scale, Number.isFinite(scale) && scale > 0, "> 0");
}

function checkFactors(op: string, growthFactor: number, backoffFactor: number, growthInterval: number): void {
  demand(op, "growthFactor", growthFactor, Number.isFinite(growthFactor) && growthFactor > 1, "> 1");
  const falling = Number.isFinite(backoffFactor) && backoffFactor < 1 && backoffFactor > 0;
  demand(op, "backoffFactor", backoffFactor, falling, "in 0 … 1");
  demand(op, "growthInterval", growthInterval, Number.isInteger(growthInterval) && growthInterval >= 1, "≥ 1");
}

/**
 * Multiplies the loss by a factor, so that small gradients do not vanish in f16, and divides the gradients by it before
 * the update. If a gradient overflows, the step is skipped and the factor is halved. After `growthInterval` good steps
 * the factor is doubled. The GPU decides all of this within the step's own submit; nothing is read back.
 *
 * ```js
 * import { amp, init, nn, ones, optim } from "wgrad";
 *
 * const device = await init();
 * const dtype = device.gpu.features.has("shader-f16") ? "f16" : "f32";
 * const model = new nn.Linear(4, 1);
 * const optimizer = new optim.SGD(model.parameters());
 * const scaler = new amp.GradScaler();
 * const loss = amp.autocast(dtype, () => model.forward(ones([2, 4])).square().mean());
 * scaler.scale(loss).backward();
 * scaler.step(optimizer);
 * scaler.update();
 * ```
 *
 * The `step` counters of an optimizer count skipped steps, too. Its formulas do not.
 */
export class GradScaler {
  #growthFactor: number;
  #backoffFactor: number;
  #growthInterval: number;
  readonly #enabled: boolean;
  readonly #scale: Tensor;
  readonly #tracker: Tensor;
  readonly #stages = new Map<ScaledOptimizer, OptimizerStage>();

  constructor(options: GradScalerOptions = {}) {
    const all = withDefaults("GradScaler", options, {
      initScale: 65536,
      growthFactor: 2,
      backoffFactor: 0.5,
      growthInterval: 2000,
      enabled: true,
    });
    const { initScale, growthFactor, backoffFactor, growthInterval } = all;
    checkScale("GradScaler", "initScale", initScale);
    checkFactors("GradScaler", growthFactor, backoffFactor, growthInterval);
    this.#growthFactor = growthFactor;
    this.#backoffFactor = backoffFactor;
    this.#growthInterval = growthInterval;
    this.#enabled = all.enabled;
    this.#scale = stateTensor([], initScale);
    this.#tracker = stateTensor([], 0);
  }

  /** Whether the scaler does anything: the option `enabled`. */
  isEnabled(): boolean {
    return this.#enabled;
  }

  /** The current factor, as a 0-dim tensor. */
  getScale(): Tensor {
    return this.#scale;
  }

  /**
   * Multiplies the loss by the factor: a tensor, or several in arrays and objects. The loss itself stays readable after
   * the step.
   */
  scale<T>(outputs: T): T {
    if (!this.#enabled) return outputs;
    const visit = (value: unknown): unknown => {
      refusePromise("GradScaler.scale", value, "the loss");
      if (value instanceof Tensor) {
        // It is what one reads, not its product, on which backward is called.
        keepLoss(value.node);
        return mul(cast(value, "f32"), this.#scale.detach());
      }
      if (Array.isArray(value)) return value.map(visit);
      if (value !== null && typeof value === "object")
        return Object.fromEntries(Object.entries(value).map(([name, v]) => [name, visit(v)]));
      throw new TypeError(`GradScaler.scale: takes tensors, alone or in arrays and objects, got ${typeof value}.`);
    };
    return visit(outputs) as T;
  }

  /**
   * Divides the gradients of the optimizer's parameters by the factor. Call it before the step if something must see
   * the true gradients, such as clipping.
   */
  unscale_(optimizer: ScaledOptimizer): void {
    if (!this.#enabled) return;
    const state = this.#stageOf(optimizer);
    if (state.stage !== "ready") {
      throw misused("unscale_", state.stage === "unscaled" ? CALLED : "comes before step(), not after it.");
    }
    state.stage = "unscaled";
    withGrad(false, () => {
      const gradients = new Gradients(
        "GradScaler.unscale_",
        optimizer.paramGroups.flatMap((group) => group.params),
      );
      const bad = gradients.elements().map((g) => cast(any(logicalNot(isfinite(g))), "f32"));
      if (bad.length === 0) throw misused("unscale_", "no parameter has a gradient. Call backward() before.");
      const inverse = reciprocal(this.#scale.detach());
      gradients.replace((g) => mul(g, inverse));
      state.found.assign(bad.reduce((a, b) => maximum(a, b)));
    });
  }

  /** Calls `optimizer.step()`. If a gradient overflowed, parameters and state keep their values. */
  step(optimizer: ScaledOptimizer): void {
    if (!this.#enabled) {
      optimizer.step();
      return;
    }
    const state = this.#stageOf(optimizer);
    if (state.stage === "stepped") throw misused("step", CALLED);
    if (state.stage === "ready") this.unscale_(optimizer);
    state.stage = "stepped";
    optimizer.step({ skip: state.found });
  }

  /** Raises or lowers the factor, depending on the steps since the last update. With an argument, sets the factor. */
  update(newScale?: number | Tensor): void {
    if (!this.#enabled) return;
    withGrad(false, () => {
      if (newScale !== undefined) {
        this.#scale.assign(typeof newScale === "number" ? newScale : expectTensor("update", newScale, "the scale"));
      } else {
        const found = [...this.#stages.values()].filter(({ stage }) => stage !== "ready").map((s) => s.found);
        if (found.length === 0)
          throw misused("update", "no step was taken since the last update. Call step(optimizer) before.");
        const worst = found.reduce((a, b) => maximum(a, b));
        const overflow = gt(worst, 0);
        const good = add(this.#tracker, 1);
        const grows = ge(good, this.#growthInterval);
        const grown = mul(this.#scale, this.#growthFactor);
        const larger = where(logicalAnd(grows, isfinite(grown)), grown, this.#scale);
        const tracker = where(logicalOr(overflow, grows), 0, good);
        this.#scale.assign(where(overflow, mul(this.#scale, this.#backoffFactor), larger));
        this.#tracker.assign(tracker);
      }
    });
    for (const state of this.#stages.values()) state.stage = "ready";
  }

  /**
   * Returns the factor, the tracker and the options under PyTorch's names; an empty object if the scaler is disabled.
   */
  stateDict(): GradScalerState | Record<string, never> {
    if (!this.#enabled) return {};
    return {
      scale: this.#scale,
      growth_factor: this.#growthFactor,
      backoff_factor: this.#backoffFactor,
      growth_interval: this.#growthInterval,
      _growth_tracker: this.#tracker,
    };
  }

  /**
   * Takes what `stateDict()` returned, or PyTorch's state with numbers for `scale` and `_growth_tracker`. All or
   * nothing.
   * @throws WgradError if something is missing, RangeError for a value that the constructor would not take either.
   */
  loadStateDict(state: {
    scale: Tensor | number;
    growth_factor: number;
    backoff_factor: number;
    growth_interval: number;
    _growth_tracker: Tensor | number;
  }): void {
    if (!this.#enabled) return;
    const op = "GradScaler.loadStateDict";
    if (typeof state !== "object" || state === null || !("scale" in state) || !("_growth_tracker" in state))
      throw new WgradError(`${op}: the state must have scale and _growth_tracker.`);
    checkFactors(op, state.growth_factor, state.backoff_factor, state.growth_interval);
    const { scale, _growth_tracker: tracker } = state;
    if (!isScalar(scale)) checkScale(op, "scale", scale);
    if (!isScalar(tracker))
      demand(op, "_growth_tracker", tracker, Number.isInteger(tracker) && tracker >= 0, "a whole number ≥ 0");
    withGrad(false, () => {
      const [newScale, newTracker] = [scale, tracker].map((x) => (x instanceof Tensor ? x.detach() : x));
      this.#scale.assign(newScale as Tensor | number);
      this.#tracker.assign(newTracker as Tensor | number);
    });
    this.#growthFactor = state.growth_factor;
    this.#backoffFactor = state.backoff_factor;
    this.#growthInterval = state.growth_interval;
  }

  #stageOf(optimizer: ScaledOptimizer): OptimizerStage {
    if (!Array.isArray(optimizer?.paramGroups)) throw new TypeError("GradScaler: takes an optimizer.");
    let state = this.#stages.get(optimizer);
    if (state === undefined) {
      state = { stage: "ready", found: stateTensor([], 0) };
      this.#stages.set(optimizer, state);
    }
    return state;
  }
}
