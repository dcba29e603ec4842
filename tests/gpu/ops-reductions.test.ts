// Reductions, softmax, norms and normalization against float64.

import { test } from "uvu";
import type { Tensor } from "../../src/tensor.ts";
import * as wg from "../../src/tensor.ts";
import { type Check, checkOp, type Op } from "../support/check-op.ts";

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;
const INTEGERS = ["i32", "u32", "bool"] as const;

/** A reduction: over all, over each of three dims, over two, kept or not, over long rows and columns. */
function checkReduction(op: Op, details: Omit<Check, "shapes"> = {}): void {
  const { more: _more, dtypes: _dtypes, ...rest } = details;
  checkOp(op, { shapes: [[3, 4, 5]], more: [[[]], [[129]], [[3, 2050]], [[70, 33]]], ...details });
  checkOp(op, { shapes: [[3, 4, 5]], ...rest, args: [-1], more: [[[7]], [[33, 70]], [[5, 1030]], [[2, 0, 3]]] });
  checkOp(op, {
    shapes: [[3, 4, 8]],
    ...rest,
    args: [1, true],
    more: [[[2, 70, 12]], [[0, 3, 2]]],
    layouts: ["sliced"],
  });
  checkOp(op, { shapes: [[3, 4, 5]], ...rest, args: [[0, 2]], layouts: ["transposed"] });
  checkOp(op, { shapes: [[6, 5]], ...rest, args: [0], more: [[[300, 9]], [[70, 64]]], layouts: [] });
}

/** A reduction that needs at least one element. */
function checkChoice(op: Op, details: Omit<Check, "shapes"> = {}): void {
  const { dtypes: _dtypes, ...rest } = details;
  checkOp(op, { shapes: [[3, 4, 5]], more: [[[]], [[129]], [[3, 2050]]], ...details });
  checkOp(op, { shapes: [[3, 4, 5]], ...rest, args: [-1], more: [[[7]], [[33, 70]], [[5, 1030]], [[0, 3]]] });
  checkOp(op, { shapes: [[3, 4, 8]], ...rest, args: [1, true], more: [[[2, 70, 12]]], layouts: ["sliced"] });
}

checkReduction(wg.sum, { dtypes: INTEGERS });
checkReduction(wg.mean, { dtypes: INTEGERS });
checkReduction(wg.prod, { range: [0.7, 1.4], dtypes: INTEGERS, more: [[[]], [[129]]], tolerance: 1e-5 });
checkOp(wg.prod, { shapes: [{ shape: [2, 4], values: [0, 2, 3, 1, 0, 0, 5, 2] }], args: [1], layouts: [] });
checkReduction(wg.variance, { layouts: ["transposed", "sliced"], more: [[[129]], [[3, 2050]]] });
checkOp(wg.variance, { shapes: [[3, 4, 5]], args: [[0, 2], false, { correction: 0 }], layouts: [] });
checkReduction(wg.std, { layouts: ["transposed", "sliced"], more: [[[129]], [[3, 2050]]] });
checkReduction(wg.logsumexp, { more: [[[]], [[129]], [[3, 2050]]], range: [-30, 30] });
checkOp(wg.logsumexp, {
  shapes: [{ shape: [3, 3], values: [-INF, -INF, -INF, 1, -INF, 2, INF, 3, 1] }],
  args: [1],
  gradient: false,
});
checkChoice(wg.amax, { dtypes: INTEGERS });
checkChoice(wg.amin, { dtypes: INTEGERS });
checkChoice(wg.max, { dtypes: INTEGERS });
checkChoice(wg.min, { dtypes: INTEGERS });
checkOp(wg.amax, { shapes: [[3, 4, 5]], args: [[0, 2]], layouts: ["transposed"] });
checkOp(wg.amin, { shapes: [[3, 4, 5]], args: [[0, 2]], layouts: ["transposed"] });
for (const [name, op] of Object.entries({
  amax: wg.amax,
  amin: wg.amin,
  max: wg.max,
  min: wg.min,
  argmax: wg.argmax,
  argmin: wg.argmin,
})) {
  const values = [1, NAN, 3, 2, 2, 1, -INF, -INF, -INF, INF, 0, INF];
  checkOp(op, {
    shapes: [{ shape: [4, 3], values }],
    call: (x) => (x[name as "amax"] as (dim: number) => Tensor)(1),
    gradient: false,
    layouts: ["sliced"],
  });
}
checkChoice(wg.argmax, { dtypes: INTEGERS });
checkChoice(wg.argmin, { dtypes: INTEGERS });
checkReduction(wg.all, { dtypes: INTEGERS });
checkReduction(wg.any, { dtypes: INTEGERS });
checkReduction(wg.countNonzero, { dtypes: INTEGERS });
checkReduction(wg.nansum, { dtypes: ["i32"] });
checkReduction(wg.nanmean, { more: [[[]], [[129]]] });
const HOLES = { shape: [3, 4], values: [1, NAN, 3, NAN, NAN, NAN, NAN, NAN, 4, 5, 6, 7] } as const;
checkOp(wg.nansum, { shapes: [HOLES], args: [1], second: false });
checkOp(wg.nanmean, { shapes: [HOLES], args: [1], gradient: false });
checkOp(wg.nanmean, { shapes: [HOLES], second: false });

// Softmax
for (const op of [wg.softmax, wg.logSoftmax, wg.softmin]) {
  checkOp(op, {
    shapes: [[4, 6]],
    args: [-1],
    range: [-5, 5],
    dtypes: INTEGERS,
    more: [[[7]], [[3, 1030]], [[0, 3]], [[3, 0]], [[65, 10]], [[2, 3, 8]]],
  });
  checkOp(op, { shapes: [[3, 5, 4]], args: [1], range: [-5, 5], more: [[[2, 70, 3]]] });
  checkOp(op, { shapes: [[5, 8]], args: [0], range: [-300, 300], layouts: [], f16: false });
}

// Norms and distances
checkOp(wg.norm, { shapes: [[3, 4, 5]], more: [[[]], [[0]], [[3, 1030]]], dtypes: ["i32"] });
checkOp(wg.norm, { shapes: [[3, 4, 5]], args: [{ dim: [0, 2], keepdim: true }], layouts: [] });
for (const p of [0, 1, 3, INF, -INF])
  checkOp(wg.norm, { shapes: [[3, 4, 5]], args: [{ p, dim: 1 }], avoid: [0], layouts: [] });
checkOp(wg.normalize, { shapes: [[3, 4, 5]], more: [[[2, 70]], [[0, 3]]] });
checkOp(wg.normalize, { shapes: [[3, 4]], args: [{ p: 1, dim: 0 }], avoid: [0], layouts: [] });
checkOp(wg.cosineSimilarity, {
  shapes: [
    [3, 5],
    [3, 5],
  ],
  more: [
    [
      [1, 5],
      [4, 5],
    ],
    [
      [0, 3],
      [0, 3],
    ],
  ],
});
checkOp(wg.cosineSimilarity, {
  shapes: [
    [3, 5, 2],
    [5, 1],
  ],
  args: [{ dim: 1 }],
  layouts: [],
});
checkOp(wg.pairwiseDistance, {
  shapes: [
    [4, 5],
    [4, 5],
  ],
  more: [
    [[4, 5], [5]],
    [
      [0, 3],
      [0, 3],
    ],
  ],
});
checkOp(wg.pairwiseDistance, {
  shapes: [
    [4, 5],
    [4, 5],
  ],
  args: [{ p: 1, keepdim: true }],
  layouts: [],
});
checkOp(wg.cdist, {
  shapes: [
    [3, 4],
    [5, 4],
  ],
  more: [
    [
      [2, 3, 4],
      [2, 1, 4],
    ],
    [
      [2, 3, 4],
      [5, 4],
    ],
    [
      [0, 4],
      [5, 4],
    ],
  ],
});
checkOp(wg.cdist, {
  shapes: [
    [3, 4],
    [5, 4],
  ],
  args: [{ p: 1 }],
  layouts: [],
});

// Normalization
checkOp(wg.layerNorm, {
  shapes: [[3, 8], [8], [8]],
  call: (x, weight, bias) => wg.layerNorm(x, [8], { weight, bias }),
  layouts: ["transposed", "sliced"],
  more: [
    [[2, 3, 8], [8], [8]],
    [[0, 8], [8], [8]],
  ],
});
checkOp(wg.layerNorm, { shapes: [[2, 3, 4]], args: [[3, 4], { eps: 0.1 }] });
checkOp(wg.layerNorm, { shapes: [[3, 1030]], args: [1030], layouts: [], second: false });
checkOp(wg.rmsNorm, {
  shapes: [[3, 8], [8]],
  call: (x, weight) => wg.rmsNorm(x, 8, { weight }),
  // A broadcast row has nearly no gradient: what is left is the rounding of terms that cancel.
  absolute: 5e-6,
  more: [
    [[2, 3, 8], [8]],
    [[0, 8], [8]],
  ],
});
checkOp(wg.groupNorm, {
  shapes: [[2, 4, 3], [4], [4]],
  call: (x, weight, bias) => wg.groupNorm(x, 2, { weight, bias }),
  layouts: ["transposed", "sliced"],
  more: [
    [[0, 4, 3], [4], [4]],
    [[2, 4, 3, 5], [4], [4]],
  ],
});
checkOp(wg.instanceNorm, {
  shapes: [[2, 3, 5], [3], [3]],
  call: (x, weight, bias) => wg.instanceNorm(x, { weight, bias }),
  layouts: ["transposed", "sliced"],
  more: [[[2, 3, 4, 4], [3], [3]]],
});
checkOp(wg.batchNorm, {
  shapes: [[4, 3, 5], [3], [3]],
  call: (x, weight, bias) => wg.batchNorm(x, null, null, { training: true, weight, bias }),
  layouts: ["transposed", "sliced"],
  more: [
    [[9, 3], [3], [3]],
    [[2, 3, 4, 4], [3], [3]],
  ],
});
checkOp(wg.batchNorm, {
  shapes: [[4, 3, 5], { shape: [3], gradient: false }, { shape: [3], range: [0.5, 2], gradient: false }, [3], [3]],
  call: (x, mean, variance, weight, bias) => wg.batchNorm(x, mean, variance, { weight, bias }),
  layouts: [],
  more: [[[0, 3], [3], { shape: [3], range: [0.5, 2] }, [3], [3]]],
});
checkOp(wg.localResponseNorm, { shapes: [[2, 5, 3]], args: [3, { alpha: 0.5 }], more: [[[1, 7, 2, 2]], [[0, 5, 3]]] });

test.run();
