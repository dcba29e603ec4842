// Embedding: a table of learned vectors looked up by index.

import { checkWhole, demand, withDefaults } from "../ops/check.ts";
import {
  add,
  arange,
  embedding,
  eq,
  gt,
  indexAdd,
  logicalAnd,
  mul,
  noGrad,
  norm,
  ones,
  reciprocal,
  reshape,
  type Tensor,
  unsqueeze,
  where,
  zeros,
} from "../tensor.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";
import { blank } from "./parameter.ts";

/** Options of `Embedding`. */
export interface EmbeddingOptions {
  /** The row with this index starts at 0 and gets no gradient. A negative index counts from the end. */
  paddingIdx?: number;
  /** Before rows are looked up, those whose norm is larger are scaled down to it, in place. */
  maxNorm?: number;
  /** Which norm `maxNorm` limits. Default 2. */
  normType?: number;
  /** Divides a row's gradient by how often its index occurs in the input. Default false. */
  scaleGradByFreq?: boolean;
}

/**
 * Looks up rows of a table: indices [*] → [*, embeddingDim]. `weight`, the table, is [numEmbeddings, embeddingDim] and
 * starts as N(0, 1).
 */
export class Embedding extends Module {
  /** Number of rows. */
  readonly numEmbeddings: number;
  /** Size of a row. */
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  /** The table, [numEmbeddings, embeddingDim]. */
  weight: Tensor;

  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super();
    const defaults = { paddingIdx: null, maxNorm: null, normType: 2, scaleGradByFreq: false };
    const { paddingIdx, maxNorm, ...all } = withDefaults("Embedding", options, defaults);
    this.numEmbeddings = checkWhole("Embedding", "numEmbeddings", numEmbeddings, 1);
    this.embeddingDim = checkWhole("Embedding", "embeddingDim", embeddingDim, 1);
    this.normType = all.normType;
    this.scaleGradByFreq = all.scaleGradByFreq;
    if (paddingIdx !== null) {
      const isRow = Number.isInteger(paddingIdx) && paddingIdx >= -numEmbeddings && paddingIdx < numEmbeddings;
      demand("Embedding", "paddingIdx", paddingIdx, isRow, `within the ${numEmbeddings} rows`);
    }
    this.paddingIdx = paddingIdx === null || paddingIdx >= 0 ? paddingIdx : paddingIdx + numEmbeddings;
    this.maxNorm = demand("Embedding", "maxNorm", maxNorm, maxNorm === null || maxNorm > 0, "> 0");
    this.weight = blank(numEmbeddings, embeddingDim);
    this.resetParameters();
  }

  /** Draws the table anew. */
  resetParameters(): void {
    const { paddingIdx } = this;
    init.normal(this.weight);
    if (paddingIdx === null) return;
    noGrad(() => {
      const padding = unsqueeze(eq(arange(this.numEmbeddings), paddingIdx), 1);
      this.weight.assign(where(padding, 0, this.weight));
    });
  }

  #limitNorms(input: Tensor, maxNorm: number): void {
    noGrad(() => {
      const list = reshape(input, [-1]);
      const counts = indexAdd(zeros([this.numEmbeddings]), 0, list, ones([list.numel]));
      const used = unsqueeze(gt(counts, 0), 1);
      const lengths = norm(this.weight, { p: this.normType, dim: 1, keepdim: true });
      // 1e-7 as in PyTorch.
      const limited = mul(this.weight, mul(reciprocal(add(lengths, 1e-7)), maxNorm));
      this.weight.assign(where(logicalAnd(used, gt(lengths, maxNorm)), limited, this.weight));
    });
  }

  override forward(input: Tensor): Tensor {
    if (this.maxNorm !== null) this.#limitNorms(input, this.maxNorm);
    const { paddingIdx, scaleGradByFreq } = this;
    return embedding(input, this.weight, { paddingIdx, scaleGradByFreq });
  }
}
