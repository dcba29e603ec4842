// Transformer layers and their stacks (Vaswani et al. 2017), with PyTorch's parameters and masks.

import { add, checkOptions, gelu, relu, type Tensor } from "../tensor.ts";
import { MultiheadAttention } from "./attention.ts";
import { whole } from "./check.ts";
import { ModuleList } from "./containers.ts";
import { Dropout } from "./dropout.ts";
import { Linear } from "./linear.ts";
import { type Layer, Module } from "./module.ts";
import { LayerNorm } from "./norm.ts";

/** The activation of a feed-forward part: by name, or any function of a tensor. */
export type Activation = "relu" | "gelu" | ((x: Tensor) => Tensor);

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

export interface EncoderLayerForwardOptions {
  /** [L, L] or [N · nhead, L, L]: true where attention is hidden, or numbers added to the scores. */
  srcMask?: Tensor | null;
  /** [N, L]: true where a key is hidden. */
  srcKeyPaddingMask?: Tensor | null;
  /** Each place sees itself and what is before it. Default false. */
  isCausal?: boolean;
}

export interface EncoderForwardOptions extends Omit<EncoderLayerForwardOptions, "srcMask"> {
  /** As `srcMask` of a layer. */
  mask?: Tensor | null;
}

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

const LAYER_OPTIONS: readonly string[] = [
  "dimFeedforward",
  "dropout",
  "activation",
  "layerNormEps",
  "batchFirst",
  "normFirst",
  "bias",
];

function activate(layer: string, activation: Activation): (x: Tensor) => Tensor {
  if (activation === "relu") return relu;
  if (activation === "gelu") return (x) => gelu(x);
  if (typeof activation === "function") return activation;
  throw new RangeError(`${layer}: activation must be "relu", "gelu" or a function, got "${String(activation)}".`);
}

/** Self-attention and a feed-forward part, each with dropout, a residual connection and a norm. */
export class TransformerEncoderLayer extends Module {
  readonly dModel: number;
  readonly nhead: number;
  readonly options: TransformerLayerOptions;
  self_attn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;
  readonly #activate: (x: Tensor) => Tensor;

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    checkOptions("TransformerEncoderLayer", options, LAYER_OPTIONS);
    this.dModel = whole("TransformerEncoderLayer", "dModel", dModel);
    this.nhead = whole("TransformerEncoderLayer", "nhead", nhead);
    this.options = { ...options };
    const { dimFeedforward = 2048, dropout = 0.1, layerNormEps = 1e-5, batchFirst = false, bias = true } = options;
    this.self_attn = new MultiheadAttention(dModel, nhead, { dropout, batchFirst, bias });
    this.linear1 = new Linear(dModel, dimFeedforward, { bias });
    this.dropout = new Dropout(dropout);
    this.linear2 = new Linear(dimFeedforward, dModel, { bias });
    this.norm1 = new LayerNorm(dModel, { eps: layerNormEps, bias });
    this.norm2 = new LayerNorm(dModel, { eps: layerNormEps, bias });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.#activate = activate("TransformerEncoderLayer", options.activation ?? "relu");
  }

  /** Another layer like this one, with weights of its own of the same values. */
  clone(): TransformerEncoderLayer {
    const copy = new TransformerEncoderLayer(this.dModel, this.nhead, this.options);
    copy.loadStateDict(this.stateDict());
    return copy.train(this.training);
  }

  /** [L, N, E] (or [N, L, E] with `batchFirst`, or [L, E]) → the same shape. */
  override forward(src: Tensor, options: EncoderLayerForwardOptions = {}): Tensor {
    checkOptions("TransformerEncoderLayer.forward", options, ["srcMask", "srcKeyPaddingMask", "isCausal"]);
    const attend = (x: Tensor): Tensor => {
      const [attended] = this.self_attn.forward(x, x, x, {
        attnMask: options.srcMask ?? null,
        keyPaddingMask: options.srcKeyPaddingMask ?? null,
        isCausal: options.isCausal ?? false,
        needWeights: false,
      });
      return this.dropout1.forward(attended);
    };
    const feed = (x: Tensor): Tensor => {
      const wide = this.dropout.forward(this.#activate(this.linear1.forward(x)));
      return this.dropout2.forward(this.linear2.forward(wide));
    };
    if (this.options.normFirst === true) {
      const x = add(src, attend(this.norm1.forward(src)));
      return add(x, feed(this.norm2.forward(x)));
    }
    const x = this.norm1.forward(add(src, attend(src)));
    return this.norm2.forward(add(x, feed(x)));
  }
}

/** Self-attention, attention to the encoder's output and a feed-forward part, each with dropout, a residual connection and a norm. */
export class TransformerDecoderLayer extends Module {
  readonly dModel: number;
  readonly nhead: number;
  readonly options: TransformerLayerOptions;
  self_attn: MultiheadAttention;
  multihead_attn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  norm3: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;
  dropout3: Dropout;
  readonly #activate: (x: Tensor) => Tensor;

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    checkOptions("TransformerDecoderLayer", options, LAYER_OPTIONS);
    this.dModel = whole("TransformerDecoderLayer", "dModel", dModel);
    this.nhead = whole("TransformerDecoderLayer", "nhead", nhead);
    this.options = { ...options };
    const { dimFeedforward = 2048, dropout = 0.1, layerNormEps = 1e-5, batchFirst = false, bias = true } = options;
    this.self_attn = new MultiheadAttention(dModel, nhead, { dropout, batchFirst, bias });
    this.multihead_attn = new MultiheadAttention(dModel, nhead, { dropout, batchFirst, bias });
    this.linear1 = new Linear(dModel, dimFeedforward, { bias });
    this.dropout = new Dropout(dropout);
    this.linear2 = new Linear(dimFeedforward, dModel, { bias });
    this.norm1 = new LayerNorm(dModel, { eps: layerNormEps, bias });
    this.norm2 = new LayerNorm(dModel, { eps: layerNormEps, bias });
    this.norm3 = new LayerNorm(dModel, { eps: layerNormEps, bias });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.dropout3 = new Dropout(dropout);
    this.#activate = activate("TransformerDecoderLayer", options.activation ?? "relu");
  }

  /** Another layer like this one, with weights of its own of the same values. */
  clone(): TransformerDecoderLayer {
    const copy = new TransformerDecoderLayer(this.dModel, this.nhead, this.options);
    copy.loadStateDict(this.stateDict());
    return copy.train(this.training);
  }

  /** Targets [L, N, E] and the encoder's output [S, N, E] → [L, N, E]; N first with `batchFirst`, or without N. */
  override forward(tgt: Tensor, memory: Tensor, options: DecoderForwardOptions = {}): Tensor {
    checkDecoderOptions("TransformerDecoderLayer.forward", options);
    const attend = (x: Tensor): Tensor => {
      const [attended] = this.self_attn.forward(x, x, x, {
        attnMask: options.tgtMask ?? null,
        keyPaddingMask: options.tgtKeyPaddingMask ?? null,
        isCausal: options.tgtIsCausal ?? false,
        needWeights: false,
      });
      return this.dropout1.forward(attended);
    };
    const remember = (x: Tensor): Tensor => {
      const [attended] = this.multihead_attn.forward(x, memory, memory, {
        attnMask: options.memoryMask ?? null,
        keyPaddingMask: options.memoryKeyPaddingMask ?? null,
        isCausal: options.memoryIsCausal ?? false,
        needWeights: false,
      });
      return this.dropout2.forward(attended);
    };
    const feed = (x: Tensor): Tensor => {
      const wide = this.dropout.forward(this.#activate(this.linear1.forward(x)));
      return this.dropout3.forward(this.linear2.forward(wide));
    };
    if (this.options.normFirst === true) {
      const x = add(tgt, attend(this.norm1.forward(tgt)));
      const y = add(x, remember(this.norm2.forward(x)));
      return add(y, feed(this.norm3.forward(y)));
    }
    const x = this.norm1.forward(add(tgt, attend(tgt)));
    const y = this.norm2.forward(add(x, remember(x)));
    return this.norm3.forward(add(y, feed(y)));
  }
}

function checkDecoderOptions(op: string, options: DecoderForwardOptions): void {
  const masks = ["tgtMask", "memoryMask", "tgtKeyPaddingMask", "memoryKeyPaddingMask"];
  checkOptions(op, options, [...masks, "tgtIsCausal", "memoryIsCausal"]);
}

function copies<L extends { clone(): L }>(stack: string, layer: L, numLayers: number): L[] {
  return Array.from({ length: whole(stack, "numLayers", numLayers) }, () => layer.clone());
}

/** `numLayers` copies of an encoder layer, which start with its weights, and an optional norm behind them. */
export class TransformerEncoder extends Module {
  layers: ModuleList<TransformerEncoderLayer>;
  norm: Layer | null;

  constructor(encoderLayer: TransformerEncoderLayer, numLayers: number, options: { norm?: Layer | null } = {}) {
    super();
    checkOptions("TransformerEncoder", options, ["norm"]);
    this.layers = new ModuleList(copies("TransformerEncoder", encoderLayer, numLayers));
    this.norm = options.norm ?? null;
  }

  /** As the layers' `forward`, one after the other. */
  override forward(src: Tensor, options: EncoderForwardOptions = {}): Tensor {
    checkOptions("TransformerEncoder.forward", options, ["mask", "srcKeyPaddingMask", "isCausal"]);
    const { mask = null, ...rest } = options;
    let x = src;
    for (const layer of this.layers) x = layer.forward(x, { ...rest, srcMask: mask });
    return this.norm === null ? x : this.norm.forward(x);
  }
}

/** `numLayers` copies of a decoder layer, which start with its weights, and an optional norm behind them. */
export class TransformerDecoder extends Module {
  layers: ModuleList<TransformerDecoderLayer>;
  norm: Layer | null;

  constructor(decoderLayer: TransformerDecoderLayer, numLayers: number, options: { norm?: Layer | null } = {}) {
    super();
    checkOptions("TransformerDecoder", options, ["norm"]);
    this.layers = new ModuleList(copies("TransformerDecoder", decoderLayer, numLayers));
    this.norm = options.norm ?? null;
  }

  /** As the layers' `forward`, one after the other, each with the whole memory. */
  override forward(tgt: Tensor, memory: Tensor, options: DecoderForwardOptions = {}): Tensor {
    checkDecoderOptions("TransformerDecoder.forward", options);
    let x = tgt;
    for (const layer of this.layers) x = layer.forward(x, memory, options);
    return this.norm === null ? x : this.norm.forward(x);
  }
}
