// Trains the digit classifier on MNIST from the command line: npm start -- --help
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { data, init, metrics, optim, WgradError } from "wgrad";
import { saveCheckpoint } from "wgrad/node";
import { type Mistake, worstMistakes } from "./mistakes.ts";
import { DigitClassifier } from "./model.ts";
import { type Options, readOptions, UsageError, usage } from "./options.ts";
import { display } from "./progress.ts";
import { drawReport, type Point } from "./report.ts";
import { DivergedError, test, trainer, type Verdicts } from "./train.ts";

/** Mean and standard deviation of MNIST's training pixels. */
const pixels = { mean: 0.1307, std: 0.3081 };
const shownMistakes = 24;

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (options === null) {
    console.log(usage);
    return;
  }
  await prepareFolder(options.out);
  const sets = await loadDigits(options);
  const device = await init({ seed: options.seed });
  console.log(`device: ${device.adapterName}`);
  console.log(`${sets.train.length} training images, ${sets.test.length} test images`);

  const model = new DigitClassifier();
  const optimizer = new optim.Adam(model.parameters(), { lr: options.lr });
  const train = new data.DataLoader(sets.train, { batchSize: options.batch, shuffle: true, seed: options.seed });
  const testing = new data.DataLoader(sets.test, { batchSize: 1000 });
  const view = display(process.stdout, { epochs: options.epochs, images: sets.train.length });
  process.once("SIGINT", () => {
    view.close();
    process.exit(130);
  });
  const trainEpoch = trainer(model, optimizer, Math.max(1, Math.round(train.length / 40)));

  const curve: Point[] = [];
  const tests: Point[] = [];
  let seconds = 0;
  let verdicts: Verdicts | null = null;
  for (let epoch = 0; epoch < options.epochs; epoch++) {
    const started = performance.now();
    view.epochStart(epoch);
    const means = await trainEpoch(train, (progress) => {
      const { loss, accuracy } = progress;
      curve.push({ epoch: epoch + progress.images / sets.train.length, loss, accuracy });
      view.progress(progress);
    });
    const epochSeconds = (performance.now() - started) / 1000;
    seconds += epochSeconds;
    verdicts = await test(model, testing);
    tests.push({ epoch: epoch + 1, loss: verdicts.loss, accuracy: verdicts.accuracy });
    view.epochEnd(
      `epoch ${epoch + 1}/${options.epochs}  loss ${means.loss.toFixed(4)}  accuracy ${percent(means.accuracy)}  ` +
        `test loss ${verdicts.loss.toFixed(4)}  test accuracy ${percent(verdicts.accuracy)}  ${epochSeconds.toFixed(1)} s`,
    );
  }
  if (verdicts === null) return;

  const scores = { data: verdicts.probabilities, shape: [verdicts.labels.length, 10] };
  const matrix = await metrics.confusionMatrix(scores, verdicts.labels, { numClasses: 10 });
  const speed = Math.round((options.epochs * sets.train.length) / seconds).toLocaleString("en");
  console.log(`\n${matrix}\n`);
  console.log(`test accuracy ${percent(verdicts.accuracy)}, trained in ${seconds.toFixed(1)} s (${speed} images/s)`);
  console.log(`weights sha256:${await digest(model)}`);

  const files = {
    checkpoint: join(options.out, "model.safetensors"),
    report: join(options.out, "report.png"),
    history: join(options.out, "history.json"),
  };
  const { epochs, batch, lr, seed } = options;
  const run = { epochs, batch, lr, seed, testAccuracy: verdicts.accuracy };
  await saveCheckpoint(files.checkpoint, { model, optimizer, run });
  const mistakes = await Promise.all(
    worstMistakes(verdicts, shownMistakes).map(async (mistake) => ({
      ...mistake,
      pixels: await greys(sets.test, mistake),
    })),
  );
  const title = `MNIST, 784-128-64-10: ${percent(verdicts.accuracy)} of ${verdicts.labels.length} test images right after ${epochs} ${epochs === 1 ? "epoch" : "epochs"}`;
  await writeFile(files.report, drawReport({ title, training: curve, testing: tests, mistakes }));
  await writeFile(files.history, `${JSON.stringify({ ...run, seconds, training: curve, testing: tests }, null, 2)}\n`);
  for (const [what, file] of Object.entries(files)) console.log(`${what}: ${file}`);
}

/** Makes the folder for the results before anything is computed. */
async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new UsageError(
      `--out: the folder ${folder} cannot be made: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

type Sample = [data.HostArray, data.HostArray];

async function loadDigits({
  data: path,
  limit,
}: Options): Promise<{ train: data.Dataset<Sample>; test: data.Dataset<Sample> }> {
  try {
    const { train, test: testSet } = await data.mnist({ normalize: pixels, ...(path === undefined ? {} : { path }) });
    const first = (set: data.Dataset<Sample>): data.Dataset<Sample> =>
      limit >= set.length
        ? set
        : new data.Subset(
            set,
            Uint32Array.from({ length: limit }, (_, index) => index),
          );
    return { train: first(train), test: first(testSet) };
  } catch (error) {
    if (error instanceof WgradError) throw new UsageError(error.message);
    throw error;
  }
}

/** The grey values of a test image, as they were before normalization. */
async function greys(set: data.Dataset<Sample>, { index }: Mistake): Promise<Uint8ClampedArray> {
  const [image] = await set.get(index);
  return Uint8ClampedArray.from(image.data, (value) => 255 * (value * pixels.std + pixels.mean));
}

/** A short fingerprint of all weights: equal only if they are equal bit for bit. */
async function digest(model: DigitClassifier): Promise<string> {
  const hash = createHash("sha256");
  for (const parameter of model.parameters()) hash.update(await parameter.data());
  return hash.digest("hex").slice(0, 16);
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)}%`;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const known = error instanceof UsageError || error instanceof WgradError || error instanceof DivergedError;
  const hint = error instanceof UsageError ? " (--help shows the options)" : "";
  console.error(known ? `mnist-mlp: ${error.message}${hint}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
