// Metrics of regressions and of images: distances between numbers.
import { checkOptions, demand, misfit } from "../ops/check.ts";
import { checkEqualShapes, type HostValues, type MetricInput, read } from "./input.ts";

async function readEqual(metric: string, a: MetricInput, b: MetricInput): Promise<[HostValues, HostValues]> {
  const values = await read(metric, a, b);
  checkEqualShapes(metric, ...values);
  return values;
}

function meanOf(a: HostValues, b: HostValues, distance: (x: number, y: number) => number): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += distance(a.data[i] as number, b.data[i] as number);
  return sum / a.data.length;
}

const square = (x: number, y: number): number => (x - y) ** 2;

/** Mean squared error: mean((prediction − target)²) over all elements. */
export async function mse(predictions: MetricInput, targets: MetricInput): Promise<number> {
  return meanOf(...(await readEqual("mse", predictions, targets)), square);
}

/** Mean absolute error: mean(|prediction − target|) over all elements. */
export async function mae(predictions: MetricInput, targets: MetricInput): Promise<number> {
  return meanOf(...(await readEqual("mae", predictions, targets)), (x, y) => Math.abs(x - y));
}

/**
 * Coefficient of determination 1 − Σ(target − prediction)² / Σ(target − mean(target))², for `[n]` or, output by output
 * and averaged, for `[n, outputs]`. A constant target gives 1 if predicted exactly, else 0, as in scikit-learn.
 *
 * @throws RangeError when there are fewer than two samples.
 */
export async function r2(predictions: MetricInput, targets: MetricInput): Promise<number> {
  const [given, expected] = await readEqual("r2", predictions, targets);
  const [samples = 0, ...rest] = expected.shape;
  if (samples < 2 || rest.length > 1) {
    throw new RangeError(`r2: at least two samples of shape [n] or [n, outputs] are needed, got [${expected.shape}].`);
  }
  const outputs = rest[0] ?? 1;
  let total = 0;
  for (let output = 0; output < outputs; output++) {
    let mean = 0;
    for (let i = 0; i < samples; i++) mean += (expected.data[i * outputs + output] as number) / samples;
    let residual = 0;
    let spread = 0;
    for (let i = 0; i < samples; i++) {
      const target = expected.data[i * outputs + output] as number;
      residual += (target - (given.data[i * outputs + output] as number)) ** 2;
      spread += (target - mean) ** 2;
    }
    total += spread === 0 ? (residual === 0 ? 1 : 0) : 1 - residual / spread;
  }
  return total / outputs;
}

/** Peak signal-to-noise ratio in dB: 10·log₁₀(dataRange² / mse); Infinity where the images are equal. */
export async function psnr(
  predictions: MetricInput,
  targets: MetricInput,
  options: { dataRange?: number } = {},
): Promise<number> {
  checkOptions("psnr", options, ["dataRange"]);
  const range = dataRangeOf("psnr", options.dataRange);
  return 10 * Math.log10(range ** 2 / meanOf(...(await readEqual("psnr", predictions, targets)), square));
}

function dataRangeOf(metric: string, range = 1): number {
  return demand(metric, "dataRange", range, range > 0, "the span of the pixels' values and positive");
}

const WINDOW = 11;
const SIGMA = 1.5;

/**
 * Structural similarity of images `[…, rows, columns]` (Wang et al. 2004): the mean over all windows of
 * (2μₓμᵧ + c₁)(2σₓᵧ + c₂) / ((μₓ² + μᵧ² + c₁)(σₓ² + σᵧ² + c₂)) with c₁ = (0.01·dataRange)², c₂ = (0.03·dataRange)²;
 * windows of 11 × 11 weighted by a Gaussian of σ = 1.5, only those wholly inside the image. `dataRange` is the span of
 * the pixels' values (default 1).
 *
 * @throws ShapeError when the images are smaller than a window.
 */
export async function ssim(
  predictions: MetricInput,
  targets: MetricInput,
  options: { dataRange?: number } = {},
): Promise<number> {
  checkOptions("ssim", options, ["dataRange"]);
  const range = dataRangeOf("ssim", options.dataRange);
  const [given, expected] = await readEqual("ssim", predictions, targets);
  const [rows = 0, columns = 0] = expected.shape.slice(-2);
  if (expected.shape.length < 2 || rows < WINDOW || columns < WINDOW) {
    const rule = `images […, rows, columns] of at least 11 × 11 are needed, got [${expected.shape}].`;
    throw misfit("ssim", rule, expected);
  }
  const area = rows * columns;
  const c1 = (0.01 * range) ** 2;
  const c2 = (0.03 * range) ** 2;
  let total = 0;
  let count = 0;
  for (let start = 0; start < expected.data.length; start += area) {
    const at = (values: HostValues, i: number): number => values.data[start + i] as number;
    const blur = (value: (i: number) => number): Float64Array => blurred(value, rows, columns);
    const x = blur((i) => at(given, i));
    const y = blur((i) => at(expected, i));
    const xx = blur((i) => at(given, i) ** 2);
    const yy = blur((i) => at(expected, i) ** 2);
    const xy = blur((i) => at(given, i) * at(expected, i));
    for (let i = 0; i < x.length; i++) {
      const meanX = x[i] as number;
      const meanY = y[i] as number;
      const varianceX = Math.max((xx[i] as number) - meanX ** 2, 0);
      const varianceY = Math.max((yy[i] as number) - meanY ** 2, 0);
      const covariance = (xy[i] as number) - meanX * meanY;
      total +=
        ((2 * meanX * meanY + c1) * (2 * covariance + c2)) /
        ((meanX ** 2 + meanY ** 2 + c1) * (varianceX + varianceY + c2));
      count++;
    }
  }
  return total / count;
}

/** Gaussian means over the windows inside an image, rows first. */
function blurred(value: (i: number) => number, rows: number, columns: number): Float64Array {
  const raw = Array.from({ length: WINDOW }, (_, i) => Math.exp(-((i - (WINDOW - 1) / 2) ** 2) / (2 * SIGMA ** 2)));
  const sum = raw.reduce((a, b) => a + b, 0);
  const weights = raw.map((weight) => weight / sum);
  const outRows = rows - WINDOW + 1;
  const outColumns = columns - WINDOW + 1;
  const across = new Float64Array(rows * outColumns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < outColumns; column++) {
      let mean = 0;
      for (let k = 0; k < WINDOW; k++) mean += (weights[k] as number) * value(row * columns + column + k);
      across[row * outColumns + column] = mean;
    }
  }
  const result = new Float64Array(outRows * outColumns);
  for (let i = 0; i < result.length; i++) {
    let mean = 0;
    for (let k = 0; k < WINDOW; k++) mean += (weights[k] as number) * (across[i + k * outColumns] as number);
    result[i] = mean;
  }
  return result;
}
