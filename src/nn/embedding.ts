// Embedding: a table of learned vectors looked up by index.

import {
  add,
  arange,
  checkOptions,
  detach,
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
  sub,
  type Tensor,
  unsqueeze,
  where,
  zeros,
} from "../tensor.ts";
import { whole } from "./check.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";

export interface EmbeddingOptions {
  /** This row starts at 0 and gets no gradient; negative: from the end. */
  paddingIdx?: number;
  /** Rows that are looked up and whose norm is larger are scaled down to it, in place, before they are. */
  maxNorm?: number;
  /** Which norm `maxNorm` limits. Default 2. */
  normType?: number;
  /** Divides a row's gradient by how often its index occurs in the input. Default false. */
  scaleGradByFreq?: boolean;
}

/** Rows of `weight` [numEmbeddings, embeddingDim], which starts as N(0, 1): indices [*] → [*, embeddingDim]. */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  weight: Tensor;

  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super();
    checkOptions("Embedding", options, ["paddingIdx", "maxNorm", "normType", "scaleGradByFreq"]);
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
    this.maxNorm = options.maxNorm ?? null;
    this.normType = options.normType ?? 2;
    this.scaleGradByFreq = options.scaleGradByFreq ?? false;
    if (this.maxNorm !== null && !(this.maxNorm > 0)) {
      throw new RangeError(`Embedding: maxNorm must be > 0, got ${this.maxNorm}.`);
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

  /** How often each index occurs. */
  #counts(input: Tensor): Tensor {
    const list = reshape(input, [-1]);
    return indexAdd(zeros([this.numEmbeddings]), 0, list, ones([list.numel]));
  }

  #limitNorms(input: Tensor, maxNorm: number): void {
    noGrad(() => {
      const used = unsqueeze(gt(this.#counts(input), 0), 1);
      const lengths = norm(this.weight, { p: this.normType, dim: 1, keepdim: true });
      // 1e-7 as in PyTorch.
      const limited = mul(this.weight, mul(reciprocal(add(lengths, 1e-7)), maxNorm));
      this.weight.assign(where(logicalAnd(used, gt(lengths, maxNorm)), limited, this.weight));
    });
  }

  override forward(input: Tensor): Tensor {
    if (this.maxNorm !== null) this.#limitNorms(input, this.maxNorm);
    const rows = embedding(input, this.weight, this.paddingIdx === null ? {} : { paddingIdx: this.paddingIdx });
    if (!this.scaleGradByFreq) return rows;
    // The rows' values, and a part of their gradient.
    const values = detach(rows);
    const share = reciprocal(embedding(input, unsqueeze(this.#counts(input), 1))).to(rows.dtype);
    return add(values, mul(sub(rows, values), share));
  }
}
