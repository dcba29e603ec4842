// Transforms of images on the host: f32 arrays of channels, rows and columns, random ones drawing from a given generator.
import { ShapeError } from "../errors.ts";
import type { Shape } from "../tensor.ts";
import { inverseAffine, warp } from "./affine.ts";
import type { HostRandom } from "./random.ts";

/** One image: `[channels, rows, columns]`, row-major. */
export interface ImageArray {
  readonly data: Float32Array;
  readonly shape: Shape;
}

/** Makes a new image of one; never changes the one given. */
export type Transform = (image: ImageArray, random: HostRandom) => ImageArray;

/** A number of degrees d, for a random angle in [−d, d), or the two ends of the range. */
export type AngleRange = number | readonly [number, number];

/** Runs transforms one after the other. */
export function compose(...transforms: Transform[]): Transform {
  return (image, random) => transforms.reduce((result, transform) => transform(result, random), image);
}

/** (x − mean) / std, for all channels alike or channel by channel. */
export function normalize(mean: number | readonly number[], std: number | readonly number[]): Transform {
  const deviations = typeof std === "number" ? [std] : std;
  if (deviations.some((value) => !(value > 0))) {
    throw new RangeError(`normalize: std must be positive, got ${String(std)}.`);
  }
  return (image) => {
    const [channels, rows, columns] = sizes("normalize", image);
    for (const given of [mean, std]) {
      if (typeof given !== "number" && given.length !== channels) {
        throw new ShapeError(`normalize: ${channels} channels need as many means and stds, got ${given.length}.`, {
          op: "normalize",
          shapes: [image.shape],
        });
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

function at(value: number | readonly number[], channel: number): number {
  return typeof value === "number" ? value : (value[channel] ?? 0);
}

/** Where a row or column of a padded image comes from. */
export type PadMode = "constant" | "reflect" | "edge";

/**
 * Adds a margin: `padding` is one width for all sides, `[left and right, top and bottom]` or `[left, top, right, bottom]`.
 * "constant" fills it with `value` (default 0), "reflect" mirrors without repeating the edge, "edge" repeats the edge.
 */
export function pad(padding: number | readonly number[], options: { mode?: PadMode; value?: number } = {}): Transform {
  const [left, top, right, bottom] = margins(padding);
  const { mode = "constant", value = 0 } = options;
  return (image) => {
    const [channels, rows, columns] = sizes("pad", image);
    const outRows = rows + top + bottom;
    const outColumns = columns + left + right;
    const rowOf = Array.from({ length: outRows }, (_, row) => origin(row - top, rows, mode));
    const columnOf = Array.from({ length: outColumns }, (_, column) => origin(column - left, columns, mode));
    const data = new Float32Array(channels * outRows * outColumns).fill(value);
    let next = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (const row of rowOf) {
        for (const column of columnOf) {
          if (row >= 0 && column >= 0) data[next] = image.data[(channel * rows + row) * columns + column] ?? value;
          next++;
        }
      }
    }
    return { data, shape: [channels, outRows, outColumns] };
  };
}

function margins(padding: number | readonly number[]): [number, number, number, number] {
  const given = typeof padding === "number" ? [padding] : padding;
  const [a = -1, b = a, c = a, d = b] = given;
  if (given.length === 3 || given.length > 4 || ![a, b, c, d].every((width) => Number.isInteger(width) && width >= 0)) {
    throw new RangeError(`pad: padding is 1, 2 or 4 whole numbers of at least 0, got ${String(padding)}.`);
  }
  return [a, b, c, d];
}

function origin(position: number, size: number, mode: PadMode): number {
  if (position >= 0 && position < size) return position;
  switch (mode) {
    case "constant":
      return -1;
    case "edge":
      return Math.min(Math.max(position, 0), size - 1);
    case "reflect": {
      const mirrored = position < 0 ? -position : 2 * (size - 1) - position;
      if (mirrored < 0 || mirrored >= size) {
        throw new RangeError(`pad: "reflect" can add at most ${size - 1} to a side of ${size}. Use "edge" for more.`);
      }
      return mirrored;
    }
    default:
      return mode satisfies never;
  }
}

/**
 * Cuts out `size` (a square, or `[rows, columns]`), after adding `padding` as `pad` does: at a random place (default), in
 * the middle, or at the given row and column.
 */
export function crop(
  size: number | readonly [number, number],
  options: {
    position?: "random" | "center" | readonly [number, number];
    padding?: number | readonly number[];
    mode?: PadMode;
    value?: number;
  } = {},
): Transform {
  const [outRows, outColumns] = typeof size === "number" ? [size, size] : size;
  const { position = "random", padding, mode = "constant", value = 0 } = options;
  const margin = padding === undefined ? null : pad(padding, { mode, value });
  return (given, random) => {
    const image = margin === null ? given : margin(given, random);
    const [channels, rows, columns] = sizes("crop", image);
    const freeRows = rows - outRows;
    const freeColumns = columns - outColumns;
    let top: number;
    let left: number;
    if (typeof position !== "string") [top, left] = position;
    else if (position === "center") [top, left] = [Math.round(freeRows / 2), Math.round(freeColumns / 2)];
    else if (freeRows < 0 || freeColumns < 0) [top, left] = [-1, -1];
    else [top, left] = [random.below(freeRows + 1), random.below(freeColumns + 1)];
    if (!(top >= 0 && left >= 0 && top <= freeRows && left <= freeColumns)) {
      throw new ShapeError(
        `crop: [${outRows}, ${outColumns}] at ${String(position)} does not lie within the image [${image.shape}]. A padding would make room.`,
        { op: "crop", shapes: [image.shape] },
      );
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

/** Mirrors left and right ("horizontal", default) or top and bottom ("vertical"), with probability `p` (default 0.5). */
export function flip(options: { p?: number; axis?: "horizontal" | "vertical" } = {}): Transform {
  const { p = 0.5, axis = "horizontal" } = options;
  if (!(p >= 0 && p <= 1)) throw new RangeError(`flip: p must be a probability, got ${p}.`);
  return (image, random) => {
    const [channels, rows, columns] = sizes("flip", image);
    if (random.uniform() >= p) return image;
    const data = new Float32Array(image.data.length);
    for (let line = 0; line < channels * rows; line++) {
      const channel = Math.floor(line / rows);
      const row = line % rows;
      const from = axis === "vertical" ? (channel * rows + rows - 1 - row) * columns : line * columns;
      const source = image.data.subarray(from, from + columns);
      data.set(axis === "horizontal" ? source.toReversed() : source, line * columns);
    }
    return { data, shape: image.shape };
  };
}

/** Turns counter-clockwise about the middle by a random angle; `fill` (default 0) is what comes in from outside. */
export function rotate(degrees: AngleRange, options: { fill?: number } = {}): Transform {
  return affine({ degrees, fill: options.fill ?? 0 });
}

export interface AffineOptions {
  /** Rotation, counter-clockwise. Default 0. */
  degrees?: AngleRange;
  /** Largest shift to either side as parts of the width and of the height. Default [0, 0]. */
  translate?: readonly [number, number];
  /** Range of the factor of magnification. Default [1, 1]. */
  scale?: readonly [number, number];
  /** Shear of the rows, in degrees. Default 0. */
  shear?: AngleRange;
  /** What comes in from outside. Default 0. */
  fill?: number;
}

/** Random rotation, shift, magnification and shear about the middle in one go, with bilinear interpolation. */
export function affine(options: AffineOptions = {}): Transform {
  const { translate = [0, 0], scale = [1, 1], fill = 0 } = options;
  const [lowAngle, highAngle] = range("degrees", options.degrees ?? 0);
  const [lowShear, highShear] = range("shear", options.shear ?? 0);
  if (!(scale[0] > 0 && scale[1] >= scale[0])) {
    throw new RangeError(`affine: scale must be a range of positive factors, got [${scale}].`);
  }
  if (!translate.every((part) => part >= 0 && part <= 1)) {
    throw new RangeError(`affine: translate must be two parts from 0 to 1, got [${translate}].`);
  }
  return (image, random) => {
    const [channels, rows, columns] = sizes("affine", image);
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

function range(name: string, value: AngleRange): readonly [number, number] {
  const [low, high] = typeof value === "number" ? [-value, value] : value;
  if (!(low <= high) || !Number.isFinite(low) || !Number.isFinite(high)) {
    throw new RangeError(
      `affine: ${name} must be a number of at least 0 or a range [low, high], got ${String(value)}.`,
    );
  }
  return [low, high];
}

/** Adds normally distributed noise of mean 0 and the given standard deviation. */
export function noise(std: number): Transform {
  if (!(std >= 0)) throw new RangeError(`noise: std must be at least 0, got ${std}.`);
  return (image, random) => ({ data: image.data.map((value) => value + std * random.normal()), shape: image.shape });
}

function sizes(op: string, image: ImageArray): [number, number, number] {
  const [channels, rows, columns] = image.shape;
  if (image.shape.length !== 3 || channels === undefined || rows === undefined || columns === undefined) {
    throw new ShapeError(`${op}: an image is [channels, rows, columns], got [${image.shape}].`, {
      op,
      shapes: [image.shape],
    });
  }
  return [channels, rows, columns];
}
