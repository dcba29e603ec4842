// Affine warps of images: the inverse map of rotation, shift, scale and shear, and bilinear sampling through it.

/** Row-major 2 × 3 matrix from output to input coordinates: x' = a·x + b·y + c, y' = d·x + e·y + f. */
export type Matrix = readonly [number, number, number, number, number, number];

/** The parameters of an affine warp about the middle of the image. */
export interface AffineParameters {
  readonly rows: number;
  readonly columns: number;
  /** Rotation, counter-clockwise. */
  readonly degrees: number;
  /** Shift to the right, in pixels. */
  readonly shiftX: number;
  /** Shift downwards, in pixels. */
  readonly shiftY: number;
  readonly scale: number;
  /** Shear of the rows, in degrees. */
  readonly shear: number;
}

/**
 * Inverse of x ↦ M·(x − m) + m + t with M = scale · rotation · shear, m the middle of the image and t the shift, in
 * coordinates with x to the right and y downwards.
 */
export function inverseAffine(parameters: AffineParameters): Matrix {
  const { rows, columns, scale, shiftX, shiftY } = parameters;
  const angle = (-parameters.degrees * Math.PI) / 180;
  const slope = Math.tan((parameters.shear * Math.PI) / 180);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  // M = scale · [cos, cos·slope − sin; sin, sin·slope + cos], whose determinant is scale².
  const a = (sin * slope + cos) / scale;
  const b = (sin - cos * slope) / scale;
  const d = -sin / scale;
  const e = cos / scale;
  const middleX = (columns - 1) / 2;
  const middleY = (rows - 1) / 2;
  const fromX = middleX + shiftX;
  const fromY = middleY + shiftY;
  return [a, b, middleX - a * fromX - b * fromY, d, e, middleY - d * fromX - e * fromY];
}

/** Samples every channel of an image bilinearly at matrix · (column, row); outside of it lies `fill`. */
export function warp(
  data: Float32Array,
  shape: readonly [channels: number, rows: number, columns: number],
  matrix: Matrix,
  fill: number,
): Float32Array {
  const [channels, rows, columns] = shape;
  const [a, b, c, d, e, f] = matrix;
  const result = new Float32Array(data.length);
  const area = rows * columns;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const x = a * column + b * row + c;
      const y = d * column + e * row + f;
      const left = Math.floor(x);
      const top = Math.floor(y);
      const right = x - left;
      const down = y - top;
      for (let channel = 0; channel < channels; channel++) {
        const start = channel * area;
        const pixel = (py: number, px: number): number =>
          py >= 0 && py < rows && px >= 0 && px < columns ? (data[start + py * columns + px] as number) : fill;
        result[start + row * columns + column] =
          (1 - down) * ((1 - right) * pixel(top, left) + right * pixel(top, left + 1)) +
          down * ((1 - right) * pixel(top + 1, left) + right * pixel(top + 1, left + 1));
      }
    }
  }
  return result;
}
