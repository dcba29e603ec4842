// Transformer layers and their stacks (Vaswani et al. 2017), with PyTorch's parameters and masks.

import { checkWhole, printed, withDefaults } from "../ops/check.ts";
import { add, gelu, relu, type Tensor } from "../tensor.ts";
import { type AttentionForwardOptions, MultiheadAttention } from "./attention.ts";
import { ModuleList } from "./containers.ts";
import { Dropout } from "./dropout.ts";
import { Linear } from "./linear.ts";
import { type Layer, Module } from "./module.ts";
import { LayerNorm } from "./norm.ts";

/** The activation of a feed-forward part: by name, or any function of a tensor. */
export type Activation = "relu" | "gelu" | ((x: Tensor) => Tensor);

/** Options of `TransformerEncoderLayer` and `TransformerDecoderLayer`. */
export interface TransformerLayerOptions {
  /** Width of the feed-forward part. Default 2048. */
  dimFeedforward?: number;
  /** Probability of all dropouts. Default 0.1. */
  dropout?: number;
  /** Default "relu". */
  activation?: Activation;
  /** Added to the variance in the norms. Default 1e-5. */
  layerNormEps?: number;
  /** Inputs and outputs are [N, L, E] instead of [L, N, E]. Default false. */
  batchFirst?: boolean;
  /** Normalizes in front of each part and not after it. Default false. */
  normFirst?: boolean;
  /** Biases of linear layers and norms. Default true. */
  bias?: boolean;
}

/** Masks that `TransformerEncoderLayer.forward` takes. */
export interface EncoderLayerForwardOptions {
  /** [L, L] or [N · nhead, L, L]: true where attention is hidden, or numbers added to the scores. */
  srcMask?: Tensor | null;
  /** [N, L]: true where a key is hidden. */
  srcKeyPaddingMask?: Tensor | null;
  /** Each place sees itself and what is before it. Default false. */
  isCausal?: boolean;
}

/** Masks that `TransformerEncoder.forward` takes. */
export interface EncoderForwardOptions extends Omit<EncoderLayerForwardOptions, "srcMask"> {
  /** As `srcMask` of a layer. */
  mask?: Tensor | null;
}

/** Masks that the `forward` of `TransformerDecoder` and its layers takes. */
export interface DecoderForwardOptions {
  /** [L, L] or [N · nhead, L, L]: true where the target's attention to itself is hidden, or numbers added to the scores. */
  tgtMask?: Tensor | null;
  /** [L, S] or [N · nhead, L, S]: the same of the attention to the memory. */
  memoryMask?: Tensor | null;
  /** [N, L]: true where a target is hidden. */
  tgtKeyPaddingMask?: Tensor | null;
  /** [N, S]: true where a memory is hidden. */
  memoryKeyPaddingMask?: Tensor | null;
  /** Each target sees itself and what is before it. Default false. */
  tgtIsCausal?: boolean;
  /** Target i sees memories 0 … i. Default false. */
  memoryIsCausal?: boolean;
}

function activate(layer: string, activation: Activation): (x: Tensor) => Tensor {
  if (activation === "relu") return relu;
  if (activation === "gelu") return (x) => gelu(x);
  if (typeof activation === "function") return activation;
  throw new RangeError(`${layer}: activation must be "relu", "gelu" or a function, got "${String(activation)}".`);
}

/** An attention of `x` to `memory`, and dropout. */
function attend(
  attention: MultiheadAttention,
  x: Tensor,
  memory: Tensor,
  dropout: Dropout,
  options: AttentionForwardOptions,
): Tensor {
  return dropout.forward(attention.forward(x, memory, memory, { ...options, needWeights: false })[0]);
}

/** Shared by both kinds of layers: attentions and a feed-forward part, each with dropout, a residual connection and a norm. */
abstract class TransformerLayer extends Module {
  readonly dModel: number;
  readonly nhead: number;
  readonly options: TransformerLayerOptions;
  // Declared only: parameters stand in the order in which they are made, which is PyTorch's.
  declare self_attn: MultiheadAttention;
  declare linear1: Linear;
  declare dropout: Dropout;
  declare linear2: Linear;
  declare norm1: LayerNorm;
  declare norm2: LayerNorm;
  declare dropout1: Dropout;
  declare dropout2: Dropout;
  readonly #activate: (x: Tensor) => Tensor;

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions, ...attentions: string[]) {
    super();
    const { name } = this.constructor;
    const all = withDefaults(name, options, {
      dimFeedforward: 2048,
      dropout: 0.1,
      activation: "relu" as const,
      layerNormEps: 1e-5,
      batchFirst: false,
      normFirst: false,
      bias: true,
    });
    const { dimFeedforward, dropout, layerNormEps: eps, batchFirst, bias } = all;
    this.dModel = checkWhole(name, "dModel", dModel, 1);
    this.nhead = checkWhole(name, "nhead", nhead, 1);
    this.options = all;
    const parts = this as unknown as Record<string, Module>;
    for (const attention of attentions) {
      parts[attention] = new MultiheadAttention(dModel, nhead, { dropout, batchFirst, bias });
    }
    this.linear1 = new Linear(dModel, dimFeedforward, { bias });
    this.dropout = new Dropout(dropout);
    this.linear2 = new Linear(dimFeedforward, dModel, { bias });
    const numbers = Array.from({ length: attentions.length + 1 }, (_, i) => i + 1);
    for (const i of numbers) parts[`norm${i}`] = new LayerNorm(dModel, { eps, bias });
    for (const i of numbers) parts[`dropout${i}`] = new Dropout(dropout);
    this.#activate = activate(name, all.activation);
  }

  /** Another layer like this one, with weights of its own of the same values. */
  clone(): this {
    const copy = new (this.constructor as new (...args: unknown[]) => this)(this.dModel, this.nhead, this.options);
    copy.loadStateDict(this.stateDict());
    return copy.train(this.training);
  }

  /** One part with its residual connection and its norm. */
  protected withResidual(x: Tensor, norm: LayerNorm, part: (x: Tensor) => Tensor): Tensor {
    return this.options.normFirst === true ? add(x, part(norm.forward(x))) : norm.forward(add(x, part(x)));
  }

  protected feedForward(x: Tensor, dropout: Dropout): Tensor {
    const wide = this.dropout.forward(this.#activate(this.linear1.forward(x)));
    return dropout.forward(this.linear2.forward(wide));
  }
}

/** Applies self-attention and a feed-forward part, each with dropout, a residual connection and a norm. */
export class TransformerEncoderLayer extends TransformerLayer {
  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super(dModel, nhead, options, "self_attn");
  }

  /** [L, N, E] (or [N, L, E] with `batchFirst`, or [L, E]) → the same shape. */
  override forward(src: Tensor, options: EncoderLayerForwardOptions = {}): Tensor {
    const defaults = { srcMask: null, srcKeyPaddingMask: null, isCausal: false };
    const all = withDefaults("TransformerEncoderLayer.forward", options, defaults);
    const { srcMask: attnMask, srcKeyPaddingMask: keyPaddingMask, isCausal } = all;
    const x = this.withResidual(src, this.norm1, (x) =>
      attend(this.self_attn, x, x, this.dropout1, { attnMask, keyPaddingMask, isCausal }),
    );
    return this.withResidual(x, this.norm2, (x) => this.feedForward(x, this.dropout2));
  }
}

const DECODER_DEFAULTS = {
  tgtMask: null,
  memoryMask: null,
  tgtKeyPaddingMask: null,
  memoryKeyPaddingMask: null,
  tgtIsCausal: false,
  memoryIsCausal: false,
} as const;

/**
 * Applies self-attention, attention to the encoder's output and a feed-forward part, each with dropout, a residual
 * connection and a norm.
 */
export class TransformerDecoderLayer extends TransformerLayer {
  declare multihead_attn: MultiheadAttention;
  declare norm3: LayerNorm;
  declare dropout3: Dropout;

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super(dModel, nhead, options, "self_attn", "multihead_attn");
  }

  /** Targets [L, N, E] and the encoder's output [S, N, E] → [L, N, E]; N first with `batchFirst`, or without N. */
  override forward(tgt: Tensor, memory: Tensor, options: DecoderForwardOptions = {}): Tensor {
    const all = withDefaults("TransformerDecoderLayer.forward", options, DECODER_DEFAULTS);
    const x = this.withResidual(tgt, this.norm1, (x) =>
      attend(this.self_attn, x, x, this.dropout1, {
        attnMask: all.tgtMask,
        keyPaddingMask: all.tgtKeyPaddingMask,
        isCausal: all.tgtIsCausal,
      }),
    );
    const y = this.withResidual(x, this.norm2, (x) =>
      attend(this.multihead_attn, x, memory, this.dropout2, {
        attnMask: all.memoryMask,
        keyPaddingMask: all.memoryKeyPaddingMask,
        isCausal: all.memoryIsCausal,
      }),
    );
    return this.withResidual(y, this.norm3, (x) => this.feedForward(x, this.dropout3));
  }
}

/** `numLayers` copies of a layer, which start with its weights, and an optional norm behind them. */
abstract class TransformerStack<L extends Module & { clone(): L }> extends Module {
  layers: ModuleList<L>;
  norm: Layer | null;

  constructor(layer: L, numLayers: number, options: { norm?: Layer | null }) {
    super();
    const { name } = this.constructor;
    if (!(layer instanceof Module))
      throw new TypeError(`${name}: the first argument must be a layer, got ${printed(layer)}.`);
    const { norm } = withDefaults(name, options, { norm: null });
    const length = checkWhole(name, "numLayers", numLayers, 1);
    this.layers = new ModuleList(Array.from({ length }, () => layer.clone()));
    this.norm = norm;
  }

  protected runLayers(input: Tensor, step: (layer: L, x: Tensor) => Tensor): Tensor {
    let x = input;
    for (const layer of this.layers) x = step(layer, x);
    return this.norm === null ? x : this.norm.forward(x);
  }
}

/** Applies `numLayers` copies of an encoder layer, which start with its weights, and then an optional norm. */
export class TransformerEncoder extends TransformerStack<TransformerEncoderLayer> {
  constructor(encoderLayer: TransformerEncoderLayer, numLayers: number, options: { norm?: Layer | null } = {}) {
    super(encoderLayer, numLayers, options);
  }

  /** As the layers' `forward`, one after the other. */
  override forward(src: Tensor, options: EncoderForwardOptions = {}): Tensor {
    const defaults = { mask: null, srcKeyPaddingMask: null, isCausal: false };
    const { mask: srcMask, ...others } = withDefaults("TransformerEncoder.forward", options, defaults);
    return this.runLayers(src, (layer, x) => layer.forward(x, { ...others, srcMask }));
  }
}

/** Applies `numLayers` copies of a decoder layer, which start with its weights, and then an optional norm. */
export class TransformerDecoder extends TransformerStack<TransformerDecoderLayer> {
  constructor(decoderLayer: TransformerDecoderLayer, numLayers: number, options: { norm?: Layer | null } = {}) {
    super(decoderLayer, numLayers, options);
  }

  /** As the layers' `forward`, one after the other, each with the whole memory. */
  override forward(tgt: Tensor, memory: Tensor, options: DecoderForwardOptions = {}): Tensor {
    const all = withDefaults("TransformerDecoder.forward", options, DECODER_DEFAULTS);
    return this.runLayers(tgt, (layer, x) => layer.forward(x, memory, all));
  }
}
