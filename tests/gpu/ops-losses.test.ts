// Losses against float64, with every reduction.

import { test } from "uvu";
import * as wg from "../../src/tensor.ts";
import { checkOp, type Input, type Op } from "../support/check-op.ts";

/** Mean, sum and none; the mean over larger inputs and other layouts as well. */
function checkLoss(
  op: Op,
  shapes: readonly Input[],
  options: object = {},
  details: { avoid?: readonly number[]; range?: readonly [number, number]; more?: Input[][] } = {},
): void {
  checkOp(op, { ...details, shapes, args: [options] });
  const { more: _more, ...rest } = details;
  checkOp(op, { ...rest, shapes, args: [{ ...options, reduction: "sum" }], layouts: [], f16: false });
  checkOp(op, { ...rest, shapes, args: [{ ...options, reduction: "none" }], layouts: [], f16: false });
}

const PAIR = [
  [4, 6],
  [4, 6],
] as const;
const LARGE: Input[][] = [
  [
    [33, 70],
    [33, 70],
  ],
  [[7], [7]],
  [[], []],
  [
    [0, 3],
    [0, 3],
  ],
];
const PROBABILITIES = { shape: [4, 6], range: [0.05, 0.95] } as const;

checkLoss(wg.mseLoss, PAIR, {}, { more: LARGE });
checkLoss(wg.l1Loss, PAIR, {}, { more: LARGE });
checkLoss(wg.smoothL1Loss, PAIR, {}, { more: LARGE });
checkOp(wg.smoothL1Loss, { shapes: PAIR, args: [{ beta: 0.3 }], layouts: [] });
checkOp(wg.smoothL1Loss, { shapes: PAIR, args: [{ beta: 0 }], layouts: [] });
checkLoss(wg.huberLoss, PAIR, {}, { more: LARGE });
checkOp(wg.huberLoss, { shapes: PAIR, args: [{ delta: 0.4 }], layouts: [] });
checkLoss(wg.binaryCrossEntropy, [PROBABILITIES, PROBABILITIES]);
checkOp(wg.binaryCrossEntropy, {
  shapes: [
    { shape: [4], values: [0, 1, 0, 1] },
    { shape: [4], values: [0, 1, 1, 0], gradient: false },
  ],
  args: [{ reduction: "none" }],
  gradient: false,
});
checkOp(wg.binaryCrossEntropy, {
  shapes: [PROBABILITIES, PROBABILITIES, [6]],
  call: (x, t, weight) => wg.binaryCrossEntropy(x, t, { weight }),
  layouts: [],
});
checkLoss(
  wg.binaryCrossEntropyWithLogits,
  [[4, 6], PROBABILITIES],
  {},
  { more: [[[33, 70], { shape: [33, 70], range: [0, 1] }]] },
);
checkOp(wg.binaryCrossEntropyWithLogits, {
  shapes: [
    { shape: [8], values: [-200, -90, -1e-8, 0, 1e-8, 90, 200, 1e30] },
    { shape: [8], values: [0, 1, 0, 1, 0, 1, 0, 1] },
  ],
  args: [{ reduction: "none" }],
  second: false,
  f16: false,
});
checkOp(wg.binaryCrossEntropyWithLogits, {
  shapes: [[4, 6], PROBABILITIES, [6], { shape: [6], range: [0.5, 3] }],
  call: (x, t, weight, posWeight) => wg.binaryCrossEntropyWithLogits(x, t, { weight, posWeight }),
  layouts: [],
});
checkLoss(wg.klDiv, [[4, 6], PROBABILITIES], {}, { more: [[[33, 70], { shape: [33, 70], range: [0.1, 1] }]] });
checkLoss(wg.klDiv, PAIR, { logTarget: true });
checkOp(wg.klDiv, { shapes: [[4, 6], PROBABILITIES], args: [{ reduction: "batchmean" }], layouts: [] });
checkLoss(wg.poissonNllLoss, [[4, 6], { shape: [4, 6], range: [0.1, 5] }]);
checkLoss(
  wg.poissonNllLoss,
  [
    { shape: [4, 6], range: [0.1, 3] },
    { shape: [4, 6], range: [0.1, 5] },
  ],
  { logInput: false, full: true },
);
checkLoss(wg.gaussianNllLoss, [[4, 6], [4, 6], { shape: [4, 6], range: [0.2, 2] }]);
checkOp(wg.gaussianNllLoss, {
  shapes: [[4, 6], [4, 6], { shape: [4, 1], range: [0.2, 2] }],
  args: [{ full: true }],
  layouts: [],
});
checkOp(wg.gaussianNllLoss, { shapes: [[4, 6], [4, 6], { shape: [4], range: [0.2, 2] }], layouts: [] });

checkOp(wg.mseLoss, { shapes: [[4, 6], [6]], layouts: [], f16: false });
checkOp(wg.huberLoss, { shapes: [[4, 1], [6]], args: [{ reduction: "none" }], layouts: [], f16: false });

// Classes
const CLASSES = { shape: [5], dtype: "i32", range: [0, 6] } as const;
checkLoss(
  wg.crossEntropy,
  [[5, 6], CLASSES],
  {},
  {
    range: [-4, 4],
    more: [
      [[64, 10], { shape: [64], dtype: "i32", range: [0, 10] }],
      [[6], { shape: [], dtype: "i32", range: [0, 6] }],
      [[2, 6, 3, 4], { shape: [2, 3, 4], dtype: "i32", range: [0, 6] }],
      [[3, 70], { shape: [3], dtype: "u32", range: [0, 70] }],
    ],
  },
);
checkLoss(wg.crossEntropy, [[5, 6], { shape: [5], dtype: "i32", values: [0, -100, 5, 2, -100] }], {
  labelSmoothing: 0.1,
});
checkOp(wg.crossEntropy, {
  shapes: [[5, 6], CLASSES, { shape: [6], range: [0.2, 2] }],
  call: (x, t, weight) => wg.crossEntropy(x, t, { weight, ignoreIndex: 2 }),
  layouts: [],
});
checkOp(wg.crossEntropy, {
  shapes: [[5, 6], CLASSES, { shape: [6], range: [0.2, 2] }],
  call: (x, t, weight) => wg.crossEntropy(x, t, { weight, labelSmoothing: 0.2, reduction: "none" }),
  layouts: [],
});
checkLoss(wg.crossEntropy, [[5, 6], { shape: [5, 6], range: [0, 1] }], { labelSmoothing: 0.2 });
checkOp(wg.crossEntropy, {
  shapes: [[2, 6, 3], { shape: [2, 6, 3], range: [0, 1] }, { shape: [6], range: [0.2, 2] }],
  call: (x, t, weight) => wg.crossEntropy(x, t, { weight }),
  layouts: [],
});
checkLoss(wg.nllLoss, [[5, 6], CLASSES]);
checkOp(wg.nllLoss, {
  shapes: [[2, 6, 3], { shape: [2, 3], dtype: "i32", range: [0, 6] }, { shape: [6], range: [0.2, 2] }],
  call: (x, t, weight) => wg.nllLoss(x, t, { weight, ignoreIndex: 0 }),
  layouts: [],
});

// Pairs and triples
const SIGNS = { shape: [4], values: [1, -1, -1, 1], gradient: false } as const;
checkLoss(wg.hingeEmbeddingLoss, [[4], SIGNS], { margin: 0.7 });
checkLoss(wg.softMarginLoss, [[4], SIGNS]);
checkLoss(wg.cosineEmbeddingLoss, [[4, 6], [4, 6], SIGNS], { margin: -0.2 });
checkLoss(wg.marginRankingLoss, [[4], [4], SIGNS], { margin: 0.3 });
checkLoss(
  wg.tripletMarginLoss,
  [
    [4, 6],
    [4, 6],
    [4, 6],
  ],
  { margin: 2 },
);
checkOp(wg.tripletMarginLoss, {
  shapes: [
    [4, 6],
    [4, 6],
    [4, 6],
  ],
  args: [{ p: 3, swap: true, margin: 2 }],
  layouts: [],
});

test.run();
