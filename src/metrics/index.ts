// The metrics room: how good predictions are, in float64 on the host.
export { accuracy, expectedCalibrationError, logLoss, perplexity, topKAccuracy } from "./classification.ts";
export {
  type Average,
  type ClassMetric,
  ConfusionMatrix,
  confusionMatrix,
  f1,
  precision,
  recall,
} from "./confusion-matrix.ts";
export type { MetricInput, NestedNumbers } from "./input.ts";
export { prAuc, type RankingAverage, rocAuc } from "./ranking.ts";
export { mae, mse, psnr, r2, ssim } from "./regression.ts";
