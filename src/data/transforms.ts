// Transforms of images on the host: f32 arrays of channels, rows and columns, random ones drawing from a given generator.
import { checkChoice, checkFinite, checkFunction, checkOptions, demand, misfit, printed } from "../ops/check.ts";
import type { Shape } from "../tensor.ts";
import { inverseAffine, warp } from "./affine.ts";
import type { HostRandom } from "./random.ts";

/** One image: `[channels, rows, columns]`, row-major. */
export interface ImageArray {
  /** The elements, row-major. */
  readonly data: Float32Array;
  /** [channels, rows, columns]. */
  readonly shape: Shape;
}

/** A function from an image to a new image. It never changes the image that it is given. */
export type Transform = (image: ImageArray, random: HostRandom) => ImageArray;

/** A number of degrees d, for a random angle in [−d, d), or the two ends of the range. */
export type AngleRange = number | readonly [number, number];

/** Runs transforms one after the other. */
export function compose(...transforms: Transform[]): Transform {
  for (const transform of transforms) checkFunction("compose", "a transform", transform);
  return (image, random) => transforms.reduce((result, transform) => transform(result, random), image);
}

/** Computes (x − mean) / std, for all channels alike or channel by channel. */
export function normalize(mean: number | readonly number[], std: number | readonly number[]): Transform {
  const means = listOf(mean);
  const deviations = listOf(std);
  const finite = means.length > 0 && means.every(Number.isFinite);
  demand("normalize", "mean", mean, finite, "a finite number or one per channel");
  const positive = deviations.length > 0 && deviations.every((value) => Number.isFinite(value) && value > 0);
  demand("normalize", "std", std, positive, "a positive number or one per channel");
  if (typeof mean !== "number" && typeof std !== "number" && mean.length !== std.length) {
    const got = `${printed(mean)} and ${printed(std)}`;
    throw new RangeError(`normalize: mean and std must be of as many channels, got ${got}.`);
  }
  return (image) => {
    const [channels, rows, columns] = sizes("normalize", image);
    for (const given of [mean, std]) {
      if (typeof given !== "number" && given.length !== channels) {
        throw misfit("normalize", `${channels} channels need as many means and stds, got ${given.length}.`, image);
      }
    }
    const area = rows * columns;
    const data = image.data.map((value, i) => {
      const channel = Math.floor(i / area);
      return (value - at(mean, channel)) / at(std, channel);
    });
    return { data, shape: image.shape };
  };
}

function listOf(value: number | readonly number[]): readonly number[] {
  return typeof value === "object" && value !== null && Symbol.iterator in value ? [...value] : [value as number];
}

function at(value: number | readonly number[], channel: number): number {
  return typeof value === "number" ? value : (value[channel] as number);
}

/** How a margin is filled: with a constant, mirrored, or with the edge. */
export type PadMode = "constant" | "reflect" | "edge";

/** Options of `pad`. */
export interface PadOptions {
  /** Default "constant". */
  mode?: PadMode;
  /** The value that "constant" fills with. Default 0. */
  value?: number;
}

/**
 * Adds a margin: `padding` is one width for all sides, `[left and right, top and bottom]` or `[left, top, right, bottom]`.
 * "constant" fills it with `value`, "reflect" mirrors without repeating the edge, "edge" repeats the edge.
 */
export function pad(padding: number | readonly number[], options: PadOptions = {}): Transform {
  checkOptions("pad", options, ["mode", "value"]);
  return padded("pad", padding, options);
}

function padded(op: string, padding: number | readonly number[], options: PadOptions): Transform {
  const [left, top, right, bottom] = margins(op, padding);
  const { mode = "constant", value = 0 } = options;
  checkChoice(op, "mode", mode, ["constant", "reflect", "edge"]);
  checkFinite(op, "value", value);
  return (image) => {
    const [, rows, columns] = sizes(op, image);
    const rowOf = Array.from({ length: rows + top + bottom }, (_, row) => origin(op, row - top, rows, mode));
    const columnOf = Array.from({ length: columns + left + right }, (_, i) => origin(op, i - left, columns, mode));
    return picked(image, rowOf, columnOf, value);
  };
}

/** The image of these rows and columns; −1 stands for one of `fill` alone. */
function picked(image: ImageArray, rowOf: readonly number[], columnOf: readonly number[], fill: number): ImageArray {
  const [channels, rows, columns] = image.shape as [number, number, number];
  const data = new Float32Array(channels * rowOf.length * columnOf.length).fill(fill);
  let next = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (const row of rowOf) {
      for (const column of columnOf) {
        if (row >= 0 && column >= 0) data[next] = image.data[(channel * rows + row) * columns + column] as number;
        next++;
      }
    }
  }
  return { data, shape: [channels, rowOf.length, columnOf.length] };
}

function margins(op: string, padding: number | readonly number[]): [number, number, number, number] {
  const given = listOf(padding);
  const [a = -1, b = a, c = a, d = b] = given;
  const widths = [a, b, c, d].every((width) => Number.isInteger(width) && width >= 0);
  const right = widths && given.length !== 3 && given.length <= 4;
  demand(op, "padding", padding, right, "1, 2 or 4 whole numbers of at least 0");
  return [a, b, c, d];
}

function origin(op: string, position: number, size: number, mode: PadMode): number {
  if (position >= 0 && position < size) return position;
  if (mode === "constant") return -1;
  if (mode === "edge") return Math.min(Math.max(position, 0), size - 1);
  const mirrored = position < 0 ? -position : 2 * (size - 1) - position;
  if (mirrored >= 0 && mirrored < size) return mirrored;
  throw new RangeError(`${op}: "reflect" can add at most ${size - 1} to a side of ${size}. Use "edge" for more.`);
}

/** Options of `crop`. */
export interface CropOptions extends PadOptions {
  /** At random, in the middle, or the row and column of the upper left corner. Default "random". */
  position?: "random" | "center" | readonly [number, number];
  /** Margin that is added first, as `pad` does. Default 0. */
  padding?: number | readonly number[];
}

/**
 * Cuts out `size` (a square, or `[rows, columns]`) after adding `padding`. The place is random, given, or the middle;
 * if the middle lies between two pixels, the even row or column is taken, as in torchvision.
 */
export function crop(size: number | readonly [number, number], options: CropOptions = {}): Transform {
  checkOptions("crop", options, ["position", "padding", "mode", "value"]);
  const { position = "random", padding = 0 } = options;
  const [outRows, outColumns] = pair("size", typeof size === "number" ? [size, size] : size, 1);
  const place = typeof position === "string" ? null : pair("position", position, 0);
  if (typeof position === "string") checkChoice("crop", "position", position, ["random", "center"]);
  const margin = padded("crop", padding, options);
  return (given, random) => {
    const image = padding === 0 ? given : margin(given, random);
    const [channels, rows, columns] = sizes("crop", image);
    const freeRows = rows - outRows;
    const freeColumns = columns - outColumns;
    let top: number;
    let left: number;
    if (place !== null) [top, left] = place;
    else if (position === "center") [top, left] = [evenHalf(freeRows), evenHalf(freeColumns)];
    else if (freeRows < 0 || freeColumns < 0) [top, left] = [-1, -1];
    else [top, left] = [random.below(freeRows + 1), random.below(freeColumns + 1)];
    if (!(top >= 0 && left >= 0 && top <= freeRows && left <= freeColumns)) {
      const problem = `[${outRows}, ${outColumns}] at ${String(position)} does not lie within the image [${image.shape}].`;
      throw misfit("crop", `${problem} A padding would make room.`, image);
    }
    const data = new Float32Array(channels * outRows * outColumns);
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < outRows; row++) {
        const start = (channel * rows + top + row) * columns + left;
        data.set(image.data.subarray(start, start + outColumns), (channel * outRows + row) * outColumns);
      }
    }
    return { data, shape: [channels, outRows, outColumns] };
  };
}

/** Two whole numbers of at least `least`, for rows and columns. */
function pair(name: string, value: readonly number[], least: number): readonly [number, number] {
  const also = name === "size" ? "a whole number or " : '"random", "center" or ';
  const right = isPair(value) && value.every((size) => Number.isInteger(size) && size >= least);
  demand("crop", name, value, right, `${also}[rows, columns], whole numbers of at least ${least}`);
  return value as readonly [number, number];
}

/** Half of a whole number, rounded; what is halfway goes to the even neighbour. */
function evenHalf(count: number): number {
  return count % 2 === 0 ? count / 2 : 2 * Math.round(count / 4);
}

/** Mirrors left and right ("horizontal", default) or top and bottom ("vertical"), with probability `p` (default 0.5). */
export function flip(options: { p?: number; axis?: "horizontal" | "vertical" } = {}): Transform {
  checkOptions("flip", options, ["p", "axis"]);
  const { p = 0.5, axis = "horizontal" } = options;
  demand("flip", "p", p, typeof p === "number" && p >= 0 && p <= 1, "a probability from 0 to 1");
  checkChoice("flip", "axis", axis, ["horizontal", "vertical"]);
  return (image, random) => {
    const [, rows, columns] = sizes("flip", image);
    if (random.uniform() >= p) return image;
    const [rowOf, columnOf] = [[...new Array(rows).keys()], [...new Array(columns).keys()]];
    (axis === "vertical" ? rowOf : columnOf).reverse();
    return picked(image, rowOf, columnOf, 0);
  };
}

/**
 * Turns the image counter-clockwise about its middle by a random angle. `fill` (default 0) is the value of what comes
 * in from outside.
 */
export function rotate(degrees: AngleRange, options: { fill?: number } = {}): Transform {
  checkOptions("rotate", options, ["fill"]);
  return warped("rotate", degrees, options);
}

/** Options of `affine`. */
export interface AffineOptions {
  /** Rotation, counter-clockwise. Default 0. */
  degrees?: AngleRange;
  /** Largest shift to either side as parts of the width and of the height. Default [0, 0]. */
  translate?: readonly [number, number];
  /** Range of the factor of magnification. Default [1, 1]. */
  scale?: readonly [number, number];
  /** Shear of the rows, in degrees. Default 0. */
  shear?: AngleRange;
  /** The value of what comes in from outside. Default 0. */
  fill?: number;
}

/** Turns, shifts, scales and shears the image about its middle at random, in one step with bilinear interpolation. */
export function affine(options: AffineOptions = {}): Transform {
  checkOptions("affine", options, ["degrees", "translate", "scale", "shear", "fill"]);
  const { degrees = 0, ...others } = options;
  return warped("affine", degrees, others);
}

function warped(op: string, degrees: AngleRange, options: Omit<AffineOptions, "degrees">): Transform {
  const { translate = [0, 0], scale = [1, 1], shear = 0, fill = 0 } = options;
  const [lowAngle, highAngle] = range(op, "degrees", degrees);
  const [lowShear, highShear] = range(op, "shear", shear);
  checkFinite(op, "fill", fill);
  const growing = isPair(scale) && scale[0] > 0 && scale[1] >= scale[0];
  demand(op, "scale", scale, growing, "a range [low, high] of positive factors");
  const parts = isPair(translate) && translate.every((part) => part >= 0 && part <= 1);
  demand(op, "translate", translate, parts, "two parts from 0 to 1");
  return (image, random) => {
    const [channels, rows, columns] = sizes(op, image);
    const inverse = inverseAffine({
      rows,
      columns,
      degrees: random.uniform(lowAngle, highAngle),
      shiftX: random.uniform(-translate[0], translate[0]) * columns,
      shiftY: random.uniform(-translate[1], translate[1]) * rows,
      scale: random.uniform(scale[0], scale[1]),
      shear: random.uniform(lowShear, highShear),
    });
    return { data: warp(image.data, [channels, rows, columns], inverse, fill), shape: image.shape };
  };
}

function range(op: string, name: string, value: AngleRange): readonly [number, number] {
  const ends = typeof value === "number" ? [-value, value] : value;
  const rising = isPair(ends) && ends[0] <= ends[1];
  demand(op, name, value, rising, "a number of at least 0 or a range [low, high]");
  return ends as readonly [number, number];
}

function isPair(value: unknown): value is readonly [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
}

/** Adds normally distributed noise of mean 0 and the given standard deviation. */
export function noise(std: number): Transform {
  demand("noise", "std", std, Number.isFinite(std) && std >= 0, "a number of at least 0");
  return (image, random) => ({ data: image.data.map((value) => value + std * random.normal()), shape: image.shape });
}

function sizes(op: string, image: ImageArray): [number, number, number] {
  if (image.shape.length !== 3) {
    throw misfit(op, `an image is [channels, rows, columns], got [${image.shape}].`, image);
  }
  return image.shape as [number, number, number];
}
