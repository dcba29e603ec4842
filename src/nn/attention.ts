// Multi-head attention with PyTorch's parameters and masks.

import { WgradError } from "../base/errors.ts";
import { checkWhole, demand, misfit, sameShape, withDefaults } from "../ops/check.ts";
import {
  add,
  amax,
  arange,
  cat,
  dropout,
  eq,
  expand,
  gt,
  le,
  linear,
  logicalAnd,
  logicalNot,
  matmul,
  mean,
  mul,
  narrow,
  pad,
  permute,
  reshape,
  scaledDotProductAttention,
  softmax,
  split,
  squeeze,
  type Tensor,
  transpose,
  unsqueeze,
  where,
  zeros,
} from "../tensor.ts";
import { probability } from "./check.ts";
import * as init from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { blank } from "./parameter.ts";

/** Options of `MultiheadAttention`. */
export interface MultiheadAttentionOptions {
  /** Probability with which, in training, an attention weight is dropped. Default 0. */
  dropout?: number;
  /** Biases of all projections. Default true. */
  bias?: boolean;
  /** Adds a learned key and value to every sequence. Default false. */
  addBiasKv?: boolean;
  /** Adds a key and value of zeros to every sequence. Default false. */
  addZeroAttn?: boolean;
  /** Size of the keys. Default embedDim. */
  kdim?: number;
  /** Size of the values. Default embedDim. */
  vdim?: number;
  /** Inputs and outputs are [N, L, E] instead of [L, N, E]. Default false. */
  batchFirst?: boolean;
}

/** Options of `MultiheadAttention.forward`. */
export interface AttentionForwardOptions {
  /** [N, S]: keys that are hidden (bool: true), or numbers added to their scores. */
  keyPaddingMask?: Tensor | null;
  /** Returns the weights as well; they cost nothing as long as nobody reads them. Default true. */
  needWeights?: boolean;
  /** [L, S] or [N · numHeads, L, S]: true where attention is *hidden*, or numbers added to the scores. */
  attnMask?: Tensor | null;
  /** The mean of the heads' weights, [N, L, S], instead of each, [N, numHeads, L, S]. Default true. */
  averageAttnWeights?: boolean;
  /** Query i attends to keys 0 … i only; with an attnMask, that mask counts. Default false. */
  isCausal?: boolean;
}

/**
 * Applies attention in several heads side by side (Vaswani et al. 2017). Queries, keys and values are projected by
 * `in_proj_weight` [3·E, E], or by `q_proj_weight`, `k_proj_weight` and `v_proj_weight` if their sizes differ; all
 * start Xavier-uniform. `out_proj` projects the joined results of the heads.
 */
export class MultiheadAttention extends Module {
  /** Size of queries and outputs, E. */
  readonly embedDim: number;
  /** Number of heads. */
  readonly numHeads: number;
  /** Probability of dropping a weight in training. */
  readonly dropout: number;
  /** Whether inputs are [N, L, E] instead of [L, N, E]. */
  readonly batchFirst: boolean;
  readonly addZeroAttn: boolean;
  readonly kdim: number;
  readonly vdim: number;
  /** Projection of queries, keys and values, [3·E, E]; null if their sizes differ. */
  in_proj_weight: Tensor | null = null;
  /** Projection of queries; null if `in_proj_weight` is used. */
  q_proj_weight: Tensor | null = null;
  /** Projection of keys, likewise. */
  k_proj_weight: Tensor | null = null;
  /** Projection of values, likewise. */
  v_proj_weight: Tensor | null = null;
  /** Bias of these projections, [3·E]; null with `bias: false`. */
  in_proj_bias: Tensor | null;
  bias_k: Tensor | null;
  bias_v: Tensor | null;
  /** Projection of the joined heads. */
  out_proj: Linear;

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    const name = "MultiheadAttention";
    const { bias, addBiasKv, ...all } = withDefaults(name, options, {
      dropout: 0,
      bias: true,
      addBiasKv: false,
      addZeroAttn: false,
      kdim: embedDim,
      vdim: embedDim,
      batchFirst: false,
    });
    this.embedDim = checkWhole(name, "embedDim", embedDim, 1);
    this.numHeads = checkWhole(name, "numHeads", numHeads, 1);
    demand(name, "embedDim", embedDim, embedDim % numHeads === 0, `a multiple of numHeads, which is ${numHeads}`);
    this.dropout = probability(name, "dropout", all.dropout);
    this.batchFirst = all.batchFirst;
    this.addZeroAttn = all.addZeroAttn;
    this.kdim = checkWhole(name, "kdim", all.kdim, 1);
    this.vdim = checkWhole(name, "vdim", all.vdim, 1);
    if (this.kdim === embedDim && this.vdim === embedDim) this.in_proj_weight = blank(3 * embedDim, embedDim);
    else {
      this.q_proj_weight = blank(embedDim, embedDim);
      this.k_proj_weight = blank(embedDim, this.kdim);
      this.v_proj_weight = blank(embedDim, this.vdim);
    }
    this.in_proj_bias = bias ? blank(3 * embedDim) : null;
    this.bias_k = addBiasKv ? blank(1, 1, embedDim) : null;
    this.bias_v = addBiasKv ? blank(1, 1, embedDim) : null;
    this.out_proj = new Linear(embedDim, embedDim, { bias });
    this.resetParameters();
  }

  /** Draws the projections anew; biases are 0. */
  resetParameters(): void {
    for (const weight of [this.in_proj_weight, this.q_proj_weight, this.k_proj_weight, this.v_proj_weight]) {
      if (weight !== null) init.xavierUniform(weight);
    }
    if (this.in_proj_bias !== null) init.zeros(this.in_proj_bias);
    if (this.out_proj.bias !== null) init.zeros(this.out_proj.bias);
    for (const extra of [this.bias_k, this.bias_v]) if (extra !== null) init.xavierNormal(extra);
  }

  /**
   * Queries [L, N, E], keys [S, N, kdim], values [S, N, vdim] (without N for one sequence; N first with `batchFirst`) → [output, weights or
   * null]: [L, N, E] and [N, L, S]. A query all of whose keys are hidden gives zeros before the last projection. Throws a ShapeError where sizes don't fit.
   */
  override forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: AttentionForwardOptions = {},
  ): [Tensor, Tensor | null] {
    const all = withDefaults("MultiheadAttention.forward", options, {
      keyPaddingMask: null,
      needWeights: true,
      attnMask: null,
      averageAttnWeights: true,
      isCausal: false,
    });
    this.#check(query, key, value);
    const batched = query.ndim === 3;
    // One tensor in three roles is projected once.
    const turned = new Map<Tensor, Tensor>();
    for (const x of [query, key, value]) {
      turned.set(x, batched ? (this.batchFirst ? x : transpose(x, 0, 1)) : unsqueeze(x, 0));
    }
    const inputs = [query, key, value].map((x) => turned.get(x) as Tensor) as [Tensor, Tensor, Tensor];
    let [q, k, v] = this.#project(...inputs);
    const batch = q.shape[0] as number;
    const length = k.shape[1] as number;
    let extra = 0;
    const append = (toKeys: Tensor, toValues: Tensor): void => {
      const shape = [batch, 1, this.embedDim];
      k = cat([k, expand(toKeys, shape)], { dim: 1 });
      v = cat([v, expand(toValues, shape)], { dim: 1 });
      extra++;
    };
    if (this.bias_k !== null && this.bias_v !== null) append(this.bias_k, this.bias_v);
    if (this.addZeroAttn) append(zeros([1, 1, this.embedDim]), zeros([1, 1, this.embedDim]));
    const heads = [q, k, v].map((x) =>
      permute(reshape(x, [batch, x.shape[1] as number, this.numHeads, -1]), [0, 2, 1, 3]),
    ) as [Tensor, Tensor, Tensor];
    const mask = this.#mask(batch, q.shape[1] as number, length, extra, all);
    const dropoutP = this.training ? this.dropout : 0;
    const causal = all.isCausal && mask === null;
    const weights = (): Tensor => attentionWeights(heads[0], heads[1], mask, causal);
    let attended: Tensor;
    let seen: Tensor | null = null;
    if (all.needWeights) seen = weights();
    if (seen !== null && dropoutP > 0) {
      // The returned weights are those that were used.
      seen = dropout(seen, dropoutP, { training: true });
      attended = matmul(seen, heads[2]);
    } else attended = scaledDotProductAttention(...heads, { attnMask: mask, dropoutP, isCausal: causal });
    const joined = this.out_proj.forward(reshape(permute(attended, [0, 2, 1, 3]), [batch, -1, this.embedDim]));
    const output = batched ? (this.batchFirst ? joined : transpose(joined, 0, 1)) : squeeze(joined, { dim: 0 });
    if (seen === null) return [output, null];
    const shown = all.averageAttnWeights ? mean(seen, 1) : seen;
    return [output, batched ? shown : squeeze(shown, { dim: 0 })];
  }

  #check(query: Tensor, key: Tensor, value: Tensor): void {
    const rank = query.ndim;
    const [batchDim, keyDim] = rank === 2 ? [-1, 0] : this.batchFirst ? [0, 1] : [1, 0];
    const sizes = [this.embedDim, this.kdim, this.vdim];
    const fits =
      (rank === 2 || rank === 3) &&
      [query, key, value].every(
        (x, i) =>
          x.ndim === rank &&
          x.shape[rank - 1] === sizes[i] &&
          (batchDim < 0 || x.shape[batchDim] === query.shape[batchDim]),
      ) &&
      key.shape[keyDim] === value.shape[keyDim];
    if (fits) return;
    const form = (size: number, name: string): string =>
      this.batchFirst ? `[N, ${name}, ${size}]` : `[${name}, N, ${size}]`;
    const forms = `queries ${form(this.embedDim, "L")}, keys ${form(this.kdim, "S")} and values ${form(this.vdim, "S")}`;
    const got = [query, key, value].map(({ shape }) => `[${shape}]`).join(", ");
    throw misfit("MultiheadAttention", `needs ${forms} (or all without N), got ${got}.`, query, key, value);
  }

  #project(query: Tensor, key: Tensor, value: Tensor): [Tensor, Tensor, Tensor] {
    const { embedDim: size, in_proj_weight: packed, in_proj_bias: bias } = this;
    const biasOf = (first: number, count: number): Tensor | null =>
      bias === null ? null : narrow(bias, 0, first * size, count * size);
    if (packed === null) {
      const own = [this.q_proj_weight, this.k_proj_weight, this.v_proj_weight] as [Tensor, Tensor, Tensor];
      return [query, key, value].map((x, i) => linear(x, own[i] as Tensor, { bias: biasOf(i, 1) })) as [
        Tensor,
        Tensor,
        Tensor,
      ];
    }
    const part = (x: Tensor, first: number, count: number): Tensor[] => {
      const weight = count === 3 ? packed : narrow(packed, 0, first * size, count * size);
      const all = linear(x, weight, { bias: count === 3 ? bias : biasOf(first, count) });
      return count === 1 ? [all] : split(all, size, { dim: -1 });
    };
    if (query === key && key === value) return part(query, 0, 3) as [Tensor, Tensor, Tensor];
    const [q] = part(query, 0, 1) as [Tensor];
    const [k, v] = (key === value ? part(key, 1, 2) : [...part(key, 1, 1), ...part(value, 2, 1)]) as [Tensor, Tensor];
    return [q, k, v];
  }

  /** The masks as `scaledDotProductAttention` takes them: true where attention is allowed, or numbers to add; null without. */
  #mask(batch: number, queries: number, keys: number, extra: number, options: AttentionForwardOptions): Tensor | null {
    const op = "MultiheadAttention";
    const hidden: Tensor[] = [];
    const { attnMask, keyPaddingMask } = options;
    if (attnMask) {
      const perHead = attnMask.ndim === 3;
      const wanted = perHead ? [batch * this.numHeads, queries, keys] : [queries, keys];
      checkMask(op, "attnMask", attnMask, wanted);
      hidden.push(perHead ? reshape(attnMask, [batch, this.numHeads, queries, keys]) : attnMask);
    } else if (options.isCausal === true && (keyPaddingMask || extra > 0)) {
      hidden.push(gt(arange(keys), unsqueeze(arange(queries), 1)));
    }
    if (keyPaddingMask) {
      const mask = keyPaddingMask.ndim === 1 ? unsqueeze(keyPaddingMask, 0) : keyPaddingMask;
      checkMask(op, "keyPaddingMask", mask, [batch, keys]);
      hidden.push(reshape(mask, [batch, 1, 1, keys]));
    }
    if (hidden.length === 0) return null;
    const open = hidden.map((mask) => {
      // The added keys are seen by all.
      const wide = extra === 0 ? mask : pad(mask.to(mask.dtype === "bool" ? "i32" : mask.dtype), [0, extra]);
      return mask.dtype === "bool" ? logicalNot(wide) : wide;
    });
    return open.reduce((a, b) => {
      if (a.dtype === "bool" && b.dtype === "bool") return logicalAnd(a, b);
      return add(scores(a), scores(b));
    });
  }
}

/** A mask as numbers to add to scores. */
function scores(allowed: Tensor): Tensor {
  return allowed.dtype === "bool" ? where(allowed, 0, Number.NEGATIVE_INFINITY) : allowed;
}

/** softmax(q · kᵀ / √d + mask); 0 where a query sees no key. */
function attentionWeights(query: Tensor, key: Tensor, mask: Tensor | null, causal: boolean): Tensor {
  const raw = mul(matmul(query, transpose(key, -2, -1)), 1 / Math.sqrt(query.shape[query.ndim - 1] as number));
  const [queries, keys] = raw.shape.slice(-2) as [number, number];
  const allowed = causal ? le(arange(keys), unsqueeze(arange(queries), 1)) : mask;
  if (allowed === null) return softmax(raw, -1);
  const masked = allowed.dtype === "bool" ? where(allowed, raw, Number.NEGATIVE_INFINITY) : add(raw, allowed);
  const blind = eq(amax(masked, -1, true), Number.NEGATIVE_INFINITY);
  return where(blind, 0, softmax(where(blind, 0, masked), -1));
}

function checkMask(op: string, name: string, mask: Tensor, wanted: number[]): void {
  if (!sameShape(mask.shape, wanted)) throw misfit(op, `${name} must be [${wanted}], got [${mask.shape}].`, mask);
  if (mask.dtype !== "bool" && mask.dtype !== "f32" && mask.dtype !== "f16") {
    throw new WgradError(
      `${op}: ${name} must be bool (true: hidden) or float, got ${mask.dtype}. mask.ne(0) makes a bool.`,
      {
        op,
      },
    );
  }
}
