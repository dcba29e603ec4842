// Cells: one step of a recurrent layer, for your own loops.

import { checkChoice, checkWhole, misfit, withDefaults } from "../ops/check.ts";
import { gruCell, lstmCell, rnnCell, squeeze, type Tensor, unsqueeze, zeros } from "../tensor.ts";
import { Module } from "./module.ts";
import { blank, draw } from "./parameter.ts";

/**
 * Base of the cells: `weight_ih` [G·H, I], `weight_hh` [G·H, H], `bias_ih` and `bias_hh` [G·H], all U(-1/√H, 1/√H) at first. Inputs are
 * [B, I] or [I].
 */
abstract class RecurrentCell extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly bias: boolean;
  weight_ih: Tensor;
  weight_hh: Tensor;
  bias_ih: Tensor | null;
  bias_hh: Tensor | null;

  constructor(
    inputSize: number,
    hiddenSize: number,
    gates: number,
    options: { bias?: boolean },
    ...ownOptions: string[]
  ) {
    super();
    const { name } = this.constructor;
    this.bias = withDefaults(name, options, { bias: true }, ...ownOptions).bias;
    this.inputSize = checkWhole(name, "inputSize", inputSize, 1);
    this.hiddenSize = checkWhole(name, "hiddenSize", hiddenSize, 1);
    const rows = gates * hiddenSize;
    this.weight_ih = blank(rows, inputSize);
    this.weight_hh = blank(rows, hiddenSize);
    this.bias_ih = this.bias ? blank(rows) : null;
    this.bias_hh = this.bias ? blank(rows) : null;
    this.resetParameters();
  }

  /** Draws all parameters anew. */
  resetParameters(): void {
    draw(this.hiddenSize, ...this.parameters());
  }

  protected weights(): { weightIh: Tensor; weightHh: Tensor; biasIh: Tensor | null; biasHh: Tensor | null } {
    return { weightIh: this.weight_ih, weightHh: this.weight_hh, biasIh: this.bias_ih, biasHh: this.bias_hh };
  }

  /** Input and states with a batch dim; states that are not given are zeros. */
  protected batched(input: Tensor, states: readonly (Tensor | null)[]): { x: Tensor; states: Tensor[] } {
    if (input.ndim !== 1 && input.ndim !== 2) {
      const form = `[B, ${this.inputSize}] or [${this.inputSize}]`;
      throw misfit(this.constructor.name, `the input must be ${form}, got [${input.shape}].`, input);
    }
    const x = input.ndim === 2 ? input : unsqueeze(input, 0);
    const given = (state: Tensor): Tensor => (input.ndim === 2 ? state : unsqueeze(state, 0));
    // Zeros and not nothing: the recurrent weights have a gradient then, if of zeros.
    const none = zeros([x.shape[0] as number, this.hiddenSize]);
    return { x, states: states.map((state) => (state === null ? none : given(state))) };
  }

  /** A result without the batch dim that the input hadn't. */
  protected like(input: Tensor, result: Tensor): Tensor {
    return input.ndim === 2 ? result : squeeze(result, { dim: 0 });
  }
}

/** Takes one step of an RNN: `forward(x, h?)` returns h. */
export class RNNCell extends RecurrentCell {
  readonly nonlinearity: "tanh" | "relu";

  constructor(inputSize: number, hiddenSize: number, options: { bias?: boolean; nonlinearity?: "tanh" | "relu" } = {}) {
    super(inputSize, hiddenSize, 1, options, "nonlinearity");
    this.nonlinearity = checkChoice("RNNCell", "nonlinearity", options.nonlinearity ?? "tanh", ["tanh", "relu"]);
  }

  override forward(input: Tensor, h?: Tensor | null): Tensor {
    const { x, states } = this.batched(input, [h ?? null]);
    return this.like(input, rnnCell(x, states[0] ?? null, this.weights(), { nonlinearity: this.nonlinearity }));
  }
}

/** Takes one step of a GRU: `forward(x, h?)` returns h. */
export class GRUCell extends RecurrentCell {
  constructor(inputSize: number, hiddenSize: number, options: { bias?: boolean } = {}) {
    super(inputSize, hiddenSize, 3, options);
  }

  override forward(input: Tensor, h?: Tensor | null): Tensor {
    const { x, states } = this.batched(input, [h ?? null]);
    return this.like(input, gruCell(x, states[0] ?? null, this.weights()));
  }
}

/** Takes one step of an LSTM: `forward(x, [h, c]?)` returns [h, c]. */
export class LSTMCell extends RecurrentCell {
  constructor(inputSize: number, hiddenSize: number, options: { bias?: boolean } = {}) {
    super(inputSize, hiddenSize, 4, options);
  }

  override forward(input: Tensor, state?: readonly [Tensor, Tensor] | null): [Tensor, Tensor] {
    const { x, states } = this.batched(input, state ?? [null, null]);
    const [h, c] = lstmCell(x, states as [Tensor, Tensor], this.weights());
    return [this.like(input, h), this.like(input, c)];
  }
}
