// Recurrent layers: stacks of RNN, LSTM and GRU layers in one or two directions, with PyTorch's parameters.

import { checkChoice, checkWhole, demand, misfit, sameShape, withDefaults } from "../ops/check.ts";
import { cat, dropout, gru, lstm, rnn, select, squeeze, stack, type Tensor, transpose, unsqueeze } from "../tensor.ts";
import { probability } from "./check.ts";
import { Module } from "./module.ts";
import { blank, draw } from "./parameter.ts";

/** Options of `RNN`, `LSTM` and `GRU`. */
export interface RecurrentOptions {
  /** Number of layers, one on top of the other. Default 1. */
  numLayers?: number;
  /** Adds learned biases. Default true. */
  bias?: boolean;
  /** Inputs and outputs are [B, T, *] instead of [T, B, *]. Default false. */
  batchFirst?: boolean;
  /** Probability with which, in training, an output of any layer but the last is zeroed. Default 0. */
  dropout?: number;
  /**
   * Adds a second set of layers that goes from the last step to the first; outputs stand side by side. Default false.
   */
  bidirectional?: boolean;
}

/** The weights of one direction of one layer, as the ops take them. */
interface Weights {
  weightIh: Tensor;
  weightHh: Tensor;
  biasIh: Tensor | null;
  biasHh: Tensor | null;
  weightHr: Tensor | null;
}

/** The results of one direction of one layer: h of all steps, and the last states. */
interface Run {
  output: Tensor;
  last: Tensor[];
}

/**
 * Base of the recurrent layers. Parameters of layer k are `weight_ih_lk` [G·H, I] and `weight_hh_lk` [G·H, H] with biases `bias_ih_lk`
 * and `bias_hh_lk` [G·H] (`…_reverse` for the second direction), all U(-1/√H, 1/√H) at first.
 */
abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  /** Size of the projected h; 0 without projection. */
  readonly projSize: number;

  constructor(
    inputSize: number,
    hiddenSize: number,
    gates: number,
    options: RecurrentOptions & { projSize?: number },
    ...ownOptions: string[]
  ) {
    super();
    const { name } = this.constructor;
    const defaults = { numLayers: 1, bias: true, batchFirst: false, dropout: 0, bidirectional: false };
    const all = withDefaults(name, options, defaults, ...ownOptions);
    const { projSize = 0 } = options;
    this.inputSize = checkWhole(name, "inputSize", inputSize, 1);
    this.hiddenSize = checkWhole(name, "hiddenSize", hiddenSize, 1);
    this.numLayers = checkWhole(name, "numLayers", all.numLayers, 1);
    this.bias = all.bias;
    this.batchFirst = all.batchFirst;
    this.dropout = probability(name, "dropout", all.dropout);
    this.bidirectional = all.bidirectional;
    this.projSize = checkWhole(name, "projSize", projSize, 0);
    demand(name, "projSize", projSize, projSize < hiddenSize, `less than hiddenSize, which is ${hiddenSize}`);
    const directions = this.bidirectional ? 2 : 1;
    const rows = gates * hiddenSize;
    const make = (key: string, ...shape: number[]): void => {
      this.#properties[key] = blank(...shape);
    };
    for (let layer = 0; layer < this.numLayers; layer++) {
      for (let direction = 0; direction < directions; direction++) {
        const suffix = suffixOf(layer, direction);
        make(`weight_ih_${suffix}`, rows, layer === 0 ? inputSize : this.outputSize * directions);
        make(`weight_hh_${suffix}`, rows, this.outputSize);
        if (this.bias) {
          make(`bias_ih_${suffix}`, rows);
          make(`bias_hh_${suffix}`, rows);
        }
        if (projSize > 0) make(`weight_hr_${suffix}`, projSize, hiddenSize);
      }
    }
    this.resetParameters();
  }

  get #properties(): Record<string, unknown> {
    return this as unknown as Record<string, unknown>;
  }

  /** Size of h. */
  get outputSize(): number {
    return this.projSize > 0 ? this.projSize : this.hiddenSize;
  }

  /** Draws all parameters anew. */
  resetParameters(): void {
    draw(this.hiddenSize, ...this.parameters());
  }

  #weights(layer: number, direction: number): Weights {
    const suffix = suffixOf(layer, direction);
    const at = (key: string): Tensor | null => (this.#properties[`${key}_${suffix}`] as Tensor | undefined) ?? null;
    return {
      weightIh: at("weight_ih") as Tensor,
      weightHh: at("weight_hh") as Tensor,
      biasIh: at("bias_ih"),
      biasHh: at("bias_hh"),
      weightHr: at("weight_hr"),
    };
  }

  /** One direction of one layer over [T, B, I], from `state` (null: zeros). */
  protected abstract walk(x: Tensor, state: Tensor[] | null, weights: Weights, reverse: boolean): Run;

  /** Sizes of the states: h's, and c's. */
  protected abstract stateSizes(): { name: string; size: number }[];

  /** All layers and directions over the input as given; states and results as [layers · directions, B, *]. */
  protected walkAll(input: Tensor, states: readonly Tensor[] | null): Run {
    const batched = input.ndim === 3;
    const form = this.batchFirst ? "[B, T, I] or [T, I]" : "[T, B, I] or [T, I]";
    if ((input.ndim !== 2 && !batched) || input.shape[input.ndim - 1] !== this.inputSize) {
      const rule = `the input must be ${form} with I = ${this.inputSize}, got [${input.shape}].`;
      throw misfit(this.constructor.name, rule, input);
    }
    const sequence = batched ? input : unsqueeze(input, 1);
    let x = batched && this.batchFirst ? transpose(sequence, 0, 1) : sequence;
    const directions = this.bidirectional ? 2 : 1;
    const given = states === null ? null : this.#checkStates(states, x.shape[1] as number, batched);
    const last: Tensor[][] = [];
    for (let layer = 0; layer < this.numLayers; layer++) {
      const outputs: Tensor[] = [];
      for (let direction = 0; direction < directions; direction++) {
        const place = layer * directions + direction;
        const state = given?.map((s) => select(s, 0, place)) ?? null;
        const run = this.walk(x, state, this.#weights(layer, direction), direction === 1);
        outputs.push(run.output);
        last.push(run.last);
      }
      x = outputs.length === 1 ? (outputs[0] as Tensor) : cat(outputs, { dim: 2 });
      if (layer < this.numLayers - 1) x = dropout(x, this.dropout, { training: this.training });
    }
    const finals = this.stateSizes().map((_, i) => {
      const all = stack(last.map((states) => states[i] as Tensor));
      return batched ? all : squeeze(all, { dim: 1 });
    });
    if (!batched) return { output: squeeze(x, { dim: 1 }), last: finals };
    return { output: this.batchFirst ? transpose(x, 0, 1) : x, last: finals };
  }

  #checkStates(states: readonly Tensor[], batch: number, batched: boolean): Tensor[] {
    const count = this.numLayers * (this.bidirectional ? 2 : 1);
    return this.stateSizes().map(({ name: state, size }, i) => {
      const wanted = batched ? [count, batch, size] : [count, size];
      const given = states[i];
      if (given === undefined || !sameShape(given.shape, wanted)) {
        const got = given === undefined ? "nothing" : `[${given.shape}]`;
        const rule = `${state} must be [${wanted}] (layers · directions, batch, size), got ${got}.`;
        throw misfit(this.constructor.name, rule);
      }
      return batched ? given : unsqueeze(given, 1);
    });
  }
}

function suffixOf(layer: number, direction: number): string {
  return `l${layer}${direction === 1 ? "_reverse" : ""}`;
}

/** Base of the layers whose only state is h. */
abstract class Hidden extends Recurrent {
  protected override stateSizes(): { name: string; size: number }[] {
    return [{ name: "h", size: this.hiddenSize }];
  }

  /** x [T, B, I] and h [layers · directions, B, H] (zeros unless given) → outputs of the last layer [T, B, directions · H], and the last h. */
  override forward(input: Tensor, h?: Tensor | null): [Tensor, Tensor] {
    const { output, last } = this.walkAll(input, h === undefined || h === null ? null : [h]);
    return [output, last[0] as Tensor];
  }
}

/**
 * Runs a plain recurrent network: h ← tanh(W x + b + W′ h + b′), or relu instead of tanh. `forward(x, h?)` returns
 * [output, h] (Elman 1990).
 */
export class RNN extends Hidden {
  readonly nonlinearity: "tanh" | "relu";

  constructor(
    inputSize: number,
    hiddenSize: number,
    options: RecurrentOptions & { nonlinearity?: "tanh" | "relu" } = {},
  ) {
    super(inputSize, hiddenSize, 1, options, "nonlinearity");
    this.nonlinearity = checkChoice("RNN", "nonlinearity", options.nonlinearity ?? "tanh", ["tanh", "relu"]);
  }

  protected override walk(x: Tensor, state: Tensor[] | null, weights: Weights, reverse: boolean): Run {
    const [output, h] = rnn(x, state?.[0] ?? null, weights, { reverse, nonlinearity: this.nonlinearity });
    return { output, last: [h] };
  }
}

/**
 * Runs gated recurrent units. `forward(x, h?)` returns [output, h] (Cho et al. 2014). The rows of the weights are the
 * gates r, z, n.
 */
export class GRU extends Hidden {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super(inputSize, hiddenSize, 3, options);
  }

  protected override walk(x: Tensor, state: Tensor[] | null, weights: Weights, reverse: boolean): Run {
    const [output, h] = gru(x, state?.[0] ?? null, weights, { reverse });
    return { output, last: [h] };
  }
}

/**
 * Runs a long short-term memory. `forward(x, [h, c]?)` returns [output, [h, c]] (Hochreiter and Schmidhuber 1997). The
 * rows of the weights are the gates i, f, g, o. With `projSize` P, `weight_hr_lk` [P, H] projects h to that size (Sak
 * et al. 2014).
 */
export class LSTM extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions & { projSize?: number } = {}) {
    super(inputSize, hiddenSize, 4, options, "projSize");
  }

  protected override stateSizes(): { name: string; size: number }[] {
    return [
      { name: "h", size: this.outputSize },
      { name: "c", size: this.hiddenSize },
    ];
  }

  protected override walk(x: Tensor, state: Tensor[] | null, weights: Weights, reverse: boolean): Run {
    const [output, last] = lstm(x, state as [Tensor, Tensor] | null, weights, { reverse });
    return { output, last };
  }

  /**
   * x [T, B, I], h [layers · directions, B, H or P] and c [layers · directions, B, H] (zeros unless given) → outputs of the last layer
   * [T, B, directions · (H or P)], and the last h and c.
   */
  override forward(input: Tensor, state?: readonly [Tensor, Tensor] | null): [Tensor, [Tensor, Tensor]] {
    const { output, last } = this.walkAll(input, state ?? null);
    return [output, last as [Tensor, Tensor]];
  }
}
