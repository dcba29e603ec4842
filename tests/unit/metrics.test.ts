// Metrics against values calculated by hand.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DTypeError, ShapeError } from "../../src/base/errors.ts";
import * as metrics from "../../src/metrics/index.ts";
import { tensor } from "../../src/tensor.ts";
import { type ErrorClass, rejection } from "../support/failure.ts";

const near = (actual: number, expected: number, tolerance = 1e-12): void => {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not near ${expected}`);
};

const rejects = async (promise: Promise<unknown>, kind: ErrorClass, pattern: RegExp): Promise<void> => {
  assert.match(await rejection(promise, kind), pattern);
};

const accuracy = suite("accuracy");

accuracy("of class numbers, scores, and tensors", async () => {
  assert.is(await metrics.accuracy([0, 1, 2, 2], [0, 1, 1, 2]), 0.75);
  const scores = [
    [0.1, 0.9],
    [0.8, 0.2],
    [0.5, 0.5],
    [-1, -2],
  ];
  // Of equal scores the lower class wins.
  assert.is(await metrics.accuracy(scores, [1, 0, 0, 1]), 0.75);
  assert.is(await metrics.accuracy(tensor(scores), tensor(Int32Array.of(1, 0, 1, 1))), 0.5);
  assert.is(await metrics.accuracy({ data: scores.flat(), shape: [4, 2] }, Uint8Array.of(1, 0, 0, 0)), 1);
});

accuracy("finds the class dim of images and of sequences", async () => {
  // [n = 1, classes = 2, pixels = 3]
  assert.is(
    await metrics.accuracy(
      [
        [
          [1, 5, 0],
          [2, 3, 4],
        ],
      ],
      [[1, 0, 1]],
    ),
    1,
  );
  // [n = 1, positions = 3, classes = 2]
  assert.is(
    await metrics.accuracy(
      [
        [
          [1, 2],
          [3, 0],
          [0, 1],
        ],
      ],
      [[1, 0, 0]],
    ),
    2 / 3,
  );
});

accuracy("of binary scores by a threshold", async () => {
  assert.is(await metrics.accuracy([0.2, 0.5, 0.9], [0, 1, 1], { threshold: 0.5 }), 1);
  assert.is(await metrics.accuracy([-3, 0.1, 2], [0, 0, 1], { threshold: 0 }), 2 / 3);
});

accuracy("refuses what cannot be compared", async () => {
  await rejects(
    metrics.accuracy(
      [
        [1, 2],
        [3, 4],
      ],
      [1, 0, 1],
    ),
    ShapeError,
    /accuracy: scores \[n, classes\].*\[2,2\] and \[3\]/,
  );
  await rejects(metrics.accuracy([], []), ShapeError, /at least one element/);
  await rejects(metrics.accuracy([0.5, 1], [0, 1]), DTypeError, /must be whole, got 0.5/);
  await rejects(metrics.accuracy([[1, 2]], [2]), RangeError, /below 2, got 2/);
  await rejects(metrics.accuracy([[1, Number.NaN]], [0]), RangeError, /NaN, in sample 0/);
  await rejects(metrics.accuracy([[1, 2], [3]] as number[][], [0, 1]), ShapeError, /regular/);
});

accuracy("topKAccuracy counts ranks", async () => {
  const scores = [
    [0.5, 0.2, 0.2, 0.1],
    [0.1, 0.2, 0.3, 0.4],
    [0.4, 0.3, 0.2, 0.1],
  ];
  assert.is(await metrics.topKAccuracy(scores, [2, 2, 3], 1), 0);
  assert.is(await metrics.topKAccuracy(scores, [2, 2, 3], 2), 1 / 3);
  assert.is(await metrics.topKAccuracy(scores, [2, 2, 3], 3), 2 / 3);
  assert.is(await metrics.topKAccuracy(scores, [2, 2, 3], 4), 1);
  await rejects(metrics.topKAccuracy(scores, [2, 2, 3], 5), RangeError, /from 1 to 4.*got 5/);
});

const confusion = suite("confusion matrix");
const predicted = [0, 0, 1, 1, 2, 0, 2, 1];
const expected = [0, 0, 0, 1, 1, 2, 2, 1];

confusion("rows are true classes, columns predicted ones", async () => {
  const matrix = await metrics.confusionMatrix(predicted, expected);
  assert.equal(matrix.counts, [
    [2, 1, 0],
    [0, 2, 1],
    [1, 0, 1],
  ]);
  assert.equal([matrix.total, matrix.accuracy, matrix.support], [8, 5 / 8, [3, 3, 2]]);
  assert.equal(matrix.precision, [2 / 3, 2 / 3, 1 / 2]);
  assert.equal(matrix.recall, [2 / 3, 2 / 3, 1 / 2]);
  assert.equal(matrix.f1, [4 / 6, 4 / 6, 2 / 4]);
});

confusion("averages", async () => {
  // One class too many in the predictions, one never predicted.
  const given = [0, 0, 0, 3];
  const wanted = [0, 0, 1, 0];
  // precision 2/3, 0, -, 0; recall 2/3, 0, -, 0; support 3, 1, 0, 0.
  near(await metrics.precision(given, wanted), (2 / 3 + 0 + 0) / 3);
  near(await metrics.precision(given, wanted, { average: "weighted" }), (3 * (2 / 3)) / 4);
  near(await metrics.precision(given, wanted, { average: "micro" }), 0.5);
  near(await metrics.recall(given, wanted, { average: "macro" }), 2 / 9);
  near(await metrics.recall(given, wanted, { average: "weighted" }), 0.5);
  near(await metrics.f1(given, wanted), (4 / 6 + 0 + 0) / 3);
  near(await metrics.f1(predicted, expected, { average: "weighted" }), (3 * (2 / 3) + 3 * (2 / 3) + 2 * 0.5) / 8);
});

confusion("sizes, labels and the table", async () => {
  const matrix = await metrics.confusionMatrix([0, 1, 1], [0, 1, 0], { labels: ["cat", "dog"] });
  assert.equal(`${matrix}`.split("\n"), [
    "true \\ predicted     cat    dog  recall",
    "cat                    1      1   50.0%",
    "dog                    0      1  100.0%",
    "precision         100.0%  50.0%   66.7%",
  ]);
  assert.is((await metrics.confusionMatrix([0], [0], { numClasses: 4 })).counts.length, 4);
  assert.is((await metrics.confusionMatrix([[1, 0, 0]], [0])).counts.length, 3);
  await rejects(metrics.confusionMatrix([3], [0], { numClasses: 3 }), RangeError, /class 3 does not fit/);
  assert.throws(() => new metrics.ConfusionMatrix([[1, 2]]), /square/);
});

const ranking = suite("ranking");

ranking("rocAuc counts pairs, half of the equal ones", async () => {
  near(await metrics.rocAuc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 0.75);
  near(await metrics.rocAuc([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1]), 0.5);
  near(await metrics.rocAuc([1, 2, 2, 3], [0, 0, 1, 1]), 3.5 / 4);
  near(
    await metrics.rocAuc(
      [
        [0.9, 0.1],
        [0.6, 0.4],
        [0.65, 0.35],
        [0.2, 0.8],
      ],
      [0, 0, 1, 1],
    ),
    0.75,
  );
});

ranking("rocAuc of several classes is one against the rest", async () => {
  const scores = [
    [0.7, 0.2, 0.1],
    [0.3, 0.4, 0.3],
    [0.5, 0.3, 0.2],
    [0.1, 0.1, 0.8],
    [0.2, 0.5, 0.3],
  ];
  const targets = [0, 1, 1, 2, 0];
  // class 0: positives 0.7, 0.2 against 0.3, 0.5, 0.1: 3 + 1 of 6. class 1: 0.4, 0.3 against 0.2, 0.1, 0.5: 2 + 2 of 6.
  // class 2: 0.8 against all: 4 of 4.
  near(await metrics.rocAuc(scores, targets), (4 / 6 + 4 / 6 + 1) / 3);
  near(await metrics.rocAuc(scores, targets, { average: "weighted" }), (2 * (4 / 6) + 2 * (4 / 6) + 1) / 5);
});

ranking("prAuc is the average precision", async () => {
  // Falling: 0.8 (1): P 1, R 1/2; 0.4 (0); 0.35 (1): P 2/3, R 1.
  near(await metrics.prAuc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 0.5 * 1 + 0.5 * (2 / 3));
  near(await metrics.prAuc([3, 3, 1], [1, 0, 1]), 0.5 * 0.5 + 0.5 * (2 / 3));
});

ranking("what has no area is refused", async () => {
  await rejects(metrics.rocAuc([0.1, 0.2], [1, 1]), RangeError, /class 1 has 2 of the 2 samples/);
  await rejects(metrics.prAuc([Number.NaN, 0.2], [0, 1]), RangeError, /NaN/);
  await rejects(metrics.rocAuc([0.1, 0.2], [0, 2]), RangeError, /below 2, got 2/);
  await rejects(metrics.rocAuc([[1], [2]], [0, 1]), ShapeError, /at least 2 classes/);
});

const probability = suite("probabilities");

probability("logLoss", async () => {
  near(
    await metrics.logLoss(
      [
        [0.8, 0.2],
        [0.3, 0.7],
      ],
      [0, 1],
    ),
    -(Math.log(0.8) + Math.log(0.7)) / 2,
  );
  near(await metrics.logLoss([0.9, 0.4], [1, 0]), -(Math.log(0.9) + Math.log(0.6)) / 2);
  near(await metrics.logLoss([[1, 0]], [1]), 52 * Math.log(2), 1e-9);
  near(await metrics.logLoss({ data: Float32Array.of(1, 0), shape: [1, 2] }, [1]), 23 * Math.log(2), 1e-9);
  near(await metrics.logLoss([[1, 0]], [1], { eps: 0.5 }), Math.log(2));
  await rejects(metrics.logLoss([[3, -1]], [0]), RangeError, /softmax/);
  await rejects(metrics.logLoss([[0.5, 0.2]], [0]), RangeError, /sum of 0.7/);
});

probability("expectedCalibrationError", async () => {
  const table = [
    [0.95, 0.05],
    [0.85, 0.15],
    [0.4, 0.6],
    [1, 0],
  ];
  // Five bins: [0.6, 0.8) holds 0.6 (wrong); [0.8, 1] holds 0.95 (right), 0.85 (wrong), 1 (right).
  near(await metrics.expectedCalibrationError(table, [0, 1, 0, 0], { bins: 5 }), (0.6 + Math.abs(2.8 - 2)) / 4);
  near(await metrics.expectedCalibrationError([0.3], [1], { bins: 1 }), 0.7);
  await rejects(metrics.expectedCalibrationError(table, [0, 1, 0, 0], { bins: 0 }), RangeError, /≥ 1/);
});

probability("perplexity", async () => {
  near(await metrics.perplexity([[0, 0, 0, 0]], [2]), 4);
  const logits = [
    [
      [1, 2],
      [1000, 1000],
      [5, 5],
    ],
  ];
  const first = Math.log(1 + Math.E);
  near(await metrics.perplexity(logits, [[0, 1, -100]]), Math.exp((first + Math.log(2)) / 2), 1e-9);
  near(await metrics.perplexity(logits, [[7, 1, 7]], { ignoreIndex: 7 }), 2);
  await rejects(metrics.perplexity([[0, 1]], [-100]), ShapeError, /nothing is left/);
});

const regression = suite("regression");

regression("mse, mae and r2", async () => {
  assert.is(await metrics.mse([2.5, 0, 2, 8], [3, -0.5, 2, 7]), 0.375);
  assert.is(await metrics.mae([2.5, 0, 2, 8], [3, -0.5, 2, 7]), 0.5);
  near(await metrics.r2([2.5, 0, 2, 8], [3, -0.5, 2, 7]), 0.9486081370449679);
  // Outputs one by one: 1 − 0.25/0.5 and 1 − 1/2.
  near(
    await metrics.r2(
      [
        [0, 0],
        [0.5, 3],
      ],
      [
        [0, 1],
        [1, 3],
      ],
    ),
    0.5,
  );
  assert.is(await metrics.r2([1, 1], [1, 1]), 1);
  assert.is(await metrics.r2([1, 2], [1, 1]), 0);
  await rejects(metrics.r2([1], [1]), RangeError, /two samples/);
  await rejects(metrics.mse([1, 2], [1]), ShapeError, /\[2\] and \[1\]/);
});

regression("psnr", async () => {
  near(await metrics.psnr([0, 0.5], [0, 0.4]), 10 * Math.log10(1 / 0.005), 1e-9);
  near(await metrics.psnr([0, 100], [0, 90], { dataRange: 255 }), 10 * Math.log10(255 ** 2 / 50), 1e-9);
  assert.is(await metrics.psnr([1], [1]), Number.POSITIVE_INFINITY);
  await rejects(metrics.psnr([1], [1], { dataRange: 0 }), RangeError, /positive/);
});

regression("ssim", async () => {
  const constant = (value: number): { data: Float64Array; shape: number[] } => ({
    data: new Float64Array(144).fill(value),
    shape: [1, 1, 12, 12],
  });
  // No variance: (2ab + c₁)/(a² + b² + c₁) · c₂/c₂.
  near(await metrics.ssim(constant(0.25), constant(0.75)), (2 * 0.1875 + 1e-4) / (0.0625 + 0.5625 + 1e-4), 1e-9);
  const wave = { data: Float64Array.from({ length: 256 }, (_, i) => 0.5 + 0.5 * Math.sin(i)), shape: [16, 16] };
  near(await metrics.ssim(wave, wave), 1, 1e-9);
  const opposite = { data: wave.data.map((value) => 1 - value), shape: [16, 16] };
  assert.ok((await metrics.ssim(wave, opposite)) < 0);
  // One window: the weighted moments straight from their definitions.
  const pixels = (f: (i: number) => number): number[] => Array.from({ length: 121 }, (_, i) => f(i));
  const a = pixels((i) => (i * 37) % 101);
  const b = pixels((i) => (i * 53 + 20) % 97);
  const raw = pixels((i) => Math.exp(-((Math.floor(i / 11) - 5) ** 2 + ((i % 11) - 5) ** 2) / 4.5));
  const weight = raw.reduce((sum, value) => sum + value, 0);
  const mean = (f: (i: number) => number): number => raw.reduce((sum, value, i) => sum + (value / weight) * f(i), 0);
  const at = (values: number[], i: number): number => values[i] ?? Number.NaN;
  const [ma, mb] = [mean((i) => at(a, i)), mean((i) => at(b, i))];
  const va = mean((i) => (at(a, i) - ma) ** 2);
  const vb = mean((i) => (at(b, i) - mb) ** 2);
  const vab = mean((i) => (at(a, i) - ma) * (at(b, i) - mb));
  const [c1, c2] = [1, 9];
  near(
    await metrics.ssim({ data: a, shape: [11, 11] }, { data: b, shape: [11, 11] }, { dataRange: 100 }),
    ((2 * ma * mb + c1) * (2 * vab + c2)) / ((ma ** 2 + mb ** 2 + c1) * (va + vb + c2)),
    1e-9,
  );
  await rejects(metrics.ssim(constant(1).data, constant(1).data), ShapeError, /11 × 11/);
});

accuracy.run();
confusion.run();
ranking.run();
probability.run();
regression.run();
