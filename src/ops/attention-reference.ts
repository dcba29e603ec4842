// Attention's kernels in float64: one row of weights at a time, as the definition says.

import { sizeOf } from "../base/shape.ts";
import type { AttentionProblem, BackwardOperands, Operand } from "./attention-text.ts";
import { dropoutReference } from "./dropout.ts";

/** Row-major values of the inputs. */
export interface AttentionValues {
  readonly q: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
  readonly mask: Float64Array | null;
  /** Key and probability of the dropout. */
  readonly dropout: readonly [number, number] | null;
}

/** The row of one query: its weights, and which keys it sees. */
interface Row {
  readonly batch: number;
  readonly query: number;
  /** Weights before dropout, and the factors that dropout puts on them. */
  readonly weights: Float64Array;
  readonly factors: Float64Array;
  readonly visible: Uint8Array;
  readonly logSum: number;
}

/** Place of element (batch, row, column) in an operand's binding. */
export function placeIn(x: Operand, batch: readonly number[], flat: number, row: number, column: number): number {
  const rank = x.strides.length;
  let place = x.offset + row * (x.strides[rank - 2] as number) + column * (x.strides[rank - 1] as number);
  let rest = flat;
  for (let i = batch.length - 1; i >= 0; i--) {
    const size = batch[i] as number;
    place += (rest % size) * (x.strides[i] as number);
    rest = Math.floor(rest / size);
  }
  return place;
}

function dot(x: Float64Array, i: number, y: Float64Array, j: number, width: number): number {
  let sum = 0;
  for (let c = 0; c < width; c++) sum += (x[i * width + c] as number) * (y[j * width + c] as number);
  return sum;
}

function* rowsOf(problem: AttentionProblem, { q, k, mask, dropout }: AttentionValues): Generator<Row> {
  const { batch, queries, keys, scale, causal } = problem;
  for (let b = 0; b < sizeOf(batch); b++) {
    for (let i = 0; i < queries; i++) {
      const at = b * queries + i;
      const visible = new Uint8Array(keys).fill(1);
      const scores = Float64Array.from({ length: keys }, (_, j) => {
        if (causal && j > i) visible[j] = 0;
        let score = dot(q, at, k, b * keys + j, problem.q.width) * scale;
        if (mask !== null && problem.mask?.dtype !== "bool") score += mask[at * keys + j] as number;
        else if (mask !== null && mask[at * keys + j] === 0) visible[j] = 0;
        return visible[j] === 1 ? score : Number.NEGATIVE_INFINITY;
      });
      const largest = scores.reduce((a, x) => Math.max(a, x), Number.NEGATIVE_INFINITY);
      // Where nothing is seen, all weights are 0.
      const logSum =
        largest === Number.NEGATIVE_INFINITY
          ? Number.MAX_VALUE
          : largest + Math.log(scores.reduce((sum, x) => sum + Math.exp(x - largest), 0));
      yield {
        batch: b,
        query: i,
        weights: scores.map((x) => Math.exp(x - logSum)),
        factors: scores.map((_, j) =>
          dropout === null ? 1 : dropoutReference((at * keys + j) >>> 0, dropout[0], dropout[1]),
        ),
        visible,
        logSum,
      };
    }
  }
}

/** The result, as `out` lies, and the logarithms of the sums. */
export function forwardReference(problem: AttentionProblem, values: AttentionValues, out: Operand): Float64Array[] {
  const { batch, queries, keys } = problem;
  const rows = sizeOf(batch) * queries;
  const result = new Float64Array(rows * out.width);
  const logSums = new Float64Array(rows);
  for (const row of rowsOf(problem, values)) {
    logSums[row.batch * queries + row.query] = row.logSum;
    for (let c = 0; c < out.width; c++) {
      const sum = row.weights.reduce(
        (total, w, j) =>
          total + w * (row.factors[j] as number) * (values.v[(row.batch * keys + j) * out.width + c] as number),
        0,
      );
      result[placeIn(out, batch, row.batch, row.query, c)] = sum;
    }
  }
  return [result, logSums];
}

/** The gradients' buffer: dq and the sums of g · out, or dk and dv added to what `gradients` holds. */
export function backwardReference(
  problem: AttentionProblem,
  values: AttentionValues,
  operands: BackwardOperands,
  g: Float64Array,
  gradients: Float64Array,
  side: "queries" | "keys",
): void {
  const { batch, queries, keys, scale } = problem;
  const { q, k, v } = values;
  const { dq, dk, dv, sums } = operands;
  const add = (x: Operand, row: Row, at: number, column: number, value: number): void => {
    const place = placeIn(x, batch, row.batch, at, column);
    gradients[place] = (gradients[place] as number) + value;
  };
  for (const row of rowsOf(problem, values)) {
    const at = row.batch * queries + row.query;
    const changes = row.weights.map(
      (_, j) => (row.factors[j] as number) * dot(g, at, v, row.batch * keys + j, problem.v.width),
    );
    const total = changes.reduce((sum, change, j) => sum + change * (row.weights[j] as number), 0);
    if (side === "queries") gradients[sums + 4 * at] = total;
    row.weights.forEach((w, j) => {
      const change = row.visible[j] === 1 ? scale * w * ((changes[j] as number) - total) : 0;
      const key = row.batch * keys + j;
      for (let c = 0; c < problem.q.width; c++) {
        if (side === "queries") add(dq, row, row.query, c, change * (k[key * problem.q.width + c] as number));
        else add(dk, row, j, c, change * (q[at * problem.q.width + c] as number));
      }
      if (side === "queries") return;
      for (let c = 0; c < problem.v.width; c++)
        add(dv, row, j, c, w * (row.factors[j] as number) * (g[at * problem.v.width + c] as number));
    });
  }
}
