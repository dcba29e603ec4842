// Embedding: a table of learned vectors looked up by index.

import { arange, embedding, eq, noGrad, type Tensor, unsqueeze, where, zeros } from "../tensor.ts";
import { whole } from "./check.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";

/**
 * Rows of `weight` [numEmbeddings, embeddingDim], which starts as N(0, 1): indices [*] → [*, embeddingDim]. The row
 * `paddingIdx` starts at 0 and gets no gradient.
 */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  weight: Tensor;

  constructor(numEmbeddings: number, embeddingDim: number, options: { paddingIdx?: number } = {}) {
    super();
    this.numEmbeddings = whole("Embedding", "numEmbeddings", numEmbeddings);
    this.embeddingDim = whole("Embedding", "embeddingDim", embeddingDim);
    const { paddingIdx } = options;
    if (paddingIdx === undefined) {
      this.paddingIdx = null;
    } else {
      if (!Number.isInteger(paddingIdx) || paddingIdx < -numEmbeddings || paddingIdx >= numEmbeddings) {
        throw new RangeError(`Embedding: paddingIdx must be within the ${numEmbeddings} rows, got ${paddingIdx}.`);
      }
      this.paddingIdx = paddingIdx < 0 ? paddingIdx + numEmbeddings : paddingIdx;
    }
    this.weight = zeros([numEmbeddings, embeddingDim], { requiresGrad: true });
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

  override forward(input: Tensor): Tensor {
    return embedding(input, this.weight, this.paddingIdx === null ? {} : { paddingIdx: this.paddingIdx });
  }
}
